#include "sbc/shell/store.h"

#include <stdlib.h>

#include "sbc/shell/clock.h"

/* An answer of the memory, with its texts behind it. */
struct answer {
	struct list node;
	struct store_reply reply;
	char bytes[];
};

enum err store_init(struct store *st, const struct store_params *p, struct buf *why)
{
	struct siphash_key key;
	const struct settings *s = p->settings;
	*st = (struct store){.turn = p->turn, .kind = s->store.kind};
	list_init(&st->replies);
	if (st->kind == STORE_KIND_REDIS)
		return store_redis_new(&st->redis,
				       &(struct store_redis_params){.turn = p->turn,
								    .rng = p->rng,
								    .settings = &s->store,
								    .node = s->node,
								    .changed = p->changed,
								    .ctx = p->ctx},
				       why);
	clock_random(&key, sizeof(key));
	return store_memory_init(&st->memory, STORE_MEMORY_ENTRIES, STORE_MEMORY_BYTES, &key,
				 p->turn->now_ms);
}

static void drop(struct answer *a)
{
	list_del(&a->node);
	free(a);
}

void store_release(struct store *st)
{
	list_each_safe (n, &st->replies)
		drop(LIST_OBJECT(n, struct answer, node));
	if (st->kind == STORE_KIND_MEMORY)
		store_memory_release(&st->memory);
	store_redis_free(&st->redis);
}

static void on_reply(void *ctx, const struct store_reply *r)
{
	struct store *st = ctx;
	struct buf b;
	struct answer *a = malloc(sizeof(*a) + r->member.len + r->value.len);
	if (NEVER(!a))
		return;
	buf_init(&b, a->bytes, r->member.len + r->value.len);
	buf_str(&b, r->member);
	buf_str(&b, r->value);
	a->reply = *r;
	a->reply.member = (struct str){a->bytes, r->member.len};
	a->reply.value = (struct str){a->bytes + r->member.len, r->value.len};
	list_add_tail(&st->replies, &a->node);
}

void store_post(struct store *st, const struct store_op *op)
{
	if (st->redis)
		store_redis_post(st->redis, op);
	else
		store_memory_do(&st->memory, op, st->turn->now_ms, on_reply, st);
}

void store_flush(struct store *st)
{
	if (st->redis) {
		store_redis_flush(st->redis);
		return;
	}
	if (st->is_told && list_is_empty(&st->replies))
		return;
	if (!st->is_told) {
		struct event e = {.type = EVENT_STORE_STATE, .store_state = {.up = true}};
		st->is_told = true;
		turn_step(st->turn, &e);
	}
	while (!list_is_empty(&st->replies)) {
		struct answer *a = LIST_OBJECT(st->replies.next, struct answer, node);
		struct event e = {.type = EVENT_STORE_REPLY, .stored = a->reply};
		turn_step(st->turn, &e);
		drop(a);
	}
}

/* ---- for people ---- */

static void metric(struct buf *b, const char *name, const char *kind, const char *help, uint64_t v)
{
	buf_printf(b, "# HELP sallyport_%s %s\n# TYPE sallyport_%s %s\nsallyport_%s %llu\n", name,
		   help, name, kind, name, (unsigned long long)v);
}

static void write_seconds(const struct store_stats *c, struct buf *b)
{
	static const char name[] = "sallyport_store_seconds";
	uint64_t sum = 0;
	buf_printf(b, "# HELP %s How long the store took to answer\n# TYPE %s histogram\n", name,
		   name);
	for (size_t i = 0; i < REDIS_SECONDS_BUCKETS; i++) {
		sum += c->seconds[i];
		buf_printf(b, "%s_bucket{le=\"%u.%06u\"} %llu\n", name,
			   store_seconds_us[i] / 1000000, store_seconds_us[i] % 1000000,
			   (unsigned long long)sum);
	}
	sum += c->seconds[REDIS_SECONDS_BUCKETS];
	buf_printf(b, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)sum);
	buf_printf(b, "%s_sum %llu.%06llu\n", name, (unsigned long long)(c->seconds_us / 1000000),
		   (unsigned long long)(c->seconds_us % 1000000));
	buf_printf(b, "%s_count %llu\n", name, (unsigned long long)sum);
}

void store_write_metrics(const struct store *st, struct buf *b)
{
	struct store_view v;
	if (!st->redis)
		return;
	const struct store_stats *c = store_redis_stats(st->redis);
	store_redis_view(st->redis, &v);
	metric(b, "store_up", "gauge", "1: the store answers in time", v.up);
	metric(b, "store_listens", "gauge", "1: what other nodes publish is heard", v.listens);
	metric(b, "store_servers_up", "gauge", "Servers of the store that answer in time",
	       v.servers_up);
	metric(b, "store_queue", "gauge", "Writes that wait for the store's return", v.queue);
	metric(b, "store_in_flight", "gauge", "Commands without an answer so far", v.in_flight);
#define X(member, name, help) metric(b, name, "counter", help, c->member);
	STORE_STATS_TABLE(X)
#undef X
	write_seconds(c, b);
}

void store_write_status(const struct store *st, struct buf *b)
{
	struct store_view v;
	buf_char(b, '[');
	if (st->redis) {
		store_redis_view(st->redis, &v);
		buf_lit(b, "{\"server\":");
		buf_json_str(b, str_from(v.server));
		buf_printf(b,
			   ",\"up\":%s,\"listens\":%s,\"servers\":%u,\"servers_up\":%u,"
			   "\"queue\":%u,\"dropped\":%llu,\"since_s\":%llu",
			   v.up ? "true" : "false", v.listens ? "true" : "false", v.servers,
			   v.servers_up, v.queue,
			   (unsigned long long)store_redis_stats(st->redis)->dropped,
			   (unsigned long long)((st->turn->now_ms - v.since_ms) / 1000));
		if (!v.up && v.why[0]) {
			buf_lit(b, ",\"why\":");
			buf_json_str(b, str_from(v.why));
		}
		buf_char(b, '}');
	}
	buf_char(b, ']');
}
