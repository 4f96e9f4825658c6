/*
 * The order of the questions. Facts in; the verdict out, with the trail of all stages that were asked (decision.h):
 *
 *   of the source, before a byte is parsed    ban → acl → geography → request rate
 *   of who it is                              identify → authenticate
 *   of the call                               admission │ identity → number rules → fraud → [opinion] → route → media policy
 *
 * The first that refuses decides; those behind it are not asked. What needs the world (a password, a certificate, an answer
 * over HTTP, the media of an offer) is judged by the core, which adds its verdict in its place (decision_add). An emergency
 * call is not asked about what could only keep it away. A stage that cannot tell says so (`failed`): its verdict is what its
 * on_error says, a refusal if nothing else is said, and it is counted apart.
 *
 * A new stage is one line in the table of policy.c; its state is one member here.
 */
#ifndef SALLYPORT_POLICY_H
#define SALLYPORT_POLICY_H

#include "common/siphash.h"
#include "policy/admissions.h"
#include "policy/ban.h"
#include "policy/decision.h"
#include "policy/facts.h"
#include "policy/fraud.h"
#include "policy/policy_config.h"
#include "policy/quota.h"
#include "policy/rate.h"

struct policy_counts {
	uint64_t of[VERDICT_STAGE_COUNT][VERDICT_OUTCOME_COUNT];
	uint64_t failed[VERDICT_STAGE_COUNT];
};

/* What the stages remember, of one worker. Each part is its stage's own. */
struct policy_state {
	struct rate_table sources; /* how fast each source asks */
	struct admissions admissions;
	struct quotas quotas; /* of users, callers, destinations */
	struct bans bans;
	struct fraud_state fraud;
	struct policy_counts counts;
};

enum { POLICY_SOURCES_MAX = 256 * 1024 };

struct policy_ask {
	const struct policy_config *config;
	struct policy_state *state;
	struct facts *facts; /* stages add what they find out: the trunk */
	struct decision *decision;
	/* For ADMISSION: which trunk, with what limits (NULL: none), in which direction. */
	const struct admit_rule *admit;
	uint16_t admit_trunk;
	enum admit_direction direction;
	bool peek;        /* what would it be? Nothing is counted or changed */
	bool admit_begun; /* with peek: as if the call had begun already, coming from facts.trunk */
};

/* For so many calls at one time. `key` is secret and random. ERR_NOMEM: policy_release all the same. */
enum err policy_init(struct policy_state *p, uint32_t calls,
		     const struct siphash_key *key) MUST_USE;
void policy_release(struct policy_state *p);

/* What stands for that source in tables: an IPv6 /64 counts as one. View into *a. */
struct str policy_source_key(const struct addr *a);
/* Asks the stages from `first` to `last`, both included, in their order; ALLOW of `last`, or the first refusal. */
struct verdict policy_run(const struct policy_ask *a, enum verdict_stage first,
			  enum verdict_stage last);
/* The three questions; for what waits for the world in between, see policy_run. */
struct verdict policy_source(const struct policy_ask *a);
/* facts.trunk is filled in; geography, whose rules may name trunks, is asked once more. */
struct verdict policy_who(const struct policy_ask *a);
/* May it begin one more call? Asked before anything is made of it. */
struct verdict policy_admit(const struct policy_ask *a);
/* All the rest; decision.route is filled in. */
struct verdict policy_call(const struct policy_ask *a);
/* A verdict that the core made: into the decision, and counted. */
void policy_add(const struct policy_ask *a, const struct verdict *v);
/* Does this refusal stand for an emergency call too? */
bool policy_spares_emergency(enum verdict_stage s);

/* The verdict of a stage that cannot tell. */
struct verdict policy_failed(enum verdict_stage stage, struct str rule, struct rule_place place,
			     bool accept);

#endif
