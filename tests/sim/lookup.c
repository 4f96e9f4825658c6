#include "lookup.h"

#include <stdlib.h>

#include "common/check.h"

enum { LOOKUP_FIRST = 256 };

void lookup_release(struct lookup *l)
{
	free(l->slots);
	*l = (struct lookup){0};
}

void lookup_reset(struct lookup *l)
{
	l->count = 0;
	l->epoch++;
}

uint64_t lookup_hash(uint64_t so_far, struct str s)
{
	uint64_t h = so_far * 0x9e3779b97f4a7c15u + s.len + 1;
	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	return h ^ (h >> 32);
}

static struct lookup_slot *find(const struct lookup *l, uint64_t hash)
{
	size_t i = hash & (l->size - 1);
	while (l->slots[i].epoch == l->epoch && l->slots[i].hash != hash)
		i = (i + 1) & (l->size - 1);
	return &l->slots[i];
}

uint32_t lookup_get(const struct lookup *l, uint64_t hash)
{
	if (l->size == 0)
		return LOOKUP_NONE;
	const struct lookup_slot *s = find(l, hash);
	return s->epoch == l->epoch ? s->value : LOOKUP_NONE;
}

static void grow(struct lookup *l)
{
	struct lookup old = *l;
	l->size = old.size ? old.size * 2 : LOOKUP_FIRST;
	l->slots = calloc(l->size, sizeof(*l->slots));
	CHECK(l->slots != NULL);
	l->epoch = 1;
	l->count = 0;
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].epoch == old.epoch && old.slots[i].value != LOOKUP_NONE)
			lookup_put(l, old.slots[i].hash, old.slots[i].value);
	free(old.slots);
}

void lookup_put(struct lookup *l, uint64_t hash, uint32_t value)
{
	if (2 * (l->count + 1) > l->size)
		grow(l);
	struct lookup_slot *s = find(l, hash);
	if (s->epoch != l->epoch)
		l->count++;
	*s = (struct lookup_slot){hash, l->epoch, value};
}
