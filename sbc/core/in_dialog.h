/*
 * Requests in the dialogs of a call: whose they are, whether they are believed and in order; BYE and ACK. What is passed on to
 * the other side is an exchange.
 */
#ifndef SALLYPORT_IN_DIALOG_H
#define SALLYPORT_IN_DIALOG_H

#include "sbc/core/call.h"
#include "sbc/core/worker.h"

/* A request with our tag in To; m->method is neither INVITE's ACK nor CANCEL, and new. */
void in_dialog_on_request(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f,
			  const struct tls_facts *tls);
void in_dialog_on_ack(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f,
		      const struct tls_facts *tls);
/* The SDP of an ACK of `side` goes on to where it is waited for; m may also be what stands for that ACK. */
void in_dialog_take_answer(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
			   const struct flow *f);
/* False: no one here waits for it. */
bool in_dialog_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);

#endif
