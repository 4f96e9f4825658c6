/*
 * A call on its way to an answer: the caller's INVITE, the targets that are tried, the early dialogs that the callee's
 * side makes of it. Lives from INVITE to the final answer (RFC 3261 §13, §16.6-16.8 for the hunting, RFC 3263 §4).
 *
 *   IDENTIFYING (only where a signature is to be verified), OPINION (only where somebody else is asked)
 *       ▼
 *   next target ─► OFFERING (relay) ─► RESOLVING (names only) ─► TRYING ─ 18x ─► RINGING
 *       ▲                                                          │ refused, silent, unreachable
 *       └──────────────────────────────────────────────────────────┘ and on_failure says so
 *   TRYING, RINGING ── 2xx ─► ANSWERING (relay) ─► 200 to A
 *
 * Timers: `alarm` is, while IDENTIFYING, the verifier's fetch_timeout; in OPINION its timeout; then the route's failure_after (no answer at all), then Timer C.
 */
#ifndef SALLYPORT_SETUP_H
#define SALLYPORT_SETUP_H

#include "sbc/core/call.h"
#include "sbc/core/fork.h"
#include "sbc/core/hunt.h"
#include "sbc/core/spiral.h"
#include "sbc/core/worker.h"

enum setup_stage {
	SETUP_IDENTIFYING, /* the certificate of who signed is on its way (setup_identity.c) */
	SETUP_OFFERING,
	SETUP_RESOLVING,
	SETUP_TRYING,
	SETUP_RINGING,
	SETUP_ANSWERING,
	SETUP_OPINION, /* before all of these: somebody else is asked (opine.h) */
	SETUP_STAGE_COUNT
};

/* Where the first offer comes from, if not from where the caller has it (trunks.X.initial_offer). */
enum setup_late {
	SETUP_LATE_NOT,
	SETUP_LATE_WROTE, /* the caller has none: we wrote one for the callee, whose answer is the caller's offer */
	SETUP_LATE_KEPT, /* the caller's is kept from the callee, whose offer is met with it */
	SETUP_LATE_COUNT
};

struct setup {
	id_t64 id;
	struct call *call;
	struct asker asker;
	struct str invite; /* A's, as it came */
	uint32_t body_at, body_len;
	struct flow flow; /* that it came on */
	/* Whose rights the call has: the caller's, or those of who referred it. */
	struct flow asking_flow;
	uint16_t asking_trunk;
	struct hunt hunt;
	/* Why a target was passed over: REJECT, or nothing yet. Of several the trunk that stands first, whatever chance put in front. */
	struct verdict limit;
	uint16_t limit_trunk;
	struct hunt_target target;
	/* The present target is a user: where its phone is, as what, and by which proxies. */
	struct flow user_flow;
	struct str user_uri, user_name, user_path;
	struct candidate candidates[CANDIDATES_MAX];
	uint8_t candidate_count, candidate_next;
	uint8_t stage, tries;
	uint8_t opine; /* enum opine_stage */
	bool sips, has_offer;
	bool emergency;            /* no limit stands in its way */
	bool rel100;               /* the caller can PRACK */
	bool needs100;             /* and wants nothing but reliable 18x */
	bool reads199;             /* RFC 6228 */
	uint8_t late;              /* enum setup_late, of this attempt */
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
	struct fork *answered; /* NULL: none yet */
	uint8_t media_fork;    /* serial of the one whose SDP the relay has heard last */
	uint8_t renewed; /* of the one whose session was changed last, by UPDATE; 0: none was */
	struct alarm alarm, prack;
	bool alarm_is_c;
	struct spiral_mark spiral;
	struct setup_wait *wait; /* IDENTIFYING: what was known and decided so far */
	uint8_t proven;          /* IDENTIFYING: signatures of the chain that hold */
};

/* An INVITE outside any dialog, from that trunk; its verdicts so far were to go on. */
void setup_begin(struct sbc *s, const struct msg *m, const struct flow *f,
		 const struct tls_facts *tls, uint16_t trunk);
/* An INVITE of that trunk is refused before it becomes a call: answered, counted, recorded, all once. */
void setup_refuse_at_once(struct sbc *s, const struct msg *m, const struct flow *f,
			  const struct tls_facts *tls, uint16_t trunk, const struct verdict *v);
/*
 * A call whose caller is a party of another call (transfer.c): made of what it would have sent, without SDP. NULL: a
 * limit. Its leg is filled in between; `facts` and `asking` are of who wants the call, but for what `invite` says.
 */
struct call *setup_new_lent(struct sbc *s, struct str invite);
void setup_start_lent(struct sbc *s, struct call *c, struct facts *facts,
		      const struct flow *asking);
/* One that has not been started. */
void setup_drop_lent(struct sbc *s, struct call **call);
/* Gives back all memory; who still follows the INVITE to B has seen to that (call_orphan). */
void setup_free(struct sbc *s, struct setup **setup);

void setup_on_resolved(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);
/* False: it was not what the setup waits for. */
bool setup_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);
void setup_on_response(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f);
void setup_on_alarm(struct sbc *s, struct setup *u);
/* The callee is a party of another call: it is asked through that one. */
void setup_reach(struct sbc *s, struct call *c);
/* There is no media relay for it. */
void setup_relay_failed(struct sbc *s, struct call *c);
/* Goes on with the next address, else the next peer, until a question is open, an INVITE is out, or all is over. */
void setup_go_on(struct sbc *s, struct call *c);
/* The attempt came to nothing: a status, or a ROUTE_CAUSE_*. Next target, or the end. */
void setup_failed(struct sbc *s, struct call *c, uint16_t status, unsigned cause);

/* Nothing of the attempt under way is left but its line in the record. */
void setup_leave(struct sbc *s, struct call *c, uint16_t status, unsigned cause);
/* Who was asked is no callee that has failed: a 3xx has put new targets in front, or it gave its opinion. On with the next. */
void setup_moved(struct sbc *s, struct call *c, uint16_t status, unsigned cause);
/* The targets of a 3xx that may be had are the next ones. False: there are none. */
bool setup_follow(struct sbc *s, struct call *c, const struct msg *m);
/* A 3xx, by the trunk's habit (setup_redirect.c). False: it is a refusal as any other. */
bool setup_redirect(struct sbc *s, struct call *c, const struct msg *m);

/* Tells that the INVITE under way, if there is one, has come to this end: each attempt ends once. */
void setup_attempt_ended(struct sbc *s, struct call *c, uint16_t status, unsigned cause);

/* The Allow line: what we do, and the sender of m does; with the transfers that side may ask for. */
void setup_write_abilities(struct sbc *s, const struct call *c, unsigned to, const struct msg *m);

/* ---- setup_identity.c: signatures of who calls (RFC 8224) */

/* The key that we sign with. ERR_BAD, ERR_NOMEM: the one of before stays. */
enum err setup_identity_apply(struct sbc *s, const struct settings *settings) MUST_USE;
void setup_identity_release(struct sbc *s);
/*
 * The signature of the new call's INVITE m is looked at, where its trunk has a policy for it; what was found is in c->identity. True: the call
 * waits for a certificate, and setup_identified is called when that is over, unless the call has ended before.
 */
bool setup_identify(struct sbc *s, struct call *c, const struct msg *m, const struct facts *facts);
/*
 * For `sallyport explain`: what could be found, were its certificate one that we believe and did the signature hold. Nothing is
 * fetched.
 */
void setup_identity_guess(struct sbc *s, const struct settings *set, const struct msg *m,
			  struct facts *facts);
/* The facts of it, for policy. */
void setup_identity_facts(const struct call *c, struct facts *facts);
/* The facts and the decision as they were when the wait began, but for texts, which are read anew. False: it did not wait. */
bool setup_take_wait(struct sbc *s, struct setup *u, struct facts *facts);
void setup_on_credential(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);
void setup_drop_wait(struct sbc *s, struct setup *u);
/* fetch_timeout is over. */
void setup_identity_late(struct sbc *s, struct call *c);
/* Is the callee told what was found, there? */
bool setup_shows_verstat(const struct call *c, enum verstat_shown where);
/* "TN-Validation-Passed", …; empty: nobody has looked. */
struct str setup_verstat(const struct call *c);
/* call_carry of the INVITE to the callee. */
enum err setup_carry_signed(struct sbc *s, struct call *c, const struct msg *m) MUST_USE;

/* ---- setup_begin.c */

/* All that was to be known of the caller is known: policy decides. */
void setup_identified(struct sbc *s, struct call *c);

/* ---- setup_invite.c */

const struct trunk *setup_trunk(const struct call *c);
const struct peer *setup_peer(const struct call *c);
/* False: this address cannot be tried; *out_fatal then says that no other can either. */
bool setup_send_invite(struct sbc *s, struct call *c, const struct candidate *to, bool *out_fatal);
/* Does the INVITE to the callee carry an offer? */
bool setup_begins_with_offer(const struct setup *u);
/* The caller's offer; empty: it made none. View into the kept INVITE. */
struct str setup_offer(const struct setup *u);

/* ---- setup_ringing.c */

void setup_on_ringing(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f);
/* PRACK to the callee; `sdp`: the answer to the offer in what it acknowledges. */
void setup_send_prack(struct sbc *s, struct call *c, struct fork *k, uint32_t rseq, struct str sdp);
/* An 18x of fork k (NULL: of none) goes on to the caller, reliably if it is to be. */
void setup_pass_ringing(struct sbc *s, struct call *c, struct fork *k, const struct msg *m,
			struct str sdp);
void setup_on_prack_alarm(struct sbc *s, struct setup *u);
/* The caller's PRACK in that early dialog, NULL: in the established one. The status that it gets. */
uint16_t setup_take_prack(struct call *c, struct fork *k, const struct msg *m);
/* It got 200: what waited for it goes on. */
void setup_acknowledged(struct sbc *s, struct call *c, uint8_t serial);

enum sdp_next {
	SDP_NONE,    /* nothing to do for the relay */
	SDP_AGAIN,   /* what the caller has already: k->sdp */
	SDP_ASKED,   /* the relay's answer will bring us back */
	SDP_PLAIN,   /* no relay: s->text has it */
	SDP_REFUSED, /* policy or the offer/answer rules say no: *out says why */
};

/* The SDP of a response in fork k. */
enum sdp_next setup_take_sdp(struct sbc *s, struct call *c, struct fork *k, const struct msg *m,
			     const struct flow *from, struct verdict *out);
enum sdp_next setup_ask_again(struct sbc *s, struct call *c, struct fork *k,
			      const struct flow *from, struct verdict *out);
void setup_keep_face(struct sbc *s, struct call *c, struct fork *k, struct str sdp);
void setup_hold(struct sbc *s, struct fork *k, const struct msg *m);
void setup_refuse_sdp(struct sbc *s, struct call *c, const struct msg *m, const struct verdict *v);

/* ---- setup_answer.c */

/* A response to the caller's INVITE in the callee's words; rseq 0: not reliable. False: its transaction has gone. */
bool setup_answer_caller(struct sbc *s, struct call *c, struct fork *f, const struct msg *m,
			 struct str sdp, uint32_t rseq);
void setup_on_answer(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f);
void setup_on_fork_media(struct sbc *s, struct call *c, struct fork *k, const struct event *e);
void setup_acknowledged_answer(struct sbc *s, struct call *c, struct fork *f);

#endif
