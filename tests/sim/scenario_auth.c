/* 401 and 407 of those whom we call: answered with the trunk's credentials, or passed on. */
#include "tests/sim/words.h"

static void begin(struct world *w, bool credentials, struct ua_challenge c)
{
	w->want.site.credentials = credentials;
	callee(w)->challenge = c;
	ring_and_answer(w, callee(w));
	hang_up(w, 1000, 8000);
}

static uint16_t either_status(struct world *w)
{
	return draw(w, 0, 1) ? 401 : 407;
}

static void set_md5(struct world *w)
{
	begin(w, true, (struct ua_challenge){.status = either_status(w)});
}

static void set_sha256(struct world *w)
{
	begin(w, true, (struct ua_challenge){.status = either_status(w), .sha256 = true});
}

static void set_stale(struct world *w)
{
	begin(w, true, (struct ua_challenge){.status = either_status(w), .stale = true});
}

static void check_proved(struct world *w)
{
	expect_200(w);
	expect(w, called(w)->proved > 0, "the trunk's credentials were right");
}

static void set_wrong(struct world *w)
{
	begin(w, true, (struct ua_challenge){.status = either_status(w), .sure = true});
}

static void check_wrong(struct world *w)
{
	expect(w, calling(w)->status >= 400, "credentials that are refused end the attempt");
	expect(w, called(w)->challenged <= 3, "nobody asks for ever");
}

static void set_none(struct world *w)
{
	begin(w, false, (struct ua_challenge){.status = either_status(w)});
}

static void check_none(struct world *w)
{
	expect(w, calling(w)->status >= 400, "without credentials the refusal is passed on");
	expect(w, called(w)->challenged == 1, "it was tried once");
}

static void set_cancel(struct world *w)
{
	begin(w, true, (struct ua_challenge){.status = either_status(w)});
	later(caller(w), UA_AFTER_START, draw(w, 0, 600), UA_CANCEL);
	later(caller(w), UA_AFTER_ANSWER, 20000, UA_BYE);
}

static void set_late_offer(struct world *w)
{
	set_md5(w);
	caller(w)->offerless = true;
}

const struct scenario scenarios_auth[] = {
	{"a challenge is answered with the trunk's credentials", set_md5, check_proved, false},
	{"SHA-256 is answered where it is offered", set_sha256, check_proved, false},
	{"a stale nonce is answered once more", set_stale, check_proved, false},
	{"credentials that are refused", set_wrong, check_wrong, false},
	{"a challenge to a trunk without credentials", set_none, check_none, false},
	{"CANCEL while the core proves itself", set_cancel, NULL, false},
	{"a challenge to a late offer", set_late_offer, check_proved, false},
	{NULL, NULL, NULL, false},
};
