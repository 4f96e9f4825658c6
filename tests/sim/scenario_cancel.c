#include "tests/sim/words.h"

/* The seed sweeps the moment: a step of 7 ms over the whole of the setup. */
static void set_cancel(struct world *w)
{
	answer(callee(w), 100, 10, false);
	answer(callee(w), 180, draw(w, 100, 300), false);
	answer(callee(w), 200, draw(w, 600, 900), true);
	later(caller(w), UA_AFTER_START, (uint32_t)(w->seed * 7 % 1400), UA_CANCEL);
	later(caller(w), UA_AFTER_ANSWER, 20000, UA_BYE);
}

static void set_cancel_ringing(struct world *w)
{
	answer(callee(w), 180, draw(w, 10, 300), false);
	later(caller(w), UA_AFTER_RINGING, draw(w, 0, 3000), UA_CANCEL);
}

/* A caller that never heard it ring never gave up: Timer C did. */
static void check_cancel_ringing(struct world *w)
{
	expect_status(w, w->uas[w->want.caller].rang ? 487 : 408);
}

/* No 1xx ever comes before the CANCEL: it must be held, and then reach the callee or no one. */
static void set_cancel_early(struct world *w)
{
	answer(callee(w), 180, draw(w, 1500, 3000), false);
	later(caller(w), UA_AFTER_START, draw(w, 100, 1200), UA_CANCEL);
}

static void expect_cancelled(struct world *w)
{
	expect_status(w, 487);
}

static void set_cancel_crosses_200(struct world *w)
{
	uint32_t at = draw(w, 500, 1500);
	answer(callee(w), 180, 100, false);
	answer(callee(w), 200, at, true);
	callee(w)->deaf_to_cancel = draw(w, 0, 1);
	later(caller(w), UA_AFTER_START, at + draw(w, 0, 200) - 100, UA_CANCEL);
	later(caller(w), UA_AFTER_ANSWER, 20000, UA_BYE);
}

static void set_cancel_while_routing(struct world *w)
{
	inward(w);
	w->want.site.pbx_peers = 1;
	w->want.resolver_ms = 1000;
	w->want.site.spare = true;
	answer(callee(w), 503, draw(w, 0, 50), false);
	answer(&w->want.plans[UA_SPARE], 180, 100, false);
	relay_turn(w, "offer", 0, draw(w, 0, 1) ? RELAY_SLOW : RELAY_WELL);
	later(caller(w), UA_AFTER_START, draw(w, 0, 1500), UA_CANCEL);
}

static void set_relay_slow_cancel(struct world *w)
{
	relay_turn(w, "offer", 0, RELAY_SLOW);
	relay_turn(w, "answer", 0, RELAY_SLOW);
	relay_turn(w, "delete", 0, RELAY_SLOW);
	answer(callee(w), 180, 100, false);
	answer(callee(w), 200, draw(w, 100, 2500), true);
	later(caller(w), UA_AFTER_START, draw(w, 0, 5000), UA_CANCEL);
	later(caller(w), UA_AFTER_ANSWER, 20000, UA_BYE);
}

static void set_bye_early(struct world *w)
{
	answer(callee(w), 180, draw(w, 20, 200), false);
	answer(callee(w), 200, draw(w, 500, 1500), true);
	later(caller(w), UA_AFTER_RINGING, draw(w, 0, 1500), UA_BYE_EARLY);
	later(caller(w), UA_AFTER_ANSWER, 10000, UA_BYE);
}

const struct scenario scenarios_cancel[] = {
	{"CANCEL at every point", set_cancel, NULL, false},
	{"CANCEL while it rings", set_cancel_ringing, check_cancel_ringing, false},
	{"CANCEL before any 1xx of the callee", set_cancel_early, expect_cancelled, false},
	{"CANCEL crosses the 200", set_cancel_crosses_200, NULL, false},
	{"CANCEL while the core waits for others", set_cancel_while_routing, NULL, false},
	{"CANCEL while the relay is slow", set_relay_slow_cancel, NULL, false},
	{"BYE instead of CANCEL", set_bye_early, NULL, false},
	{NULL, NULL, NULL, false},
};
