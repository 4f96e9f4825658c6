#include "sbc/core/offer.h"

#include "tests/support/check.h"

/* Every state, seen from side 0: what SDP of that side means. */
static void sdp_means_what_the_state_says(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct offer o;
		enum offer_mean request, request_may_answer, final, preview;
	} rows[] = {
		{"nothing is open: an offer",
		 {OFFER_IDLE, 0, false},
		 OFFER_NEW,
		 OFFER_NEW,
		 OFFER_NEW,
		 OFFER_NEW},
		{"agreed before: an offer again",
		 {OFFER_IDLE, 1, true},
		 OFFER_NEW,
		 OFFER_NEW,
		 OFFER_NEW,
		 OFFER_NEW},
		{"its own offer is open: too soon",
		 {OFFER_OFFERED, 0, false},
		 OFFER_TOO_SOON,
		 OFFER_TOO_SOON,
		 OFFER_TOO_SOON,
		 OFFER_TOO_SOON},
		{"the other's is open: an answer, or a glare",
		 {OFFER_OFFERED, 1, true},
		 OFFER_GLARE,
		 OFFER_ANSWER,
		 OFFER_ANSWER,
		 OFFER_PREVIEW},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(offer_in_request(&row->o, 0, false), row->request);
		EXPECT_INT(offer_in_request(&row->o, 0, true), row->request_may_answer);
		EXPECT_INT(offer_in_response(&row->o, 0, true), row->final);
		EXPECT_INT(offer_in_response(&row->o, 0, false), row->preview);
	}
}

static void steps(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct offer before;
		enum offer_mean mean;
		unsigned side;
		struct offer after;
	} rows[] = {
		{"an offer opens", {OFFER_IDLE, 0, false}, OFFER_NEW, 1, {OFFER_OFFERED, 1, false}},
		{"an answer closes and counts",
		 {OFFER_OFFERED, 1, false},
		 OFFER_ANSWER,
		 0,
		 {OFFER_IDLE, 1, true}},
		{"a preview leaves it open",
		 {OFFER_OFFERED, 1, false},
		 OFFER_PREVIEW,
		 0,
		 {OFFER_OFFERED, 1, false}},
		{"a glare changes nothing",
		 {OFFER_OFFERED, 1, true},
		 OFFER_GLARE,
		 0,
		 {OFFER_OFFERED, 1, true}},
		{"nor does one too soon",
		 {OFFER_OFFERED, 0, true},
		 OFFER_TOO_SOON,
		 0,
		 {OFFER_OFFERED, 0, true}},
	};
	CHECK_TABLE(row, rows)
	{
		struct offer o = row->before;
		offer_step(&o, row->mean, row->side);
		EXPECT_INT(o.state, row->after.state);
		EXPECT_INT(o.side, row->after.side);
		EXPECT_INT(o.ever, row->after.ever);
	}
}

static void a_refusal_takes_back_only_its_own_offer(void **state)
{
	(void)state;
	struct offer o = {OFFER_OFFERED, 1, true};
	offer_drop(&o, 0);
	EXPECT_INT(o.state, OFFER_OFFERED);
	offer_drop(&o, 1);
	EXPECT_INT(o.state, OFFER_IDLE);
	EXPECT_TRUE(o.ever);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sdp_means_what_the_state_says),
		cmocka_unit_test(steps),
		cmocka_unit_test(a_refusal_takes_back_only_its_own_offer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
