#include "tests/sim/words.h"

static void set_direct(struct world *w)
{
	w->want.direct = true;
	w->want.site.inside = w->want.site.outside;
	ring_and_answer(w, callee(w));
	static const enum ua_act acts[] = {UA_REINVITE, UA_UPDATE, UA_INFO, UA_OPTIONS};
	later(caller(w), UA_AFTER_ANSWER, draw(w, 100, 2000), acts[draw(w, 0, 3)]);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 100, 2000), acts[draw(w, 0, 3)]);
	later(draw(w, 0, 1) ? caller(w) : callee(w), UA_AFTER_ANSWER, draw(w, 12000, 20000),
	      UA_BYE);
}

static void set_direct_cancel(struct world *w)
{
	w->want.direct = true;
	w->want.site.inside = w->want.site.outside;
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_START, draw(w, 0, 4000), UA_CANCEL);
	later(caller(w), UA_AFTER_ANSWER, 20000, UA_BYE);
}

static void set_plain(struct world *w)
{
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
}

static void set_callee_hangs_up(struct world *w)
{
	ring_and_answer(w, callee(w));
	later(callee(w), UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
}

static void set_both_hang_up(struct world *w)
{
	uint32_t at = draw(w, 1000, 8000);
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, at, UA_BYE);
	later(callee(w), UA_AFTER_ANSWER, at + draw(w, 0, 120) - 60, UA_BYE);
}

static void set_long(struct world *w)
{
	ring_and_answer(w, callee(w));
	later(draw(w, 0, 1) ? caller(w) : callee(w), UA_AFTER_ANSWER, draw(w, 60000, 7200000),
	      UA_BYE);
}

static void set_lost_ack(struct world *w)
{
	datagrams(w);
	ring_and_answer(w, callee(w));
	net_lose(&w->net, (int)w->want.caller, "ACK", NULL, draw(w, 1, 5));
	net_lose(&w->net, UA_COUNT, "ACK", NULL, draw(w, 0, 5));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
}

/* The caller's ACK never comes: the core must end both legs by itself. */
static void set_no_ack(struct world *w)
{
	datagrams(w);
	ring_and_answer(w, callee(w));
	net_lose(&w->net, (int)w->want.caller, "ACK", NULL, 1000);
}

static void check_no_ack(struct world *w)
{
	expect_status(w, 200);
	if (w->core.cdr_count == 1 && w->core.cdrs[0].ended_by != CDR_US)
		faults_add(&w->faults, INV_SCENARIO, "a call without ACK was not ended by us");
}

static void set_lost_200(struct world *w)
{
	datagrams(w);
	ring_and_answer(w, callee(w));
	net_lose(&w->net, UA_COUNT, "SIP/2.0 200", "INVITE", draw(w, 0, 4));
	net_lose(&w->net, (int)w->want.callee, "SIP/2.0 200", "INVITE", draw(w, 0, 4));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
}

static void set_lost_bye(struct world *w)
{
	datagrams(w);
	ring_and_answer(w, callee(w));
	net_lose(&w->net, (int)w->want.caller, "BYE", NULL, draw(w, 0, 3));
	net_lose(&w->net, UA_COUNT, "BYE", NULL, draw(w, 0, 3));
	net_lose(&w->net, UA_COUNT, "SIP/2.0 200", "BYE", draw(w, 0, 3));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 20000), UA_BYE);
}

/* Every 1xx to the caller is lost: it sends its INVITE again and again. */
static void set_repeated_invite(struct world *w)
{
	datagrams(w);
	answer(callee(w), 180, 200, false);
	answer(callee(w), 200, draw(w, 2000, 15000), true);
	net_lose(&w->net, UA_COUNT, "SIP/2.0 100", NULL, 100);
	net_lose(&w->net, UA_COUNT, "SIP/2.0 180", NULL, 100);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 1000, 20000), UA_BYE);
}

static void check_one_callee(struct world *w)
{
	expect_status(w, 200);
	if (w->uas[w->want.callee].invited != 1)
		faults_add(&w->faults, INV_SCENARIO, "%u INVITEs came of one",
			   w->uas[w->want.callee].invited);
}

static void set_lost_refusal(struct world *w)
{
	datagrams(w);
	answer(callee(w), 180, 100, false);
	answer(callee(w), 486, draw(w, 300, 2000), false);
	net_lose(&w->net, UA_COUNT, "SIP/2.0 486", NULL, draw(w, 0, 3));
	net_lose(&w->net, UA_COUNT, "ACK", NULL, draw(w, 0, 3));
	net_lose(&w->net, (int)w->want.caller, "ACK", NULL, draw(w, 0, 3));
}

static void expect_486(struct world *w)
{
	expect_status(w, 486);
}

static void set_declined(struct world *w)
{
	static const uint16_t codes[] = {404, 480, 486, 488, 600, 603};
	if (draw(w, 0, 1))
		answer(callee(w), 180, draw(w, 10, 200), false);
	answer(callee(w), codes[draw(w, 0, ARRAY_LEN(codes) - 1)], draw(w, 200, 3000), false);
}

static void check_declined(struct world *w)
{
	const struct ua *u = &w->uas[w->want.caller];
	const struct ua_plan *p = &w->uas[w->want.callee].plan;
	expect_status(w, p->steps[p->step_count - 1].status);
	if (u->status / 100 == 2)
		faults_add(&w->faults, INV_SCENARIO, "a declined call was answered");
}

static void set_never_answers(struct world *w)
{
	w->want.site.timer_c_ms = draw(w, 20000, 180000);
	answer(callee(w), 180, draw(w, 50, 400), false);
}

/* Neither 1xx nor final from a callee that has taken the INVITE (a 100 only). */
static void set_stuck_at_100(struct world *w)
{
	w->want.site.timer_c_ms = 30000;
	w->want.site.pbx_peers = 1;
	answer(callee(w), 100, draw(w, 0, 50), false);
}

static void set_connection_closes(struct world *w)
{
	reliable_sites(w, true, draw(w, 0, 1));
	ring_and_answer(w, callee(w));
	later(draw(w, 0, 1) ? caller(w) : callee(w), UA_AFTER_START, draw(w, 0, 6000), UA_CLOSE);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 5000, 20000), UA_BYE);
	w->want.silent_ok = true;
}

static void set_callee_vanishes(struct world *w)
{
	static const enum ua_act acts[] = {UA_BYE, UA_REINVITE, UA_INFO, UA_UPDATE};
	ring_and_answer(w, callee(w));
	later(callee(w), UA_AFTER_ANSWER, draw(w, 0, 3000), UA_VANISH);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 3000, 5000), acts[draw(w, 0, 3)]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 80000, 90000), UA_BYE);
	w->want.silent_ok = true;
}

/* Neither the CANCEL nor the INVITE gets an answer any more (RFC 3261 §9.1). */
static void set_ringing_vanishes(struct world *w)
{
	answer(callee(w), 180, draw(w, 50, 400), false);
	later(callee(w), UA_AFTER_RINGING, draw(w, 100, 500), UA_VANISH);
	later(caller(w), UA_AFTER_RINGING, draw(w, 1000, 3000), UA_CANCEL);
	w->want.silent_ok = true;
}

static void set_caller_vanishes(struct world *w)
{
	w->want.site.timer_c_ms = 60000;
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_START, draw(w, 0, 4000), UA_VANISH);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 80000, 90000), UA_BYE);
	w->want.silent_ok = true;
}

static void set_hops(struct world *w)
{
	set_plain(w);
	caller(w)->hops = draw(w, 2, 71);
	callee(w)->hops = draw(w, 2, 71);
	later(either(w), UA_AFTER_ANSWER, draw(w, 500, 3000), UA_INFO);
}

static void set_no_hop(struct world *w)
{
	set_plain(w);
	caller(w)->hops = 1;
}

static void check_no_hop(struct world *w)
{
	expect_status(w, 483);
	expect(w, called(w)->invited == 0, "nobody was called");
}

const struct scenario scenarios_call[] = {
	{"phone to phone, without the core", set_direct, expect_200, false},
	{"phone to phone, CANCEL, without the core", set_direct_cancel, NULL, false},
	{"a call, the caller hangs up", set_plain, expect_200, false},
	{"a call, the callee hangs up", set_callee_hangs_up, expect_200, false},
	{"a call, both hang up at once", set_both_hang_up, expect_200, false},
	{"a call of up to two hours", set_long, expect_200, false},
	{"each hop is counted", set_hops, expect_200, false},
	{"a call without a hop left is refused", set_no_hop, check_no_hop, false},
	{"lost ACKs", set_lost_ack, expect_200, false},
	{"no ACK ever", set_no_ack, check_no_ack, false},
	{"lost 200s", set_lost_200, expect_200, false},
	{"lost BYEs", set_lost_bye, expect_200, false},
	{"an INVITE sent again and again", set_repeated_invite, check_one_callee, false},
	{"lost refusals and their ACKs", set_lost_refusal, expect_486, false},
	{"the callee declines", set_declined, check_declined, false},
	{"the callee never answers", set_never_answers, NULL, false},
	{"the callee is stuck after its 100", set_stuck_at_100, NULL, false},
	{"connections close", set_connection_closes, NULL, false},
	{"the callee vanishes", set_callee_vanishes, NULL, false},
	{"the callee vanishes while it rings", set_ringing_vanishes, NULL, false},
	{"the caller vanishes", set_caller_vanishes, NULL, false},
	{NULL, NULL, NULL, false},
};
