#include "cost.h"

#include <time.h>

enum { ROUNDS = 5, TRIES = 6, RATIO_MAX = 9 };

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t least(cost_fn fn, struct str input, uint64_t best)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now_ns();
		fn(input);
		uint64_t took = now_ns() - start;
		best = took < best ? took : best;
	}
	return best;
}

bool cost_is_linear(cost_fn fn, struct str small, struct str big)
{
	uint64_t a = UINT64_MAX, b = UINT64_MAX;
	CHECK(big.len >= 3 * small.len && big.len <= 5 * small.len);
	for (int i = 0; i < TRIES; i++) {
		a = least(fn, small, a);
		b = least(fn, big, b);
		/* Below 20 µs the clock is too coarse to accuse anyone. */
		if (b < 20000 || b <= RATIO_MAX * a)
			return true;
	}
	return false;
}
