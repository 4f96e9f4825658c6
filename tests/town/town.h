/*
 * A town that telephones through the real core under a configuration as an operator writes it: phones that register, trunks
 * with their gateways, and whoever means harm. Virtual time, no loss but where it is asked for, no relay (media are not anchored): what it is there to
 * show is policy over hours and months. Every call is planned before; what became of it is written down beside it.
 */
#ifndef SALLYPORT_TOWN_H
#define SALLYPORT_TOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "sbc/core/sbc.h"
#include "tests/sim/clock.h"
#include "tests/sim/dice.h"

enum {
	TOWN_CALLS_MAX = 40000,
	TOWN_LEGS_MAX = 40000,
	TOWN_FLOWS_MAX = 256,
	TOWN_TEXT = 48,
	TOWN_DIALOG = 1024,
	TOWN_RULES_MAX = 32,
	TOWN_MINUTE_MS = 60 * 1000,
	TOWN_HOUR_MS = 60 * TOWN_MINUTE_MS,
};
#define TOWN_DAY_MS ((uint64_t)24 * TOWN_HOUR_MS)

/* What the far end makes of a call. */
enum town_outcome {
	TOWN_ANSWERS,
	TOWN_BUSY,
	TOWN_RINGS,     /* until the caller gives up after ring_ms */
	TOWN_REDIRECTS, /* 302 to `then` */
	TOWN_EARLY,     /* 183 with media, for ring_ms, and no answer */
};

/* Where it comes from. */
struct town_source {
	const char *address; /* of the caller, without port */
	bool tls;
	const char *certificate; /* name that its client certificate proves; NULL: none */
	bool inside;             /* it reaches our inside address */
};

enum town_kind { TOWN_CALL, TOWN_REGISTER };

struct town_call {
	enum town_kind kind;
	struct town_source from;
	char user[TOWN_TEXT], password[TOWN_TEXT]; /* of a phone of ours; empty: a trunk's call */
	char caller[TOWN_TEXT];                    /* user part of From */
	char number[TOWN_TEXT];                    /* dialled */
	enum town_outcome outcome;
	uint32_t ring_ms, talk_ms;
	bool callee_ends;
	char then[TOWN_TEXT]; /* REFER while it talks, or where the 302 leads; empty: none */

	/* What became of it. */
	uint16_t status; /* the final one of its INVITE or REGISTER; 0: none yet */
	bool challenged, has_leg, over;
	uint64_t answered_ms, ended_ms;
	bool ended_by_us; /* by the border, not by a party */

	/* Its side of the dialog. */
	unsigned branch, cseq;
	struct flow flow;
	char to[256], target[256];
};

/* A call that has come out at the far end. */
struct town_leg {
	uint32_t
		of; /* index of the call that it belongs to; UINT32_MAX: of none that was planned */
	char number[TOWN_TEXT];
	struct addr peer; /* the gateway that has it */
	uint64_t began_ms, answered_ms, ended_ms;
	bool over, inside;
	char call_id[128], from[256], to[256], target[256], via[1024];
	unsigned cseq, our_cseq;
	struct flow flow;
};

struct town_refusal {
	char rule[TOWN_TEXT], stage[16];
	uint32_t count;
};

struct town {
	struct settings *settings;
	struct sbc *sbc;
	struct clock clock;
	struct dice dice;
	uint64_t wall_ms; /* at now_ms 0 */
	struct town_call *calls;
	uint32_t call_count, settled; /* those before `settled` are over */
	struct town_leg *legs;
	uint32_t leg_count;
	struct tls_facts tls[TOWN_FLOWS_MAX];
	struct addr flow_remote[TOWN_FLOWS_MAX];
	uint32_t flow_count;
	struct town_refusal refusals[TOWN_RULES_MAX];
	uint32_t refusal_count;
	uint64_t cdrs, alerts;
	uint32_t
		loss; /* percent of datagrams that are lost (and repeated by who sent them), and three times as many come twice */
	bool wrong;   /* something happened that cannot be; it was printed */
	bool verbose;
};

/* The configuration is a file in which @CERT@ stands for a directory with edge.pem and edge.key, @ETC@ for that of destinations.csv. False: it was said why. */
bool town_init(struct town *t, const char *config, uint64_t wall_ms, uint64_t seed);
void town_release(struct town *t);
/* At `at_ms` from the start. A copy is kept; its index. */
uint32_t town_plan(struct town *t, uint64_t at_ms, const struct town_call *c);
void town_run(struct town *t, uint64_t until_ms);
/* Everybody hangs up, and what is left in the core is looked at. */
void town_end(struct town *t);

/* Legs whose number begins so: how many came out, were answered, and how long they were talked in, all together. */
struct town_sum {
	uint32_t reached, answered;
	uint64_t talked_ms;
};
struct town_sum town_sum_of(const struct town *t, const char *prefix);
uint32_t town_refused_by(const struct town *t, const char *rule);

#endif
