#include "policy/window.h"

#include <string.h>

#include "common/lines.h"

enum err window_init(struct window_table *t, size_t most, uint64_t span_ms,
		     const struct siphash_key *secret)
{
	CHECK(t && secret && most > 0 && span_ms > 0);
	*t = (struct window_table){.secret = *secret, .sets = 1};
	/* The newest slice has only begun: the fifteen before it are the whole span. */
	t->slice_ms = (span_ms + WINDOW_SLICES - 2) / (WINDOW_SLICES - 1);
	while (t->sets * WINDOW_WAYS < most)
		t->sets *= 2;
	t->heads = lines_new(t->sets, sizeof(*t->heads));
	t->sums = lines_new(t->sets * WINDOW_WAYS, sizeof(*t->sums));
	if (t->heads && t->sums)
		return OK;
	window_release(t);
	return ERR_NOMEM;
}

void window_release(struct window_table *t)
{
	lines_free(t->heads);
	lines_free(t->sums);
	*t = (struct window_table){.sets = 0};
}

/* One key's place. */
struct place {
	uint64_t *key, *slice;
	struct window_sums *sums;
};

static size_t set_of(const struct window_table *t, uint64_t hash)
{
	return (size_t)(hash >> 1 & (t->sets - 1));
}

static struct place place_at(const struct window_table *t, size_t set, unsigned way)
{
	return (struct place){&t->heads[set].keys[way], &t->heads[set].slices[way],
			      &t->sums[set * WINDOW_WAYS + way]};
}

static bool find(const struct window_table *t, uint64_t hash, struct place *out)
{
	const size_t set = set_of(t, hash);

	for (unsigned i = 0; i < WINDOW_WAYS; i++)
		if (t->heads[set].keys[i] == hash) {
			*out = place_at(t, set, i);
			return true;
		}
	return false;
}

/* Slices that still count at `slice`; a clock that went back changes nothing. What has passed is zero already. */
static uint64_t sum_at(const struct place *p, uint64_t slice)
{
	const uint64_t gone = slice > *p->slice ? slice - *p->slice : 0;
	uint64_t sum = 0;

	if (gone >= WINDOW_SLICES)
		return 0;
	for (unsigned i = 0; i < WINDOW_SLICES; i++)
		sum += p->sums->of[i];
	for (uint64_t at = *p->slice + 1; at <= *p->slice + gone; at++)
		sum -= p->sums->of[at % WINDOW_SLICES];
	return sum;
}

static void advance(const struct place *p, uint64_t slice)
{
	if (slice <= *p->slice)
		return;
	if (slice - *p->slice >= WINDOW_SLICES)
		memset(p->sums, 0, sizeof(*p->sums));
	else
		for (uint64_t at = *p->slice + 1; at <= slice; at++)
			p->sums->of[at % WINDOW_SLICES] = 0;
	*p->slice = slice;
}

static uint64_t hash_of(const struct window_table *t, struct str key)
{
	return siphash(&t->secret, key.p, key.len) | 1;
}

/* The least of the set makes room. */
static struct place take_place(struct window_table *t, uint64_t hash, uint64_t slice)
{
	const size_t set = set_of(t, hash);
	struct place least = place_at(t, set, 0);
	uint64_t least_sum = UINT64_MAX;

	for (unsigned i = 0; i < WINDOW_WAYS; i++) {
		const struct place p = place_at(t, set, i);
		const uint64_t sum = *p.key ? sum_at(&p, slice) : 0;
		if (sum < least_sum) {
			least_sum = sum;
			least = p;
		}
	}
	*least.key = hash;
	*least.slice = slice;
	*least.sums = (struct window_sums){.of = {0}};
	return least;
}

void window_prefetch(const struct window_table *t, uint64_t hash)
{
	__builtin_prefetch(&t->heads[set_of(t, hash)]);
}

void window_prefetch_sums(const struct window_table *t, uint64_t hash)
{
	struct place p;

	if (find(t, hash, &p))
		__builtin_prefetch(p.sums);
}

uint64_t window_take(struct window_table *t, uint64_t hash, uint32_t amount, uint64_t most,
		     uint64_t now_ms, uint64_t *out_before)
{
	CHECK(t && t->sums && hash && out_before);
	const uint64_t slice = now_ms / t->slice_ms;
	struct place p;
	const bool known = find(t, hash, &p);

	*out_before = known ? sum_at(&p, slice) : 0;
	if (*out_before > most)
		return *out_before;
	if (!known)
		p = take_place(t, hash, slice);
	advance(&p, slice);
	uint32_t *now = &p.sums->of[*p.slice % WINDOW_SLICES];
	const uint32_t room = UINT32_MAX - *now;
	*now = amount > room ? UINT32_MAX : *now + amount;
	return *out_before + (amount > room ? room : amount);
}

uint64_t window_add(struct window_table *t, struct str key, uint32_t amount, uint64_t now_ms)
{
	CHECK(t && t->sums);
	uint64_t before;

	return window_take(t, hash_of(t, key), amount, UINT64_MAX, now_ms, &before);
}

uint64_t window_sum_of(const struct window_table *t, uint64_t hash, uint64_t now_ms)
{
	CHECK(t && t->sums);
	struct place p;

	return find(t, hash, &p) ? sum_at(&p, now_ms / t->slice_ms) : 0;
}

uint64_t window_sum(const struct window_table *t, struct str key, uint64_t now_ms)
{
	CHECK(t && t->sums);
	return window_sum_of(t, hash_of(t, key), now_ms);
}

void window_forget(struct window_table *t, uint64_t hash)
{
	struct place p;

	if (find(t, hash, &p))
		*p.key = 0;
}

size_t window_bytes(size_t most)
{
	size_t sets = 1;

	while (sets * WINDOW_WAYS < most)
		sets *= 2;
	return sets * (sizeof(struct window_set) + WINDOW_WAYS * sizeof(struct window_sums));
}
