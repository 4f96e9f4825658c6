#include "policy/window.h"

#include <stdlib.h>
#include <string.h>

enum err window_init(struct window_table *t, size_t most, uint64_t span_ms,
		     const struct siphash_key *secret)
{
	CHECK(t && secret && most > 0 && span_ms > 0);
	*t = (struct window_table){.secret = *secret, .sets = 1};
	/* The newest slice has only begun: the fifteen before it are the whole span. */
	t->slice_ms = (span_ms + WINDOW_SLICES - 2) / (WINDOW_SLICES - 1);
	while (t->sets * WINDOW_WAYS < most)
		t->sets *= 2;
	t->entries = calloc(t->sets * WINDOW_WAYS, sizeof(*t->entries));
	return t->entries ? OK : ERR_NOMEM;
}

void window_release(struct window_table *t)
{
	free(t->entries);
	*t = (struct window_table){.sets = 0};
}

/* Slices of e that still count at `slice`; a clock that went back changes nothing. */
static uint64_t sum_at(const struct window_entry *e, uint64_t slice)
{
	const uint64_t gone = slice > e->slice ? slice - e->slice : 0;
	uint64_t sum = 0;

	for (uint64_t back = 0; back + gone < WINDOW_SLICES && back <= e->slice; back++)
		sum += e->sums[(e->slice - back) % WINDOW_SLICES];
	return sum;
}

static void advance(struct window_entry *e, uint64_t slice)
{
	if (slice <= e->slice)
		return;
	if (slice - e->slice >= WINDOW_SLICES)
		memset(e->sums, 0, sizeof(e->sums));
	else
		for (uint64_t at = e->slice + 1; at <= slice; at++)
			e->sums[at % WINDOW_SLICES] = 0;
	e->slice = slice;
}

static struct window_entry *set_of(const struct window_table *t, struct str key, uint64_t *out_hash)
{
	*out_hash = siphash(&t->secret, key.p, key.len) | 1;
	return &t->entries[(*out_hash >> 1 & (t->sets - 1)) * WINDOW_WAYS];
}

uint64_t window_add(struct window_table *t, struct str key, uint32_t amount, uint64_t now_ms)
{
	CHECK(t && t->entries);
	const uint64_t slice = now_ms / t->slice_ms;
	uint64_t hash, least_sum = UINT64_MAX;
	struct window_entry *set = set_of(t, key, &hash), *e = NULL, *least = set;

	for (unsigned i = 0; i < WINDOW_WAYS && !e; i++) {
		const uint64_t sum = set[i].key ? sum_at(&set[i], slice) : 0;
		if (set[i].key == hash)
			e = &set[i];
		if (sum < least_sum) {
			least_sum = sum;
			least = &set[i];
		}
	}
	if (!e) {
		e = least;
		*e = (struct window_entry){.key = hash, .slice = slice};
	}
	advance(e, slice);
	uint32_t *now = &e->sums[e->slice % WINDOW_SLICES];
	*now = amount > UINT32_MAX - *now ? UINT32_MAX : *now + amount;
	return sum_at(e, slice);
}

uint64_t window_sum(const struct window_table *t, struct str key, uint64_t now_ms)
{
	CHECK(t && t->entries);
	uint64_t hash;
	const struct window_entry *set = set_of(t, key, &hash);

	for (unsigned i = 0; i < WINDOW_WAYS; i++)
		if (set[i].key == hash)
			return sum_at(&set[i], now_ms / t->slice_ms);
	return 0;
}
