/*
 * External opinion: someone else is asked of a call that we would let through (`opinion`): a service over HTTP, or one that is
 * called first and says by its answer what is to become of the call. Which calls are asked about, what the question says, what
 * an answer may say, and what that comes to. An answer comes from outside: nothing in it is believed but what is allowed here.
 * Who asks, and waits, is the core (sbc/core/opine.h).
 */
#ifndef SALLYPORT_OPINION_H
#define SALLYPORT_OPINION_H

#include <stdbool.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "policy/facts.h"
#include "policy/policy_config.h"
#include "policy/verdict.h"

enum {
	OPINION_FROM_MAX = 16,
	OPINION_NUMBERS_MAX = 16,
	OPINION_TRUNKS_MAX = 16,
	OPINION_QUESTION_MAX = 8192, /* of names and numbers at their longest, each octet escaped */
	OPINION_ANSWER_MAX = 4096,
	OPINION_REASON_MAX = 64
};

struct opinion_rule {
	struct str name;
	uint16_t trunk; /* POLICY_NO_INDEX: over HTTP */
	/* Which calls; of what is not given any will do. */
	uint16_t from_realms[OPINION_FROM_MAX], from_trunks[OPINION_FROM_MAX];
	size_t from_realm_count, from_trunk_count;
	const struct route_pattern *numbers[OPINION_NUMBERS_MAX];
	size_t number_count;
	/* Where an answer may send a call. */
	uint16_t to[OPINION_TRUNKS_MAX];
	size_t to_count;
	bool accept_on_error;
	uint32_t timeout_ms;
	struct rule_place place;
};

enum opinion_word { OPINION_ACCEPT, OPINION_REJECT, OPINION_ROUTE, OPINION_WORD_COUNT };

/* Views into the arena that it was read with. */
struct opinion_answer {
	enum opinion_word word;
	uint16_t status; /* REJECT */
	struct str reason;
	struct str trunk; /* ROUTE */
};

/* Is this call one to ask about? Emergency calls never are. */
bool opinion_is_wanted(const struct policy_config *c, const struct facts *f);
/* The question as a JSON object: what is known of the call, and nothing of ours that is secret. */
void opinion_write(struct buf *b, const struct policy_config *c, const struct facts *f,
		   struct str call);
/*
 * {"verdict":"accept|reject|route","status":403,"reason":"…","trunk":"…"}; other members are passed over. ERR_BAD: no such object, an
 * unknown word, a status that is no refusal of a call, a reason that is not printable ASCII. ERR_LIMIT: longer than is read.
 */
enum err opinion_read(struct str text, struct arena *a, struct opinion_answer *out) MUST_USE;
/* What the answer comes to; NULL: there was none, or none that can be read. ROUTE: *out_trunk, else POLICY_NO_INDEX. */
struct verdict opinion_judge(const struct policy_config *c, const struct opinion_answer *a,
			     uint16_t *out_trunk);
/*
 * The question is longer than may be asked. How long its texts are the caller has chosen: this is no failure that `on_error` may
 * let pass.
 */
struct verdict opinion_judge_too_long(const struct policy_config *c);
/* What the answer of the trunk that was called first comes to; ALLOW as well for a 3xx, whose targets the core finds. 0: none came. */
struct verdict opinion_judge_status(const struct policy_config *c, uint16_t status);

#endif
