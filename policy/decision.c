#include "policy/decision.h"

#include "common/check.h"

void decision_init(struct decision *d)
{
	CHECK(d);
	d->asked = 0;
	d->route = POLICY_NO_INDEX;
	d->todo.count = 0;
}

void decision_add(struct decision *d, const struct verdict *v)
{
	CHECK(d && v && v->stage < VERDICT_STAGE_COUNT);
	if (v->stage == VERDICT_STAGE_NONE)
		return;
	d->of[v->stage] = *v;
	d->asked |= 1u << v->stage;
}

void decision_forget(struct decision *d, enum verdict_stage s)
{
	d->asked &= ~(1u << s);
}

bool decision_has(const struct decision *d, enum verdict_stage s)
{
	return (d->asked & 1u << s) != 0;
}

const struct verdict *decision_verdict(const struct decision *d)
{
	const struct verdict *last = NULL;

	for (unsigned i = VERDICT_STAGE_NONE + 1; i < VERDICT_STAGE_COUNT; i++) {
		if (!decision_has(d, (enum verdict_stage)i))
			continue;
		last = &d->of[i];
		if (last->outcome != VERDICT_ALLOW)
			break;
	}
	return last;
}

bool decision_allows(const struct decision *d)
{
	const struct verdict *v = decision_verdict(d);

	return !v || v->outcome == VERDICT_ALLOW;
}
