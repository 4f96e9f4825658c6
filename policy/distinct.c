#include "policy/distinct.h"

#include "common/lines.h"

enum { UNITS = 1000 };

static size_t sets_for(size_t keys)
{
	size_t sets = 1;

	while (sets * DISTINCT_WAYS < keys)
		sets *= 2;
	return sets;
}

size_t distinct_bytes(size_t keys, uint32_t most)
{
	return sets_for(keys) *
	       (sizeof(struct distinct_set) + DISTINCT_WAYS * sizeof(struct distinct_thing) * most);
}

enum err distinct_init(struct distinct_table *t, size_t keys, uint32_t most, uint64_t span_ms)
{
	CHECK(t && keys > 0 && most > 0 && most <= DISTINCT_MOST + 1 && span_ms > 0);
	const size_t sets = sets_for(keys);

	*t = (struct distinct_table){.sets = sets, .most = most};
	t->unit_ms = span_ms > UNITS ? (span_ms + UNITS - 1) / UNITS : 1;
	t->span = (uint32_t)((span_ms + t->unit_ms - 1) / t->unit_ms);
	t->heads = lines_new(sets, sizeof(*t->heads));
	t->things = lines_new(sets * DISTINCT_WAYS * most, sizeof(*t->things));
	if (t->heads && t->things)
		return OK;
	distinct_release(t);
	return ERR_NOMEM;
}

void distinct_release(struct distinct_table *t)
{
	lines_free(t->heads);
	lines_free(t->things);
	*t = (struct distinct_table){.sets = 0};
}

static uint32_t units(const struct distinct_table *t, uint64_t now_ms)
{
	return (uint32_t)(now_ms / t->unit_ms);
}

/* Differences are taken modulo 2^32: a clock that steps back a little makes nothing old. */
static bool is_old(const struct distinct_table *t, uint32_t at, uint32_t now)
{
	const uint32_t age = now - at;

	/* Farther ahead than the span is not a clock that stepped back, but one that has gone round. */
	return age > t->span && -age > t->span;
}

/* One subject's place. */
struct place {
	uint64_t *key, *used;
	struct distinct_thing *things;
};

static size_t set_of(const struct distinct_table *t, uint64_t key)
{
	return (size_t)(key >> 1 & (t->sets - 1));
}

static struct place place_at(const struct distinct_table *t, size_t set, unsigned way)
{
	return (struct place){&t->heads[set].keys[way], &t->heads[set].used[way],
			      &t->things[(set * DISTINCT_WAYS + way) * t->most]};
}

static bool find(const struct distinct_table *t, uint64_t key, struct place *out)
{
	const size_t set = set_of(t, key);

	for (unsigned i = 0; i < DISTINCT_WAYS; i++)
		if (t->heads[set].keys[i] == key) {
			*out = place_at(t, set, i);
			return true;
		}
	return false;
}

static struct place take(struct distinct_table *t, uint64_t key)
{
	const size_t set = set_of(t, key);
	const struct distinct_set *h = &t->heads[set];
	struct place p;
	unsigned least = 0;

	if (find(t, key, &p))
		return p;
	for (unsigned i = 0; i < DISTINCT_WAYS; i++)
		if (h->used[i] < h->used[least] || !h->keys[i])
			least = i;
	p = place_at(t, set, least);
	*p.key = key;
	*p.used = 0;
	return p;
}

struct look {
	uint32_t live, oldest, found; /* `most`: not there */
};

static struct look look(const struct distinct_table *t, const struct place *p, uint32_t thing,
			uint32_t now)
{
	struct look l = {.found = t->most};
	uint32_t age = 0;

	for (uint32_t i = 0; i < *p->used; i++) {
		const struct distinct_thing x = p->things[i];
		if (is_old(t, x.at, now))
			continue;
		l.live++;
		if (x.is == thing)
			l.found = i;
		if (now - x.at >= age && (int32_t)(now - x.at) >= 0) {
			age = now - x.at;
			l.oldest = i;
		}
	}
	return l;
}

/* What is old goes, and what is left is looked over in the same pass. */
static struct look settle(const struct distinct_table *t, const struct place *p, uint32_t thing,
			  uint32_t now)
{
	struct look l = {.found = t->most};
	int32_t oldest = INT32_MIN;

	for (uint32_t i = 0; i < *p->used; i++) {
		const struct distinct_thing x = p->things[i];
		const int32_t age = (int32_t)(now - x.at);
		if (is_old(t, x.at, now))
			continue;
		p->things[l.live] = x;
		if (x.is == thing)
			l.found = l.live;
		if (age > oldest) {
			oldest = age;
			l.oldest = l.live;
		}
		l.live++;
	}
	*p->used = l.live;
	return l;
}

uint32_t distinct_add(struct distinct_table *t, uint64_t key, uint32_t thing, uint64_t most,
		      uint64_t now_ms, uint32_t *out_before)
{
	CHECK(t && t->heads && key && out_before);
	const uint32_t now = units(t, now_ms);
	const struct place p = take(t, key);
	const struct look l = settle(t, &p, thing, now);

	*out_before = l.live;
	if (l.live > most)
		return l.live;
	uint32_t i = l.found;
	if (i == t->most)
		i = l.live < t->most ? l.live : l.oldest;
	if (i == l.live)
		*p.used = l.live + 1;
	p.things[i] = (struct distinct_thing){thing, now};
	return (uint32_t)*p.used;
}

uint32_t distinct_peek(const struct distinct_table *t, uint64_t key, uint32_t thing,
		       uint64_t now_ms, uint32_t *out_before)
{
	CHECK(t && t->heads && out_before);
	struct place p;

	*out_before = 0;
	if (!find(t, key, &p))
		return 1;
	const struct look l = look(t, &p, thing, units(t, now_ms));
	*out_before = l.live;
	return l.live + (l.found == t->most && l.live < t->most);
}

uint32_t distinct_count(const struct distinct_table *t, uint64_t key, uint64_t now_ms)
{
	CHECK(t && t->heads);
	struct place p;

	return find(t, key, &p) ? look(t, &p, 0, units(t, now_ms)).live : 0;
}

void distinct_prefetch(const struct distinct_table *t, uint64_t key)
{
	__builtin_prefetch(&t->heads[set_of(t, key)]);
}

void distinct_prefetch_things(const struct distinct_table *t, uint64_t key)
{
	struct place p;

	if (find(t, key, &p))
		__builtin_prefetch(p.things);
}

void distinct_forget(struct distinct_table *t, uint64_t key)
{
	struct place p;

	if (!find(t, key, &p))
		return;
	*p.key = 0;
	*p.used = 0;
}
