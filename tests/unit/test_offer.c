#include "sbc/core/offer.h"

#include "tests/support/check.h"

/* What the peer's SDP means, a row for each state, INVITEs without SDP included; ours are the mirror of it. */
enum { STATES = 8 };
static const struct {
	const char *name;
	struct offer o, mirror;
	uint8_t means[OFFER_GOT_NOTHING]; /* request, PRACK, ACK, reliable, preview, empty INVITE */
} matrix[] = {
	{"nothing is agreed: a request opens, an answer has no offer",
	 {OFFER_NONE, OFFER_LATE_NOT, false, false},
	 {OFFER_NONE, OFFER_LATE_NOT, false, false},
	 {OFFER_NEW, OFFER_NEW, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED}},
	{"we asked for an offer: its reliable answer brings it, a request crosses ours",
	 {OFFER_NONE, OFFER_LATE_WE_ASK, false, false},
	 {OFFER_NONE, OFFER_LATE_THEY_ASK, false, false},
	 {OFFER_GLARE, OFFER_NEW, OFFER_IGNORED, OFFER_NEW, OFFER_IGNORED, OFFER_GLARE}},
	{"they asked us for an offer: another request of theirs is too soon",
	 {OFFER_NONE, OFFER_LATE_THEY_ASK, false, false},
	 {OFFER_NONE, OFFER_LATE_WE_ASK, false, false},
	 {OFFER_TOO_SOON, OFFER_NEW, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED, OFFER_TOO_SOON}},
	{"our offer is open: an answer, or a glare",
	 {OFFER_OURS, OFFER_LATE_NOT, false, false},
	 {OFFER_THEIRS, OFFER_LATE_NOT, false, false},
	 {OFFER_GLARE, OFFER_ANSWER, OFFER_ANSWER, OFFER_ANSWER, OFFER_PREVIEW, OFFER_GLARE}},
	{"their offer is open: another is too soon, and it is not its own answer",
	 {OFFER_THEIRS, OFFER_LATE_NOT, true, false},
	 {OFFER_OURS, OFFER_LATE_NOT, true, false},
	 {OFFER_TOO_SOON, OFFER_TOO_SOON, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED,
	  OFFER_TOO_SOON}},
	{"agreed: a request opens again, an answer is said again",
	 {OFFER_AGREED, OFFER_LATE_NOT, true, false},
	 {OFFER_AGREED, OFFER_LATE_NOT, true, false},
	 {OFFER_NEW, OFFER_NEW, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED}},
	{"agreed, and we ask for a new offer",
	 {OFFER_AGREED, OFFER_LATE_WE_ASK, true, false},
	 {OFFER_AGREED, OFFER_LATE_THEY_ASK, true, false},
	 {OFFER_GLARE, OFFER_NEW, OFFER_IGNORED, OFFER_NEW, OFFER_IGNORED, OFFER_GLARE}},
	{"agreed, and they ask for one",
	 {OFFER_AGREED, OFFER_LATE_THEY_ASK, true, false},
	 {OFFER_AGREED, OFFER_LATE_WE_ASK, true, false},
	 {OFFER_TOO_SOON, OFFER_NEW, OFFER_IGNORED, OFFER_IGNORED, OFFER_IGNORED, OFFER_TOO_SOON}},
};
_Static_assert(sizeof(matrix) / sizeof(matrix[0]) == STATES, "a row for each state");

static void an_sdp_means_what_the_state_of_its_leg_says(void **state)
{
	(void)state;
	CHECK_TABLE(row, matrix)
	{
		for (int e = 0; e < OFFER_GOT_NOTHING; e++) {
			EXPECT_INT(offer_check(&row->o, (enum offer_event)e), row->means[e]);
			EXPECT_INT(offer_check(&row->mirror,
					       (enum offer_event)(e + OFFER_SENT_REQUEST)),
				   row->means[e]);
		}
		EXPECT_INT(offer_check(&row->o, OFFER_GOT_NOTHING), OFFER_IGNORED);
		EXPECT_INT(offer_check(&row->o, OFFER_SENT_NOTHING), OFFER_IGNORED);
	}
}

/* What each meaning does, whoever speaks. */
static void a_step_does_what_its_meaning_says(void **state)
{
	(void)state;
	CHECK_TABLE(row, matrix)
	{
		for (int e = 0; e < OFFER_EVENT_COUNT; e++) {
			struct offer o = row->o;
			bool sent = e >= OFFER_SENT_REQUEST;
			if (e == OFFER_GOT_NOTHING || e == OFFER_SENT_NOTHING)
				continue;
			switch (offer_step(&o, (enum offer_event)e)) {
			case OFFER_NEW:
				EXPECT_INT(o.state, sent ? OFFER_OURS : OFFER_THEIRS);
				EXPECT_INT(o.ever, row->o.ever);
				break;
			case OFFER_ANSWER:
				EXPECT_INT(o.state, OFFER_AGREED);
				EXPECT_TRUE(o.ever && !offer_is_open(&o));
				break;
			case OFFER_PREVIEW:
				EXPECT_TRUE(o.preview && o.state == row->o.state &&
					    o.ever == row->o.ever);
				break;
			case OFFER_GLARE:
			case OFFER_TOO_SOON:
			case OFFER_IGNORED:
				EXPECT_INT(o.state, row->o.state);
				EXPECT_TRUE(!o.preview);
				break;
			case OFFER_MEAN_COUNT: EXPECT_TRUE(false);
			}
		}
	}
}

static void a_refusal_leaves_everything_as_it_was_before(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct offer before;
		enum offer_event e;
		struct offer after;
	} rows[] = {
		{"their refused first offer leaves nothing",
		 {OFFER_THEIRS, 0, false, true},
		 OFFER_GOT_NOTHING,
		 {OFFER_NONE, 0, false, false}},
		{"their refused change leaves the agreement",
		 {OFFER_THEIRS, 0, true, false},
		 OFFER_GOT_NOTHING,
		 {OFFER_AGREED, 0, true, false}},
		{"our refused change leaves the agreement",
		 {OFFER_OURS, 0, true, false},
		 OFFER_SENT_NOTHING,
		 {OFFER_AGREED, 0, true, false}},
		{"their refusal does not take back our offer",
		 {OFFER_OURS, 0, true, true},
		 OFFER_GOT_NOTHING,
		 {OFFER_OURS, 0, true, true}},
		{"nor ours theirs",
		 {OFFER_THEIRS, 0, true, false},
		 OFFER_SENT_NOTHING,
		 {OFFER_THEIRS, 0, true, false}},
		{"an empty INVITE that is refused asks no more",
		 {OFFER_AGREED, OFFER_LATE_THEY_ASK, true, false},
		 OFFER_GOT_NOTHING,
		 {OFFER_AGREED, 0, true, false}},
		{"the offer that it was given goes with it",
		 {OFFER_OURS, OFFER_LATE_THEY_ASK, true, false},
		 OFFER_GOT_NOTHING,
		 {OFFER_AGREED, 0, true, false}},
		{"what is agreed stays",
		 {OFFER_AGREED, 0, true, false},
		 OFFER_SENT_NOTHING,
		 {OFFER_AGREED, 0, true, false}},
	};
	CHECK_TABLE(row, rows)
	{
		struct offer o = row->before;
		EXPECT_INT(offer_step(&o, row->e), OFFER_IGNORED);
		EXPECT_INT(o.state, row->after.state);
		EXPECT_INT(o.late, row->after.late);
		EXPECT_INT(o.ever, row->after.ever);
		EXPECT_INT(o.preview, row->after.preview);
	}
}

/* RFC 6337 §2.2, table 1: the ways that an exchange may go; from the view of us, then of them. */
static void every_way_of_rfc_6337_comes_to_an_agreement(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint8_t events[6];
		uint8_t means[6];
		uint8_t count;
	} rows[] = {
		{"offer in INVITE, answer in 200",
		 {OFFER_GOT_REQUEST, OFFER_SENT_RELIABLE},
		 {OFFER_NEW, OFFER_ANSWER},
		 2},
		{"offer in INVITE, previews in 183, answer in 200",
		 {OFFER_GOT_REQUEST, OFFER_SENT_PREVIEW, OFFER_SENT_PREVIEW, OFFER_SENT_RELIABLE},
		 {OFFER_NEW, OFFER_PREVIEW, OFFER_PREVIEW, OFFER_ANSWER},
		 4},
		{"offer in INVITE, answer in reliable 18x, said again in 200",
		 {OFFER_GOT_REQUEST, OFFER_SENT_RELIABLE, OFFER_SENT_RELIABLE},
		 {OFFER_NEW, OFFER_ANSWER, OFFER_IGNORED},
		 3},
		{"no offer in INVITE, offer in 200, answer in ACK",
		 {OFFER_GOT_INVITE, OFFER_SENT_RELIABLE, OFFER_GOT_ACK},
		 {OFFER_IGNORED, OFFER_NEW, OFFER_ANSWER},
		 3},
		{"no offer in INVITE, offer in reliable 18x, answer in PRACK, said again in 200",
		 {OFFER_GOT_INVITE, OFFER_SENT_RELIABLE, OFFER_GOT_PRACK, OFFER_SENT_RELIABLE},
		 {OFFER_IGNORED, OFFER_NEW, OFFER_ANSWER, OFFER_IGNORED},
		 4},
		{"a second offer in PRACK, its answer in 200-PRACK",
		 {OFFER_GOT_REQUEST, OFFER_SENT_RELIABLE, OFFER_GOT_PRACK, OFFER_SENT_RELIABLE},
		 {OFFER_NEW, OFFER_ANSWER, OFFER_NEW, OFFER_ANSWER},
		 4},
		{"UPDATE and its 200 in an early dialog",
		 {OFFER_GOT_REQUEST, OFFER_SENT_RELIABLE, OFFER_SENT_REQUEST, OFFER_GOT_RELIABLE},
		 {OFFER_NEW, OFFER_ANSWER, OFFER_NEW, OFFER_ANSWER},
		 4},
		{"an empty re-INVITE after an agreement",
		 {OFFER_GOT_REQUEST, OFFER_SENT_RELIABLE, OFFER_GOT_INVITE, OFFER_SENT_RELIABLE,
		  OFFER_GOT_ACK},
		 {OFFER_NEW, OFFER_ANSWER, OFFER_IGNORED, OFFER_NEW, OFFER_ANSWER},
		 5},
	};
	CHECK_TABLE(row, rows)
	{
		struct offer us = {.state = OFFER_NONE}, them = {.state = OFFER_NONE};
		for (int i = 0; i < row->count; i++) {
			unsigned e = row->events[i];
			unsigned back = e >= OFFER_SENT_REQUEST ? e - OFFER_SENT_REQUEST
								: e + OFFER_SENT_REQUEST;
			EXPECT_INT(offer_step(&us, (enum offer_event)e), row->means[i]);
			EXPECT_INT(offer_step(&them, (enum offer_event)back), row->means[i]);
		}
		EXPECT_INT(us.state, OFFER_AGREED);
		EXPECT_INT(them.state, OFFER_AGREED);
		EXPECT_TRUE(!offer_is_open(&us) && !offer_is_open(&them));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_sdp_means_what_the_state_of_its_leg_says),
		cmocka_unit_test(a_step_does_what_its_meaning_says),
		cmocka_unit_test(a_refusal_leaves_everything_as_it_was_before),
		cmocka_unit_test(every_way_of_rfc_6337_comes_to_an_agreement),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
