/*
 * The words of DTLS-SRTP in SDP (RFC 5763, 8122, 8842): a=setup, a=fingerprint, a=tls-id; what they make of a
 * media's `struct leg_dtls`. Which way of keying is taken is sdp_relay's; the handshake is handshake.h's.
 */
#ifndef SALLYPORT_KEYING_DTLS_H
#define SALLYPORT_KEYING_DTLS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/rng.h"
#include "common/sdp.h"
#include "rtpproxy/core/dtls.h"
#include "rtpproxy/core/flags.h"
#include "rtpproxy/core/leg.h"

/* Is there a fingerprint that we can check, and a role that leaves us one? A weak hash counts when `ours` says so. */
bool keying_dtls_is_offered(const struct sdp *sdp, const struct sdp_media *m,
			    const struct dtls_ours *ours);
/*
 * What the party says of itself. An association that is in force and is meant no more (another certificate, another tls-id)
 * takes our words with it: the next ones are new.
 */
void keying_dtls_read(const struct sdp *sdp, const struct sdp_media *m,
		      const struct dtls_ours *ours, struct leg_dtls *out);
/* Plain, or SDES, from now on. */
void keying_dtls_forget(struct leg_dtls *d);
/* Words of ours: those that were said before stay. */
void keying_dtls_say(struct leg_dtls *d, const struct dtls_ours *ours, const struct flags *f,
		     struct rng *rng);
/* Their answer to what we offered, or ours to what they did, comes into force: who begins. */
void keying_dtls_agree(struct leg_dtls *d, bool they_answered);
/* Ours, in an offer or in an answer. */
void keying_dtls_write(struct buf *b, const struct leg_dtls *d, bool answer);

#endif
