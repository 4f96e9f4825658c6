#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sbc/core/call.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"

/* The way to an answer, as a script: reliable provisionals, forks, refusals, 3xx, CANCEL. */

static struct site t; /* large; each test starts it afresh */

#define SDP_OTHER                                                                                  \
	"v=0\r\no=pbx2 22 1 IN IP4 10.0.0.21\r\ns=call\r\nc=IN IP4 10.0.0.21\r\nt=0 0\r\n"         \
	"m=audio 30002 RTP/AVP 0\r\n"
#define SDP_RELAY2                                                                                 \
	"v=0\r\no=- 1 1 IN IP4 203.0.113.200\r\ns=-\r\nc=IN IP4 203.0.113.200\r\nt=0 0\r\n"        \
	"m=audio 40002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
#define REL         "Require: 100rel\r\n"
#define REL_CAN     "Supported: 100rel\r\n"
#define RELIABLE(n) REL "RSeq: " #n "\r\n"

static void start(void)
{
	site_init(&t);
	site_start(&t);
}

static void finish(void)
{
	site_stop(&t);
}

/* To the point where the callee has the INVITE. */
static struct rec_send call_out(const char *extra, const char *sdp)
{
	site_invite(&t, SITE_CARRIER, "1", extra, sdp);
	if (sdp && t.rec.relay_count)
		site_relay(&t, SITE_SDP_RELAY);
	return *site_find(&t, "INVITE ");
}

static unsigned number_in(const struct rec_send *m, const char *header)
{
	return (unsigned)strtoul(site_header(m, header), NULL, 10);
}

/* The caller's PRACK for a reliable response of ours. */
static void prack(const struct rec_send *response, unsigned cseq, int off, const char *sdp)
{
	char rack[64];

	snprintf(rack, sizeof(rack), "RAck: %u 7 INVITE\r\n",
		 number_in(response, "RSeq") + (unsigned)off);
	site_in_dialog(&t, &t.outside, response, "PRACK", cseq, rack, sdp);
}

static struct sbc_counts counts(void)
{
	struct sbc_counts c;

	sbc_count(t.sbc, &c);
	return c;
}

static void end_calls(size_t cdrs)
{
	site_event(&t, &(struct event){.type = EVENT_STOP});
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], NULL);
	site_expect_empty(&t, cdrs);
	finish();
}

/* ---- reliable on one side */

static void the_callees_reliable_18x_is_acknowledged_for_a_caller_that_cannot(void **state)
{
	(void)state;
	char rack[64];
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	EXPECT_TRUE(site_has(&invite, "Supported: 100rel\r\n"));
	site_answer(&t, &invite, 180, "b1", RELIABLE(77), NULL);
	struct rec_send out = *site_find(&t, "PRACK ");
	EXPECT_TRUE(site_is(&out, "PRACK sip:bob@10.0.0.21 SIP/2.0"));
	snprintf(rack, sizeof(rack), "RAck: 77 %u INVITE\r\n", number_in(&invite, "CSeq"));
	EXPECT_TRUE(site_has(&out, rack));
	EXPECT_INT(number_in(&out, "CSeq"), number_in(&invite, "CSeq") + 1);
	struct rec_send ringing = *site_find(&t, "SIP/2.0 180");
	EXPECT_TRUE(!site_has(&ringing, "100rel") && !site_has(&ringing, "RSeq"));
	site_answer(&t, &out, 200, NULL, NULL, NULL);
	/* A second one, with media: also acknowledged, plain to the caller. */
	site_answer(&t, &invite, 183, "b1", RELIABLE(78), SITE_SDP_IN);
	EXPECT_INT(site_count(&t, "PRACK "), 2);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(&t, 0, "SIP/2.0 183");
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "100rel"));
	/* The answer was in the 183; the caller has it in the 200, where it must be. */
	site_answer(&t, &invite, 200, "b1", NULL, NULL);
	struct rec_send ok = *site_find(&t, "SIP/2.0 200 OK");
	EXPECT_TRUE(site_has(&ok, "m=audio 40000"));
	end_calls(1);
}

static void a_caller_that_requires_100rel_has_it_of_us(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL, SITE_SDP_OUT);
	EXPECT_TRUE(!site_has(&invite, "Require: 100rel"));
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	struct rec_send ringing = *site_find(&t, "SIP/2.0 180");
	EXPECT_TRUE(site_has(&ringing, REL) && number_in(&ringing, "RSeq") > 0);
	/* One at a time: what comes meanwhile waits. */
	site_answer(&t, &invite, 183, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_INT(site_count(&t, "SIP/2.0 183"), 0);
	prack(&ringing, 8, 0, NULL);
	struct rec_send progress = *site_find(&t, "SIP/2.0 183");
	EXPECT_INT(number_in(&progress, "RSeq"), number_in(&ringing, "RSeq") + 1);
	EXPECT_TRUE(site_has(&progress, "m=audio 40000"));
	EXPECT_INT(site_count(&t, "SIP/2.0 200 OK"), 1);
	EXPECT_INT(site_count(&t, "PRACK "), 0); /* the callee knows nothing of it */
	prack(&progress, 9, 0, NULL);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	struct rec_send ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ok, "SIP/2.0 200 OK") && !site_has(&ok, "m=audio"));
	end_calls(1);
}

static void what_waited_together_is_said_once_with_its_sdp(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	struct rec_send ringing = *site_find(&t, "SIP/2.0 180");
	site_answer(&t, &invite, 183, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	site_answer(&t, &invite, 182, "b1", NULL, NULL);
	prack(&ringing, 8, 0, NULL);
	EXPECT_INT(site_count(&t, "SIP/2.0 183"), 0);
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 182"), "m=audio 40000"));
	end_calls(1);
}

static void the_habit_reliable_of_the_callers_trunk(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum reliable_policy p;
		const char *extra, *start, *has;
	} rows[] = {
		{"off and required: 420", RELIABLE_OFF, REL, "SIP/2.0 420", "Unsupported: 100rel"},
		{"off and supported: a call", RELIABLE_OFF, REL_CAN, "SIP/2.0 100", NULL},
		{"require and neither: 421", RELIABLE_REQUIRE, NULL, "SIP/2.0 421", REL},
		{"require and supported: a call", RELIABLE_REQUIRE, REL_CAN, "SIP/2.0 100", NULL},
		{"supported and required: a call", RELIABLE_SUPPORTED, REL, "SIP/2.0 100", NULL},
	};
	CHECK_TABLE(row, rows)
	{
		site_init(&t);
		t.trunks[SITE_CARRIER].habits.reliable = row->p;
		site_start(&t);
		site_invite(&t, SITE_CARRIER, "1", row->extra, SITE_SDP_OUT);
		EXPECT_SENT(&t, 0, row->start);
		EXPECT_TRUE(!row->has || site_has(site_sent(&t, 0), row->has));
		bool call = site_is(site_sent(&t, 0), "SIP/2.0 100");
		if (call) {
			site_relay(&t, SITE_SDP_RELAY);
			struct rec_send invite = *site_find(&t, "INVITE ");
			site_answer(&t, &invite, 180, "b", NULL, NULL);
			EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 180"), REL) ==
				    (row->p != RELIABLE_OFF));
		}
		end_calls(1);
	}
}

static void the_habit_reliable_of_the_callees_trunk(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum reliable_policy p;
		const char *extra, *sdp;
		const char *has; /* NULL: no word of it */
	} rows[] = {
		{"supported", RELIABLE_SUPPORTED, NULL, SITE_SDP_OUT, REL_CAN},
		{"require", RELIABLE_REQUIRE, NULL, SITE_SDP_OUT, REL},
		{"off", RELIABLE_OFF, REL_CAN, SITE_SDP_OUT, NULL},
		{"an offer in an 18x that the caller could not answer", RELIABLE_SUPPORTED, NULL,
		 NULL, NULL},
		{"an offer in an 18x that the caller can answer", RELIABLE_SUPPORTED, REL_CAN, NULL,
		 REL_CAN},
	};
	CHECK_TABLE(row, rows)
	{
		site_init(&t);
		t.trunks[SITE_PBX].habits.reliable = row->p;
		site_start(&t);
		struct rec_send invite = call_out(row->extra, row->sdp);
		EXPECT_TRUE(site_has(&invite, row->has ? row->has : "100rel") ==
			    (row->has != NULL));
		end_calls(1);
	}
}

static void a_reliable_18x_is_repeated_and_given_up_after_64_t1(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL_CAN, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", RELIABLE(1), NULL);
	struct rec_send first = *site_find(&t, "SIP/2.0 180");
	EXPECT_TRUE(site_has(&first, REL));
	site_answer(&t, site_find(&t, "PRACK "), 200, NULL, NULL, NULL);
	ports_rec_clear(&t.rec);
	static const unsigned after[] = {500, 1000, 2000, 4000, 8000, 16000};
	for (size_t i = 0; i < ARRAY_LEN(after); i++) {
		site_tick(&t, after[i] - 100);
		EXPECT_INT(site_count(&t, "SIP/2.0 180"), i);
		site_tick(&t, 100);
		EXPECT_INT(site_count(&t, "SIP/2.0 180"), i + 1);
		EXPECT_TRUE(strcmp(site_sent(&t, 0)->bytes, first.bytes) == 0);
	}
	site_tick(&t, 400);
	EXPECT_INT(site_count(&t, "SIP/2.0 504"), 0);
	site_tick(&t, 200);
	EXPECT_INT(site_count(&t, "SIP/2.0 504"), 1);
	EXPECT_INT(site_count(&t, "CANCEL "), 1);
	site_relay(&t, NULL);
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"no_prack\""));
	end_calls(1);
}

static void a_prack_that_fits_nothing_is_481_and_a_broken_one_400(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL_CAN, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", RELIABLE(1), NULL);
	struct rec_send ringing = *site_find(&t, "SIP/2.0 180");
	prack(&ringing, 8, 1, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 481");
	site_in_dialog(&t, &t.outside, &ringing, "PRACK", 9, "RAck: nonsense\r\n", NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 400");
	site_in_dialog(&t, &t.outside, &ringing, "PRACK", 10, NULL, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 400");
	size_t n = site_count(&t, "SIP/2.0 180");
	site_tick(&t, 1600);
	EXPECT_TRUE(site_count(&t, "SIP/2.0 180") > n); /* none of them has stopped it */
	prack(&ringing, 11, 0, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 200");
	n = site_count(&t, "SIP/2.0 180");
	site_tick(&t, 60000);
	EXPECT_INT(site_count(&t, "SIP/2.0 180"), n);
	prack(&ringing, 12, 0, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 481");
	EXPECT_INT(counts().calls, 1);
	end_calls(1);
}

static void the_200_waits_for_the_prack_of_an_18x_with_sdp(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL, SITE_SDP_OUT);
	site_answer(&t, &invite, 183, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send progress = *site_find(&t, "SIP/2.0 183");
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_INT(site_count(&t, "ACK "), 1); /* the callee is not kept waiting */
	EXPECT_INT(site_count(&t, "SIP/2.0 200 OK"), 0);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_INT(site_count(&t, "ACK "), 2);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ANSWERED], 0);
	prack(&progress, 8, 0, NULL);
	EXPECT_SENT(&t, 1, "SIP/2.0 200 OK");
	EXPECT_Z(str_from(site_header(site_sent(&t, 1), "CSeq")), "8 PRACK");
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "CSeq")), "7 INVITE");
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ANSWERED], 1);
	end_calls(1);
}

static void a_200_that_waited_in_vain_ends_in_504_and_bye(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL, SITE_SDP_OUT);
	site_answer(&t, &invite, 183, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_tick(&t, 32100);
	EXPECT_INT(site_count(&t, "SIP/2.0 504"), 1);
	EXPECT_INT(site_count(&t, "BYE sip:bob@10.0.0.21"), 1);
	EXPECT_INT(site_count(&t, "CANCEL "), 0);
	end_calls(1);
}

static void a_200_does_not_wait_for_the_prack_of_an_18x_without_sdp(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	struct rec_send ringing = *site_find(&t, "SIP/2.0 180");
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_find(&t, "SIP/2.0 200 OK");
	EXPECT_TRUE(site_has(&ok, "m=audio 40000"));
	size_t n = site_count(&t, "SIP/2.0 180");
	site_tick(&t, 3000);
	EXPECT_INT(site_count(&t, "SIP/2.0 180"), n); /* repeated no more */
	prack(&ringing, 8, 0, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "CSeq")), "8 PRACK");
	end_calls(1);
}

static void each_reliable_18x_in_order_is_acknowledged_once(void **state)
{
	(void)state;
	static const struct {
		const char *name, *rseq;
		int status;
		unsigned pracks, passed;
	} rows[] = {
		{"the first", RELIABLE(10), 183, 1, 1},
		{"the same again", RELIABLE(10), 183, 1, 1},
		{"one that was overtaken is not heard", RELIABLE(12), 180, 1, 1},
		{"the next", RELIABLE(11), 180, 2, 2},
		{"then the one that came too early", RELIABLE(12), 180, 3, 3},
		{"an old one", RELIABLE(11), 180, 3, 3},
		{"one without a number", REL, 180, 3, 3},
		{"one that is not reliable passes as it is", NULL, 180, 3, 4},
	};
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	CHECK_TABLE(row, rows)
	{
		site_answer(&t, &invite, row->status, "b1", row->rseq, NULL);
		EXPECT_INT(site_count(&t, "PRACK "), row->pracks);
		EXPECT_INT(site_count(&t, "SIP/2.0 18"), row->passed);
	}
	end_calls(1);
}

static void
an_offer_in_prack_goes_on_as_update_and_is_answered_in_the_200_of_the_prack(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL_CAN, SITE_SDP_OUT);
	site_answer(&t, &invite, 183, "b1", RELIABLE(3) "Allow: INVITE, ACK, BYE, UPDATE\r\n",
		    SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send progress = *site_find(&t, "SIP/2.0 183");
	EXPECT_TRUE(site_has(&progress, "m=audio 40000"));
	prack(&progress, 8, 0, SITE_SDP_OUT "a=sendonly\r\n");
	EXPECT_INT(site_count(&t, "SIP/2.0 200"), 0);
	site_relay(&t, SITE_SDP_RELAY "a=sendonly\r\n");
	struct rec_send update = *site_find(&t, "UPDATE ");
	EXPECT_TRUE(site_has(&update, "a=sendonly") && site_header(&update, "Contact")[0]);
	EXPECT_TRUE(!site_has(&update, "RAck"));
	site_answer(&t, &update, 200, NULL, NULL, SITE_SDP_IN "a=recvonly\r\n");
	site_relay(&t, SITE_SDP_RELAY "a=recvonly\r\n");
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "CSeq")), "8 PRACK");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "a=recvonly"));
	site_answer(&t, &invite, 200, "b1", NULL, NULL);
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "m=audio"));
	end_calls(1);
}

static void an_offer_in_prack_that_the_callee_cannot_have_is_488_and_acknowledged(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL_CAN, SITE_SDP_OUT);
	site_answer(&t, &invite, 183, "b1", RELIABLE(3), SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send progress = *site_find(&t, "SIP/2.0 183");
	prack(&progress, 8, 0, SITE_SDP_OUT);
	EXPECT_SENT(&t, 0, "SIP/2.0 488");
	size_t n = site_count(&t, "SIP/2.0 183");
	site_tick(&t, 3000);
	EXPECT_INT(site_count(&t, "SIP/2.0 183"), n);
	site_answer(&t, &invite, 200, "b1", NULL, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	end_calls(1);
}

static void an_offer_in_a_reliable_18x_is_answered_in_the_prack_of_both_sides(void **state)
{
	(void)state;
	char rack[64];
	start();
	struct rec_send invite = call_out(REL_CAN, NULL);
	site_answer(&t, &invite, 183, "b1", RELIABLE(5), SITE_SDP_IN);
	EXPECT_INT(site_count(&t, "PRACK "), 0); /* it waits for the caller's answer */
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send progress = *site_find(&t, "SIP/2.0 183");
	EXPECT_TRUE(site_has(&progress, REL) && site_has(&progress, "m=audio 40000"));
	prack(&progress, 8, 0, SITE_SDP_OUT);
	EXPECT_TRUE(strcmp(t.rec.relays[1].command, "answer") == 0);
	site_relay(&t, SDP_RELAY2);
	struct rec_send out = *site_find(&t, "PRACK ");
	snprintf(rack, sizeof(rack), "RAck: 5 %u INVITE\r\n", number_in(&invite, "CSeq"));
	EXPECT_TRUE(site_has(&out, rack) && site_has(&out, "m=audio 40002"));
	site_answer(&t, &out, 200, NULL, NULL, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	/* All is agreed: the 200 is without, and so is its ACK. */
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_SENT(&t, 1, "ACK ");
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "m=audio") &&
		    !site_has(site_sent(&t, 1), "m=audio"));
	end_calls(1);
}

static void the_prack_of_an_earlier_18x_is_not_the_answer_that_an_offer_waits_for(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL_CAN, NULL);
	site_answer(&t, &invite, 180, "b1", RELIABLE(5), NULL);
	struct rec_send ringing = *site_find(&t, "SIP/2.0 180");
	struct rec_send first = *site_find(&t, "PRACK ");
	site_answer(&t, &first, 200, NULL, NULL, NULL);
	/* The callee's offer is still at the relay when the caller acknowledges its ringing. */
	site_answer(&t, &invite, 183, "b1", RELIABLE(6), SITE_SDP_IN);
	prack(&ringing, 8, 0, NULL);
	EXPECT_INT(site_count(&t, "PRACK "), 1);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send progress = *site_find(&t, "SIP/2.0 183");
	prack(&progress, 9, 0, SITE_SDP_OUT);
	site_relay(&t, SDP_RELAY2);
	EXPECT_INT(site_count(&t, "PRACK "), 2);
	struct rec_send out = *site_find(&t, "PRACK ");
	EXPECT_TRUE(site_has(&out, "RAck: 6 ") && site_has(&out, "m=audio 40002"));
	site_answer(&t, &out, 200, NULL, NULL, NULL);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	end_calls(1);
}

static void a_2xx_that_agrees_to_nothing_ends_both_sides(void **state)
{
	(void)state;
	for (unsigned offers = 0; offers < 2; offers++) {
		start();
		struct rec_send invite = call_out(NULL, offers ? SITE_SDP_OUT : NULL);
		site_answer(&t, &invite, 200, "b1", NULL, NULL);
		EXPECT_INT(site_count(&t, "SIP/2.0 502"), 1);
		EXPECT_INT(site_count(&t, "SIP/2.0 200"), 0);
		EXPECT_INT(site_count(&t, "ACK "), 1);
		EXPECT_INT(site_count(&t, "BYE "), 1);
		struct rec_send bye = *site_find(&t, "BYE ");
		site_answer(&t, &bye, 200, NULL, NULL, NULL);
		while (t.rec.open_count[0])
			site_relay_to(&t, t.rec.open[0][0], NULL);
		EXPECT_TRUE(site_cdr_has(&t, "no_answer_sdp"));
		site_expect_empty(&t, 1);
		finish();
	}
}

static void an_offer_in_a_reliable_18x_that_nobody_could_answer_is_not_heard(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, NULL);
	size_t n = site_sent_count(&t);
	site_answer(&t, &invite, 183, "b1", RELIABLE(5), SITE_SDP_IN);
	EXPECT_INT(site_sent_count(&t), n);
	EXPECT_INT(t.rec.relay_count, 0);
	/* In the 200 it is an offer as any. */
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 200 OK"), "m=audio 40000"));
	end_calls(1);
}

/* ---- SDP of 18x and 200 */

static void sdp_said_again_in_the_200_after_a_reliable_answer_changes_nothing(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL_CAN, SITE_SDP_OUT);
	site_answer(&t, &invite, 183, "b1", RELIABLE(5), SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send progress = *site_find(&t, "SIP/2.0 183");
	prack(&progress, 8, 0, NULL);
	size_t asked = t.rec.relay_count;
	site_answer(&t, &invite, 200, "b1", NULL, SDP_OTHER);
	EXPECT_INT(t.rec.relay_count, asked);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "m=audio"));
	end_calls(1);
}

static void a_200_that_overtakes_the_relay_has_the_sdp_of_its_18x(void **state)
{
	(void)state;
	static const struct {
		const char *name, *extra;
		const char *sdp; /* of the 200 */
	} rows[] = {
		{"the same SDP", NULL, SITE_SDP_IN},
		{"none, after an unreliable 18x", NULL, NULL},
		{"none, after a reliable one", RELIABLE(4), NULL},
		{"the same, after a reliable one", RELIABLE(4), SITE_SDP_IN},
	};
	CHECK_TABLE(row, rows)
	{
		start();
		struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
		site_answer(&t, &invite, 183, "b1", row->extra, SITE_SDP_IN);
		site_answer(&t, &invite, 200, "b1", NULL, row->sdp);
		EXPECT_INT(site_count(&t, "SIP/2.0 200 OK"), 0);
		site_relay(&t, SITE_SDP_RELAY);
		EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
		EXPECT_TRUE(site_has(site_sent(&t, 0), "m=audio 40000"));
		end_calls(1);
	}
}

/* ---- forks */

static void the_winner_of_a_fork_has_its_own_sdp_at_the_relay_again(void **state)
{
	(void)state;
	static const struct {
		const char *name, *extra, *sdp;
	} rows[] = {
		{"with SDP in its 200", NULL, SITE_SDP_IN},
		{"with the SDP of its 18x alone", NULL, NULL},
		{"with SDP that was agreed reliably", RELIABLE(9), NULL},
	};
	CHECK_TABLE(row, rows)
	{
		start();
		struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
		site_answer(&t, &invite, 183, "b1", row->extra, SITE_SDP_IN);
		site_relay(&t, SITE_SDP_RELAY);
		site_answer(&t, &invite, 183, "b2", NULL, SDP_OTHER);
		site_relay(&t, SDP_RELAY2);
		size_t asked = t.rec.relay_count;
		site_answer(&t, &invite, 200, "b1", NULL, row->sdp);
		EXPECT_INT(t.rec.relay_count, asked + 1);
		EXPECT_TRUE(strstr(t.rec.relays[asked].text, "m=audio 30000") != NULL);
		site_relay(&t, SITE_SDP_RELAY);
		EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
		EXPECT_TRUE(site_has(site_sent(&t, 0), "m=audio 40000"));
		end_calls(1);
	}
}

static void each_fork_counts_its_reliable_18x_by_itself(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL_CAN, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", RELIABLE(100), NULL);
	site_answer(&t, &invite, 180, "b2", RELIABLE(200), NULL);
	EXPECT_INT(site_count(&t, "PRACK "), 2);
	EXPECT_TRUE(site_has(&t.rec.sends[t.rec.send_count - 2], ";tag=b2") ||
		    site_has(&t.rec.sends[t.rec.send_count - 1], ";tag=b2"));
	struct rec_send said[2];
	size_t n = 0;
	for (size_t i = 0; i < t.rec.send_count && n < 2; i++)
		if (site_is(&t.rec.sends[i], "SIP/2.0 180"))
			said[n++] = t.rec.sends[i];
	EXPECT_INT(n, 2);
	EXPECT_TRUE(strcmp(site_header(&said[0], "To"), site_header(&said[1], "To")) != 0);
	/* The number of one fork in the dialog of the other fits nothing. */
	prack(&said[0], 8, (int)(number_in(&said[1], "RSeq") - number_in(&said[0], "RSeq")), NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 481");
	prack(&said[1], 9, 0, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 200");
	ports_rec_clear(&t.rec);
	site_tick(&t, 600);
	EXPECT_INT(site_count(&t, "SIP/2.0 180"), 1); /* the first alone is repeated */
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "To")), site_header(&said[0], "To"));
	site_answer(&t, &invite, 200, "b2", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_Z(str_from(site_header(site_find(&t, "SIP/2.0 200 OK"), "To")),
		 site_header(&said[1], "To"));
	end_calls(1);
}

static void two_answers_of_a_fork_one_is_kept_the_other_gets_ack_and_bye(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	site_answer(&t, &invite, 200, "b2", NULL, SITE_SDP_IN);
	/* While the relay thinks, the other branch answers too. */
	site_answer(&t, &invite, 200, "b1", NULL, SDP_OTHER);
	EXPECT_SENT(&t, 1, "ACK ");
	EXPECT_SENT(&t, 0, "BYE ");
	EXPECT_TRUE(site_has(site_sent(&t, 0), ";tag=b1"));
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Call completed elsewhere"));
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	EXPECT_INT(counts().calls, 1);
	end_calls(1);
}

static void a_199_ends_one_early_dialog_and_no_call(void **state)
{
	(void)state;
	for (unsigned reads = 0; reads < 2; reads++) {
		start();
		struct rec_send invite =
			call_out(reads ? "Supported: 199\r\n" : NULL, SITE_SDP_OUT);
		site_answer(&t, &invite, 180, "b1", NULL, NULL);
		site_answer(&t, &invite, 180, "b2", NULL, NULL);
		site_answer(&t, &invite, 199, "b2", NULL, NULL);
		EXPECT_INT(site_count(&t, "SIP/2.0 199"), reads);
		if (reads)
			EXPECT_TRUE(strcmp(site_header(site_find(&t, "SIP/2.0 199"), "To"),
					   site_header(site_find(&t, "SIP/2.0 180"), "To")) == 0);
		site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
		site_relay(&t, SITE_SDP_RELAY);
		EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
		end_calls(1);
	}
}

/* A thirteenth fork that rings is not heard; one that answers is. */
static void at_the_limit_of_forks_an_answer_still_counts(void **state)
{
	(void)state;
	char tag[16];
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	for (int i = 0; i < 14; i++) {
		snprintf(tag, sizeof(tag), "b%d", i);
		site_answer(&t, &invite, 180, tag, NULL, NULL);
	}
	EXPECT_INT(site_count(&t, "SIP/2.0 180"), 12);
	site_answer(&t, &invite, 200, "b13", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
	EXPECT_TRUE(site_has(site_find(&t, "ACK "), ";tag=b13"));
	end_calls(1);
}

/* Inside is TLS: a refused INVITE leaves no transaction there. */
static void inside_over_tls(void)
{
	site_init(&t);
	for (int i = 0; i < 2; i++) {
		t.pbx[i].transport = TRANSPORT_TLS;
		t.pbx[i].secure = true;
		t.pbx[i].port = 5061;
	}
	site_start(&t);
}

static void over_a_stream_a_late_forks_200_after_a_refusal_gets_ack_and_bye(void **state)
{
	(void)state;
	for (unsigned gone = 0; gone < 2; gone++) {
		inside_over_tls();
		struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
		site_answer(&t, &invite, 486, "b1", NULL, NULL);
		EXPECT_INT(site_count(&t, "SIP/2.0 486"), 1);
		for (size_t i = 0; i < t.rec.relay_count; i++)
			site_relay_to(&t, t.rec.relays[i].id, NULL);
		site_tick(&t, gone ? 300000 : 100); /* the call has been forgotten, or lingers */
		ports_rec_clear(&t.rec);
		site_answer(&t, &invite, 200, "b2", NULL, SITE_SDP_IN);
		EXPECT_INT(site_count(&t, "ACK "), 1);
		EXPECT_INT(site_count(&t, "BYE "), 1);
		EXPECT_TRUE(site_has(site_find(&t, "BYE "), ";tag=b2"));
		struct rec_send bye = *site_find(&t, "BYE ");
		/* The same 200 again, before it has heard our ACK: no second BYE of the same number. */
		site_answer(&t, &invite, 200, "b2", NULL, SITE_SDP_IN);
		EXPECT_INT(site_count(&t, "ACK "), 2);
		EXPECT_INT(site_count(&t, "BYE "), 1);
		site_answer(&t, &bye, 200, NULL, NULL, NULL);
		site_expect_empty(&t, 1);
		finish();
	}
}

static void a_200_that_nobody_asked_for_gets_nothing(void **state)
{
	(void)state;
	inside_over_tls();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 486, "b1", NULL, NULL);
	site_tick(&t, 1000);
	ports_rec_clear(&t.rec);
	char *tag = strstr(invite.bytes, ";tag=") + 5;
	tag[3] = tag[3] == 'a' ? 'b' : 'a';
	tag[30] = tag[30] == 'a' ? 'b' : 'a';
	site_answer(&t, &invite, 200, "b2", NULL, SITE_SDP_IN);
	EXPECT_INT(site_sent_count(&t), 0);
	EXPECT_INT(t.rec.drops[NOTICE_DROP_STRAY_RESPONSE], 1);
	end_calls(1);
}

/* ---- 3xx */

#define MOVED(n, where) "Contact: <sip:" n "@" where ">\r\n"

static void set_redirect(enum redirect_policy p)
{
	site_init(&t);
	t.trunks[SITE_PBX].habits.redirect = p;
	t.trunks[SITE_PBX].habits.redirects = 2;
	t.routes[0].failure_code_count = 0;
	site_start(&t);
}

static void a_3xx_by_the_trunks_habit(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum redirect_policy p;
		const char *contact, *start, *has;
	} rows[] = {
		{"reject: the caller is not sent anywhere", REDIRECT_REJECT,
		 MOVED("200", "10.0.0.22"), "SIP/2.0 480", NULL},
		{"pass: the new number, at our address", REDIRECT_PASS, MOVED("200", "10.0.0.22"),
		 "SIP/2.0 302", "Contact: <sip:200@203.0.113.1:5060>;q=1.000\r\n"},
		{"pass: nothing of a host that is none of ours", REDIRECT_PASS,
		 MOVED("200", "192.0.2.66"), "SIP/2.0 480", NULL},
		{"pass: the same number would come back to us", REDIRECT_PASS,
		 MOVED("+4930555", "10.0.0.22"), "SIP/2.0 480", NULL},
		{"follow: a peer of a route", REDIRECT_FOLLOW, MOVED("200", "10.0.0.22"),
		 "INVITE sip:200@10.0.0.22:5060", NULL},
		{"follow: nobody's host", REDIRECT_FOLLOW, MOVED("200", "192.0.2.66"),
		 "SIP/2.0 480", NULL},
		{"follow: back to where we were", REDIRECT_FOLLOW, MOVED("+4930555", "10.0.0.21"),
		 "SIP/2.0 480", NULL},
		{"follow: without a contact", REDIRECT_FOLLOW, "X-No-Contact: 1\r\n", "SIP/2.0 480",
		 NULL},
	};
	CHECK_TABLE(row, rows)
	{
		set_redirect(row->p);
		struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
		site_answer(&t, &invite, 302, "b1", row->contact, NULL);
		EXPECT_INT(site_count(&t, "ACK "), 1);
		if (row->start[0] == 'I')
			site_relay(&t, SITE_SDP_RELAY);
		EXPECT_SENT(&t, 0, row->start);
		if (row->has)
			EXPECT_TRUE(site_has(site_sent(&t, 0), row->has));
		if (row->start[0] == 'S')
			EXPECT_TRUE(!site_has(site_sent(&t, 0), "10.0.0.") &&
				    !site_has(site_sent(&t, 0), "192.0.2"));
		end_calls(1);
	}
}

static void a_redirected_call_is_answered_and_its_cdr_says_where(void **state)
{
	(void)state;
	set_redirect(REDIRECT_FOLLOW);
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 302, "b1", MOVED("200", "10.0.0.22"), NULL);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send second = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&second, "INVITE sip:200@10.0.0.22"));
	EXPECT_TRUE(strcmp(site_header(&invite, "Call-ID"), site_header(&second, "Call-ID")) != 0);
	site_answer(&t, &second, 200, "c", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ok, "SIP/2.0 200 OK"));
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	site_in_dialog(&t, &t.outside, &ok, "BYE", 8, NULL, NULL);
	site_relay(&t, NULL);
	EXPECT_TRUE(site_cdr_has(&t, "\"number_as_dialled\":\"+4930555\""));
	EXPECT_TRUE(site_cdr_has(&t, "\"number_as_sent\":\"200\""));
	EXPECT_TRUE(site_cdr_has(&t, "\"status\":302"));
	end_calls(1);
}

static void no_call_is_sent_on_for_ever(void **state)
{
	(void)state;
	static const char *const next[] = {"10.0.0.22", "10.0.0.21", "10.0.0.22"};
	set_redirect(REDIRECT_FOLLOW); /* two at most */
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	for (unsigned i = 0; i < 3; i++) {
		char contact[64];
		snprintf(contact, sizeof(contact), "Contact: <sip:%u@%s>\r\n", 200 + i, next[i]);
		site_answer(&t, &invite, 302, "b", contact, NULL);
		if (i == 2)
			break;
		site_relay(&t, SITE_SDP_RELAY);
		invite = *site_sent(&t, 0);
		char want[64];
		snprintf(want, sizeof(want), "INVITE sip:%u@%s", 200 + i, next[i]);
		EXPECT_TRUE(site_is(&invite, want));
	}
	EXPECT_SENT(&t, 0, "SIP/2.0 480");
	end_calls(1);
}

static void two_that_send_to_one_another_end_it(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].habits.redirect = REDIRECT_FOLLOW;
	t.trunks[SITE_PBX].habits.redirects = 10;
	t.routes[0].failure_code_count = 0;
	site_start(&t);
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 302, "b", MOVED("200", "10.0.0.22"), NULL);
	site_relay(&t, SITE_SDP_RELAY);
	invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 302, "b", MOVED("200", "10.0.0.21"), NULL);
	site_relay(&t, SITE_SDP_RELAY);
	invite = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&invite, "INVITE sip:200@10.0.0.21"));
	site_answer(&t, &invite, 302, "b", MOVED("200", "10.0.0.22"), NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 480");
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ATTEMPT], 3);
	end_calls(1);
}

static void contacts_are_tried_in_the_order_of_their_q(void **state)
{
	(void)state;
	set_redirect(REDIRECT_FOLLOW);
	t.routes[0].failure_codes[0] = 486;
	t.routes[0].failure_code_count = 1;
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 300, "b",
		    "Contact: <sip:1@10.0.0.22>;q=0.1, <sip:2@10.0.0.22>;q=0.9\r\n", NULL);
	site_relay(&t, SITE_SDP_RELAY);
	invite = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&invite, "INVITE sip:2@10.0.0.22"));
	site_answer(&t, &invite, 486, "c", NULL, NULL);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(&t, 0, "INVITE sip:1@10.0.0.22");
	end_calls(1);
}

/* ---- transactions on the way */

static void the_100_goes_out_at_once_whatever_is_slow(void **state)
{
	(void)state;
	static const char *const slow[] = {"the relay", "the resolver"};
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		site_init(&t);
		if (i)
			t.pbx[0].host = STR("pbx.inside.test");
		site_start(&t);
		check_row(slow[i]);
		site_invite(&t, SITE_CARRIER, "1", "Timestamp: 54.2\r\n", i ? NULL : SITE_SDP_OUT);
		EXPECT_INT(site_sent_count(&t), 1);
		EXPECT_SENT(&t, 0, "SIP/2.0 100 Trying");
		EXPECT_TRUE(site_has(site_sent(&t, 0), "Timestamp: 54.2\r\n"));
		EXPECT_TRUE(!strstr(site_header(site_sent(&t, 0), "To"), "tag="));
		end_calls(1);
	}
}

static void a_timestamp_that_is_none_is_not_repeated(void **state)
{
	(void)state;
	start();
	site_invite(&t, SITE_CARRIER, "1", "Timestamp: <script>\r\n", SITE_SDP_OUT);
	for (size_t i = 0; i < site_sent_count(&t); i++)
		EXPECT_TRUE(!site_has(site_sent(&t, i), "Timestamp"));
	end_calls(1);
}

static void a_repeated_invite_makes_no_second_call_at_any_stage(void **state)
{
	(void)state;
	start();
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	for (unsigned stage = 0; stage < 4; stage++) {
		static const char *const last[] = {"SIP/2.0 100", "SIP/2.0 100", "SIP/2.0 180",
						   "SIP/2.0 486"};
		struct rec_send invite = {0};
		if (stage == 1)
			site_relay(&t, SITE_SDP_RELAY);
		if (stage >= 2)
			invite = *site_find(&t, "INVITE ");
		if (stage == 2)
			site_answer(&t, &invite, 180, "b1", NULL, NULL);
		if (stage == 3)
			site_answer(&t, &invite, 486, "b1", NULL, NULL);
		size_t n = site_sent_count(&t), invites = site_count(&t, "INVITE ");
		site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
		EXPECT_INT(site_sent_count(&t), n + 1);
		EXPECT_SENT(&t, 0, last[stage]);
		EXPECT_INT(site_count(&t, "INVITE "), invites);
	}
	EXPECT_U64(counts().calls_total, 1);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_STARTED], 1);
	end_calls(1);
}

static void the_ack_of_a_refusal_has_the_branch_and_the_next_hop_of_its_invite(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int status;
		bool next; /* another peer is tried */
	} rows[] = {
		{"486", 486, false}, {"503, before the next peer", 503, true},
		{"302", 302, false}, {"401", 401, false},
		{"600", 600, false},
	};
	CHECK_TABLE(row, rows)
	{
		start();
		struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
		site_answer(&t, &invite, row->status, "b1", NULL, NULL);
		struct rec_send ack = *site_find(&t, "ACK ");
		EXPECT_Z(str_from(site_header(&ack, "Via")), site_header(&invite, "Via"));
		EXPECT_TRUE(strncmp(ack.bytes + 4, invite.bytes + 7,
				    strcspn(invite.bytes + 7, " ")) == 0);
		EXPECT_TRUE(addr_eq(&ack.dest.flow.remote, &invite.dest.flow.remote));
		EXPECT_TRUE(strstr(site_header(&ack, "To"), "tag=b1") != NULL);
		EXPECT_INT(number_in(&ack, "CSeq"), number_in(&invite, "CSeq"));
		EXPECT_TRUE((t.rec.relay_count > 1 &&
			     strcmp(t.rec.relays[t.rec.relay_count - 1].command, "offer") == 0) ==
			    row->next);
		end_calls(1);
	}
}

static void the_ack_of_a_487_after_cancel_goes_the_way_of_the_invite(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", "Contact: <sip:bob@10.0.0.77>\r\n", NULL);
	site_cancel(&t, SITE_CARRIER, "1");
	site_answer(&t, site_find(&t, "CANCEL "), 200, "b1", NULL, NULL);
	site_answer(&t, &invite, 487, "b1", NULL, NULL);
	const struct rec_send *ack = site_find(&t, "ACK ");
	EXPECT_Z(str_from(site_header(ack, "Via")), site_header(&invite, "Via"));
	EXPECT_TRUE(addr_eq(&ack->dest.flow.remote, &invite.dest.flow.remote));
	EXPECT_TRUE(site_is(ack, "ACK sip:+4930555@10.0.0.21:5060"));
	end_calls(1);
}

static void timer_b_tries_the_next_peer_and_ends_in_408(void **state)
{
	(void)state;
	start();
	call_out(NULL, SITE_SDP_OUT);
	site_tick(&t, 32100);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(&t, 0, "INVITE sip:+4930555@10.0.0.22");
	site_tick(&t, 32100);
	EXPECT_SENT(&t, 0, "SIP/2.0 408");
	site_tick(&t, 100000);
	EXPECT_INT(site_count(&t, "SIP/2.0 408") > 0, 1);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ATTEMPT], 2);
	end_calls(1);
}

static void a_connection_that_breaks_is_a_failure_for_the_hunt_and_leaves_nothing(void **state)
{
	(void)state;
	inside_over_tls();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_failed(&t, &invite, SEND_FAILURE_CLOSED);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(&t, 0, "INVITE sip:+4930555@10.0.0.22");
	site_failed(&t, site_sent(&t, 0), SEND_FAILURE_TLS);
	EXPECT_SENT(&t, 0, "SIP/2.0 502");
	end_calls(1);
}

static void the_addresses_of_one_name_are_tried_whatever_on_failure_says(void **state)
{
	(void)state;
	static const char *const ips[] = {"10.0.0.31:5060", "10.0.0.32:5060", "10.0.0.33:5060",
					  NULL};
	site_init(&t);
	t.pbx[0].host = STR("pbx.inside.test");
	t.pbx[0].port = 0;
	t.routes[0].failure_code_count = 0;
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	site_resolve(&t, ips);
	site_failed(&t, site_sent(&t, 0), SEND_FAILURE_CONNECT);
	EXPECT_INT(site_sent(&t, 0)->dest.flow.remote.ip[3], 32);
	struct rec_send invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 503, "b", NULL, NULL);
	EXPECT_INT(site_sent(&t, 0)->dest.flow.remote.ip[3], 33);
	invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 503, "b", NULL, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 500"); /* and not the next peer */
	end_calls(1);
}

static void sips_over_an_insecure_transport_is_refused_as_such(void **state)
{
	(void)state;
	inside_over_tls(); /* there is a secure way on, but it did not come by one */
	site_message(&t, &t.outside,
		     "INVITE sips:+4930555@203.0.113.1 SIP/2.0\r\n"
		     "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-s;rport\r\nMax-Forwards: 70\r\n"
		     "From: <sips:a@198.51.100.7>;tag=a\r\nTo: <sips:+4930555@203.0.113.1>\r\n"
		     "Call-ID: s\r\nCSeq: 1 INVITE\r\nContact: <sips:a@198.51.100.7>\r\n"
		     "Content-Length: 0\r\n\r\n");
	EXPECT_SENT(&t, 0, "SIP/2.0 480");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Warning: 380 "));
	EXPECT_TRUE(strcmp(t.rec.rule, "sips_transport") == 0);
	EXPECT_INT(t.rec.relay_count, 0);
	end_calls(1);
}

/* ---- CANCEL */

static void cancel_and_487_have_one_tag_and_the_callee_hears_cancel_after_its_1xx(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_INT(site_count(&t, "CANCEL "), 0);
	const struct rec_send *ok = site_sent(&t, 1), *refused = site_sent(&t, 0);
	EXPECT_TRUE(site_is(ok, "SIP/2.0 200") && site_is(refused, "SIP/2.0 487"));
	EXPECT_Z(str_from(strstr(site_header(ok, "To"), "tag=")),
		 strstr(site_header(refused, "To"), "tag="));
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	EXPECT_INT(site_count(&t, "CANCEL "), 1);
	end_calls(1);
}

static void cancel_of_a_call_with_forks_ends_all_of_them(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL_CAN, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", RELIABLE(1), NULL);
	site_answer(&t, &invite, 183, "b2", NULL, SITE_SDP_IN);
	site_cancel(&t, SITE_CARRIER, "1"); /* the relay has not answered yet */
	EXPECT_INT(site_count(&t, "CANCEL "), 1);
	size_t n = site_count(&t, "SIP/2.0 180");
	site_tick(&t, 20000);
	EXPECT_INT(site_count(&t, "SIP/2.0 180"), n); /* nothing of them is repeated */
	site_relay(&t, SITE_SDP_RELAY);
	site_relay(&t, NULL);
	end_calls(1);
}

static void cancel_that_crosses_the_200_has_one_cdr_and_no_ghost(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	site_cancel(&t, SITE_CARRIER, "1");
	ports_rec_clear(&t.rec);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_INT(site_count(&t, "ACK "), 1);
	EXPECT_INT(site_count(&t, "BYE "), 1);
	EXPECT_INT(site_count(&t, "SIP/2.0 200"), 0);
	end_calls(1);
}

static void a_cancel_while_the_200_waits_for_a_prack_ends_both_sides(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(REL, SITE_SDP_OUT);
	site_answer(&t, &invite, 183, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send progress = *site_find(&t, "SIP/2.0 183");
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_INT(site_count(&t, "SIP/2.0 487"), 1);
	EXPECT_INT(site_count(&t, "BYE sip:bob@10.0.0.21"), 1);
	prack(&progress, 8, 0, NULL);
	EXPECT_SENT(&t, 0, "SIP/2.0 481");
	end_calls(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(x) cmocka_unit_test(x)
		TEST(the_callees_reliable_18x_is_acknowledged_for_a_caller_that_cannot),
		TEST(a_caller_that_requires_100rel_has_it_of_us),
		TEST(what_waited_together_is_said_once_with_its_sdp),
		TEST(the_habit_reliable_of_the_callers_trunk),
		TEST(the_habit_reliable_of_the_callees_trunk),
		TEST(a_reliable_18x_is_repeated_and_given_up_after_64_t1),
		TEST(a_prack_that_fits_nothing_is_481_and_a_broken_one_400),
		TEST(the_200_waits_for_the_prack_of_an_18x_with_sdp),
		TEST(a_200_that_waited_in_vain_ends_in_504_and_bye),
		TEST(a_200_does_not_wait_for_the_prack_of_an_18x_without_sdp),
		TEST(each_reliable_18x_in_order_is_acknowledged_once),
		TEST(an_offer_in_prack_goes_on_as_update_and_is_answered_in_the_200_of_the_prack),
		TEST(an_offer_in_prack_that_the_callee_cannot_have_is_488_and_acknowledged),
		TEST(an_offer_in_a_reliable_18x_is_answered_in_the_prack_of_both_sides),
		cmocka_unit_test(a_2xx_that_agrees_to_nothing_ends_both_sides),
		cmocka_unit_test(
			the_prack_of_an_earlier_18x_is_not_the_answer_that_an_offer_waits_for),
		TEST(an_offer_in_a_reliable_18x_that_nobody_could_answer_is_not_heard),
		TEST(sdp_said_again_in_the_200_after_a_reliable_answer_changes_nothing),
		TEST(a_200_that_overtakes_the_relay_has_the_sdp_of_its_18x),
		TEST(the_winner_of_a_fork_has_its_own_sdp_at_the_relay_again),
		TEST(each_fork_counts_its_reliable_18x_by_itself),
		TEST(two_answers_of_a_fork_one_is_kept_the_other_gets_ack_and_bye),
		TEST(a_199_ends_one_early_dialog_and_no_call),
		TEST(at_the_limit_of_forks_an_answer_still_counts),
		TEST(over_a_stream_a_late_forks_200_after_a_refusal_gets_ack_and_bye),
		TEST(a_200_that_nobody_asked_for_gets_nothing),
		TEST(a_3xx_by_the_trunks_habit),
		TEST(a_redirected_call_is_answered_and_its_cdr_says_where),
		TEST(no_call_is_sent_on_for_ever),
		TEST(two_that_send_to_one_another_end_it),
		TEST(contacts_are_tried_in_the_order_of_their_q),
		TEST(the_100_goes_out_at_once_whatever_is_slow),
		TEST(a_timestamp_that_is_none_is_not_repeated),
		TEST(a_repeated_invite_makes_no_second_call_at_any_stage),
		TEST(the_ack_of_a_refusal_has_the_branch_and_the_next_hop_of_its_invite),
		TEST(the_ack_of_a_487_after_cancel_goes_the_way_of_the_invite),
		TEST(timer_b_tries_the_next_peer_and_ends_in_408),
		TEST(a_connection_that_breaks_is_a_failure_for_the_hunt_and_leaves_nothing),
		TEST(the_addresses_of_one_name_are_tried_whatever_on_failure_says),
		TEST(sips_over_an_insecure_transport_is_refused_as_such),
		TEST(cancel_and_487_have_one_tag_and_the_callee_hears_cancel_after_its_1xx),
		TEST(cancel_of_a_call_with_forks_ends_all_of_them),
		TEST(cancel_that_crosses_the_200_has_one_cdr_and_no_ghost),
		TEST(a_cancel_while_the_200_waits_for_a_prack_ends_both_sides),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
