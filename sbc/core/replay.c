#include "sbc/core/replay.h"

#include <stdlib.h>
#include <string.h>

#include "policy/attest.h"
#include "policy/fraud.h"
#include "policy/route.h"
#include "policy/sheet.h"

/* A call that goes on: what its end will be told with. */
struct replay_running {
	uint64_t end_ms, start_ms, duration_ms;
	struct facts facts; /* its texts are those below */
	uint16_t out;       /* trunk */
	bool in_counts, out_counts, by_caller;
	char text[REPLAY_TEXT_MAX];
};

enum { MONEY_PARTS = 1000000 / DESTINATION_MONEY };

const char *replay_change_name(enum replay_change c)
{
	static const char *const names[REPLAY_CHANGE_COUNT] = {
		[REPLAY_SAME] = "same",
		[REPLAY_NOW_REFUSED] = "now-refused",
		[REPLAY_NOW_ALLOWED] = "now-allowed",
		[REPLAY_OTHER_RULE] = "other-rule",
		[REPLAY_OTHER_ROUTE] = "other-route",
	};
	return (unsigned)c < REPLAY_CHANGE_COUNT ? names[c] : "unknown";
}

enum err replay_init(struct replay *r, const struct settings *set, const struct siphash_key *key)
{
	CHECK(r && set && key);
	*r = (struct replay){.set = set};
	enum err e = policy_init(&r->state, set->limits.calls + 64, key);

	if (e == OK)
		e = fraud_apply(&r->state.fraud, set->policy.fraud);
	r->fraud = e == OK && set->policy.fraud;
	for (size_t i = 0; e == OK && i < set->trunk_count; i++)
		if (admit_has_limits(&set->trunks[i].admit))
			e = admissions_add(&r->state.admissions, set->trunks[i].name);
	return e;
}

void replay_release(struct replay *r)
{
	policy_release(&r->state);
	free(r->running);
	r->running = NULL;
	r->count = r->cap = 0;
}

/* ---- calls that go on */

static void swap(struct replay *r, size_t a, size_t b)
{
	struct replay_running t = r->running[a];

	r->running[a] = r->running[b];
	r->running[b] = t;
}

static void sift_down(struct replay *r)
{
	for (size_t at = 0;;) {
		size_t least = at;
		for (size_t k = 2 * at + 1; k <= 2 * at + 2 && k < r->count; k++)
			if (r->running[k].end_ms < r->running[least].end_ms)
				least = k;
		if (least == at)
			return;
		swap(r, at, least);
		at = least;
	}
}

static enum err push(struct replay *r, const struct replay_running *x)
{
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 256;
		if (cap > REPLAY_RUNNING_MAX)
			return ERR_FULL;
		struct replay_running *more = realloc(r->running, cap * sizeof(*more));
		if (!more)
			return ERR_NOMEM;
		r->running = more;
		r->cap = cap;
	}
	r->running[r->count] = *x;
	for (size_t at = r->count++; at > 0;) {
		size_t up = (at - 1) / 2;
		if (r->running[up].end_ms <= r->running[at].end_ms)
			break;
		swap(r, up, at);
		at = up;
	}
	return OK;
}

static struct admission *limits_of(struct replay *r, uint16_t trunk)
{
	return trunk < r->set->trunk_count
		       ? admissions_find(&r->state.admissions, r->set->trunks[trunk].name)
		       : NULL;
}

static void count_live(struct replay *r, uint16_t trunk, enum admit_direction d, int by)
{
	struct admission *x = limits_of(r, trunk);

	if (x && (by > 0 || x->state.live[d] > 0))
		x->state.live[d] += (uint32_t)by;
}

/* What the core does with them too (keepout). */
static void carry_out(struct replay *r, const struct consequences *l, const struct facts *f)
{
	const struct ban_time t = {f->now_ms, f->wall_ms};

	for (size_t i = 0; i < l->count; i++) {
		struct ban_order o;
		if (ban_order_of(&l->list[i], &o))
			(void)ban_lay(&r->state.bans, &r->set->policy.bans, &o, t, NULL);
	}
}

static void tell_fraud(struct replay *r, const struct facts *f, const struct fraud_event *e)
{
	struct consequences out = {.count = 0};

	if (!r->fraud || !fraud_wants(&r->state.fraud, e->moment))
		return;
	fraud_step(&r->set->policy, &r->state.fraud, f, e, &out);
	carry_out(r, &out, f);
}

/* The texts of a copy are where the copy is. */
static void rebase(struct replay_running *x)
{
	size_t at = 0;
	struct str *const texts[] = {&x->facts.caller, &x->facts.number, &x->facts.user};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		texts[i]->p = x->text + at;
		at += texts[i]->len;
	}
}

static void end_one(struct replay *r)
{
	struct replay_running x = r->running[0];
	const bool answered = x.duration_ms > 0;

	r->running[0] = r->running[--r->count];
	sift_down(r);
	if (x.in_counts)
		count_live(r, x.facts.trunk, ADMIT_IN, -1);
	if (x.out_counts)
		count_live(r, x.out, ADMIT_OUT, -1);
	rebase(&x);
	x.facts.now_ms = x.facts.wall_ms = x.end_ms;
	const uint32_t ms = x.duration_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)x.duration_ms;
	if (answered) {
		tell_fraud(r, &x.facts, &(struct fraud_event){.moment = FRAUD_AT_ANSWER});
		tell_fraud(r, &x.facts,
			   &(struct fraud_event){.moment = FRAUD_AT_PULSE, .pulse_ms = ms});
	}
	const uint64_t rang =
		x.end_ms - x.duration_ms > x.start_ms ? x.end_ms - x.duration_ms - x.start_ms : 0;
	tell_fraud(r, &x.facts,
		   &(struct fraud_event){.moment = FRAUD_AT_END,
					 .measure = answered      ? FRAUD_NOTHING
						    : x.by_caller ? FRAUD_UNANSWERED
								  : FRAUD_FAILED,
					 .past = {.duration_ms = ms, .ring_ms = (uint32_t)rang}});
}

static enum err begin_one(struct replay *r, const struct replay_record *c, const struct facts *f,
			  uint16_t out)
{
	struct replay_running x = {.end_ms = c->end_ms > c->start_ms ? c->end_ms : c->start_ms,
				   .start_ms = c->start_ms,
				   .duration_ms = c->duration_ms,
				   .facts = *f,
				   .out = out,
				   .in_counts = limits_of(r, f->trunk) != NULL,
				   .out_counts = limits_of(r, out) != NULL,
				   .by_caller = c->by_caller};
	size_t at = 0;
	struct str *const texts[] = {&x.facts.caller, &x.facts.number, &x.facts.user};

	x.facts.peer_name_count = 0;
	x.facts.method = STR("INVITE");
	x.facts.domain = STR_NONE;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i]->len > sizeof(x.text) - at)
			texts[i]->len = sizeof(x.text) - at;
		memcpy(x.text + at, texts[i]->len ? texts[i]->p : "", texts[i]->len);
		at += texts[i]->len;
	}
	count_live(r, f->trunk, ADMIT_IN, 1);
	count_live(r, out, ADMIT_OUT, 1);
	return push(r, &x);
}

/* ---- one call */

static uint16_t trunk_named(const struct settings *set, struct str name)
{
	for (size_t i = 0; name.len && i < set->trunk_count; i++)
		if (str_eq(set->trunks[i].name, name))
			return (uint16_t)i;
	return POLICY_NO_INDEX;
}

static uint16_t realm_named(const struct settings *set, struct str name)
{
	for (size_t i = 0; name.len && i < set->realm_count; i++)
		if (str_eq(set->realms[i].name, name))
			return (uint16_t)i;
	return POLICY_NO_INDEX;
}

/* The place of a word in a list of names; 0, which is unknown, where it is none of them. */
static unsigned index_of(struct str word, const char *(*name)(unsigned i), unsigned count)
{
	for (unsigned i = 1; word.len && i < count; i++)
		if (str_eq(word, str_from(name(i))))
			return i;
	return 0;
}

static const char *verstat_name(unsigned i)
{
	return attest_verstat_name((enum facts_verstat)i);
}
static const char *fault_name(unsigned i)
{
	return attest_fault_name((enum facts_fault)i);
}
static const char *level_name(unsigned i)
{
	return attest_name((enum facts_attest)i);
}

static struct facts facts_of(const struct replay *r, const struct replay_record *c)
{
	struct facts f = {.realm = realm_named(r->set, c->realm),
			  .trunk = POLICY_NO_INDEX,
			  .user_trunk = POLICY_NO_INDEX,
			  .source = c->source,
			  .tls = c->tls,
			  .method = STR("INVITE"),
			  .user = c->user,
			  .caller = c->caller,
			  .number = c->number,
			  .domain = c->domain,
			  .asn = c->asn,
			  .diversions = c->diversions,
			  .fresh = true,
			  .now_ms = c->start_ms,
			  .wall_ms = c->start_ms};

	if (c->certificate.len)
		f.peer_names[f.peer_name_count++] = c->certificate;
	if (c->user.len)
		f.user_trunk = trunk_named(r->set, c->ingress);
	if (c->country.len == FACTS_COUNTRY_LEN)
		memcpy(f.country, c->country.p, FACTS_COUNTRY_LEN);
	f.verstat = (enum facts_verstat)index_of(c->verstat, verstat_name, FACTS_VERSTAT_COUNT);
	f.fault = (enum facts_fault)index_of(c->fault, fault_name, FACTS_FAULT_COUNT);
	f.attest = (enum facts_attest)index_of(c->attest, level_name, FACTS_ATTEST_COUNT);
	f.emergency = route_is_emergency(&r->set->policy, c->number);
	return f;
}

/* The first trunk of the route that has room. POLICY_NO_INDEX: none, and *v says why. */
static uint16_t choose_trunk(struct replay *r, struct policy_ask *a, struct verdict *v)
{
	const struct route_rule *route = &r->set->policy.routes[a->decision->route];
	uint16_t order[ROUTE_TO_MAX];
	size_t n = route_order(&r->set->policy, route, a->facts->number, order);
	struct verdict full = *v;

	for (size_t i = 0; i < n; i++) {
		a->admit = order[i] < r->set->trunk_count ? &r->set->trunks[order[i]].admit : NULL;
		a->admit_trunk = order[i];
		a->direction = ADMIT_OUT;
		full = policy_admit(a);
		if (full.outcome == VERDICT_ALLOW || a->facts->emergency)
			return order[i];
	}
	*v = full;
	return POLICY_NO_INDEX;
}

static struct verdict judge(struct replay *r, struct policy_ask *a, uint16_t *out_trunk)
{
	struct facts *f = a->facts;
	struct verdict v = {.outcome = VERDICT_REJECT,
			    .stage = VERDICT_STAGE_IDENTIFY,
			    .status = 403,
			    .rule = STR("realm")};

	*out_trunk = POLICY_NO_INDEX;
	if (f->realm == POLICY_NO_INDEX)
		return v; /* there is no such realm any more */
	v = policy_source(a);
	if (v.outcome == VERDICT_ALLOW)
		v = policy_who(a);
	if (v.outcome == VERDICT_ALLOW && f->trunk < r->set->trunk_count) {
		a->admit = &r->set->trunks[f->trunk].admit;
		a->admit_trunk = f->trunk;
		a->direction = ADMIT_IN;
		v = policy_admit(a);
	}
	if (v.outcome == VERDICT_ALLOW)
		v = policy_call(a);
	if (v.outcome == VERDICT_ALLOW && a->decision->route < r->set->policy.route_count)
		*out_trunk = choose_trunk(r, a, &v);
	return v;
}

static int64_t cost_of(struct replay *r, uint16_t trunk, const struct replay_record *c)
{
	if (c->duration_ms == 0)
		return 0;
	const struct sheet_price *p = route_price(&r->set->policy, trunk, c->number);
	if (p)
		return (int64_t)sheet_cost(p, c->duration_ms);
	uint64_t parts = r->fraud ? fraud_cost(&r->state.fraud, c->number, c->duration_ms) : 0;
	return parts && parts < INT64_MAX / MONEY_PARTS ? (int64_t)(parts * MONEY_PARTS) : -1;
}

static enum replay_change change_of(const struct replay_record *c, const struct replay_result *n)
{
	const bool then_refused = str_has_prefix(c->cause, STR("policy:")),
		   now_refused = n->now.outcome != VERDICT_ALLOW;

	if (then_refused && now_refused)
		return str_eq(str_from_offset(c->cause, 7), n->now.rule) ? REPLAY_SAME
									 : REPLAY_OTHER_RULE;
	if (then_refused != now_refused)
		return now_refused ? REPLAY_NOW_REFUSED : REPLAY_NOW_ALLOWED;
	return (c->route.len == 0 || str_eq(c->route, n->now.rule)) &&
			       (c->egress.len == 0 || n->egress.len == 0 ||
				str_eq(c->egress, n->egress))
		       ? REPLAY_SAME
		       : REPLAY_OTHER_ROUTE;
}

/* Does the route that is taken now have the trunk that carried it then? Why the hunt went on there a record does not say. */
static bool still_goes_to(const struct replay *r, const struct policy_ask *a, uint16_t trunk)
{
	const struct route_rule *route = &r->set->policy.routes[a->decision->route];

	for (size_t i = 0; i < route->to_count; i++)
		if (route->to[i] == trunk)
			return route->strategy != ROUTE_LEAST_COST;
	return false;
}

static void add_up(struct replay *r, const struct replay_record *c, const struct replay_result *n)
{
	struct replay_totals *t = &r->totals;
	const bool refused = n->now.outcome != VERDICT_ALLOW;

	t->calls++;
	t->of[n->change]++;
	if (refused && (unsigned)n->now.stage < VERDICT_STAGE_COUNT)
		t->refused[n->now.stage]++;
	if (n->cost_then > 0)
		t->cost_then += n->cost_then;
	if (n->cost_now > 0)
		t->cost_now += n->cost_now;
	if (refused && n->cost_then > 0)
		t->cost_kept += n->cost_then;
	t->unpriced += c->duration_ms > 0 && n->cost_then < 0;
}

enum err replay_step(struct replay *r, const struct replay_record *c, struct replay_result *out)
{
	CHECK(r && c && out);
	struct facts f = facts_of(r, c);
	struct decision d;
	struct policy_ask a = {
		.config = &r->set->policy, .state = &r->state, .facts = &f, .decision = &d};
	uint16_t to;
	const uint16_t then = trunk_named(r->set, c->egress);

	while (r->count && r->running[0].end_ms <= c->start_ms)
		end_one(r);
	decision_init(&d);
	*out = (struct replay_result){.now = judge(r, &a, &to)};
	if (r->fraud)
		carry_out(r, &d.todo, &f);
	const bool allowed = out->now.outcome == VERDICT_ALLOW;
	if (allowed && then != POLICY_NO_INDEX && d.route < r->set->policy.route_count &&
	    still_goes_to(r, &a, then))
		to = then;
	out->egress = allowed && to < r->set->trunk_count ? r->set->trunks[to].name : STR_NONE;
	out->cost_then = cost_of(r, then, c);
	out->cost_now = allowed ? cost_of(r, to, c) : 0;
	out->change = change_of(c, out);
	add_up(r, c, out);
	if (allowed)
		return begin_one(r, c, &f, to);
	if (out->now.status < 500)
		tell_fraud(r, &f,
			   &(struct fraud_event){.moment = FRAUD_AT_REFUSAL,
						 .past = {.stage = out->now.stage}});
	return OK;
}
