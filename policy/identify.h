/* Which trunk is this request from? Address and certificate name (RFC 5922 §7), within the realm it
 * arrived on. */
#ifndef SALLYPORT_IDENTIFY_H
#define SALLYPORT_IDENTIFY_H

#include "policy/facts.h"
#include "policy/policy_config.h"
#include "policy/verdict.h"

/* The realm's acl, before any parse: ALLOW, DROP (deny) or REJECT 403. A realm without acl allows.
 */
struct verdict identify_acl(const struct policy_config *c, uint16_t realm,
			    const struct addr *source);
/* ALLOW with *out_trunk; else REJECT 403, or DROP where the realm's acl default is deny. */
struct verdict identify_trunk(const struct policy_config *c, const struct facts *f,
			      uint16_t *out_trunk);

#endif
