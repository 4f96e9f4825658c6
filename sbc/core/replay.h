/*
 * What a configuration would have done to calls that happened: records in, in the order in which the calls began; for each the
 * stages of policy are asked anew, with a state of their own that goes by the records' times: rates, windows, limits, bans. Pure.
 *
 * What a record does not hold cannot be asked: passwords, opinions, offers, the state of peers; of older records also domain, user, diversions.
 * A call that was answered and is let in again is taken to last as long; one that was refused, and would not be, has no length.
 */
#ifndef SALLYPORT_REPLAY_H
#define SALLYPORT_REPLAY_H

#include "policy/policy.h"
#include "sbc/core/settings.h"

enum { REPLAY_TEXT_MAX = 256, REPLAY_RUNNING_MAX = 1 << 20 };

/* Of one call; views. Wall times; 0: did not happen. */
struct replay_record {
	struct str call, realm, ingress, egress, caller, number, user, certificate, route, cause;
	struct str domain, country;
	struct str verstat, fault, attest; /* of its signature, as a record names them */
	uint32_t asn;
	uint8_t diversions;
	struct addr source;
	bool tls, by_caller; /* who ended it */
	uint64_t start_ms, end_ms;
	uint64_t duration_ms; /* answered; 0: never */
};

enum replay_change {
	REPLAY_SAME,
	REPLAY_NOW_REFUSED,
	REPLAY_NOW_ALLOWED,
	REPLAY_OTHER_RULE,  /* refused both times */
	REPLAY_OTHER_ROUTE, /* allowed both times, by another route or to another trunk */
	REPLAY_CHANGE_COUNT
};

/* Money is in millionths; -1: not known. */
struct replay_result {
	enum replay_change change;
	struct verdict now; /* of the stage that refused, or of the route */
	struct str egress;  /* the first trunk that would take it; empty: none */
	int64_t cost_then, cost_now;
};

struct replay_totals {
	uint64_t calls, of[REPLAY_CHANGE_COUNT], refused[VERDICT_STAGE_COUNT];
	uint64_t unpriced;
	int64_t cost_then, cost_now,
		cost_kept; /* kept: of calls that happened and would be refused */
};

struct replay_running;

struct replay {
	const struct settings *set;
	struct policy_state state;
	struct replay_running *running; /* a heap by their end */
	size_t count, cap;
	struct replay_totals totals;
	bool fraud;
};

/* ERR_NOMEM: replay_release all the same. */
enum err replay_init(struct replay *r, const struct settings *set,
		     const struct siphash_key *key) MUST_USE;
void replay_release(struct replay *r);
/* ERR_FULL: more calls at once than are kept; ERR_NOMEM. Views of *out live until the next. */
enum err replay_step(struct replay *r, const struct replay_record *c,
		     struct replay_result *out) MUST_USE;
const char *replay_change_name(enum replay_change c);

#endif
