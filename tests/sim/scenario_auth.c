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

/* ---- signatures of who calls */

static void sign(struct world *w, uint32_t credential_ms, unsigned lost)
{
	w->want.site.verified = true;
	w->want.credential_ms = credential_ms;
	w->want.credential_lost = lost;
	caller(w)->is_signed = true;
	caller(w)->forged = draw(w, 0, 3) == 0;
	caller(w)->dials = w->want.callee == UA_CARRIER ? "900" : "200";
	ring_and_answer(w, callee(w));
}

static void set_certificate(struct world *w)
{
	sign(w, draw(w, 1, 3000), draw(w, 0, 60));
	hang_up(w, 1000, 8000);
}

static void set_certificate_cancel(struct world *w)
{
	sign(w, draw(w, 1, 3000), 0);
	later(caller(w), UA_AFTER_START, draw(w, 0, 1500), UA_CANCEL);
	later(caller(w), UA_AFTER_ANSWER, 20000, UA_BYE);
}

const struct scenario scenarios_auth[] = {
	{"a challenge is answered with the trunk's credentials", set_md5, check_proved, false},
	{"SHA-256 is answered where it is offered", set_sha256, check_proved, false},
	{"a stale nonce is answered once more", set_stale, check_proved, false},
	{"credentials that are refused", set_wrong, check_wrong, false},
	{"a challenge to a trunk without credentials", set_none, check_none, false},
	{"CANCEL while the core proves itself", set_cancel, NULL, false},
	{"a challenge to a late offer", set_late_offer, check_proved, false},
	{"the certificate of who signed is slow, lost or late", set_certificate, expect_200, false},
	{"CANCEL while a certificate is fetched", set_certificate_cancel, NULL, false},
	{NULL, NULL, NULL, false},
};
