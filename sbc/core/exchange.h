/*
 * A request of one side that is passed on to the other side of its dialog pair, until it has its one final answer:
 * re-INVITE, UPDATE, INFO, PRACK, OPTIONS, MESSAGE. Its SDP goes by way of the relay; what is refused leaves everything
 * as it was (RFC 3261 §14.1, RFC 6141). Passing on is in exchange.c, the way back in exchange_answer.c.
 *
 *   request ─► (SDP: OFFERING at the relay) ─► RELAYED ─ final answer ─► (SDP: ANSWERING at the relay) ─► answered
 *
 * Timers: `alarm` of a re-INVITE is Timer C (RFC 3261 §16.6), so that nobody holds the call in a change for ever.
 */
#ifndef SALLYPORT_EXCHANGE_H
#define SALLYPORT_EXCHANGE_H

#include "sbc/core/call.h"
#include "sbc/core/pair.h"
#include "sbc/core/worker.h"

enum exchange_stage {
	EXCHANGE_OFFERING,
	EXCHANGE_RELAYED,
	EXCHANGE_ANSWERING,
	EXCHANGE_STAGE_COUNT
};

/* Requests of one call under way at once; more is no call but an attack. */
enum { EXCHANGES_MAX = 16 };

struct exchange {
	struct list node; /* of the call's */
	id_t64 id;
	id_t64 call;
	struct asker asker;
	id_t64 ask, txn;
	uint32_t cseq;         /* of the INVITE that we sent on */
	uint32_t rack;         /* of a PRACK: what it acknowledges there; 0: it ended here */
	uint8_t stage;         /* enum exchange_stage */
	uint8_t from;          /* the side that asks */
	uint8_t method;        /* enum method */
	uint8_t fork;          /* serial of the dialog pair */
	bool offered;          /* it carried an offer, which a refusal takes back */
	bool cancelled;        /* CANCEL came, or Timer C fired: sent on when that is allowed */
	struct str old_target; /* of the asker, if the request changes it and may yet be refused */
	struct str shown;      /* it, as the other side was told */
	struct str offer;      /* the SDP that it carried, until it is answered */
	struct str held;       /* the request, or its answer, whose SDP is with the relay */
	struct flow flow;
	struct alarm alarm; /* Timer C of a re-INVITE */
};

/* ---- exchange.c */

/* Passes m on, or answers it at once; m is in order, in pair p, and no BYE. */
void exchange_begin(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
		    const struct flow *f);
/* The relay has the SDP of the request: on it goes. */
void exchange_pass(struct sbc *s, struct call *c, struct exchange *x, const struct pair *p,
		   const struct msg *m, struct str sdp);
/* The final answer of an exchange that the other side did not give; it is over then. */
void exchange_refuse(struct sbc *s, struct call *c, struct exchange *x, uint16_t status,
		     struct str lines);
void exchange_free(struct sbc *s, struct exchange *x);
/* INVITE and UPDATE: Contact is a new target. */
bool exchange_refreshes(uint8_t method);
/* A body that crosses as it is. */
bool exchange_has_own_body(uint8_t method, const struct msg *m);
/* The offer in it came to nothing: both legs, and the relay, are as before. */
void exchange_take_back(struct sbc *s, struct call *c, const struct exchange *x,
			const struct pair *p);
/* So is the target that it would have changed. */
void exchange_restore_target(struct sbc *s, struct exchange *x, struct dialog *d);
void exchange_on_cancel(struct sbc *s, struct exchange *x, const struct msg *cancel);
void exchange_on_alarm(struct sbc *s, struct exchange *x);
/* The call ends: everyone who still waits for an answer gets one. */
void exchange_refuse_all(struct sbc *s, struct call *c);
void exchange_free_all(struct sbc *s, struct call *c);

/* ---- exchange_answer.c */

void exchange_on_response(struct sbc *s, struct exchange *x, id_t64 txn, const struct msg *m,
			  const struct flow *f);
void exchange_on_report(struct sbc *s, struct exchange *x, id_t64 txn, enum txn_report report);
/* False: it was not what an exchange waits for. */
bool exchange_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);

#endif
