/* Session timers (RFC 4028): either refresher, each leg by itself, too short, too lazy, dead. */
#include "tests/sim/words.h"

static void habit(struct world *w, bool on, uint32_t expires_s, uint32_t min_s)
{
	for (unsigned i = 0; i < SITE_TRUNKS; i++)
		w->want.site.habits[i].session_timer =
			(struct session_timer_settings){on, expires_s, min_s};
}

static void set_refresher(struct world *w, char who, bool by_invite)
{
	habit(w, true, draw(w, 90, 1800), 90);
	caller(w)->timer = (struct ua_timer_plan){
		.expires_s = draw(w, 90, 600), .refresher = who, .by_invite = by_invite};
	callee(w)->timer = (struct ua_timer_plan){.expires_s = draw(w, 0, 1) ? 0 : draw(w, 90, 600),
						  .refresher = draw(w, 0, 1) ? 'c' : 's',
						  .by_invite = by_invite};
	ring_and_answer(w, callee(w));
	hang_up(w, 600000, 1200000);
}

static void set_uac(struct world *w)
{
	set_refresher(w, 'c', false);
}

static void set_uas(struct world *w)
{
	set_refresher(w, 's', false);
}

static void set_by_invite(struct world *w)
{
	set_refresher(w, draw(w, 0, 1) ? 'c' : 's', true);
}

static void check_lives(struct world *w)
{
	expect_200(w);
	expect(w, calling(w)->ended_ms >= calling(w)->answered_ms + 590000,
	       "refreshed sessions live until someone hangs up");
}

static void set_caller_without(struct world *w)
{
	habit(w, true, draw(w, 90, 300), 90);
	callee(w)->timer.expires_s = draw(w, 90, 300);
	callee(w)->timer.refresher = draw(w, 0, 1) ? 'c' : 's';
	ring_and_answer(w, callee(w));
	hang_up(w, 600000, 900000);
}

static void set_callee_without(struct world *w)
{
	habit(w, true, draw(w, 90, 300), 90);
	caller(w)->timer.expires_s = draw(w, 90, 300);
	caller(w)->timer.refresher = draw(w, 0, 1) ? 'c' : 's';
	ring_and_answer(w, callee(w));
	hang_up(w, 600000, 900000);
}

static void set_too_short(struct world *w)
{
	habit(w, true, 1800, 300);
	caller(w)->timer.expires_s = draw(w, 90, 290);
	ring_and_answer(w, callee(w));
	hang_up(w, 1000, 8000);
}

/* The callee's 422 is ours to answer: the caller hears nothing of it. */
static void set_callee_422(struct world *w)
{
	habit(w, true, 90, 90);
	callee(w)->timer.min_s = draw(w, 200, 900);
	callee(w)->timer.expires_s = 1800;
	if (draw(w, 0, 1))
		caller(w)->timer.expires_s = draw(w, 90, 190);
	ring_and_answer(w, callee(w));
	hang_up(w, 1000, 8000);
}

/* Promises to refresh, and does not: the call ends on both sides. */
static void set_lazy(struct world *w)
{
	habit(w, true, 90, 90);
	struct ua_plan *p = either(w);
	caller(w)->timer.expires_s = 90;
	caller(w)->timer.refresher = p == caller(w) ? 'c' : 's';
	callee(w)->timer.expires_s = 90;
	callee(w)->timer.refresher = p == caller(w) ? 'c' : 's';
	p->timer.lazy = true;
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, 3600000, UA_BYE);
}

/* A phone that is gone is found by the refresh. */
static void set_dead(struct world *w)
{
	habit(w, true, 90, 90);
	caller(w)->timer.expires_s = callee(w)->timer.expires_s = 90;
	caller(w)->timer.refresher = draw(w, 0, 1) ? 'c' : 's';
	ring_and_answer(w, callee(w));
	later(either(w), UA_AFTER_ANSWER, draw(w, 1000, 100000), UA_VANISH);
	later(caller(w), UA_AFTER_ANSWER, 3600000, UA_BYE);
	later(callee(w), UA_AFTER_ANSWER, 3600000, UA_BYE);
	w->want.silent_ok = true;
}

static void check_ended_by_timer(struct world *w)
{
	const struct ua *a = calling(w), *b = called(w);
	uint64_t answered = a->answered_ms ? a->answered_ms : b->answered_ms;
	if (!answered)
		return;
	expect(w, a->vanished || a->ended_ms < answered + 400000,
	       "the caller's leg has ended in time");
	expect(w, b->vanished || b->ended_ms < answered + 400000,
	       "the callee's leg has ended in time");
}

static void set_off(struct world *w)
{
	habit(w, false, 1800, 90);
	caller(w)->timer.expires_s = draw(w, 0, 1) ? 0 : draw(w, 90, 300);
	callee(w)->timer.expires_s = draw(w, 0, 1) ? 0 : draw(w, 90, 300);
	caller(w)->timer.refresher = draw(w, 0, 1) ? 'c' : 's';
	callee(w)->timer.refresher = draw(w, 0, 1) ? 'c' : 's';
	ring_and_answer(w, callee(w));
	hang_up(w, 600000, 900000);
}

/* A refresh meets a change of media, and a BYE. */
static void set_busy(struct world *w)
{
	set_refresher(w, draw(w, 0, 1) ? 'c' : 's', draw(w, 0, 1));
	caller(w)->timer.expires_s = 90;
	caller(w)->in_dialog_ms = callee(w)->in_dialog_ms = draw(w, 0, 1500);
	later(either(w), UA_AFTER_ANSWER, 45000 + draw(w, 0, 2000) - 1000, UA_HOLD);
	later(either(w), UA_AFTER_ANSWER, 90000 + draw(w, 0, 2000) - 1000, UA_RESUME);
	w->want.silent_ok = true;
}

const struct scenario scenarios_timer[] = {
	{"the session timer, refreshed by who calls", set_uac, check_lives, false},
	{"the session timer, refreshed by who is called", set_uas, check_lives, false},
	{"the session timer, refreshed by re-INVITE", set_by_invite, check_lives, false},
	{"the callee alone knows session timers", set_caller_without, check_lives, false},
	{"the caller alone knows session timers", set_callee_without, check_lives, false},
	{"too short a session is asked for once more", set_too_short, expect_200, false},
	{"the callee's 422 is answered by us alone", set_callee_422, expect_200, false},
	{"who promises to refresh and does not is hung up on", set_lazy, check_ended_by_timer,
	 false},
	{"a dead party is found by the session timer", set_dead, check_ended_by_timer, false},
	{"session timers where ours are off", set_off, check_lives, false},
	{"a refresh meets a hold", set_busy, expect_200, false},
	{NULL, NULL, NULL, false},
};
