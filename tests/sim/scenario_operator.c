#include "tests/sim/words.h"

static void set_relay_slow(struct world *w)
{
	relay_turn(w, "offer", 0, RELAY_SLOW);
	relay_turn(w, "answer", 0, RELAY_SLOW);
	relay_turn(w, "delete", 0, RELAY_SLOW);
	ring_and_answer(w, callee(w));
	if (draw(w, 0, 1))
		later(caller(w), UA_AFTER_ANSWER, draw(w, 500, 2000), UA_REINVITE);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
	w->want.silent_ok = true;
}

static void set_relay_down(struct world *w)
{
	relay_turn(w, "offer", 0, draw(w, 0, 1) ? RELAY_DEAD : RELAY_FAILING);
	relay_turn(w, "delete", 0, draw(w, 0, 1) ? RELAY_DEAD : RELAY_WELL);
	ring_and_answer(w, callee(w));
}

static void check_relay_down(struct world *w)
{
	const struct ua *u = &w->uas[w->want.caller];
	if (u->status < 400)
		faults_add(&w->faults, INV_SCENARIO, "without a relay the caller got %u",
			   u->status);
}

static void set_relay_fails_answer(struct world *w)
{
	relay_turn(w, "answer", 0, draw(w, 0, 1) ? RELAY_DEAD : RELAY_FAILING);
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, 20000, UA_BYE);
}

/* It dies in the middle of the call: the call goes on, and ends with a CDR. */
static void set_relay_dies(struct world *w)
{
	ring_and_answer(w, callee(w));
	relay_turn(w, "offer", 1, draw(w, 0, 1) ? RELAY_DEAD : RELAY_FAILING);
	if (draw(w, 0, 1))
		later(caller(w), UA_AFTER_ANSWER, draw(w, 500, 2000), UA_REINVITE);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 8000, 20000), UA_BYE);
	w->want.silent_ok = true;
}

static void set_reload(struct world *w)
{
	ring_and_answer(w, callee(w));
	w->want.reload_ms = draw(w, 1, 6000);
	if (draw(w, 0, 1))
		later(caller(w), UA_AFTER_ANSWER, draw(w, 2000, 4000), UA_REINVITE);
	later(draw(w, 0, 1) ? caller(w) : callee(w), UA_AFTER_ANSWER, draw(w, 5000, 20000), UA_BYE);
}

static void set_drain(struct world *w)
{
	inward(w);
	ring_and_answer(w, callee(w));
	w->want.second_ms = draw(w, 4000, 6000);
	w->want.drain_ms = w->want.second_ms - draw(w, 500, 1000);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 20000, 30000), UA_BYE);
}

static void check_drain(struct world *w)
{
	/* With losses its INVITE may come after the order to drain. */
	if (w->uas[UA_CARRIER].status != 503)
		expect_status(w, 200);
	if (w->uas[UA_CARRIER2].status != 503)
		faults_add(&w->faults, INV_SCENARIO, "a draining core said %u to a new call",
			   w->uas[UA_CARRIER2].status);
}

static void set_two_calls(struct world *w)
{
	inward(w);
	ring_and_answer(w, callee(w));
	w->want.second_ms = draw(w, 1, 3000);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
	later(&w->want.plans[UA_CARRIER2], UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
}

static void check_two_calls(struct world *w)
{
	expect_status(w, 200);
	if (w->uas[UA_CARRIER2].status != 200 || w->uas[UA_PBX].invited != 2)
		faults_add(&w->faults, INV_SCENARIO, "of two calls one got %u",
			   w->uas[UA_CARRIER2].status);
}

static void set_call_limit(struct world *w)
{
	set_two_calls(w);
	w->want.site.calls = 1;
	w->want.second_ms = draw(w, 1, 400);
}

static void check_call_limit(struct world *w)
{
	uint16_t a = w->uas[UA_CARRIER].status, b = w->uas[UA_CARRIER2].status;
	bool one = (a == 200 && b >= 500) || (b == 200 && a >= 500);
	/* When the first had ended before the second's INVITE got through, both were answered. */
	if (!one && !(a == 200 && b == 200))
		faults_add(&w->faults, INV_SCENARIO,
			   "at the limit of one call two callers got %u and %u", a, b);
}

static void opinion(struct world *w, enum opines least, enum opines most, bool or_accept)
{
	inward(w);
	w->want.site.opinion_ms = draw(w, 50, 1500);
	w->want.site.opinion_or_accept = or_accept;
	w->want.opines = (enum opines)draw(w, least, most);
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
}

static void set_opinion_yes(struct world *w)
{
	opinion(w, OPINES_YES, OPINES_YES, draw(w, 0, 1));
}

static void set_opinion_no(struct world *w)
{
	opinion(w, OPINES_NO, OPINES_NO, draw(w, 0, 1));
}

/* The second call comes while it rests, and does not wait for it. */
static void set_opinion_accept(struct world *w)
{
	opinion(w, OPINES_NONSENSE, OPINES_DEAD, true);
	w->want.second_ms = draw(w, 16000, 25000);
	later(&w->want.plans[UA_CARRIER2], UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
}

static void set_opinion_refuse(struct world *w)
{
	opinion(w, OPINES_NONSENSE, OPINES_DEAD, false);
	w->want.second_ms = draw(w, 16000, 25000);
}

static void asked_once(struct world *w)
{
	if (w->core.opinions != 1)
		faults_add(&w->faults, INV_SCENARIO, "the opinion was asked for %u times",
			   w->core.opinions);
}

static void check_opinion_yes(struct world *w)
{
	expect_200(w);
	asked_once(w);
}

static void check_opinion_no(struct world *w)
{
	expect_status(w, 603);
	asked_once(w);
	expect(w, called(w)->invited == 0, "nobody was called");
}

static void check_opinion_accept(struct world *w)
{
	expect_200(w);
	asked_once(w);
	expect(w, w->uas[UA_CARRIER2].status == 200, "the second call went on too");
}

static void check_opinion_refuse(struct world *w)
{
	asked_once(w);
	expect(w, calling(w)->status >= 400 && w->uas[UA_CARRIER2].status >= 400,
	       "both were refused");
	expect(w, called(w)->invited == 0, "nobody was called");
}

const struct scenario scenarios_operator[] = {
	{"an opinion is asked for, and it is yes", set_opinion_yes, check_opinion_yes, false},
	{"an opinion is asked for, and it is no", set_opinion_no, check_opinion_no, false},
	{"no opinion comes, and calls go on without", set_opinion_accept, check_opinion_accept,
	 false},
	{"no opinion comes, and calls are refused", set_opinion_refuse, check_opinion_refuse,
	 false},
	{"the relay is slow", set_relay_slow, expect_200, false},
	{"the relay is down", set_relay_down, check_relay_down, false},
	{"the relay refuses the answer", set_relay_fails_answer, NULL, false},
	{"the relay dies during the call", set_relay_dies, expect_200, false},
	{"new settings during the call", set_reload, expect_200, false},
	{"the core drains", set_drain, check_drain, false},
	{"two calls at once", set_two_calls, check_two_calls, false},
	{"the limit of calls", set_call_limit, check_call_limit, false},
	{NULL, NULL, NULL, false},
};
