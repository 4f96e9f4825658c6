#include "turn.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "sbc/shell/clock.h"

enum { POSTED_FIRST = 64, DELIVER_ROUNDS = 16 };

enum err turn_init(struct turn *t, void (*step)(void *ctx, const struct event *e), void *ctx)
{
	*t = (struct turn){.step = step, .ctx = ctx};
	t->posted = calloc(POSTED_FIRST, sizeof(*t->posted));
	if (!t->posted)
		return ERR_NOMEM;
	t->posted_cap = POSTED_FIRST;
	enum err e = watch_loop_new(&t->loop);
	if (e) {
		free(t->posted);
		t->posted = NULL;
		return e;
	}
	clock_random(&t->hash_key, sizeof(t->hash_key));
	t->now_ms = clock_mono_ms();
	t->wall_ms = clock_wall_ms();
	wheel_init(&t->wheel, t->now_ms);
	bytes_store_init(&t->store);
	return OK;
}

void turn_release(struct turn *t)
{
	watch_loop_free(&t->loop);
	bytes_store_release(&t->store);
	free(t->posted);
	t->posted = NULL;
}

void turn_begin(struct turn *t)
{
	if (t->begun)
		return;
	t->begun = true;
	t->busy_ms = t->waits_ms > t->now_ms ? (uint32_t)(t->waits_ms - t->now_ms) : 0;
	t->late_ms = t->busy_ms;
	t->now_ms = clock_mono_ms();
	t->wall_ms = clock_wall_ms();
	t->stats.turns++;
}

void turn_waits(struct turn *t, uint64_t now_ms)
{
	t->waits_ms = now_ms;
}

void turn_end(struct turn *t)
{
	t->begun = false;
}

void turn_step(struct turn *t, struct event *e)
{
	CHECK(!t->running);
	turn_begin(t);
	e->now_ms = t->now_ms;
	e->wall_ms = t->wall_ms;
	t->running = true;
	t->step(t->ctx, e);
	t->running = false;
}

void turn_message(struct turn *t, const struct flow *flow, const struct tls_facts *tls,
		  struct str bytes)
{
	struct event e;
	e.type = EVENT_MESSAGE;
	e.message.flow = *flow;
	e.message.tls = tls;
	e.message.bytes = bytes;
	e.message.late_ms = t->late_ms;
	if (t->trace)
		t->trace(t->trace_ctx, false, flow, bytes);
	turn_step(t, &e);
}

void turn_post(struct turn *t, const struct event *e)
{
	if (t->posted_count == t->posted_cap) {
		/* Not on the message path: outcomes that pile up within one turn. Each answers
		 * something that the core has limited. */
		struct event *more = realloc(t->posted, 2 * t->posted_cap * sizeof(*more));
		if (NEVER(!more))
			return;
		t->posted = more;
		t->posted_cap *= 2;
	}
	t->posted[t->posted_count++] = *e;
}

void turn_post_failed(struct turn *t, id_t64 tag, enum send_failure why)
{
	if (tag == ID_NONE)
		return;
	struct event e = {.type = EVENT_SEND_FAILED, .failed = {.tag = tag, .why = why}};
	turn_post(t, &e);
}

bool turn_deliver(struct turn *t)
{
	if (t->posted_count == 0)
		return false;
	for (unsigned round = 0; t->posted_count > 0 && round < DELIVER_ROUNDS; round++) {
		size_t count = t->posted_count;
		for (size_t i = 0; i < count; i++) {
			/* A copy: the core may post more, and the array may move. */
			struct event e = t->posted[i];
			turn_step(t, &e);
		}
		t->posted_count -= count;
		memmove(t->posted, t->posted + count, t->posted_count * sizeof(*t->posted));
	}
	if (t->posted_count > 0)
		t->again = true;
	return true;
}

void turn_timer_init(struct turn_timer *timer, turn_timer_fn fn, void *ctx)
{
	timer_init(&timer->timer);
	timer->fn = fn;
	timer->ctx = ctx;
}

void turn_timer_set(struct turn *t, struct turn_timer *timer, uint64_t at_ms)
{
	wheel_set(&t->wheel, &timer->timer, at_ms);
}

void turn_timer_stop(struct turn *t, struct turn_timer *timer)
{
	wheel_stop(&t->wheel, &timer->timer);
}

void turn_expire(struct turn *t)
{
	struct timer *due;
	turn_begin(t);
	while ((due = wheel_expire(&t->wheel, t->now_ms)) != NULL) {
		struct turn_timer *timer = CONTAINER_OF(due, struct turn_timer, timer);
		timer->fn(timer->ctx);
	}
}
