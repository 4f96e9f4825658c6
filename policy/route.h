/* Where does the call go? First match wins. */
#ifndef SALLYPORT_ROUTE_H
#define SALLYPORT_ROUTE_H

#include "policy/facts.h"
#include "policy/policy_config.h"
#include "policy/sheet.h"
#include "policy/verdict.h"

/* ALLOW with *out_route (index of the rule), or REJECT with the rule's status; 404 "No route" when
 * nothing matches. */
struct verdict route_find(const struct policy_config *c, const struct facts *f,
			  uint16_t *out_route);
/* Does a route of emergency priority take this number, whoever calls? */
bool route_is_emergency(const struct policy_config *c, struct str number);
/* Does this outcome of an attempt (SIP status or ROUTE_CAUSE_*) go on to the next target? */
bool route_is_retried(const struct route_rule *r, unsigned cause);
/* What a call to that trunk costs; NULL: not known. Valid until the trunk's rate sheet is read anew. */
const struct sheet_price *route_price(const struct policy_config *c, uint16_t trunk,
				      struct str number);
/*
 * The trunks of the route in the order of what the call costs there, by the minute and then to set up; those whose price is
 * not known come last, equals stay in order. Of other strategies than LEAST_COST: as they stand. Returns how many.
 */
size_t route_order(const struct policy_config *c, const struct route_rule *r, struct str number,
		   uint16_t out[ROUTE_TO_MAX]);

#endif
