/*
 * How often something may happen, as the generic cell rate algorithm counts it (ITU-T I.371; the virtual scheduling
 * form): one time stamp for each limit, no timers, and only the excess is refused. And a table of such time stamps for
 * sources, users and numbers: of a fixed size, four in a set; where there is no room, who is the least in debt is
 * forgotten, so that who has used up what he may have is the last. A leaf: no clock.
 */
#ifndef SALLYPORT_RATE_H
#define SALLYPORT_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "common/siphash.h"
#include "common/str.h"

/* `count` in per_ms in the long run, up to `burst` at once (0: as many as `count`). count 0: no limit. */
struct rate_rule {
	uint32_t count, per_ms, burst;
};

/* When the next would be due at an even pace, in ns of the clock that `now_ns` is read from; zeroed: nothing happened yet. */
struct rate {
	uint64_t due_ns;
};

/* `n` at once, all or none. False: too many; *out_wait_ns (may be NULL) says after what time they would fit, UINT64_MAX: never. */
bool rate_take(struct rate *s, const struct rate_rule *r, uint32_t n, uint64_t now_ns,
	       uint64_t *out_wait_ns);
/* How many would fit now. */
uint32_t rate_left(const struct rate *s, const struct rate_rule *r, uint64_t now_ns);

enum { RATE_WAYS = 4 };

struct rate_entry {
	uint64_t key; /* 0: nobody's */
	struct rate rate;
};

struct rate_table {
	struct siphash_key secret;
	struct rate_entry *entries;
	size_t sets; /* a power of two */
};

/* Remembers `most` keys, rounded up to a power of two: 16 octets each. ERR_NOMEM. */
enum err rate_table_init(struct rate_table *t, size_t most,
			 const struct siphash_key *secret) MUST_USE;
void rate_table_release(struct rate_table *t);
/* The time stamp of that key, for one of many rules that share the table: `rule` tells them apart. Valid until the next call. */
struct rate *rate_table_find(struct rate_table *t, uint32_t rule, struct str key, uint64_t now_ns);
/* A copy of it, as rate_table_find would give it; nothing is changed. */
struct rate rate_table_peek(const struct rate_table *t, uint32_t rule, struct str key,
			    uint64_t now_ns);

/* The same for who asks about a key more than once, or about several that can be fetched at one time: first its hash. */
uint64_t rate_table_hash(const struct rate_table *t, uint32_t rule, struct str key);
void rate_table_prefetch(const struct rate_table *t, uint64_t hash);
struct rate *rate_table_find_hash(struct rate_table *t, uint64_t hash, uint64_t now_ns);
struct rate rate_table_peek_hash(const struct rate_table *t, uint64_t hash, uint64_t now_ns);

#endif
