/*
 * How long a worker shall sleep before it looks for packets again. To be woken up costs 15 to 18 µs, to take one packet
 * more costs 2 (docs/performance.md): where packets come fast enough, a short sleep between two looks is the cheapest thing
 * that a relay can do. Where they come slowly a sleep gains nothing, and none is made: the first packet wakes the
 * worker. A pure question of counts and times; the sleeping is the loop's.
 */
#ifndef SALLYPORT_COALESCE_H
#define SALLYPORT_COALESCE_H

#include <stddef.h>
#include <stdint.h>

enum {
	COALESCE_MAX_US = 1000,
	COALESCE_DEFAULT_US = 500,
	COALESCE_GAIN = 3,      /* packets that a sleep must be expected to bring */
	COALESCE_WISH = 48,     /* more are not waited for: a batch is 64 */
	COALESCE_SPAN_US = 4000 /* over which the rate is measured */
};

struct coalesce {
	uint32_t max_us; /* 0: never sleep */
	uint32_t rate;   /* packets a second, a running mean */
	uint64_t since_us;
	uint32_t count; /* since then */
};

/* max_us ≤ COALESCE_MAX_US */
void coalesce_init(struct coalesce *c, uint32_t max_us, uint64_t now_us);
/* A look at `now_us` found `count` packets of at most `room`. Returns µs to sleep before the next; 0: wait for a packet. */
uint32_t coalesce_step(struct coalesce *c, size_t count, size_t room, uint64_t now_us);

#endif
