/* Commands to one server, and what it says to them. */
#include <stdio.h>
#include <string.h>

#include "sbc/shell/clock.h"
#include "sbc/shell/redis_impl.h"

enum { WORDS_MAX = 10, NUMBER_MAX = 24, SCAN_ROUNDS_MAX = 4096, SCAN_COUNT = 50 };

static const int64_t believed_max = (int64_t)1 << 52; /* no sum or share of ours is larger */

static void on_up(void *ctx);
static void on_reply(void *ctx, const struct resp_value *v);
static void on_down(void *ctx);

void redis_server_init(struct store_redis *r, struct redis_server *s, const struct redis_target *t)
{
	const struct redis_link_user user = {s, on_up, on_reply, on_down};
	*s = (struct redis_server){.store = r,
				   .target = *t,
				   .used = true,
				   .away = true,
				   .backoff_ms = REDIS_BACKOFF_MS};
	list_init(&s->sent);
	redis_link_init(&s->link, r->turn, &user);
}

bool redis_server_is_good(const struct redis_server *s)
{
	return s->ready && !s->away && !s->is_full;
}

/* ---- what goes out ---- */

struct words {
	struct str w[WORDS_MAX];
	char numbers[4][NUMBER_MAX];
	size_t count, number_count;
};

static void word(struct words *w, struct str s)
{
	w->w[w->count++] = s;
}

static void number(struct words *w, int64_t v)
{
	struct buf b;
	buf_init(&b, w->numbers[w->number_count++], NUMBER_MAX);
	buf_i64(&b, v);
	word(w, buf_view(&b));
}

static struct str name_of_script(const struct store_redis *r, const struct redis_op *op,
				 enum redis_script s, struct str *out_command)
{
	if (r->settings->scripts == STORE_SCRIPTS_FUNCTION) {
		*out_command = STR("FCALL");
		return redis_script_function(s);
	}
	*out_command = op->eval ? STR("EVAL") : STR("EVALSHA");
	return op->eval ? redis_script_text(s)
			: (struct str){r->shas[s].hex, sizeof(r->shas[s].hex)};
}

static void script(struct words *w, const struct store_redis *r, const struct redis_op *op,
		   enum redis_script s)
{
	struct str command;
	struct str name = name_of_script(r, op, s, &command);
	word(w, command);
	word(w, name);
	word(w, STR("1"));
	word(w, redis_op_key(op));
}

static int64_t left_ms(const struct store_redis *r, const struct redis_op *op)
{
	return op->end_ms > r->turn->wall_ms ? (int64_t)(op->end_ms - r->turn->wall_ms) : 1;
}

static void put_words(struct words *w, const struct store_redis *r, const struct redis_op *op)
{
	const struct str value = redis_op_value(op);
	if (op->number[0] > 0 && op->kind == REDIS_OP) {
		script(w, r, op, REDIS_SCRIPT_PUT);
		word(w, (struct str){value.p, REDIS_EPOCH});
		word(w, str_from_offset(value, REDIS_EPOCH));
	} else {
		word(w, STR("SET"));
		word(w, redis_op_key(op));
		word(w, value);
		word(w, STR("PX"));
	}
	number(w, left_ms(r, op));
}

static void delete_words(struct words *w, const struct store_redis *r, const struct redis_op *op)
{
	if (op->number[0] > 0) {
		script(w, r, op, REDIS_SCRIPT_PUT);
		number(w, op->number[0]);
		word(w, STR(""));
		word(w, STR("1"));
		return;
	}
	word(w, STR("DEL"));
	word(w, redis_op_key(op));
}

static void op_words(struct words *w, const struct store_redis *r, const struct redis_op *op)
{
	switch ((enum store_verb)op->verb) {
	case STORE_GET:
		word(w, STR("GET"));
		word(w, redis_op_key(op));
		break;
	case STORE_PUT: put_words(w, r, op); break;
	case STORE_DELETE: delete_words(w, r, op); break;
	case STORE_ADD:
		if (op->number[0] == 0) { /* asks what there is */
			word(w, STR("GET"));
			word(w, redis_op_key(op));
			break;
		}
		word(w, STR("INCRBY"));
		word(w, redis_op_key(op));
		number(w, op->number[0]);
		break;
	case STORE_MEMBER_PUT:
		word(w, STR("HSET"));
		word(w, redis_op_key(op));
		word(w, redis_op_member(op));
		word(w, redis_op_value(op));
		break;
	case STORE_MEMBER_DELETE:
		word(w, STR("HDEL"));
		word(w, redis_op_key(op));
		word(w, redis_op_member(op));
		break;
	case STORE_MEMBERS:
		word(w, STR("HSCAN"));
		word(w, redis_op_key(op));
		number(w, (int64_t)op->cursor);
		word(w, STR("COUNT"));
		number(w, SCAN_COUNT);
		break;
	case STORE_RATE:
		script(w, r, op, REDIS_SCRIPT_RATE);
		for (size_t i = 0; i < 4; i++)
			number(w, op->number[i]);
		break;
	case STORE_LEASE:
		script(w, r, op, REDIS_SCRIPT_LEASE);
		word(w, redis_op_member(op));
		number(w, op->number[0]);
		number(w, op->number[1]);
		number(w, left_ms(r, op));
		break;
	case STORE_PUBLISH:
		word(w, STR("PUBLISH"));
		word(w, redis_op_key(op));
		word(w, redis_op_value(op));
		break;
	case STORE_VERB_COUNT: break;
	}
}

static void control_words(struct words *w, const struct store_redis *r, enum redis_kind kind)
{
	if (kind == REDIS_AUTH) {
		word(w, STR("AUTH"));
		if (r->settings->username.len > 0)
			word(w, r->settings->username);
		word(w, r->settings->password);
	} else if (kind == REDIS_MAP) {
		word(w, STR("CLUSTER"));
		word(w, STR("SLOTS"));
	} else {
		word(w, STR("PING"));
	}
}

/* Sums and sets live as long as the last one who asked for them wants. */
static bool write_expiry(struct redis_server *s, const struct redis_op *op)
{
	struct words w = {.count = 0};
	word(&w, STR("PEXPIRE"));
	word(&w, redis_op_key(op));
	if (op->verb == STORE_MEMBER_PUT) {
		number(&w, STORE_EXPIRES_MAX_MS);
	} else {
		number(&w, left_ms(s->store, op));
		word(&w, STR("NX"));
	}
	return redis_link_write(&s->link, w.w, w.count);
}

static bool write_op(struct redis_server *s, struct redis_op *op)
{
	struct words w = {.count = 0};
	const struct str asking = STR("ASKING");
	op->before = op->behind = 0;
	if (op->asking) {
		if (!redis_link_write(&s->link, &asking, 1))
			return false;
		op->before = 1;
	}
	if (op->kind == REDIS_OP || op->kind == REDIS_BEAT || op->kind == REDIS_BEAT_LOOK)
		op_words(&w, s->store, op);
	else
		control_words(&w, s->store, (enum redis_kind)op->kind);
	if (!redis_link_write(&s->link, w.w, w.count))
		return false;
	if (op->kind == REDIS_OP &&
	    ((op->verb == STORE_ADD && op->number[0]) || op->verb == STORE_MEMBER_PUT)) {
		if (!write_expiry(s, op))
			return false;
		op->behind = 1;
	}
	return true;
}

void redis_server_send(struct redis_server *s, struct redis_op *op)
{
	struct store_redis *r = s->store;
	if (!write_op(s, op)) {
		/* Not now: a reply may be being looked at. */
		s->is_full = true;
		redis_op_away(r, op);
		redis_look_soon(r);
		return;
	}
	op->sent_us = REDIS_NOT_OUT;
	s->said_ms = r->turn->now_ms;
	if (s->gather_ms == 0)
		s->gather_ms = r->turn->now_ms;
	s->waits = s->waits || op->owner != ID_NONE || op->verb == STORE_PUBLISH ||
		   op->kind != REDIS_OP;
	if (s->sent_count++ == 0)
		redis_look_soon(r);
	list_add_tail(&s->sent, &op->node);
}

/* Its time to answer begins when it could have heard. */
static void set_out(struct redis_server *s)
{
	const uint64_t now_us = clock_mono_us();
	for (struct list *n = s->sent.prev; n != &s->sent; n = n->prev) {
		struct redis_op *op = LIST_OBJECT(n, struct redis_op, node);
		if (op->sent_us != REDIS_NOT_OUT)
			break;
		op->sent_us = now_us;
	}
}

void redis_server_flush(struct redis_server *s, bool all)
{
	if (s->gather_ms == 0)
		return;
	const size_t left = s->link.out.len - s->link.out_at;
	if (!all && !s->waits && left < REDIS_GATHER_BYTES &&
	    s->store->turn->now_ms < s->gather_ms + REDIS_GATHER_MS)
		return;
	s->store->stats.bytes_out += left;
	s->gather_ms = 0;
	s->waits = false;
	set_out(s);
	redis_link_flush(&s->link);
}

static void control(struct redis_server *s, enum redis_kind kind)
{
	const struct store_op none = {.verb = STORE_GET};
	struct redis_op *op = redis_op_new(s->store, kind, &none);
	if (op)
		redis_server_send(s, op);
}

/* ---- coming and going ---- */

static void set_away(struct redis_server *s)
{
	if (s->away)
		return;
	s->away = true;
	s->store->stats.breaks++;
	redis_judge(s->store);
}

/* What it was asked: to those who ask, that it is away; writes are kept. */
static void empty(struct redis_server *s)
{
	while (!list_is_empty(&s->sent)) {
		struct redis_op *op = LIST_OBJECT(s->sent.next, struct redis_op, node);
		list_del(&op->node);
		s->sent_count--;
		redis_op_away(s->store, op);
	}
	s->gather_ms = 0;
	s->waits = s->is_full = false;
}

static void closed(struct redis_server *s)
{
	struct store_redis *r = s->store;
	s->ready = false;
	s->retry_ms = r->turn->now_ms + s->backoff_ms / 2 +
		      rng_below(r->rng, (uint32_t)s->backoff_ms / 2 + 1);
	s->backoff_ms =
		s->backoff_ms * 2 < REDIS_BACKOFF_MAX_MS ? s->backoff_ms * 2 : REDIS_BACKOFF_MAX_MS;
	set_away(s);
	empty(s);
	redis_judge(r);
	redis_look_soon(r);
	if (s == &r->servers[0])
		redis_seek_other(r);
}

void redis_server_give_up(struct redis_server *s, const char *why)
{
	char where[160];
	struct buf b;
	buf_init(&b, where, sizeof(where) - 1);
	redis_target_write(&b, &s->target);
	where[buf_view(&b).len] = 0;
	redis_why(s->store, where, why);
	redis_link_close(&s->link);
	closed(s);
}

void redis_server_move(struct redis_server *s, const struct redis_target *t)
{
	struct store_redis *r = s->store;
	if (redis_target_eq(&s->target, t))
		return;
	redis_link_close(&s->link);
	s->ready = false;
	s->target = *t;
	s->retry_ms = 0;
	s->backoff_ms = REDIS_BACKOFF_MS;
	set_away(s);
	empty(s);
	redis_look_soon(r);
}

void redis_server_release(struct redis_server *s)
{
	redis_link_flush(&s->link);
	redis_link_release(&s->link);
	s->used = false;
}

static void on_up(void *ctx)
{
	struct redis_server *s = ctx;
	s->store->stats.connects++;
	if (s->store->settings->password.len > 0)
		control(s, REDIS_AUTH);
	control(s, REDIS_PROBE);
	redis_server_flush(s, true);
}

static void on_down(void *ctx)
{
	struct redis_server *s = ctx;
	redis_server_give_up(s, s->link.why);
}

static uint64_t age_ms(const struct redis_op *op, uint64_t now_us)
{
	return now_us > op->sent_us ? (now_us - op->sent_us) / 1000 : 0;
}

void redis_server_look(struct redis_server *s)
{
	struct store_redis *r = s->store;
	const uint64_t now_ms = r->turn->now_ms;
	if (s->link.state == REDIS_CLOSED) {
		if (now_ms < s->retry_ms)
			return;
		s->opened_ms = now_ms;
		redis_link_open(&s->link, &s->target, r->tls, r->settings->tls_name);
		if (s->link.state == REDIS_CLOSED)
			redis_server_give_up(s, s->link.why);
		return;
	}
	if (s->link.state != REDIS_OPEN) {
		if (now_ms >= s->opened_ms + REDIS_OPEN_MS)
			redis_server_give_up(s, "no connection in time");
		return;
	}
	if (s->is_full) {
		redis_server_give_up(s, "too much waits to be written");
		return;
	}
	if (list_is_empty(&s->sent)) {
		if (now_ms >= s->said_ms + (s->away ? REDIS_PROBE_MS : REDIS_PING_MS))
			control(s, REDIS_PROBE);
		redis_server_flush(s, true);
		return;
	}
	const uint64_t age =
		age_ms(LIST_OBJECT(s->sent.next, struct redis_op, node), clock_mono_us());
	if (age >= r->settings->timeout_ms) {
		redis_server_give_up(s, "no answer in time");
		return;
	}
	if (age < r->settings->slow_ms || s->away)
		return;
	redis_why(r, "slow", "an answer takes longer than it may");
	set_away(s);
	/* Who asks need not wait for what it will say. */
	list_each (n, &s->sent) {
		struct redis_op *op = LIST_OBJECT(n, struct redis_op, node);
		if (op->kind == REDIS_OP)
			redis_op_down(r, op);
	}
}

/* ---- what it says ---- */

static bool says(const struct resp_value *v, const char *word)
{
	return v->type == RESP_ERROR && str_has_prefix(v->text, str_from(word));
}

static void count_seconds(struct store_redis *r, uint64_t us)
{
	size_t i = 0;
	while (i < REDIS_SECONDS_BUCKETS && us > store_seconds_us[i])
		i++;
	r->stats.seconds[i]++;
	r->stats.seconds_us += us;
}

/* An error. True: op has been dealt with. */
static bool on_error(struct redis_server *s, struct redis_op *op, const struct resp_value *v)
{
	struct store_redis *r = s->store;
	char why[100];
	if (says(v, "NOSCRIPT") && !op->eval && r->settings->scripts == STORE_SCRIPTS_EVAL) {
		op->eval = true;
		redis_server_send(s, op);
		return true;
	}
	if (says(v, "MOVED ") || says(v, "ASK ")) {
		struct redis_server *to =
			op->moves++ < REDIS_MOVES ? redis_seek_moved(r, s, v->text) : NULL;
		r->stats.moved++;
		op->asking = says(v, "ASK ");
		if (to && redis_server_is_good(to))
			redis_server_send(to, op);
		else
			redis_op_away(r, op);
		return true;
	}
	if (says(v, "READONLY") || says(v, "NOAUTH") || says(v, "WRONGPASS")) {
		snprintf(why, sizeof(why), "it says %.*s",
			 (int)(v->text.len < 80 ? v->text.len : 80), v->text.p);
		redis_op_away(r, op);
		if (!says(v, "READONLY")) /* asking again soon helps nobody */
			s->backoff_ms = REDIS_BACKOFF_MAX_MS;
		redis_server_give_up(s, why);
		return true;
	}
	if (says(v, "LOADING") || says(v, "MASTERDOWN") || says(v, "CLUSTERDOWN") ||
	    says(v, "TRYAGAIN") || says(v, "BUSY")) {
		redis_op_away(r, op);
		s->said_ms = r->turn->now_ms;
		set_away(s);
		return true;
	}
	r->stats.errors++;
	snprintf(why, sizeof(why), "%.*s", (int)(v->text.len < 99 ? v->text.len : 99), v->text.p);
	redis_why(r, "refused", why);
	return false;
}

static enum store_result open_value(struct store_redis *r, const struct redis_op *op,
				    struct str member, struct str text, struct store_reply *reply)
{
	struct str names[3] = {redis_op_key(op), member, STR_NONE};
	uint64_t epoch;
	if (text.len > STORE_VALUE_MAX + SEAL_EXTRA + REDIS_EPOCH) {
		r->stats.forged++;
		return STORE_ERROR;
	}
	if (text.len > REDIS_EPOCH && text.p[0] == '0') {
		names[2] = (struct str){text.p, REDIS_EPOCH};
		text = str_from_offset(text, REDIS_EPOCH);
		if (str_to_u64(names[2], (uint64_t)believed_max, &epoch) == OK)
			reply->number[0] = (int64_t)epoch;
	}
	enum err e = store_seal_open(&r->seal, names, ARRAY_LEN(names), text, r->turn->wall_ms,
				     r->scratch, &reply->value, NULL);
	if (e == ERR_NOTFOUND)
		return STORE_NOTHING;
	r->stats.forged += e != OK;
	return e == OK ? STORE_OK : STORE_ERROR;
}

static enum store_result read_numbers(const struct resp_value *v, size_t count, int64_t *out)
{
	if (v->type != RESP_ARRAY || v->count < count)
		return STORE_ERROR;
	for (size_t i = 0; i < count; i++) {
		const struct resp_value *x = &v->items[i];
		if (x->type != RESP_NUMBER || x->number < 0 || x->number > believed_max)
			return STORE_ERROR;
		out[i] = x->number;
	}
	return STORE_OK;
}

/* More than was asked for, or than there is, is not believed. */
static enum store_result read_share(const struct redis_op *op, const struct resp_value *v,
				    struct store_reply *reply)
{
	const bool rate = op->verb == STORE_RATE;
	enum store_result result = read_numbers(v, rate ? 2 : 3, reply->number);
	const int64_t most = op->number[rate ? 2 : 0];
	if (result == STORE_OK && reply->number[0] > most)
		reply->number[0] = most;
	return result;
}

/* One member has expired: nobody else takes it out. */
static void forget(struct redis_server *s, const struct redis_op *set, struct str member)
{
	struct store_redis *r = s->store;
	struct str key = str_from_offset(redis_op_key(set), r->settings->prefix.len);
	if (member.len > STORE_KEY_MAX)
		return;
	const struct store_op op = {.verb = STORE_MEMBER_DELETE,
				    .area = (enum store_area)set->area,
				    .key = key,
				    .member = member};
	struct redis_op *x = redis_op_new(r, REDIS_OP, &op);
	if (x)
		redis_server_send(s, x);
}

/* Takes op. */
static void on_members(struct redis_server *s, struct redis_op *op, const struct resp_value *v)
{
	struct store_redis *r = s->store;
	struct store_reply end = {.result = STORE_ERROR};
	uint64_t cursor;
	if (v->type != RESP_ARRAY || v->count != 2 || v->items[1].type != RESP_ARRAY ||
	    v->items[0].type != RESP_TEXT ||
	    str_to_u64(v->items[0].text, UINT64_MAX, &cursor) != OK) {
		redis_op_answer(r, op, &end);
		return;
	}
	const struct resp_value *list = &v->items[1];
	for (size_t i = 0; i + 1 < list->count; i += 2) {
		struct store_reply one = {.more = true};
		if (list->items[i].type != RESP_TEXT || list->items[i + 1].type != RESP_TEXT)
			continue;
		one.member = list->items[i].text;
		one.result = open_value(r, op, one.member, list->items[i + 1].text, &one);
		if (one.result == STORE_NOTHING)
			forget(s, op, one.member);
		else if (one.result == STORE_OK)
			redis_op_answer(r, op, &one);
	}
	if (cursor > 0 && ++op->rounds < SCAN_ROUNDS_MAX) {
		op->cursor = cursor;
		redis_op_go(r, op);
		return;
	}
	end.result = STORE_NOTHING;
	redis_op_answer(r, op, &end);
}

static enum store_result read_sum(const struct redis_op *op, const struct resp_value *v,
				  int64_t *out)
{
	uint64_t u = 0;
	if (op->number[0] != 0) {
		if (v->type != RESP_NUMBER || v->number > believed_max || v->number < -believed_max)
			return STORE_ERROR;
		*out = v->number;
		return STORE_OK;
	}
	if (v->type == RESP_NIL)
		return STORE_NOTHING;
	const bool minus = v->type == RESP_TEXT && v->text.len > 0 && v->text.p[0] == '-';
	if (v->type != RESP_TEXT ||
	    str_to_u64(str_from_offset(v->text, minus), (uint64_t)believed_max, &u) != OK)
		return STORE_ERROR;
	*out = minus ? -(int64_t)u : (int64_t)u;
	return STORE_OK;
}

static void on_value(struct redis_server *s, struct redis_op *op, const struct resp_value *v)
{
	struct store_redis *r = s->store;
	struct store_reply reply = {.result = STORE_OK};
	switch ((enum store_verb)op->verb) {
	case STORE_GET:
		reply.result = v->type == RESP_NIL    ? STORE_NOTHING
			       : v->type == RESP_TEXT ? open_value(r, op, STR_NONE, v->text, &reply)
						      : STORE_ERROR;
		break;
	case STORE_PUT:
		if (op->number[0] > 0)
			reply.result =
				v->type == RESP_NUMBER && v->number ? STORE_OK : STORE_NOTHING;
		else if (v->type != RESP_STATUS)
			reply.result = STORE_ERROR;
		break;
	case STORE_DELETE:
	case STORE_MEMBER_DELETE:
		reply.result = v->type == RESP_NUMBER && v->number > 0 ? STORE_OK : STORE_NOTHING;
		break;
	case STORE_ADD: reply.result = read_sum(op, v, &reply.number[0]); break;
	case STORE_MEMBER_PUT:
	case STORE_PUBLISH:
		if (v->type != RESP_NUMBER)
			reply.result = STORE_ERROR;
		break;
	case STORE_RATE:
	case STORE_LEASE: reply.result = read_share(op, v, &reply); break;
	case STORE_MEMBERS: on_members(s, op, v); return;
	case STORE_VERB_COUNT: reply.result = STORE_ERROR; break;
	}
	redis_op_answer(r, op, &reply);
}

static void on_beat(struct redis_server *s, struct redis_op *op, const struct resp_value *v)
{
	struct store_redis *r = s->store;
	struct store_reply reply = {.value = STR_NONE};
	if (op->kind == REDIS_BEAT && v->type == RESP_STATUS &&
	    (uint64_t)op->number[1] > r->beat_acked)
		r->beat_acked = (uint64_t)op->number[1];
	if (op->kind == REDIS_BEAT_LOOK) {
		if (v->type == RESP_TEXT)
			(void)open_value(r, op, STR_NONE, v->text, &reply);
		redis_beat_found(r, reply.value);
	}
	redis_op_free(r, op);
}

static void on_control(struct redis_server *s, struct redis_op *op, const struct resp_value *v,
		       bool in_time)
{
	struct store_redis *r = s->store;
	if (op->kind == REDIS_MAP)
		redis_seek_on_map(r, s, v);
	/* Whoever it does not know cannot even say PING. */
	if (op->kind == REDIS_PROBE && v->type == RESP_STATUS && in_time) {
		s->ready = true;
		s->backoff_ms = REDIS_BACKOFF_MS;
		if (s->away) {
			s->away = false;
			redis_judge(r);
		}
		if (r->settings->mode == STORE_MODE_CLUSTER && !r->has_map && !r->wants_map) {
			r->wants_map = true;
			control(s, REDIS_MAP);
		}
	}
	redis_op_free(r, op);
}

/* The reply to its second command is not looked at: a mark takes its place, in front of all. */
static bool put_mark(struct redis_server *s, const struct redis_op *op)
{
	const struct store_op none = {.verb = STORE_GET};
	struct redis_op *mark = redis_op_new(s->store, REDIS_MARK, &none);
	if (!mark)
		return false;
	mark->sent_us = op->sent_us;
	list_add_tail(s->sent.next, &mark->node);
	s->sent_count++;
	return true;
}

/* Time stands still within a turn. */
static uint64_t turn_us(struct store_redis *r)
{
	if (r->us_turn != r->turn->stats.turns || r->now_us == 0) {
		r->us_turn = r->turn->stats.turns;
		r->now_us = clock_mono_us();
	}
	return r->now_us;
}

/* Takes op, which is not in `sent` any more. */
static void take_reply(struct redis_server *s, struct redis_op *op, const struct resp_value *v)
{
	const uint64_t now_us = turn_us(s->store);
	const uint64_t took_us = now_us > op->sent_us ? now_us - op->sent_us : 0;
	count_seconds(s->store, took_us);
	if (op->behind > 0 && !put_mark(s, op)) {
		redis_op_away(s->store, op);
		redis_server_give_up(s, "out of memory");
		return;
	}
	if (v->type == RESP_ERROR && on_error(s, op, v))
		return;
	if (op->kind == REDIS_OP && v->type == RESP_ERROR) {
		struct store_reply reply = {.result = STORE_ERROR};
		redis_op_answer(s->store, op, &reply);
	} else if (op->kind == REDIS_OP) {
		on_value(s, op, v);
	} else if (op->kind == REDIS_BEAT || op->kind == REDIS_BEAT_LOOK) {
		on_beat(s, op, v);
	} else {
		on_control(s, op, v, took_us / 1000 < s->store->settings->slow_ms);
	}
}

static void on_reply(void *ctx, const struct resp_value *v)
{
	struct redis_server *s = ctx;
	struct store_redis *r = s->store;
	if (list_is_empty(&s->sent)) {
		redis_server_give_up(s, "it answers what nobody asked");
		return;
	}
	struct redis_op *op = LIST_OBJECT(s->sent.next, struct redis_op, node);
	if (op->before > 0) {
		op->before--;
		return;
	}
	list_del(&op->node);
	s->sent_count--;
	if (op->kind == REDIS_MARK)
		redis_op_free(r, op);
	else
		take_reply(s, op, v);
	if (s->sent_count == 0)
		redis_look_later(r);
}
