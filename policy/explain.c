#include "policy/explain.h"

#include "common/check.h"

enum { NS_IN_MS = 1000 * 1000 };

/* `,"key":` or `"key":` for the first member of an object. */
static void key(struct buf *b, const char *name)
{
	if (b->p && b->len > 0 && b->p[b->len - 1] != '{' && b->p[b->len - 1] != ',')
		buf_char(b, ',');
	buf_char(b, '"');
	buf_z(b, name);
	buf_lit(b, "\":");
}

static void text(struct buf *b, const char *name, struct str v)
{
	key(b, name);
	buf_json_str(b, v);
}

/* Unknown is a value, and is said. */
static void known(struct buf *b, const char *name, struct str v)
{
	text(b, name, v.len ? v : STR("unknown"));
}

static void some(struct buf *b, const char *name, struct str v)
{
	if (v.len)
		text(b, name, v);
}

static void number(struct buf *b, const char *name, uint64_t v)
{
	key(b, name);
	buf_u64(b, v);
}

static void yes(struct buf *b, const char *name, bool v)
{
	if (v) {
		key(b, name);
		buf_lit(b, "true");
	}
}

/* ---- what each stage looked at */

static void source(struct buf *b, const struct policy_ask *a)
{
	char mem[64];
	struct buf addr;

	buf_init(&addr, mem, sizeof(mem));
	addr_write(&addr, &a->facts->source);
	text(b, "source", buf_view(&addr));
}

static void realm(struct buf *b, const struct policy_ask *a)
{
	if (a->facts->realm < a->config->realm_count)
		text(b, "realm", a->config->realms[a->facts->realm].name);
}

static void trunk_name(struct buf *b, const struct policy_ask *a, uint16_t trunk)
{
	known(b, "trunk",
	      trunk < a->config->trunk_count ? a->config->trunks[trunk].name : STR_NONE);
}

static void of_ban(struct buf *b, const struct policy_ask *a)
{
	source(b, a);
	some(b, "user", a->facts->user);
	some(b, "caller", a->facts->caller);
	yes(b, "spoofable", a->facts->spoofable);
	yes(b, "quarantined", a->facts->quarantined);
}

static void of_acl(struct buf *b, const struct policy_ask *a)
{
	source(b, a);
	realm(b, a);
}

static void of_geo(struct buf *b, const struct policy_ask *a)
{
	known(b, "country", str_from(a->facts->country));
	if (a->facts->asn)
		number(b, "asn", a->facts->asn);
}

static void of_rate(struct buf *b, const struct policy_ask *a)
{
	const struct facts *f = a->facts;
	const struct rate_rule *r = &a->config->realms[f->realm].admission.requests;
	const struct str who = policy_source_key(&f->source);
	const uint64_t now_ns = f->now_ms * NS_IN_MS;
	const struct rate now = rate_table_peek(&a->state->sources, f->realm, who, now_ns);

	source(b, a);
	if (r->count) {
		number(b, "left", rate_left(&now, r, now_ns));
		number(b, "count", r->count);
		number(b, "per_ms", r->per_ms);
		number(b, "burst", r->burst ? r->burst : r->count);
	}
}

static void of_parse(struct buf *b, const struct policy_ask *a)
{
	some(b, "method", a->facts->method);
}

static void of_identify(struct buf *b, const struct policy_ask *a)
{
	const struct facts *f = a->facts;

	source(b, a);
	yes(b, "tls", f->tls);
	if (f->peer_name_count) {
		key(b, "certificate");
		buf_char(b, '[');
		for (size_t i = 0; i < f->peer_name_count; i++) {
			if (i)
				buf_char(b, ',');
			buf_json_str(b, f->peer_names[i]);
		}
		buf_char(b, ']');
	}
	some(b, "user", f->user);
	trunk_name(b, a, f->trunk);
}

static void of_auth(struct buf *b, const struct policy_ask *a)
{
	trunk_name(b, a, a->facts->trunk);
}

static void of_admission(struct buf *b, const struct policy_ask *a)
{
	const uint16_t t = a->facts->trunk;
	const struct admission *x =
		t < a->config->trunk_count
			? admissions_find(&a->state->admissions, a->config->trunks[t].name)
			: NULL;

	trunk_name(b, a, t);
	if (x) {
		number(b, "inbound", x->state.live[ADMIT_IN]);
		number(b, "outbound", x->state.live[ADMIT_OUT]);
	}
	some(b, "user", a->facts->user);
	some(b, "caller", a->facts->caller);
	some(b, "number", a->facts->number);
}

static void of_call(struct buf *b, const struct policy_ask *a)
{
	static const char *const causes[FACTS_CAUSE_COUNT] = {
		[FACTS_DIALLED] = "dialled",
		[FACTS_REDIRECTED] = "redirected",
		[FACTS_TRANSFERRED] = "transferred",
	};

	trunk_name(b, a, a->facts->trunk);
	some(b, "user", a->facts->user);
	known(b, "caller", a->facts->caller);
	known(b, "number", a->facts->number);
	text(b, "cause", str_from(causes[a->facts->cause]));
	if (!a->config->fraud)
		return;
	char mem[160];
	struct buf is;
	buf_init(&is, mem, sizeof(mem));
	fraud_describe(&a->state->fraud, a->facts->number, &is);
	some(b, "destination", buf_view(&is));
}

static void of_route(struct buf *b, const struct policy_ask *a)
{
	realm(b, a);
	trunk_name(b, a, a->facts->trunk);
	known(b, "number", a->facts->number);
	known(b, "domain", a->facts->domain);
	key(b, "at");
	buf_char(b, '"');
	buf_time(b, a->facts->wall_ms);
	buf_char(b, '"');
}

static void of_media(struct buf *b, const struct policy_ask *a)
{
	const struct facts *f = a->facts;
	const uint16_t m = f->realm < a->config->realm_count
				   ? a->config->realms[f->realm].media_policy
				   : POLICY_NO_INDEX;

	realm(b, a);
	if (m < a->config->media_count)
		text(b, "media_policy", a->config->media[m].name);
}

typedef void (*facts_fn)(struct buf *b, const struct policy_ask *a);
static const facts_fn facts_of[VERDICT_STAGE_COUNT] = {
	[VERDICT_STAGE_BAN] = of_ban,
	[VERDICT_STAGE_ACL] = of_acl,
	[VERDICT_STAGE_GEO] = of_geo,
	[VERDICT_STAGE_RATE] = of_rate,
	[VERDICT_STAGE_PARSE] = of_parse,
	[VERDICT_STAGE_LIMIT] = of_parse,
	[VERDICT_STAGE_IDENTIFY] = of_identify,
	[VERDICT_STAGE_AUTH] = of_auth,
	[VERDICT_STAGE_ADMISSION] = of_admission,
	[VERDICT_STAGE_IDENTITY] = of_call,
	[VERDICT_STAGE_NUMBER] = of_call,
	[VERDICT_STAGE_FRAUD] = of_call,
	[VERDICT_STAGE_OPINION] = of_call,
	[VERDICT_STAGE_ROUTE] = of_route,
	[VERDICT_STAGE_MEDIA] = of_media,
};

/* ---- the whole */

static void verdict(struct buf *b, const struct verdict *v)
{
	text(b, "stage", str_from(verdict_stage_name(v->stage)));
	text(b, "outcome", str_from(verdict_outcome_name(v->outcome)));
	some(b, "rule", v->rule);
	some(b, "file", v->file);
	if (v->line)
		number(b, "line", v->line);
	if (v->status)
		number(b, "status", v->status);
	some(b, "reason", v->outcome == VERDICT_ALLOW ? STR_NONE : v->reason);
	some(b, "warning", v->warn_text);
	if (v->retry_after_s)
		number(b, "retry_after_s", v->retry_after_s);
	yes(b, "failed", v->failed);
}

void explain_write(struct buf *b, const struct policy_ask *a)
{
	CHECK(b && a && a->decision && a->facts);
	const struct decision *d = a->decision;
	static const struct verdict none = {.outcome = VERDICT_ALLOW};
	const struct verdict *v = decision_verdict(d);
	bool first = true;

	key(b, "verdict");
	buf_char(b, '{');
	verdict(b, v ? v : &none);
	yes(b, "emergency", a->facts->emergency);
	buf_lit(b, "},\"stages\":[");
	for (unsigned i = VERDICT_STAGE_NONE + 1; i < VERDICT_STAGE_COUNT; i++) {
		if (!decision_has(d, (enum verdict_stage)i))
			continue;
		buf_z(b, first ? "{" : ",{");
		first = false;
		verdict(b, &d->of[i]);
		key(b, "facts");
		buf_char(b, '{');
		if (facts_of[i])
			facts_of[i](b, a);
		buf_lit(b, "}}");
	}
	buf_char(b, ']');
}
