#include "sbc/core/late_offer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/site_call.h"

/* The four combinations of callers and callees with and without an offer, as the trunk's habit wants them. */

static struct site t;

#define SDP_IN_2  SITE_SDP("pbx", "2", "10.0.0.21", "m=audio 30000 RTP/AVP 0 8\r\n")
#define SDP_ONE   SITE_SDP("carol", "1", "198.51.100.7", "m=audio 20000 RTP/AVP 0\r\n")
#define SDP_BOTH  SITE_SDP("carol", "1", "198.51.100.7", "m=audio 20000 RTP/AVP 0 8\r\n")
#define SDP_NONE_ SITE_SDP("carol", "1", "198.51.100.7", "m=audio 20000 RTP/AVP 9\r\n")
#define RELAY_FOR(port, formats)                                                                   \
	SITE_SDP("-", "1", "203.0.113.200", "m=audio " port " RTP/AVP " formats "\r\n")

static void start(enum offer_policy p)
{
	site_init(&t);
	t.trunks[SITE_PBX].habits.initial_offer = p;
	site_start(&t);
}

static void end_calls(void)
{
	site_event(&t, &(struct event){.type = EVENT_STOP});
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], NULL);
	site_expect_empty(&t, 1);
	site_stop(&t);
}

/* What the relay was asked last: command, who from, and a piece of it. */
static bool asked(const char *command, const char *from, const char *piece)
{
	const struct rec_ask *a = &t.rec.relays[t.rec.relay_count - 1];
	char tag[64];

	snprintf(tag, sizeof(tag), "8:from-tag6:%s", from);
	if (t.rec.relay_count && strcmp(a->command, command) == 0 && strstr(a->text, tag) &&
	    strstr(a->text, piece))
		return true;
	print_message("relay: %s %s\n", a->command, a->text);
	return false;
}

/* ---- late caller, early callee: we write the offer */

/* To where the callee has our offer. */
static struct rec_send our_offer(const char *extra)
{
	start(OFFER_POLICY_EARLY);
	site_invite(&t, SITE_CARRIER, "1", extra, NULL);
	EXPECT_TRUE(asked("offer", "caller", "m=audio 9 RTP/AVP 0 8 9 111 101"));
	site_relay(&t, RELAY_FOR("40000", "0 8 9 111 101"));
	struct rec_send invite = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_has(&invite, "m=audio 40000 RTP/AVP 0 8 9 111 101"));
	EXPECT_TRUE(!site_has(&invite, "198.51.100"));
	return invite;
}

/* And answers it with two codecs, which the caller is then offered. Out: the caller's 200. */
static struct rec_send callee_answers(const struct rec_send *invite)
{
	site_answer(&t, invite, 200, "b1", NULL, SDP_IN_2);
	EXPECT_INT(site_count(&t, "ACK sip:bob@10.0.0.21"), 1);
	EXPECT_TRUE(asked("answer", "caller", "m=audio 30000"));
	site_relay(&t, RELAY_FOR("50000", "0 8"));
	EXPECT_TRUE(asked("offer", "callee", "m=audio 30000"));
	EXPECT_TRUE(strstr(t.rec.relays[t.rec.relay_count - 1].text, "6:to-tag6:caller") != NULL);
	EXPECT_INT(site_count(&t, "SIP/2.0 200"), 0);
	site_relay(&t, RELAY_FOR("50000", "0 8"));
	struct rec_send ok = *site_find(&t, "SIP/2.0 200");
	EXPECT_TRUE(site_has(&ok, "m=audio 50000 RTP/AVP 0 8"));
	return ok;
}

static void a_late_caller_of_an_early_trunk_gets_the_callees_answer_as_its_offer(void **state)
{
	(void)state;
	struct rec_send invite = our_offer(NULL), ok;
	/* What the callee shows before is not for the caller: it has made no offer. */
	site_answer(&t, &invite, 183, "b1", NULL, SDP_IN_2);
	EXPECT_TRUE(!site_has(site_find(&t, "SIP/2.0 183"), "m=audio"));
	ok = callee_answers(&invite);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, SDP_BOTH);
	EXPECT_TRUE(asked("answer", "callee", "m=audio 20000"));
	site_relay(&t, RELAY_FOR("40000", "0 8"));
	/* The caller has taken all that the callee counts on. */
	site_tick(&t, 1000);
	EXPECT_INT(site_count(&t, "INVITE "), 1);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	end_calls();
}

static void what_the_caller_has_not_taken_is_repaired_by_a_reinvite_of_the_callee(void **state)
{
	(void)state;
	struct rec_send invite = our_offer(NULL);
	struct rec_send ok = callee_answers(&invite);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, SDP_ONE);
	site_relay(&t, RELAY_FOR("40000", "0"));
	EXPECT_TRUE(asked("offer", "caller", "m=audio 20000 RTP/AVP 0"));
	site_relay(&t, RELAY_FOR("40000", "0"));
	site_tick(&t, 100);
	EXPECT_SENT(&t, 0, "INVITE sip:bob@10.0.0.21");
	struct rec_send again = *site_sent(&t, 0);
	EXPECT_TRUE(site_has(&again, "m=audio 40000 RTP/AVP 0\r\n"));
	EXPECT_TRUE(strstr(site_header(&again, "To"), "tag=b1") != NULL);
	site_answer(&t, &again, 200, NULL, NULL, SITE_SDP_IN);
	EXPECT_SENT(&t, 0, "ACK sip:bob@10.0.0.21");
	EXPECT_TRUE(asked("answer", "caller", "m=audio 30000"));
	site_relay(&t, RELAY_FOR("50000", "0"));
	site_tick(&t, 1000);
	EXPECT_INT(site_count(&t, "INVITE "), 2); /* the caller's session was right all along */
	EXPECT_INT(site_count(&t, "BYE "), 0);
	/* Both may change it as in any call. */
	site_in_dialog(&t, &t.outside, &ok, "INVITE", 8, NULL, SDP_ONE "a=sendonly\r\n");
	site_relay(&t, RELAY_FOR("40000", "0"));
	EXPECT_SENT(&t, 0, "INVITE sip:bob@10.0.0.21");
	end_calls();
}

static void a_repair_that_is_refused_ends_the_call(void **state)
{
	(void)state;
	struct rec_send invite = our_offer(NULL);
	struct rec_send ok = callee_answers(&invite);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, SDP_ONE);
	site_relay(&t, RELAY_FOR("40000", "0"));
	site_relay(&t, RELAY_FOR("40000", "0"));
	site_tick(&t, 100);
	struct rec_send again = *site_find(&t, "INVITE ");
	EXPECT_TRUE(site_is(&again, "INVITE sip:bob@"));
	site_answer(&t, &again, 488, NULL, NULL, NULL);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	end_calls();
}

static void a_caller_that_answers_nothing_has_no_call(void **state)
{
	(void)state;
	struct rec_send invite = our_offer(NULL);
	struct rec_send ok = callee_answers(&invite);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	site_relay(&t, NULL);
	EXPECT_TRUE(site_cdr_has(&t, "no_answer_sdp"));
	end_calls();
}

static void the_answer_in_a_reliable_18x_of_the_callee_is_the_callers_offer_in_the_200(void **state)
{
	(void)state;
	struct rec_send invite = our_offer(NULL);
	EXPECT_TRUE(site_has(&invite, "Supported: 100rel\r\n"));
	site_answer(&t, &invite, 183, "b1", "Require: 100rel\r\nRSeq: 8\r\n", SDP_IN_2);
	EXPECT_INT(site_count(&t, "PRACK "), 1);
	site_relay(&t, RELAY_FOR("50000", "0 8"));
	EXPECT_TRUE(!site_has(site_find(&t, "SIP/2.0 183"), "m=audio"));
	site_answer(&t, &invite, 200, "b1", NULL, NULL);
	EXPECT_TRUE(asked("offer", "callee", "m=audio 30000"));
	site_relay(&t, RELAY_FOR("50000", "0 8"));
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 200"), "m=audio 50000"));
	end_calls();
}

static void our_offer_is_by_both_media_policies(void **state)
{
	(void)state;
	static const struct {
		const char *name, *outside, *inside, *want;
	} rows[] = {
		{"no policy names codecs", NULL, NULL, " 0 8 9 111 101\r\n"},
		{"the callee's names one", NULL, "PCMA", " 8 101\r\n"},
		{"the caller's names one", "G729", NULL, " 18 101\r\n"},
		{"they share one", "PCMU", "PCMU", " 0 101\r\n"},
	};
	CHECK_TABLE(row, rows)
	{
		site_init(&t);
		t.trunks[SITE_PBX].habits.initial_offer = OFFER_POLICY_EARLY;
		t.realm_rules[0].media_policy = 0;
		t.realm_rules[1].media_policy = 1;
		t.media[1] = t.media[0];
		for (unsigned i = 0; i < 2; i++) {
			const char *name = i ? row->inside : row->outside;
			t.media[i].codecs_allow_count = name != NULL;
			if (name)
				t.media[i].codecs_allow[0] = str_from(name);
		}
		site_start(&t);
		site_invite(&t, SITE_CARRIER, "1", NULL, NULL);
		char want[64];
		snprintf(want, sizeof(want), "m=audio 9 RTP/AVP%s", row->want);
		EXPECT_TRUE(asked("offer", "caller", want));
		end_calls();
	}
}

static void our_offer_is_srtp_where_the_callees_side_must_have_it(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].habits.initial_offer = OFFER_POLICY_EARLY;
	t.realm_rules[1].media_policy = 1; /* SRTP only */
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, NULL);
	EXPECT_TRUE(asked("offer", "caller", "18:transport-protocol8:RTP/SAVP"));
	EXPECT_TRUE(asked("offer", "caller", "only-AES_CM_128_HMAC_SHA1_80"));
	site_relay(&t, RELAY_FOR("40000", "0 8"));
	/* The callee answers in plain: no leg of it stays (design promise 2). */
	struct rec_send invite = *site_find(&t, "INVITE ");
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_INT(site_count(&t, "SIP/2.0 488"), 1);
	EXPECT_INT(site_count(&t, "BYE "), 1);
	end_calls();
}

/* ---- early caller, late callee: its offer meets the caller's */

static struct rec_send invite_without(const char *extra, const char *sdp)
{
	start(OFFER_POLICY_LATE);
	site_invite(&t, SITE_CARRIER, "1", extra, sdp);
	EXPECT_INT(t.rec.relay_count, 0); /* nothing to ask yet */
	struct rec_send invite = *site_find(&t, "INVITE ");
	EXPECT_TRUE(!site_has(&invite, "m=audio") && !site_has(&invite, "Content-Type"));
	return invite;
}

static void an_early_caller_of_a_late_trunk_meets_the_callees_offer(void **state)
{
	(void)state;
	struct rec_send invite = invite_without(NULL, SDP_ONE);
	site_answer(&t, &invite, 200, "b1", NULL, SDP_IN_2);
	EXPECT_TRUE(asked("offer", "callee", "m=audio 30000 RTP/AVP 0 8"));
	EXPECT_INT(site_count(&t, "ACK "), 0); /* it will bring the answer */
	site_relay(&t, RELAY_FOR("50000", "0 8"));
	EXPECT_TRUE(asked("answer", "callee", "m=audio 20000 RTP/AVP 0\r\n"));
	EXPECT_INT(site_count(&t, "SIP/2.0 200"), 0);
	site_relay(&t, RELAY_FOR("40000", "0"));
	const struct rec_send *ack = site_find(&t, "ACK sip:bob@10.0.0.21");
	EXPECT_TRUE(site_has(ack, "m=audio 40000 RTP/AVP 0\r\n"));
	struct rec_send ok = *site_find(&t, "SIP/2.0 200");
	EXPECT_TRUE(site_has(
		&ok, "m=audio 50000 RTP/AVP 0\r\n")); /* an answer: no more than it offered */
	/* The 200 again gets the same ACK. */
	site_answer(&t, &invite, 200, "b1", NULL, SDP_IN_2);
	EXPECT_TRUE(site_has(site_sent(&t, 0), "m=audio 40000 RTP/AVP 0\r\n"));
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	site_tick(&t, 1000);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	end_calls();
}

static void offers_with_nothing_in_common_are_488_and_ack_and_bye(void **state)
{
	(void)state;
	struct rec_send invite = invite_without(NULL, SDP_NONE_);
	site_answer(&t, &invite, 200, "b1", NULL, SDP_IN_2);
	site_relay(&t, RELAY_FOR("50000", "0 8"));
	EXPECT_INT(site_count(&t, "SIP/2.0 488"), 1);
	EXPECT_INT(site_count(&t, "ACK sip:bob"), 1);
	EXPECT_INT(site_count(&t, "BYE sip:bob"), 1);
	end_calls();
}

#define KEY "AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
#define SDP_SRTP                                                                                   \
	SITE_SDP("carol", "1", "198.51.100.7", "m=audio 20000 RTP/SAVP 0\r\na=crypto:3 " KEY "\r\n")

/* A caller under TLS with keys, a callee in plain: each is answered in its own. */
static void a_kept_offer_with_keys_is_answered_with_keys(void **state)
{
	(void)state;
	start(OFFER_POLICY_LATE);
	t.realm_rules[0].media_policy = 1; /* SRTP only */
	t.outside.transport = TRANSPORT_TLS;
	t.outside.listener = SITE_LISTEN_OUT_TLS;
	t.outside.id = 77;
	site_invite(&t, SITE_CARRIER, "1", NULL, SDP_SRTP);
	struct rec_send invite = *site_find(&t, "INVITE ");
	site_answer(&t, &invite, 200, "b1", NULL, SDP_IN_2);
	EXPECT_TRUE(asked("offer", "callee", "18:transport-protocol8:RTP/SAVP"));
	site_relay(&t, SITE_SDP("-", "1", "203.0.113.200",
				"m=audio 50000 RTP/SAVP 0 8\r\na=crypto:1 " KEY "\r\n"));
	EXPECT_TRUE(asked("answer", "callee", "RTP/SAVP 0\r\n"));
	EXPECT_TRUE(asked("answer", "callee", "a=crypto:1 " KEY));
	site_relay(&t, RELAY_FOR("40000", "0"));
	EXPECT_TRUE(site_has(site_find(&t, "ACK "), "m=audio 40000 RTP/AVP 0\r\n"));
	struct rec_send ok = *site_find(&t, "SIP/2.0 200");
	EXPECT_TRUE(site_has(&ok, "RTP/SAVP 0\r\n") && site_has(&ok, "a=crypto:3 " KEY));
	end_calls();
}

static void a_late_callees_offer_in_a_reliable_18x_is_answered_in_our_prack(void **state)
{
	(void)state;
	struct rec_send invite = invite_without(NULL, SDP_ONE);
	EXPECT_TRUE(site_has(&invite, "Supported: 100rel\r\n"));
	site_answer(&t, &invite, 183, "b1", "Require: 100rel\r\nRSeq: 21\r\n", SDP_IN_2);
	EXPECT_INT(site_count(&t, "PRACK "), 0);
	site_relay(&t, RELAY_FOR("50000", "0 8"));
	site_relay(&t, RELAY_FOR("40000", "0"));
	const struct rec_send *prack = site_find(&t, "PRACK ");
	EXPECT_TRUE(site_has(prack, "RAck: 21 ") && site_has(prack, "m=audio 40000 RTP/AVP 0\r\n"));
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 183"), "m=audio 50000 RTP/AVP 0\r\n"));
	site_answer(&t, prack, 200, NULL, NULL, NULL);
	site_answer(&t, &invite, 200, "b1", NULL, NULL);
	EXPECT_TRUE(!site_has(site_find(&t, "ACK "), "m=audio"));
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 200"), "m=audio 50000 RTP/AVP 0\r\n"));
	end_calls();
}

/* ---- alike on both sides, and where we cannot do anything */

static void where_both_are_alike_the_habit_changes_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum offer_policy p;
		bool offers;
	} rows[] = {
		{"pass, with an offer", OFFER_POLICY_PASS, true},
		{"pass, without", OFFER_POLICY_PASS, false},
		{"early, with an offer", OFFER_POLICY_EARLY, true},
		{"late, without", OFFER_POLICY_LATE, false},
	};
	CHECK_TABLE(row, rows)
	{
		start(row->p);
		site_invite(&t, SITE_CARRIER, "1", NULL, row->offers ? SDP_ONE : NULL);
		EXPECT_INT(t.rec.relay_count, row->offers);
		if (row->offers)
			site_relay(&t, RELAY_FOR("40000", "0"));
		struct rec_send invite = *site_find(&t, "INVITE ");
		EXPECT_TRUE(site_has(&invite, "m=audio") == row->offers);
		site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
		EXPECT_TRUE(asked(row->offers ? "answer" : "offer",
				  row->offers ? "caller" : "callee", "m=audio 30000"));
		site_relay(&t, RELAY_FOR("50000", "0"));
		struct rec_send ok = *site_find(&t, "SIP/2.0 200");
		EXPECT_TRUE(site_has(&ok, "m=audio 50000"));
		site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, row->offers ? NULL : SDP_ONE);
		if (!row->offers) {
			site_relay(&t, RELAY_FOR("40000", "0"));
			EXPECT_TRUE(site_has(site_find(&t, "ACK "), "m=audio 40000"));
		}
		end_calls();
	}
}

static void without_the_relay_in_the_media_offers_pass_as_they_are(void **state)
{
	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		site_init(&t);
		t.realms[0].anchor_media = t.realms[1].anchor_media = false;
		t.trunks[SITE_PBX].habits.initial_offer =
			late ? OFFER_POLICY_LATE : OFFER_POLICY_EARLY;
		site_start(&t);
		site_invite(&t, SITE_CARRIER, "1", NULL, late ? SDP_ONE : NULL);
		EXPECT_TRUE(site_has(site_find(&t, "INVITE "), "m=audio") == (late == 1));
		EXPECT_INT(t.rec.relay_count, 0);
		end_calls();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(x) cmocka_unit_test(x)
		TEST(a_late_caller_of_an_early_trunk_gets_the_callees_answer_as_its_offer),
		TEST(what_the_caller_has_not_taken_is_repaired_by_a_reinvite_of_the_callee),
		TEST(a_repair_that_is_refused_ends_the_call),
		TEST(a_caller_that_answers_nothing_has_no_call),
		TEST(the_answer_in_a_reliable_18x_of_the_callee_is_the_callers_offer_in_the_200),
		TEST(our_offer_is_by_both_media_policies),
		TEST(our_offer_is_srtp_where_the_callees_side_must_have_it),
		TEST(an_early_caller_of_a_late_trunk_meets_the_callees_offer),
		TEST(offers_with_nothing_in_common_are_488_and_ack_and_bye),
		TEST(a_kept_offer_with_keys_is_answered_with_keys),
		TEST(a_late_callees_offer_in_a_reliable_18x_is_answered_in_our_prack),
		TEST(where_both_are_alike_the_habit_changes_nothing),
		TEST(without_the_relay_in_the_media_offers_pass_as_they_are),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
