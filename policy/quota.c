#include "policy/quota.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"

enum { NS_IN_MS = 1000 * 1000, NS_IN_S = 1000 * NS_IN_MS, FULL_WAIT_S = 10, NAME_MAX = 512 };

enum err quotas_init(struct quotas *q, uint32_t calls, const struct siphash_key *secret)
{
	CHECK(q && secret && calls > 0);
	*q = (struct quotas){.size = 16};
	while (q->size < 2 * QUOTA_KIND_COUNT * (uint64_t)calls)
		q->size *= 2;
	q->entries = calloc(q->size, sizeof(*q->entries));
	return q->entries ? rate_table_init(&q->rates, QUOTA_RATES_MAX, secret) : ERR_NOMEM;
}

void quotas_release(struct quotas *q)
{
	free(q->entries);
	q->entries = NULL;
	rate_table_release(&q->rates);
}

/* ---- how many hold what */

static uint32_t home_of(const struct quotas *q, uint64_t key)
{
	return (uint32_t)(key >> 1) & (q->size - 1);
}

/* The place of that key, or the free one where it would stand. */
static uint32_t place_of(const struct quotas *q, uint64_t key)
{
	uint32_t at = home_of(q, key);

	while (q->entries[at].key && q->entries[at].key != key)
		at = (at + 1) & (q->size - 1);
	return at;
}

/* NULL: there is no room, which cannot be: each call holds QUOTA_KIND_COUNT at most. */
static struct quota_entry *get(struct quotas *q, uint64_t key)
{
	struct quota_entry *e = &q->entries[place_of(q, key)];

	if (e->key)
		return e;
	if (NEVER(q->used >= q->size / 2))
		return NULL;
	q->used++;
	*e = (struct quota_entry){.key = key};
	return e;
}

/* Those behind it that stood there for want of their place move up. */
static void del(struct quotas *q, uint32_t at)
{
	const uint32_t mask = q->size - 1;
	uint32_t hole = at;

	for (uint32_t i = (at + 1) & mask; q->entries[i].key; i = (i + 1) & mask) {
		const uint32_t home = home_of(q, q->entries[i].key);
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			q->entries[hole] = q->entries[i];
			hole = i;
		}
	}
	q->entries[hole] = (struct quota_entry){.key = 0};
	q->used--;
}

/* ---- who is asked about what */

static bool find_quota(const struct policy_config *c, const struct facts *f, enum quota_kind kind,
		       struct quota *out)
{
	const struct admission_rule *a = &c->realms[f->realm].admission;

	*out = (struct quota){
		.kind = kind, .rule = &a->calls[kind], .scope = a->name, .place = a->place};
	switch (kind) {
	case QUOTA_USER: out->name = f->user; break;
	case QUOTA_CALLER: out->name = f->caller; break;
	case QUOTA_DESTINATION: out->name = f->number; break;
	case QUOTA_GROUP:
		if (f->trunk >= c->trunk_count)
			return false;
		out->rule = &c->trunks[f->trunk].per_user;
		out->scope = c->trunks[f->trunk].name;
		out->place = c->trunks[f->trunk].place;
		out->name = f->user;
		break;
	case QUOTA_KIND_COUNT: return false;
	}
	/* Who is sent on or handed on was counted where the call came in; where it goes to is another matter. */
	if (f->cause != FACTS_DIALLED && kind != QUOTA_DESTINATION)
		return false;
	return out->name.len > 0 && (out->rule->sessions || out->rule->rate.count);
}

/* No two rules share a name. Its rate in the table of rates has the same key. */
static uint64_t key_of(const struct quotas *q, const struct quota *x)
{
	char mem[NAME_MAX];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	buf_str(&b, x->scope);
	buf_char(&b, '\n');
	buf_str(&b, x->name);
	return rate_table_hash(&q->rates, x->kind, (struct str){mem, b.len});
}

bool quota_asks(const struct policy_config *c, const struct facts *f)
{
	return c->node_calls.count || c->realms[f->realm].admission.has_calls ||
	       (f->trunk < c->trunk_count && c->trunks[f->trunk].per_user.rate.count);
}

/* ---- the question */

static struct verdict refuse(const struct facts *f, const struct rule_place *place,
			     const char *rule, uint64_t wait_s)
{
	const bool user = f->user.len > 0;

	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = VERDICT_STAGE_ADMISSION,
				.status = user ? 403 : 503,
				.reason = user ? STR("Forbidden") : STR_NONE,
				.retry_after_s = user ? 0 : (uint32_t)(wait_s + 1),
				.rule = str_from(rule),
				.file = place->file,
				.line = place->line};
}

static const char *const session_rules[QUOTA_KIND_COUNT] = {
	[QUOTA_USER] = "user-sessions",
	[QUOTA_CALLER] = "caller-sessions",
	[QUOTA_DESTINATION] = "destination-sessions",
	[QUOTA_GROUP] = "user-sessions",
};
static const char *const rate_rules[QUOTA_KIND_COUNT] = {
	[QUOTA_USER] = "user-rate",
	[QUOTA_CALLER] = "caller-rate",
	[QUOTA_DESTINATION] = "destination-rate",
	[QUOTA_GROUP] = "user-rate",
};

static struct verdict judge_one(const struct quotas *q, const struct facts *f,
				const struct quota *x)
{
	const uint64_t now_ns = f->now_ms * NS_IN_MS;
	uint64_t wait_ns;

	if (x->rule->sessions && q->entries[place_of(q, x->key)].live >= x->rule->sessions)
		return refuse(f, &x->place, session_rules[x->kind], FULL_WAIT_S - 1);
	if (x->rule->rate.count) {
		struct rate r = rate_table_peek_hash(&q->rates, x->key, now_ns);
		if (!rate_take(&r, &x->rule->rate, 1, now_ns, &wait_ns))
			return refuse(f, &x->place, rate_rules[x->kind], wait_ns / NS_IN_S);
	}
	return (struct verdict){.outcome = VERDICT_ALLOW,
				.stage = VERDICT_STAGE_ADMISSION,
				.rule = x->scope,
				.file = x->place.file,
				.line = x->place.line};
}

/* Their counts lie anywhere in memory: all are fetched before the first is waited for. */
static void find_quotas(const struct policy_config *c, const struct quotas *q,
			const struct facts *f, struct quotas_asked *out)
{
	for (unsigned k = 0; k < QUOTA_KIND_COUNT; k++) {
		struct quota *x = &out->list[out->count];
		if (!find_quota(c, f, (enum quota_kind)k, x))
			continue;
		x->key = key_of(q, x);
		if (x->rule->rate.count)
			rate_table_prefetch(&q->rates, x->key);
		if (x->rule->sessions)
			__builtin_prefetch(&q->entries[home_of(q, x->key)]);
		out->count++;
	}
}

struct verdict quota_judge(const struct policy_config *c, const struct quotas *q,
			   const struct facts *f, struct quotas_asked *out)
{
	CHECK(c && q && f && f->realm < c->realm_count && out);
	struct verdict v = {.outcome = VERDICT_ALLOW};
	struct rate node = q->node;
	uint64_t wait_ns;

	out->node = quota_asks(c, f);
	out->count = 0;
	if (!out->node)
		return v;
	if (!rate_take(&node, &c->node_calls, 1, f->now_ms * NS_IN_MS, &wait_ns))
		return refuse(f, &c->node_place, "node-rate", wait_ns / NS_IN_S);
	find_quotas(c, q, f, out);
	for (unsigned i = 0; i < out->count; i++) {
		v = judge_one(q, f, &out->list[i]);
		if (v.outcome != VERDICT_ALLOW)
			return v;
	}
	return v;
}

void quota_take(const struct policy_config *c, struct quotas *q, const struct quotas_asked *asked,
		uint64_t now_ms)
{
	const uint64_t now_ns = now_ms * NS_IN_MS;

	if (asked->node)
		(void)rate_take(&q->node, &c->node_calls, 1, now_ns, NULL);
	for (unsigned i = 0; i < asked->count; i++) {
		const struct quota *x = &asked->list[i];
		if (x->rule->rate.count)
			(void)rate_take(rate_table_find_hash(&q->rates, x->key, now_ns),
					&x->rule->rate, 1, now_ns, NULL);
	}
}

/* ---- what calls hold */

void quota_begin(const struct policy_config *c, struct quotas *q, const struct facts *f,
		 struct quota_held *out)
{
	struct quota x;

	*out = (struct quota_held){.keys = {0}};
	if (!quota_asks(c, f))
		return;
	for (unsigned k = 0; k < QUOTA_KIND_COUNT; k++) {
		if (!find_quota(c, f, (enum quota_kind)k, &x) || !x.rule->sessions)
			continue;
		const uint64_t key = key_of(q, &x);
		struct quota_entry *e = get(q, key);
		if (!e)
			continue;
		e->live++;
		out->keys[k] = key;
	}
}

void quota_end(struct quotas *q, struct quota_held *held)
{
	for (unsigned k = 0; k < QUOTA_KIND_COUNT; k++) {
		if (!held->keys[k])
			continue;
		const uint32_t at = place_of(q, held->keys[k]);
		struct quota_entry *e = &q->entries[at];
		held->keys[k] = 0;
		if (NEVER(e->live == 0))
			continue;
		if (--e->live == 0)
			del(q, at);
	}
}

uint32_t quota_live(const struct policy_config *c, const struct quotas *q, const struct facts *f,
		    enum quota_kind kind)
{
	struct quota x;

	return find_quota(c, f, kind, &x) ? q->entries[place_of(q, key_of(q, &x))].live : 0;
}

void quotas_recount_add(struct quotas *q, const struct quota_held *held)
{
	for (unsigned k = 0; k < QUOTA_KIND_COUNT; k++) {
		struct quota_entry *e = held->keys[k] ? get(q, held->keys[k]) : NULL;
		if (e)
			e->counted++;
	}
}

void quotas_recount_end(struct quotas *q)
{
	for (uint32_t i = 0; i < q->size; i++) {
		struct quota_entry *e = &q->entries[i];
		q->repaired += e->live != e->counted;
		e->live = e->counted;
		e->counted = 0;
	}
	/* Those that nobody holds go: what moves up has been counted already. */
	for (uint32_t i = 0; i < q->size; i++)
		while (q->entries[i].key && q->entries[i].live == 0)
			del(q, i);
}
