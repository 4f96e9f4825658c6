/*
 * Fraud: is this call one too many, too dear, of the wrong kind? Rules (fraud_rule.h) over facts, a table of destinations
 * and what was counted before. Asked before a call is routed; told of what becomes of calls, of refusals and of
 * registrations. It carries nothing out: what is to be done to whom comes back as values (subject.h). No clock, and no
 * allocation but when rules are applied.
 */
#ifndef SALLYPORT_FRAUD_H
#define SALLYPORT_FRAUD_H

#include "common/siphash.h"
#include "policy/facts.h"
#include "policy/fraud_count.h"
#include "policy/fraud_filter.h"
#include "policy/fraud_rule.h"
#include "policy/subject.h"
#include "policy/verdict.h"

/* Who has called us in vain, for rules with rang_us; the longest ago is forgotten first. */
enum { FRAUD_RANG_MAX = 1 << 16, FRAUD_RANG_WAYS = 4 };

struct fraud_rang {
	uint64_t key, at_ms;
};

struct fraud_state {
	struct siphash_key secret;
	const struct fraud_config *config; /* what the counts are of; NULL: there are no rules */
	struct fraud_count *counts;        /* one a rule; of what counts nothing it is empty */
	size_t count;
	struct fraud_rang *rang; /* NULL: no rule asks for it */
	bool ends_calls;         /* some rule may end calls that are running */
};

/* What has happened, beside the facts that it was begun with. */
struct fraud_event {
	enum fraud_moment moment;
	enum fraud_measure measure; /* FRAUD_AT_END, _REGISTER: what else it counts as: FAILED,
				       UNANSWERED, BAD_REGISTRATIONS; or NOTHING */
	uint32_t pulse_ms;          /* FRAUD_AT_PULSE, FRAUD_AT_EARLY: how long the next one is */
	struct fraud_past past;     /* FRAUD_AT_END, FRAUD_AT_REFUSAL */
};

/* `secret` is random. Nothing is counted before fraud_apply. */
void fraud_init(struct fraud_state *s, const struct siphash_key *secret);
void fraud_release(struct fraud_state *s);
/* Other rules from now on (NULL: none), which outlive them; counts of rules that stay are kept. ERR_NOMEM: all is as before. */
enum err fraud_apply(struct fraud_state *s, const struct fraud_config *c) MUST_USE;

/*
 * May this call be? ALLOW, or REJECT by the first rule that says so. The call is counted (`peek`: nothing is). What is
 * to be done besides is added to *out, which may be NULL.
 */
struct verdict fraud_judge(const struct policy_config *c, struct fraud_state *s,
			   const struct facts *f, bool peek, struct consequences *out);
/* Counts what has happened. The facts are those of the call's start, but for `now_ms`. */
void fraud_step(const struct policy_config *c, struct fraud_state *s, const struct facts *f,
		const struct fraud_event *e, struct consequences *out);
/* Is anything to be told at that moment? */
bool fraud_wants(const struct fraud_state *s, enum fraud_moment m);
/* Is there a sum that grows while such a call lasts (FRAUD_AT_PULSE, FRAUD_AT_EARLY)? */
bool fraud_accrues(const struct policy_config *c, const struct fraud_state *s,
		   const struct facts *f, enum fraud_moment m);
/* Is a call with these facts one that x, of a rule of now, wants ended: of its subject, and counted by the rule? */
bool fraud_is_meant(const struct policy_config *c, struct fraud_state *s, const struct facts *f,
		    const struct consequence *x);
/* The subject begins anew in every rule that is by its kind. */
void fraud_forget(struct fraud_state *s, const struct subject *who);

/* "class=premium,international country=GB code=4490 name=… cost=1.50": for `explain`. */
void fraud_describe(const struct fraud_state *s, struct str number, struct buf *b);
/* What talking so long to that number costs, in parts of DESTINATION_MONEY; 0: not known. */
uint64_t fraud_cost(const struct fraud_state *s, struct str number, uint64_t talk_ms);

#endif
