/* Transfers: REFER taken over by us, passed on, refused; blind and attended; Replaces. */
#include "tests/sim/words.h"

static void habit(struct world *w, enum refer_policy refer)
{
	for (unsigned i = 0; i < SITE_TRUNKS; i++)
		w->want.site.habits[i].refer = refer;
}

/* The PBX sends the carrier's call to another of its numbers. */
static void set_blind(struct world *w, enum refer_policy refer)
{
	inward(w);
	habit(w, refer);
	callee(w)->refers_to = "202";
	ring_and_answer(w, callee(w));
	ring_and_answer(w, caller(w)); /* the target is at the carrier's too */
	later(callee(w), UA_AFTER_ANSWER, draw(w, 500, 2000), UA_REFER);
	later(callee(w), UA_AFTER_REFER, draw(w, 100, 1000), UA_BYE);
	later(callee(w), UA_AFTER_ANSWER, 60000, UA_BYE);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 50000, 55000), UA_BYE);
	w->want.silent_ok = true;
}

static void set_reject(struct world *w)
{
	set_blind(w, REFER_REJECT);
}

static void check_reject(struct world *w)
{
	expect_200(w);
	expect(w, called(w)->refer_status >= 400 || called(w)->refer_status == 0,
	       "a refused transfer leaves the call");
}

static void set_local(struct world *w)
{
	set_blind(w, REFER_LOCAL);
}

static void set_local_refused(struct world *w)
{
	set_blind(w, REFER_LOCAL);
	caller(w)->step_count = 0;
	answer(caller(w), draw(w, 0, 1) ? 486 : 603, draw(w, 0, 1000), false);
}

static void set_pass(struct world *w)
{
	set_blind(w, REFER_PASS);
}

/* Two calls of the PBX become one: the first consults, then connects the two. */
static void set_attended(struct world *w)
{
	inward(w);
	habit(w, draw(w, 0, 2) ? REFER_LOCAL : REFER_PASS);
	w->want.plans[UA_PBX].refers_to = "900";
	ring_and_answer(w, callee(w));
	ring_and_answer(w, &w->want.plans[UA_CARRIER]);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 500, 2000), UA_HOLD);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 4000, 5000), UA_CALL_TARGET);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 12000, 15000), UA_REFER_REPLACES);
	later(callee(w), UA_AFTER_REFER, draw(w, 100, 1000), UA_BYE);
	for (uint32_t at = 50000; at <= 80000; at += 10000) {
		later(callee(w), UA_AFTER_ANSWER, at, UA_BYE);
		later(caller(w), UA_AFTER_ANSWER, at + 3000, UA_BYE);
	}
	w->want.silent_ok = true;
}

static void set_reload(struct world *w)
{
	set_blind(w, REFER_LOCAL);
	w->want.reload_ms = draw(w, 1000, 8000);
}

static void set_end(struct world *w)
{
	set_blind(w, REFER_LOCAL);
	w->want.end_ms = draw(w, 1000, 10000);
}

static void set_bye_during(struct world *w)
{
	set_blind(w, REFER_LOCAL);
	later(either(w), UA_AFTER_ANSWER, draw(w, 500, 6000), UA_BYE);
}

const struct scenario scenarios_transfer[] = {
	{"a transfer that the trunk may not ask for", set_reject, check_reject, false},
	{"a blind transfer that we carry out", set_local, expect_200, false},
	{"a blind transfer to no one", set_local_refused, expect_200, false},
	{"a blind transfer that we pass on", set_pass, expect_200, false},
	{"an attended transfer", set_attended, expect_200, false},
	{"new settings during a transfer", set_reload, expect_200, false},
	{"the daemon ends during a transfer", set_end, NULL, false},
	{"someone hangs up during a transfer", set_bye_during, expect_200, false},
	{NULL, NULL, NULL, false},
};
