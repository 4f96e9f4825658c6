#include "policy/route.h"

#include "common/check.h"
#include "policy/pattern.h"

static bool has_index(const uint16_t *list, size_t count, uint16_t index)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == index)
			return true;
	return false;
}

static bool from_matches(const struct route_rule *r, const struct facts *f)
{
	return r->any_from || has_index(r->from_realms, r->from_realm_count, f->realm) ||
	       (f->trunk != POLICY_NO_INDEX &&
		has_index(r->from_trunks, r->from_trunk_count, f->trunk));
}

static bool number_matches(const struct route_rule *r, const struct facts *f)
{
	for (size_t i = 0; i < r->number_count; i++)
		if (pattern_matches(r->numbers[i], f->number))
			return true;
	return r->number_count == 0;
}

static bool domain_matches(const struct route_rule *r, const struct facts *f)
{
	for (size_t i = 0; i < r->domain_count; i++)
		if (str_ieq(r->domains[i], f->domain))
			return true;
	return r->domain_count == 0;
}

struct verdict route_find(const struct policy_config *c, const struct facts *f, uint16_t *out_route)
{
	struct verdict v = {.outcome = VERDICT_REJECT,
			    .stage = VERDICT_STAGE_ROUTE,
			    .status = 404,
			    .reason = STR("No route"),
			    .rule = STR("no-route")};
	for (size_t i = 0; i < c->route_count; i++) {
		const struct route_rule *r = &c->routes[i];
		if (!from_matches(r, f) || !domain_matches(r, f) || !number_matches(r, f))
			continue;
		v.rule = r->name;
		v.file = r->place.file;
		v.line = r->place.line;
		v.status = r->reject_status;
		v.reason = r->reject_reason;
		if (r->reject_status == 0) {
			v.outcome = VERDICT_ALLOW;
			*out_route = (uint16_t)i;
		}
		return v;
	}
	return v;
}

bool route_is_emergency(const struct policy_config *c, struct str number)
{
	struct facts f = {.number = number};
	for (size_t i = 0; i < c->route_count; i++)
		if (c->routes[i].emergency && number_matches(&c->routes[i], &f))
			return true;
	return false;
}

bool route_is_retried(const struct route_rule *r, unsigned cause)
{
	for (size_t i = 0; i < r->failure_code_count; i++)
		if (r->failure_codes[i] == cause)
			return true;
	return false;
}
