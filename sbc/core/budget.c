#include "sbc/core/budget.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"

enum { KEY_LEN = 17, UNIT = 1000 };

enum err budget_init(struct budget *b, const struct siphash_key *key)
{
	CHECK(b && key);
	*b = (struct budget){.key = *key};
	b->entries = calloc((size_t)BUDGET_SETS * BUDGET_WAYS, sizeof(*b->entries));
	return b->entries ? OK : ERR_NOMEM;
}

void budget_release(struct budget *b)
{
	free(b->entries);
	b->entries = NULL;
}

static uint64_t full(const struct budget_rule *r)
{
	return (uint64_t)r->most * UNIT;
}

/* What it would hold now. A clock that went back gives nothing. */
static uint64_t level_at(const struct budget_entry *e, const struct budget_rule *r, uint64_t now_ms)
{
	uint64_t age = now_ms > e->at_ms ? now_ms - e->at_ms : 0;
	uint64_t per = r->per_ms ? r->per_ms : 1;

	if (age >= per || e->level >= full(r))
		return full(r);
	/* In two parts, so that nothing overflows. */
	uint64_t part = r->most * age;
	uint64_t level = e->level + part / per * UNIT + part % per * UNIT / per;
	return level < full(r) ? level : full(r);
}

static bool take(struct budget_entry *e, const struct budget_rule *r, uint32_t gain, uint32_t cost,
		 uint64_t now_ms)
{
	uint64_t level = level_at(e, r, now_ms) + (uint64_t)gain * UNIT;
	uint64_t want = (uint64_t)cost * UNIT;
	bool enough = level >= want;

	/* Who asks and asks does not lose what fills in less than a thousandth at a time. */
	if (!enough && gain == 0)
		return false;
	/* What came with the request may pay for its answer even where it does not fit into the bucket. */
	level = enough ? level - want : level;
	e->level = level < full(r) ? level : full(r);
	e->at_ms = now_ms;
	return enough;
}

static uint64_t hash_of(const struct budget *b, const struct addr *a)
{
	uint8_t key[KEY_LEN] = {a->family};

	memcpy(key + 1, a->ip, a->family == ADDR_IP6 ? 8 : 4);
	uint64_t h = siphash(&b->key, key, sizeof(key));
	return h ? h : 1;
}

/* Its entry, or the one of its set that has least to remember, made its own. */
static struct budget_entry *entry_of(struct budget *b, const struct budget_rule *r, uint64_t source,
				     uint64_t now_ms)
{
	struct budget_entry *set = &b->entries[source % BUDGET_SETS * BUDGET_WAYS];
	struct budget_entry *oldest = &set[0];

	for (unsigned i = 0; i < BUDGET_WAYS; i++) {
		struct budget_entry *e = &set[i];
		if (e->source == source)
			return e;
		if (oldest->source != 0 &&
		    (e->source == 0 || level_at(e, r, now_ms) > level_at(oldest, r, now_ms)))
			oldest = e;
	}
	*oldest = (struct budget_entry){.source = source, .at_ms = now_ms, .level = full(r)};
	return oldest;
}

bool budget_take(struct budget *b, const struct budget_rule *r, const struct addr *source,
		 uint32_t gain, uint32_t cost, uint64_t now_ms)
{
	CHECK(b->entries);
	if (r->most == 0)
		return true;
	return take(entry_of(b, r, hash_of(b, source), now_ms), r, gain, cost, now_ms);
}

bool budget_take_one(struct budget_one *b, const struct budget_rule *r, uint32_t cost,
		     uint64_t now_ms)
{
	if (r->most == 0)
		return true;
	if (!b->begun)
		*b = (struct budget_one){.begun = true,
					 .entry = {.at_ms = now_ms, .level = full(r)}};
	return take(&b->entry, r, 0, cost, now_ms);
}
