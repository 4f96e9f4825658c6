/*
 * What came of one request: the verdict of every stage that was asked, with its rule and place also where it let pass. The
 * refusal, the record of the call and `sallyport explain` are made of it. What is to be done beside it (bans, alerts) comes with it.
 */
#ifndef SALLYPORT_DECISION_H
#define SALLYPORT_DECISION_H

#include "policy/subject.h"
#include "policy/verdict.h"

struct decision {
	uint32_t asked;                         /* bit 1 << VERDICT_STAGE_X */
	struct verdict of[VERDICT_STAGE_COUNT]; /* only of those that were asked */
	uint16_t route;                         /* POLICY_NO_INDEX: none yet */
	struct consequences todo;
};

void decision_init(struct decision *d);
/* What that stage says, in the place of what it said before. A verdict without a stage changes nothing. */
void decision_add(struct decision *d, const struct verdict *v);
/* As if that stage had not been asked. */
void decision_forget(struct decision *d, enum verdict_stage s);
bool decision_has(const struct decision *d, enum verdict_stage s);
/* Was every stage that was asked content? */
bool decision_allows(const struct decision *d);
/* The first refusal in the order of the stages, else the verdict of the last that was asked. NULL: none was. */
const struct verdict *decision_verdict(const struct decision *d);

#endif
