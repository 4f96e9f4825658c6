#include "tests/sim/words.h"

static void set_forked_ringing(struct world *w)
{
	answer_fork(callee(w), 180, draw(w, 50, 200), false, 0);
	answer_fork(callee(w), 183, draw(w, 200, 500), true, 1);
	answer_fork(callee(w), 180, draw(w, 500, 700), false, 2);
	answer_fork(callee(w), 200, draw(w, 800, 2000), true, (uint8_t)draw(w, 0, 2));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 8000), UA_BYE);
}

static void set_forked_answers(struct world *w)
{
	uint32_t at = draw(w, 500, 1500);
	answer_fork(callee(w), 180, draw(w, 50, 200), false, 0);
	answer_fork(callee(w), 180, draw(w, 200, 400), false, 1);
	answer_fork(callee(w), 200, at, true, 1);
	answer_fork(callee(w), 200, at + draw(w, 0, 300), true, 0);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 4000, 8000), UA_BYE);
}

static void check_forked(struct world *w)
{
	const struct ua *u = &w->uas[w->want.callee];
	expect_status(w, 200);
	/* ACK both, keep one, BYE the other (RFC 3261 §13.2.2.4). */
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state == UA_DIALOG_ENDED && !u->dialogs[i].bye_sent &&
		    u->answered == 2 && !u->dialogs[i].bye_received)
			faults_add(&w->faults, INV_SCENARIO,
				   "a losing fork was not told to hang up");
}

/* One branch of the callee's fork refuses at once, another answers (RFC 3261 §16.7 step 5). */
static void set_late_fork(struct world *w)
{
	struct ua_plan *p = callee(w);
	datagrams(w); /* over a stream nothing of a refused INVITE lingers */
	p->late_fork = true;
	answer_fork(p, 180, draw(w, 20, 200), false, 0);
	answer_fork(p, draw(w, 0, 1) ? 486 : 603, draw(w, 300, 600), false, 0);
	answer_fork(p, 200, draw(w, 650, 1500), true, 1);
	/* If the network loses the refusal, it is a call like others. */
	later(caller(w), UA_AFTER_ANSWER, 10000, UA_BYE);
}

static void check_late_fork(struct world *w)
{
	const struct ua *u = &w->uas[w->want.callee];
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state == UA_DIALOG_ENDED && u->dialogs[i].acked &&
		    !u->dialogs[i].bye_received)
			faults_add(&w->faults, INV_SCENARIO,
				   "a late answer was not told to hang up");
}

static void set_elsewhere(struct world *w)
{
	ring_and_answer(w, callee(w));
	callee(w)->steps[0].after_ms += 100;
	later(caller(w), UA_AFTER_RINGING, draw(w, 0, 200), UA_ELSEWHERE);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 1000, 8000), UA_BYE);
}

const struct scenario scenarios_fork[] = {
	{"three forks ring, one answers", set_forked_ringing, expect_200, false},
	{"two forks answer", set_forked_answers, check_forked, false},
	{"a fork answers after another refused", set_late_fork, check_late_fork, false},
	{"an INVITE comes by two ways", set_elsewhere, expect_200, false},
	{NULL, NULL, NULL, false},
};
