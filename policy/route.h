/* Where does the call go? First match wins. */
#ifndef SALLYPORT_ROUTE_H
#define SALLYPORT_ROUTE_H

#include "policy/facts.h"
#include "policy/policy_config.h"
#include "policy/verdict.h"

/* ALLOW with *out_route (index of the rule), or REJECT with the rule's status; 404 "No route" when
 * nothing matches. */
struct verdict route_find(const struct policy_config *c, const struct facts *f,
			  uint16_t *out_route);
/* Does this outcome of an attempt (SIP status or ROUTE_CAUSE_*) go on to the next target? */
/* Does a route of emergency priority take this number, whoever calls? */
bool route_is_emergency(const struct policy_config *c, struct str number);
bool route_is_retried(const struct route_rule *r, unsigned cause);

#endif
