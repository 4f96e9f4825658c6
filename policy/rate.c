#include "policy/rate.h"

#include "common/lines.h"

enum { NS_IN_MS = 1000 * 1000 };

static uint64_t interval(const struct rate_rule *r)
{
	const uint64_t per = (uint64_t)(r->per_ms ? r->per_ms : 1) * NS_IN_MS;
	const uint64_t t = per / r->count;

	return t ? t : 1;
}

static uint32_t burst_of(const struct rate_rule *r)
{
	return r->burst ? r->burst : r->count;
}

bool rate_take(struct rate *s, const struct rate_rule *r, uint32_t n, uint64_t now_ns,
	       uint64_t *out_wait_ns)
{
	CHECK(s && r);
	if (out_wait_ns)
		*out_wait_ns = 0;
	if (r->count == 0 || n == 0)
		return true;
	const uint64_t each = interval(r);
	const uint64_t room = each * burst_of(r), want = each * n;
	const uint64_t from = s->due_ns > now_ns ? s->due_ns : now_ns;

	if (want <= room && from - now_ns <= room - want) {
		s->due_ns = from + want;
		return true;
	}
	if (out_wait_ns)
		*out_wait_ns = want > room ? UINT64_MAX : from - now_ns - (room - want);
	return false;
}

uint32_t rate_left(const struct rate *s, const struct rate_rule *r, uint64_t now_ns)
{
	CHECK(s && r);
	if (r->count == 0)
		return UINT32_MAX;
	const uint64_t each = interval(r), room = each * burst_of(r);
	const uint64_t used = s->due_ns > now_ns ? s->due_ns - now_ns : 0;

	return used >= room ? 0 : (uint32_t)((room - used) / each);
}

/* ---- of many */

enum err rate_table_init(struct rate_table *t, size_t most, const struct siphash_key *secret)
{
	CHECK(t && secret && most > 0);
	*t = (struct rate_table){.secret = *secret, .sets = 1};
	while (t->sets * RATE_WAYS < most)
		t->sets *= 2;
	t->entries = lines_new(t->sets * RATE_WAYS, sizeof(*t->entries));
	return t->entries ? OK : ERR_NOMEM;
}

void rate_table_release(struct rate_table *t)
{
	lines_free(t->entries);
	*t = (struct rate_table){.sets = 0};
}

uint64_t rate_table_hash(const struct rate_table *t, uint32_t rule, struct str key)
{
	/* Rules share a key's hash: their own bits move them apart. */
	return (siphash(&t->secret, key.p, key.len) ^ (rule + 1) * 0x9e3779b97f4a7c15u) | 1;
}

static struct rate_entry *set_of(const struct rate_table *t, uint64_t hash)
{
	CHECK(t && t->entries && hash);
	return &t->entries[(hash >> 1 & (t->sets - 1)) * RATE_WAYS];
}

void rate_table_prefetch(const struct rate_table *t, uint64_t hash)
{
	__builtin_prefetch(set_of(t, hash));
}

struct rate rate_table_peek_hash(const struct rate_table *t, uint64_t hash, uint64_t now_ns)
{
	const struct rate_entry *set = set_of(t, hash);

	for (unsigned i = 0; i < RATE_WAYS; i++)
		if (set[i].key == hash)
			return set[i].rate;
	return (struct rate){.due_ns = now_ns};
}

struct rate rate_table_peek(const struct rate_table *t, uint32_t rule, struct str key,
			    uint64_t now_ns)
{
	return rate_table_peek_hash(t, rate_table_hash(t, rule, key), now_ns);
}

struct rate *rate_table_find_hash(struct rate_table *t, uint64_t hash, uint64_t now_ns)
{
	struct rate_entry *set = set_of(t, hash), *least = set;

	for (unsigned i = 0; i < RATE_WAYS; i++) {
		if (set[i].key == hash)
			return &set[i].rate;
		if (least->key && (!set[i].key || set[i].rate.due_ns < least->rate.due_ns))
			least = &set[i];
	}
	*least = (struct rate_entry){.key = hash, .rate = {.due_ns = now_ns}};
	return &least->rate;
}

struct rate *rate_table_find(struct rate_table *t, uint32_t rule, struct str key, uint64_t now_ns)
{
	return rate_table_find_hash(t, rate_table_hash(t, rule, key), now_ns);
}
