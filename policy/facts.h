/* All that a decision may know of a request. Gathered first, then decided, then acted on. Views:
 * valid for the turn. */
#ifndef SALLYPORT_FACTS_H
#define SALLYPORT_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/str.h"

enum { FACTS_NAMES_MAX = 8 };

struct facts {
	uint16_t realm;
	uint16_t trunk; /* POLICY_NO_INDEX until identified */
	struct addr source;
	bool tls;
	/* Names of a client certificate that verified: hosts of SAN sip: URIs and DNS names (RFC
	 * 5922). */
	struct str peer_names[FACTS_NAMES_MAX];
	size_t peer_name_count;
	struct str method;
	struct str number; /* user part of the Request-URI, unescaped once */
	struct str domain; /* host part of the Request-URI */
	uint32_t random;   /* for weighted choice */
};

#endif
