#include "policy/attest.h"

#include <stdlib.h>

#include "common/check.h"

/* ---- names */

static const struct {
	const char *name;
	uint16_t status;
} faults[FACTS_FAULT_COUNT] = {
	[FACTS_FAULT_NONE] = {"none", 0},         [FACTS_FAULT_MISSING] = {"missing", 428},
	[FACTS_FAULT_INVALID] = {"invalid", 438}, [FACTS_FAULT_STALE] = {"stale", 403},
	[FACTS_FAULT_INFO] = {"info", 436},       [FACTS_FAULT_CREDENTIAL] = {"credential", 437},
	[FACTS_FAULT_OURS] = {"error", 500},
};

const char *attest_verstat_name(enum facts_verstat v)
{
	static const char *const names[FACTS_VERSTAT_COUNT] = {[FACTS_VERSTAT_UNKNOWN] = "unknown",
							       [FACTS_VERSTAT_NONE] = "none",
							       [FACTS_VERSTAT_PASSED] = "passed",
							       [FACTS_VERSTAT_FAILED] = "failed"};

	return v < FACTS_VERSTAT_COUNT ? names[v] : "unknown";
}

const char *attest_fault_name(enum facts_fault f)
{
	return f < FACTS_FAULT_COUNT ? faults[f].name : "none";
}

const char *attest_name(enum facts_attest a)
{
	static const char *const names[FACTS_ATTEST_COUNT] = {[FACTS_ATTEST_UNKNOWN] = "unknown",
							      [FACTS_ATTEST_C] = "C",
							      [FACTS_ATTEST_B] = "B",
							      [FACTS_ATTEST_A] = "A"};

	return a < FACTS_ATTEST_COUNT ? names[a] : "unknown";
}

enum facts_attest attest_of(char letter)
{
	return letter >= 'A' && letter <= 'C' ? (enum facts_attest)(FACTS_ATTEST_A - (letter - 'A'))
					      : FACTS_ATTEST_UNKNOWN;
}

uint16_t attest_status(enum facts_fault f)
{
	return f < FACTS_FAULT_COUNT ? faults[f].status : 0;
}

struct str attest_reason(uint16_t status)
{
	switch (status) {
	case 403: return STR("Stale Date");
	case 428: return STR("Use Identity Header");
	case 436: return STR("Bad Identity Info");
	case 437: return STR("Unsupported Credential");
	case 438: return STR("Invalid Identity Header");
	default: return STR_NONE;
	}
}

/* ---- the stage */

bool attest_is_asked(const struct policy_config *c, uint16_t trunk)
{
	CHECK(c);
	return trunk < c->trunk_count && c->trunks[trunk].attest;
}

/* The lowest bar that it does not reach says what becomes of it. */
static struct attest_action action_below(const struct attest_policy *p, enum facts_attest a)
{
	for (unsigned bar = (unsigned)a + 1; bar < FACTS_ATTEST_COUNT; bar++)
		if (p->below_given[bar])
			return p->below[bar];
	return (struct attest_action){.reject = false};
}

struct verdict attest_judge(const struct policy_config *c, const struct facts *f)
{
	CHECK(c && f);
	struct verdict v = {.outcome = VERDICT_ALLOW};

	if (!attest_is_asked(c, f->trunk))
		return v;
	v.stage = VERDICT_STAGE_IDENTITY;
	const struct attest_policy *p = c->trunks[f->trunk].attest;
	/* What nobody has looked at is a mistake of ours, and has its rule. */
	enum facts_fault fault = f->verstat == FACTS_VERSTAT_UNKNOWN ? FACTS_FAULT_OURS : f->fault;
	struct attest_action a;
	if (f->verstat == FACTS_VERSTAT_PASSED)
		a = action_below(p, f->attest);
	else
		a = p->on_fault[fault < FACTS_FAULT_COUNT ? fault : FACTS_FAULT_OURS];
	v.failed = fault == FACTS_FAULT_OURS && f->verstat == FACTS_VERSTAT_UNKNOWN;
	v.rule = p->name;
	v.file = p->place.file;
	v.line = p->place.line;
	if (!a.reject)
		return v;
	v.outcome = VERDICT_REJECT;
	v.status = a.status;
	/* 403 is "Stale Date" of a stale one alone. */
	if (a.status != 403 || fault == FACTS_FAULT_STALE)
		v.reason = attest_reason(a.status);
	return v;
}

/* ---- what we answer for */

static int compare(const void *a, const void *b)
{
	const struct attest_number *x = a, *y = b;
	int by = str_cmp(x->digits, y->digits);

	return by ? by : (int)x->all - (int)y->all;
}

void attest_sort(struct attest_number *list, size_t count)
{
	if (count)
		qsort(list, count, sizeof(*list), compare);
}

static bool has(const struct attest_origin *o, struct str digits, bool all)
{
	struct attest_number key = {digits, all};
	size_t low = 0, high = o->owned_count;

	while (low < high) {
		size_t at = low + (high - low) / 2;
		int by = compare(&o->owned[at], &key);
		if (by == 0)
			return true;
		if (by < 0)
			low = at + 1;
		else
			high = at;
	}
	return false;
}

bool attest_owns(const struct attest_origin *o, struct str tn)
{
	CHECK(o);
	if (o->owned_count == 0 || tn.len == 0)
		return false;
	for (size_t n = 0; n <= tn.len; n++)
		if (has(o, (struct str){tn.p, n}, true))
			return true;
	return has(o, tn, false);
}

enum facts_attest attest_level(const struct attest_origin *o, struct str tn)
{
	return attest_owns(o, tn) ? o->own : o->other;
}
