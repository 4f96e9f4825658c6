/*
 * What becomes of calls, told to the rules of fraud (policy/fraud.h), and what these want done to calls. A call that policy
 * let in has a watch if some rule asks for its answer, its length or its end; it pays by pulses while early media or talk
 * goes on. A watch goes where its callee goes: into another call when that is handed on.
 *
 * Rules never end a call on the spot: they are asked in the middle of its work. The watches of calls that are to end get an
 * alarm that is due at once.
 *
 * Timers: `alarm` of a watch is its next pulse, or its end.
 */
#ifndef SALLYPORT_FRAUD_WATCH_H
#define SALLYPORT_FRAUD_WATCH_H

#include "common/id.h"
#include "policy/fraud.h"
#include "sbc/core/alarm.h"

struct call;
struct call_ending;
struct flow;
struct sbc;
struct settings;
struct verdict;

struct fraud_watch {
	struct alarm alarm;
	id_t64 call;
	struct fraud_watch *next; /* of the same call */
	struct addr source;
	struct str realm, trunk; /* by name: a reload may give them other indexes */
	id_t64 user;
	struct str number, caller;
	char country[FACTS_COUNTRY_LEN + 1];
	bool spoofable;
	uint8_t side; /* of its call that the callee is; 1 until that is handed on */
	uint64_t start_ms, answer_ms; /* monotonic; 0: not answered */
	uint8_t cause, diversions;
	uint8_t accrues; /* enum fraud_moment; AT_NONE: it does not */
	bool ends;       /* a rule wants it: this one */
	char rule[64];
};

/* Policy has let in a call with these facts. */
void fraud_watch_begin(struct sbc *s, struct call *c, const struct facts *f);
/* Early media flow, and no one has answered. */
void fraud_watch_early(struct sbc *s, struct call *c);
void fraud_watch_answered(struct sbc *s, struct call *c);
/* It ends now: `c` knows its times. */
void fraud_watch_ended(struct sbc *s, struct call *c, const struct call_ending *why);
/* Leg `a` of `from` is from now on leg `b` of `to`. */
void fraud_watch_move(struct call *from, unsigned a, struct call *to, unsigned b);
void fraud_watch_free(struct sbc *s, struct call *c);
void fraud_watch_on_alarm(struct sbc *s, struct fraud_watch *w);

/* A request was refused. */
void fraud_watch_refused(struct sbc *s, const struct settings *settings, const struct flow *f,
			 uint16_t trunk, const struct verdict *v);
/* A REGISTER that showed a password: it was right, or wrong. `user`: the address-of-record. */
void fraud_watch_registered(struct sbc *s, const struct flow *f, uint16_t trunk, struct str user,
			    bool wrong);

/* This call ends, if x, of a rule of now, means it. */
void fraud_watch_end(struct sbc *s, struct call *c, const struct consequence *x);
/* Tells what is wanted, lays bans, ends calls; *l is empty after that. */
void fraud_watch_carry_out(struct sbc *s, struct consequences *l);

#endif
