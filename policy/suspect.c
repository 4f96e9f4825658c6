#include "policy/suspect.h"

#include <stdlib.h>

enum { NS_IN_MS = 1000 * 1000, USER_BITS = 64 };

enum err suspects_init(struct suspects *t, const struct siphash_key *secret)
{
	CHECK(t && secret);
	t->secret = *secret;
	t->entries = calloc((size_t)SUSPECT_SETS * SUSPECT_WAYS, sizeof(*t->entries));
	return t->entries ? OK : ERR_NOMEM;
}

void suspects_release(struct suspects *t)
{
	free(t->entries);
	t->entries = NULL;
}

uint64_t suspects_hash(const struct suspects *t, struct str text)
{
	const uint64_t h = siphash(&t->secret, text.p, text.len);

	return h ? h : 1;
}

bool suspect_is_spared(const struct suspect *e, uint64_t now_ms)
{
	return e->spared_until_ms > now_ms;
}

/* What would be lost with it. */
static uint64_t weight(const struct suspect *e, uint64_t now_ms)
{
	const uint64_t due =
		e->claimed.due_ns > e->proven.due_ns ? e->claimed.due_ns : e->proven.due_ns;

	if (suspect_is_spared(e, now_ms))
		return UINT64_MAX / 2 + e->spared_until_ms;
	return e->key == 0 ? 0 : 1 + due / 2;
}

struct suspect *suspects_find(struct suspects *t, const struct addr *source, uint64_t now_ms)
{
	CHECK(t && t->entries && source);
	const size_t len = source->family == ADDR_IP6 ? 16 : 4;
	const uint64_t key = suspects_hash(t, (struct str){(const char *)source->ip, len});
	struct suspect *set = &t->entries[key % SUSPECT_SETS * SUSPECT_WAYS], *least = set;

	for (unsigned i = 0; i < SUSPECT_WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (weight(&set[i], now_ms) < weight(least, now_ms))
			least = &set[i];
	}
	*least = (struct suspect){.key = key};
	return least;
}

static bool strike(struct rate *r, const struct rate_rule *most, uint64_t now_ms)
{
	return !rate_take(r, most, 1, now_ms * NS_IN_MS, NULL);
}

bool suspect_claims(struct suspect *e, const struct rate_rule *most, uint64_t request,
		    uint64_t now_ms)
{
	if (e->last == request)
		return false;
	e->last = request;
	return strike(&e->claimed, most, now_ms);
}

bool suspect_names(struct suspect *e, const struct rate_rule *most, uint64_t user, uint64_t now_ms)
{
	const uint64_t bit = 1ull << user % USER_BITS;

	if (e->claimed.due_ns <= now_ms * NS_IN_MS) /* long ago */
		e->users = 0;
	/* Who has spoken of half of all is no phone that asks for the same user again. */
	if (e->users & bit && __builtin_popcountll(e->users) < USER_BITS / 2)
		return false;
	e->users |= bit;
	return strike(&e->claimed, most, now_ms);
}

bool suspect_proves(struct suspect *e, const struct rate_rule *most, uint64_t now_ms)
{
	const struct rate_rule half = {most->count / 2 + 1, most->per_ms, 0};

	return strike(&e->proven, &half, now_ms);
}
