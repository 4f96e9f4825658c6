/*
 * May this offer or answer pass on this side, and what must the other side's be? No downgrade that
 * policy does not name: 488 with a Warning (design promise 2; RFC 3261 §20.43).
 */
#ifndef SALLYPORT_MEDIA_RULE_H
#define SALLYPORT_MEDIA_RULE_H

#include <stdbool.h>

#include "common/sdp.h"
#include "policy/policy_config.h"
#include "policy/verdict.h"

/* The side that sent `sdp`: is every live audio/video medium as its policy demands (protocol,
 * keying, a suite or fingerprint that counts, a codec in common)? `signalling_secure`: SDES keys may only cross TLS
 * (RFC 4568 §7.1). */
struct verdict media_rule_check(const struct media_rule *m, const struct sdp *sdp,
				bool signalling_secure);
/* Does an offer to the side with policy `m` ask for DTLS-SRTP? */
bool media_rule_offers_dtls(const struct media_rule *m);
/* The m= protocol to ask of the relay for the side with policy `m`, given whether the sender used
 * AVPF, and whether keys are to come from DTLS. */
struct str media_rule_protocol(const struct media_rule *m, bool dtls, bool feedback);

#endif
