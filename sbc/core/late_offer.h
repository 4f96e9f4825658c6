/*
 * Calls whose two sides do not begin with the same kind of INVITE (trunks.X.initial_offer; RFC 6337 §2, checklist of late
 * offers): one of them with SDP, the other without. The relay is told what it would be told by two ordinary calls:
 *
 *   WROTE   offer (ours, for the caller) ► INVITE; the callee's answer ► answer; the same again ► offer ► the caller's 200;
 *           the caller's ACK ► answer; if the callee counts on what the caller has not taken: a re-INVITE to the callee
 *   KEPT    INVITE without SDP; the callee's offer ► offer; what the caller's offer has of it ► answer ► the callee's ACK;
 *           and what the relay made of the callee's, met with the caller's offer ► the caller's 200
 *
 * Without the relay in the media there are no addresses of ours to offer: both are then as `pass`.
 */
#ifndef SALLYPORT_LATE_OFFER_H
#define SALLYPORT_LATE_OFFER_H

#include "sbc/core/own.h"
#include "sbc/core/setup.h"

/* For the target of now. */
enum setup_late late_offer_choose(const struct call *c);
/* Our own offer on the caller's behalf, by the media policies of both realms; in memory of the turn. Empty: no room. */
struct str late_offer_write(struct sbc *s, const struct call *c);

/* What the caller's kept offer speaks: the callee's must become that to meet it. Empty: nothing that is known. */
struct str late_offer_protocol(struct sbc *s, const struct call *c);
/* The callee's answer is with the relay (WROTE): now as an offer for the caller. */
enum sdp_next late_offer_ask_caller(struct sbc *s, struct call *c, struct fork *k,
				    struct verdict *out);
/* The callee's offer has become `face` for the caller (KEPT): the caller's own offer answers it. */
enum sdp_next late_offer_ask_answer(struct sbc *s, struct call *c, struct fork *k, struct str face,
				    struct verdict *out);

/* The ACK of a caller that we have made an offer to. */
void late_offer_on_ack(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f);
/* False: it is not what is waited for here. */
bool late_offer_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e);
void late_offer_on_own(struct sbc *s, struct call *c, const struct own_outcome *x);

#endif
