#include "sbc/shell/store_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/secret.h"
#include "sbc/shell/clock.h"
#include "sbc/shell/redis_impl.h"

enum { TEXTS = 16 * 1024 };
enum { SCRATCH = STORE_VALUE_MAX + SEAL_EXTRA + REDIS_EPOCH + 256 };

const uint32_t store_seconds_us[REDIS_SECONDS_BUCKETS] = {250,   500,   1000,  2500,   5000,
							  10000, 25000, 50000, 100000, 250000};

/* ---- operations ---- */

struct str redis_op_key(const struct redis_op *op)
{
	return (struct str){op->bytes, op->key_len};
}

struct str redis_op_member(const struct redis_op *op)
{
	return (struct str){op->bytes + op->key_len, op->member_len};
}

struct str redis_op_value(const struct redis_op *op)
{
	return (struct str){op->bytes + op->key_len + op->member_len, op->value_len};
}

static bool has_value(enum store_verb v)
{
	return v == STORE_PUT || v == STORE_MEMBER_PUT || v == STORE_PUBLISH;
}

static bool is_write(const struct redis_op *op)
{
	return op->kind == REDIS_OP &&
	       (op->verb == STORE_PUT || op->verb == STORE_DELETE || op->verb == STORE_MEMBER_PUT ||
		op->verb == STORE_MEMBER_DELETE);
}

/* What a value is bound to: what it is, and where it lies. */
static bool close_value(struct store_redis *r, struct redis_op *op, const struct store_op *from,
			struct buf *b)
{
	char head[80];
	struct buf h;
	struct str names[3] = {redis_op_key(op), redis_op_member(op), STR_NONE};
	struct str value = from->value;
	if (op->verb == STORE_PUT && op->number[0] > 0) {
		char *at = b->p + b->len;
		buf_printf(b, "%0*lld", REDIS_EPOCH, (long long)op->number[0]);
		names[2] = (struct str){at, REDIS_EPOCH};
	}
	if (op->verb == STORE_PUBLISH) { /* who says it stands in front */
		buf_init(&h, head, sizeof(head));
		buf_char(&h, (char)strlen(r->node));
		buf_z(&h, r->node);
		struct buf whole;
		buf_init(&whole, r->scratch, SCRATCH);
		buf_str(&whole, buf_view(&h));
		buf_str(&whole, from->value);
		value = buf_view(&whole);
	}
	return store_seal_close(&r->seal, names, ARRAY_LEN(names), value, op->end_ms, b);
}

struct redis_op *redis_op_new(struct store_redis *r, enum redis_kind kind,
			      const struct store_op *from)
{
	const bool sealed = has_value(from->verb) && kind != REDIS_PROBE;
	const size_t prefix = r->settings->prefix.len;
	const size_t value =
		sealed ? from->value.len + SEAL_EXTRA + REDIS_EPOCH + 1 + sizeof(r->node) : 0;
	const size_t key = from->verb == STORE_PUBLISH ? REDIS_CHANNEL_MAX : prefix + from->key.len;
	const size_t room = key + from->member.len + value + 1;
	struct redis_op *op = block_new(&r->blocks, sizeof(*op) + room);
	if (!op)
		return NULL;
	*op = (struct redis_op){.end_ms =
					from->expires_ms ? r->turn->wall_ms + from->expires_ms : 0,
				.owner = from->owner,
				.kind = (uint8_t)kind,
				.verb = (uint8_t)from->verb,
				.area = (uint8_t)from->area,
				.order = ++r->made,
				.room = (uint32_t)room};
	list_init(&op->node);
	memcpy(op->number, from->number, sizeof(op->number));
	struct buf b;
	buf_init(&b, op->bytes, room);
	if (from->verb == STORE_PUBLISH) {
		redis_told_channel(r, from->area, &b);
	} else {
		buf_str(&b, r->settings->prefix);
		buf_str(&b, from->key);
	}
	op->key_len = (uint16_t)b.len;
	buf_str(&b, from->member);
	op->member_len = (uint16_t)from->member.len;
	const size_t at = b.len;
	if (sealed && !close_value(r, op, from, &b)) {
		block_free(&r->blocks, op, sizeof(*op) + room);
		return NULL;
	}
	op->value_len = (uint32_t)(b.len - at);
	return op;
}

void redis_op_free(struct store_redis *r, struct redis_op *op)
{
	block_free(&r->blocks, op, sizeof(*op) + op->room);
}

/* ---- answers ---- */

void redis_op_answer(struct store_redis *r, struct redis_op *op, struct store_reply *reply)
{
	if (op->kind == REDIS_OP && op->owner != ID_NONE) {
		struct event e = {.type = EVENT_STORE_REPLY};
		reply->owner = op->owner;
		reply->verb = (enum store_verb)op->verb;
		reply->area = (enum store_area)op->area;
		e.stored = *reply;
		turn_step(r->turn, &e);
	}
	if (!reply->more)
		redis_op_free(r, op);
}

/* By a word that is posted: this may be inside the core. */
void redis_op_down(struct store_redis *r, struct redis_op *op)
{
	if (op->owner == ID_NONE)
		return;
	struct event e = {.type = EVENT_STORE_REPLY,
			  .stored = {.owner = op->owner,
				     .verb = (enum store_verb)op->verb,
				     .area = (enum store_area)op->area,
				     .result = STORE_DOWN}};
	op->owner = ID_NONE;
	r->stats.down++;
	turn_post(r->turn, &e);
}

/* ---- the queue ---- */

static uint64_t hash_of(const struct store_redis *r, const struct redis_op *op)
{
	/* Key and member lie one behind the other; who has the same of both has the same length too, looked at below. */
	return table_hash(&r->by_key, op->bytes, (size_t)op->key_len + op->member_len);
}

static struct redis_op *find_queued(const struct store_redis *r, const struct redis_op *like)
{
	for (struct table_node *n = table_first(&r->by_key, hash_of(r, like)); n;
	     n = table_next(n)) {
		struct redis_op *op = TABLE_OBJECT(n, struct redis_op, by_key);
		if (str_eq(redis_op_key(op), redis_op_key(like)) &&
		    str_eq(redis_op_member(op), redis_op_member(like)))
			return op;
	}
	return NULL;
}

static void take_queued(struct store_redis *r, struct redis_op *op)
{
	table_del(&r->by_key, &op->by_key);
	list_del(&op->node);
	op->queued = false;
	r->queue_count--;
}

/* Those of a lost connection come when newer ones of their keys may wait already, and in the order that they were sent in. */
static void queue(struct store_redis *r, struct redis_op *op)
{
	struct redis_op *other = find_queued(r, op);
	if (other && other->order > op->order) {
		r->stats.superseded++;
		redis_op_free(r, op);
		return;
	}
	if (other) {
		r->stats.superseded++;
		take_queued(r, other);
		redis_op_free(r, other);
	} else if (r->queue_count >= r->settings->queue) {
		other = LIST_OBJECT(r->queue.next, struct redis_op, node);
		r->stats.dropped++;
		take_queued(r, other);
		redis_op_free(r, other);
	}
	op->eval = op->asking = false;
	op->before = op->behind = op->moves = 0;
	if (NEVER(table_add(&r->by_key, &op->by_key, hash_of(r, op)) != OK)) {
		redis_op_free(r, op);
		return;
	}
	list_add_tail(&r->queue, &op->node);
	op->queued = true;
	r->queue_count++;
	r->stats.queued++;
	redis_look_soon(r);
}

void redis_op_away(struct store_redis *r, struct redis_op *op)
{
	redis_op_down(r, op);
	if (op->kind == REDIS_BEAT_LOOK)
		r->looks = false;
	if (is_write(op))
		queue(r, op);
	else
		redis_op_free(r, op);
}

void redis_op_go(struct store_redis *r, struct redis_op *op)
{
	struct redis_server *s = redis_seek_server(r, redis_op_key(op));
	if (s && redis_server_is_good(s))
		redis_server_send(s, op);
	else
		redis_op_away(r, op);
}

static void drain(struct store_redis *r)
{
	if (!r->up || r->turn->now_ms < r->drain_ms)
		return;
	for (unsigned i = 0; i < REDIS_DRAIN && r->queue_count > 0; i++) {
		struct redis_op *op = LIST_OBJECT(r->queue.next, struct redis_op, node);
		struct redis_server *s = redis_seek_server(r, redis_op_key(op));
		if (!s || !redis_server_is_good(s))
			return;
		take_queued(r, op);
		if (op->end_ms && op->end_ms <= r->turn->wall_ms)
			redis_op_free(r, op);
		else
			redis_server_send(s, op);
	}
}

/* ---- is it there ---- */

static void tell_state(struct store_redis *r, bool up, bool fresh, bool missed)
{
	struct event e = {
		.type = EVENT_STORE_STATE,
		.store_state = {.up = up,
				.is_fresh = fresh,
				.spread_ms = fresh ? rng_below(r->rng, REDIS_SPREAD_MS) : 0,
				.missed = missed}};
	if (r->up != up)
		r->since_ms = r->turn->now_ms;
	r->up = up;
	if (up) {
		r->was_up = true;
		r->drain_ms = r->turn->now_ms + rng_below(r->rng, REDIS_SPREAD_MS / 2);
	}
	turn_post(r->turn, &e);
	redis_look_soon(r);
	if (r->changed) {
		struct store_view v;
		store_redis_view(r, &v);
		r->changed(r->changed_ctx, &v);
	}
}

static struct store_op beat_op(const struct store_redis *r, enum store_verb verb, char *key,
			       size_t key_cap, char *value, size_t value_cap)
{
	struct buf k, v;
	buf_init(&k, key, key_cap);
	buf_printf(&k, "node:{%s}", r->node);
	buf_init(&v, value, value_cap);
	buf_printf(&v, "%s %llu", r->boot, (unsigned long long)r->beat);
	return (struct store_op){.verb = verb,
				 .key = buf_view(&k),
				 .value = verb == STORE_PUT ? buf_view(&v) : STR_NONE,
				 .expires_ms = STORE_EXPIRES_MAX_MS};
}

static void beat(struct store_redis *r, enum redis_kind kind)
{
	char key[STORE_KEY_MAX], value[64];
	if (kind == REDIS_BEAT)
		r->beat++;
	struct store_op from = beat_op(r, kind == REDIS_BEAT ? STORE_PUT : STORE_GET, key,
				       sizeof(key), value, sizeof(value));
	struct redis_op *op = redis_op_new(r, kind, &from);
	if (!op)
		return;
	op->number[1] = (int64_t)r->beat;
	struct redis_server *s = redis_seek_server(r, redis_op_key(op));
	if (s && redis_server_is_good(s)) {
		s->waits = true;
		redis_server_send(s, op);
	} else {
		redis_op_free(r, op);
		r->looks = r->looks && kind != REDIS_BEAT_LOOK;
	}
}

/* What we wrote last is there, or something newer of ours. */
void redis_beat_found(struct store_redis *r, struct str value)
{
	struct str boot;
	uint64_t number = 0;
	bool same = str_cut(&value, ' ', &boot) && str_eq(boot, str_from(r->boot)) &&
		    str_to_u64(value, UINT64_MAX, &number) == OK && number >= r->beat_acked;
	if (!r->looks)
		return;
	r->looks = false;
	tell_state(r, true, !same, true);
}

void redis_judge(struct store_redis *r)
{
	bool good = r->settings->mode == STORE_MODE_CLUSTER ? r->has_map : true;
	for (size_t i = 0; i < REDIS_SERVERS; i++) {
		const struct redis_server *s = &r->servers[i];
		if (s->used && s->serves)
			good = good && redis_server_is_good(s);
	}
	good = good && r->servers[0].used;
	if (!good) {
		r->looks = false;
		if (r->up)
			tell_state(r, false, false, false);
	} else if (!r->up && !r->was_up) {
		tell_state(r, true, false, false);
	} else if (!r->up && !r->looks) {
		r->looks = true;
		beat(r, REDIS_BEAT_LOOK);
	}
}

/* ---- posting ---- */

static void refuse(struct store_redis *r, const struct store_op *op)
{
	r->stats.dropped++;
	if (op->owner == ID_NONE)
		return;
	struct event e = {.type = EVENT_STORE_REPLY,
			  .stored = {.owner = op->owner,
				     .verb = op->verb,
				     .area = op->area,
				     .result = STORE_ERROR}};
	turn_post(r->turn, &e);
}

void store_redis_post(struct store_redis *r, const struct store_op *op)
{
	CHECK(op->key.len <= STORE_KEY_MAX && op->member.len <= STORE_KEY_MAX &&
	      op->value.len <= STORE_VALUE_MAX);
	r->stats.ops++;
	struct redis_op *copy = redis_op_new(r, REDIS_OP, op);
	if (!copy) {
		refuse(r, op);
		return;
	}
	r->stats.published += op->verb == STORE_PUBLISH;
	/* What of its key still waits must not come after it. */
	if (r->queue_count > 0 && is_write(copy)) {
		struct redis_op *old = find_queued(r, copy);
		if (old) {
			r->stats.superseded++;
			take_queued(r, old);
			redis_op_free(r, old);
		}
	}
	redis_op_go(r, copy);
}

/* ---- timers ---- */

void redis_look_soon(struct store_redis *r)
{
	const uint64_t at_ms = r->turn->now_ms + REDIS_LOOK_MS;
	if (r->look_ms <= at_ms && timer_is_set(&r->look.timer))
		return;
	r->look_ms = at_ms;
	turn_timer_set(r->turn, &r->look, at_ms);
}

static bool is_busy(const struct store_redis *r)
{
	bool busy = r->queue_count > 0 || !r->up || !r->ear.hears;
	for (size_t i = 0; i < REDIS_SERVERS; i++)
		busy = busy || r->servers[i].sent_count > 0 || r->servers[i].is_full;
	return busy;
}

static void on_look(void *ctx)
{
	struct store_redis *r = ctx;
	redis_seek_look(r);
	for (size_t i = 0; i < REDIS_SERVERS; i++)
		if (r->servers[i].used)
			redis_server_look(&r->servers[i]);
	redis_told_look(r);
	if (!r->up && !r->looks)
		redis_judge(r);
	drain(r);
	if (r->up && r->turn->now_ms >= r->beat_ms) {
		r->beat_ms = r->turn->now_ms + REDIS_BEAT_MS;
		beat(r, REDIS_BEAT);
	}
	r->rest_ms = r->turn->now_ms + REDIS_IDLE_MS;
	r->look_ms = is_busy(r) ? r->turn->now_ms + REDIS_LOOK_MS : r->rest_ms;
	turn_timer_set(r->turn, &r->look, r->look_ms);
}

/* All is answered: what was to be looked for soon has come, and need not wake us for nothing. */
void redis_look_later(struct store_redis *r)
{
	if (r->look_ms >= r->rest_ms || r->rest_ms <= r->turn->now_ms || is_busy(r))
		return;
	r->look_ms = r->rest_ms;
	turn_timer_set(r->turn, &r->look, r->look_ms);
}

/* Only that the turn comes: its end writes, together with what else the core posts in it. */
static void on_gather(void *ctx)
{
	(void)ctx;
}

void store_redis_flush(struct store_redis *r)
{
	uint64_t due_ms = UINT64_MAX;
	for (size_t i = 0; i < REDIS_SERVERS; i++) {
		struct redis_server *s = &r->servers[i];
		if (!s->used)
			continue;
		redis_server_flush(s, false);
		if (s->gather_ms > 0 && s->gather_ms + REDIS_GATHER_MS < due_ms)
			due_ms = s->gather_ms + REDIS_GATHER_MS;
	}
	if (due_ms == UINT64_MAX)
		turn_timer_stop(r->turn, &r->gather);
	else if (!timer_is_set(&r->gather.timer) || r->gather.timer.at_ms != due_ms)
		turn_timer_set(r->turn, &r->gather, due_ms);
}

/* ---- life ---- */

void redis_why(struct store_redis *r, const char *what, const char *why)
{
	snprintf(r->why, sizeof(r->why), "%s: %s", what, why);
}

/* The configuration's texts go with a reload; what is said to a server later must not. */
static enum err copy_settings(struct store_redis *r, const struct store_settings *from)
{
	struct store_settings *to = &r->own;
	enum err e = arena_init_sized(&r->texts, TEXTS);
	if (e)
		return e;
	*to = *from;
	struct str *const texts[] = {&to->master, &to->username,          &to->password,
				     &to->prefix, &to->sentinel_password, &to->tls_name};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = arena_str(&r->texts, *texts[i]);
	for (size_t i = 0; i < to->node_count; i++)
		to->nodes[i] = arena_str(&r->texts, to->nodes[i]);
	to->key = to->tls_ca = to->tls_chain = to->tls_key = STR_NONE; /* used at once */
	r->settings = to;
	return OK;
}

enum err store_redis_new(struct store_redis **out, const struct store_redis_params *p,
			 struct buf *why)
{
	struct siphash_key key;
	uint8_t salt[SEAL_SALT];
	struct str node = p->node;
	struct store_redis *r = calloc(1, sizeof(*r));
	if (!r)
		return ERR_NOMEM;
	r->turn = p->turn;
	r->rng = p->rng;
	r->changed = p->changed;
	r->changed_ctx = p->ctx;
	node.len = node.len < sizeof(r->node) - 1 ? node.len : sizeof(r->node) - 1;
	(void)!str_copy(node, r->node, sizeof(r->node));
	rng_text(r->rng, r->boot, sizeof(r->boot) - 1);
	list_init(&r->queue);
	turn_timer_init(&r->look, on_look, r);
	turn_timer_init(&r->gather, on_gather, r);
	block_init(&r->blocks, REDIS_BYTES_MAX);
	clock_random(&key, sizeof(key));
	clock_random(salt, sizeof(salt));
	r->scratch = malloc(SCRATCH);
	enum err e = r->scratch ? copy_settings(r, p->settings) : ERR_NOMEM;
	if (!e)
		e = redis_tls_new(&r->tls, p->settings, why);
	if (!e)
		e = store_seal_init(&r->seal, p->settings->key, salt);
	if (!e)
		e = table_init(&r->by_key, p->settings->queue + 1, &key);
	if (e) {
		store_redis_free(&r);
		return e;
	}
	for (size_t i = 0; i < REDIS_SCRIPT_COUNT; i++)
		redis_script_sha((enum redis_script)i, &r->shas[i]);
	redis_seek_init(r);
	redis_told_init(r);
	r->since_ms = r->turn->now_ms;
	turn_timer_set(r->turn, &r->look, r->turn->now_ms);
	*out = r;
	return OK;
}

void store_redis_free(struct store_redis **store)
{
	struct store_redis *r = *store;
	if (!r)
		return;
	/* What was written in the last turn still goes out, as far as the socket takes it. */
	for (size_t i = 0; i < REDIS_SERVERS; i++)
		if (r->servers[i].used)
			redis_server_release(&r->servers[i]);
	redis_link_release(&r->ear.link);
	redis_link_release(&r->seeker.link);
	turn_timer_stop(r->turn, &r->look);
	turn_timer_stop(r->turn, &r->gather);
	table_release(&r->by_key);
	block_release(&r->blocks);
	store_seal_release(&r->seal);
	SSL_CTX_free(r->tls);
	if (r->texts.base)
		secret_wipe(r->texts.base, r->texts.used);
	arena_release(&r->texts);
	free(r->scratch);
	free(r);
	*store = NULL;
}

const struct store_stats *store_redis_stats(const struct store_redis *r)
{
	return &r->stats;
}

void store_redis_view(const struct store_redis *r, struct store_view *out)
{
	struct buf b;
	*out = (struct store_view){.up = r->up,
				   .listens = r->ear.hears,
				   .queue = r->queue_count,
				   .since_ms = r->since_ms};
	for (size_t i = 0; i < REDIS_SERVERS; i++) {
		const struct redis_server *s = &r->servers[i];
		if (!s->used)
			continue;
		out->servers++;
		out->servers_up += redis_server_is_good(s);
		out->in_flight += s->sent_count;
	}
	buf_init(&b, out->server, sizeof(out->server) - 1);
	if (r->servers[0].used)
		redis_target_write(&b, &r->servers[0].target);
	snprintf(out->why, sizeof(out->why), "%s", r->why);
}
