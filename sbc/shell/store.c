#include "sbc/shell/store.h"

#include <stdlib.h>

#include "sbc/shell/clock.h"

/* An answer of the memory, with its texts behind it. */
struct answer {
	struct list node;
	struct store_reply reply;
	char bytes[];
};

enum err store_init(struct store *st, struct turn *turn, const struct settings *s, struct buf *why)
{
	struct siphash_key key;
	(void)why;
	*st = (struct store){.turn = turn, .kind = s->store.kind};
	list_init(&st->replies);
	clock_random(&key, sizeof(key));
	return store_memory_init(&st->memory, STORE_MEMORY_ENTRIES, STORE_MEMORY_BYTES, &key,
				 turn->now_ms);
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
	store_memory_release(&st->memory);
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
	store_memory_do(&st->memory, op, st->turn->now_ms, on_reply, st);
}

void store_flush(struct store *st)
{
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
