/*
 * The rules of `fraud` as policy reads them. A rule is asked of the calls that `when` names, counts what `where` names for
 * one kind of subject, and acts when there was more than `over` in its window. A rule that counts nothing acts on every call
 * that `when` names. Of the two conditions one stands for both where the other is not given.
 */
#ifndef SALLYPORT_FRAUD_RULE_H
#define SALLYPORT_FRAUD_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/destinations.h"
#include "policy/distinct.h"
#include "policy/hours.h"
#include "policy/policy_config.h"
#include "policy/subject.h"
#include "policy/verdict.h"

enum {
	FRAUD_RULES_MAX = 64,
	FRAUD_LIST_MAX = 64, /* values of one condition */
	FRAUD_KEYS_MIN = 64,
	FRAUD_KEYS_MAX = 1 << 20,
	FRAUD_BYTES_MAX = 200 * 1000 * 1000, /* of all rules together */
	FRAUD_COST_MOST =
		40000, /* units of money that a rule may sum: a slice of a window holds them */
	FRAUD_STEP_MAX = 10, /* numbers that lie so near one another were dialled in steps */
	FRAUD_PREFIXES_MAX = 8,
	/* What a call costs is summed in pulses, each before it begins, so that nothing is spent that was not counted. */
	FRAUD_PULSE_MS = 6000
};

/* How it is counted. */
enum fraud_kind { FRAUD_KIND_NONE, FRAUD_KIND_SUM, FRAUD_KIND_DISTINCT, FRAUD_KIND_STEPS };

/* When something of it can be counted. */
enum fraud_moment {
	FRAUD_AT_NONE,
	FRAUD_AT_START,    /* a call wants to begin */
	FRAUD_AT_ANSWER,   /* it was answered */
	FRAUD_AT_PULSE,    /* six seconds more of an answered one */
	FRAUD_AT_EARLY,    /* of one with early media that is not answered */
	FRAUD_AT_END,      /* it is over, or never came about */
	FRAUD_AT_REFUSAL,  /* a request was refused */
	FRAUD_AT_REGISTER, /* a REGISTER that showed a password was granted or refused */
	FRAUD_MOMENT_COUNT
};

/* X(name, kind, moment, `count` or `sum`, word) */
#define FRAUD_MEASURE_TABLE(X)                                                                     \
	X(CALLS, SUM, START, count, "calls")                                                       \
	X(ANSWERED, SUM, ANSWER, count, "answered")                                                \
	X(FAILED, SUM, END, count, "failed")         /* the far end has refused it */              \
	X(UNANSWERED, SUM, END, count, "unanswered") /* the caller has given up */                 \
	X(REFUSED, SUM, REFUSAL, count, "refused")                                                 \
	X(REGISTRATIONS, SUM, REGISTER, count, "registrations")                                    \
	X(BAD_REGISTRATIONS, SUM, REGISTER, count, "failed registrations")                         \
	X(STEPS, STEPS, START, count, "steps") /* calls to a number beside one of the last four */ \
	X(DESTINATIONS, DISTINCT, START, count, "distinct destinations")                           \
	X(COUNTRIES, DISTINCT, START, count, "distinct countries")                                 \
	X(CALLERS, DISTINCT, START, count, "distinct callers")                                     \
	X(SOURCES, DISTINCT, START, count, "distinct sources")                                     \
	X(USERS, DISTINCT, REGISTER, count, "distinct users") /* that a password was wrong for */  \
	X(COST, SUM, PULSE, sum, "cost")                                                           \
	X(DURATION, SUM, PULSE, sum, "duration")                                                   \
	X(EARLY, SUM, EARLY, sum, "early media")

enum fraud_measure {
	FRAUD_NOTHING,
#define X(name, kind, moment, key, word) FRAUD_##name,
	FRAUD_MEASURE_TABLE(X)
#undef X
		FRAUD_MEASURE_COUNT
};

/* Bits of fraud_filter.classes behind those of enum destination_class. */
enum {
	FRAUD_CLASS_DOMESTIC = DESTINATION_CLASS_COUNT, /* of a country of `home` */
	FRAUD_CLASS_INTERNATIONAL,                      /* known, and not of these */
	FRAUD_CLASS_UNKNOWN,                            /* no row of the table fits */
	FRAUD_CLASS_COUNT
};

/* Countries as destination_country gives them; FRAUD_COUNTRY_UNKNOWN among them is a value like any other. */
enum { FRAUD_COUNTRY_UNKNOWN = 0 };

struct fraud_countries {
	const uint16_t *list;
	size_t count;
	bool not ; /* any other than these */
};

/* Conditions: all that are given must hold; a list holds where one of it does. Zeroed: always. */
struct fraud_filter {
	bool given;             /* something was written */
	uint32_t classes;       /* bits; 0: any */
	uint32_t causes;        /* bits 1 << FACTS_X; 0: any */
	uint32_t stages;        /* of a refusal: bits 1 << VERDICT_STAGE_X; 0: any */
	uint8_t diversions;     /* at least so many; 0: any */
	uint64_t realms;        /* bits; 0: any */
	const uint16_t *trunks; /* of these, or of these realms (`from`) */
	size_t trunk_count;
	bool from_given;
	uint64_t from_realms;
	const uint16_t *from_trunks;
	size_t from_trunk_count;
	struct fraud_countries countries, source_countries;
	const struct prefix *sources;
	size_t source_count;
	const struct str *users;
	size_t user_count;
	const struct route_pattern *const *callers, *const *numbers;
	size_t caller_count, number_count;
	uint64_t rang_us_ms; /* the called number rang us, in vain, in this time; 0: any */
	/* Of a call that is over; 0: any. */
	uint32_t duration_below_ms, duration_above_ms, ring_below_ms;
};

struct fraud_actions {
	uint16_t status; /* 0: does not refuse */
	bool alert, end_calls;
	uint32_t ban_s, limit_s; /* 0: neither */
};

struct fraud_rule {
	struct str name;
	struct rule_place place;
	enum fraud_measure measure;
	enum fraud_moment moment;
	enum subject_kind by;
	uint8_t digits; /* of a number: FRAUD_DIGITS_WHOLE, _CODE, or so many from its front */
	uint32_t keys;
	uint64_t over, span_ms; /* of cost: in parts of money; of duration: in ms */
	struct fraud_actions does;
	struct hours hours; /* in which it counts and acts */
	struct fraud_filter when, where;
};

enum { FRAUD_DIGITS_WHOLE = 0, FRAUD_DIGITS_CODE = 1 };

struct fraud_config {
	const struct destinations
		*destinations; /* NULL: there is no table. Its rows may change between turns */
	const struct fraud_rule *rules;
	size_t count;
	uint16_t home[FRAUD_LIST_MAX]; /* countries */
	size_t home_count;
	/* What an international number begins with: "+", "00". Taken away, it is digits of E.164. */
	struct str prefixes[FRAUD_PREFIXES_MAX];
	size_t prefix_count;
	bool bare; /* digits alone are one too */
	/* What there is to do at all; bits 1 << FRAUD_AT_X. */
	uint32_t moments;
	bool remembers_callers; /* some rule has rang_us */
};

enum fraud_kind fraud_kind(enum fraud_measure m);
enum fraud_moment fraud_moment(enum fraud_measure m);
/* The word of the configuration. */
const char *fraud_measure_word(enum fraud_measure m);
/* Memory that the counts of this rule take. */
size_t fraud_rule_bytes(const struct fraud_rule *r);

#endif
