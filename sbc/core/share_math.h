/*
 * The two steps that a store does for all nodes at once (store.h: STORE_RATE, STORE_LEASE), as arithmetic. Redis does the same in Lua
 * (sbc/shell/redis_script.c); a test compares them.
 */
#ifndef SALLYPORT_SHARE_MATH_H
#define SALLYPORT_SHARE_MATH_H

#include <stddef.h>
#include <stdint.h>

/* Of one node, as the store keeps it. */
struct share_part {
	int64_t held, used;
};
/* What a node that uses `used` of `limit` may hold, beside the parts of the `count` others: what it uses and an even part of
 * what nobody uses, as far as nobody holds it. *out_used: in use, all of them. */
int64_t share_math_lease(int64_t limit, int64_t used, const struct share_part *others, size_t count,
			 int64_t *out_used);

/* A rate (GCRA): `count` in per_ms, `burst` at once. */
struct share_rate {
	int64_t count, per_ms, burst;
};
/* *tat_us: when the bucket is full again, in microseconds; 0 at first. Grants at most `want`; below 0: as many come back. *out_wait_ms: until there is one more. */
int64_t share_math_rate(const struct share_rate *r, int64_t want, double now_us, double *tat_us,
			int64_t *out_wait_ms);

#endif
