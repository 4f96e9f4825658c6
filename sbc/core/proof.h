/*
 * Requests of a trunk with `identify.user` must prove that they know its password, and those of users whose passwords we hold where
 * their address can be another's (`users.X.ask`): 401, Digest (RFC 3261 §22.2; challenge.h has the nonces). Asked of what makes something new, and costs the asker a round trip before it costs us any state. ACK and CANCEL
 * cannot be asked (§22.1); what comes in a dialog is believed by where it comes from (leg_is_believed).
 */
#ifndef SALLYPORT_PROOF_H
#define SALLYPORT_PROOF_H

#include <stdbool.h>
#include <stdint.h>

struct flow;
struct msg;
struct sbc;
struct settings;

/* Must what makes something new and comes from the trunk down this path prove who it is? */
bool proof_is_asked(const struct settings *set, uint16_t trunk, const struct flow *f);

/* True: nothing is to be proved, or it has been. False: m has been answered. */
bool proof_take(struct sbc *s, uint16_t trunk, const struct msg *m, const struct flow *f);

#endif
