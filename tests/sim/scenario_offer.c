/* Offers and answers (RFC 3264, RFC 6337): early, late, held, changed, crossed, refused. */
#include "tests/sim/words.h"

static void talk(struct world *w)
{
	ring_and_answer(w, callee(w));
	hang_up(w, 25000, 35000);
}

static void set_early_media(struct world *w)
{
	answer(callee(w), 183, draw(w, 50, 400), true);
	if (draw(w, 0, 1))
		answer(callee(w), 180, draw(w, 450, 600), false);
	answer(callee(w), 200, draw(w, 700, 3000), true);
	hang_up(w, 0, 8000);
}

static void set_late_offer(struct world *w)
{
	caller(w)->offerless = true;
	ring_and_answer(w, callee(w));
	hang_up(w, 1000, 8000);
}

static void set_late_offer_rel(struct world *w)
{
	caller(w)->offerless = true;
	caller(w)->rel = UA_REL_SUPPORTED;
	answer_reliable(callee(w), 183, draw(w, 50, 400), true);
	answer(callee(w), 200, draw(w, 700, 3000), draw(w, 0, 1));
	hang_up(w, 1000, 8000);
}

static void check_late_offer_rel(struct world *w)
{
	expect_200(w);
	expect_same_media(w);
}

/* The callee's side wants no offer, or always one, whatever the caller does. */
static void set_forced(struct world *w, enum offer_policy policy, bool offerless)
{
	for (unsigned i = 0; i < SITE_TRUNKS; i++)
		w->want.site.habits[i].initial_offer = policy;
	caller(w)->offerless = offerless;
	ring_and_answer(w, callee(w));
	hang_up(w, 6000, 12000);
}

static void set_early_to_late(struct world *w)
{
	set_forced(w, OFFER_POLICY_LATE, false);
}

static void set_late_to_early(struct world *w)
{
	set_forced(w, OFFER_POLICY_EARLY, true);
}

static void set_early_to_early(struct world *w)
{
	set_forced(w, OFFER_POLICY_EARLY, false);
}

static void set_late_to_late(struct world *w)
{
	set_forced(w, OFFER_POLICY_LATE, true);
}

static void check_talked(struct world *w)
{
	expect_200(w);
	expect_same_media(w);
}

/* ---- changes in the call */

static void set_change(struct world *w, enum ua_act first, enum ua_act second)
{
	struct ua_plan *p = either(w);
	talk(w);
	p->by_update = draw(w, 0, 2) == 0;
	other(w, p)->in_dialog_ms = draw(w, 0, 1) ? 0 : draw(w, 0, 1500);
	later(p, UA_AFTER_ANSWER, draw(w, 300, 2000), first);
	later(p, UA_AFTER_ANSWER, draw(w, 8000, 10000), second);
}

static void set_caller_holds(struct world *w)
{
	talk(w);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 300, 2000), UA_HOLD);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 8000, 10000), UA_RESUME);
}

static void set_callee_holds(struct world *w)
{
	talk(w);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 300, 2000), UA_HOLD);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 8000, 10000), UA_RESUME);
}

static void set_hold_for_good(struct world *w)
{
	talk(w);
	later(either(w), UA_AFTER_ANSWER, draw(w, 300, 2000), draw(w, 0, 1) ? UA_HOLD : UA_FREEZE);
}

static void set_freeze(struct world *w)
{
	set_change(w, UA_FREEZE, UA_RESUME);
}

static void set_both_hold(struct world *w)
{
	struct ua_plan *p = either(w), *q = other(w, p);
	talk(w);
	later(p, UA_AFTER_ANSWER, draw(w, 300, 1000), UA_HOLD);
	later(q, UA_AFTER_ANSWER, draw(w, 3500, 4500), UA_HOLD);
	later(p, UA_AFTER_ANSWER, draw(w, 9000, 10000), UA_RESUME);
	later(q, UA_AFTER_ANSWER, draw(w, 14000, 15000), UA_RESUME);
}

static void set_video(struct world *w)
{
	set_change(w, UA_ADD_VIDEO, UA_DROP_VIDEO);
}

static void set_video_declined(struct world *w)
{
	set_change(w, UA_ADD_VIDEO, UA_HOLD);
	caller(w)->no_video = callee(w)->no_video = true;
}

static void set_fax(struct world *w)
{
	set_change(w, UA_TO_FAX, UA_TO_AUDIO);
}

/* Fax is refused: the voice goes on as it was. */
static void set_fax_refused(struct world *w)
{
	struct ua_plan *p = either(w);
	talk(w);
	later(p, UA_AFTER_ANSWER, draw(w, 300, 2000), UA_TO_FAX);
	other(w, p)->in_dialog_status = draw(w, 0, 1) ? 488 : 606;
}

static void check_refused(struct world *w)
{
	expect_200(w);
	expect_same_media(w);
	expect(w, calling(w)->refused + called(w)->refused > 0,
	       "the refusal came back to who asked");
}

static void set_hold_refused(struct world *w)
{
	struct ua_plan *p = either(w);
	talk(w);
	later(p, UA_AFTER_ANSWER, draw(w, 300, 2000), UA_HOLD);
	later(p, UA_AFTER_ANSWER, draw(w, 9000, 12000), UA_INFO);
	other(w, p)->in_dialog_status = 488;
	other(w, p)->in_dialog_times = 1;
}

static void set_reinvite_late(struct world *w)
{
	struct ua_plan *p = either(w);
	talk(w);
	other(w, p)->in_dialog_ms = draw(w, 0, 1) ? 0 : draw(w, 0, 1500);
	if (draw(w, 0, 1))
		later(p, UA_AFTER_ANSWER, draw(w, 300, 1000), UA_HOLD);
	later(p, UA_AFTER_ANSWER, draw(w, 4000, 6000), UA_REINVITE_LATE);
}

static void set_reinvite(struct world *w)
{
	set_change(w, UA_REINVITE, UA_REINVITE);
}

static void set_update(struct world *w)
{
	set_change(w, UA_UPDATE, UA_UPDATE_PLAIN);
}

/* ---- glare (RFC 3261 §14.1, RFC 3311 §5.2) */

static void set_glare(struct world *w)
{
	uint32_t at = draw(w, 500, 2000);
	ring_and_answer(w, callee(w));
	later(caller(w), UA_AFTER_ANSWER, at, UA_REINVITE);
	later(callee(w), UA_AFTER_ANSWER, at + draw(w, 0, 100) - 50, UA_REINVITE);
	hang_up(w, 40000, 50000);
}

static void set_holds_cross(struct world *w)
{
	uint32_t at = draw(w, 500, 2000);
	ring_and_answer(w, callee(w));
	caller(w)->by_update = draw(w, 0, 1);
	callee(w)->by_update = draw(w, 0, 1);
	later(caller(w), UA_AFTER_ANSWER, at, UA_HOLD);
	later(callee(w), UA_AFTER_ANSWER, at + draw(w, 0, 100) - 50, UA_ADD_VIDEO);
	hang_up(w, 40000, 50000);
}

/* A second re-INVITE while the answer to the first is slow. */
static void set_slow_answers_cross(struct world *w)
{
	ring_and_answer(w, callee(w));
	callee(w)->in_dialog_ms = draw(w, 1000, 3000);
	caller(w)->in_dialog_ms = draw(w, 0, 2000);
	later(caller(w), UA_AFTER_ANSWER, draw(w, 500, 1000), UA_HOLD);
	later(callee(w), UA_AFTER_ANSWER, draw(w, 500, 3000), UA_FREEZE);
	hang_up(w, 40000, 50000);
}

static void set_481(struct world *w)
{
	struct ua_plan *p = either(w);
	ring_and_answer(w, callee(w));
	other(w, p)->in_dialog_status = draw(w, 0, 1) ? 481 : 408;
	later(p, UA_AFTER_ANSWER, draw(w, 500, 2000), draw(w, 0, 1) ? UA_HOLD : UA_UPDATE);
	later(caller(w), UA_AFTER_ANSWER, 60000, UA_BYE);
	w->want.silent_ok = true;
}

static void check_481(struct world *w)
{
	expect_200(w);
	expect(w, calling(w)->ended_ms < calling(w)->answered_ms + 59000,
	       "a dialog that the other side does not know any more has ended");
}

/* ---- SRTP on one side */

static void set_srtp(struct world *w)
{
	w->want.site.srtp = true;
	w->want.plans[UA_CARRIER].srtp = true;
	w->want.site.outside = TRANSPORT_TLS; /* keys are believed there alone */
	if (draw(w, 0, 2) == 0)
		caller(w)->offerless = true;
	talk(w);
	if (draw(w, 0, 1))
		later(either(w), UA_AFTER_ANSWER, draw(w, 500, 5000), UA_HOLD);
}

/* Who offers plaintext where SRTP is required is refused with 488. */
static void set_srtp_missing(struct world *w)
{
	inward(w);
	w->want.site.srtp = true;
	talk(w);
}

static void check_srtp_missing(struct world *w)
{
	expect_status(w, 488);
	expect(w, called(w)->invited == 0, "the callee never heard of it");
}

const struct scenario scenarios_offer[] = {
	{"early media", set_early_media, expect_200, false},
	{"the offer comes with the answer", set_late_offer, check_talked, false},
	{"the offer comes in a reliable 183, its answer in the PRACK", set_late_offer_rel,
	 check_late_offer_rel, false},
	{"an early offer goes on without SDP where the trunk wants it late", set_early_to_late,
	 check_talked, false},
	{"an INVITE without SDP goes on with our offer where the trunk wants it early",
	 set_late_to_early, check_talked, false},
	{"an early offer stays early where the trunk wants it early", set_early_to_early,
	 check_talked, false},
	{"a late offer stays late where the trunk wants it late", set_late_to_late, check_talked,
	 false},
	{"re-INVITE", set_reinvite, check_talked, false},
	{"re-INVITE without SDP gets a full offer", set_reinvite_late, check_talked, false},
	{"UPDATE in the dialog", set_update, check_talked, false},
	{"the caller holds and resumes", set_caller_holds, check_talked, false},
	{"the callee holds and resumes", set_callee_holds, check_talked, false},
	{"a party is held until the end", set_hold_for_good, check_talked, false},
	{"hold with a=inactive and resume", set_freeze, check_talked, false},
	{"both hold and resume in either order", set_both_hold, check_talked, false},
	{"video is added and taken away", set_video, check_talked, false},
	{"video is declined by port 0", set_video_declined, check_talked, false},
	{"audio becomes fax and audio again", set_fax, check_talked, false},
	{"fax is refused and the voice stays as it was", set_fax_refused, check_refused, false},
	{"a refused hold leaves everything as it was", set_hold_refused, check_talked, false},
	{"re-INVITEs cross", set_glare, expect_200, false},
	{"a hold and a new medium cross", set_holds_cross, expect_200, false},
	{"offers cross while answers are slow", set_slow_answers_cross, expect_200, false},
	{"a dialog that one side has forgotten ends on both", set_481, check_481, false},
	{"SRTP outside, RTP inside", set_srtp, check_talked, false},
	{"plaintext where SRTP is required is refused", set_srtp_missing, check_srtp_missing,
	 false},
	{NULL, NULL, NULL, false},
};
