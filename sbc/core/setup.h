/*
 * A call on its way to an answer: the caller's INVITE, the targets that are tried, the early dialogs that the callee's
 * side makes of it. Lives from INVITE to the final answer (RFC 3261 §13, §16.6-16.8 for the hunting, RFC 3263 §4).
 *
 *   next target ─► OFFERING (relay) ─► RESOLVING (names only) ─► TRYING ─ 18x ─► RINGING
 *       ▲                                                          │ refused, silent, unreachable
 *       └──────────────────────────────────────────────────────────┘ and on_failure says so
 *   TRYING, RINGING ── 2xx ─► ANSWERING (relay) ─► 200 to A
 *
 * Timers: `alarm` is first the route's failure_after (no answer at all), then Timer C.
 */
#ifndef SALLYPORT_SETUP_H
#define SALLYPORT_SETUP_H

#include "sbc/core/call.h"
#include "sbc/core/hunt.h"
#include "sbc/core/worker.h"

enum setup_stage {
	SETUP_OFFERING,
	SETUP_RESOLVING,
	SETUP_TRYING,
	SETUP_RINGING,
	SETUP_ANSWERING,
	SETUP_STAGE_COUNT
};

/* An early dialog: one To tag of the callee's side, one To tag of ours towards the caller. */
struct fork {
	struct list node;
	uint8_t serial;
	struct dialog dialog[2]; /* [0] only if `own`: else the call's own */
	bool own;
	struct offer offer[2]; /* of each leg, as this dialog sees it */
	uint64_t sdp_hash;     /* of the SDP that came */
	struct str raw;        /* it; then what became of it, as A has it */
	struct str sdp;
	uint32_t rseq; /* of the latest reliable 18x; 0: none */
};

enum { SETUP_FORKS_MAX = 12 };

struct setup {
	id_t64 id;
	struct call *call;
	struct asker asker;
	struct str invite; /* A's, as it came */
	uint32_t body_at, body_len;
	struct flow flow; /* that it came on */
	struct hunt hunt;
	struct hunt_target target;
	struct candidate candidates[CANDIDATES_MAX];
	uint8_t candidate_count, candidate_next;
	uint8_t stage, tries;
	bool sips, has_offer;
	bool rel100;               /* the caller can PRACK */
	const struct msg *refusal; /* the answer that is being judged; NULL: none */
	bool heard;                /* the peer has said something */
	bool tag_given;            /* a fork has the To tag that the call began with */
	uint8_t serial;            /* of the latest fork */
	struct str offer;          /* SDP for B, from the relay */
	id_t64 ask;                /* what we wait for */
	id_t64 txn;                /* the INVITE to B */
	uint32_t cseq;
	struct list forks;
	uint8_t fork_count;
	struct str held;        /* B's answer whose SDP is with the relay */
	struct fork *held_fork; /* NULL: none yet */
	struct alarm alarm;
	bool alarm_is_c;
};

/* An INVITE outside any dialog, from that trunk; its verdicts so far were to go on. */
void setup_begin(struct sbc *s, const struct msg *m, const struct flow *f,
		 const struct tls_facts *tls, uint16_t trunk);
/* An INVITE of that trunk is refused before it becomes a call: answered, counted, recorded, all once. */
void setup_refuse_at_once(struct sbc *s, const struct msg *m, const struct flow *f,
			  const struct tls_facts *tls, uint16_t trunk, const struct verdict *v);
/* Gives back all memory; who still follows the INVITE to B has seen to that (call_orphan). */
void setup_free(struct sbc *s, struct setup **setup);

void setup_on_resolved(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);
/* False: it was not what the setup waits for. */
bool setup_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);
void setup_on_response(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f);
void setup_on_alarm(struct sbc *s, struct setup *u);
/* The attempt came to nothing: a status, or a ROUTE_CAUSE_*. Next target, or the end. */
void setup_failed(struct sbc *s, struct call *c, uint16_t status, unsigned cause);

/* Tells that the INVITE under way, if there is one, has come to this end: each attempt ends once. */
void setup_attempt_ended(struct sbc *s, struct call *c, uint16_t status, unsigned cause);

/* Allow and Supported lines: what we do, and the sender of m does. */
void setup_write_abilities(struct sbc *s, const struct msg *m, bool supported);

/* ---- setup_answer.c */

void setup_on_ringing(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f);
void setup_on_answer(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f);
bool setup_on_answer_media(struct sbc *s, struct call *c, const struct event *e);
/* The dialog of that side in this early dialog. */
struct dialog *fork_dialog(struct call *c, struct fork *f, unsigned side);
void fork_free_all(struct sbc *s, struct setup *u);

#endif
