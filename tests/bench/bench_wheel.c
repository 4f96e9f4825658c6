/* The timer wheel with 100,000 timers set, as 10,000 calls have. */
#include <stdlib.h>

#include "common/rng.h"
#include "common/wheel.h"
#include "run.h"

enum { TIMERS = 100000 };

struct bench {
	struct wheel wheel;
	struct timer *timers;
	uint32_t *delays; /* 0.5 to 64 s: SIP's */
	size_t at;
	uint64_t now_ms;
};

static void move(void *ctx, size_t n)
{
	struct bench *b = ctx;
	for (size_t i = 0; i < n; i++) {
		b->at = (b->at + 7919) % TIMERS;
		wheel_set(&b->wheel, &b->timers[b->at], b->now_ms + b->delays[b->at]);
	}
}

/* One operation: a timer fires and is set again, with all cascades on its way. */
static void expire(void *ctx, size_t n)
{
	struct bench *b = ctx;
	for (size_t fired = 0; fired < n;) {
		uint64_t next = wheel_next_ms(&b->wheel);
		b->now_ms = next > b->now_ms ? next : b->now_ms;
		for (struct timer *t; fired < n && (t = wheel_expire(&b->wheel, b->now_ms)) != NULL;
		     fired++)
			wheel_set(&b->wheel, t, b->now_ms + b->delays[t - b->timers]);
	}
}

static void next(void *ctx, size_t n)
{
	const struct bench *b = ctx;
	for (size_t i = 0; i < n; i++)
		bench_keep(wheel_next_ms(&b->wheel));
}

int main(void)
{
	static struct bench b;
	const uint8_t seed[RNG_SEED_LEN] = {1};
	struct rng r;
	rng_init(&r, seed);
	b.now_ms = 1000000;
	b.timers = calloc(TIMERS, sizeof(*b.timers));
	b.delays = calloc(TIMERS, sizeof(*b.delays));
	CHECK(b.timers != NULL && b.delays != NULL);
	wheel_init(&b.wheel, b.now_ms);
	for (size_t i = 0; i < TIMERS; i++) {
		b.delays[i] = 500 + rng_below(&r, 63500);
		timer_init(&b.timers[i]);
		wheel_set(&b.wheel, &b.timers[i], b.now_ms + b.delays[i]);
	}
	bench("move one of 100,000", move, &b);
	bench("fire and set again, of 100,000", expire, &b);
	bench("when is the next", next, &b);
	free(b.timers);
	free(b.delays);
	return 0;
}
