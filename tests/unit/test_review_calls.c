#include <stdio.h>
#include <string.h>

#include "sbc/core/call.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"

/* Where two of the core's machines meet: what one of them does while the other is under way. */

static struct site t;
static struct site_call k;

#define CALLER     0
#define CALLEE     1
#define REL_CAN    "Supported: 100rel\r\n"
#define RELIABLE   "Require: 100rel\r\nRSeq: 3\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n"
#define TARGET     "Refer-To: <sip:+4940777@10.0.0.1>\r\n"
#define SDP_TARGET SITE_SDP("target", "1", "198.51.100.7", "m=audio 22000 RTP/AVP 0\r\n")

static void turn(void)
{
	site_tick(&t, 2 * WHEEL_TICK_MS);
}

static void end_calls(size_t cdrs)
{
	site_event(&t, &(struct event){.type = EVENT_STOP});
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], NULL);
	site_expect_empty(&t, cdrs);
	EXPECT_INT(t.sbc->counts.relay_sessions, 0);
	site_stop(&t);
}

/* A reliable 183 with SDP, acknowledged: UPDATE may come. Out: the INVITE to the callee, the 183 to the caller. */
static void early(struct rec_send *invite, struct rec_send *progress)
{
	site_init(&t);
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", REL_CAN, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	*invite = *site_find(&t, "INVITE ");
	site_answer(&t, invite, 183, "b1", RELIABLE, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	*progress = *site_find(&t, "SIP/2.0 183");
	char rack[64];
	snprintf(rack, sizeof(rack), "RAck: %s 7 INVITE\r\n", site_header(progress, "RSeq"));
	site_in_dialog(&t, &t.outside, progress, "PRACK", 8, rack, NULL);
}

static void an_early_update_that_ends_the_call_leaves_no_invite_without_an_answer(void **state)
{
	(void)state;
	static const struct {
		const char *name, *answer;
		bool relay_fails;
		const char *told;
	} rows[] = {
		{"its answer cannot be read", "v=0\r\nbroken\r\n", false, "SIP/2.0 488"},
		{"the relay cannot take its answer", SITE_SDP_IN "a=recvonly\r\n", true,
		 "SIP/2.0 500"},
	};

	CHECK_TABLE(row, rows)
	{
		struct rec_send invite, progress;
		early(&invite, &progress);
		site_in_dialog(&t, &t.outside, &progress, "UPDATE", 9, NULL,
			       SITE_SDP_OUT "a=sendonly\r\n");
		site_relay(&t, SITE_SDP_RELAY);
		struct rec_send update = *site_find(&t, "UPDATE ");
		ports_rec_clear(&t.rec);
		site_answer(&t, &update, 200, NULL, NULL, row->answer);
		if (row->relay_fails)
			site_relay_error(&t, RELAY_RESULT_TIMEOUT);
		size_t finals = 0;
		for (size_t i = 0; i < t.rec.send_count; i++)
			finals += site_is(&t.rec.sends[i], row->told);
		EXPECT_INT(finals, 2); /* of the UPDATE, and of the INVITE */
		EXPECT_INT(site_count(&t, "CANCEL "), 1);
		end_calls(1);
	}
}

static void what_an_early_update_agreed_on_is_in_force_after_the_answer(void **state)
{
	(void)state;
	struct rec_send invite, progress;
	early(&invite, &progress);
	site_in_dialog(&t, &t.outside, &progress, "UPDATE", 9, NULL,
		       SITE_SDP("carol", "2", "198.51.100.7", "m=audio 20002 RTP/AVP 0\r\n"));
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send update = *site_find(&t, "UPDATE ");
	site_answer(&t, &update, 200, NULL, NULL,
		    SITE_SDP("pbx", "23", "10.0.0.21", "m=audio 30002 RTP/AVP 0\r\n"));
	site_relay(&t, SITE_SDP("-", "2", "203.0.113.200", "m=audio 40002 RTP/AVP 0\r\n"));
	site_answer(&t, &invite, 200, "b1", NULL, NULL);
	const struct call *c = site_the_call(&t);
	EXPECT_INT(c->state, CALL_ANSWERED);
	EXPECT_TRUE(str_find(c->agreed[0], STR("m=audio 20002 ")) < c->agreed[0].len);
	EXPECT_TRUE(str_find(c->agreed[1], STR("m=audio 30002 ")) < c->agreed[1].len);
	EXPECT_TRUE(str_find(c->shown[0], STR("m=audio 40002 ")) < c->shown[0].len);
	end_calls(1);
}

/* The referred party's trunk may call where the referrer's may not. */
static void a_redirection_of_a_referred_call_has_the_referrers_rights_alone(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t reject;
		int invites;
	} rows[] = {
		{"the referrer may call there", 0, 1},
		{"it may not, though the one that it refers may", 403, 0},
	};

	CHECK_TABLE(row, rows)
	{
		site_init(&t);
		t.trunks[SITE_PBX].habits.refer = REFER_LOCAL;
		for (int i = 0; i < 2; i++) {
			t.trunks[i].habits.redirect = REDIRECT_FOLLOW;
			t.trunks[i].habits.redirects = 5;
		}
		t.trunks[SITE_CARRIER].peer_count = 2;
		site_start(&t);
		site_establish(&t, &k, NULL, NULL);
		site_say(&t, &k, CALLEE, "REFER", TARGET, NULL);
		struct rec_send invite = *site_find(&t, "INVITE ");
		t.routes[SITE_PBX].reject_status = row->reject;
		/* Whoever is asked with the carrier's rights is led to the carrier's peers. */
		t.routes[SITE_CARRIER].to[0] = SITE_CARRIER;
		ports_rec_clear(&t.rec);
		site_answer(&t, &invite, 302, "x1", "Contact: <sip:+4999@198.51.100.8>\r\n", NULL);
		EXPECT_INT(site_count(&t, "INVITE sip:+4999@198.51.100.8"), row->invites);
		end_calls(2);
	}
}

static void a_transfer_that_fails_without_a_relay_gives_the_call_back(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].habits.refer = REFER_LOCAL;
	t.realms[SITE_OUTSIDE].anchor_media = t.realms[SITE_INSIDE].anchor_media = false;
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	struct rec_send first = *site_find(&t, "INVITE ");
	site_answer(&t, &first, 200, "b1", NULL, SITE_SDP_IN);
	memset(&k, 0, sizeof(k));
	k.last[CALLEE] = *site_find(&t, "ACK ");
	k.last[CALLER] = *site_find(&t, "SIP/2.0 200 OK");
	site_in_dialog(&t, &t.outside, &k.last[CALLER], "ACK", 7, NULL, NULL);
	k.cseq[CALLEE] = 1;
	site_say(&t, &k, CALLEE, "REFER", TARGET, NULL);
	struct rec_send invite = *site_find(&t, "INVITE ");
	site_answer(&t, &invite, 200, "x1", NULL, SDP_TARGET);
	turn();
	struct rec_send join = *site_find(&t, "INVITE sip:alice@198.51.100.7");
	/* It agrees to what cannot be read: back it goes, and is asked for what it has. */
	site_answer(&t, &join, 200, NULL, NULL, "v=0\r\nbroken\r\n");
	ports_rec_clear(&t.rec);
	turn();
	struct rec_send back = *site_find(&t, "INVITE sip:bob@198.51.100.7");
	EXPECT_TRUE(!site_has(&back, "m=audio"));
	ports_rec_clear(&t.rec);
	site_answer(&t, &back, 200, NULL, NULL, SITE_SDP_OUT);
	const struct rec_send *ack = site_find(&t, "ACK sip:bob");
	EXPECT_TRUE(ack && site_has(ack, "m=audio 30000 "));
	EXPECT_INT(site_count(&t, "BYE "), 0);
	EXPECT_INT(t.sbc->counts.confirmed, 1);
	end_calls(2);
}

static void who_has_hung_up_during_a_transfer_says_nothing_more_to_the_other(void **state)
{
	(void)state;
	static const struct {
		const char *name, *method, *answer;
	} rows[] = {
		{"INFO", "INFO", "SIP/2.0 481"},
		{"a re-INVITE", "INVITE", "SIP/2.0 481"},
		{"UPDATE", "UPDATE", "SIP/2.0 481"},
		{"REFER", "REFER", "SIP/2.0 481"},
		{"BYE, again", "BYE", "SIP/2.0 200"},
		{"SUBSCRIBE, which is of the transfer", "SUBSCRIBE", "SIP/2.0 200"},
	};

	CHECK_TABLE(row, rows)
	{
		site_init(&t);
		t.trunks[SITE_PBX].habits.refer = REFER_LOCAL;
		site_start(&t);
		site_establish(&t, &k, NULL, NULL);
		site_say(&t, &k, CALLEE, "REFER", TARGET, NULL);
		site_say(&t, &k, CALLEE, "BYE", NULL, NULL);
		ports_rec_clear(&t.rec);
		site_say(&t, &k, CALLEE, row->method, TARGET "Event: refer\r\n", NULL);
		EXPECT_TRUE(site_find(&t, row->answer) != NULL);
		EXPECT_INT(site_count(&t, "INFO ") + site_count(&t, "UPDATE ") +
				   site_count(&t, "INVITE "),
			   0);
		end_calls(2);
	}
}

static void a_passed_refer_without_an_answer_leaves_no_subscription(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].habits.refer = REFER_PASS;
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	site_say(&t, &k, CALLEE, "REFER", TARGET, NULL);
	struct rec_send refer = *site_find(&t, "REFER ");
	EXPECT_INT(site_the_call(&t)->leg[CALLER].refers, 1);
	site_failed(&t, &refer, SEND_FAILURE_CONNECT);
	EXPECT_SENT(&t, 0, "SIP/2.0 500");
	EXPECT_INT(site_the_call(&t)->leg[CALLER].refers, 0);
	end_calls(1);
}

/* Of two relays: what the first says of a target that was given up is not taken for the second's. */
static void a_relays_late_word_about_a_failed_target_does_not_choose_the_relay(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_find(&t, "INVITE ");
	site_answer(&t, &invite, 183, "b1", NULL, SITE_SDP_IN);
	id_t64 late = t.rec.relays[t.rec.relay_count - 1].id;
	site_answer(&t, &invite, 503, "b1", NULL, NULL);
	const struct call *c = site_the_call(&t);
	EXPECT_INT(c->media.relay, SETTINGS_NO_INDEX);
	site_relay_to(&t, late, SITE_SDP_RELAY);
	EXPECT_INT(c->media.relay, SETTINGS_NO_INDEX);
	EXPECT_TRUE(!c->media.known);
	end_calls(1);
}

static void a_re_invite_under_way_at_the_end_of_the_call_is_no_transaction_for_ever(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool before, after; /* the callee says 100: before, after the caller has hung up */
		int cancels;
	} rows[] = {
		{"the callee has said 100 and nothing more", true, false, 1},
		{"it says 100 after the BYE", false, true, 1},
		{"it says nothing at all", false, false, 0},
	};

	CHECK_TABLE(row, rows)
	{
		site_init(&t);
		site_start(&t);
		site_establish(&t, &k, NULL, NULL);
		site_say(&t, &k, CALLER, "INVITE", NULL, SITE_SDP_OUT "a=sendonly\r\n");
		site_relay(&t, SITE_SDP_RELAY);
		struct rec_send again = *site_find(&t, "INVITE ");
		if (row->before)
			site_answer(&t, &again, 100, NULL, NULL, NULL);
		site_say(&t, &k, CALLER, "BYE", NULL, NULL);
		if (row->after)
			site_answer(&t, &again, 100, NULL, NULL, NULL);
		EXPECT_INT(site_count(&t, "CANCEL "), row->cancels);
		end_calls(1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_early_update_that_ends_the_call_leaves_no_invite_without_an_answer),
		cmocka_unit_test(what_an_early_update_agreed_on_is_in_force_after_the_answer),
		cmocka_unit_test(a_redirection_of_a_referred_call_has_the_referrers_rights_alone),
		cmocka_unit_test(a_transfer_that_fails_without_a_relay_gives_the_call_back),
		cmocka_unit_test(who_has_hung_up_during_a_transfer_says_nothing_more_to_the_other),
		cmocka_unit_test(a_passed_refer_without_an_answer_leaves_no_subscription),
		cmocka_unit_test(
			a_re_invite_under_way_at_the_end_of_the_call_is_no_transaction_for_ever),
		cmocka_unit_test(
			a_relays_late_word_about_a_failed_target_does_not_choose_the_relay),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
