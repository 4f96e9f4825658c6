/*
 * Offer and answer through the relay: what a party's SDP says becomes state of its leg, and the SDP
 * for the other party is written afresh from that leg's side: our addresses and ports, its own
 * protocol and keys. Order and number of m= lines never change (RFC 3264).
 *
 * For each message: check (changes nothing, says what is wrong), take (changes the legs), open ports
 * as sdp_relay_endpoints says, write. Streams are not touched: leg_connect does that.
 * ICE (sdp_ice) and the names of lines (sdp_mid) are each party's own.
 */
#ifndef SALLYPORT_SDP_RELAY_H
#define SALLYPORT_SDP_RELAY_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/rng.h"
#include "common/sdp.h"
#include "rtpproxy/core/flags.h"
#include "rtpproxy/core/leg.h"

struct sdp_relay {
	const struct sdp *sdp;
	const struct flags *flags;
	struct leg *from;             /* whose SDP this is */
	struct leg *to;               /* who gets the new one */
	struct rng *rng;              /* for keys */
	const struct dtls_ours *dtls; /* NULL: DTLS-SRTP is not spoken */
	bool answer;
};

/* May this SDP be taken? An offer may have lines for which the legs have no media yet. */
enum refusal sdp_relay_check(const struct sdp_relay *x) MUST_USE;
/* Both legs have a media for each line. Only after sdp_relay_check passed. */
void sdp_relay_take(const struct sdp_relay *x);
/* The endpoints (bits 1 << LEG_RTP, 1 << LEG_RTCP) that a party's media needs now. */
unsigned sdp_relay_endpoints(const struct leg_media *m);
/* The SDP for x->to. Changes its origin's memory alone. Overflow: REFUSAL_REWRITE. */
enum refusal sdp_relay_write(const struct sdp_relay *x, struct buf *b) MUST_USE;

/* The formats of m= that the flags leave, "0 101", and a line for each of their attributes. */
void sdp_relay_write_formats(const struct flags *f, const struct sdp_media *m, struct buf *b);

#endif
