#include "policy/policy.h"

#include "common/check.h"
#include "policy/attest.h"
#include "policy/geo_rule.h"
#include "policy/identify.h"
#include "policy/route.h"

enum { NS_IN_MS = 1000 * 1000 };

enum err policy_init(struct policy_state *p, uint32_t calls, const struct siphash_key *key)
{
	CHECK(p && key);
	*p = (struct policy_state){.counts = {.failed = {0}}};
	fraud_init(&p->fraud, key);
	enum err e = rate_table_init(&p->sources, POLICY_SOURCES_MAX, key);
	if (e == OK)
		e = ban_init(&p->bans, key);
	if (e == OK)
		e = quotas_init(&p->quotas, calls, key);
	return e ? e : admissions_init(&p->admissions, key);
}

void policy_release(struct policy_state *p)
{
	rate_table_release(&p->sources);
	ban_release(&p->bans);
	quotas_release(&p->quotas);
	admissions_release(&p->admissions);
	fraud_release(&p->fraud);
}

/* ---- the stages, as the table calls them */

static struct verdict acl(const struct policy_ask *a)
{
	return identify_acl(a->config, a->facts->realm, &a->facts->source);
}

/* Asked early of what is new, and again when it is known whose it is. */
static struct verdict geo(const struct policy_ask *a)
{
	const struct facts *f = a->facts;

	if (a->config->geo_count == 0 || (!f->fresh && !f->identified))
		return (struct verdict){.outcome = VERDICT_ALLOW};
	return geo_rule_judge(a->config, f, f->identified ? GEO_IDENTIFIED : GEO_EARLY);
}

struct str policy_source_key(const struct addr *a)
{
	return (struct str){(const char *)a->ip, a->family == ADDR_IP6 ? 8 : 4};
}

static struct verdict ban(const struct policy_ask *a)
{
	struct bans *b = &a->state->bans;
	struct facts *f = a->facts;
	const struct verdict v =
		ban_judge_source(b, &a->config->bans, &f->source, f->now_ms, a->peek);

	if (v.outcome != VERDICT_ALLOW || b->live[BAN_QUARANTINE][SUBJECT_SOURCE] == 0 ||
	    !f->spoofable || !f->fresh)
		return v;
	const struct verdict held = ban_judge_quarantine(b, &f->source, f->now_ms, a->peek);
	f->quarantined = held.outcome != VERDICT_ALLOW;
	return held;
}

static struct verdict rate_by(const struct policy_ask *a, uint32_t rule,
			      struct verdict (*admit)(const struct policy_config *c, uint16_t realm,
						      const struct addr *source, struct rate *s,
						      uint64_t now_ms))
{
	const struct facts *f = a->facts;
	const struct str key = policy_source_key(&f->source);
	const uint64_t now_ns = f->now_ms * NS_IN_MS;
	struct rate copy =
		a->peek ? rate_table_peek(&a->state->sources, rule, key, now_ns) : (struct rate){0};
	struct rate *r = a->peek ? &copy : rate_table_find(&a->state->sources, rule, key, now_ns);

	return admit(a->config, f->realm, &f->source, r, f->now_ms);
}

enum { RATE_OF_REGISTERS = 1 << 16 }; /* beside the realm's number */

static struct verdict rate(const struct policy_ask *a)
{
	const struct facts *f = a->facts;
	const struct admission_rule *r = &a->config->realms[f->realm].admission;
	struct verdict v = {.outcome = VERDICT_ALLOW};

	if (f->fresh && r->requests.count)
		v = rate_by(a, f->realm, admit_request);
	if (v.outcome == VERDICT_ALLOW && f->registers && r->registers.count)
		v = rate_by(a, f->realm | RATE_OF_REGISTERS, admit_register);
	return v;
}

/* A trunk's, or that of a group whose user has registered over this flow. */
static struct verdict identify(const struct policy_ask *a)
{
	struct facts *f = a->facts;
	struct verdict v = identify_trunk(a->config, f, &f->trunk);

	if (v.outcome == VERDICT_ALLOW || f->user.len == 0 ||
	    f->user_trunk >= a->config->trunk_count)
		return v;
	const struct trunk_rule *t = &a->config->trunks[f->user_trunk];
	if (t->realm != f->realm)
		return v;
	f->trunk = f->user_trunk;
	return (struct verdict){.outcome = VERDICT_ALLOW,
				.stage = VERDICT_STAGE_IDENTIFY,
				.rule = t->name,
				.file = t->place.file,
				.line = t->place.line};
}

/* The limits of the trunk. */
static struct verdict admit_trunk(const struct policy_ask *a)
{
	struct admission *x = NULL;

	if (a->admit && admit_has_limits(a->admit) && a->admit_trunk < a->config->trunk_count)
		x = admissions_find(&a->state->admissions, a->config->trunks[a->admit_trunk].name);
	if (!x)
		return (struct verdict){.outcome = VERDICT_ALLOW};
	struct admit_state copy = x->state;
	if (a->peek && a->admit_begun && a->admit_trunk == a->facts->trunk) {
		if (!a->facts->emergency) /* which takes nothing of the rate */
			(void)admit_call(a->admit, &copy, ADMIT_IN, a->facts->now_ms);
		copy.live[ADMIT_IN]++;
	}
	return admit_call(a->admit, a->peek ? &copy : &x->state, a->direction, a->facts->now_ms);
}

static struct verdict fraud(const struct policy_ask *a)
{
	if (!a->config->fraud)
		return (struct verdict){.outcome = VERDICT_ALLOW};
	return fraud_judge(a->config, &a->state->fraud, a->facts, a->peek, &a->decision->todo);
}

static struct verdict identity(const struct policy_ask *a)
{
	return attest_judge(a->config, a->facts);
}

/* The trunk's, and where the call comes in, those of who calls and who is called: all of them, or nothing is taken. */
static struct verdict admission(const struct policy_ask *a)
{
	struct verdict of_number = {.outcome = VERDICT_ALLOW};
	struct quotas_asked asked;

	if (a->direction == ADMIT_IN)
		of_number = quota_judge(a->config, &a->state->quotas, a->facts, &asked);
	if (of_number.outcome != VERDICT_ALLOW)
		return of_number;
	const struct verdict v = admit_trunk(a);
	if (v.outcome == VERDICT_ALLOW && a->direction == ADMIT_IN && !a->peek)
		quota_take(a->config, &a->state->quotas, &asked, a->facts->now_ms);
	return v.stage == VERDICT_STAGE_NONE ? of_number : v;
}

static struct verdict route(const struct policy_ask *a)
{
	return route_find(a->config, a->facts, &a->decision->route);
}

/* ---- their order */

typedef struct verdict (*stage_fn)(const struct policy_ask *a);

/*
 * In the order of enum verdict_stage. NULL: it is the core's, who adds its verdict. `spares`: an emergency call is not asked.
 * A stage with nothing to say of the request (none of its rules is there) gives a verdict without a stage.
 */
static const struct {
	stage_fn judge;
	bool spares;
} stages[VERDICT_STAGE_COUNT] = {
	[VERDICT_STAGE_BAN] = {ban, true},           [VERDICT_STAGE_ACL] = {acl, false},
	[VERDICT_STAGE_GEO] = {geo, true},           [VERDICT_STAGE_RATE] = {rate, true},
	[VERDICT_STAGE_LIMIT] = {NULL, true},        [VERDICT_STAGE_IDENTIFY] = {identify, false},
	[VERDICT_STAGE_AUTH] = {NULL, false},        [VERDICT_STAGE_ADMISSION] = {admission, true},
	[VERDICT_STAGE_IDENTITY] = {identity, true}, [VERDICT_STAGE_NUMBER] = {NULL, false},
	[VERDICT_STAGE_FRAUD] = {fraud, true},       [VERDICT_STAGE_OPINION] = {NULL, true},
	[VERDICT_STAGE_ROUTE] = {route, false},      [VERDICT_STAGE_MEDIA] = {NULL, false},
};

bool policy_spares_emergency(enum verdict_stage s)
{
	return (unsigned)s < VERDICT_STAGE_COUNT && stages[s].spares;
}

void policy_add(const struct policy_ask *a, const struct verdict *v)
{
	decision_add(a->decision, v);
	if (a->peek || v->stage == VERDICT_STAGE_NONE)
		return;
	a->state->counts.of[v->stage][v->outcome]++;
	a->state->counts.failed[v->stage] += v->failed;
}

static struct verdict ask_stage(const struct policy_ask *a, enum verdict_stage s)
{
	const struct verdict v = stages[s].judge(a);

	policy_add(a, &v);
	return v;
}

struct verdict policy_run(const struct policy_ask *a, enum verdict_stage first,
			  enum verdict_stage last)
{
	CHECK(a && a->config && a->state && a->facts && a->decision && last < VERDICT_STAGE_COUNT);
	struct verdict v = {.outcome = VERDICT_ALLOW};

	for (unsigned i = first; i <= last; i++) {
		if (stages[i].spares && a->facts->emergency)
			decision_forget(a->decision,
					(enum verdict_stage)i); /* said before it was known */
		else if (stages[i].judge)
			v = ask_stage(a, (enum verdict_stage)i);
		if (v.outcome != VERDICT_ALLOW)
			return v;
	}
	return v;
}

struct verdict policy_source(const struct policy_ask *a)
{
	return policy_run(a, VERDICT_STAGE_BAN, VERDICT_STAGE_RATE);
}

struct verdict policy_who(const struct policy_ask *a)
{
	struct verdict v = policy_run(a, VERDICT_STAGE_IDENTIFY, VERDICT_STAGE_AUTH);

	a->facts->identified = true;
	if (a->config->geo_count == 0)
		return v;
	const struct verdict place = policy_run(a, VERDICT_STAGE_GEO, VERDICT_STAGE_GEO);
	return place.outcome != VERDICT_ALLOW ? place : v;
}

struct verdict policy_admit(const struct policy_ask *a)
{
	return policy_run(a, VERDICT_STAGE_ADMISSION, VERDICT_STAGE_ADMISSION);
}

/* The source was asked about first of all; who else is meant is known only now. */
static struct verdict ban_of_call(const struct policy_ask *a)
{
	const struct verdict v = ban_judge(&a->state->bans, a->config, a->facts, a->peek);

	if (v.stage != VERDICT_STAGE_NONE)
		policy_add(a, &v);
	return v;
}

struct verdict policy_call(const struct policy_ask *a)
{
	if (a->state->bans.all && !a->facts->emergency) {
		const struct verdict v = ban_of_call(a);
		if (v.outcome != VERDICT_ALLOW)
			return v;
	}
	return policy_run(a, VERDICT_STAGE_IDENTITY, VERDICT_STAGE_ROUTE);
}

struct verdict policy_failed(enum verdict_stage stage, struct str rule, struct rule_place place,
			     bool accept)
{
	return (struct verdict){.outcome = accept ? VERDICT_ALLOW : VERDICT_REJECT,
				.stage = stage,
				.status = accept ? 0 : 503,
				.rule = rule,
				.file = place.file,
				.line = place.line,
				.failed = true};
}
