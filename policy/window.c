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
	t->keys = calloc(t->sets * WINDOW_WAYS, sizeof(*t->keys));
	t->entries = calloc(t->sets * WINDOW_WAYS, sizeof(*t->entries));
	if (t->keys && t->entries)
		return OK;
	window_release(t);
	return ERR_NOMEM;
}

void window_release(struct window_table *t)
{
	free(t->keys);
	free(t->entries);
	*t = (struct window_table){.sets = 0};
}

/* Slices of e that still count at `slice`; a clock that went back changes nothing. What has passed is zero already. */
static uint64_t sum_at(const struct window_entry *e, uint64_t slice)
{
	const uint64_t gone = slice > e->slice ? slice - e->slice : 0;
	uint64_t sum = 0;

	if (gone >= WINDOW_SLICES)
		return 0;
	for (unsigned i = 0; i < WINDOW_SLICES; i++)
		sum += e->sums[i];
	for (uint64_t at = e->slice + 1; at <= e->slice + gone; at++)
		sum -= e->sums[at % WINDOW_SLICES];
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

static uint64_t hash_of(const struct window_table *t, struct str key)
{
	return siphash(&t->secret, key.p, key.len) | 1;
}

static size_t set_of(const struct window_table *t, uint64_t hash)
{
	return (size_t)(hash >> 1 & (t->sets - 1)) * WINDOW_WAYS;
}

static struct window_entry *find(const struct window_table *t, uint64_t hash)
{
	const size_t set = set_of(t, hash);

	for (size_t i = set; i < set + WINDOW_WAYS; i++)
		if (t->keys[i] == hash)
			return &t->entries[i];
	return NULL;
}

/* The least of the set makes room. */
static struct window_entry *take_place(struct window_table *t, uint64_t hash, uint64_t slice)
{
	const size_t set = set_of(t, hash);
	size_t least = set;
	uint64_t least_sum = UINT64_MAX;

	for (size_t i = set; i < set + WINDOW_WAYS; i++) {
		const uint64_t sum = t->keys[i] ? sum_at(&t->entries[i], slice) : 0;
		if (sum < least_sum) {
			least_sum = sum;
			least = i;
		}
	}
	t->keys[least] = hash;
	t->entries[least] = (struct window_entry){.slice = slice};
	return &t->entries[least];
}

void window_prefetch(const struct window_table *t, uint64_t hash)
{
	const size_t set = set_of(t, hash);

	__builtin_prefetch(&t->keys[set]);
	for (size_t i = set; i < set + WINDOW_WAYS; i++)
		__builtin_prefetch(&t->entries[i]);
}

uint64_t window_take(struct window_table *t, uint64_t hash, uint32_t amount, uint64_t most,
		     uint64_t now_ms, uint64_t *out_before)
{
	CHECK(t && t->entries && hash && out_before);
	const uint64_t slice = now_ms / t->slice_ms;
	struct window_entry *e = find(t, hash);

	*out_before = e ? sum_at(e, slice) : 0;
	if (*out_before > most)
		return *out_before;
	if (!e)
		e = take_place(t, hash, slice);
	advance(e, slice);
	uint32_t *now = &e->sums[e->slice % WINDOW_SLICES];
	const uint32_t room = UINT32_MAX - *now;
	*now = amount > room ? UINT32_MAX : *now + amount;
	return *out_before + (amount > room ? room : amount);
}

uint64_t window_add(struct window_table *t, struct str key, uint32_t amount, uint64_t now_ms)
{
	CHECK(t && t->entries);
	uint64_t before;

	return window_take(t, hash_of(t, key), amount, UINT64_MAX, now_ms, &before);
}

uint64_t window_sum_of(const struct window_table *t, uint64_t hash, uint64_t now_ms)
{
	CHECK(t && t->entries);
	const struct window_entry *e = find(t, hash);

	return e ? sum_at(e, now_ms / t->slice_ms) : 0;
}

uint64_t window_sum(const struct window_table *t, struct str key, uint64_t now_ms)
{
	CHECK(t && t->entries);
	return window_sum_of(t, hash_of(t, key), now_ms);
}

void window_forget(struct window_table *t, uint64_t hash)
{
	const size_t set = set_of(t, hash);

	for (size_t i = set; i < set + WINDOW_WAYS; i++)
		if (t->keys[i] == hash)
			t->keys[i] = 0;
}

size_t window_bytes(size_t most)
{
	size_t sets = 1;

	while (sets * WINDOW_WAYS < most)
		sets *= 2;
	return sets * WINDOW_WAYS * (sizeof(uint64_t) + sizeof(struct window_entry));
}
