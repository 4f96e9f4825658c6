#include "policy/ban.h"

#include <stdio.h>

struct entry {
	struct table_node node;
	struct list list; /* by_rules, by_operator or remembered */
	struct timer timer;
	id_t64 id;
	uint64_t since_ms, until_ms; /* monotonic; since: 0 for before our start */
	uint64_t next_ms;            /* BAN_SLOW: when the next call may begin */
	struct rate pace;            /* of its hits */
	bool is_flood;               /* has been told as one */
	bool is_live;                /* in force, or its end has not been told yet */
	struct ban v;                /* since_ms, until_ms are not kept there */
};

enum { MS = 1000, NS_IN_MS = 1000 * 1000, KEY_MAX = BAN_NAME_MAX + 4, LIMITED_WAIT_MAX_S = 3600 };

static const char *const results[BAN_RESULT_COUNT] = {
	[BAN_NEW] = "banned",    [BAN_LONGER] = "longer",     [BAN_KEPT] = "kept",
	[BAN_SPARED] = "spared", [BAN_UNPROVEN] = "unproven", [BAN_NAMELESS] = "nameless",
	[BAN_FULL] = "full",
};
static const char *const modes[BAN_MODE_COUNT] = {
	[BAN_OUT] = "out", [BAN_SLOW] = "slow", [BAN_QUARANTINE] = "quarantine"};
static const char *const bys[BAN_BY_COUNT] = {
	[BAN_BY_RULE] = "rule", [BAN_BY_OPERATOR] = "operator", [BAN_BY_NODE] = "node"};
static const char *const kinds[SUBJECT_KIND_COUNT] = {
#define X(name, word) [SUBJECT_##name] = word,
	SUBJECT_TABLE(X)
#undef X
};

const char *ban_result_name(enum ban_result r)
{
	return (unsigned)r < BAN_RESULT_COUNT ? results[r] : "unknown";
}

const char *ban_mode_name(enum ban_mode m)
{
	return (unsigned)m < BAN_MODE_COUNT ? modes[m] : "unknown";
}

const char *ban_by_name(enum ban_by b)
{
	return (unsigned)b < BAN_BY_COUNT ? bys[b] : "unknown";
}

const char *ban_kind_name(enum subject_kind k)
{
	return (unsigned)k < SUBJECT_KIND_COUNT ? kinds[k] : "unknown";
}

bool ban_order_of(const struct consequence *x, struct ban_order *out)
{
	if (x->type != CONSEQUENCE_BAN && x->type != CONSEQUENCE_LIMIT)
		return false;
	*out = (struct ban_order){.subject = x->subject,
				  .mode = x->type == CONSEQUENCE_LIMIT ? BAN_SLOW : BAN_OUT,
				  .seconds = x->seconds,
				  .spoofable = x->spoofable,
				  .rule = x->rule,
				  .place = x->place};
	return true;
}

enum err ban_init(struct bans *b, const struct siphash_key *key)
{
	CHECK(b && key);
	*b = (struct bans){.flood = ID_NONE};
	list_init(&b->by_rules);
	list_init(&b->by_operator);
	list_init(&b->remembered);
	list_init(&b->quarantined);
	wheel_init(&b->wheel, 0);
	enum err e = pool_init(&b->pool, sizeof(struct entry), BAN_MAX, 0);
	if (e == OK)
		e = table_init(&b->table, BAN_MAX, key);
	/* A day: who rents a network and sends one address after another is not slower than that. */
	if (e == OK)
		e = window_init(&b->neighbours, BAN_NEIGHBOURS, 86400ull * MS, key);
	return e;
}

void ban_release(struct bans *b)
{
	if (b->table.buckets)
		table_release(&b->table);
	if (b->pool.chunks)
		pool_release(&b->pool);
	window_release(&b->neighbours);
}

/* ---- keys */

static struct prefix cut_prefix(const struct addr *a, unsigned bits)
{
	struct prefix p = {.addr = *a, .bits = (uint8_t)bits};

	p.addr.port = 0;
	for (unsigned i = 0; i < sizeof(p.addr.ip); i++) {
		const unsigned kept = bits > 8 * i ? bits - 8 * i : 0;
		if (kept < 8)
			p.addr.ip[i] = (uint8_t)(p.addr.ip[i] & (0xff00u >> kept));
	}
	return p;
}

static unsigned source_bits(const struct addr *a)
{
	return a->family == ADDR_IP6 ? BAN_SOURCE6_BITS : 32;
}

static size_t key_of_source(enum ban_mode m, const struct prefix *p, uint8_t key[KEY_MAX])
{
	key[0] = (uint8_t)m;
	key[1] = SUBJECT_SOURCE;
	key[2] = p->addr.family;
	key[3] = p->bits;
	memcpy(key + 4, p->addr.ip, sizeof(p->addr.ip));
	return 4 + sizeof(p->addr.ip);
}

static size_t key_of_name(enum ban_mode m, enum subject_kind k, struct str name,
			  uint8_t key[KEY_MAX])
{
	key[0] = (uint8_t)m;
	key[1] = (uint8_t)k;
	memcpy(key + 2, name.p, name.len);
	return 2 + name.len;
}

static bool is_entry(const struct entry *e, enum ban_mode m, const struct subject *s)
{
	if (e->v.mode != m || e->v.kind != s->kind)
		return false;
	if (s->kind == SUBJECT_SOURCE)
		return e->v.source.bits == s->source.bits &&
		       addr_eq_ip(&e->v.source.addr, &s->source.addr);
	return str_eq(str_from(e->v.name), s->name);
}

static struct entry *find(const struct bans *b, enum ban_mode m, const struct subject *s,
			  uint64_t *out_hash)
{
	uint8_t key[KEY_MAX];
	const size_t n = s->kind == SUBJECT_SOURCE ? key_of_source(m, &s->source, key)
						   : key_of_name(m, s->kind, s->name, key);

	*out_hash = table_hash(&b->table, key, n);
	for (struct table_node *t = table_first(&b->table, *out_hash); t; t = table_next(t)) {
		struct entry *e = TABLE_OBJECT(t, struct entry, node);
		if (is_entry(e, m, s))
			return e;
	}
	return NULL;
}

/* A subject as it is kept: NULs and long names are none, a source is cut to what stands for it. False: it is nobody. */
static bool tidy(const struct subject *from, bool exact, struct subject *out)
{
	*out = *from;
	if ((unsigned)from->kind >= SUBJECT_KIND_COUNT)
		return false;
	if (from->kind != SUBJECT_SOURCE)
		return from->name.len > 0 && from->name.len < BAN_NAME_MAX &&
		       !str_has_char(from->name, 0);
	const struct addr *a = &from->source.addr;
	const unsigned most = a->family == ADDR_IP4 ? 32 : a->family == ADDR_IP6 ? 128 : 0;
	if (most == 0 || from->source.bits > most)
		return false;
	unsigned bits = from->source.bits;
	if (!exact && a->family == ADDR_IP6 && bits > BAN_SOURCE6_BITS)
		bits = BAN_SOURCE6_BITS;
	out->source = cut_prefix(a, bits);
	return true;
}

/* ---- one entry's life */

static void count_length(struct bans *b, const struct prefix *p, int by)
{
	const unsigned f = p->addr.family == ADDR_IP6;

	b->lengths[f][p->bits] += (uint32_t)by;
	if (b->lengths[f][p->bits])
		b->present[f][p->bits / 64] |= 1ull << p->bits % 64;
	else
		b->present[f][p->bits / 64] &= ~(1ull << p->bits % 64);
}

static void set_live(struct bans *b, struct entry *e, bool live)
{
	if (e->is_live == live)
		return;
	e->is_live = live;
	const int by = live ? 1 : -1;
	b->live[e->v.mode][e->v.kind] += (uint32_t)by;
	b->all += (uint32_t)by;
	if (e->v.kind == SUBJECT_SOURCE && e->v.mode == BAN_OUT)
		count_length(b, &e->v.source, by);
}

static void set_timer(struct bans *b, struct entry *e, uint64_t at_ms, uint64_t now_ms)
{
	if (b->wheel.count == 0) /* an empty one begins anew, rather than run after the clock */
		wheel_init(&b->wheel, now_ms);
	wheel_set(&b->wheel, &e->timer, at_ms);
}

static void forget(struct bans *b, struct entry *e)
{
	set_live(b, e, false);
	b->quarantines -= e->v.mode == BAN_QUARANTINE;
	wheel_stop(&b->wheel, &e->timer);
	list_del(&e->list);
	table_del(&b->table, &e->node);
	if (b->flood == e->id)
		b->flood = ID_NONE;
	pool_free(&b->pool, e->id);
}

static bool make_room(struct bans *b, enum ban_mode m)
{
	struct list *from = !list_is_empty(&b->quarantined)  ? &b->quarantined
			    : m == BAN_QUARANTINE            ? NULL
			    : !list_is_empty(&b->remembered) ? &b->remembered
			    : !list_is_empty(&b->by_rules)   ? &b->by_rules
							     : NULL;
	if (!from)
		return false;
	b->evicted++;
	forget(b, LIST_OBJECT(from->next, struct entry, list));
	return true;
}

static struct entry *add(struct bans *b, enum ban_mode m, const struct subject *s, uint64_t hash)
{
	id_t64 id = ID_NONE;

	if (m == BAN_QUARANTINE && b->quarantines >= BAN_QUARANTINES_MAX)
		(void)make_room(b, m);
	struct entry *e = pool_new(&b->pool, &id);
	if (!e && make_room(b, m))
		e = pool_new(&b->pool, &id);
	if (!e)
		return NULL;
	e->id = id;
	e->v.mode = m;
	e->v.kind = s->kind;
	e->v.source = s->source;
	timer_init(&e->timer);
	list_init(&e->list);
	bool good =
		s->kind == SUBJECT_SOURCE || str_copy(s->name, e->v.name, sizeof(e->v.name)) == OK;
	good = good && table_add(&b->table, &e->node, hash) == OK;
	if (NEVER(!good)) {
		pool_free(&b->pool, id);
		return NULL;
	}
	b->quarantines += m == BAN_QUARANTINE;
	return e;
}

/* As much as fits; the end of a path says more than its front. */
static void copy_cut(struct str s, bool end, char *out, size_t cap)
{
	if (s.len > cap - 1)
		s = end ? str_from_offset(s, s.len - (cap - 1)) : (struct str){s.p, cap - 1};
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i])
			out[n++] = s.p[i];
	out[n] = 0;
}

static uint64_t length_ms(const struct ban_rules *r, const struct ban_order *o, uint32_t strikes)
{
	const uint64_t first = o->seconds ? o->seconds : r->first_s;
	const uint64_t most = o->mode == BAN_QUARANTINE ? first * BAN_QUARANTINE_GROWTH : r->most_s;
	uint64_t s = first;

	if (o->exact && o->seconds)
		return first * MS;
	for (uint32_t i = 1; i < strikes && s < most; i++)
		s *= r->factor;
	if (s > most)
		s = most;
	return (s > first ? s : first) * MS;
}

static struct ban show(const struct entry *e, struct ban_time t)
{
	struct ban v = e->v;

	v.flood = e->is_flood;
	/* The epoch is farther away than our start, unless the clock is wrong: then zero says so. */
	v.since_ms = t.wall_ms > t.now_ms - e->since_ms ? t.wall_ms - (t.now_ms - e->since_ms) : 0;
	v.until_ms = e->until_ms >= t.now_ms              ? t.wall_ms + (e->until_ms - t.now_ms)
		     : t.wall_ms > t.now_ms - e->until_ms ? t.wall_ms - (t.now_ms - e->until_ms)
							  : 0;
	return v;
}

static void enlist(struct bans *b, struct entry *e)
{
	list_del(&e->list);
	list_add_tail(e->v.mode == BAN_QUARANTINE  ? &b->quarantined
		      : e->v.by == BAN_BY_OPERATOR ? &b->by_operator
						   : &b->by_rules,
		      &e->list);
}

/* In force from now until then. */
static void enforce(struct bans *b, struct entry *e, uint64_t until_ms, uint64_t now_ms)
{
	e->until_ms = until_ms;
	set_live(b, e, true);
	enlist(b, e);
	set_timer(b, e, until_ms, now_ms);
}

static bool is_within(const struct prefix *a, const struct prefix *in)
{
	return in->bits <= a->bits && prefix_has(in, &a->addr);
}

static bool is_spared(const struct ban_rules *r, const struct prefix *p)
{
	for (size_t i = 0; i < r->allow_count; i++)
		if (is_within(p, &r->allow[i]))
			return true;
	return false;
}

bool ban_is_allowed(const struct ban_rules *r, const struct addr *a)
{
	for (size_t i = 0; i < r->allow_count; i++)
		if (prefix_has(&r->allow[i], a))
			return true;
	return false;
}

enum ban_result ban_lay(struct bans *b, const struct ban_rules *r, const struct ban_order *o,
			struct ban_time t, struct ban *out)
{
	CHECK(b && r && o && (unsigned)o->mode < BAN_MODE_COUNT);
	struct subject s;
	uint64_t hash;

	const bool held = o->mode == BAN_QUARANTINE;
	if (!tidy(&o->subject, held || o->by == BAN_BY_OPERATOR, &s))
		return BAN_NAMELESS;
	if (s.kind == SUBJECT_SOURCE && is_spared(r, &s.source))
		return BAN_SPARED;
	if (s.kind == SUBJECT_SOURCE && o->spoofable && !held)
		return BAN_UNPROVEN;
	struct entry *e = find(b, o->mode, &s, &hash);
	const bool was = e && e->is_live && e->until_ms > t.now_ms;
	if (!e && !(e = add(b, o->mode, &s, hash)))
		return BAN_FULL;
	enum ban_result result = BAN_NEW;
	if (!was) {
		e->v.strikes += e->v.strikes < BAN_STRIKES_MAX;
		e->since_ms = t.now_ms;
		e->v.hits = 0;
		e->is_flood = false;
	}
	/* Limited: one in `seconds`, for ten times that (policy/subject.h). */
	uint64_t ms = length_ms(r, o, e->v.strikes);
	if (o->mode == BAN_SLOW) {
		e->v.gap_s = o->seconds ? o->seconds : r->first_s;
		e->next_ms = was ? e->next_ms : t.now_ms + (uint64_t)e->v.gap_s * MS;
		ms = 10ull * e->v.gap_s * MS;
	}
	const uint64_t until = t.now_ms + ms;
	if (was && o->by != BAN_BY_OPERATOR && (until <= e->until_ms || e->v.by == BAN_BY_OPERATOR))
		result = BAN_KEPT;
	else if (was)
		result = BAN_LONGER;
	if (result != BAN_KEPT) {
		e->v.by = o->by;
		copy_cut(o->rule, false, e->v.rule, sizeof(e->v.rule));
		copy_cut(o->why, false, e->v.why, sizeof(e->v.why));
		copy_cut(o->place.file, true, e->v.file, sizeof(e->v.file));
		e->v.line = o->place.line;
		e->v.node[0] = 0;
		enforce(b, e, until, t.now_ms);
	}
	if (out)
		*out = show(e, t);
	return result;
}

bool ban_wants_prefix(struct bans *b, const struct ban_rules *r, const struct ban *laid,
		      uint64_t now_ms, struct ban_order *out)
{
	const struct prefix *p = &laid->source;

	if (r->prefix_after == 0 || laid->kind != SUBJECT_SOURCE || laid->mode != BAN_OUT ||
	    laid->by == BAN_BY_OPERATOR || p->bits != source_bits(&p->addr))
		return false;
	const struct prefix net =
		cut_prefix(&p->addr, p->addr.family == ADDR_IP6 ? BAN_NET6_BITS : BAN_NET4_BITS);
	uint8_t key[KEY_MAX];
	const size_t n = key_of_source(BAN_OUT, &net, key);
	if (window_add(&b->neighbours, (struct str){(const char *)key, n}, 1, now_ms) <
	    r->prefix_after)
		return false;
	*out = (struct ban_order){.subject = {.kind = SUBJECT_SOURCE, .source = net},
				  .by = BAN_BY_RULE,
				  .rule = STR("prefix_after"),
				  .why = STR("many of its sources were banned within a day"),
				  .place = r->place};
	return true;
}

bool ban_lift(struct bans *b, const struct subject *who, struct ban_time t, struct ban *out)
{
	bool found = false;

	/* Exactly as it was said first; then what stands for it. */
	for (int exact = 1; exact >= 0; exact--)
		for (int m = 0; m < BAN_MODE_COUNT; m++) {
			struct subject s;
			uint64_t hash;
			if (!tidy(who, exact, &s))
				return false;
			struct entry *e = find(b, (enum ban_mode)m, &s, &hash);
			if (!e)
				continue;
			if (!found && out)
				*out = show(e, t);
			found = true;
			forget(b, e);
		}
	return found;
}

/* ---- judging */

static struct verdict verdict_of(const struct entry *e, enum verdict_outcome outcome,
				 uint16_t status)
{
	return (struct verdict){.outcome = outcome,
				.stage = VERDICT_STAGE_BAN,
				.status = status,
				.reason = status == 403 ? STR("Forbidden") : STR_NONE,
				.rule = str_from(e->v.rule),
				.file = str_from(e->v.file),
				.line = e->v.line};
}

static void hit(struct bans *b, const struct ban_rules *r, struct entry *e, uint64_t now_ms)
{
	e->v.hits++;
	if (e->v.kind == SUBJECT_SOURCE && !e->is_flood &&
	    !rate_take(&e->pace, &r->kernel_after, 1, now_ms * NS_IN_MS, NULL)) {
		e->is_flood = true;
		b->flood = e->id;
	}
	if (e->v.by != BAN_BY_OPERATOR && b->by_rules.prev != &e->list)
		enlist(b, e);
}

static struct entry *find_source(const struct bans *b, enum ban_mode m, const struct addr *a,
				 uint64_t now_ms)
{
	const unsigned f = a->family == ADDR_IP6;
	uint64_t hash;

	for (unsigned w = 0; w < ARRAY_LEN(b->present[f]); w++)
		for (uint64_t left = b->present[f][w]; left; left &= left - 1) {
			const unsigned bits = 64 * w + (unsigned)__builtin_ctzll(left);
			struct subject s = {.kind = SUBJECT_SOURCE, .source = cut_prefix(a, bits)};
			struct entry *e = find(b, m, &s, &hash);
			if (e && e->is_live && e->until_ms > now_ms)
				return e;
		}
	return NULL;
}

struct verdict ban_judge_source(struct bans *b, const struct ban_rules *r,
				const struct addr *source, uint64_t now_ms, bool peek)
{
	CHECK(b && r && source);
	if (b->live[BAN_OUT][SUBJECT_SOURCE] == 0 || source->family == ADDR_NONE)
		return (struct verdict){.outcome = VERDICT_ALLOW};
	struct entry *e = find_source(b, BAN_OUT, source, now_ms);
	if (!e || ban_is_allowed(r, source))
		return (struct verdict){.outcome = VERDICT_ALLOW};
	if (!peek)
		hit(b, r, e, now_ms);
	return verdict_of(e, VERDICT_DROP, 0);
}

static struct entry *find_quarantine(const struct bans *b, const struct addr *a)
{
	const unsigned bits = a->family == ADDR_IP6 ? 128 : 32;
	const struct subject s = {.kind = SUBJECT_SOURCE, .source = cut_prefix(a, bits)};
	uint64_t hash;

	return a->family == ADDR_NONE ? NULL : find(b, BAN_QUARANTINE, &s, &hash);
}

struct verdict ban_judge_quarantine(struct bans *b, const struct addr *source, uint64_t now_ms,
				    bool peek)
{
	CHECK(b && source);
	struct entry *e =
		b->live[BAN_QUARANTINE][SUBJECT_SOURCE] ? find_quarantine(b, source) : NULL;

	if (!e || !e->is_live || e->until_ms <= now_ms)
		return (struct verdict){.outcome = VERDICT_ALLOW};
	if (!peek)
		e->v.hits++;
	return verdict_of(e, VERDICT_DROP, 0);
}

bool ban_end_quarantine(struct bans *b, const struct addr *source, struct ban_time t,
			struct ban *out)
{
	struct entry *e = b->quarantines ? find_quarantine(b, source) : NULL;
	const bool was = e && e->is_live && e->until_ms > t.now_ms;

	if (was)
		*out = show(e, t);
	if (e)
		forget(b, e);
	return was;
}

static struct str name_of(const struct policy_config *c, const struct facts *f, enum subject_kind k)
{
	switch (k) {
	case SUBJECT_USER: return f->user;
	case SUBJECT_TRUNK: return f->trunk < c->trunk_count ? c->trunks[f->trunk].name : STR_NONE;
	case SUBJECT_CALLER: return f->caller;
	case SUBJECT_DESTINATION: return f->number;
	case SUBJECT_SOURCE:
	case SUBJECT_KIND_COUNT: break;
	}
	return STR_NONE;
}

static struct entry *find_live(const struct bans *b, const struct policy_config *c,
			       const struct facts *f, enum ban_mode m, enum subject_kind k)
{
	struct subject s = {.kind = k, .name = name_of(c, f, k)}, tidied;
	uint64_t hash;

	if (b->live[m][k] == 0)
		return NULL;
	if (k == SUBJECT_SOURCE) {
		if (f->source.family == ADDR_NONE || ban_is_allowed(&c->bans, &f->source))
			return NULL;
		s.source = cut_prefix(&f->source, source_bits(&f->source));
	}
	struct entry *e = tidy(&s, false, &tidied) ? find(b, m, &tidied, &hash) : NULL;
	return e && e->is_live && e->until_ms > f->now_ms ? e : NULL;
}

struct verdict ban_judge(struct bans *b, const struct policy_config *c, const struct facts *f,
			 bool peek)
{
	CHECK(b && c && f);
	struct entry *slow[SUBJECT_KIND_COUNT];
	size_t slow_count = 0;

	if (b->all == 0)
		return (struct verdict){.outcome = VERDICT_ALLOW};
	for (int k = 0; k < SUBJECT_KIND_COUNT; k++) {
		struct entry *e = k == SUBJECT_SOURCE
					  ? NULL
					  : find_live(b, c, f, BAN_OUT, (enum subject_kind)k);
		if (e) {
			if (!peek)
				hit(b, &c->bans, e, f->now_ms);
			return verdict_of(e, VERDICT_REJECT, 403);
		}
		e = find_live(b, c, f, BAN_SLOW, (enum subject_kind)k);
		if (e)
			slow[slow_count++] = e;
	}
	/* A call that one of them refuses is not counted with the others. */
	for (size_t i = 0; i < slow_count; i++)
		if (f->now_ms < slow[i]->next_ms) {
			struct verdict v = verdict_of(slow[i], VERDICT_REJECT, 503);
			const uint64_t left_s = (slow[i]->next_ms - f->now_ms) / MS + 1;
			v.retry_after_s =
				(uint32_t)(left_s < LIMITED_WAIT_MAX_S ? left_s
								       : LIMITED_WAIT_MAX_S);
			if (!peek)
				hit(b, &c->bans, slow[i], f->now_ms);
			return v;
		}
	for (size_t i = 0; i < slow_count && !peek; i++)
		slow[i]->next_ms = f->now_ms + (uint64_t)slow[i]->v.gap_s * MS;
	return (struct verdict){.outcome = VERDICT_ALLOW};
}

bool ban_take_flood(struct bans *b, struct ban_time t, struct ban *out)
{
	const struct entry *e = b->flood != ID_NONE ? pool_find(&b->pool, b->flood) : NULL;

	b->flood = ID_NONE;
	if (e)
		*out = show(e, t);
	return e != NULL;
}

/* ---- time */

bool ban_expire(struct bans *b, const struct ban_rules *r, struct ban_time t, struct ban *out)
{
	struct timer *due;

	while ((due = wheel_expire(&b->wheel, t.now_ms)) != NULL) {
		struct entry *e = CONTAINER_OF(due, struct entry, timer);
		if (e->until_ms > t.now_ms) { /* farther than the wheel reaches */
			wheel_set(&b->wheel, &e->timer, e->until_ms);
			continue;
		}
		const bool ended = e->is_live;
		if (ended) {
			set_live(b, e, false);
			if (e->v.mode != BAN_QUARANTINE) {
				list_del(&e->list);
				list_add_tail(&b->remembered, &e->list);
			}
			*out = show(e, t);
		} else if (e->v.strikes > 0) {
			e->v.strikes--;
		}
		if (e->v.strikes == 0 || r->forget_s == 0)
			forget(b, e);
		else
			wheel_set(&b->wheel, &e->timer,
				  (ended ? e->until_ms : t.now_ms) + (uint64_t)r->forget_s * MS);
		if (ended)
			return true;
	}
	return false;
}

uint64_t ban_next_ms(const struct bans *b)
{
	return b->wheel.count ? wheel_next_ms(&b->wheel) : UINT64_MAX;
}

/* ---- in and out */

bool ban_next(const struct bans *b, struct ban_time t, bool ended, uint32_t *cursor,
	      struct ban *out)
{
	id_t64 id;
	const struct entry *e;

	while ((e = pool_next(&b->pool, cursor, &id)) != NULL)
		if (ended || (e->is_live && e->until_ms > t.now_ms)) {
			*out = show(e, t);
			return true;
		}
	return false;
}

static struct str text_of(const char *p, size_t cap)
{
	return (struct str){p, strnlen(p, cap)};
}

enum ban_result ban_import(struct bans *b, const struct ban_rules *r, const struct ban *v,
			   struct ban_time t)
{
	CHECK(b && r && v);
	const struct subject said = {
		.kind = v->kind, .source = v->source, .name = text_of(v->name, sizeof(v->name))};
	struct subject s;
	uint64_t hash;

	if ((unsigned)v->mode >= BAN_MODE_COUNT || v->mode == BAN_QUARANTINE ||
	    (unsigned)v->by >= BAN_BY_COUNT || v->strikes == 0 || v->strikes > BAN_STRIKES_MAX ||
	    (v->mode == BAN_SLOW && v->gap_s == 0) || !tidy(&said, v->by == BAN_BY_OPERATOR, &s))
		return BAN_NAMELESS;
	if (s.kind == SUBJECT_SOURCE && is_spared(r, &s.source))
		return BAN_SPARED;
	const uint64_t left_ms = v->until_ms > t.wall_ms ? v->until_ms - t.wall_ms : 0;
	struct entry *e = find(b, v->mode, &s, &hash);
	if (e && e->until_ms >= t.now_ms + left_ms)
		return BAN_KEPT;
	const bool is_new = !e;
	if (!e && !(e = add(b, v->mode, &s, hash)))
		return BAN_FULL;
	e->v.by = v->by;
	e->v.strikes = v->strikes > e->v.strikes ? v->strikes : e->v.strikes;
	e->v.hits = v->hits;
	e->v.line = v->line;
	e->v.gap_s = v->gap_s;
	copy_cut(text_of(v->rule, sizeof(v->rule)), false, e->v.rule, sizeof(e->v.rule));
	copy_cut(text_of(v->why, sizeof(v->why)), false, e->v.why, sizeof(e->v.why));
	copy_cut(text_of(v->file, sizeof(v->file)), true, e->v.file, sizeof(e->v.file));
	copy_cut(text_of(v->node, sizeof(v->node)), false, e->v.node, sizeof(e->v.node));
	const uint64_t age_ms = v->since_ms < t.wall_ms ? t.wall_ms - v->since_ms : 0;
	e->since_ms = age_ms < t.now_ms ? t.now_ms - age_ms : 0;
	e->is_flood = v->flood && left_ms > 0;
	if (left_ms > 0) {
		enforce(b, e, t.now_ms + left_ms, t.now_ms);
		return is_new ? BAN_NEW : BAN_LONGER;
	}
	/* Over already: what is left of it are its strikes, from now on. */
	e->until_ms = t.now_ms;
	list_del(&e->list);
	list_add_tail(&b->remembered, &e->list);
	set_timer(b, e, t.now_ms + (uint64_t)r->forget_s * MS, t.now_ms);
	return BAN_KEPT;
}
