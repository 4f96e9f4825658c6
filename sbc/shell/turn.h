/*
 * One turn of the loop, as the shell's parts see it (style §1): the clock is read once; what
 * happened goes to the core as events; what the core wants is kept and done at the end. A part that
 * learns of an outcome while the core is running posts the event: it is delivered afterwards.
 */
#ifndef SALLYPORT_TURN_H
#define SALLYPORT_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/siphash.h"
#include "common/wheel.h"
#include "sbc/core/event.h"
#include "sbc/shell/bytes.h"
#include "sbc/shell/shell_stats.h"
#include "sbc/shell/watch.h"

struct turn_timer;
typedef void (*turn_timer_fn)(void *ctx);

/* Says what crossed the wire, where the operator asked for it. */
typedef void (*turn_trace_fn)(void *ctx, bool out, const struct flow *flow, struct str bytes);

struct turn {
	struct watch_loop *loop;
	void (*step)(void *ctx, const struct event *e); /* the core */
	void *ctx;
	turn_trace_fn trace; /* NULL: no trace */
	void *trace_ctx;
	struct wheel wheel; /* of the shell's own timers */
	struct siphash_key hash_key;
	uint64_t now_ms, wall_ms;
	uint64_t waits_ms; /* when the last turn had done its work; 0: not known */
	uint32_t busy_ms;  /* how long that was at work: what came meanwhile has waited */
	uint32_t late_ms;  /* of the messages being told now */
	bool begun;
	bool running; /* inside the core: post, do not step */
	bool again;   /* something is left to do: do not wait */
	struct event *posted;
	size_t posted_count, posted_cap;
	struct bytes_store store;
	struct shell_stats stats;
};

struct turn_timer {
	struct timer timer;
	turn_timer_fn fn;
	void *ctx;
};

/* ERR_NOMEM. */
enum err turn_init(struct turn *t, void (*step)(void *ctx, const struct event *e),
		   void *ctx) MUST_USE;
void turn_release(struct turn *t);
/* Reads the clock, if this turn has not yet. Every entry from the world starts with it. */
void turn_begin(struct turn *t);
/* The loop is about to wait: what the turn began is done. */
void turn_waits(struct turn *t, uint64_t now_ms);
/* The turn is over. */
void turn_end(struct turn *t);
/* Gives an event to the core now; the times are filled in. */
void turn_step(struct turn *t, struct event *e);
void turn_message(struct turn *t, const struct flow *flow, const struct tls_facts *tls,
		  struct str bytes);
/* Delivered by turn_deliver; views in it must be static or belong to the settings. */
void turn_post(struct turn *t, const struct event *e);
void turn_post_failed(struct turn *t, id_t64 tag, enum send_failure why);
/* Delivers what was posted, and what is posted meanwhile, within reason. False: nothing was there. */
bool turn_deliver(struct turn *t);

void turn_timer_init(struct turn_timer *timer, turn_timer_fn fn, void *ctx);
void turn_timer_set(struct turn *t, struct turn_timer *timer, uint64_t at_ms);
void turn_timer_stop(struct turn *t, struct turn_timer *timer);
/* Calls what is due. */
void turn_expire(struct turn *t);

#endif
