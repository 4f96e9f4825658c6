#include "tests/sim/words.h"

static void set_stranger(struct world *w)
{
	w->want.caller = UA_STRANGER;
	w->want.no_cdr = true;
	w->want.callee = UA_PBX;
	ring_and_answer(w, callee(w));
}

static void check_stranger(struct world *w)
{
	expect_status(w, 403);
	if (w->uas[UA_PBX].invited)
		faults_add(&w->faults, INV_SCENARIO, "a stranger's call came through");
}

static void set_probes(struct world *w)
{
	ring_and_answer(w, callee(w));
	for (int i = 0; i < 4; i++)
		later(i % 2 ? caller(w) : callee(w), UA_AFTER_START, draw(w, 0, 3000), UA_PROBE);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 1000, 8000), UA_BYE);
}

static void set_noise(struct world *w)
{
	static const enum ua_act acts[] = {UA_REINVITE, UA_UPDATE, UA_INFO, UA_OPTIONS};
	datagrams(w);
	w->want.noisy = true;
	w->want.silent_ok = true;
	w->want.quality.noise = 50;
	w->want.quality.noise_to = UA_COUNT; /* the core */
	ring_and_answer(w, callee(w));
	if (draw(w, 0, 1))
		later(caller(w), UA_AFTER_START, draw(w, 0, 4000), UA_CANCEL);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 1000, 4000), acts[draw(w, 0, 3)]);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 1000, 4000), acts[draw(w, 0, 3)]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 10000, 20000), UA_BYE);
}

const struct scenario scenarios_hostile[] = {
	{"a stranger calls", set_stranger, check_stranger, false},
	{"requests outside any dialog", set_probes, expect_200, false},
	{"spoiled messages", set_noise, NULL, false},
	{NULL, NULL, NULL, false},
};
