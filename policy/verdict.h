/* What a decision came to: outcome, SIP status and reason for the far end, and the rule that
 * decided (style §6). */
#ifndef SALLYPORT_VERDICT_H
#define SALLYPORT_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

enum verdict_outcome {
	VERDICT_ALLOW,
	VERDICT_REJECT, /* answer with status and reason */
	VERDICT_DROP,   /* say nothing */
	VERDICT_OUTCOME_COUNT
};

/*
 * The stage that decided, in the order in which they are asked; the label `stage` of sallyport_refused_total. TLS, PARSE and
 * LIMIT (the load of the node) stand beside the pipeline: what is refused there was no question of policy.
 */
enum verdict_stage {
	VERDICT_STAGE_NONE,
	VERDICT_STAGE_BAN,
	VERDICT_STAGE_ACL,
	VERDICT_STAGE_GEO,
	VERDICT_STAGE_RATE,
	VERDICT_STAGE_TLS,
	VERDICT_STAGE_PARSE,
	VERDICT_STAGE_LIMIT,
	VERDICT_STAGE_IDENTIFY,
	VERDICT_STAGE_AUTH,
	VERDICT_STAGE_ADMISSION,
	VERDICT_STAGE_IDENTITY,
	VERDICT_STAGE_NUMBER,
	VERDICT_STAGE_FRAUD,
	VERDICT_STAGE_OPINION,
	VERDICT_STAGE_ROUTE,
	VERDICT_STAGE_MEDIA,
	VERDICT_STAGE_COUNT
};

/* Views point into the configuration or at static text. */
struct verdict {
	enum verdict_outcome outcome;
	enum verdict_stage stage;
	uint16_t status;    /* SIP status for REJECT */
	struct str reason;  /* reason phrase for the far end: says nothing of the inside */
	uint16_t warn_code; /* RFC 3261 §20.43 warn-code, 0: no Warning header */
	struct str warn_text;
	uint32_t retry_after_s; /* of a 503; 0: not known */
	bool failed; /* the stage could not tell (no database, no memory): the outcome is what on_error says */
	struct str rule; /* the rule's name, for logs, CDR and metrics */
	struct str file; /* where the rule stands */
	uint32_t line;
};

const char *verdict_outcome_name(enum verdict_outcome o);
const char *verdict_stage_name(enum verdict_stage s);

#endif
