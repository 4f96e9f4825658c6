/*
 * What sources that are nobody's have been up to: how many strikes of a scanner each has, how many of them are proven to be its
 * own, and who has proved to be no scanner. Of exact addresses. A request that is repeated counts once, and so does a user. A
 * fixed number of sources, four in a set; where there is no room, who has the least strikes is forgotten, and last who
 * proved itself: nobody can invent that. A leaf: no clock.
 */
#ifndef SALLYPORT_SUSPECT_H
#define SALLYPORT_SUSPECT_H

#include "common/addr.h"
#include "policy/rate.h"

enum { SUSPECT_SETS = 4096, SUSPECT_WAYS = 4 };

struct suspect {
	uint64_t key;   /* 0: nobody's */
	uint64_t users; /* one bit for each that it spoke of; two may share one */
	uint64_t last;  /* hash of the latest request */
	uint64_t spared_until_ms;
	struct rate claimed, proven;
};

struct suspects {
	struct siphash_key secret;
	struct suspect *entries;
};

/* ERR_NOMEM. `secret` is random. */
enum err suspects_init(struct suspects *t, const struct siphash_key *secret) MUST_USE;
void suspects_release(struct suspects *t);
/* Valid until the next call. */
struct suspect *suspects_find(struct suspects *t, const struct addr *source, uint64_t now_ms);
uint64_t suspects_hash(const struct suspects *t, struct str text);

/* True: that is too many. `request`: a hash of what makes it this one. */
bool suspect_claims(struct suspect *e, const struct rate_rule *most, uint64_t request,
		    uint64_t now_ms);
/* The same of a user that it has not spoken of lately. */
bool suspect_names(struct suspect *e, const struct rate_rule *most, uint64_t user, uint64_t now_ms);
/* One that is its own beyond doubt: half as many are too many. */
bool suspect_proves(struct suspect *e, const struct rate_rule *most, uint64_t now_ms);
bool suspect_is_spared(const struct suspect *e, uint64_t now_ms);

#endif
