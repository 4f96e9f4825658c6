/*
 * How many things each source has: the cap that one of them cannot use up what is for all (threats B8, B14, B15). An
 * IPv6 /64 counts as one source. A leaf: no clock, no messages.
 */
#ifndef SALLYPORT_TALLY_H
#define SALLYPORT_TALLY_H

#include "common/addr.h"
#include "common/err.h"
#include "common/pool.h"
#include "common/table.h"

struct tally {
	struct pool pool;
	struct table table;
};

/* Room for `sources` of them. ERR_NOMEM. */
enum err tally_init(struct tally *t, uint32_t sources, const struct siphash_key *key) MUST_USE;
void tally_release(struct tally *t);
/* One more of this source. ERR_FULL: it has `most` already, or there are too many sources. */
enum err tally_add(struct tally *t, const struct addr *source, uint32_t most) MUST_USE;
/* One less; one that was not added is a mistake of ours. */
void tally_del(struct tally *t, const struct addr *source);
uint32_t tally_get(const struct tally *t, const struct addr *source);

#endif
