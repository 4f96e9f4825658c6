/* Which servers there are: the next of a list, the one that a Sentinel names, or those that share a cluster's slots. */
#include <stdio.h>
#include <string.h>

#include "sbc/shell/redis_impl.h"

enum { SEEK_AGAIN_MS = 200, SEEK_PING_MS = 1000, SEEK_LATE_MS = 3000, MAP_AGAIN_MS = 1000 };

static void on_up(void *ctx);
static void on_reply(void *ctx, const struct resp_value *v);
static void on_down(void *ctx);

static bool target_of_node(const struct store_redis *r, unsigned node, struct redis_target *out)
{
	return node < r->settings->node_count &&
	       redis_target_parse(r->settings->nodes[node], out) == OK;
}

void redis_seek_init(struct store_redis *r)
{
	const struct redis_link_user user = {r, on_up, on_reply, on_down};
	struct redis_target t;
	redis_link_init(&r->seeker.link, r->turn, &user);
	memset(r->slots, REDIS_NO_SERVER, sizeof(r->slots));
	if (r->settings->mode == STORE_MODE_SENTINEL || !target_of_node(r, 0, &t))
		return;
	redis_server_init(r, &r->servers[0], &t);
	r->servers[0].serves = r->settings->mode == STORE_MODE_SINGLE;
}

/* ---- one after the other ---- */

void redis_seek_other(struct store_redis *r)
{
	struct redis_target t;
	if (r->settings->mode == STORE_MODE_SENTINEL) {
		r->seeker.asked = false;
		redis_link_close(&r->seeker.link);
		r->seeker.retry_ms = r->turn->now_ms + SEEK_AGAIN_MS;
		return;
	}
	r->first = (r->first + 1) % r->settings->node_count;
	if (r->settings->node_count < 2 ||
	    (r->settings->mode == STORE_MODE_CLUSTER && r->has_map) ||
	    !target_of_node(r, r->first, &t))
		return;
	const uint64_t retry_ms = r->servers[0].retry_ms, backoff_ms = r->servers[0].backoff_ms;
	redis_server_move(&r->servers[0], &t);
	/* Once around, then it may rest. */
	r->servers[0].retry_ms = r->first == 0 ? retry_ms : r->turn->now_ms + REDIS_LOOK_MS;
	r->servers[0].backoff_ms = backoff_ms;
}

/* ---- Sentinel ---- */

static void found_master(struct store_redis *r, struct str ip, struct str port)
{
	struct redis_target t = {.path = ""};
	if (addr_parse_ip(ip, &t.addr) != OK || str_to_u16(port, 65535, &t.addr.port) != OK ||
	    t.addr.port == 0) {
		redis_why(r, "sentinel", "what it names is no address");
		return;
	}
	struct redis_server *s = &r->servers[0];
	if (!s->used) {
		redis_server_init(r, s, &t);
		s->serves = true;
	} else {
		redis_server_move(s, &t);
	}
	redis_look_soon(r);
}

static void on_up(void *ctx)
{
	struct store_redis *r = ctx;
	const struct str auth[] = {STR("AUTH"), r->settings->sentinel_password};
	const struct str ask[] = {STR("SENTINEL"), STR("get-master-addr-by-name"),
				  r->settings->master};
	const struct str listen[] = {STR("SUBSCRIBE"), STR("+switch-master")};
	r->seeker.awaits = auth[1].len > 0 ? 1 : 0;
	r->seeker.asked = true;
	r->seeker.heard_ms = r->seeker.said_ms = r->turn->now_ms;
	if (auth[1].len > 0)
		(void)redis_link_write(&r->seeker.link, auth, ARRAY_LEN(auth));
	(void)redis_link_write(&r->seeker.link, ask, ARRAY_LEN(ask));
	(void)redis_link_write(&r->seeker.link, listen, ARRAY_LEN(listen));
	redis_link_flush(&r->seeker.link);
}

static void seek_failed(struct store_redis *r, const char *why)
{
	redis_why(r, "sentinel", why);
	redis_link_close(&r->seeker.link);
	r->seeker.next = (r->seeker.next + 1) % r->settings->node_count;
	r->seeker.retry_ms = r->turn->now_ms + SEEK_AGAIN_MS;
	redis_look_soon(r);
}

static void on_down(void *ctx)
{
	struct store_redis *r = ctx;
	seek_failed(r, r->seeker.link.why);
}

/* "mymaster 127.0.0.1 6379 127.0.0.1 6380" */
static void on_switch(struct store_redis *r, struct str text)
{
	struct str w[5];
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		if (!str_cut_word(&text, &w[i]))
			return;
	if (str_eq(w[0], r->settings->master))
		found_master(r, w[3], w[4]);
}

static void on_reply(void *ctx, const struct resp_value *v)
{
	struct store_redis *r = ctx;
	r->seeker.heard_ms = r->turn->now_ms;
	if (r->seeker.awaits > 0) {
		r->seeker.awaits--;
		return;
	}
	if (r->seeker.asked) {
		r->seeker.asked = false;
		if (v->type == RESP_ARRAY && v->count == 2 && v->items[0].type == RESP_TEXT &&
		    v->items[1].type == RESP_TEXT)
			found_master(r, v->items[0].text, v->items[1].text);
		else
			seek_failed(r, v->type == RESP_ERROR ? "it refuses to say"
							     : "it does not know that master");
		return;
	}
	if (v->type == RESP_ARRAY && v->count == 3 && v->items[2].type == RESP_TEXT &&
	    str_eq(v->items[0].text, STR("message")))
		on_switch(r, v->items[2].text);
}

static void look_at_sentinel(struct store_redis *r)
{
	struct redis_seeker *k = &r->seeker;
	const uint64_t now_ms = r->turn->now_ms;
	const struct str ping[] = {STR("PING")};
	struct redis_target t;
	if (k->link.state == REDIS_CLOSED) {
		if (now_ms < k->retry_ms || !target_of_node(r, k->next, &t))
			return;
		k->opened_ms = now_ms;
		redis_link_open(&k->link, &t, r->tls, r->settings->tls_name);
		if (k->link.state == REDIS_CLOSED)
			seek_failed(r, k->link.why);
	} else if (k->link.state != REDIS_OPEN) {
		if (now_ms >= k->opened_ms + REDIS_OPEN_MS)
			seek_failed(r, "no connection in time");
	} else if (now_ms >= k->heard_ms + SEEK_LATE_MS) {
		seek_failed(r, "no answer in time");
	} else if (!k->asked && now_ms >= k->said_ms + SEEK_PING_MS) {
		k->said_ms = now_ms;
		(void)redis_link_write(&k->link, ping, 1);
		redis_link_flush(&k->link);
	}
}

/* ---- Cluster ---- */

/* CRC-16/XMODEM of what stands in the first {} that is not empty, else of all of it (Redis Cluster specification). */
uint16_t redis_seek_slot(struct str key)
{
	const size_t open = str_index(key, '{');
	uint16_t crc = 0;
	if (open < key.len) {
		struct str tag = str_from_offset(key, open + 1);
		const size_t close = str_index(tag, '}');
		if (close > 0 && close < tag.len)
			key = (struct str){tag.p, close};
	}
	for (size_t i = 0; i < key.len; i++) {
		crc = (uint16_t)(crc ^ (uint16_t)((unsigned char)key.p[i] << 8));
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc % REDIS_SLOTS;
}

static uint8_t server_at(struct store_redis *r, const struct redis_target *t)
{
	uint8_t empty = REDIS_NO_SERVER;
	for (uint8_t i = 0; i < REDIS_SERVERS; i++) {
		if (r->servers[i].used && redis_target_eq(&r->servers[i].target, t))
			return i;
		if (!r->servers[i].used && empty == REDIS_NO_SERVER)
			empty = i;
	}
	if (empty != REDIS_NO_SERVER) {
		redis_server_init(r, &r->servers[empty], t);
		redis_look_soon(r);
	}
	return empty;
}

struct redis_server *redis_seek_server(struct store_redis *r, struct str key)
{
	if (r->settings->mode != STORE_MODE_CLUSTER)
		return r->servers[0].used ? &r->servers[0] : NULL;
	const uint8_t i = r->has_map ? r->slots[redis_seek_slot(key)] : REDIS_NO_SERVER;
	return i == REDIS_NO_SERVER ? NULL : &r->servers[i];
}

static void ask_map(struct store_redis *r)
{
	const struct store_op none = {.verb = STORE_GET};
	if (!r->wants_map || r->turn->now_ms < r->map_ms + MAP_AGAIN_MS)
		return;
	for (size_t i = 0; i < REDIS_SERVERS; i++) {
		struct redis_server *s = &r->servers[i];
		if (!s->used || !redis_server_is_good(s))
			continue;
		struct redis_op *op = redis_op_new(r, REDIS_MAP, &none);
		if (!op)
			return;
		r->map_ms = r->turn->now_ms;
		redis_server_send(s, op);
		return;
	}
}

struct redis_server *redis_seek_moved(struct store_redis *r, struct redis_server *from,
				      struct str text)
{
	struct str word, slot_text;
	struct redis_target t = {.path = ""};
	uint32_t slot;
	const bool moved = str_has_prefix(text, STR("MOVED "));
	if (!str_cut_word(&text, &word) || !str_cut_word(&text, &slot_text) ||
	    str_to_u32(slot_text, REDIS_SLOTS - 1, &slot) != OK || !str_cut_word(&text, &word))
		return NULL;
	size_t colon = word.len;
	while (colon > 0 && word.p[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return NULL;
	t.addr = from->target.addr; /* no address: the same one */
	if (colon > 1 && addr_parse_ip((struct str){word.p, colon - 1}, &t.addr) != OK)
		return NULL;
	if (str_to_u16(str_from_offset(word, colon), 65535, &t.addr.port) != OK)
		return NULL;
	const uint8_t i = server_at(r, &t);
	r->wants_map = true;
	redis_look_soon(r);
	if (i == REDIS_NO_SERVER)
		return NULL;
	if (moved)
		r->slots[slot] = i;
	return &r->servers[i];
}

/* [first, last, [address, port, …], replicas …] */
static bool read_range(struct store_redis *r, const struct redis_server *from,
		       const struct resp_value *v, uint8_t slots[REDIS_SLOTS])
{
	struct redis_target t = {.path = ""};
	if (v->type != RESP_ARRAY || v->count < 3 || v->items[0].type != RESP_NUMBER ||
	    v->items[1].type != RESP_NUMBER)
		return false;
	const int64_t first = v->items[0].number, last = v->items[1].number;
	const struct resp_value *master = &v->items[2];
	if (first < 0 || last >= REDIS_SLOTS || first > last || master->type != RESP_ARRAY ||
	    master->count < 2 || master->items[1].type != RESP_NUMBER ||
	    master->items[1].number < 1 || master->items[1].number > 65535)
		return false;
	t.addr = from->target.addr;
	if (master->items[0].type == RESP_TEXT && master->items[0].text.len > 0 &&
	    addr_parse_ip(master->items[0].text, &t.addr) != OK)
		return false;
	t.addr.port = (uint16_t)master->items[1].number;
	const uint8_t i = server_at(r, &t);
	if (i == REDIS_NO_SERVER)
		return false;
	memset(slots + first, i, (size_t)(last - first + 1));
	return true;
}

static void use_map(struct store_redis *r, const uint8_t slots[REDIS_SLOTS])
{
	bool serves[REDIS_SERVERS] = {false};
	memcpy(r->slots, slots, REDIS_SLOTS);
	for (size_t i = 0; i < REDIS_SLOTS; i++)
		if (slots[i] != REDIS_NO_SERVER)
			serves[slots[i]] = true;
	r->has_map = true;
	for (size_t i = 0; i < REDIS_SERVERS; i++)
		r->servers[i].serves = serves[i];
	redis_judge(r);
}

void redis_seek_on_map(struct store_redis *r, struct redis_server *from, const struct resp_value *v)
{
	uint8_t slots[REDIS_SLOTS];
	memset(slots, REDIS_NO_SERVER, sizeof(slots));
	r->wants_map = false;
	bool ok = v->type == RESP_ARRAY && v->count > 0;
	for (size_t i = 0; ok && i < v->count; i++)
		ok = read_range(r, from, &v->items[i], slots);
	if (ok) {
		use_map(r, slots);
		return;
	}
	redis_why(r, "cluster", v->type == RESP_ERROR ? "it gives no slots" : "a map that is none");
	r->wants_map = true;
	redis_look_soon(r);
}

/* Those that have nothing to serve any more. */
static void let_go(struct store_redis *r)
{
	for (size_t i = 1; i < REDIS_SERVERS; i++) {
		struct redis_server *s = &r->servers[i];
		if (s->used && !s->serves && r->has_map && s->sent_count == 0 && !r->wants_map &&
		    memchr(r->slots, (int)i, REDIS_SLOTS) == NULL)
			redis_server_release(s);
	}
}

void redis_seek_look(struct store_redis *r)
{
	if (r->settings->mode == STORE_MODE_SENTINEL)
		look_at_sentinel(r);
	if (r->settings->mode != STORE_MODE_CLUSTER)
		return;
	/* A server that has gone: another may have its slots by now. */
	if (!r->up && r->has_map && r->turn->now_ms >= r->map_ms + MAP_AGAIN_MS)
		r->wants_map = true;
	ask_map(r);
	let_go(r);
}
