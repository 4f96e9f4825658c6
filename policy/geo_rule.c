#include "policy/geo_rule.h"

#include "common/check.h"

static bool is_in(const uint16_t *list, size_t count, uint16_t x)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == x)
			return true;
	return false;
}

static bool has_asn(const struct geo_asns *a, uint32_t asn)
{
	size_t low = 0, high = a->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (a->list[mid] == asn)
			return true;
		if (a->list[mid] < asn)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* Whether its source is meant, whoever's it is. */
static bool is_of_source(const struct geo_rule *r, const struct facts *f, uint16_t country)
{
	if (r->realm_count && !is_in(r->realms, r->realm_count, f->realm))
		return false;
	if (r->by_country && !country_set_has(&r->countries, country))
		return false;
	if (r->asn.count && !has_asn(&r->asn, f->asn))
		return false;
	return !r->asn_not.count || !has_asn(&r->asn_not, f->asn);
}

/* Could one of its trunks speak in this realm? */
static bool is_about_realm(const struct policy_config *c, const struct geo_rule *r, uint16_t realm)
{
	for (size_t i = 0; i < r->trunk_count; i++)
		if (r->trunks[i] < c->trunk_count && c->trunks[r->trunks[i]].realm == realm)
			return true;
	return r->trunk_count == 0;
}

static struct verdict verdict_of(const struct geo_rule *r)
{
	static const enum verdict_outcome outcomes[GEO_ACTION_COUNT] = {
		[GEO_ACCEPT] = VERDICT_ALLOW,
		[GEO_REJECT] = VERDICT_REJECT,
		[GEO_DROP] = VERDICT_DROP};
	return (struct verdict){.outcome = outcomes[r->action],
				.stage = VERDICT_STAGE_GEO,
				.status = r->action == GEO_REJECT ? r->status : 0,
				.rule = r->name,
				.file = r->place.file,
				.line = r->place.line};
}

struct verdict geo_rule_judge(const struct policy_config *c, const struct facts *f,
			      enum geo_phase phase)
{
	struct verdict open = {.outcome = VERDICT_ALLOW, .stage = VERDICT_STAGE_GEO};
	if (c->geo_count == 0)
		return open;
	const uint16_t country = country_code(str_from(f->country));
	for (size_t i = 0; i < c->geo_count; i++) {
		const struct geo_rule *r = &c->geo[i];
		if (!is_of_source(r, f, country))
			continue;
		if (r->trunk_count == 0 ||
		    (phase == GEO_IDENTIFIED && is_in(r->trunks, r->trunk_count, f->trunk)))
			return verdict_of(r);
		if (phase == GEO_EARLY && is_about_realm(c, r, f->realm))
			return open;
	}
	return open;
}

bool geo_rule_asks(const struct policy_config *c, uint16_t realm)
{
	for (size_t i = 0; i < c->geo_count; i++) {
		const struct geo_rule *r = &c->geo[i];
		if ((r->by_country || r->by_asn) && is_about_realm(c, r, realm) &&
		    (r->realm_count == 0 || is_in(r->realms, r->realm_count, realm)))
			return true;
	}
	return false;
}
