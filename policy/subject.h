/*
 * Whom a limit counts, a fraud rule watches, a ban keeps out; and what a decision wants done beside its verdict. Values: the
 * rule says it, the core hands it to the bans, the log and the store. Views live as long as the facts that they were taken of.
 */
#ifndef SALLYPORT_SUBJECT_H
#define SALLYPORT_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/str.h"
#include "policy/policy_config.h"

/* X(name, word of the configuration) */
#define SUBJECT_TABLE(X)                                                                           \
	X(SOURCE, "source") /* the address, or the prefix that stands for it */                    \
	X(USER, "user")     /* address-of-record of a user of ours */                              \
	X(TRUNK, "trunk")                                                                          \
	X(CALLER, "caller")           /* calling number */                                         \
	X(DESTINATION, "destination") /* called number, or its code in the table of destinations */

enum subject_kind {
#define X(name, word) SUBJECT_##name,
	SUBJECT_TABLE(X)
#undef X
		SUBJECT_KIND_COUNT
};

struct subject {
	enum subject_kind kind;
	struct prefix source; /* SUBJECT_SOURCE */
	struct str name;      /* the others; empty: unknown */
};

enum consequence_type {
	CONSEQUENCE_ALERT, /* say it: log, metric, page */
	CONSEQUENCE_BAN,   /* keep the subject out for `seconds` */
	CONSEQUENCE_LIMIT, /* one new call of the subject in `seconds`, for `seconds` times ten */
	CONSEQUENCE_END_CALLS, /* end what the subject has running */
	CONSEQUENCE_TYPE_COUNT
};

/* At most so many of one decision; what is beyond them is said by the first. */
enum { CONSEQUENCES_MAX = 4 };

struct consequence {
	enum consequence_type type;
	struct subject subject;
	uint32_t seconds;
	bool spoofable; /* the source was not proven: a ban of it is not to be carried out */
	struct str rule;
	struct rule_place place;
};

struct consequences {
	struct consequence list[CONSEQUENCES_MAX];
	uint8_t count;
};

#endif
