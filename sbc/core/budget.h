/*
 * How much each source may have: a bucket for each, which fills by the clock and by what the source itself brings. The
 * limit on TLS handshakes (threats B1) and on what strangers are told over UDP (threats C1). A fixed number of sources is
 * remembered, four in a set; where there is no room the fullest bucket of the set makes it, so that who has used up
 * what he may have is the last to be forgotten. An IPv6 /64 counts as one source. A leaf: no clock, no messages.
 */
#ifndef SALLYPORT_BUDGET_H
#define SALLYPORT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/err.h"
#include "common/siphash.h"

enum { BUDGET_SETS = 1024, BUDGET_WAYS = 4 };

/* `most` at once, and that again each per_ms. `most` 0: no limit. */
struct budget_rule {
	uint32_t most, per_ms;
};

struct budget_entry {
	uint64_t source; /* its hash under a secret key; 0: nobody's */
	uint64_t at_ms;
	uint64_t level; /* thousandths */
};

/* One bucket; zeroed: full. */
struct budget_one {
	bool begun;
	struct budget_entry entry;
};

struct budget {
	struct siphash_key key;
	struct budget_entry *entries; /* BUDGET_SETS × BUDGET_WAYS */
};

/* ERR_NOMEM. */
enum err budget_init(struct budget *b, const struct siphash_key *key) MUST_USE;
void budget_release(struct budget *b);
/* The source brings `gain` and wants `cost`. False: it does not have that much, and nothing is taken. */
bool budget_take(struct budget *b, const struct budget_rule *r, const struct addr *source,
		 uint32_t gain, uint32_t cost, uint64_t now_ms);
/* The same of one bucket for all. */
bool budget_take_one(struct budget_one *b, const struct budget_rule *r, uint32_t cost,
		     uint64_t now_ms);

#endif
