#include "tests/sim/words.h"

#include "common/check.h"

uint32_t draw(struct world *w, uint32_t least, uint32_t most)
{
	return dice_range(&w->dice, least, most);
}

struct ua_plan *caller(struct world *w)
{
	return &w->want.plans[w->want.caller];
}

struct ua_plan *callee(struct world *w)
{
	return &w->want.plans[w->want.callee];
}

struct ua_plan *either(struct world *w)
{
	return draw(w, 0, 1) ? caller(w) : callee(w);
}

struct ua_plan *other(struct world *w, const struct ua_plan *p)
{
	return p == caller(w) ? callee(w) : caller(w);
}

struct ua *calling(struct world *w)
{
	return &w->uas[w->want.caller];
}

struct ua *called(struct world *w)
{
	return &w->uas[w->want.callee];
}

void answer(struct ua_plan *p, uint16_t status, uint32_t after_ms, bool sdp)
{
	CHECK(p->step_count < UA_STEPS);
	p->steps[p->step_count++] =
		(struct ua_step){.status = status, .after_ms = after_ms, .sdp = sdp};
}

void answer_fork(struct ua_plan *p, uint16_t status, uint32_t after_ms, bool sdp, uint8_t fork)
{
	answer(p, status, after_ms, sdp);
	p->steps[p->step_count - 1].fork = fork;
}

void answer_reliable(struct ua_plan *p, uint16_t status, uint32_t after_ms, bool sdp)
{
	answer(p, status, after_ms, sdp);
	p->steps[p->step_count - 1].reliable = true;
}

void later(struct ua_plan *p, enum ua_when when, uint32_t after_ms, enum ua_act act)
{
	CHECK(p->todo_count < UA_TODOS);
	p->todos[p->todo_count++] =
		(struct ua_todo){.when = when, .act = act, .after_ms = after_ms};
}

void hang_up(struct world *w, uint32_t least_ms, uint32_t most_ms)
{
	later(either(w), UA_AFTER_ANSWER, draw(w, least_ms, most_ms), UA_BYE);
}

void ring_and_answer(struct world *w, struct ua_plan *p)
{
	if (draw(w, 0, 3))
		answer(p, 100, draw(w, 0, 20), false);
	if (draw(w, 0, 9))
		answer(p, 180, draw(w, 50, 400), false);
	answer(p, 200, draw(w, 500, 3000), true);
}

void inward(struct world *w)
{
	w->want.caller = UA_CARRIER;
	w->want.callee = UA_PBX;
}

void outward(struct world *w)
{
	w->want.caller = UA_PBX;
	w->want.callee = UA_CARRIER;
}

void reliable_sites(struct world *w, bool outside, bool inside)
{
	if (outside)
		w->want.site.outside = draw(w, 0, 1) ? TRANSPORT_TCP : TRANSPORT_TLS;
	if (inside)
		w->want.site.inside = TRANSPORT_TCP;
}

void datagrams(struct world *w)
{
	w->want.site.outside = w->want.site.inside = TRANSPORT_UDP;
}

void relay_turn(struct world *w, const char *command, unsigned from, enum relay_mood mood)
{
	CHECK(w->relay.turn_count < RELAY_COMMANDS_MAX);
	w->relay.turns[w->relay.turn_count++] = (struct relay_turn){command, from, mood};
}

void expect(struct world *w, bool is_true, const char *what)
{
	if (!is_true)
		faults_add(&w->faults, INV_SCENARIO, "not so: %s", what);
}

void expect_status(struct world *w, uint16_t status)
{
	if (calling(w)->status != status)
		faults_add(&w->faults, INV_SCENARIO, "the caller got %u instead of %u",
			   calling(w)->status, status);
}

void expect_200(struct world *w)
{
	expect_status(w, 200);
}

/* What flows on this line as one side sees it: what it wants and the other takes. */
static uint8_t flows(const struct ua_talk *t, unsigned i)
{
	const struct sdp_line *ours = &t->ours[i], *theirs = &t->theirs[i];
	return (uint8_t)((ours->dir & SDP_SEND && theirs->dir & SDP_RECV ? SDP_SEND : 0) |
			 (ours->dir & SDP_RECV && theirs->dir & SDP_SEND ? SDP_RECV : 0));
}

void expect_same_media(struct world *w)
{
	const struct ua_dialog *a = ua_talking(calling(w)), *b = ua_talking(called(w));
	/* A call that ended in the midst of an exchange never agreed. */
	if (!a || !b || a->talk.state != UA_TALK_IDLE || b->talk.state != UA_TALK_IDLE)
		return;
	expect(w, a->talk.count == b->talk.count, "both have the same number of m= lines");
	for (unsigned i = 0; i < a->talk.count && i < b->talk.count; i++) {
		const struct sdp_line *x = &a->talk.ours[i], *y = &b->talk.ours[i];
		const uint8_t there = flows(&a->talk, i), here = flows(&b->talk, i);
		expect(w, x->on == y->on && x->kind == y->kind, "both have the same medium");
		expect(w,
		       !x->on || (!(there & SDP_SEND) == !(here & SDP_RECV) &&
				  !(there & SDP_RECV) == !(here & SDP_SEND)),
		       "the directions of both fit");
	}
}
