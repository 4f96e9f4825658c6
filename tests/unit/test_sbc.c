#include "sbc/core/sbc.h"

#include "tests/support/check.h"
#include "tests/support/site.h"

static struct site t; /* large; each test starts it afresh */

static void start(void)
{
	site_init(&t);
	site_start(&t);
}

static void finish(void)
{
	site_stop(&t);
}

/* What every test may end with: nothing of a call is left. */
static void expect_empty(size_t cdrs)
{
	struct sbc_counts c;

	site_tick(&t, 300000);
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls, 0);
	EXPECT_INT(c.calls_confirmed, 0);
	EXPECT_INT(c.client_transactions, 0);
	EXPECT_INT(c.server_transactions, 0);
	EXPECT_INT(c.timers, 0);
	EXPECT_INT(c.relay_sessions, 0);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], cdrs);
	EXPECT_U64(sbc_next_ms(t.sbc), UINT64_MAX);
}

static bool cdr_has(const char *piece)
{
	t.rec.cdr[t.rec.cdr_len] = 0;
	if (strstr(t.rec.cdr, piece))
		return true;
	print_message("CDR: %s\n", t.rec.cdr);
	return false;
}

/* The call up to the ACK. Out: the 200 that A has, the INVITE that B has. */
static void set_up(struct rec_send *a200, struct rec_send *b_invite)
{
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	*b_invite = *site_sent(&t, 0);
	site_answer(&t, b_invite, 180, "b1", NULL, NULL);
	site_answer(&t, b_invite, 200, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	*a200 = *site_sent(&t, 0);
	site_in_dialog(&t, &t.outside, a200, "ACK", 7, NULL, NULL);
	ports_rec_clear(&t.rec);
}

static void a_plain_call_from_invite_to_bye(void **state)
{
	(void)state;
	start();
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 100 Trying"));
	EXPECT_INT(t.rec.relay_count, 1);
	EXPECT_TRUE(strcmp(t.rec.relays[0].command, "offer") == 0);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&invite, "INVITE sip:+4930555@10.0.0.21:5060 SIP/2.0\r\n"));
	EXPECT_Z(str_from(site_header(&invite, "Max-Forwards")), "69");
	EXPECT_TRUE(site_has(&invite, "From: \"Alice\" <sip:+49171@10.0.0.1>;tag="));
	EXPECT_TRUE(!site_has(&invite, "198.51.100") && !site_has(&invite, "203.0.113.1:") &&
		    !site_has(&invite, "Canary") && !site_has(&invite, "call-1"));
	EXPECT_TRUE(site_has(&invite, "c=IN IP4 203.0.113.200"));

	site_answer(&t, &invite, 100, NULL, NULL, NULL);
	EXPECT_INT(site_sent_count(&t), 2);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 180 Ringing\r\n"));
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "ACK sip:bob@10.0.0.21 SIP/2.0\r\n"));
	EXPECT_TRUE(strcmp(t.rec.relays[1].command, "answer") == 0);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ok, "SIP/2.0 200 OK\r\n"));
	EXPECT_TRUE(!site_has(&ok, "10.0.0.") && !site_has(&ok, "Canary"));
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	struct sbc_counts c;
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls_confirmed, 1);

	t.now_ms += 5000;
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.outside, &ok, "BYE", 8, NULL, NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 1), "SIP/2.0 200 OK\r\n"));
	struct rec_send bye = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&bye, "BYE sip:bob@10.0.0.21 SIP/2.0\r\n"));
	EXPECT_TRUE(strcmp(t.rec.relays[0].command, "delete") == 0);
	site_answer(&t, &bye, 200, NULL, NULL, NULL);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 0);
	site_relay(&t, NULL);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 1);
	EXPECT_TRUE(cdr_has("\"billable_ms\":5000,\"status\":200"));
	EXPECT_TRUE(cdr_has("\"ended_by\":\"caller\",\"cause\":\"answered\""));
	expect_empty(1);
	finish();
}

static void the_callee_hangs_up(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	start();
	set_up(&ok, &invite);
	site_in_dialog(&t, &t.inside, &invite, "BYE", 1, "Reason: Q.850;cause=16\r\n", NULL);
	/* The To of B's dialog carries B's tag, which our INVITE did not have: 481 shows that the tag counts. */
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 481"));
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_call_from_invite_to_bye),
		cmocka_unit_test(the_callee_hangs_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
