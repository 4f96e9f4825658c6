/* What other nodes publish: a connection of its own, because one that listens can do nothing else (RESP2). */
#include <string.h>

#include "sbc/shell/redis_impl.h"

enum { TOLD_PING_MS = 1000, TOLD_LATE_MS = 2500, TOLD_AGAIN_MS = 200 };

static const struct str areas[STORE_AREA_COUNT] = {
#define X(name, label) [STORE_AREA_##name] = STR(label),
	STORE_AREA_TABLE(X)
#undef X
};

void redis_told_channel(const struct store_redis *r, enum store_area area, struct buf *b)
{
	buf_str(b, r->settings->prefix);
	buf_lit(b, "told:");
	buf_str(b, areas[area]);
}

static void on_up(void *ctx)
{
	struct store_redis *r = ctx;
	const struct store_settings *c = r->settings;
	struct str auth[3] = {STR("AUTH"), c->username, c->password};
	struct str listen[1 + STORE_AREA_COUNT] = {STR("SUBSCRIBE")};
	char names[STORE_AREA_COUNT][REDIS_CHANNEL_MAX];
	if (c->username.len == 0)
		auth[1] = c->password;
	for (size_t i = 0; i < STORE_AREA_COUNT; i++) {
		struct buf b;
		buf_init(&b, names[i], sizeof(names[i]));
		redis_told_channel(r, (enum store_area)i, &b);
		listen[1 + i] = buf_view(&b);
	}
	r->ear.confirmed = 0;
	r->ear.heard_ms = r->ear.said_ms = r->turn->now_ms;
	if (c->password.len > 0)
		(void)redis_link_write(&r->ear.link, auth, c->username.len > 0 ? 3 : 2);
	(void)redis_link_write(&r->ear.link, listen, ARRAY_LEN(listen));
	redis_link_flush(&r->ear.link);
}

static void deaf(struct store_redis *r, const char *why)
{
	redis_why(r, "subscription", why);
	redis_link_close(&r->ear.link);
	r->ear.hears = false;
	r->ear.retry_ms = r->turn->now_ms + TOLD_AGAIN_MS + rng_below(r->rng, TOLD_AGAIN_MS);
	redis_look_soon(r);
}

static void on_down(void *ctx)
{
	struct store_redis *r = ctx;
	deaf(r, r->ear.link.why);
}

static void on_message(struct store_redis *r, struct str channel, struct str text)
{
	struct str names[3] = {channel, STR_NONE, STR_NONE}, value, node;
	enum store_area area = STORE_AREA_COUNT;
	for (size_t i = 0; i < STORE_AREA_COUNT; i++) {
		char name[REDIS_CHANNEL_MAX];
		struct buf b;
		buf_init(&b, name, sizeof(name));
		redis_told_channel(r, (enum store_area)i, &b);
		if (str_eq(channel, buf_view(&b)))
			area = (enum store_area)i;
	}
	if (area == STORE_AREA_COUNT || text.len > STORE_VALUE_MAX + SEAL_EXTRA)
		return;
	enum err e = store_seal_open(&r->seal, names, ARRAY_LEN(names), text, r->turn->wall_ms,
				     r->scratch, &value, NULL);
	if (e == ERR_NOTFOUND)
		return; /* said too long ago */
	if (e || value.len < 1 || value.len < 1 + (size_t)(unsigned char)value.p[0]) {
		r->stats.forged++;
		return;
	}
	node = (struct str){value.p + 1, (size_t)(unsigned char)value.p[0]};
	if (str_eq(node, str_from(r->node)))
		return;
	struct event ev = {.type = EVENT_STORE_TOLD,
			   .store_told = {area, node, str_from_offset(value, 1 + node.len)}};
	r->stats.told++;
	turn_step(r->turn, &ev);
}

static void on_confirmed(struct store_redis *r)
{
	if (++r->ear.confirmed < STORE_AREA_COUNT || r->ear.hears)
		return;
	r->ear.hears = true;
	/* What was said before was not heard, perhaps not read either. */
	if (r->up) {
		struct event e = {.type = EVENT_STORE_STATE,
				  .store_state = {.up = true, .missed = true}};
		turn_post(r->turn, &e);
	}
}

static void on_reply(void *ctx, const struct resp_value *v)
{
	struct store_redis *r = ctx;
	r->ear.heard_ms = r->turn->now_ms;
	if (v->type == RESP_ERROR) {
		deaf(r, "it may not listen");
		r->ear.retry_ms += REDIS_BACKOFF_MAX_MS;
		return;
	}
	if (v->type != RESP_ARRAY || v->count < 2 || v->items[0].type != RESP_TEXT)
		return; /* OK, PONG */
	if (str_eq(v->items[0].text, STR("subscribe")))
		on_confirmed(r);
	else if (str_eq(v->items[0].text, STR("message")) && v->count == 3 &&
		 v->items[1].type == RESP_TEXT && v->items[2].type == RESP_TEXT)
		on_message(r, v->items[1].text, v->items[2].text);
}

void redis_told_init(struct store_redis *r)
{
	const struct redis_link_user user = {r, on_up, on_reply, on_down};
	redis_link_init(&r->ear.link, r->turn, &user);
}

/* The server that we listen to: any that serves. */
static const struct redis_server *speaker(const struct store_redis *r)
{
	for (size_t i = 0; i < REDIS_SERVERS; i++)
		if (r->servers[i].used && redis_server_is_good(&r->servers[i]))
			return &r->servers[i];
	return NULL;
}

void redis_told_look(struct store_redis *r)
{
	struct redis_ear *k = &r->ear;
	const uint64_t now_ms = r->turn->now_ms;
	const struct str ping[] = {STR("PING")};
	if (k->link.state == REDIS_CLOSED) {
		const struct redis_server *s = now_ms >= k->retry_ms ? speaker(r) : NULL;
		if (!s)
			return;
		k->opened_ms = now_ms;
		k->target = s->target;
		redis_link_open(&k->link, &s->target, r->tls, r->settings->tls_name);
		if (k->link.state == REDIS_CLOSED)
			deaf(r, k->link.why);
	} else if (k->link.state != REDIS_OPEN) {
		if (now_ms >= k->opened_ms + REDIS_OPEN_MS)
			deaf(r, "no connection in time");
	} else if (now_ms >= k->heard_ms + TOLD_LATE_MS) {
		deaf(r, "no answer in time");
	} else if (r->settings->mode != STORE_MODE_CLUSTER && r->servers[0].used &&
		   !redis_target_eq(&k->target, &r->servers[0].target)) {
		deaf(r, "another server serves");
	} else if (now_ms >= k->said_ms + TOLD_PING_MS) {
		k->said_ms = now_ms;
		(void)redis_link_write(&k->link, ping, 1);
		redis_link_flush(&k->link);
	}
}
