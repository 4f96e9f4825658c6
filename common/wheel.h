/*
 * Timers as a hierarchical wheel: set, stop and expire in O(1), intrusive, no allocation, no clock.
 * Times are milliseconds on any monotonic scale; a timer never fires early and at most one tick
 * (WHEEL_TICK_MS) late, counted from the call of wheel_expire.
 */
#ifndef SALLYPORT_WHEEL_H
#define SALLYPORT_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "list.h"

enum { WHEEL_TICK_MS = 4, WHEEL_LEVELS = 5, WHEEL_SLOTS = 64 };

struct timer {
	struct list node;
	uint64_t at_ms; /* 0: not set */
};

struct wheel {
	uint64_t now_tick;
	uint32_t count;
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
	struct list due;             /* expired, not yet handed out */
	uint64_t busy[WHEEL_LEVELS]; /* one bit a slot that may be filled */
};

void wheel_init(struct wheel *w, uint64_t now_ms);
void timer_init(struct timer *t);
/*
 * Sets or moves. A time in the past fires at the next wheel_expire, behind those already due.
 * Farthest: about 49 days; later is cut to it.
 */
void wheel_set(struct wheel *w, struct timer *t, uint64_t at_ms);
void wheel_stop(struct wheel *w, struct timer *t);
bool timer_is_set(const struct timer *t);
/* Moves the wheel to now and takes out one timer that is due, or gives NULL: call until NULL.
 * Order: by time, then by setting. */
struct timer *wheel_expire(struct wheel *w, uint64_t now_ms);
/*
 * When wheel_expire is worth calling again, for the poll time-out; UINT64_MAX: none set. Never after the
 * tick in which the earliest timer fires; before it when that timer is far (the call then brings it
 * nearer). A time that is not after the last wheel_expire means that something is due already.
 */
uint64_t wheel_next_ms(const struct wheel *w);

#endif
