#include "policy/identify.h"

#include "common/check.h"

static struct verdict allow(enum verdict_stage stage, struct str rule, struct rule_place place)
{
	return (struct verdict){.outcome = VERDICT_ALLOW,
				.stage = stage,
				.rule = rule,
				.file = place.file,
				.line = place.line};
}

/* Silence, or a 403 that says nothing of the inside. */
static struct verdict refuse(enum verdict_stage stage, const struct realm_rule *r, bool silent)
{
	struct verdict v = allow(stage, r->name, r->place);
	v.outcome = silent ? VERDICT_DROP : VERDICT_REJECT;
	v.status = silent ? 0 : 403;
	v.reason = silent ? STR_NONE : STR("Forbidden");
	return v;
}

/* Bits of the longest prefix that holds `a`, or -1. */
static int longest(const struct prefix *list, size_t count, const struct addr *a)
{
	int best = -1;
	for (size_t i = 0; i < count; i++)
		if (prefix_has(&list[i], a) && list[i].bits > best)
			best = list[i].bits;
	return best;
}

struct verdict identify_acl(const struct policy_config *c, uint16_t realm,
			    const struct addr *source)
{
	CHECK(realm < c->realm_count);
	const struct realm_rule *r = &c->realms[realm];
	if (!r->acl_given)
		return allow(VERDICT_STAGE_ACL, r->name, r->place);
	int allowed = longest(r->acl_allow, r->acl_allow_count, source);
	int denied = longest(r->acl_deny, r->acl_deny_count, source);
	if (denied >= 0 && denied >= allowed) /* the same prefix in both: the safe one */
		return refuse(VERDICT_STAGE_ACL, r, true);
	if (allowed >= 0 || r->acl_default == ACL_ALLOW)
		return allow(VERDICT_STAGE_ACL, r->name, r->place);
	return refuse(VERDICT_STAGE_ACL, r, r->acl_default == ACL_DENY);
}

static bool has_name(const struct facts *f, struct str name)
{
	for (size_t i = 0; i < f->peer_name_count; i++)
		if (str_ieq(f->peer_names[i], name))
			return true;
	return false;
}

/* How well the trunk fits, higher is narrower; -1: not at all. All conditions that are given must hold. */
static int fit(const struct trunk_rule *t, const struct facts *f)
{
	bool by_name = t->certificate_name.len > 0;
	if (t->realm != f->realm || (!by_name && t->source_count == 0))
		return -1;
	if (by_name && (!f->tls || !has_name(f, t->certificate_name)))
		return -1;
	int bits = t->source_count > 0 ? longest(t->sources, t->source_count, &f->source) : 0;
	return bits < 0 ? -1 : bits * 2 + by_name;
}

struct verdict identify_trunk(const struct policy_config *c, const struct facts *f,
			      uint16_t *out_trunk)
{
	CHECK(f->realm < c->realm_count);
	const struct realm_rule *r = &c->realms[f->realm];
	int best = -1;
	size_t at = 0;
	for (size_t i = 0; i < c->trunk_count; i++) {
		int n = fit(&c->trunks[i], f);
		if (n > best) {
			best = n;
			at = i;
		}
	}
	if (best < 0)
		return refuse(VERDICT_STAGE_IDENTIFY, r,
			      r->acl_given && r->acl_default == ACL_DENY);
	*out_trunk = (uint16_t)at;
	return allow(VERDICT_STAGE_IDENTIFY, c->trunks[at].name, c->trunks[at].place);
}
