#include "policy/fraud_count.h"

#include <string.h>

#include "common/lines.h"

static const struct {
	enum fraud_kind kind;
	enum fraud_moment moment;
	const char *word;
} measures[FRAUD_MEASURE_COUNT] = {[FRAUD_NOTHING] = {FRAUD_KIND_NONE, FRAUD_AT_NONE, "nothing"},
#define X(name, kind, moment, key, word)                                                           \
	[FRAUD_##name] = {FRAUD_KIND_##kind, FRAUD_AT_##moment, word},
				   FRAUD_MEASURE_TABLE(X)
#undef X
};

enum fraud_kind fraud_kind(enum fraud_measure m)
{
	return measures[m].kind;
}

enum fraud_moment fraud_moment(enum fraud_measure m)
{
	return measures[m].moment;
}

const char *fraud_measure_word(enum fraud_measure m)
{
	return (unsigned)m < FRAUD_MEASURE_COUNT ? measures[m].word : "unknown";
}

static size_t trail_sets(size_t keys)
{
	size_t sets = 1;

	while (sets * TRAIL_WAYS < keys)
		sets *= 2;
	return sets;
}

size_t fraud_rule_bytes(const struct fraud_rule *r)
{
	switch (fraud_kind(r->measure)) {
	case FRAUD_KIND_NONE: return 0;
	case FRAUD_KIND_SUM: return window_bytes(r->keys);
	case FRAUD_KIND_DISTINCT: return distinct_bytes(r->keys, (uint32_t)r->over + 1);
	case FRAUD_KIND_STEPS:
		return window_bytes(r->keys) +
		       trail_sets(r->keys) *
			       (sizeof(struct trail_set) + TRAIL_WAYS * sizeof(struct trail));
	}
	return 0;
}

enum err fraud_count_init(struct fraud_count *k, const struct fraud_rule *r,
			  const struct siphash_key *secret)
{
	CHECK(k && r && secret && r->keys && r->span_ms && r->measure != FRAUD_NOTHING);
	const enum fraud_kind kind = fraud_kind(r->measure);
	struct str name = r->name;
	enum err e;

	*k = (struct fraud_count){.measure = r->measure,
				  .kind = kind,
				  .by = r->by,
				  .digits = r->digits,
				  .keys = r->keys,
				  .over = r->over,
				  .span_ms = r->span_ms};
	name.len = name.len < sizeof(k->name) ? name.len : sizeof(k->name) - 1;
	memcpy(k->name, name.p ? name.p : "", name.len);
	if (kind == FRAUD_KIND_DISTINCT)
		e = distinct_init(&k->distinct, r->keys, (uint32_t)r->over + 1, r->span_ms);
	else
		e = window_init(&k->window, r->keys, r->span_ms, secret);
	if (e == OK && kind == FRAUD_KIND_STEPS) {
		k->trail_sets = trail_sets(r->keys);
		k->trail_heads = lines_new(k->trail_sets, sizeof(*k->trail_heads));
		k->trails = lines_new(k->trail_sets * TRAIL_WAYS, sizeof(*k->trails));
		e = k->trail_heads && k->trails ? OK : ERR_NOMEM;
	}
	if (e != OK)
		fraud_count_release(k);
	return e;
}

void fraud_count_release(struct fraud_count *k)
{
	window_release(&k->window);
	distinct_release(&k->distinct);
	lines_free(k->trail_heads);
	lines_free(k->trails);
	*k = (struct fraud_count){.measure = FRAUD_NOTHING};
}

bool fraud_count_fits(const struct fraud_count *k, const struct fraud_rule *r)
{
	const bool sized = fraud_kind(r->measure) == FRAUD_KIND_DISTINCT;
	struct str name = r->name;

	name.len = name.len < sizeof(k->name) ? name.len : sizeof(k->name) - 1;
	return k->measure == r->measure && k->by == r->by && k->digits == r->digits &&
	       k->keys == r->keys && k->span_ms == r->span_ms && (!sized || k->over == r->over) &&
	       str_eq(str_from(k->name), name);
}

/* ---- numbers in steps */

static size_t trail_set(const struct fraud_count *k, uint64_t key)
{
	return (size_t)(key >> 1 & (k->trail_sets - 1));
}

/* The way of the set; TRAIL_WAYS: it is not there. */
static unsigned trail_find(const struct fraud_count *k, uint64_t key)
{
	const struct trail_set *h = &k->trail_heads[trail_set(k, key)];
	unsigned way = 0;

	while (way < TRAIL_WAYS && h->keys[way] != key)
		way++;
	return way;
}

static struct trail *trail_of(const struct fraud_count *k, uint64_t key, unsigned way)
{
	return &k->trails[trail_set(k, key) * TRAIL_WAYS + way];
}

static bool is_step(const struct fraud_count *k, uint64_t key, uint64_t number)
{
	const unsigned way = trail_find(k, key);

	if (way == TRAIL_WAYS)
		return false;
	const struct trail *t = trail_of(k, key, way);
	for (unsigned i = 0; i < TRAIL_LAST; i++) {
		const uint64_t other = t->last[i];
		const uint64_t apart = other > number ? other - number : number - other;
		if (other && apart && apart <= FRAUD_STEP_MAX)
			return true;
	}
	return false;
}

/* Whoever has dialled nothing for the longest makes room. */
static unsigned trail_take(struct fraud_count *k, uint64_t key)
{
	struct trail_set *h = &k->trail_heads[trail_set(k, key)];
	unsigned way = trail_find(k, key);

	if (way < TRAIL_WAYS)
		return way;
	way = 0;
	for (unsigned i = 1; i < TRAIL_WAYS; i++)
		if (h->at_ms[i] < h->at_ms[way])
			way = i;
	h->keys[way] = key;
	*trail_of(k, key, way) = (struct trail){.last = {0}};
	return way;
}

static void trail_note(struct fraud_count *k, const struct fraud_more *m)
{
	const unsigned way = trail_take(k, m->subject);
	uint64_t *last = trail_of(k, m->subject, way)->last;

	k->trail_heads[trail_set(k, m->subject)].at_ms[way] = m->now_ms;
	for (unsigned i = 0; i < TRAIL_LAST; i++)
		if (last[i] == m->thing)
			return;
	memmove(last + 1, last, (TRAIL_LAST - 1) * sizeof(*last));
	last[0] = m->thing;
}

/* ---- counting */

static struct fraud_sum add_amount(struct fraud_count *k, const struct fraud_more *m)
{
	struct fraud_sum s;

	s.now = window_take(&k->window, m->subject, m->amount, m->most, m->now_ms, &s.before);
	return s;
}

static struct fraud_sum peek_amount(const struct fraud_count *k, const struct fraud_more *m)
{
	const uint64_t sum = window_sum_of(&k->window, m->subject, m->now_ms);

	return (struct fraud_sum){sum, sum > m->most ? sum : sum + m->amount};
}

static struct fraud_sum peek_thing(const struct fraud_count *k, const struct fraud_more *m)
{
	uint32_t before;
	const uint32_t now =
		distinct_peek(&k->distinct, m->subject, (uint32_t)m->thing, m->now_ms, &before);

	return (struct fraud_sum){before, before > m->most ? before : now};
}

static struct fraud_sum add_thing(struct fraud_count *k, const struct fraud_more *m)
{
	uint32_t before;
	const uint32_t now = distinct_add(&k->distinct, m->subject, (uint32_t)m->thing, m->most,
					  m->now_ms, &before);

	return (struct fraud_sum){before, now};
}

struct fraud_sum fraud_count_add(struct fraud_count *k, const struct fraud_more *m)
{
	CHECK(k && m && m->subject);
	struct fraud_sum s = {0, 0};

	switch (k->kind) {
	case FRAUD_KIND_NONE: break;
	case FRAUD_KIND_SUM: s = add_amount(k, m); break;
	case FRAUD_KIND_DISTINCT: s = add_thing(k, m); break;
	case FRAUD_KIND_STEPS:
		s = is_step(k, m->subject, m->thing) ? add_amount(k, m) : fraud_count_peek(k, m);
		trail_note(k, m);
		break;
	}
	return s;
}

struct fraud_sum fraud_count_peek(const struct fraud_count *k, const struct fraud_more *m)
{
	CHECK(k && m && m->subject);
	struct fraud_sum s = {0, 0};

	switch (k->kind) {
	case FRAUD_KIND_NONE: break;
	case FRAUD_KIND_SUM: s = peek_amount(k, m); break;
	case FRAUD_KIND_DISTINCT: s = peek_thing(k, m); break;
	case FRAUD_KIND_STEPS:
		s = peek_amount(k, m);
		if (!is_step(k, m->subject, m->thing))
			s.now = s.before;
		break;
	}
	return s;
}

uint64_t fraud_count_now(const struct fraud_count *k, uint64_t subject, uint64_t now_ms)
{
	CHECK(k && subject);
	return k->kind == FRAUD_KIND_DISTINCT ? distinct_count(&k->distinct, subject, now_ms)
					      : window_sum_of(&k->window, subject, now_ms);
}

void fraud_count_prefetch(const struct fraud_count *k, uint64_t subject)
{
	if (k->kind == FRAUD_KIND_DISTINCT)
		distinct_prefetch(&k->distinct, subject);
	else
		window_prefetch(&k->window, subject);
	if (k->kind == FRAUD_KIND_STEPS)
		__builtin_prefetch(&k->trail_heads[trail_set(k, subject)]);
}

void fraud_count_prefetch_sum(const struct fraud_count *k, uint64_t subject)
{
	if (k->kind == FRAUD_KIND_DISTINCT)
		distinct_prefetch_things(&k->distinct, subject);
	else
		window_prefetch_sums(&k->window, subject);
	if (k->kind == FRAUD_KIND_STEPS && trail_find(k, subject) < TRAIL_WAYS)
		__builtin_prefetch(trail_of(k, subject, trail_find(k, subject)));
}

void fraud_count_forget(struct fraud_count *k, uint64_t subject)
{
	CHECK(k && subject);
	if (k->kind == FRAUD_KIND_DISTINCT)
		distinct_forget(&k->distinct, subject);
	else
		window_forget(&k->window, subject);
	const unsigned way =
		k->kind == FRAUD_KIND_STEPS ? trail_find(k, subject) : (unsigned)TRAIL_WAYS;
	if (way < TRAIL_WAYS) {
		k->trail_heads[trail_set(k, subject)].keys[way] = 0;
		k->trail_heads[trail_set(k, subject)].at_ms[way] = 0;
	}
}
