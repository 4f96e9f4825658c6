/*
 * Who says who calls, and how far that is believed (RFC 8224, RFC 8588): the stage `identity`, over a signature that was
 * looked at before; and what we ourselves answer for when we sign.
 */
#ifndef SALLYPORT_ATTEST_H
#define SALLYPORT_ATTEST_H

#include <stddef.h>

#include "policy/facts.h"
#include "policy/policy_config.h"
#include "policy/verdict.h"

/*
 * By the policy of the trunk that the request comes from: a signature that is missing, broken, old or of nobody whom we believe;
 * one that says too little. Without a policy all goes on.
 */
struct verdict attest_judge(const struct policy_config *c, const struct facts *f);
/* Is there a policy for what comes from that trunk? */
bool attest_is_asked(const struct policy_config *c, uint16_t trunk);

/* "unknown", "none", "passed", "failed"; "missing", …; "unknown", "C", "B", "A". */
const char *attest_verstat_name(enum facts_verstat v);
const char *attest_fault_name(enum facts_fault f);
const char *attest_name(enum facts_attest a);
/* 'A' to 'C'; else unknown. */
enum facts_attest attest_of(char letter);
/* The status of RFC 8224 §6.2.2 that tells of it. */
uint16_t attest_status(enum facts_fault f);
/* And the reason phrase of such a status; STR_NONE: that of SIP. */
struct str attest_reason(uint16_t status);

/* Numbers of a trunk, canonical: digits; one with `all` stands for those that begin with it. */
struct attest_number {
	struct str digits;
	bool all;
};

/* What we answer for of calls that a trunk makes. */
struct attest_origin {
	const struct attest_number *owned; /* sorted by attest_sort */
	size_t owned_count;
	enum facts_attest own, other; /* of a call from one of these; from another number */
};

void attest_sort(struct attest_number *list, size_t count);
bool attest_owns(const struct attest_origin *o, struct str tn);
enum facts_attest attest_level(const struct attest_origin *o, struct str tn);

#endif
