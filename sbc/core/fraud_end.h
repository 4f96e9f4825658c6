/*
 * Calls that rules of fraud want ended are looked for among all that there are. Whoever keeps calling above a rule orders that
 * again with each attempt, so it is never done in one go: so many calls are looked at in a turn, and who has ordered the same
 * again meanwhile has only said that it begins anew.
 *
 * Timers: `alarm` is when the next calls are looked at.
 */
#ifndef SALLYPORT_FRAUD_END_H
#define SALLYPORT_FRAUD_END_H

#include "policy/subject.h"
#include "sbc/core/alarm.h"

struct sbc;

enum {
	FRAUD_END_ORDERS_MAX = 32, /* one more is not taken: the rule says it again */
	FRAUD_END_AT_ONCE = 256,   /* calls in a turn */
	FRAUD_END_EVERY_MS = 10
};

struct fraud_order {
	struct consequence what; /* its texts are kept by this */
	struct str name, rule;   /* of its subject, its own */
	uint32_t cursor,
		left; /* slots of the pool of calls: the next, how many are to be looked at */
};

struct fraud_ends {
	struct fraud_order orders[FRAUD_END_ORDERS_MAX]; /* the first is under way */
	uint32_t count;
	struct alarm alarm;
	uint64_t looked_ms; /* last */
	uint64_t full;      /* orders that were not taken */
};

/* All calls of the subject that the rule counts are to end. */
void fraud_end_order(struct sbc *s, const struct consequence *x);
void fraud_end_on_alarm(struct sbc *s);

#endif
