#include "policy/admit.h"

enum { NS_IN_MS = 1000 * 1000, NS_IN_S = 1000 * NS_IN_MS, FULL_WAIT_S = 10 };

bool admit_has_limits(const struct admit_rule *r)
{
	return r->sessions || r->live[ADMIT_IN] || r->live[ADMIT_OUT] || r->rate.count;
}

static struct verdict refuse(const struct admit_rule *r, const char *rule, uint32_t wait_s)
{
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = VERDICT_STAGE_ADMISSION,
				.status = 503,
				.retry_after_s = wait_s,
				.rule = str_from(rule),
				.file = r->place.file,
				.line = r->place.line};
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* One new call of what the nodes have in common. */
static bool take_shared(const struct admit_rule *r, struct admit_state *s, uint64_t now_ns,
			uint64_t *out_wait_ns)
{
	struct rate_rule part = r->rate;

	*out_wait_ns = 0;
	if (r->rate.count == 0)
		return true;
	if (s->share.local) {
		part.per_ms *= s->share.nodes ? s->share.nodes : 1;
		return rate_take(&s->rate, &part, 1, now_ns, out_wait_ns);
	}
	if (s->share.tokens == 0)
		return false;
	s->share.tokens--;
	return true;
}

struct verdict admit_call(const struct admit_rule *r, struct admit_state *s, enum admit_direction d,
			  uint64_t now_ms)
{
	CHECK(r && s && d < ADMIT_DIRECTION_COUNT);
	uint64_t wait_ns;
	const struct admit_share *h = &s->share;
	const uint32_t sessions = h->on ? least(r->sessions, h->held[0]) : r->sessions;
	const uint32_t live = h->on ? least(r->live[d], h->held[1 + d]) : r->live[d];

	if (r->sessions && s->live[ADMIT_IN] + s->live[ADMIT_OUT] >= sessions)
		return refuse(r, "sessions", FULL_WAIT_S);
	if (r->live[d] && s->live[d] >= live)
		return refuse(r, d == ADMIT_IN ? "inbound" : "outbound", FULL_WAIT_S);
	if (!(h->on ? take_shared(r, s, now_ms * NS_IN_MS, &wait_ns)
		    : rate_take(&s->rate, &r->rate, 1, now_ms * NS_IN_MS, &wait_ns)))
		return refuse(r, "rate", (uint32_t)(wait_ns / NS_IN_S) + 1);
	return (struct verdict){.outcome = VERDICT_ALLOW,
				.stage = VERDICT_STAGE_ADMISSION,
				.rule = STR("limits"),
				.file = r->place.file,
				.line = r->place.line};
}

static bool is_trunk(const struct policy_config *c, uint16_t realm, const struct addr *source)
{
	for (size_t t = 0; t < c->trunk_count; t++)
		for (size_t i = 0; c->trunks[t].realm == realm && i < c->trunks[t].source_count;
		     i++)
			if (prefix_has(&c->trunks[t].sources[i], source))
				return true;
	return false;
}

static struct verdict admit_by(const struct rate_rule *most, const struct policy_config *c,
			       uint16_t realm, const struct addr *source, struct rate *s,
			       uint64_t now_ms)
{
	CHECK(c && realm < c->realm_count && source && s);
	const struct realm_rule *r = &c->realms[realm];
	const struct admission_rule *a = &r->admission;
	struct verdict v = {.stage = VERDICT_STAGE_RATE,
			    .rule = a->name,
			    .file = a->place.file,
			    .line = a->place.line};
	uint64_t wait_ns;

	if (rate_take(s, most, 1, now_ms * NS_IN_MS, &wait_ns)) {
		v.outcome = VERDICT_ALLOW;
	} else if (is_trunk(c, realm, source)) {
		v.outcome = VERDICT_REJECT;
		v.status = 503;
		v.retry_after_s = (uint32_t)(wait_ns / NS_IN_S) + 1;
	} else {
		const bool says = r->acl_given && r->acl_default == ACL_REJECT;
		v.outcome = says ? VERDICT_REJECT : VERDICT_DROP;
		v.status = says ? 403 : 0;
		v.reason = says ? STR("Forbidden") : STR_NONE;
	}
	return v;
}

struct verdict admit_request(const struct policy_config *c, uint16_t realm,
			     const struct addr *source, struct rate *s, uint64_t now_ms)
{
	return admit_by(&c->realms[realm].admission.requests, c, realm, source, s, now_ms);
}

struct verdict admit_register(const struct policy_config *c, uint16_t realm,
			      const struct addr *source, struct rate *s, uint64_t now_ms)
{
	return admit_by(&c->realms[realm].admission.registers, c, realm, source, s, now_ms);
}
