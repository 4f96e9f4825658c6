/* Generated calls: phones do what they like, within the rules or beyond them, while processes stall and the network fails. */
#include "tests/sim/words.h"

static const enum ua_act legal[] = {
	UA_HOLD,          UA_RESUME,   UA_FREEZE,   UA_ADD_VIDEO,      UA_DROP_VIDEO,
	UA_TO_FAX,        UA_TO_AUDIO, UA_REINVITE, UA_UPDATE,         UA_UPDATE_PLAIN,
	UA_REINVITE_LATE, UA_INFO,     UA_OPTIONS,  UA_MESSAGE_INSIDE, UA_UPDATE_EARLY,
	UA_PROBE,         UA_CANCEL};
static const enum ua_act illegal[] = {UA_STALE_TAG,    UA_LOW_CSEQ,     UA_SECOND_INVITE,
				      UA_STRAY_ACK,    UA_STRAY_ANSWER, UA_STRAY_PRACK,
				      UA_STRAY_CANCEL, UA_SDP_IN_INFO,  UA_OTHER_ANSWER,
				      UA_GARBAGE,      UA_BYE_EARLY,    UA_CLOSE};

static enum ua_when any_time(struct world *w)
{
	return (enum ua_when)draw(w, UA_AFTER_START, UA_AFTER_ANSWER);
}

static void some_answers(struct world *w, struct ua_plan *p)
{
	uint32_t at = 0, n = draw(w, 0, 3);
	static const uint16_t rings[] = {100, 180, 183, 180};
	static const uint16_t ends[] = {200, 200, 200, 200, 200, 200, 486, 404, 500, 503, 603, 302};
	for (uint32_t i = 0; i < n; i++) {
		at += draw(w, 1, 600);
		answer_fork(p, rings[draw(w, 0, 3)], at, draw(w, 0, 1),
			    (uint8_t)(draw(w, 0, 3) ? 0 : draw(w, 0, 2)));
		p->steps[p->step_count - 1].reliable = draw(w, 0, 2) == 0;
	}
	at += draw(w, 1, 3000);
	answer_fork(p, ends[draw(w, 0, ARRAY_LEN(ends) - 1)], at, true,
		    (uint8_t)(draw(w, 0, 3) ? 0 : draw(w, 0, 2)));
	p->steps[p->step_count - 1].contact = "sip:202@198.51.100.99";
	if (draw(w, 0, 9) == 0)
		answer_fork(p, 200, at + draw(w, 0, 1000), true, 3);
}

static void some_habits(struct world *w)
{
	for (unsigned i = 0; i < SITE_TRUNKS; i++) {
		struct trunk_habits *h = &w->want.site.habits[i];
		h->refer = (enum refer_policy)draw(w, 0, REFER_POLICY_COUNT - 1);
		h->redirect = (enum redirect_policy)draw(w, 0, REDIRECT_POLICY_COUNT - 1);
		h->initial_offer = draw(w, 0, 1)
					   ? OFFER_POLICY_PASS
					   : (enum offer_policy)draw(w, 0, OFFER_POLICY_COUNT - 1);
		h->reliable = (enum reliable_policy)draw(w, 0, RELIABLE_POLICY_COUNT - 1);
		h->session_timer.on = draw(w, 0, 1);
		h->session_timer.expires_s = draw(w, 90, 300);
		h->methods = draw(w, 0, 1) ? 0 : UINT32_MAX;
	}
}

static void some_plan(struct world *w, struct ua_plan *p)
{
	uint32_t acts = draw(w, 0, 6);
	p->rel = draw(w, 0, 1) ? UA_REL_NONE : UA_REL_SUPPORTED;
	p->offerless = draw(w, 0, 4) == 0;
	p->prack_offer = draw(w, 0, 3) == 0 && !w->want.transfers;
	p->by_update = draw(w, 0, 1);
	p->no_video = draw(w, 0, 1);
	p->in_dialog_ms = draw(w, 0, 1) ? 0 : draw(w, 0, 2500);
	if (draw(w, 0, 3) == 0) {
		static const uint16_t codes[] = {488, 491, 500, 405, 606};
		p->in_dialog_status = codes[draw(w, 0, 4)];
		p->in_dialog_times = (uint8_t)draw(w, 1, 2);
	}
	if (draw(w, 0, 3) == 0) {
		p->timer.expires_s = draw(w, 90, 300);
		p->timer.refresher = draw(w, 0, 1) ? 'c' : 's';
		p->timer.by_invite = draw(w, 0, 1);
	}
	p->deaf_to_cancel = draw(w, 0, 9) == 0;
	p->refers_to = "202";
	for (uint32_t i = 0; i < acts; i++) {
		enum ua_act act = legal[draw(w, 0, ARRAY_LEN(legal) - 1)];
		later(p, any_time(w), draw(w, 0, 20000),
		      w->want.transfers && act == UA_ADD_VIDEO ? UA_REFER : act);
	}
}

static void some_stalls(struct world *w)
{
	static const int nodes[] = {UA_CARRIER, UA_PBX, NODE_CORE, NODE_RELAY};
	w->want.stall_count = draw(w, 0, 3);
	for (unsigned i = 0; i < w->want.stall_count; i++)
		w->want.stalls[i] = (struct world_stall){nodes[draw(w, 0, 3)], draw(w, 0, 20000),
							 draw(w, 1, 3000)};
}

/* Either transfers or a second medium: who is offered less lines than it had does not get zeros for the rest yet. */
static void set_legal(struct world *w)
{
	w->want.transfers = draw(w, 0, 2) == 0;
	some_habits(w);
	some_plan(w, caller(w));
	some_plan(w, callee(w));
	some_answers(w, callee(w));
	some_answers(w, &w->want.plans[UA_PBX2]);
	if (w->want.caller == UA_CARRIER && draw(w, 0, 3) == 0) {
		w->want.second_ms = draw(w, 1, 20000);
		some_plan(w, &w->want.plans[UA_CARRIER2]);
		later(&w->want.plans[UA_CARRIER2], UA_AFTER_ANSWER, draw(w, 0, 30000), UA_BYE);
	}
	hang_up(w, 0, 40000);
	later(&w->want.plans[UA_PBX2], UA_AFTER_ANSWER, 45000, UA_BYE);
	later(&w->want.plans[UA_PBX2], UA_AFTER_ANSWER, 65000, UA_BYE);
	later(caller(w), UA_AFTER_ANSWER, 50000, UA_BYE);
	later(callee(w), UA_AFTER_ANSWER, 52000, UA_BYE);
	w->want.silent_ok = true;
}

static void set_stalls(struct world *w)
{
	set_legal(w);
	some_stalls(w);
}

static void set_operator(struct world *w)
{
	set_stalls(w);
	if (draw(w, 0, 1))
		w->want.reload_ms = draw(w, 1, 20000);
	if (draw(w, 0, 1))
		w->want.drain_ms = draw(w, 1, 20000);
	if (draw(w, 0, 1))
		w->want.end_ms = draw(w, 1, 20000);
}

static void make_rogue(struct world *w, struct ua_plan *p)
{
	p->rogue = true;
	w->want.rogue = true;
	p->no_ack = draw(w, 0, 7) == 0;
	p->no_prack = draw(w, 0, 7) == 0;
	p->mute = draw(w, 0, 11) == 0;
	p->timer.lazy = draw(w, 0, 3) == 0;
	for (uint32_t n = draw(w, 1, 4); n > 0; n--)
		later(p, any_time(w), draw(w, 0, 10000),
		      illegal[draw(w, 0, ARRAY_LEN(illegal) - 1)]);
}

static void set_rogue_caller(struct world *w)
{
	set_stalls(w);
	make_rogue(w, caller(w));
}

static void set_rogue_callee(struct world *w)
{
	set_stalls(w);
	make_rogue(w, callee(w));
}

static void set_rogues(struct world *w)
{
	set_stalls(w);
	make_rogue(w, caller(w));
	make_rogue(w, callee(w));
}

const struct scenario scenarios_chance[] = {
	{"phones do what they like", set_legal, NULL, false},
	{"phones do what they like while processes stall", set_stalls, NULL, false},
	{"phones do what they like while the operator acts", set_operator, NULL, false},
	{"a caller that breaks rules", set_rogue_caller, NULL, false},
	{"a callee that breaks rules", set_rogue_callee, NULL, false},
	{"both break rules", set_rogues, NULL, false},
	{NULL, NULL, NULL, false},
};
