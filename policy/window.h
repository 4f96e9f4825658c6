/*
 * How much came together in the last so many minutes, for each key (a source, a user, a number): sums of calls, seconds
 * or money over a sliding window. Sixteen slices of time a key; what is summed is never less than the window holds and
 * never more than a sixteenth longer a time holds. A fixed number of keys, four in a set; where there is no room the key
 * with the least to remember is forgotten. A leaf: no clock.
 */
#ifndef SALLYPORT_WINDOW_H
#define SALLYPORT_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "common/siphash.h"
#include "common/str.h"

enum { WINDOW_SLICES = 16, WINDOW_WAYS = 4 };

/* Four keys and how far their sums go: one line of the cache. The sums of each are another. */
struct window_set {
	uint64_t keys[WINDOW_WAYS];   /* 0: nobody's */
	uint64_t slices[WINDOW_WAYS]; /* number of the latest one, from the clock's zero */
};

struct window_sums {
	uint32_t of[WINDOW_SLICES];
};

struct window_table {
	struct siphash_key secret;
	struct window_set *heads;
	struct window_sums *sums; /* WINDOW_WAYS a set */
	size_t sets;              /* a power of two */
	uint64_t slice_ms;
};

/* Sums over span_ms (1 ms to a year) for `most` keys, rounded up to a power of two: 80 octets each. ERR_NOMEM. */
enum err window_init(struct window_table *t, size_t most, uint64_t span_ms,
		     const struct siphash_key *secret) MUST_USE;
void window_release(struct window_table *t);
/* Adds and returns the sum with it. A slice holds UINT32_MAX at most. */
uint64_t window_add(struct window_table *t, struct str key, uint32_t amount, uint64_t now_ms);
/* What there is; changes nothing. */
uint64_t window_sum(const struct window_table *t, struct str key, uint64_t now_ms);

/* The same for who has hashed the key already, with a secret of its own; the lowest bit of a hash is set. */
uint64_t window_sum_of(const struct window_table *t, uint64_t hash, uint64_t now_ms);
/* Adds unless there is more than `most` already, and returns the sum; *out_before: what there was before. */
uint64_t window_take(struct window_table *t, uint64_t hash, uint32_t amount, uint64_t most,
		     uint64_t now_ms, uint64_t *out_before);
/* The sum of this hash is wanted soon: first its set, and when that is there, its sums. */
void window_prefetch(const struct window_table *t, uint64_t hash);
void window_prefetch_sums(const struct window_table *t, uint64_t hash);
void window_forget(struct window_table *t, uint64_t hash);
size_t window_bytes(size_t most);

#endif
