/*
 * What one fraud rule has counted: a sliding sum, a set of different things, or the numbers dialled last, for each of its
 * subjects. Fixed size; subjects are known by keyed hashes.
 */
#ifndef SALLYPORT_FRAUD_COUNT_H
#define SALLYPORT_FRAUD_COUNT_H

#include "policy/fraud_rule.h"
#include "policy/window.h"

enum { TRAIL_LAST = 4, TRAIL_WAYS = 4 };

/* Four subjects, and when each has dialled last: one line of the cache. */
struct trail_set {
	uint64_t keys[TRAIL_WAYS]; /* 0: nobody's */
	uint64_t at_ms[TRAIL_WAYS];
};

/* The numbers that a subject has dialled last, the latest first. */
struct trail {
	uint64_t last[TRAIL_LAST];
};

struct fraud_count {
	char name[64]; /* of the rule */
	enum fraud_measure measure;
	enum fraud_kind kind;
	enum subject_kind by;
	uint8_t digits;
	uint32_t keys;
	uint64_t over, span_ms;
	struct window_table window;
	struct distinct_table distinct;
	struct trail_set *trail_heads; /* NULL: it counts no steps */
	struct trail *trails;          /* TRAIL_WAYS a set */
	size_t trail_sets;
};

/* How much there was before, and with what was counted just now. */
struct fraud_sum {
	uint64_t before, now;
};

/* The rule counts something. ERR_NOMEM. */
enum err fraud_count_init(struct fraud_count *k, const struct fraud_rule *r,
			  const struct siphash_key *secret) MUST_USE;
void fraud_count_release(struct fraud_count *k);
/* Is what k has counted what the rule would have counted? */
bool fraud_count_fits(const struct fraud_count *k, const struct fraud_rule *r);

/* One thing more for that subject: an amount, a thing by its hash, a number by its value. */
struct fraud_more {
	uint64_t subject;
	uint32_t amount;
	uint64_t thing;
	uint64_t now_ms;
	uint64_t most; /* not counted where there is more than that already */
};
struct fraud_sum fraud_count_add(struct fraud_count *k, const struct fraud_more *m);
/* The same, and nothing is changed. */
struct fraud_sum fraud_count_peek(const struct fraud_count *k, const struct fraud_more *m);
/* What there is of that subject; `thing` is not asked for. */
uint64_t fraud_count_now(const struct fraud_count *k, uint64_t subject, uint64_t now_ms);
/* It is wanted soon: first where it stands, and when that is there, what there is of it. */
void fraud_count_prefetch(const struct fraud_count *k, uint64_t subject);
void fraud_count_prefetch_sum(const struct fraud_count *k, uint64_t subject);
void fraud_count_forget(struct fraud_count *k, uint64_t subject);

#endif
