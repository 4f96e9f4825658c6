#include "policy/route.h"

#include "common/check.h"
#include "policy/hours.h"
#include "policy/pattern.h"
#include "policy/sheet.h"

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
		if (r->reject_status ? pattern_may_match(r->numbers[i], f->number)
				     : pattern_matches(r->numbers[i], f->number))
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

static bool has_user(const struct route_when *w, struct str user)
{
	for (size_t i = 0; i < w->user_count && user.len; i++) {
		struct str name = w->users[i];
		if (name.p[0] == '@' ? str_has_isuffix(user, name) : str_ieq(user, name))
			return true;
	}
	return false;
}

static bool prefix_matches(const struct route_when *w, struct str number)
{
	if (w->plus || w->bare) {
		const struct sheet *s = number.len && number.p[0] == '+' ? w->plus : w->bare;
		if (!s || !sheet_line(s, number))
			return false;
	}
	return !w->file || sheet_line(w->file, number);
}

/* All but the number, cheap before dear. */
static bool when_matches(const struct route_when *w, const struct facts *f)
{
	if (w->realm_count && !has_index(w->realms, w->realm_count, f->realm))
		return false;
	if (w->trunk_count && !has_index(w->trunks, w->trunk_count, f->trunk))
		return false;
	if (w->causes && !(w->causes & 1u << f->cause))
		return false;
	if (w->user_count && !has_user(w, f->user))
		return false;
	return !w->hours || hours_is(w->hours, f->wall_ms);
}

static bool matches(const struct route_rule *r, const struct facts *f)
{
	return from_matches(r, f) && when_matches(&r->when, f) && domain_matches(r, f) &&
	       prefix_matches(&r->when, f->number) && number_matches(r, f);
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
		if (!matches(r, f))
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
		if (c->routes[i].emergency && prefix_matches(&c->routes[i].when, number) &&
		    number_matches(&c->routes[i], &f))
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

const struct sheet_price *route_price(const struct policy_config *c, uint16_t trunk,
				      struct str number)
{
	const struct sheet *s = trunk < c->trunk_count ? c->trunks[trunk].rates : NULL;

	return s ? sheet_price(s, number) : NULL;
}

static bool is_dearer(const struct sheet_price *a, const struct sheet_price *b)
{
	if (!a || !b)
		return !a && b;
	if (a->per_minute != b->per_minute)
		return a->per_minute > b->per_minute;
	return a->setup > b->setup;
}

size_t route_order(const struct policy_config *c, const struct route_rule *r, struct str number,
		   uint16_t out[ROUTE_TO_MAX])
{
	const struct sheet_price *price[ROUTE_TO_MAX];
	size_t n = 0;

	CHECK(r->to_count <= ROUTE_TO_MAX);
	for (; n < r->to_count; n++) {
		size_t at = n;
		const struct sheet_price *p =
			r->strategy == ROUTE_LEAST_COST ? route_price(c, r->to[n], number) : NULL;
		for (; at > 0 && is_dearer(price[at - 1], p); at--) {
			price[at] = price[at - 1];
			out[at] = out[at - 1];
		}
		price[at] = p;
		out[at] = r->to[n];
	}
	return n;
}
