#include "policy/fraud.h"

#include <stdlib.h>
#include <string.h>

enum { MINUTE_MS = 60 * 1000, IP6_SOURCE = 8, IP4_SOURCE = 4 };

/* ---- life */

void fraud_init(struct fraud_state *s, const struct siphash_key *secret)
{
	CHECK(s && secret);
	*s = (struct fraud_state){.secret = *secret};
}

static void release_counts(struct fraud_count *counts, size_t n)
{
	for (size_t i = 0; counts && i < n; i++)
		fraud_count_release(&counts[i]);
	free(counts);
}

void fraud_release(struct fraud_state *s)
{
	release_counts(s->counts, s->count);
	free(s->rang);
	*s = (struct fraud_state){.count = 0};
}

static struct fraud_count *find_old(struct fraud_state *s, const struct fraud_rule *r)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->counts[i].measure != FRAUD_NOTHING && fraud_count_fits(&s->counts[i], r))
			return &s->counts[i];
	return NULL;
}

/* Room for the rules that have none yet; those that stay are left empty, to be moved when nothing can fail any more. */
static enum err make_counts(struct fraud_state *s, const struct fraud_config *c,
			    struct fraud_count *counts)
{
	enum err e = OK;

	for (size_t i = 0; i < c->count && e == OK; i++)
		if (c->rules[i].measure != FRAUD_NOTHING && !find_old(s, &c->rules[i]))
			e = fraud_count_init(&counts[i], &c->rules[i], &s->secret);
	return e;
}

enum err fraud_apply(struct fraud_state *s, const struct fraud_config *c)
{
	CHECK(s);
	CHECK(!c || c->count <= FRAUD_RULES_MAX);
	const size_t n = c ? c->count : 0;
	struct fraud_count *counts = n ? calloc(n, sizeof(*counts)) : NULL;
	struct fraud_rang *rang = s->rang;
	enum err e = n && !counts ? ERR_NOMEM : OK;

	if (e == OK && n)
		e = make_counts(s, c, counts);
	if (e == OK && c && c->remembers_callers && !rang) {
		rang = calloc(FRAUD_RANG_MAX, sizeof(*rang));
		e = rang ? OK : ERR_NOMEM;
	}
	if (e != OK) {
		release_counts(counts, n);
		return e;
	}
	for (size_t i = 0; i < n; i++) {
		struct fraud_count *old = find_old(s, &c->rules[i]);
		if (counts[i].measure == FRAUD_NOTHING && old) {
			counts[i] = *old;
			counts[i].over = c->rules[i].over;
			*old = (struct fraud_count){.measure = FRAUD_NOTHING};
		}
	}
	release_counts(s->counts, s->count);
	s->counts = counts;
	s->count = n;
	s->rang = rang;
	s->config = c;
	s->ends_calls = false;
	for (size_t i = 0; i < n; i++)
		s->ends_calls = s->ends_calls || c->rules[i].does.end_calls;
	return OK;
}

/* ---- who called us in vain */

static uint64_t hash_of(const struct fraud_state *s, const void *p, size_t n)
{
	return siphash(&s->secret, p, n) | 1;
}

static struct fraud_rang *rang_set(const struct fraud_state *s, uint64_t key)
{
	const size_t sets = FRAUD_RANG_MAX / FRAUD_RANG_WAYS;

	return &s->rang[(key >> 1 & (sets - 1)) * FRAUD_RANG_WAYS];
}

/* How the same number is written elsewhere does not matter: digits alone, where it is an international one. */
static uint64_t rang_key(const struct fraud_state *s, struct str number)
{
	struct fraud_number n;

	fraud_number_of(s->config, number, &n);
	return n.digits.len ? hash_of(s, n.digits.p, n.digits.len)
			    : hash_of(s, number.p ? number.p : "", number.len);
}

static void remember_caller(struct fraud_state *s, const struct facts *f)
{
	const uint64_t key = rang_key(s, f->caller);
	struct fraud_rang *set = rang_set(s, key), *at = set;

	for (unsigned i = 0; i < FRAUD_RANG_WAYS; i++) {
		if (set[i].key == key) {
			at = &set[i];
			break;
		}
		if (set[i].at_ms < at->at_ms)
			at = &set[i];
	}
	*at = (struct fraud_rang){key, f->now_ms};
}

static bool rang_holds(const struct fraud_state *s, const struct fraud_filter *w,
		       const struct facts *f)
{
	if (!s->rang || f->number.len == 0)
		return false;
	const uint64_t key = rang_key(s, f->number);
	const struct fraud_rang *set = rang_set(s, key);
	for (unsigned i = 0; i < FRAUD_RANG_WAYS; i++)
		if (set[i].key == key)
			return f->now_ms <= set[i].at_ms + w->rang_us_ms;
	return false;
}

/* ---- one question, and what of it is the same for all rules */

struct asked {
	const struct policy_config *c;
	struct fraud_state *s;
	const struct facts *f;
	struct fraud_number number;
	/* What was hashed last of each kind: several rules by the same subject hash it once. */
	struct {
		uint64_t key; /* 0: the request has no such subject */
		uint8_t digits;
		bool done;
	} by[SUBJECT_KIND_COUNT];
	struct consequences *out;
};

static void begin(struct asked *a, const struct policy_config *c, struct fraud_state *s,
		  const struct facts *f, struct consequences *out)
{
	a->c = c;
	a->s = s;
	a->f = f;
	a->out = out;
	for (unsigned i = 0; i < SUBJECT_KIND_COUNT; i++)
		a->by[i].done = false;
	fraud_number_of(s->config, f->number, &a->number);
}

/* An IPv6 /64 is one subscriber. */
static struct prefix prefix_of(const struct addr *source)
{
	struct prefix p = {.addr = *source, .bits = 32};

	p.addr.port = 0;
	if (source->family == ADDR_IP6) {
		p.bits = 64;
		memset(p.addr.ip + IP6_SOURCE, 0, sizeof(p.addr.ip) - IP6_SOURCE);
	}
	return p;
}

static struct str cut(struct str s, size_t len)
{
	return s.len > len ? (struct str){s.p, len} : s;
}

/* The part of a number that a rule goes by. */
static struct str number_part(const struct asked *a, uint8_t digits, struct str number)
{
	if (digits == FRAUD_DIGITS_WHOLE)
		return number;
	struct fraud_number n = a->number;
	if (number.p != a->f->number.p)
		fraud_number_of(a->s->config, number, &n);
	if (digits == FRAUD_DIGITS_CODE)
		return n.is ? cut(n.digits, n.code_len) : STR_NONE;
	return cut(n.digits.len ? n.digits : number, digits);
}

/* False: the request has no such subject, and a rule by it has nothing to say. */
static bool find_subject(const struct asked *a, enum subject_kind by, uint8_t digits,
			 struct subject *w)
{
	const struct facts *f = a->f;

	*w = (struct subject){.kind = by};
	switch (by) {
	case SUBJECT_SOURCE:
		w->source = prefix_of(&f->source);
		return f->source.family != ADDR_NONE;
	case SUBJECT_USER: w->name = f->user; return f->user.len > 0;
	case SUBJECT_TRUNK:
		if (f->trunk >= a->c->trunk_count)
			return false;
		w->name = a->c->trunks[f->trunk].name;
		return true;
	case SUBJECT_CALLER: /* who withholds a number is one of all that do */
		w->name = number_part(a, digits, f->caller);
		return true;
	case SUBJECT_DESTINATION: w->name = number_part(a, digits, f->number); return true;
	case SUBJECT_KIND_COUNT: break;
	}
	return false;
}

static uint64_t key_of(const struct fraud_state *s, const struct subject *w)
{
	if (w->kind == SUBJECT_SOURCE)
		return hash_of(s, w->source.addr.ip,
			       w->source.addr.family == ADDR_IP6 ? IP6_SOURCE : IP4_SOURCE);
	return hash_of(s, w->name.p ? w->name.p : "", w->name.len);
}

/* 0: there is no such subject. */
static uint64_t key_by(struct asked *a, enum subject_kind by, uint8_t digits)
{
	__typeof__(&a->by[0]) b = &a->by[by];

	if (!b->done || b->digits != digits) {
		struct subject who;
		b->key = find_subject(a, by, digits, &who) ? key_of(a->s, &who) : 0;
		b->digits = digits;
		b->done = true;
	}
	return b->key;
}

static bool holds(const struct asked *a, const struct fraud_filter *w,
		  const struct fraud_past *past)
{
	return (!w->given || fraud_filter_holds(w, a->f, &a->number, past)) &&
	       (!w->rang_us_ms || rang_holds(a->s, w, a->f));
}

/* Which calls it counts, and which it is asked of. */
static const struct fraud_filter *counted(const struct fraud_rule *r)
{
	return r->where.given ? &r->where : &r->when;
}

static const struct fraud_filter *asked_of(const struct fraud_rule *r)
{
	return r->when.given ? &r->when : &r->where;
}

/* ---- what is counted */

static uint64_t thing_of(struct asked *a, const struct fraud_rule *r)
{
	const struct facts *f = a->f;
	const struct fraud_number *n = &a->number;
	uint64_t number = 0;

	switch (r->measure) {
	case FRAUD_DESTINATIONS: return key_by(a, SUBJECT_DESTINATION, FRAUD_DIGITS_WHOLE);
	case FRAUD_COUNTRIES:
		if (n->country || !n->is)
			return n->country;
		return hash_of(a->s, n->digits.p, n->code_len); /* satellites and the like */
	case FRAUD_CALLERS: return key_by(a, SUBJECT_CALLER, FRAUD_DIGITS_WHOLE);
	case FRAUD_SOURCES: return key_by(a, SUBJECT_SOURCE, FRAUD_DIGITS_WHOLE);
	case FRAUD_USERS: return key_by(a, SUBJECT_USER, FRAUD_DIGITS_WHOLE);
	case FRAUD_STEPS:
		for (size_t i = 0; i < f->number.len; i++)
			if (f->number.p[i] >= '0' && f->number.p[i] <= '9' &&
			    number < UINT64_MAX / 16)
				number = number * 10 + (unsigned)(f->number.p[i] - '0');
		return number;
	case FRAUD_NOTHING:
	case FRAUD_CALLS:
	case FRAUD_ANSWERED:
	case FRAUD_FAILED:
	case FRAUD_UNANSWERED:
	case FRAUD_REFUSED:
	case FRAUD_REGISTRATIONS:
	case FRAUD_BAD_REGISTRATIONS:
	case FRAUD_COST:
	case FRAUD_DURATION:
	case FRAUD_EARLY:
	case FRAUD_MEASURE_COUNT: break;
	}
	return 0;
}

static uint32_t cost_of(const struct destination *d, uint64_t ms)
{
	const uint64_t parts = d ? (d->cost * ms + MINUTE_MS - 1) / MINUTE_MS : 0;

	return parts > UINT32_MAX ? UINT32_MAX : (uint32_t)parts;
}

static uint32_t amount_of(const struct asked *a, const struct fraud_rule *r, uint32_t pulse_ms)
{
	switch (r->measure) {
	case FRAUD_COST: return cost_of(a->number.is, pulse_ms);
	case FRAUD_DURATION:
	case FRAUD_EARLY: return pulse_ms;
	case FRAUD_NOTHING:
	case FRAUD_CALLS:
	case FRAUD_ANSWERED:
	case FRAUD_FAILED:
	case FRAUD_UNANSWERED:
	case FRAUD_REFUSED:
	case FRAUD_REGISTRATIONS:
	case FRAUD_BAD_REGISTRATIONS:
	case FRAUD_STEPS:
	case FRAUD_DESTINATIONS:
	case FRAUD_COUNTRIES:
	case FRAUD_CALLERS:
	case FRAUD_SOURCES:
	case FRAUD_USERS:
	case FRAUD_MEASURE_COUNT: break;
	}
	return 1;
}

static struct fraud_more more_of(struct asked *a, const struct fraud_rule *r, uint64_t subject,
				 uint32_t pulse_ms)
{
	return (struct fraud_more){.subject = subject,
				   .amount = amount_of(a, r, pulse_ms),
				   .thing = thing_of(a, r),
				   .now_ms = a->f->now_ms,
				   .most = r->does.status ? r->over : UINT64_MAX};
}

/* ---- what is to be done */

static void want(struct asked *a, const struct fraud_rule *r, enum consequence_type type,
		 uint32_t seconds)
{
	struct consequences *l = a->out;
	struct subject who;

	if (!l || l->count == CONSEQUENCES_MAX)
		return;
	(void)find_subject(a, r->by, r->digits, &who);
	l->list[l->count++] = (struct consequence){.type = type,
						   .subject = who,
						   .seconds = seconds,
						   .spoofable = a->f->spoofable,
						   .rule = r->name,
						   .place = r->place};
}

/* `first`: it was not too much before. */
static void act(struct asked *a, const struct fraud_rule *r, bool first)
{
	const struct fraud_actions *d = &r->does;

	if (d->alert && first)
		want(a, r, CONSEQUENCE_ALERT, 0);
	if (d->ban_s)
		want(a, r, CONSEQUENCE_BAN, d->ban_s);
	if (d->limit_s)
		want(a, r, CONSEQUENCE_LIMIT, d->limit_s);
	if (d->end_calls)
		want(a, r, CONSEQUENCE_END_CALLS, 0);
}

static struct verdict refuse(const struct fraud_rule *r)
{
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = VERDICT_STAGE_FRAUD,
				.status = r->does.status ? r->does.status : 403,
				.rule = r->name,
				.file = r->place.file,
				.line = r->place.line};
}

/* Most rules hold at any hour. */
static bool is_time(const struct fraud_rule *r, const struct facts *f)
{
	return (!r->hours.days && !r->hours.span_count) || hours_is(&r->hours, f->wall_ms);
}

/* ---- a call wants to begin */

/* What happens later is told later; only who refuses asks for it now. */
static bool is_asked(const struct fraud_rule *r)
{
	return r->measure == FRAUD_NOTHING || r->moment == FRAUD_AT_START || r->does.status;
}

/* Of whom each rule speaks. Counts lie all over the memory: all are fetched before the first is waited for. */
static void fetch_counts(struct asked *a, uint64_t subjects[FRAUD_RULES_MAX])
{
	const struct fraud_rule *rules = a->s->config->rules;
	const struct fraud_count *counts = a->s->counts;

	for (size_t i = 0; i < a->s->count; i++) {
		subjects[i] = is_asked(&rules[i]) ? key_by(a, rules[i].by, rules[i].digits) : 0;
		if (subjects[i] && counts[i].kind != FRAUD_KIND_NONE)
			fraud_count_prefetch(&counts[i], subjects[i]);
	}
	for (size_t i = 0; i < a->s->count; i++)
		if (subjects[i] && counts[i].kind != FRAUD_KIND_NONE)
			fraud_count_prefetch_sum(&counts[i], subjects[i]);
}

/* How it stands with the sum for this call, which is counted where the rule counts beginnings. */
static struct fraud_sum count_start(struct asked *a, size_t i, uint64_t subject, bool peek)
{
	const struct fraud_rule *r = &a->s->config->rules[i];
	struct fraud_count *k = &a->s->counts[i];
	struct fraud_sum sum = {0, 0};

	if ((r->moment == FRAUD_AT_START || r->moment == FRAUD_AT_PULSE) &&
	    holds(a, counted(r), NULL)) {
		const struct fraud_more m = more_of(a, r, subject, FRAUD_PULSE_MS);
		/* Of what comes in pulses the first has to fit. */
		return peek || r->moment == FRAUD_AT_PULSE ? fraud_count_peek(k, &m)
							   : fraud_count_add(k, &m);
	}
	sum.before = sum.now = fraud_count_now(k, subject, a->f->now_ms);
	return sum;
}

/* True: this call is too much for rule i. */
static bool judge_rule(struct asked *a, size_t i, uint64_t subject, bool peek)
{
	const struct fraud_rule *r = &a->s->config->rules[i];
	const struct fraud_actions *d = &r->does;
	struct fraud_sum sum = {0, 1};

	if (!is_time(r, a->f))
		return false;
	if (r->measure != FRAUD_NOTHING) {
		sum = count_start(a, i, subject, peek);
		if (sum.now <= r->over)
			return false;
	}
	if (!holds(a, asked_of(r), NULL))
		return false;
	if (r->measure == FRAUD_NOTHING || r->moment == FRAUD_AT_START)
		act(a, r, r->measure == FRAUD_NOTHING || sum.before <= r->over);
	/* Who is banned, or has calls ended, does not get this one through. */
	return d->status || d->ban_s || d->end_calls;
}

struct verdict fraud_judge(const struct policy_config *c, struct fraud_state *s,
			   const struct facts *f, bool peek, struct consequences *out)
{
	CHECK(c && s && f);
	struct verdict v = {.outcome = VERDICT_ALLOW, .stage = VERDICT_STAGE_FRAUD};
	struct asked a;
	uint64_t subjects[FRAUD_RULES_MAX];

	if (!c->fraud)
		return v;
	if (NEVER(s->config != c->fraud)) /* counts of other rules say nothing of these */
		return (struct verdict){.outcome = VERDICT_REJECT,
					.stage = VERDICT_STAGE_FRAUD,
					.status = 500,
					.rule = STR("fraud")};
	begin(&a, c, s, f, out);
	fetch_counts(&a, subjects);
	for (size_t i = 0; i < s->count; i++)
		if (subjects[i] && judge_rule(&a, i, subjects[i], peek) &&
		    v.outcome == VERDICT_ALLOW)
			v = refuse(&s->config->rules[i]);
	return v;
}

/* ---- what becomes of it */

/* Refusals that say more of how much there is to do, or of what was decided before, than of who asks. */
static const uint32_t load_stages = 1u << VERDICT_STAGE_BAN | 1u << VERDICT_STAGE_RATE |
				    1u << VERDICT_STAGE_LIMIT | 1u << VERDICT_STAGE_ADMISSION;

static bool counts_as(const struct fraud_rule *r, const struct fraud_event *e)
{
	if (r->moment != e->moment)
		return false;
	switch (r->measure) {
	case FRAUD_FAILED:
	case FRAUD_UNANSWERED:
	case FRAUD_BAD_REGISTRATIONS: return r->measure == e->measure;
	case FRAUD_USERS: return e->measure == FRAUD_BAD_REGISTRATIONS;
	case FRAUD_ANSWERED: return e->moment == FRAUD_AT_ANSWER || e->measure == FRAUD_ANSWERED;
	case FRAUD_REFUSED: return r->where.stages || !(load_stages >> e->past.stage & 1);
	case FRAUD_NOTHING:
	case FRAUD_CALLS:
	case FRAUD_REGISTRATIONS:
	case FRAUD_STEPS:
	case FRAUD_DESTINATIONS:
	case FRAUD_COUNTRIES:
	case FRAUD_CALLERS:
	case FRAUD_SOURCES:
	case FRAUD_COST:
	case FRAUD_DURATION:
	case FRAUD_EARLY:
	case FRAUD_MEASURE_COUNT: break;
	}
	return r->measure != FRAUD_NOTHING;
}

void fraud_step(const struct policy_config *c, struct fraud_state *s, const struct facts *f,
		const struct fraud_event *e, struct consequences *out)
{
	CHECK(c && s && f && e);
	struct asked a;

	if (!s->config || s->config != c->fraud)
		return;
	begin(&a, c, s, f, out);
	if (e->moment == FRAUD_AT_END && e->measure == FRAUD_UNANSWERED && s->rang &&
	    s->config->remembers_callers && f->caller.len)
		remember_caller(s, f);
	for (size_t i = 0; i < s->count; i++) {
		const struct fraud_rule *r = &s->config->rules[i];
		if (!counts_as(r, e) || !is_time(r, f) || !holds(&a, counted(r), &e->past))
			continue;
		const uint64_t subject = key_by(&a, r->by, r->digits);
		if (!subject)
			continue;
		struct fraud_more m = more_of(&a, r, subject, e->pulse_ms);
		m.most = UINT64_MAX; /* it has happened */
		const struct fraud_sum sum = fraud_count_add(&s->counts[i], &m);
		if (sum.now > r->over)
			act(&a, r, sum.before <= r->over);
	}
}

bool fraud_wants(const struct fraud_state *s, enum fraud_moment m)
{
	return s->config && (s->config->moments >> m & 1);
}

bool fraud_accrues(const struct policy_config *c, const struct fraud_state *s,
		   const struct facts *f, enum fraud_moment m)
{
	struct fraud_number n;

	if (!fraud_wants(s, m) || s->config != c->fraud)
		return false;
	fraud_number_of(s->config, f->number, &n);
	for (size_t i = 0; i < s->count; i++) {
		const struct fraud_rule *r = &s->config->rules[i];
		if (r->moment == m && (r->measure != FRAUD_COST || (n.is && n.is->cost)) &&
		    fraud_filter_holds(counted(r), f, &n, NULL))
			return true;
	}
	return false;
}

bool fraud_is_meant(const struct policy_config *c, struct fraud_state *s, const struct facts *f,
		    const struct consequence *x)
{
	CHECK(c && s && f && x);
	struct asked a;

	if (!s->config || s->config != c->fraud)
		return false;
	begin(&a, c, s, f, NULL);
	for (size_t i = 0; i < s->count; i++) {
		const struct fraud_rule *r = &s->config->rules[i];
		if (!str_eq(r->name, x->rule) || r->by != x->subject.kind ||
		    !key_by(&a, r->by, r->digits))
			continue;
		return key_by(&a, r->by, r->digits) == key_of(s, &x->subject) &&
		       fraud_filter_holds(counted(r), f, &a.number, NULL) &&
		       (r->measure != FRAUD_COST || (a.number.is && a.number.is->cost));
	}
	return false;
}

void fraud_forget(struct fraud_state *s, const struct subject *who)
{
	CHECK(s && who);
	const uint64_t key = key_of(s, who);

	for (size_t i = 0; i < s->count; i++)
		if (s->counts[i].measure != FRAUD_NOTHING && s->counts[i].by == who->kind)
			fraud_count_forget(&s->counts[i], key);
}

/* ---- for people, and for bills */

static void write_classes(struct buf *b, uint32_t classes)
{
	static const char *const derived[] = {"domestic", "international", "unknown"};
	bool more = false;

	for (unsigned i = 0; i < FRAUD_CLASS_COUNT; i++)
		if (classes >> i & 1) {
			buf_z(b, more ? "," : "");
			buf_z(b, i < DESTINATION_CLASS_COUNT
					 ? destination_class_name((enum destination_class)i)
					 : derived[i - DESTINATION_CLASS_COUNT]);
			more = true;
		}
}

void fraud_describe(const struct fraud_state *s, struct str number, struct buf *b)
{
	struct fraud_number n;

	if (!s->config)
		return;
	fraud_number_of(s->config, number, &n);
	buf_lit(b, "class=");
	write_classes(b, n.classes);
	if (n.country)
		buf_printf(b, " country=%c%c", n.country >> 8, n.country & 0xff);
	if (!n.is)
		return;
	buf_printf(b, " code=%.*s cost=", (int)n.code_len, n.digits.p);
	destination_money_write(b, n.is->cost);
}

uint64_t fraud_cost(const struct fraud_state *s, struct str number, uint64_t talk_ms)
{
	struct fraud_number n;

	if (!s->config)
		return 0;
	fraud_number_of(s->config, number, &n);
	return n.is ? (n.is->cost * talk_ms + MINUTE_MS - 1) / MINUTE_MS : 0;
}
