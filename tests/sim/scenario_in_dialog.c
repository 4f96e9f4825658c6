#include "tests/sim/words.h"

static void set_in_dialog(struct world *w, enum ua_act act)
{
	ring_and_answer(w, callee(w));
	struct ua_plan *first = draw(w, 0, 1) ? caller(w) : callee(w);
	struct ua_plan *second = first == caller(w) ? callee(w) : caller(w);
	second->in_dialog_ms = draw(w, 0, 1) ? 0 : draw(w, 0, 3000);
	if (draw(w, 0, 4) == 0)
		second->in_dialog_status = act == UA_REINVITE || act == UA_UPDATE ? 488 : 405;
	later(first, UA_AFTER_ANSWER, draw(w, 500, 3000), act);
	if (draw(w, 0, 1))
		later(first, UA_AFTER_ANSWER, draw(w, 8000, 12000), act);
	later(draw(w, 0, 1) ? first : second, UA_AFTER_ANSWER, draw(w, 20000, 30000), UA_BYE);
}

static void set_info(struct world *w)
{
	set_in_dialog(w, UA_INFO);
}

static void set_options(struct world *w)
{
	set_in_dialog(w, UA_OPTIONS);
}

/* Hangs up while a re-INVITE, UPDATE or INFO is under way. */
static void set_bye_during(struct world *w)
{
	static const enum ua_act acts[] = {UA_REINVITE, UA_UPDATE, UA_INFO};
	uint32_t at = draw(w, 500, 2000);
	struct ua_plan *first = draw(w, 0, 1) ? caller(w) : callee(w);
	struct ua_plan *second = first == caller(w) ? callee(w) : caller(w);
	ring_and_answer(w, callee(w));
	second->in_dialog_ms = draw(w, 0, 2000);
	later(first, UA_AFTER_ANSWER, at, acts[draw(w, 0, 2)]);
	later(draw(w, 0, 1) ? first : second, UA_AFTER_ANSWER, at + draw(w, 0, 2500), UA_BYE);
	w->want.silent_ok = true;
}

const struct scenario scenarios_in_dialog[] = {
	{"INFO in the dialog", set_info, expect_200, false},
	{"OPTIONS in the dialog", set_options, expect_200, false},
	{"BYE while a request is under way", set_bye_during, expect_200, false},
	{NULL, NULL, NULL, false},
};
