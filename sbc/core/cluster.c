#include "sbc/core/cluster.h"

#include <stdlib.h>

#include "sbc/core/codec.h"
#include "sbc/core/stored.h"
#include "sbc/core/worker.h"

enum { VERSION = 1, TEXT_MAX = 255 };

/* ---- octets */

static void code_flow(struct codec *k, struct flow *f)
{
	uint8_t transport = (uint8_t)f->transport;

	codec_u64(k, &f->id);
	codec_u16(k, &f->listener);
	codec_u8(k, &transport, TRANSPORT_COUNT - 1);
	f->transport = (enum transport)(transport < TRANSPORT_COUNT ? transport : 0);
	codec_address(k, &f->remote);
}

static void code_tls(struct codec *k, struct cluster_word *w)
{
	bool *const b[] = {&w->has_tls, &w->tls.verified};

	codec_bits(k, b, ARRAY_LEN(b));
	if (!w->has_tls)
		return;
	codec_line(k, &w->tls.version, TEXT_MAX);
	codec_line(k, &w->tls.cipher, TEXT_MAX);
	codec_u8(k, &w->tls.name_count, TLS_NAMES_MAX);
	for (unsigned i = 0; i < w->tls.name_count && i < TLS_NAMES_MAX; i++)
		codec_line(k, &w->tls.names[i], TEXT_MAX);
}

static void walk(struct codec *k, struct cluster_word *w)
{
	bool *const b[] = {&w->reconnect};

	codec_u8(k, &w->kind, CLUSTER_KIND_COUNT - 1);
	codec_u32(k, &w->from, UINT32_MAX);
	codec_u32(k, &w->to, UINT32_MAX);
	if (w->from == 0)
		codec_refuse(k);
	switch ((enum cluster_kind)w->kind) {
	case CLUSTER_BEAT: break;
	case CLUSTER_TAKEN:
	case CLUSTER_ENDED:
		codec_u32(k, &w->name.boot, UINT32_MAX);
		codec_u64(k, &w->name.id);
		codec_u32(k, &w->epoch, UINT32_MAX);
		break;
	case CLUSTER_HAND:
		code_flow(k, &w->flow);
		codec_line(k, &w->realm, TEXT_MAX);
		codec_address(k, &w->local);
		code_tls(k, w);
		codec_bytes(k, &w->bytes, CLUSTER_BYTES_MAX);
		break;
	case CLUSTER_ANSWER:
		code_flow(k, &w->flow);
		codec_bits(k, b, ARRAY_LEN(b));
		codec_bytes(k, &w->bytes, CLUSTER_BYTES_MAX);
		break;
	case CLUSTER_KIND_COUNT: break;
	}
}

void cluster_encode(struct buf *b, const struct cluster_word *w)
{
	struct codec k = {.out = b};

	buf_char(b, VERSION);
	walk(&k, (struct cluster_word *)(uintptr_t)w); /* which only reads it */
}

enum err cluster_decode(struct str bytes, struct cluster_word *out)
{
	struct cluster_word w;
	struct codec k = {.in = rd_init(bytes.p, bytes.len)};

	memset(&w, 0, sizeof(w));
	if (rd_u8(&k.in) != VERSION)
		return ERR_BAD;
	walk(&k, &w);
	if (!codec_is_whole(&k))
		return ERR_BAD;
	*out = w;
	return OK;
}

/* ---- life */

enum err cluster_init(struct sbc *s)
{
	struct cluster *c = &s->cluster;

	*c = (struct cluster){.count = 0};
	list_init(&c->hop_order);
	timer_init(&c->beat.timer);
	if (s->hide.boot == 0) /* nobody shares */
		return OK;
	char *mem = malloc(STORE_VALUE_MAX);
	if (!mem)
		return ERR_NOMEM;
	buf_init(&c->out, mem, STORE_VALUE_MAX);
	worker_alarm(s, &c->beat, ALARM_BEAT, s->now_ms);
	return pool_init(&c->hops, sizeof(struct hop), CLUSTER_HOPS,
			 (uint8_t)((unsigned)s->worker << OWNER_BITS | OWNER_HANDOVER));
}

void cluster_release(struct sbc *s)
{
	if (s->cluster.hops.chunks)
		pool_release(&s->cluster.hops);
	free(s->cluster.out.p);
	s->cluster.out.p = NULL;
}

void cluster_say(struct sbc *s, struct cluster_word *w)
{
	w->from = s->hide.boot;
	buf_reset(&s->cluster.out);
	cluster_encode(&s->cluster.out, w);
	struct str bytes = buf_view(&s->cluster.out);
	if (bytes.len == 0) {
		s->cluster.lost++;
		return;
	}
	stored_post(s, &(struct store_op){.verb = STORE_PUBLISH,
					  .area = STORE_AREA_CALLS,
					  .value = bytes,
					  .expires_ms = CLUSTER_SAID_MS});
}

void cluster_say_beat(struct sbc *s)
{
	cluster_say(s, &(struct cluster_word){.kind = CLUSTER_BEAT});
}

/* ---- who lives */

static struct cluster_node *find(const struct cluster *c, struct str name)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (str_eq(str_from(c->nodes[i].name), name))
			return (struct cluster_node *)(uintptr_t)&c->nodes[i];
	return NULL;
}

/* One that has been silent longest gives its place up. */
static struct cluster_node *place(struct cluster *c)
{
	if (c->count < CLUSTER_NODES_MAX)
		return &c->nodes[c->count++];
	struct cluster_node *oldest = &c->nodes[0];
	for (uint32_t i = 1; i < c->count; i++)
		if (c->nodes[i].heard_ms < oldest->heard_ms)
			oldest = &c->nodes[i];
	return oldest;
}

void cluster_hear(struct sbc *s, struct str name, uint32_t boot, bool now, uint32_t *out_ended)
{
	struct cluster_node *n = find(&s->cluster, name);

	*out_ended = 0;
	if (name.len == 0 || name.len >= CLUSTER_NAME_MAX || boot == s->hide.boot)
		return;
	if (!n) {
		n = place(&s->cluster);
		*n = (struct cluster_node){.boot = boot, .heard_ms = s->now_ms};
		memcpy(n->name, name.p, name.len);
		return;
	}
	if (n->boot != boot && now) {
		*out_ended = n->boot;
		n->boot = boot;
	}
	if (n->boot == boot && now) {
		n->heard_ms = s->now_ms;
		n->is_buried = false;
	}
}

bool cluster_is_alive(const struct sbc *s, struct str name, uint32_t boot)
{
	const struct cluster_node *n = find(&s->cluster, name);

	if (boot == s->hide.boot)
		return true;
	if (str_eq(name, s->settings->node)) /* what went by our name before us */
		return false;
	uint64_t since = n ? n->heard_ms : 0;
	if (n && n->boot != boot)
		return false;
	/* Nobody can be heard while the store is away. */
	if (since < s->cluster.up_ms)
		since = s->cluster.up_ms;
	return s->now_ms - since < CLUSTER_DEAD_MS;
}

bool cluster_runs(const struct sbc *s, uint32_t boot)
{
	for (uint32_t i = 0; i < s->cluster.count; i++)
		if (s->cluster.nodes[i].boot == boot)
			return cluster_is_alive(s, str_from(s->cluster.nodes[i].name), boot);
	return false;
}

bool cluster_is_heard(const struct sbc *s, uint32_t boot)
{
	const struct cluster *c = &s->cluster;

	for (uint32_t i = 0; i < c->count; i++)
		if (c->nodes[i].boot == boot)
			return s->now_ms - c->nodes[i].heard_ms < CLUSTER_DEAD_MS;
	return false;
}

uint32_t cluster_living(const struct sbc *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->cluster.count; i++)
		n += cluster_is_alive(s, str_from(s->cluster.nodes[i].name),
				      s->cluster.nodes[i].boot);
	return n;
}

/* ---- messages that are not for here */

id_t64 cluster_hop(struct sbc *s, const struct cluster_word *w)
{
	struct cluster *c = &s->cluster;
	id_t64 id;

	if (c->hops.used == c->hops.limit) {
		struct hop *oldest = LIST_OBJECT(c->hop_order.next, struct hop, node);
		list_del(&oldest->node);
		pool_free(&c->hops, oldest->id);
	}
	struct hop *h = pool_new(&c->hops, &id);
	if (!h)
		return ID_NONE;
	*h = (struct hop){.id = id, .boot = w->from, .flow = w->flow};
	list_add_tail(&c->hop_order, &h->node);
	return id;
}

bool cluster_is_hop(id_t64 flow)
{
	return flow != ID_NONE && owner_kind(flow) == OWNER_HANDOVER;
}

void cluster_send(struct sbc *s, const struct dest *d, struct str bytes)
{
	const struct hop *h = pool_find(&s->cluster.hops, d->flow.id);

	if (!h) {
		s->cluster.lost++;
		return;
	}
	struct cluster_word w = {.kind = CLUSTER_ANSWER,
				 .to = h->boot,
				 .flow = h->flow,
				 .reconnect = d->reconnect,
				 .bytes = bytes};
	w.flow.remote = d->flow.remote;
	s->cluster.answered++;
	cluster_say(s, &w);
}
