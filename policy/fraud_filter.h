/* Does a condition of a fraud rule hold, of a call or of what became of it? */
#ifndef SALLYPORT_FRAUD_FILTER_H
#define SALLYPORT_FRAUD_FILTER_H

#include <stdbool.h>

#include "policy/facts.h"
#include "policy/fraud_rule.h"

/* What the table of destinations says of the number. */
struct fraud_number {
	struct str digits;            /* of E.164; empty: it is no such number */
	const struct destination *is; /* NULL: unknown */
	size_t code_len;
	uint32_t classes; /* bits */
	uint16_t country; /* FRAUD_COUNTRY_UNKNOWN */
};

/* What became of it. */
struct fraud_past {
	uint32_t duration_ms, ring_ms;
	enum verdict_stage stage; /* of a refusal */
};

void fraud_number_of(const struct fraud_config *c, struct str number, struct fraud_number *out);
/* All but rang_us, which only the state knows. `past` NULL: it has only begun, what speaks of its end is passed over. */
bool fraud_filter_holds(const struct fraud_filter *w, const struct facts *f,
			const struct fraud_number *n, const struct fraud_past *past);

#endif
