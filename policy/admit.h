/*
 * May one more call begin? The limits of a trunk: calls at one time, in both directions together and in each, and how fast
 * new ones may come. Emergency calls are never asked about.
 */
#ifndef SALLYPORT_ADMIT_H
#define SALLYPORT_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy_config.h"
#include "policy/rate.h"
#include "policy/verdict.h"

/* As seen from us: calls that it makes, and calls that we make to it. */
enum admit_direction { ADMIT_IN, ADMIT_OUT, ADMIT_DIRECTION_COUNT };

/* 0: no limit. `rate` is of new calls in both directions together. */
struct admit_rule {
	uint32_t sessions, live[ADMIT_DIRECTION_COUNT];
	struct rate_rule rate;
	struct rule_place place;
	bool is_shared; /* by all nodes that have a store in common */
};

/* What this node may do of limits that it shares with others: kept by sbc/core/share, spent here. */
struct admit_share {
	bool on;
	bool local; /* nobody grants: the node's own clock does, its part of the rate */
	uint32_t held[1 + ADMIT_DIRECTION_COUNT]; /* sessions, inbound, outbound */
	uint32_t tokens;                          /* new calls that the others know of */
	uint32_t nodes;
	struct admit_rule rule; /* what is shared */
};

/* What there is of one trunk now. */
struct admit_state {
	uint32_t live[ADMIT_DIRECTION_COUNT];
	struct rate rate;
	struct admit_share share;
};

bool admit_has_limits(const struct admit_rule *r);
/*
 * ALLOW, and the rate has counted it (not `live`: that is the caller's, when the call has begun); or REJECT 503, nothing
 * taken, with the rule "sessions", "inbound", "outbound" or "rate" and the seconds for Retry-After.
 */
struct verdict admit_call(const struct admit_rule *r, struct admit_state *s, enum admit_direction d,
			  uint64_t now_ms);
/*
 * One request more of this source, by its own time stamp: ALLOW; or it asks too fast. A trunk of the realm hears 503 with
 * Retry-After; anyone else hears 403 where the realm's acl says reject by default, else nothing (DROP).
 */
struct verdict admit_request(const struct policy_config *c, uint16_t realm,
			     const struct addr *source, struct rate *s, uint64_t now_ms);
/* The same for a REGISTER, which has a time stamp of its own beside that. */
struct verdict admit_register(const struct policy_config *c, uint16_t realm,
			      const struct addr *source, struct rate *s, uint64_t now_ms);

#endif
