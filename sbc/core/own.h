/*
 * A request of our own in the established dialog of a call's leg: re-INVITE, UPDATE, INFO, NOTIFY (RFC 3261 §14, RFC 3311).
 * It waits while an INVITE or an offer is open there, sends the ACK, comes again after a 491 or a challenge, and tells
 * whoever wanted it how it went. Nothing of it crosses to the other leg.
 *
 *   WAITING ── the leg is free ─► SENT ── final answer, silence ─► told, gone
 *      ▲                           │ 401, 407 with credentials ─► SENT
 *      └── back-off ── 491, 500 with Retry-After, if it is still wanted
 *
 * Timers: `alarm` is the back-off while WAITING (0: the leg may have become free), and Timer C of an INVITE that is SENT.
 */
#ifndef SALLYPORT_OWN_H
#define SALLYPORT_OWN_H

#include "sbc/core/call.h"
#include "sbc/core/worker.h"

enum { OWNS_MAX = 8, OWN_TRIES_MAX = 6 };

/* Who wanted it, and is told. */
enum own_what {
	OWN_REFRESH,  /* the session timer */
	OWN_REPAIR,   /* setting up: both sides of a late offer are brought together */
	OWN_TRANSFER, /* a transfer: NOTIFY, re-INVITE */
	OWN_KEY,      /* a key that the other side has told in its media */
	OWN_WHAT_COUNT
};

enum own_stage { OWN_WAITING, OWN_SENT, OWN_STAGE_COUNT };

struct own_params {
	enum own_what what;
	id_t64 ref; /* of no meaning here: handed back with the outcome */
	enum method method;
	struct str lines; /* whole header lines, beside those that are always there */
	struct str content_type,
		body; /* SDP as the peer is to see it; an INVITE without asks for an offer */
};

struct own {
	struct list node; /* of the call's */
	id_t64 id, call, ref, txn;
	uint32_t cseq;
	uint8_t what, stage, side, method, tries;
	bool has_sdp;
	struct str lines, content_type, body;
	struct alarm alarm;
};

/* How it went. Views into the message of the turn. */
struct own_outcome {
	enum own_what what;
	enum method method;
	unsigned side;
	id_t64 id, ref;
	uint16_t status;          /* 408: silence; 503: it could not be sent */
	struct str sdp;           /* of a 2xx, for an INVITE or UPDATE */
	bool is_offer;            /* sdp wants an answer: own_ack() is to be called, now or later */
	const struct msg *answer; /* NULL: none came */
};

/*
 * Sends it now, or as soon as the leg is free; all of p is copied. ID_NONE: a limit, or the call is not established; nothing is
 * told then. When the call ends what is under way goes without a word: who asked hears of that as of any end of a call.
 */
id_t64 own_send(struct sbc *s, struct call *c, unsigned side, const struct own_params *p);
/* Not wanted any more: nothing is told. One that is on its way is answered for all that. */
void own_drop(struct sbc *s, id_t64 id);
/* The ACK of an INVITE that asked for an offer; empty: there is no answer, and the call had better end. */
void own_ack(struct sbc *s, struct call *c, unsigned side, struct str sdp);

/* The leg may be free now: what waits for it looks again in the next turn. */
void own_look(struct sbc *s, struct call *c);
void own_on_response(struct sbc *s, struct own *o, id_t64 txn, const struct msg *m,
		     const struct flow *f);
void own_on_report(struct sbc *s, struct own *o, id_t64 txn, enum txn_report report);
void own_on_alarm(struct sbc *s, struct own *o);
void own_free_all(struct sbc *s, struct call *c);

#endif
