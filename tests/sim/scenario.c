#include "scenario.h"

#include "common/check.h"

/* ---- words that scenarios are made of */

static uint32_t draw(struct world *w, uint32_t least, uint32_t most)
{
	return dice_range(&w->dice, least, most);
}

static struct ua_plan *caller(struct world *w)
{
	return &w->want.plans[w->want.caller];
}

static struct ua_plan *callee(struct world *w)
{
	return &w->want.plans[w->want.callee];
}

static void answer(struct ua_plan *p, uint16_t status, uint32_t after_ms, bool sdp)
{
	CHECK(p->step_count < UA_STEPS);
	p->steps[p->step_count++] =
		(struct ua_step){.status = status, .after_ms = after_ms, .sdp = sdp};
}

static void answer_fork(struct ua_plan *p, uint16_t status, uint32_t after_ms, bool sdp,
			uint8_t fork)
{
	answer(p, status, after_ms, sdp);
	p->steps[p->step_count - 1].fork = fork;
}

static void later(struct ua_plan *p, enum ua_when when, uint32_t after_ms, enum ua_act act)
{
	CHECK(p->todo_count < UA_TODOS);
	p->todos[p->todo_count++] =
		(struct ua_todo){.when = when, .act = act, .after_ms = after_ms};
}

static void relay_turn(struct world *w, const char *command, unsigned from, enum relay_mood mood)
{
	CHECK(w->relay.turn_count < RELAY_COMMANDS_MAX);
	w->relay.turns[w->relay.turn_count++] = (struct relay_turn){command, from, mood};
}

static void reliable_sites(struct world *w, bool outside, bool inside)
{
	if (outside)
		w->want.site.outside = draw(w, 0, 1) ? TRANSPORT_TCP : TRANSPORT_TLS;
	if (inside)
		w->want.site.inside = TRANSPORT_TCP;
}

static void datagrams(struct world *w)
{
	w->want.site.outside = w->want.site.inside = TRANSPORT_UDP;
}

/* Rings for a while and answers; 100 first, mostly. */
static void ring_and_answer(struct world *w, struct ua_plan *p)
{
	if (draw(w, 0, 3))
		answer(p, 100, draw(w, 0, 20), false);
	if (draw(w, 0, 9))
		answer(p, 180, draw(w, 50, 400), false);
	answer(p, 200, draw(w, 500, 3000), true);
}

/* Inward calls alone have failover and a choice of peers. */
static void inward(struct world *w)
{
	w->want.caller = UA_CARRIER;
	w->want.callee = UA_PBX;
}

static void expect_status(struct world *w, uint16_t status)
{
	const struct ua *u = &w->uas[w->want.caller];
	if (u->status != status)
		faults_add(&w->faults, "the caller got %u instead of %u", u->status, status);
}

static void expect_200(struct world *w)
{
	expect_status(w, 200);
}

/* ---- the world itself, without the core */

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

/* ---- plain calls and their ends */

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

/* ---- CANCEL */

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

static void expect_cancelled(struct world *w)
{
	expect_status(w, 487);
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

/* ---- single messages lost on purpose, on top of the network's own losses */

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
		faults_add(&w->faults, "a call without ACK was not ended by us");
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
		faults_add(&w->faults, "%u INVITEs came of one", w->uas[w->want.callee].invited);
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

/* ---- refusals and failover */

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
		faults_add(&w->faults, "a declined call was answered");
}

static void set_failover_code(struct world *w)
{
	static const uint16_t codes[] = {500, 502, 503, 504};
	inward(w);
	if (draw(w, 0, 1))
		answer(callee(w), 100, 10, false);
	answer(callee(w), codes[draw(w, 0, 3)], draw(w, 0, 800), false);
	ring_and_answer(w, &w->want.plans[UA_PBX2]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

static void set_failover_silent_peer(struct world *w)
{
	inward(w);
	datagrams(w);
	w->want.callee_down = true;
	w->want.site.failure_after_ms = draw(w, 3000, 6000);
	ring_and_answer(w, &w->want.plans[UA_PBX2]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

/* With losses the second peer may need longer than the route waits. */
static void check_failover_silent(struct world *w)
{
	if (w->uas[w->want.caller].status != 408)
		expect_status(w, 200);
}

static void set_failover_connect(struct world *w)
{
	inward(w);
	reliable_sites(w, false, true);
	w->want.callee_down = true;
	ring_and_answer(w, &w->want.plans[UA_PBX2]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

static void set_failover_trunk(struct world *w)
{
	inward(w);
	w->want.site.spare = true;
	answer(callee(w), 503, draw(w, 0, 800), false);
	answer(&w->want.plans[UA_PBX2], 503, draw(w, 0, 800), false);
	ring_and_answer(w, &w->want.plans[UA_SPARE]);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

static void set_failover_exhausted(struct world *w)
{
	inward(w);
	w->want.site.spare = draw(w, 0, 1);
	w->want.resolver_fails = true;
	answer(callee(w), 503, draw(w, 0, 800), false);
	answer(&w->want.plans[UA_PBX2], 503, draw(w, 0, 800), false);
}

static void check_exhausted(struct world *w)
{
	const struct ua *u = &w->uas[w->want.caller];
	if (u->status < 400 || u->status == 408)
		faults_add(&w->faults, "with no target left the caller got %u", u->status);
}

static void set_nobody_there(struct world *w)
{
	inward(w);
	datagrams(w);
	w->want.site.pbx_peers = 1;
	w->want.site.failure_after_ms = draw(w, 0, 1) ? 0 : 4000;
	w->want.callee_down = true;
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

/* ---- forks and media before the answer */

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
			faults_add(&w->faults, "a losing fork was not told to hang up");
}

static void set_early_media(struct world *w)
{
	answer(callee(w), 183, draw(w, 50, 400), true);
	if (draw(w, 0, 1))
		answer(callee(w), 180, draw(w, 450, 600), false);
	answer(callee(w), 200, draw(w, 700, 3000), true);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 8000), UA_BYE);
}

static void set_late_offer(struct world *w)
{
	caller(w)->offerless = true;
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 1000, 8000), UA_BYE);
}

static void set_reliable(struct world *w)
{
	struct ua_plan *p = callee(w);
	caller(w)->rel100 = draw(w, 0, 4) > 0;
	answer(p, 183, draw(w, 20, 300), true);
	p->steps[0].reliable = true;
	if (draw(w, 0, 1)) {
		answer(p, 180, draw(w, 300, 600), false);
		p->steps[1].reliable = draw(w, 0, 1);
	}
	/* After a reliable answer the 200 may do without SDP (RFC 6337 §3.1.1). */
	answer(p, 200, draw(w, 700, 3000), !caller(w)->rel100 || draw(w, 0, 1));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 1000, 8000), UA_BYE);
}

static void check_reliable(struct world *w)
{
	expect_status(w, 200);
	if (w->uas[w->want.caller].plan.rel100 &&
	    (!w->uas[w->want.caller].pracks || !w->uas[w->want.callee].pracks))
		faults_add(&w->faults, "a reliable 1xx without PRACK");
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
			faults_add(&w->faults, "a late answer was not told to hang up");
}

/* ---- in the dialog */

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

static void set_reinvite(struct world *w)
{
	set_in_dialog(w, UA_REINVITE);
}

static void set_update(struct world *w)
{
	set_in_dialog(w, UA_UPDATE);
}

static void set_info(struct world *w)
{
	set_in_dialog(w, UA_INFO);
}

static void set_options(struct world *w)
{
	set_in_dialog(w, UA_OPTIONS);
}

static void set_glare(struct world *w)
{
	uint32_t at = draw(w, 500, 2000);
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, at, UA_REINVITE);
	later(callee(w), UA_AFTER_ANSWER, at + draw(w, 0, 100) - 50, UA_REINVITE);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 40000, 50000), UA_BYE);
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

/* ---- the relay */

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
		faults_add(&w->faults, "without a relay the caller got %u", u->status);
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

/* ---- the operator */

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
		faults_add(&w->faults, "a draining core said %u to a new call",
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
		faults_add(&w->faults, "of two calls one got %u", w->uas[UA_CARRIER2].status);
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
		faults_add(&w->faults, "at the limit of one call two callers got %u and %u", a, b);
}

/* Pings find that the first peer is down; a call then goes to the next at once. The last word is a
 * configuration without pings, so that the world can come to rest. */
static void set_pings(struct world *w)
{
	inward(w);
	w->want.site.ping_ms = 10000;
	w->want.down_ms = 25000;
	w->want.call_ms = 120000;
	w->want.up_ms = 140000;
	w->want.reload_ms = 300000;
	w->want.reloaded = w->want.site;
	w->want.reloaded.ping_ms = 0;
	w->want.reload_differs = true;
	w->want.silent_ok = true; /* the pings */
	ring_and_answer(w, &w->want.plans[UA_PBX2]);
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, draw(w, 0, 5000), UA_BYE);
}

static void check_pings(struct world *w)
{
	expect_status(w, 200);
	if (w->core.notices[NOTICE_PEER_DOWN] < 1 || w->core.notices[NOTICE_PEER_UP] < 1)
		faults_add(&w->faults, "pings told %llu times of down and %llu of up",
			   (unsigned long long)w->core.notices[NOTICE_PEER_DOWN],
			   (unsigned long long)w->core.notices[NOTICE_PEER_UP]);
	if (w->core.cdr_count == 1 && w->core.cdrs[0].attempts != 1)
		faults_add(&w->faults, "a peer known to be down was tried");
}

/* ---- unusual and hostile */

static void set_elsewhere(struct world *w)
{
	ring_and_answer(w, callee(w));
	callee(w)->steps[0].after_ms += 100;
	later(caller(w), UA_AFTER_RINGING, draw(w, 0, 200), UA_ELSEWHERE);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 1000, 8000), UA_BYE);
}

static void set_bye_early(struct world *w)
{
	answer(callee(w), 180, draw(w, 20, 200), false);
	answer(callee(w), 200, draw(w, 500, 1500), true);
	later(caller(w), UA_AFTER_RINGING, draw(w, 0, 1500), UA_BYE_EARLY);
	later(caller(w), UA_AFTER_ANSWER, 10000, UA_BYE);
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

/* ---- connections and hosts that go away */

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
		faults_add(&w->faults, "a stranger's call came through");
}

static const struct scenario scenarios[] = {
	{"phone to phone, without the core", set_direct, expect_200},
	{"phone to phone, CANCEL, without the core", set_direct_cancel, NULL},
	{"a call, the caller hangs up", set_plain, expect_200},
	{"a call, the callee hangs up", set_callee_hangs_up, expect_200},
	{"a call, both hang up at once", set_both_hang_up, expect_200},
	{"a call of up to two hours", set_long, expect_200},
	{"CANCEL at every point", set_cancel, NULL},
	{"CANCEL while it rings", set_cancel_ringing, check_cancel_ringing},
	{"CANCEL before any 1xx of the callee", set_cancel_early, expect_cancelled},
	{"CANCEL crosses the 200", set_cancel_crosses_200, NULL},
	{"CANCEL while the core waits for others", set_cancel_while_routing, NULL},
	{"lost ACKs", set_lost_ack, expect_200},
	{"no ACK ever", set_no_ack, check_no_ack},
	{"lost 200s", set_lost_200, expect_200},
	{"lost BYEs", set_lost_bye, expect_200},
	{"an INVITE sent again and again", set_repeated_invite, check_one_callee},
	{"lost refusals and their ACKs", set_lost_refusal, expect_486},
	{"the callee declines", set_declined, check_declined},
	{"failover after a 5xx", set_failover_code, expect_200},
	{"failover after silence", set_failover_silent_peer, check_failover_silent},
	{"failover after a refused connection", set_failover_connect, expect_200},
	{"failover to the next trunk", set_failover_trunk, expect_200},
	{"failover finds no one", set_failover_exhausted, check_exhausted},
	{"nobody is there", set_nobody_there, NULL},
	{"the callee never answers", set_never_answers, NULL},
	{"the callee is stuck after its 100", set_stuck_at_100, NULL},
	{"three forks ring, one answers", set_forked_ringing, expect_200},
	{"two forks answer", set_forked_answers, check_forked},
	{"early media", set_early_media, expect_200},
	{"the offer comes with the answer", set_late_offer, expect_200},
	{"reliable ringing", set_reliable, check_reliable},
	{"a fork answers after another refused", set_late_fork, check_late_fork},
	{"re-INVITE", set_reinvite, expect_200},
	{"UPDATE in the dialog", set_update, expect_200},
	{"INFO in the dialog", set_info, expect_200},
	{"OPTIONS in the dialog", set_options, expect_200},
	{"re-INVITEs cross", set_glare, expect_200},
	{"BYE while a request is under way", set_bye_during, expect_200},
	{"the relay is slow", set_relay_slow, expect_200},
	{"CANCEL while the relay is slow", set_relay_slow_cancel, NULL},
	{"the relay is down", set_relay_down, check_relay_down},
	{"the relay refuses the answer", set_relay_fails_answer, NULL},
	{"the relay dies during the call", set_relay_dies, expect_200},
	{"connections close", set_connection_closes, NULL},
	{"the callee vanishes", set_callee_vanishes, NULL},
	{"the callee vanishes while it rings", set_ringing_vanishes, NULL},
	{"the caller vanishes", set_caller_vanishes, NULL},
	{"a stranger calls", set_stranger, check_stranger},
	{"new settings during the call", set_reload, expect_200},
	{"the core drains", set_drain, check_drain},
	{"two calls at once", set_two_calls, check_two_calls},
	{"the limit of calls", set_call_limit, check_call_limit},
	{"pings find a peer down and up", set_pings, check_pings},
	{"an INVITE comes by two ways", set_elsewhere, expect_200},
	{"BYE instead of CANCEL", set_bye_early, NULL},
	{"requests outside any dialog", set_probes, expect_200},
	{"spoiled messages", set_noise, NULL},
	{NULL, NULL, NULL},
};

const struct scenario *scenario_list(void)
{
	return scenarios;
}
