/*
 * The two-legged call: leg[0] is who called us, leg[1] whom we called. Owns both dialogs, the relay's session, what is
 * under way between the legs, and the record of it all. Setting up is in setup.c and setup_answer.c, requests in
 * the dialog in in_dialog.c, the end in call_end.c.
 *
 *   INVITE
 *     │ 100 at once; policy says no ──────────────► refused: final answer ─┐
 *     ▼                                                                    │
 *   SETUP ── every target failed, CANCEL ──────────► final answer to A ────┤
 *     │ 200 of B, relay has answered: 200 to A                             │
 *     ▼                                                                    │
 *   ANSWERED ── no ACK in 64*T1: BYE both ────────────────────────────────┤
 *     │ ACK                                                                │
 *     ▼                                                                    │
 *   CONFIRMED ── BYE of either side, 481, 408, operator ──────────────────┤
 *                                                                          ▼
 *                                   ENDING: the relay's `delete` gives the media of the CDR;
 *                                     │     a BYE to A waits for A's ACK
 *                                     ▼ CDR published, once
 *                                   OVER: lingers for stragglers (a crossing BYE gets its 200), then goes
 */
#ifndef SALLYPORT_CALL_H
#define SALLYPORT_CALL_H

#include "common/list.h"
#include "policy/quota.h"
#include "policy/verdict.h"
#include "sbc/core/alarm.h"
#include "sbc/core/cdr.h"
#include "sbc/core/leg.h"
#include "sbc/core/media.h"
#include "sbc/core/offer.h"
#include "sbc/core/session_id.h"
#include "sbc/core/prack.h"
#include "sbc/core/sbc.h"
#include "sbc/core/txn.h"

struct ask;
struct keep;
struct keys;
struct exchange;
struct fraud_watch;
struct redirects;
struct setup;

enum call_state {
	CALL_SETUP,
	CALL_ANSWERED,
	CALL_CONFIRMED,
	CALL_ENDING,
	CALL_OVER,
	CALL_STATE_COUNT
};

/* How long a call that is over still answers its peers: a BYE that crossed ours, lost three times. */
enum { CALL_LINGER_MS = 5000 };

/* The way in which a side has told its first key. */
enum call_keys { CALL_KEYS_NONE, CALL_KEYS_MEDIA, CALL_KEYS_INFO };

enum call_text {
	CALL_FROM_NUMBER,
	CALL_FROM_DISPLAY,
	CALL_TO_NUMBER, /* canonical, as CALL_FROM_NUMBER is */
	CALL_DIALLED,   /* as it came; empty: the same */
	CALL_USER_AGENT,
	CALL_TLS_VERSION,
	CALL_TLS_CIPHER,
	CALL_TLS_PEER,
	CALL_DOMAIN, /* of the Request-URI that came */
	CALL_USER,   /* of ours, who calls; empty: it is none */
	CALL_TEXT_COUNT
};

/* One INVITE towards one address. Times are monotonic. */
struct call_attempt {
	uint64_t start_ms;
	uint32_t ms;
	uint16_t trunk, peer, status;
	uint8_t cause;  /* ROUTE_CAUSE_*, 0: the status says it */
	uint8_t number; /* as hunt_target.number */
};

/* What the CDR will say and the dialogs do not know. */
struct call_record {
	char *text;
	uint16_t text_len;
	struct {
		uint16_t at, len;
	} slot[CALL_TEXT_COUNT];
	uint64_t start_wall_ms;
	uint64_t start_ms, ring_ms, early_ms, answer_ms, end_ms; /* monotonic; 0: did not happen */
	struct call_attempt attempts[CDR_ATTEMPTS_MAX];
	uint8_t attempt_count;
	uint8_t ended_by; /* enum cdr_side */
	uint8_t diversions;
	uint16_t status, q850, route;
	bool by_timeout;
	uint64_t last_call, next_call; /* numbers, of a call that was transferred; 0: none */
	struct str reason;             /* settings memory or static, as those below */
	struct str rule;               /* of the verdict that refused; empty: none did */
	struct str cause;              /* "tls", "connect", …; empty: by status */
};

/* What was found of the signature of who calls, and what we said of it ourselves. */
struct call_identity {
	uint8_t verstat, fault, attest; /* enum facts_* */
	uint8_t signed_as;              /* enum facts_attest: of the latest attempt */
	bool diverted;                  /* we have added a `div` */
	struct str origid;              /* of the signature that holds */
};

struct call {
	id_t64 id;
	const struct settings *settings;
	uint64_t number;   /* with the node's name it is the call's name */
	uint8_t state;     /* enum call_state */
	id_t64 transfer;   /* under way, of which this call is a part */
	id_t64 heir;       /* the call that has a leg whose tag names this one; ID_NONE: none */
	uint8_t transfers; /* that its parties have gone through */
	uint8_t refers;    /* REFERs in it so far */
	uint8_t exchange_count, own_count;
	uint8_t relay_asks; /* questions about media that the relay has not answered yet */
	struct prack_server
		told;   /* the winner's last reliable 18x: its PRACK may come after the 200 */
	uint8_t winner; /* serial of the fork that answered */
	bool delete_asked;
	bool wrote_offer; /* the callee's session began with an offer of ours (trunks.X.initial_offer) */
	struct leg leg[2];
	struct alarm session_alarm[2];
	struct alarm media_alarm, duration_alarm;
	uint8_t keys_by[2];    /* enum call_keys, of each side */
	bool keys_plain[2];    /* that side wants application/dtmf */
	struct keep *keep;     /* in the store (keep.h); NULL: not yet, or nobody shares it */
	struct keys *keys[2];  /* on their way to that side as INFO; NULL: none */
	uint64_t silent_ms[2]; /* since when that party is not heard, monotonic; 0: it is */
	struct offer offer[2]; /* of each leg */
	struct media media;
	struct setup *setup; /* CALL_SETUP only */
	struct list exchanges, owns;
	struct list lingering;
	uint64_t linger_until_ms;
	struct str shown[2];  /* what each side was told last of what is in force, as we wrote it */
	struct str agreed[2]; /* the SDP of each side that is in force; the first by `agreed_by` */
	uint8_t agreed_by;
	id_t64 ack_ask;   /* the answer to a late offer is with the relay: then comes the ACK */
	uint8_t ack_side; /* who waits for that ACK */
	struct redirects *redirects; /* NULL: it was sent nowhere else */
	uint8_t late_step;           /* late_offer.c: what `late_ask` asks of the relay */
	id_t64 late_ask;
	struct session_id session;
	bool hidden;               /* the caller is nobody to the callee (RFC 3323) */
	struct fraud_watch *watch; /* NULL: no rule asks for what becomes of it */
	struct call_identity identity;
	struct quota_held quota; /* of who calls and who is called */
	struct call_record record;
};

/* ---- life */

struct call *call_find(const struct sbc *s, id_t64 id);
/* NULL: at a limit. Counts as a call from now on; texts of the record are the caller's to set. */
struct call *call_new(struct sbc *s, const struct settings *settings);
/* Forgets calls that have lingered long enough; `all` forgets all of them. */
void call_sweep(struct sbc *s, bool all);
uint64_t call_sweep_next_ms(const struct sbc *s);
/* Everything of it goes, without a word. */
void call_free(struct sbc *s, struct call **call);

/* ---- names and notices */

void call_write_name(struct buf *b, const struct sbc *s, const struct call *c);
/* The same of a call of this node by its number. */
void call_write_number(struct buf *b, const struct sbc *s, const struct call *c, uint64_t number);
struct str call_text(const struct call *c, enum call_text t);
/* ERR_NOMEM. */
enum err call_set_texts(struct sbc *s, struct call *c,
			const struct str texts[CALL_TEXT_COUNT]) MUST_USE;
/* The number that the target of now is called by; of attempt i that one was. */
struct str call_number(const struct call *c);
struct str call_attempt_number(const struct call *c, const struct call_attempt *a);
void call_free_redirects(struct sbc *s, struct call *c);
uint16_t call_realm(const struct call *c, unsigned side);
struct notice call_notice(struct sbc *s, const struct call *c, enum notice_type type,
			  struct buf *name);
void call_tell(struct sbc *s, const struct call *c, enum notice_type type);
void call_view(const struct sbc *s, const struct call *c, struct sbc_call_view *out,
	       struct buf *scratch);

/* ---- what both setting up and talking need */

/* Sends what r says in dialog d of that side; its transaction is `owner`'s. ID_NONE: it could not be sent. */
id_t64 call_send_request(struct sbc *s, struct call *c, unsigned side, struct dialog *d,
			 struct build_request *r, id_t64 owner);
/* Our Contact towards a side. View into b. */
struct str call_contact(const struct call *c, unsigned side, struct buf *b);
/* Header lines that cross to side `to`, behind those already in s->lines. */
enum err call_carry(struct sbc *s, struct call *c, unsigned to, const struct msg *m,
		    bool body) MUST_USE;
/* The same of the INVITE that begins the call, to the callee: with signatures of who calls (setup_identity.c). */
struct crossing_signature;
enum err call_carry_signed(struct sbc *s, struct call *c, const struct msg *m,
			   struct crossing_signature *g) MUST_USE;
/* What crosses to side `to` of a message of the other side; host and call are left out. */
struct crossing;
void call_crossing(const struct call *c, unsigned to, bool from_other, struct crossing *out);
/* A number of the call as that side writes it; a view into b or the call. */
struct str call_number_at(const struct call *c, unsigned side, enum call_text t, struct buf *b);
/* The Session-ID line towards that side, if it has one (RFC 7989). */
void call_write_session(struct buf *lines, const struct call *c, unsigned to);
/* ACK for a 2xx of `side` in dialog d; `body` may be empty. */
void call_send_ack(struct sbc *s, struct call *c, unsigned side, struct dialog *d, uint32_t cseq,
		   struct str body);
/* The ACK that the INVITE of ours on this leg waits for, with the answer to its late offer; kept, to be sent again. */
void call_ack(struct sbc *s, struct call *c, unsigned side, struct str sdp);
/* An answer of the other side's status, as we repeat it. */
uint16_t call_map_status(uint16_t status);

/* ---- events */

/* Any answer of the relay to a question with this call as owner: `asked`, which is closed. */
void call_on_relay(struct sbc *s, struct call *c, const struct ask *asked, const struct event *e);
void call_on_response(struct sbc *s, struct call *c, id_t64 txn, const struct msg *m,
		      const struct flow *f, const struct tls_facts *tls);
/* A party has hung up: what its side still waits for comes no more. */
void call_stop_waiting(struct sbc *s, struct call *c, unsigned side);
/* A 2xx of an INVITE of this call whose transaction has gone. */
void call_on_stray_answer(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f);
void call_on_report(struct sbc *s, struct call *c, id_t64 txn, enum txn_report report,
		    unsigned cause);
/* An INVITE of ours that no one waits for was answered: CANCEL, or ACK and BYE. `elsewhere`: another has answered. */
void call_on_orphan(struct sbc *s, id_t64 txn, const struct msg *m, const struct flow *f,
		    bool elsewhere);
/* From now on no one waits for this INVITE of ours: it is cancelled as soon as that is allowed (RFC 3261 §9.1). */
void call_orphan(struct sbc *s, id_t64 txn);
/* An INVITE in a dialog of c that the end of what asked for it leaves behind: cancelled; its 2xx is the call's to ACK. */
void call_leave_invite(struct sbc *s, const struct call *c, id_t64 txn);
void call_orphan_because(struct sbc *s, id_t64 txn, struct str lines);

/* ---- the end (call_end.c) */

struct call_ending {
	enum cdr_side by;
	uint16_t status; /* for the CDR; of a call that was answered: 200 stays */
	uint16_t q850;
	uint16_t
		sip_cause; /* 0, or the Reason of the BYEs that we send of our own accord (RFC 3326) */
	struct str reason, rule, cause;
	const struct msg
		*answer; /* the callee's refusal: of its headers those cross that the rules name */
	bool by_timeout;
	struct str reason_lines[2]; /* Reason header lines for the BYE or CANCEL to that side */
	bool told[2];               /* this side has said BYE itself, or has its final answer */
};
/* Ends whatever is left of the call on both sides. A second call does nothing. */
void call_end(struct sbc *s, struct call *c, const struct call_ending *why);
/* Ends all calls: 503 for who waits for an answer, BYE for who talks. Those that are ending have their CDR now. */
void call_end_all(struct sbc *s);
/* A's INVITE gets this final answer, and the call ends with it. `lines`: ready header lines. */
void call_refuse(struct sbc *s, struct call *c, uint16_t status, struct str reason,
		 struct str lines, struct call_ending *why);
/* The same by a verdict, which is published. */
void call_refuse_by(struct sbc *s, struct call *c, const struct msg *m, const struct verdict *v);
/* Our ACK has come, or never will: what waited for it goes on. */
void call_after_ack(struct sbc *s, struct call *c, unsigned side);
/* The Q.850 cause in a Reason header of m; 0: none. */
uint16_t call_q850(const struct msg *m);
void call_on_cancel(struct sbc *s, struct call *c, const struct msg *cancel);
/* Goes on with an end that waited for the relay. */
void call_end_step(struct sbc *s, struct call *c, const struct dict *deleted);
/* A peer has lost its dialog, or gives no answer any more: the call ends on both sides (RFC 3261 §12.2.1.2). */
void call_lost(struct sbc *s, struct call *c);
/* The CDR of an INVITE that was refused before it became a call. */
void call_refused_at_once(struct sbc *s, const struct msg *m, const struct flow *f,
			  const struct tls_facts *tls, uint16_t trunk, const struct verdict *v);

#endif
