/*
 * Requests in the dialogs of a call: BYE and ACK, and what is relayed to the other side: re-INVITE, UPDATE, INFO,
 * PRACK, OPTIONS, MESSAGE. Each relayed request is an `exchange` until it has its one final answer.
 */
#ifndef SALLYPORT_IN_DIALOG_H
#define SALLYPORT_IN_DIALOG_H

#include "sbc/core/call.h"
#include "sbc/core/setup.h"
#include "sbc/core/worker.h"

/*
 *   request ─► (SDP: OFFERING at the relay) ─► RELAYED ─ final answer ─► (SDP: ANSWERING at the relay) ─► answered
 */
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
	uint8_t stage;         /* enum exchange_stage */
	uint8_t from;          /* the side that asks */
	uint8_t method;        /* enum method */
	uint8_t fork;          /* serial of the dialog pair */
	bool offered;          /* it carried an offer, which a refusal takes back */
	bool cancelled;        /* CANCEL came, or Timer C fired: sent on when that is allowed */
	struct str old_target; /* of the asker, if the request changes it and may yet be refused */
	struct str offer;      /* the SDP that it carried, until it is answered */
	struct str held;       /* the request, or its answer, whose SDP is with the relay */
	struct flow flow;
	struct alarm alarm; /* Timer C of a re-INVITE */
};

/* A request with our tag in To; m->method is neither INVITE's ACK nor CANCEL, and new. */
void in_dialog_on_request(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f,
			  const struct tls_facts *tls);
void in_dialog_on_ack(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f,
		      const struct tls_facts *tls);
void in_dialog_on_response(struct sbc *s, struct exchange *x, id_t64 txn, const struct msg *m,
			   const struct flow *f);
void in_dialog_on_report(struct sbc *s, struct exchange *x, id_t64 txn, enum txn_report report);
bool in_dialog_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);
void in_dialog_on_cancel(struct sbc *s, struct exchange *x, const struct msg *cancel);
void in_dialog_on_alarm(struct sbc *s, struct exchange *x);
/* The call ends: everyone who still waits for an answer gets one. */
void in_dialog_refuse_all(struct sbc *s, struct call *c);
void in_dialog_free_all(struct sbc *s, struct call *c);

#endif
