/*
 * ICE in offer and answer (RFC 8839), for each party by itself: what its SDP says is taken here, what ours says is
 * written here. We are lite and say so; our candidates are the ports of the line, once, so trickling has nothing to add.
 * Of the party's candidates only the best one of each component is looked at: its address comes from its checks. It is
 * what a party gets packets on that is lite too (RFC 8445 §8.2), or whose ICE is not taken.
 */
#ifndef SALLYPORT_SDP_ICE_H
#define SALLYPORT_SDP_ICE_H

#include <stdbool.h>

#include "common/buf.h"
#include "rtpproxy/core/sdp_relay.h"

/* Which legs' media `i` need an agent for this offer: bit 0 x->from, bit 1 x->to. */
unsigned sdp_ice_needs(const struct sdp_relay *x, size_t i);
/* Where an agent is needed and is not there, ICE is not spoken. */
void sdp_ice_take_offer(const struct sdp_relay *x, size_t i);
void sdp_ice_take_answer(const struct sdp_relay *x, size_t i);
/* Does this line of the SDP speak ICE? Then c=0.0.0.0 is no hold. */
bool sdp_ice_is_said(const struct sdp *sdp, const struct sdp_media *m);
/* The best candidate of a component, of the family if there is one; false: none. */
bool sdp_ice_find_candidate(const struct sdp_media *m, unsigned component, uint8_t family,
			    struct addr *out);
/* a=ice-lite, if any line speaks ICE. */
void sdp_ice_write_session(const struct sdp_relay *x, struct buf *b);
/* The rest, for line i; `shown` is the address that is printed. */
void sdp_ice_write(const struct sdp_relay *x, struct buf *b, size_t i, const struct addr *shown);
/* A trickled fragment (RFC 8840) from the party of `l`: returns how many candidates were of use. */
unsigned sdp_ice_take_fragment(struct leg *l, struct str text);

#endif
