/*
 * SDES offer/answer of one m= line (RFC 4568 §5.1, ng-protocol §6.3): which keys we offer, which of the
 * offered ones we take, and what stays as it was in a re-offer. Lines with an MKI above 32 bits or 16 bytes, with
 * unknown suites or parameters count as not offered.
 */
#ifndef SALLYPORT_KEYING_H
#define SALLYPORT_KEYING_H

#include <stdbool.h>

#include "common/rng.h"
#include "common/sdp.h"
#include "rtpproxy/core/flags.h"
#include "rtpproxy/core/leg.h"

/* One bit for each suite that the flags leave. */
unsigned keying_allowed(const struct flags_sdes *f);
/* The usable a=crypto lines, at most LIMIT_CRYPTOS; returns how many. The caller wipes them. */
unsigned keying_read(const struct sdp_media *m, struct leg_crypto out[LIMIT_CRYPTOS]);
bool keying_is_offered(const struct sdp_media *m);

/*
 * Fills to->ours for an offer: agreed keys stay; else wished order first, then the offerer's own suites
 * (with its tags), then the rest by strength with higher tags.
 */
void keying_offer(struct leg_keys *to, const struct leg_keys *from, const struct flags_sdes *f,
		  struct rng *rng);
/* Which of ours an answer takes: by tag and suite, or by suite alone. False: none. Wipe *out. */
bool keying_find_answer(const struct leg_keys *k, const struct sdp_media *m, struct leg_crypto *out,
			int *out_ours);
/*
 * Which of theirs we take in an answer: the suite in use if it is there, else the first that the flags
 * leave; -1: none.
 */
int keying_choose(const struct leg_keys *k, const struct flags_sdes *f);
/* Answers theirs[in]: its tag, and our key, which stays when the suite does. */
void keying_answer(struct leg_keys *k, int in, struct rng *rng);

#endif
