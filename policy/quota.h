/*
 * How many calls one user, one caller and one called number may have at a time, and how fast new ones may come: `calls` of the
 * realm's admission, `per_user` of a group of users; and how fast this node takes on calls at all (`limits.call_rate`).
 * Who has used up what he may have is refused, nobody else. Calls at one time are counted by what holds them, a hash of
 * its name under a secret; whoever owns the calls counts them anew now and then (quotas_recount_*), so that a mistake cannot last. A leaf: no clock.
 */
#ifndef SALLYPORT_QUOTA_H
#define SALLYPORT_QUOTA_H

#include "common/err.h"
#include "common/siphash.h"
#include "policy/facts.h"
#include "policy/policy_config.h"
#include "policy/rate.h"
#include "policy/verdict.h"

enum { QUOTA_RATES_MAX = 128 * 1024 };

/* What of the quotas a call holds: hashes; 0: nothing of that kind. */
struct quota_held {
	uint64_t keys[QUOTA_KIND_COUNT];
};

struct quota_entry {
	uint64_t key; /* 0: free */
	uint32_t live, counted;
};

/* A rule that speaks of a call, and whom it counts. */
struct quota {
	enum quota_kind kind;
	const struct quota_rule *rule;
	struct str scope, name; /* of the rule; of whom it counts */
	struct rule_place place;
	uint64_t key; /* hash of both names and of the kind */
};
/* All of them, of one call: what was judged is what is taken. */
struct quotas_asked {
	bool node; /* some rule could have been there: the node's own rate counts it */
	uint8_t count;
	struct quota list[QUOTA_KIND_COUNT];
};

struct quotas {
	struct quota_entry *entries; /* probed in line; half of them stay free */
	uint32_t size, used;
	struct rate_table rates;
	struct rate node;
	uint64_t repaired; /* counts that a recount found wrong */
};

/* Room for `calls` at one time. ERR_NOMEM. */
enum err quotas_init(struct quotas *q, uint32_t calls, const struct siphash_key *secret) MUST_USE;
void quotas_release(struct quotas *q);

/* Does any quota speak of such a call? */
bool quota_asks(const struct policy_config *c, const struct facts *f);
/*
 * ALLOW, of no stage where no quota speaks of it; or a refusal of stage ADMISSION by the rule "user", "caller", "destination" or
 * "node" with "-sessions" or "-rate": 503 with the time to wait for who comes from a trunk, 403 for a user of ours.
 * Takes nothing: quota_take does that with *out, of the rates, when the call may begin.
 */
struct verdict quota_judge(const struct policy_config *c, const struct quotas *q,
			   const struct facts *f, struct quotas_asked *out);
void quota_take(const struct policy_config *c, struct quotas *q, const struct quotas_asked *asked,
		uint64_t now_ms);

/* The call has begun: it holds its part until quota_end. */
void quota_begin(const struct policy_config *c, struct quotas *q, const struct facts *f,
		 struct quota_held *out);
void quota_end(struct quotas *q, struct quota_held *held);
/* How many calls that user, caller or destination of the realm has now. */
uint32_t quota_live(const struct policy_config *c, const struct quotas *q, const struct facts *f,
		    enum quota_kind kind);

/* Counts anew: _add for what each call holds, then _end. */
void quotas_recount_add(struct quotas *q, const struct quota_held *held);
void quotas_recount_end(struct quotas *q);

#endif
