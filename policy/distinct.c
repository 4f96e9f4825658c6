#include "policy/distinct.h"

#include <stdlib.h>

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
	return sets_for(keys) * DISTINCT_WAYS *
	       (sizeof(struct distinct_entry) + 2 * sizeof(uint32_t) * most);
}

enum err distinct_init(struct distinct_table *t, size_t keys, uint32_t most, uint64_t span_ms)
{
	CHECK(t && keys > 0 && most > 0 && most <= DISTINCT_MOST + 1 && span_ms > 0);
	const size_t n = sets_for(keys) * DISTINCT_WAYS;

	*t = (struct distinct_table){.sets = sets_for(keys), .most = most};
	t->unit_ms = span_ms > UNITS ? (span_ms + UNITS - 1) / UNITS : 1;
	t->span = (uint32_t)((span_ms + t->unit_ms - 1) / t->unit_ms);
	t->entries = calloc(n, sizeof(*t->entries));
	t->things = calloc(n * most, sizeof(*t->things));
	t->times = calloc(n * most, sizeof(*t->times));
	if (t->entries && t->things && t->times)
		return OK;
	distinct_release(t);
	return ERR_NOMEM;
}

void distinct_release(struct distinct_table *t)
{
	free(t->entries);
	free(t->things);
	free(t->times);
	*t = (struct distinct_table){.sets = 0};
}

static uint32_t units(const struct distinct_table *t, uint64_t now_ms)
{
	return (uint32_t)(now_ms / t->unit_ms);
}

/* Differences are taken modulo 2^32: a clock that steps back a little makes nothing old. */
static bool is_old(const struct distinct_table *t, uint32_t at, uint32_t now)
{
	const int32_t age = (int32_t)(now - at);

	return age > 0 && (uint32_t)age > t->span;
}

static size_t first_of(const struct distinct_table *t, uint64_t key)
{
	return (size_t)(key >> 1 & (t->sets - 1)) * DISTINCT_WAYS;
}

/* The place of a subject; SIZE_MAX: it has none. */
static size_t find(const struct distinct_table *t, uint64_t key)
{
	const size_t first = first_of(t, key);

	for (size_t i = first; i < first + DISTINCT_WAYS; i++)
		if (t->entries[i].key == key)
			return i;
	return SIZE_MAX;
}

static size_t take(struct distinct_table *t, uint64_t key)
{
	const size_t first = first_of(t, key);
	size_t least = first, at = find(t, key);

	if (at != SIZE_MAX)
		return at;
	for (size_t i = first; i < first + DISTINCT_WAYS; i++)
		if (t->entries[i].used < t->entries[least].used || !t->entries[i].key)
			least = i;
	t->entries[least] = (struct distinct_entry){.key = key};
	return least;
}

struct look {
	uint32_t live, oldest, found; /* `most`: not there */
};

static struct look look(const struct distinct_table *t, size_t at, uint32_t thing, uint32_t now)
{
	const uint32_t *things = &t->things[at * t->most], *times = &t->times[at * t->most];
	struct look l = {.found = t->most};
	uint32_t age = 0;

	for (uint32_t i = 0; i < t->entries[at].used; i++) {
		if (is_old(t, times[i], now))
			continue;
		l.live++;
		if (things[i] == thing)
			l.found = i;
		if (now - times[i] >= age && (int32_t)(now - times[i]) >= 0) {
			age = now - times[i];
			l.oldest = i;
		}
	}
	return l;
}

/* What is old goes, and what is left is looked over in the same pass. */
static struct look settle(struct distinct_table *t, size_t at, uint32_t thing, uint32_t now)
{
	uint32_t *things = &t->things[at * t->most], *times = &t->times[at * t->most];
	struct look l = {.found = t->most};
	int32_t oldest = INT32_MIN;

	for (uint32_t i = 0; i < t->entries[at].used; i++) {
		const uint32_t time = times[i], is = things[i];
		const int32_t age = (int32_t)(now - time);
		if (age > 0 && (uint32_t)age > t->span)
			continue;
		things[l.live] = is;
		times[l.live] = time;
		if (is == thing)
			l.found = l.live;
		if (age > oldest) {
			oldest = age;
			l.oldest = l.live;
		}
		l.live++;
	}
	t->entries[at].used = l.live;
	return l;
}

uint32_t distinct_add(struct distinct_table *t, uint64_t key, uint32_t thing, uint64_t most,
		      uint64_t now_ms, uint32_t *out_before)
{
	CHECK(t && t->entries && key && out_before);
	const uint32_t now = units(t, now_ms);
	const size_t at = take(t, key);
	struct distinct_entry *e = &t->entries[at];
	const struct look l = settle(t, at, thing, now);

	*out_before = l.live;
	if (l.live > most)
		return l.live;
	uint32_t i = l.found;
	if (i == t->most)
		i = e->used < t->most ? e->used++ : l.oldest;
	t->things[at * t->most + i] = thing;
	t->times[at * t->most + i] = now;
	return e->used;
}

uint32_t distinct_peek(const struct distinct_table *t, uint64_t key, uint32_t thing,
		       uint64_t now_ms, uint32_t *out_before)
{
	CHECK(t && t->entries && out_before);
	const size_t at = find(t, key);

	*out_before = 0;
	if (at == SIZE_MAX)
		return 1;
	const struct look l = look(t, at, thing, units(t, now_ms));
	*out_before = l.live;
	return l.live + (l.found == t->most && l.live < t->most);
}

uint32_t distinct_count(const struct distinct_table *t, uint64_t key, uint64_t now_ms)
{
	CHECK(t && t->entries);
	const size_t at = find(t, key);

	return at == SIZE_MAX ? 0 : look(t, at, 0, units(t, now_ms)).live;
}

void distinct_prefetch(const struct distinct_table *t, uint64_t key)
{
	const size_t first = first_of(t, key);

	__builtin_prefetch(&t->entries[first]);
	for (size_t i = first; i < first + DISTINCT_WAYS; i++) {
		__builtin_prefetch(&t->things[i * t->most]);
		__builtin_prefetch(&t->times[i * t->most]);
	}
}

void distinct_forget(struct distinct_table *t, uint64_t key)
{
	const size_t at = find(t, key);

	if (at != SIZE_MAX)
		t->entries[at] = (struct distinct_entry){.key = 0};
}
