/*
 * Geography: whether a source may speak by the country and the autonomous system of its address (`geo`). The first rule
 * that matches decides; if none does, it may. What is not known is a value of its own, `unknown`: a rule that lists the
 * countries that may not come does not match it, one that lists those that alone may does.
 *
 * Asked twice. Early, before a request is looked at, when its trunk is not known yet: a rule that would match if it were
 * one of the trunks of that realm leaves it open, and the rest for later. And again when it is known whose the request is.
 */
#ifndef SALLYPORT_GEO_RULE_H
#define SALLYPORT_GEO_RULE_H

#include "policy/country.h"
#include "policy/facts.h"
#include "policy/policy_config.h"
#include "policy/verdict.h"

enum { GEO_REALMS_MAX = 16, GEO_TRUNKS_MAX = 64, GEO_LIST_MAX = 4096 };

enum geo_action { GEO_ACCEPT, GEO_REJECT, GEO_DROP, GEO_ACTION_COUNT };

/* Numbers of systems, ascending; 0: unknown. */
struct geo_asns {
	const uint32_t *list;
	size_t count;
};

struct geo_rule {
	struct str name;
	uint16_t realms[GEO_REALMS_MAX]; /* none: any */
	size_t realm_count;
	uint16_t trunks[GEO_TRUNKS_MAX]; /* none: any, and strangers */
	size_t trunk_count;
	bool by_country, by_asn;      /* does it ask at all? */
	struct country_set countries; /* `country` less `country_not` */
	struct geo_asns asn, asn_not;
	enum geo_action action;
	uint16_t status; /* of GEO_REJECT */
	struct rule_place place;
};

enum geo_phase { GEO_EARLY, GEO_IDENTIFIED, GEO_PHASE_COUNT };

/* ALLOW, REJECT or DROP, of stage GEO. Of the facts: realm, trunk (POLICY_NO_INDEX: nobody's), country, asn. */
struct verdict geo_rule_judge(const struct policy_config *c, const struct facts *f,
			      enum geo_phase phase);
/* Does any rule want to know where those of this realm are? */
bool geo_rule_asks(const struct policy_config *c, uint16_t realm);

#endif
