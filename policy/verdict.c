#include "policy/verdict.h"

#include "common/check.h"

static const char *const outcomes[VERDICT_OUTCOME_COUNT] = {
	[VERDICT_ALLOW] = "allow",
	[VERDICT_REJECT] = "reject",
	[VERDICT_DROP] = "drop",
};

/* Values of the label `stage` (noc.md §3): dashboards are written against them. */
static const char *const stages[VERDICT_STAGE_COUNT] = {
	[VERDICT_STAGE_NONE] = "none",
	[VERDICT_STAGE_BAN] = "ban",
	[VERDICT_STAGE_ACL] = "acl",
	[VERDICT_STAGE_GEO] = "geo",
	[VERDICT_STAGE_RATE] = "rate",
	[VERDICT_STAGE_TLS] = "tls",
	[VERDICT_STAGE_PARSE] = "parse",
	[VERDICT_STAGE_LIMIT] = "limit",
	[VERDICT_STAGE_IDENTIFY] = "identify",
	[VERDICT_STAGE_AUTH] = "auth",
	[VERDICT_STAGE_ADMISSION] = "admission",
	[VERDICT_STAGE_IDENTITY] = "identity",
	[VERDICT_STAGE_NUMBER] = "number",
	[VERDICT_STAGE_FRAUD] = "fraud",
	[VERDICT_STAGE_OPINION] = "opinion",
	[VERDICT_STAGE_ROUTE] = "route",
	[VERDICT_STAGE_MEDIA] = "media",
};

const char *verdict_outcome_name(enum verdict_outcome o)
{
	return (unsigned)o < VERDICT_OUTCOME_COUNT ? outcomes[o] : "unknown";
}

const char *verdict_stage_name(enum verdict_stage s)
{
	return (unsigned)s < VERDICT_STAGE_COUNT ? stages[s] : "unknown";
}
