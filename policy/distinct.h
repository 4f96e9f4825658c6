/*
 * How many different things (numbers, countries, users) a subject had to do with in the last so many minutes. Exact: a
 * small set of hashes with the time of each for every subject, as large as the rule needs to say "more than that". A fixed
 * number of subjects, four in a set; where there is no room, who has the least in its set is forgotten. A leaf: no clock.
 */
#ifndef SALLYPORT_DISTINCT_H
#define SALLYPORT_DISTINCT_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"

enum { DISTINCT_MOST = 1000, DISTINCT_WAYS = 4 };

/* Four subjects: one line of the cache. */
struct distinct_set {
	uint64_t keys[DISTINCT_WAYS]; /* 0: nobody's */
	uint64_t used[DISTINCT_WAYS]; /* of their things */
};

struct distinct_thing {
	uint32_t is;
	uint32_t at; /* when it came last, in units */
};

struct distinct_table {
	struct distinct_set *heads;
	struct distinct_thing *things; /* `most` of each subject */
	size_t sets;                   /* a power of two */
	uint32_t most;
	uint32_t span;    /* in units */
	uint64_t unit_ms; /* a thousandth of the span */
};

/* `most` things of each of `keys` subjects over span_ms. ERR_NOMEM. */
enum err distinct_init(struct distinct_table *t, size_t keys, uint32_t most,
		       uint64_t span_ms) MUST_USE;
void distinct_release(struct distinct_table *t);
size_t distinct_bytes(size_t keys, uint32_t most);
/*
 * How many there are with this one, at most as many as are told apart; *out_before: without it. Where there are more than
 * `most` already it is not added. The hashes are keyed and of the caller. Where the set is full the oldest makes room.
 */
uint32_t distinct_add(struct distinct_table *t, uint64_t key, uint32_t thing, uint64_t most,
		      uint64_t now_ms, uint32_t *out_before);
/* The same, and nothing is changed. */
uint32_t distinct_peek(const struct distinct_table *t, uint64_t key, uint32_t thing,
		       uint64_t now_ms, uint32_t *out_before);
/* How many there are. */
uint32_t distinct_count(const struct distinct_table *t, uint64_t key, uint64_t now_ms);
/* This key is wanted soon: first its set, and when that is there, its things. */
void distinct_prefetch(const struct distinct_table *t, uint64_t key);
void distinct_prefetch_things(const struct distinct_table *t, uint64_t key);
void distinct_forget(struct distinct_table *t, uint64_t key);

#endif
