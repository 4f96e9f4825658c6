/* Reliable provisionals (RFC 3262): both sides, one side, neither; with offers in every place. */
#include "tests/sim/words.h"

static void set_rel(struct world *w, enum ua_rel rel, bool reliable)
{
	struct ua_plan *p = callee(w);
	caller(w)->rel = rel;
	if (reliable)
		answer_reliable(p, 183, draw(w, 20, 300), true);
	else
		answer(p, 183, draw(w, 20, 300), true);
	if (draw(w, 0, 1)) {
		answer(p, 180, draw(w, 301, 600), false);
		p->steps[p->step_count - 1].reliable = reliable && draw(w, 0, 1);
	}
	/* After a reliable answer the 200 may do without SDP (RFC 6337 §3.1.1). */
	answer(p, 200, draw(w, 700, 3000), draw(w, 0, 1));
	hang_up(w, 9000, 15000);
}

static void set_both(struct world *w)
{
	set_rel(w, UA_REL_SUPPORTED, true);
}

static void check_both(struct world *w)
{
	expect_200(w);
	expect(w, calling(w)->pracks > 0, "the caller had something to acknowledge");
	expect(w, called(w)->pracks > 0, "the callee had its PRACK");
}

static void set_callee_only(struct world *w)
{
	set_rel(w, UA_REL_NONE, true);
}

/* The callee insists on it; the caller knows nothing of it. */
static void set_callee_wants(struct world *w)
{
	set_rel(w, UA_REL_NONE, true);
	w->want.site.habits[w->want.callee == UA_PBX ? SITE_PBX : SITE_CARRIER].reliable =
		RELIABLE_REQUIRE;
	callee(w)->wants_rel = true;
}

static void check_callee_wants(struct world *w)
{
	expect_200(w);
	expect(w, called(w)->pracks > 0, "the callee had its PRACK from us");
	expect(w, calling(w)->pracks == 0, "the caller was not asked for one");
}

static void set_caller_requires(struct world *w)
{
	set_rel(w, UA_REL_REQUIRED, false);
}

/* The caller requires them, the callee cannot: ours are reliable towards the caller. */
static void check_caller_requires(struct world *w)
{
	if (calling(w)->status != 420 && calling(w)->status != 421)
		expect_200(w);
}

static void set_caller_cannot_callee_refuses(struct world *w)
{
	caller(w)->rel = UA_REL_NONE;
	callee(w)->wants_rel = true;
	answer_reliable(callee(w), 183, draw(w, 20, 300), true);
	answer(callee(w), 200, draw(w, 700, 3000), true);
	for (unsigned i = 0; i < SITE_TRUNKS; i++)
		w->want.site.habits[i].reliable = RELIABLE_OFF;
}

static void check_421(struct world *w)
{
	expect(w, calling(w)->status >= 400, "a callee that requires what we may not do refuses");
}

static void set_three(struct world *w)
{
	struct ua_plan *p = callee(w);
	caller(w)->rel = UA_REL_SUPPORTED;
	answer_reliable(p, 183, draw(w, 20, 100), true);
	answer_reliable(p, 180, draw(w, 100, 200), false);
	answer_reliable(p, 183, draw(w, 200, 300), false);
	answer(p, 200, draw(w, 300, 1500), draw(w, 0, 1));
	hang_up(w, 9000, 15000);
}

static void set_lost_pracks(struct world *w)
{
	set_both(w);
	datagrams(w);
	net_lose(&w->net, (int)w->want.caller, "PRACK", NULL, draw(w, 1, 3));
	net_lose(&w->net, NODE_CORE, "PRACK", NULL, draw(w, 0, 3));
	net_lose(&w->net, NODE_CORE, "SIP/2.0 183", NULL, draw(w, 0, 2));
	w->want.plans[w->want.callee].steps[0].after_ms = 50;
}

/* A 200 waits for the PRACK: meanwhile the callee may hang up, or all of 32 seconds may be lost. */
static void check_lost_pracks(struct world *w)
{
	const uint16_t status = calling(w)->status;
	const bool hung_up = called(w)->answered && status == 480;
	const bool all_lost = w->options->loss && status == 504;
	if (!hung_up && !all_lost)
		expect_200(w);
}

/* A caller that promises to acknowledge and does not: it is ended (RFC 3262 §3). */
static void set_no_prack(struct world *w)
{
	struct ua_plan *p = callee(w);
	/* Nothing beside the 183: where it is overtaken by a 180 without SDP, no PRACK need be awaited. */
	answer_reliable(p, 183, draw(w, 20, 300), true);
	answer(p, 200, draw(w, 700, 3000), draw(w, 0, 1));
	hang_up(w, 9000, 15000);
	caller(w)->rel = UA_REL_SUPPORTED;
	caller(w)->no_prack = true;
	caller(w)->rogue = true;
	w->want.rogue = true;
}

static void check_no_prack(struct world *w)
{
	expect(w, calling(w)->status >= 300, "a call without PRACK is refused after 64*T1");
}

static void set_prack_offer(struct world *w)
{
	set_both(w);
	caller(w)->prack_offer = true;
}

static void set_update_early(struct world *w)
{
	struct ua_plan *p = callee(w);
	caller(w)->rel = UA_REL_SUPPORTED;
	answer_reliable(p, 183, draw(w, 20, 300), true);
	answer(p, 200, draw(w, 4000, 6000), draw(w, 0, 1));
	later(either(w), UA_AFTER_RINGING, draw(w, 1500, 3500), UA_UPDATE_EARLY);
	hang_up(w, 9000, 15000);
}

static void set_cancel(struct world *w)
{
	struct ua_plan *p = callee(w);
	caller(w)->rel = draw(w, 0, 1) ? UA_REL_SUPPORTED : UA_REL_NONE;
	answer_reliable(p, 183, draw(w, 20, 300), draw(w, 0, 1));
	answer(p, 200, draw(w, 1000, 2000), true);
	later(caller(w), UA_AFTER_START, draw(w, 0, 2200), UA_CANCEL);
	later(caller(w), UA_AFTER_ANSWER, 20000, UA_BYE);
	w->want.silent_ok = true; /* a PRACK may meet the end */
}

static void set_forked(struct world *w)
{
	struct ua_plan *p = callee(w);
	caller(w)->rel = UA_REL_SUPPORTED;
	answer_fork(p, 180, draw(w, 50, 200), false, 0);
	answer_fork(p, 183, draw(w, 250, 400), true, 1);
	p->steps[1].reliable = true;
	answer_fork(p, 200, draw(w, 1500, 2000), true, (uint8_t)draw(w, 0, 1));
	hang_up(w, 9000, 15000);
}

const struct scenario scenarios_rel[] = {
	{"reliable ringing that the caller can acknowledge", set_both, check_both, false},
	{"reliable ringing is not told to who cannot acknowledge it", set_callee_only, expect_200,
	 false},
	{"PRACK for the callee alone where its trunk requires it", set_callee_wants,
	 check_callee_wants, false},
	{"a caller that requires reliable ringing gets it from us", set_caller_requires,
	 check_caller_requires, false},
	{"a trunk without reliable ringing refuses who wants it", set_caller_cannot_callee_refuses,
	 check_421, false},
	{"three reliable provisionals in a row", set_three, expect_200, false},
	{"lost PRACKs and 183s", set_lost_pracks, check_lost_pracks, false},
	{"no PRACK ever", set_no_prack, check_no_prack, false},
	{"a new offer in the PRACK", set_prack_offer, expect_200, false},
	{"UPDATE in the early dialog", set_update_early, expect_200, false},
	{"CANCEL between reliable ringing and PRACK", set_cancel, NULL, false},
	{"two forks, one of them reliable", set_forked, expect_200, false},
	{NULL, NULL, NULL, false},
};
