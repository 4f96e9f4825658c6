#include "net.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "sip_text.h"

int net_listen(struct net *n, const char *name, int node, uint16_t slot, const struct addr *addr,
	       enum transport t)
{
	CHECK(n->end_count < NET_ENDS_MAX);
	n->ends[n->end_count] = (struct net_end){*addr, t, node, slot, name, true, 0};
	return n->end_count++;
}

int net_find(const struct net *n, const struct addr *addr, enum transport t)
{
	for (int i = 0; i < n->end_count; i++)
		if (n->ends[i].transport == t && addr_eq(&n->ends[i].addr, addr))
			return i;
	return NET_NONE;
}

void net_set_up(struct net *n, int node, bool up)
{
	for (int i = 0; i < n->end_count; i++)
		if (n->ends[i].node == node)
			n->ends[i].up = up;
}

void net_lose(struct net *n, int node, const char *start, const char *method, uint32_t count)
{
	CHECK(n->filter_count < NET_FILTERS_MAX);
	n->filters[n->filter_count++] = (struct net_filter){node, start, method, count};
}

static bool is_filtered(struct net *n, int node, struct str bytes)
{
	for (int i = 0; i < n->filter_count; i++) {
		struct net_filter *f = &n->filters[i];
		if (f->left == 0 || f->node != node || !str_has_prefix(bytes, str_from(f->start)))
			continue;
		struct sip_text m;
		if (f->method &&
		    (!sip_text_read(bytes, &m) || !str_eq(m.cseq_method, str_from(f->method))))
			continue;
		f->left--;
		return true;
	}
	return false;
}

static uint64_t delay_ms(struct net *n)
{
	return dice_range(n->dice, n->quality.delay_least_ms, n->quality.delay_most_ms);
}

static void plan_datagram(struct net *n, int to, const struct addr *from, struct str bytes)
{
	uint64_t wait = delay_ms(n);
	if (dice_percent(n->dice, n->quality.reorder)) {
		wait += dice_range(n->dice, 0, n->quality.late_ms);
		n->late++;
	}
	struct happening h = {.kind = HAPPEN_DATAGRAM, .to = to, .from = *from, .bytes = bytes};
	clock_plan(n->clock, &h, n->clock->now_ms + wait);
}

/* A few octets changed, or some left out or said twice: what a hostile or broken peer sends. */
static struct str spoiled(struct net *n, struct str bytes)
{
	char *p = malloc(bytes.len + 64);
	CHECK(p != NULL);
	size_t len = bytes.len;
	memcpy(p, bytes.p, len);
	for (uint32_t i = dice_range(n->dice, 1, 4); i > 0 && len > 64; i--) {
		size_t at = dice_range(n->dice, 0, (uint32_t)len - 33);
		size_t run = dice_range(n->dice, 1, 16);
		switch (dice_range(n->dice, 0, 3)) {
		case 0: p[at] = (char)dice_range(n->dice, 0, 255); break;
		case 1: p[at] = (char)dice_range(n->dice, '0', '9'); break;
		case 2:
			memmove(p + at, p + at + run, len - at - run);
			len -= run;
			break;
		default:
			memmove(p + at + run, p + at, len - at);
			len += run;
			break;
		}
	}
	return (struct str){p, len < bytes.len + 64 ? len : bytes.len + 64};
}

void net_datagram(struct net *n, int from_end, const struct addr *to, struct str bytes)
{
	const struct net_end *from = &n->ends[from_end];
	int end = net_find(n, to, TRANSPORT_UDP);
	const char *to_name = end == NET_NONE ? "nobody" : n->ends[end].name;
	n->sent++;
	bool lost = is_filtered(n, from->node, bytes) || dice_percent(n->dice, n->quality.loss);
	bool nowhere = end == NET_NONE || !n->ends[end].up || !from->up;
	bool twice = dice_percent(n->dice, n->quality.repeat);
	ladder_message(n->ladder, n->clock->now_ms, from->name, to_name, bytes,
		       lost      ? "LOST"
		       : nowhere ? "DOWN"
		       : twice   ? "twice"
				 : "");
	if (lost || nowhere) {
		n->lost++;
		n->ends[from_end].losses++;
		if (end != NET_NONE)
			n->ends[end].losses++;
		return;
	}
	plan_datagram(n, end, &from->addr, happening_bytes(bytes));
	if (twice) {
		n->repeated++;
		plan_datagram(n, end, &from->addr, happening_bytes(bytes));
	}
	if (n->quality.noise && n->ends[end].node == n->quality.noise_to &&
	    dice_percent(n->dice, n->quality.noise))
		plan_datagram(n, end, &from->addr, spoiled(n, bytes));
}

int net_connect(struct net *n, int node, const char *name, const struct addr *from,
		const struct addr *to, enum transport t)
{
	CHECK(n->conn_count < NET_CONNS_MAX);
	int conn = n->conn_count++;
	struct net_conn *c = &n->conns[conn];
	int end = net_find(n, to, t);
	bool refused = end == NET_NONE || !n->ends[end].up;
	*c = (struct net_conn){.transport = t,
			       .node = {node, end == NET_NONE ? NET_NONE : n->ends[end].node},
			       .end = end,
			       .addr = {*from, *to},
			       .name = {name, end == NET_NONE ? "nobody" : n->ends[end].name}};
	/* An ephemeral port of its own. */
	c->addr[0].port = (uint16_t)(40000 + conn);
	ladder_say(n->ladder, n->clock->now_ms, "%-8s → %-8s connects%s", name, c->name[1],
		   refused ? ": refused" : "");
	struct happening h = {.kind = refused ? HAPPEN_REFUSED : HAPPEN_OPENED, .conn = conn};
	uint64_t at = n->clock->now_ms + delay_ms(n) + delay_ms(n);
	c->last_ms[0] = c->last_ms[1] = at;
	clock_plan(n->clock, &h, at);
	return conn;
}

void net_stream(struct net *n, int conn, int side, struct str bytes)
{
	struct net_conn *c = &n->conns[conn];
	bool gone = c->state == NET_CONN_CLOSED || c->closed[0] || c->closed[1];
	ladder_message(n->ladder, n->clock->now_ms, c->name[side], c->name[1 - side], bytes,
		       gone ? "GONE" : "stream");
	n->sent++;
	if (gone)
		return;
	uint64_t at = n->clock->now_ms + delay_ms(n);
	if (at < c->last_ms[1 - side])
		at = c->last_ms[1 - side];
	c->last_ms[1 - side] = at;
	struct happening h = {.kind = HAPPEN_STREAM,
			      .conn = conn,
			      .to = 1 - side,
			      .bytes = happening_bytes(bytes)};
	clock_plan(n->clock, &h, at);
}

void net_close(struct net *n, int conn, int side)
{
	struct net_conn *c = &n->conns[conn];
	if (c->closed[side] || c->state == NET_CONN_CLOSED)
		return;
	ladder_say(n->ladder, n->clock->now_ms, "%-8s → %-8s closes", c->name[side],
		   c->name[1 - side]);
	c->closed[side] = true;
	if (c->closed[1 - side]) {
		c->state = NET_CONN_CLOSED;
		return;
	}
	uint64_t at = n->clock->now_ms + delay_ms(n);
	if (at < c->last_ms[1 - side])
		at = c->last_ms[1 - side];
	struct happening h = {.kind = HAPPEN_CLOSED, .conn = conn, .to = 1 - side};
	clock_plan(n->clock, &h, at);
}

void net_hang_up(struct net *n, int node)
{
	for (int i = 0; i < n->conn_count; i++)
		for (int side = 0; side < 2; side++)
			if (n->conns[i].node[side] == node)
				net_close(n, i, side);
}

bool net_happened(struct net *n, const struct happening *h)
{
	struct net_conn *c = &n->conns[h->conn]; /* the first one where it is none's */
	switch (h->kind) {
	case HAPPEN_OPENED:
		if (c->state == NET_CONN_OPENING)
			c->state = NET_CONN_OPEN;
		return !c->closed[0];
	case HAPPEN_REFUSED: {
		bool wanted = !c->closed[0];
		c->state = NET_CONN_CLOSED;
		c->closed[0] = c->closed[1] = true;
		return wanted;
	}
	case HAPPEN_CLOSED:
		if (c->closed[h->to])
			return false;
		c->closed[h->to] = true;
		c->state = NET_CONN_CLOSED;
		return true;
	case HAPPEN_STREAM: return !c->closed[h->to];
	case HAPPEN_DATAGRAM: return n->ends[h->to].up;
	case HAPPEN_RELAY:
	case HAPPEN_TOLD:
	case HAPPEN_RESOLVED:
	case HAPPEN_CREDENTIAL:
	case HAPPEN_OPINION:
	case HAPPEN_STORE:
	case HAPPEN_UNSENT:
	case HAPPEN_SCRIPT:
	case HAPPEN_PHONE:
	case HAPPEN_COUNT: break;
	}
	return true;
}
