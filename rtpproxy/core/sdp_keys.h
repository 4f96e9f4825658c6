/*
 * How a line is encrypted, in offers and answers through the relay: which of SDES and DTLS are offered to a party, which an
 * answer takes, and which of a party's we take (ng-protocol §6.3); in a line of a plain protocol all of them are an offer that
 * may be left (OSRTP, RFC 8643). The words themselves are keying's and keying_dtls's.
 */
#ifndef SALLYPORT_SDP_KEYS_H
#define SALLYPORT_SDP_KEYS_H

#include "rtpproxy/core/sdp_relay.h"

/* May line i of this offer be taken, and be offered on with the protocol `proto`? */
enum refusal sdp_keys_check_offer(const struct sdp_relay *x, size_t i,
				  enum sdp_proto proto) MUST_USE;
/* Both legs have a media for it, whose protocols are set. */
void sdp_keys_take_offer(const struct sdp_relay *x, size_t i);
enum refusal sdp_keys_check_answer(const struct sdp_relay *x, size_t i) MUST_USE;
void sdp_keys_take_answer(const struct sdp_relay *x, size_t i);
/* The lines of keys for the party that `to` is of. */
void sdp_keys_write(const struct sdp_relay *x, struct buf *b, const struct leg_media *to);

#endif
