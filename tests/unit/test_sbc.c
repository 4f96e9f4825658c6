#include "sbc/core/sbc.h"

#include <stdio.h>
#include <stdlib.h>

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

/* The n-th message sent before the last starts so. */
#define EXPECT_SENT(n, start) check_true(sent(n, start), "sent " #n ": " start, __FILE__, __LINE__)

static bool sent(size_t before, const char *start)
{
	if (site_is(site_sent(&t, before), start))
		return true;
	site_dump(&t);
	return false;
}

static struct sbc_counts counts(void)
{
	struct sbc_counts c;

	sbc_count(t.sbc, &c);
	return c;
}

/* To the point where B has the INVITE. */
static struct rec_send call_out(const char *extra, const char *sdp)
{
	site_invite(&t, SITE_CARRIER, "1", extra, sdp);
	if (sdp)
		site_relay(&t, SITE_SDP_RELAY);
	return *site_sent(&t, 0);
}

static void end_by_callee(const struct rec_send *ack)
{
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.inside, ack, "BYE", 1, "Reason: Q.850;cause=16\r\n", NULL);
	EXPECT_SENT(1, "SIP/2.0 200 OK");
	EXPECT_SENT(0, "BYE sip:");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Reason: Q.850;cause=16"));
	site_answer(&t, site_sent(&t, 0), 200, NULL, NULL, NULL);
	site_relay(&t, NULL);
}

static void the_callee_hangs_up(void **state)
{
	(void)state;
	struct rec_send ok, invite, ack;
	start();
	invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	ack = *site_sent(&t, 0);
	EXPECT_SENT(0, "ACK ");
	site_relay(&t, SITE_SDP_RELAY);
	ok = *site_sent(&t, 0);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	end_by_callee(&ack);
	EXPECT_TRUE(cdr_has("\"q850\":16,\"ended_by\":\"callee\""));
	expect_empty(1);
	finish();
}

static void a_request_without_the_peers_tag_is_of_no_dialog(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	start();
	set_up(&ok, &invite);
	site_in_dialog(&t, &t.inside, &invite, "BYE", 1, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 481");
	EXPECT_INT(counts().calls, 1);
	finish();
}

static void a_200_without_ack_is_repeated_then_both_get_bye(void **state)
{
	(void)state;
	struct rec_send invite;
	start();
	invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	ports_rec_clear(&t.rec);
	site_tick(&t, 31900);
	EXPECT_TRUE(site_sent_count(&t) >= 8);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	ports_rec_clear(&t.rec);
	site_tick(&t, 200);
	EXPECT_SENT(1, "BYE ");
	EXPECT_SENT(0, "BYE ");
	site_relay(&t, NULL);
	EXPECT_TRUE(cdr_has("\"ended_by\":\"us\",\"cause\":\"no_ack\""));
	expect_empty(1);
	finish();
}

static void bye_of_the_callee_before_the_ack_waits_for_it(void **state)
{
	(void)state;
	struct rec_send invite, ack, ok;
	start();
	invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	ack = *site_sent(&t, 0);
	site_relay(&t, SITE_SDP_RELAY);
	ok = *site_sent(&t, 0);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.inside, &ack, "BYE", 1, NULL, NULL);
	EXPECT_INT(site_sent_count(&t), 1); /* RFC 3261 §15: no BYE to A yet */
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	site_relay(&t, NULL);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 1);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	EXPECT_SENT(0, "BYE sip:alice@198.51.100.7");
	expect_empty(1);
	finish();
}

static void a_repeated_200_of_the_callee_is_acked_again(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	start();
	set_up(&ok, &invite);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_SENT(0, "ACK sip:bob@10.0.0.21");
	finish();
}

static void a_second_200_of_another_branch_gets_ack_and_bye(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	start();
	set_up(&ok, &invite);
	site_answer(&t, &invite, 200, "b2", NULL, SITE_SDP_IN);
	EXPECT_INT(site_sent_count(&t), 2);
	EXPECT_SENT(1, "ACK sip:bob@10.0.0.21");
	EXPECT_SENT(0, "BYE sip:bob@10.0.0.21");
	EXPECT_TRUE(site_has(site_sent(&t, 0), ";tag=b2"));
	EXPECT_INT(counts().calls, 1);
	finish();
}

/* ---- CANCEL */

static void cancel_while_the_relay_thinks_sends_no_invite(void **state)
{
	(void)state;
	start();
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_SENT(1, "SIP/2.0 200 OK");
	EXPECT_SENT(0, "SIP/2.0 487 Request Terminated");
	EXPECT_TRUE(strcmp(strstr(site_header(site_sent(&t, 0), "To"), "tag="),
			   strstr(site_header(site_sent(&t, 1), "To"), "tag=")) == 0);
	site_relay(&t, SITE_SDP_RELAY); /* the offer's answer: now the session is deleted */
	EXPECT_INT(site_sent_count(&t), 3);
	EXPECT_TRUE(strcmp(t.rec.relays[1].command, "delete") == 0);
	site_relay(&t, NULL);
	EXPECT_TRUE(cdr_has("\"status\":487"));
	EXPECT_TRUE(cdr_has("\"ended_by\":\"caller\",\"cause\":\"cancelled\",\"attempts\":[]"));
	expect_empty(1);
	finish();
}

static void cancel_before_a_provisional_is_held(void **state)
{
	(void)state;
	struct rec_send invite;
	start();
	invite = call_out(NULL, SITE_SDP_OUT);
	ports_rec_clear(&t.rec);
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_INT(site_sent_count(&t), 2); /* 200 and 487; no CANCEL yet */
	site_answer(&t, &invite, 100, NULL, NULL, NULL);
	EXPECT_SENT(0, "CANCEL ");
	EXPECT_TRUE(strcmp(site_header(site_sent(&t, 0), "Via"), site_header(&invite, "Via")) == 0);
	site_answer(&t, &invite, 487, "b1", NULL, NULL);
	EXPECT_SENT(0, "ACK ");
	site_relay(&t, NULL);
	expect_empty(1);
	finish();
}

static void cancel_goes_on_with_its_reason(void **state)
{
	(void)state;
	struct rec_send invite;
	start();
	invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	site_cancel(&t, SITE_CARRIER, "1");
	const struct rec_send *cancel = site_sent(&t, 0);
	EXPECT_TRUE(site_is(cancel, "CANCEL "));
	EXPECT_TRUE(site_has(cancel, "Reason: SIP;cause=200;text=\"Call completed elsewhere\""));
	finish();
}

static void cancel_that_crosses_the_200_ends_in_bye(void **state)
{
	(void)state;
	struct rec_send invite;
	start();
	invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	site_cancel(&t, SITE_CARRIER, "1");
	ports_rec_clear(&t.rec);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_INT(site_sent_count(&t), 2);
	EXPECT_SENT(1, "ACK sip:bob@10.0.0.21");
	EXPECT_SENT(0, "BYE sip:bob@10.0.0.21");
	finish();
}

static void cancel_while_the_answer_is_with_the_relay(void **state)
{
	(void)state;
	struct rec_send invite;
	start();
	invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	ports_rec_clear(&t.rec);
	t.rec.relay_count = 2; /* the answer is still open */
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_SENT(2, "SIP/2.0 200 OK");
	EXPECT_SENT(1, "SIP/2.0 487");
	EXPECT_SENT(0, "BYE sip:bob@10.0.0.21");
	site_relay(&t, SITE_SDP_RELAY);
	site_relay(&t, NULL);
	expect_empty(1);
	finish();
}

static void cancel_after_the_200_changes_nothing(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	start();
	set_up(&ok, &invite);
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_SENT(0, "SIP/2.0 ");
	EXPECT_INT(counts().calls_confirmed, 1);
	finish();
}

static void cancel_of_nothing_is_481(void **state)
{
	(void)state;
	start();
	site_cancel(&t, SITE_CARRIER, "9");
	EXPECT_SENT(0, "SIP/2.0 481");
	finish();
}

/* ---- failures */

static void refusals_are_mapped(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int from_b, to_a;
		const char *cause;
	} rows[] = {
		{"busy stays busy", 486, 486, "busy"},
		{"not found stays", 404, 404, "wrong_number"},
		{"declined everywhere stays", 603, 603, "rejected"},
		{"nobody is sent elsewhere", 302, 480, "rejected"},
		{"a wish for credentials is ours to have met", 401, 502, "congestion"},
		{"so is the proxy's", 407, 502, "congestion"},
		{"its overload is not ours", 503, 500, "congestion"},
		{"a refusal of media stays", 488, 488, "refused"},
	};
	CHECK_TABLE(row, rows)
	{
		char want[32];
		start();
		t.routes[0].failure_code_count = 0;
		struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
		site_answer(&t, &invite, row->from_b, "b1", "Warning: 399 10.0.0.21 \"x\"\r\n",
			    NULL);
		snprintf(want, sizeof(want), "SIP/2.0 %d ", row->to_a);
		EXPECT_TRUE(site_is(site_sent(&t, 0), want));
		EXPECT_TRUE(!site_has(site_sent(&t, 0), "10.0.0.") &&
			    !site_has(site_sent(&t, 0), "Canary"));
		EXPECT_TRUE(site_is(site_sent(&t, 1), "ACK "));
		site_relay(&t, NULL);
		snprintf(want, sizeof(want), "\"cause\":\"%s\"", row->cause);
		EXPECT_TRUE(cdr_has(want));
		expect_empty(1);
		finish();
	}
}

static void a_503_goes_to_the_next_peer_with_a_new_session(void **state)
{
	(void)state;
	start();
	struct rec_send first = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &first, 503, "b1", NULL, NULL);
	EXPECT_TRUE(strcmp(t.rec.relays[1].command, "delete") == 0);
	EXPECT_TRUE(strcmp(t.rec.relays[2].command, "offer") == 0);
	EXPECT_TRUE(strstr(t.rec.relays[2].text, "-1-1") || strstr(t.rec.relays[2].text, "1-1"));
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send second = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&second, "INVITE sip:+4930555@10.0.0.22:5060"));
	EXPECT_TRUE(strcmp(site_header(&first, "Call-ID"), site_header(&second, "Call-ID")) != 0);
	site_answer(&t, &second, 200, "b2", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	site_in_dialog(&t, &t.outside, site_sent(&t, 0), "ACK", 7, NULL, NULL);
	site_in_dialog(&t, &t.outside, site_sent(&t, 0), "BYE", 8, NULL, NULL);
	site_relay(&t, NULL);
	EXPECT_TRUE(cdr_has("\"status\":503,\"ms\":0}"));
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ATTEMPT], 2);
	finish();
}

static void when_no_peer_is_left_the_last_word_counts(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 503, "b1", NULL, NULL);
	site_relay(&t, SITE_SDP_RELAY);
	invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 408, "b1", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 408");
	finish();
}

static void silence_goes_to_the_next_peer(void **state)
{
	(void)state;
	start();
	t.routes[0].failure_after_ms = 4000;
	struct rec_send first = call_out(NULL, SITE_SDP_OUT);
	site_tick(&t, 4100);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send second = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&second, "INVITE sip:+4930555@10.0.0.22:5060"));
	/* The first wakes up late: CANCEL; its 200 gets ACK and BYE. */
	site_answer(&t, &first, 180, "late", NULL, NULL);
	EXPECT_SENT(0, "CANCEL ");
	site_answer(&t, &first, 200, "late", NULL, SITE_SDP_IN);
	EXPECT_SENT(1, "ACK ");
	EXPECT_SENT(0, "BYE ");
	site_answer(&t, &second, 486, "b", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 486");
	finish();
}

static void a_100_is_an_answer_to_failure_after(void **state)
{
	(void)state;
	start();
	t.routes[0].failure_after_ms = 4000;
	struct rec_send first = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &first, 100, NULL, NULL, NULL);
	ports_rec_clear(&t.rec);
	site_tick(&t, 60000);
	EXPECT_INT(site_sent_count(&t), 0);
	finish();
}

static void silence_everywhere_is_408(void **state)
{
	(void)state;
	start();
	t.routes[0].tries = 1;
	call_out(NULL, SITE_SDP_OUT);
	site_tick(&t, 32100);
	EXPECT_SENT(0, "SIP/2.0 408 Request Timeout");
	site_relay(&t, NULL);
	EXPECT_TRUE(cdr_has("\"cause\":\"timeout\""));
	EXPECT_TRUE(cdr_has("\"ended_by\":\"us\""));
	expect_empty(1);
	finish();
}

static void ringing_for_ever_ends_by_timer_c(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	site_tick(&t, 179000);
	EXPECT_SENT(0, "SIP/2.0 180");
	site_tick(&t, 2000);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "CANCEL ") || site_is(site_sent(&t, 1), "CANCEL "));
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 408") ||
		    site_is(site_sent(&t, 1), "SIP/2.0 408"));
	site_relay(&t, NULL);
	EXPECT_TRUE(cdr_has("\"cause\":\"no_answer\""));
	expect_empty(1);
	finish();
}

static void an_unreachable_peer_is_passed_over_and_told(void **state)
{
	(void)state;
	start();
	call_out(NULL, SITE_SDP_OUT);
	site_failed(&t, site_sent(&t, 0), SEND_FAILURE_CONNECT);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "INVITE sip:+4930555@10.0.0.22");
	site_failed(&t, site_sent(&t, 0), SEND_FAILURE_TLS);
	EXPECT_SENT(0, "SIP/2.0 502");
	site_relay(&t, NULL);
	EXPECT_TRUE(cdr_has("\"cause\":\"connect\"}"));
	EXPECT_TRUE(cdr_has("\"cause\":\"tls\",\"attempts\""));
	expect_empty(1);
	finish();
}

static void a_name_is_resolved_and_its_addresses_are_tried_in_order(void **state)
{
	(void)state;
	static const char *const ips[] = {"10.0.0.31:5060", "10.0.0.32:5070", NULL};
	site_init(&t);
	t.pbx[0].host = STR("pbx.inside.test");
	t.pbx[0].port = 0;
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_INT(t.rec.resolve_count, 1);
	EXPECT_INT(counts().resolving, 1);
	site_resolve(&t, ips);
	EXPECT_SENT(0, "INVITE sip:+4930555@pbx.inside.test SIP/2.0");
	EXPECT_INT(site_sent(&t, 0)->dest.flow.remote.ip[3], 31);
	struct rec_send invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 503, "x", NULL, NULL);
	EXPECT_SENT(0, "INVITE sip:+4930555@pbx.inside.test SIP/2.0");
	EXPECT_INT(site_sent(&t, 0)->dest.flow.remote.port, 5070);
	EXPECT_INT(t.rec.relay_count, 1); /* the same peer: the same session */
	invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 603, "x", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 603");
	finish();
}

static void a_name_that_does_not_resolve_is_passed_over(void **state)
{
	(void)state;
	site_init(&t);
	t.pbx[0].host = STR("pbx.inside.test");
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	site_resolve(&t, NULL);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "INVITE sip:+4930555@10.0.0.22");
	finish();
}

static void cancel_while_a_name_is_resolved_sends_no_invite(void **state)
{
	(void)state;
	static const char *const ips[] = {"10.0.0.31:5060", NULL};
	site_init(&t);
	t.pbx[0].host = STR("pbx.inside.test");
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_SENT(0, "SIP/2.0 487");
	site_resolve(&t, ips);
	EXPECT_SENT(0, "SIP/2.0 487");
	EXPECT_INT(counts().resolving, 0);
	site_relay(&t, NULL);
	expect_empty(1);
	finish();
}

static void without_a_relay_new_calls_are_refused_and_old_ones_go_on(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	start();
	set_up(&ok, &invite);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	site_relay_error(&t, RELAY_RESULT_TIMEOUT);
	EXPECT_SENT(0, "SIP/2.0 503");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Retry-After: "));
	site_relay_error(&t, RELAY_RESULT_TIMEOUT); /* its delete */
	EXPECT_TRUE(cdr_has("\"cause\":\"relay\""));
	EXPECT_INT(counts().calls_confirmed, 1);
	finish();
}

/* ---- refusals */

static void strangers_and_oddities_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *method, *extra;
		int status;
		const char *has;
	} rows[] = {
		{"OPTIONS outside a dialog is answered by us", "OPTIONS", "", 200, "Allow: INVITE"},
		{"a method that we know and do not do", "SUBSCRIBE",
		 "Event: x\r\nContact: <sip:c@198.51.100.7>\r\n", 405, "Allow: "},
		{"a method that nobody knows", "FROBNICATE", "", 501, NULL},
		{"an extension that we do not have", "OPTIONS", "Require: foo\r\n", 420,
		 "Unsupported: foo"},
		{"INFO without a dialog", "INFO", "", 481, NULL},
	};
	CHECK_TABLE(row, rows)
	{
		char want[32];
		start();
		site_request(&t, &t.outside, row->method, row->extra);
		snprintf(want, sizeof(want), "SIP/2.0 %d ", row->status);
		EXPECT_TRUE(site_is(site_sent(&t, 0), want));
		if (row->has)
			EXPECT_TRUE(site_has(site_sent(&t, 0), row->has));
		expect_empty(0);
		finish();
	}
}

static void who_is_no_trunk_is_refused_and_counted(void **state)
{
	(void)state;
	start();
	CHECK(addr_parse(STR("192.0.2.66:5060"), &t.outside.remote) == OK);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_SENT(0, "SIP/2.0 403");
	EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
	expect_empty(0);
	finish();
}

static void who_is_denied_by_the_acl_hears_nothing(void **state)
{
	(void)state;
	site_init(&t);
	t.realm_rules[0].acl_given = true;
	t.realm_rules[0].acl_default = ACL_DENY;
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_sent_count(&t), 0);
	EXPECT_INT(t.rec.drops[NOTICE_DROP_ACL], 1);
	EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
	finish();
}

static void an_offer_that_policy_forbids_is_488_before_anything_is_made(void **state)
{
	(void)state;
	site_init(&t);
	t.realm_rules[0].media_policy = 1;
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_SENT(0, "SIP/2.0 488 Not Acceptable Here");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Warning: 302 "));
	EXPECT_INT(t.rec.relay_count, 0);
	EXPECT_TRUE(cdr_has("\"cause\":\"policy:srtp-only\",\"attempts\":[]"));
	expect_empty(1);
	finish();
}

static void an_answer_that_policy_forbids_ends_both_sides(void **state)
{
	(void)state;
	site_init(&t);
	t.realm_rules[1].media_policy = 1;
	site_start(&t);
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	EXPECT_TRUE(strstr(t.rec.relays[0].text, "RTP/SAVP") != NULL);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_SENT(2, "ACK ");
	EXPECT_SENT(1, "SIP/2.0 488");
	EXPECT_SENT(0, "BYE ");
	site_relay(&t, NULL);
	EXPECT_TRUE(cdr_has("policy:srtp-only"));
	expect_empty(1);
	finish();
}

static void sdp_that_cannot_be_read_is_488(void **state)
{
	(void)state;
	start();
	site_invite(&t, SITE_CARRIER, "1", NULL, "v=0\r\nthis is no SDP\r\n");
	EXPECT_SENT(0, "SIP/2.0 488");
	expect_empty(1);
	finish();
}

static void a_route_may_reject(void **state)
{
	(void)state;
	site_init(&t);
	t.routes[0].reject_status = 404;
	t.routes[0].reject_reason = STR("No route");
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_SENT(0, "SIP/2.0 404 No route");
	EXPECT_TRUE(cdr_has("\"cause\":\"policy:in\""));
	expect_empty(1);
	finish();
}

static void at_the_limit_new_calls_are_503(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	site_init(&t);
	t.set.limits.calls = 1;
	site_start(&t);
	set_up(&ok, &invite);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_SENT(0, "SIP/2.0 503");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Retry-After: "));
	EXPECT_TRUE(cdr_has("policy:calls"));
	EXPECT_INT(counts().calls_confirmed, 1);
	finish();
}

static void while_draining_new_calls_are_503_and_old_ones_go_on(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	start();
	set_up(&ok, &invite);
	site_event(&t, &(struct event){.type = EVENT_DRAIN});
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_SENT(0, "SIP/2.0 503");
	site_request(&t, &t.outside, "OPTIONS", "");
	EXPECT_SENT(0, "SIP/2.0 503");
	site_in_dialog(&t, &t.outside, &ok, "BYE", 8, NULL, NULL);
	EXPECT_SENT(0, "BYE ");
	finish();
}

static void stopping_ends_all_calls_in_order(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	start();
	set_up(&ok, &invite);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ringing = *site_sent(&t, 0);
	site_answer(&t, &ringing, 180, "b2", NULL, NULL);
	ports_rec_clear(&t.rec);
	EXPECT_TRUE(!sbc_is_quiet(t.sbc));
	site_event(&t, &(struct event){.type = EVENT_STOP});
	unsigned byes = 0, refused = 0, cancels = 0;
	struct rec_send bye[2], cancel = {0};
	for (size_t i = 0; i < site_sent_count(&t); i++) {
		const struct rec_send *m = site_sent(&t, i);
		if (site_is(m, "BYE ") && byes < 2) {
			EXPECT_TRUE(site_has(m, "Reason: SIP;cause=503"));
			bye[byes++] = *m;
		}
		refused += site_is(m, "SIP/2.0 503") && site_has(m, "Retry-After: ");
		if (site_is(m, "CANCEL ")) {
			cancels++;
			cancel = *m;
		}
	}
	EXPECT_INT(byes, 2);
	EXPECT_INT(refused, 1);
	EXPECT_INT(cancels, 1);
	site_invite(&t, SITE_CARRIER, "3", NULL, SITE_SDP_OUT);
	EXPECT_SENT(0, "SIP/2.0 503");
	EXPECT_TRUE(!sbc_is_quiet(t.sbc)); /* the answers to these are waited for */
	for (size_t i = 0; i < byes; i++)
		site_answer(&t, &bye[i], 200, NULL, NULL, NULL);
	site_answer(&t, &cancel, 200, "x", NULL, NULL);
	site_answer(&t, &ringing, 487, "b2", NULL, NULL);
	for (size_t i = 0; i < t.rec.relay_count; i++)
		site_relay_to(&t, t.rec.relays[i].id, NULL);
	EXPECT_TRUE(sbc_is_quiet(t.sbc));
	EXPECT_TRUE(cdr_has("shutdown"));
	expect_empty(3);
	finish();
}

static void stopping_twice_writes_the_cdr_without_the_relay(void **state)
{
	(void)state;
	struct rec_send ok, invite;
	start();
	set_up(&ok, &invite);
	site_event(&t, &(struct event){.type = EVENT_STOP});
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 0);
	site_event(&t, &(struct event){.type = EVENT_STOP});
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 1);
	EXPECT_TRUE(cdr_has("shutdown"));
	site_relay_to(&t, t.rec.relays[0].id, NULL); /* too late, and no harm */
	expect_empty(1);
	finish();
}

static void a_repeated_invite_repeats_the_last_answer_and_makes_nothing(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_SENT(0, "SIP/2.0 180");
	EXPECT_INT(t.rec.notices[NOTICE_DUPLICATE], 1);
	EXPECT_INT(counts().calls, 1);
	finish();
}

static void sips_goes_over_tls_or_not_at_all(void **state)
{
	(void)state;
	start();
	site_message(&t, &t.outside,
		     "INVITE sips:+4930555@203.0.113.1 SIP/2.0\r\n"
		     "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-s;rport\r\nMax-Forwards: 70\r\n"
		     "From: <sips:a@198.51.100.7>;tag=a\r\nTo: <sips:+4930555@203.0.113.1>\r\n"
		     "Call-ID: s\r\nCSeq: 1 INVITE\r\nContact: <sips:a@198.51.100.7>\r\n"
		     "Content-Length: 0\r\n\r\n");
	EXPECT_SENT(0, "SIP/2.0 480");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Warning: 380 "));
	expect_empty(1);
	finish();
}

/* ---- in the dialog */

/* An established call: what each side has last seen of us. */
struct established {
	struct rec_send ok;  /* A: the 200 */
	struct rec_send ack; /* B: the ACK */
};

static struct established establish(void)
{
	struct established e;
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);

	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	e.ack = *site_sent(&t, 0);
	site_relay(&t, SITE_SDP_RELAY);
	e.ok = *site_sent(&t, 0);
	site_in_dialog(&t, &t.outside, &e.ok, "ACK", 7, NULL, NULL);
	ports_rec_clear(&t.rec);
	return e;
}

#define SDP_HOLD                                                                                   \
	"v=0\r\no=carol 11 2 IN IP4 198.51.100.7\r\ns=call\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"  \
	"m=audio 20000 RTP/AVP 0\r\na=sendonly\r\n"

static void a_reinvite_crosses_with_its_sdp_through_the_relay(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "INVITE", 8, NULL, SDP_HOLD);
	EXPECT_SENT(0, "SIP/2.0 100");
	EXPECT_TRUE(strstr(t.rec.relays[0].text, "8:from-tag6:caller") != NULL);
	EXPECT_TRUE(strstr(t.rec.relays[0].text, "6:to-tag6:callee") != NULL);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&invite, "INVITE sip:bob@10.0.0.21 SIP/2.0"));
	site_answer(&t, &invite, 200, NULL, NULL, SITE_SDP_IN);
	EXPECT_SENT(0, "ACK sip:bob@10.0.0.21");
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ok, "SIP/2.0 200 OK"));
	EXPECT_Z(str_from(site_header(&ok, "CSeq")), "8 INVITE");
	size_t n = site_sent_count(&t);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 8, NULL, NULL);
	site_tick(&t, 10000);
	EXPECT_INT(site_sent_count(&t), n); /* the ACK has stopped it */
	end_by_callee(&e.ack);
	expect_empty(1);
	finish();
}

static void a_refused_reinvite_leaves_the_call_as_it_was(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "INVITE", 8, NULL, SDP_HOLD);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 488, NULL, NULL, NULL);
	EXPECT_SENT(1, "ACK ");
	EXPECT_SENT(0, "SIP/2.0 488");
	/* The relay hears again what is in force. */
	EXPECT_INT(t.rec.relay_count, 3);
	EXPECT_TRUE(strcmp(t.rec.relays[1].command, "offer") == 0);
	EXPECT_TRUE(strstr(t.rec.relays[1].text, SITE_SDP_OUT) != NULL);
	EXPECT_TRUE(strcmp(t.rec.relays[2].command, "answer") == 0);
	EXPECT_TRUE(strstr(t.rec.relays[2].text, SITE_SDP_IN) != NULL);
	site_in_dialog(&t, &t.outside, &e.ok, "ACK", 8, NULL, NULL);
	/* Another one may follow. */
	site_in_dialog(&t, &t.outside, &e.ok, "INVITE", 9, NULL, SDP_HOLD);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "INVITE ");
	EXPECT_INT(counts().calls_confirmed, 1);
	EXPECT_INT(t.rec.notices[NOTICE_DROPPED], 0);
	finish();
}

static void a_refused_invite_that_comes_again_has_one_cdr(void **state)
{
	(void)state;
	start();
	site_event(&t, &(struct event){.type = EVENT_DRAIN});
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_sent_count(&t), 2);
	EXPECT_TRUE(strcmp(site_sent(&t, 0)->bytes, site_sent(&t, 1)->bytes) == 0);
	expect_empty(1);
	finish();
}

static void a_stranger_learns_nothing_of_dialogs(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	struct flow stranger = t.outside;
	CHECK(addr_parse(STR("192.0.2.66:5060"), &stranger.remote) == OK);
	site_in_dialog(&t, &stranger, &e.ack, "INFO", 8, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 403"); /* and 403 where the dialog is there, too */
	finish();
}

static void a_reinvite_that_policy_forbids_goes_nowhere(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	t.realm_rules[0].media_policy = 1;
	site_in_dialog(&t, &t.outside, &e.ok, "INVITE", 8, NULL, SDP_HOLD);
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_SENT(0, "SIP/2.0 488");
	EXPECT_INT(t.rec.relay_count, 0);
	EXPECT_INT(counts().calls_confirmed, 1);
	finish();
}

static void a_glare_of_reinvites_is_491(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "INVITE", 8, NULL, SDP_HOLD);
	site_relay(&t, SITE_SDP_RELAY);
	site_in_dialog(&t, &t.inside, &e.ack, "INVITE", 1, NULL, SITE_SDP_IN);
	EXPECT_SENT(0, "SIP/2.0 491");
	site_in_dialog(&t, &t.outside, &e.ok, "INVITE", 9, NULL, SDP_HOLD);
	EXPECT_SENT(0, "SIP/2.0 500");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Retry-After: "));
	site_in_dialog(&t, &t.inside, &e.ack, "UPDATE", 2, NULL, SITE_SDP_IN);
	EXPECT_SENT(0, "SIP/2.0 491");
	site_in_dialog(&t, &t.outside, &e.ok, "UPDATE", 10, NULL, SDP_HOLD);
	EXPECT_SENT(0, "SIP/2.0 500");
	finish();
}

static void an_update_crosses_with_its_sdp(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.inside, &e.ack, "UPDATE", 1, NULL, SITE_SDP_IN);
	EXPECT_TRUE(strstr(t.rec.relays[0].text, "8:from-tag6:callee") != NULL);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send update = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&update, "UPDATE sip:alice@198.51.100.7"));
	site_answer(&t, &update, 200, NULL, NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "m=audio 40000"));
	finish();
}

static void an_info_crosses_with_its_body_and_its_answer(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "INFO", 8, NULL, NULL);
	struct rec_send info = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&info, "INFO sip:bob@10.0.0.21"));
	site_answer(&t, &info, 200, NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "CSeq")), "8 INFO");
	finish();
}

static void a_481_in_the_dialog_ends_the_call(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "INFO", 8, NULL, NULL);
	site_answer(&t, site_sent(&t, 0), 481, NULL, NULL, NULL);
	EXPECT_SENT(2, "SIP/2.0 481");
	EXPECT_TRUE(site_is(site_sent(&t, 1), "BYE ") && site_is(site_sent(&t, 0), "BYE "));
	site_relay(&t, NULL);
	expect_empty(1);
	finish();
}

static void silence_in_the_dialog_ends_the_call(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "OPTIONS", 8, NULL, NULL);
	site_tick(&t, 32200);
	EXPECT_TRUE(site_is(site_sent(&t, 1), "BYE ") && site_is(site_sent(&t, 0), "BYE "));
	site_relay(&t, NULL);
	EXPECT_TRUE(cdr_has("\"cause\":\"dialog_lost\""));
	expect_empty(1);
	finish();
}

static void a_stranger_with_the_right_tags_cannot_end_the_call(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	struct flow stranger = t.outside;
	CHECK(addr_parse(STR("192.0.2.66:5060"), &stranger.remote) == OK);
	site_in_dialog(&t, &stranger, &e.ok, "BYE", 8, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 403");
	EXPECT_Z(str_from(t.rec.rule), "dialog-source");
	site_in_dialog(&t, &t.inside, &e.ok, "BYE", 8, NULL, NULL); /* from the wrong realm */
	EXPECT_SENT(0, "SIP/2.0 403");
	EXPECT_INT(counts().calls_confirmed, 1);
	/* Its CSeq has not been taken: the true one is still good. */
	site_in_dialog(&t, &t.outside, &e.ok, "BYE", 8, NULL, NULL);
	EXPECT_SENT(0, "BYE ");
	finish();
}

static void a_request_out_of_order_is_500(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "INFO", 9, NULL, NULL);
	site_in_dialog(&t, &t.outside, &e.ok, "INFO", 8, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 500");
	EXPECT_INT(counts().calls_confirmed, 1);
	finish();
}

static void a_new_contact_is_the_next_target_of_that_leg_only(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	struct flow moved = t.inside;
	site_in_dialog(&t, &moved, &e.ack, "UPDATE", 1, NULL, NULL);
	struct rec_send update = *site_sent(&t, 0);
	site_answer(&t, &update, 200, NULL, NULL, NULL);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.outside, &e.ok, "INFO", 8, NULL, NULL);
	EXPECT_SENT(0, "INFO sip:x@10.0.0.21 SIP/2.0"); /* the Contact of the UPDATE */
	finish();
}

static void a_refused_update_does_not_move_the_target(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.inside, &e.ack, "UPDATE", 1, NULL, NULL);
	struct rec_send update = *site_sent(&t, 0);
	site_answer(&t, &update, 488, NULL, NULL, NULL);
	site_in_dialog(&t, &t.outside, &e.ok, "INFO", 8, NULL, NULL);
	EXPECT_SENT(0, "INFO sip:bob@10.0.0.21 SIP/2.0");
	finish();
}

static void both_hang_up_at_once(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "BYE", 8, NULL, NULL);
	struct rec_send bye = *site_sent(&t, 0);
	site_in_dialog(&t, &t.inside, &e.ack, "BYE", 1, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	site_answer(&t, &bye, 481, NULL, NULL, NULL);
	site_relay(&t, NULL);
	EXPECT_INT(t.rec.notices[NOTICE_CALL_ENDED], 1);
	/* Its BYE may have been lost on the way and come much later. */
	site_in_dialog(&t, &t.inside, &e.ack, "BYE", 2, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	expect_empty(1);
	finish();
}

static void bye_in_the_middle_of_a_reinvite(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "INVITE", 8, NULL, SDP_HOLD);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.outside, &e.ok, "BYE", 9, NULL, NULL);
	EXPECT_SENT(2, "SIP/2.0 200 OK");
	EXPECT_SENT(1, "BYE sip:bob@10.0.0.21");
	EXPECT_SENT(0, "SIP/2.0 487");
	site_answer(&t, &invite, 200, NULL, NULL, SITE_SDP_IN); /* crossed */
	EXPECT_SENT(0, "ACK sip:bob@10.0.0.21");
	site_relay(&t, NULL);
	expect_empty(1);
	finish();
}

static void a_reinvite_can_be_cancelled(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	site_in_dialog(&t, &t.outside, &e.ok, "INVITE", 8, NULL, SDP_HOLD);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	ports_rec_clear(&t.rec);
	site_in_dialog_cancel(&t, &t.outside, &e.ok, 8);
	EXPECT_INT(site_sent_count(&t), 1); /* held: no provisional yet */
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	site_answer(&t, &invite, 100, NULL, NULL, NULL);
	EXPECT_SENT(0, "CANCEL ");
	site_answer(&t, &invite, 487, NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 487");
	EXPECT_INT(counts().calls_confirmed, 1);
	finish();
}

/* ---- offers that come late, answers that come early */

static void an_invite_without_sdp_gets_its_offer_in_the_200(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, NULL);
	EXPECT_TRUE(site_is(&invite, "INVITE ") && !site_has(&invite, "m=audio"));
	EXPECT_INT(t.rec.relay_count, 0);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_TRUE(strcmp(t.rec.relays[0].command, "offer") == 0);
	EXPECT_TRUE(strstr(t.rec.relays[0].text, "8:from-tag6:callee") != NULL);
	EXPECT_TRUE(strstr(t.rec.relays[0].text, "9:directionl6:inside7:outsidee") != NULL);
	EXPECT_TRUE(!site_is(site_sent(&t, 0), "ACK")); /* it will carry the answer */
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ok, "SIP/2.0 200 OK") && site_has(&ok, "m=audio 40000"));
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, SITE_SDP_OUT);
	EXPECT_TRUE(strcmp(t.rec.relays[1].command, "answer") == 0);
	EXPECT_TRUE(strstr(t.rec.relays[1].text, "8:from-tag6:callee") != NULL);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "ACK sip:bob@10.0.0.21");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "m=audio 40000"));
	struct rec_send ack = *site_sent(&t, 0);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN); /* the ACK was lost */
	EXPECT_SENT(0, "ACK sip:bob@10.0.0.21");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "m=audio 40000"));
	end_by_callee(&ack);
	expect_empty(1);
	finish();
}

static void an_ack_without_the_answer_ends_the_call(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, NULL);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	EXPECT_SENT(2, "ACK sip:bob@10.0.0.21");
	EXPECT_SENT(1, "BYE ");
	EXPECT_SENT(0, "BYE ");
	site_relay(&t, NULL);
	expect_empty(1);
	finish();
}

static void early_media_and_the_same_sdp_in_the_200(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 183, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send early = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&early, "SIP/2.0 183") && site_has(&early, "m=audio 40000"));
	size_t asked = t.rec.relay_count;
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_INT(t.rec.relay_count, asked); /* known already */
	struct rec_send ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ok, "SIP/2.0 200 OK"));
	EXPECT_TRUE(strcmp(strstr(ok.bytes, "\r\n\r\n"), strstr(early.bytes, "\r\n\r\n")) == 0);
	finish();
}

static void an_answer_only_in_the_183_is_in_our_200(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 183, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	site_answer(&t, &invite, 200, "b1", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "m=audio 40000"));
	finish();
}

static void each_fork_has_a_tag_of_its_own_and_the_answer_picks_its_own(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", NULL, NULL);
	struct rec_send first = *site_sent(&t, 0);
	site_answer(&t, &invite, 183, "b2", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send second = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&first, "SIP/2.0 180") && site_is(&second, "SIP/2.0 183"));
	EXPECT_TRUE(strcmp(site_header(&first, "To"), site_header(&second, "To")) != 0);
	site_answer(&t, &invite, 200, "b2", NULL, SITE_SDP_IN);
	EXPECT_TRUE(site_has(site_sent(&t, 1), ";tag=b2")); /* the ACK */
	struct rec_send ack = *site_sent(&t, 1), ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ok, "SIP/2.0 200 OK"));
	EXPECT_TRUE(strcmp(site_header(&ok, "To"), site_header(&second, "To")) == 0);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	site_tick(&t, 5000);
	EXPECT_SENT(0, "SIP/2.0 200 OK"); /* not repeated */
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_SENT(1, "ACK ");
	EXPECT_SENT(0, "BYE ");
	EXPECT_TRUE(site_has(site_sent(&t, 0), ";tag=b1"));
	end_by_callee(&ack);
	expect_empty(1);
	finish();
}

#define RELIABLE "Supported: 100rel\r\n"

/* The RSeq of a response of ours. */
static unsigned rseq_of(const struct rec_send *m)
{
	return (unsigned)strtoul(site_header(m, "RSeq"), NULL, 10);
}

static void a_reliable_183_is_acknowledged_on_each_side_by_itself(void **state)
{
	(void)state;
	char rack[64];
	start();
	struct rec_send invite = call_out(RELIABLE, SITE_SDP_OUT);
	EXPECT_TRUE(site_has(&invite, "Supported: 100rel\r\n"));
	site_answer(&t, &invite, 183, "b1", "Require: 100rel\r\nRSeq: 901\r\n", SITE_SDP_IN);
	struct rec_send prack = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&prack, "PRACK sip:bob@10.0.0.21"));
	snprintf(rack, sizeof(rack), "RAck: 901 %u INVITE\r\n",
		 (unsigned)strtoul(site_header(&invite, "CSeq"), NULL, 10));
	EXPECT_TRUE(site_has(&prack, rack));
	site_answer(&t, &prack, 200, NULL, NULL, NULL);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send early = *site_sent(&t, 0);
	EXPECT_TRUE(site_has(&early, "Require: 100rel\r\nRSeq: ") && rseq_of(&early) != 901);
	size_t n = site_sent_count(&t);
	site_answer(&t, &invite, 183, "b1", "Require: 100rel\r\nRSeq: 901\r\n", SITE_SDP_IN);
	EXPECT_INT(site_sent_count(&t), n); /* the callee's repetition ends here */
	site_tick(&t, 600);
	EXPECT_INT(site_sent_count(&t), n + 1); /* ours is repeated until PRACK */
	EXPECT_TRUE(strcmp(site_sent(&t, 0)->bytes, early.bytes) == 0);
	snprintf(rack, sizeof(rack), "RAck: %u 7 INVITE\r\n", rseq_of(&early) + 1);
	site_in_dialog(&t, &t.outside, &early, "PRACK", 8, rack, NULL);
	EXPECT_SENT(0, "SIP/2.0 481");
	snprintf(rack, sizeof(rack), "RAck: %u 7 INVITE\r\n", rseq_of(&early));
	site_in_dialog(&t, &t.outside, &early, "PRACK", 9, rack, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	site_answer(&t, &invite, 200, "b1", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	site_in_dialog(&t, &t.outside, site_sent(&t, 0), "ACK", 7, NULL, NULL);
	EXPECT_INT(counts().calls_confirmed, 1);
	finish();
}

static void a_prack_that_comes_after_the_200_is_answered(void **state)
{
	(void)state;
	char rack[64];
	start();
	struct rec_send invite = call_out(RELIABLE, SITE_SDP_OUT);
	site_answer(&t, &invite, 180, "b1", "Require: 100rel\r\nRSeq: 44\r\n", NULL);
	struct rec_send ringing = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&ringing, "SIP/2.0 180"));
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	snprintf(rack, sizeof(rack), "RAck: %u 7 INVITE\r\n", rseq_of(&ringing));
	site_in_dialog(&t, &t.outside, &ringing, "PRACK", 8, rack, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "CSeq")), "8 PRACK");
	site_in_dialog(&t, &t.outside, &ringing, "PRACK", 9, rack, NULL);
	EXPECT_SENT(0, "SIP/2.0 481"); /* once is enough */
	finish();
}

static void what_the_callee_says_of_its_refusal_crosses_by_rule(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, SITE_SDP_OUT);
	site_answer(&t, &invite, 486, "b1", "Reason: Q.850;cause=17\r\nX-Inside: 10.0.0.21\r\n",
		    NULL);
	EXPECT_SENT(0, "SIP/2.0 486 Busy Here");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Reason: Q.850;cause=17\r\n"));
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "X-Inside"));
	site_relay(&t, NULL);
	EXPECT_TRUE(cdr_has("\"q850\":17,\"ended_by\":\"callee\""));
	finish();
}

static void a_callee_without_100rel_is_said_to_be_so(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].habits.reliable = RELIABLE_REQUIRE;
	site_start(&t);
	struct rec_send invite = call_out("Require: 100rel\r\n", SITE_SDP_OUT);
	EXPECT_TRUE(site_has(&invite, "Require: 100rel\r\n"));
	site_answer(&t, &invite, 420, "b1", "Unsupported: 100rel\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 420");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Unsupported: 100rel\r\n"));
	finish();
}

/* Its reliable 18x could have the offer, and who would answer that before the 200? */
static void a_caller_without_100rel_and_sdp_makes_us_offer_none(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(NULL, NULL);
	EXPECT_TRUE(!site_has(&invite, "100rel"));
	finish();
}

static void an_update_in_the_early_dialog_after_prack(void **state)
{
	(void)state;
	start();
	struct rec_send invite = call_out(RELIABLE, SITE_SDP_OUT);
	char rack[64];
	site_answer(&t, &invite, 183, "b1", "Require: 100rel\r\nRSeq: 5\r\n", SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send early = *site_sent(&t, 0);
	snprintf(rack, sizeof(rack), "RAck: %u 7 INVITE\r\n", rseq_of(&early));
	site_in_dialog(&t, &t.outside, &early, "PRACK", 8, rack, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	site_in_dialog(&t, &t.outside, &early, "UPDATE", 9, NULL, SDP_HOLD);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "UPDATE sip:bob@10.0.0.21");
	site_answer(&t, site_sent(&t, 0), 200, NULL, NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	site_answer(&t, &invite, 200, "b1", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "m=audio"));
	finish();
}

/* ---- media without the relay, pings, reload */

static void without_anchoring_sdp_passes_with_our_origin(void **state)
{
	(void)state;
	site_init(&t);
	t.realms[0].anchor_media = t.realms[1].anchor_media = false;
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL,
		    SITE_SDP_OUT "a=tool:phone\r\na=ssrc:1 cname:carol\r\na=ptime:20\r\n");
	struct rec_send invite = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&invite, "INVITE "));
	EXPECT_TRUE(site_has(&invite, "c=IN IP4 198.51.100.7\r\n"));
	EXPECT_TRUE(!site_has(&invite, "carol") && !site_has(&invite, "s=call"));
	EXPECT_TRUE(!site_has(&invite, "tool") && site_has(&invite, "a=ptime:20"));
	/* The origin is ours to the last word. */
	const char *o = strstr(invite.bytes, "o=");
	EXPECT_TRUE(o && !str_has_char((struct str){o, strcspn(o, "\r")}, '@') &&
		    !strstr(o, "IN IP4 198.51.100.7\r\ns="));
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	EXPECT_SENT(1, "ACK ");
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	site_in_dialog(&t, &t.outside, site_sent(&t, 0), "ACK", 7, NULL, NULL);
	site_in_dialog(&t, &t.outside, site_sent(&t, 0), "BYE", 8, NULL, NULL);
	EXPECT_INT(t.rec.relay_count, 0);
	expect_empty(1);
	finish();
}

static void the_version_of_our_sdp_moves_only_with_its_text(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	char id[128], *version;
	const char *o = strstr(e.ok.bytes, "o=- ");
	snprintf(id, sizeof(id), "%.*s", (int)(strstr(o, " IN ") - o), o);
	site_in_dialog(&t, &t.inside, &e.ack, "INVITE", 1, NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY); /* the same as before */
	EXPECT_TRUE(site_has(site_sent(&t, 0), id));
	site_answer(&t, site_sent(&t, 0), 488, NULL, NULL, NULL);
	site_in_dialog(&t, &t.inside, &e.ack, "INVITE", 2, NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY "a=sendonly\r\n");
	EXPECT_TRUE(!site_has(site_sent(&t, 0), id));
	version = strrchr(id, ' ');
	(*(version + 1))++;
	EXPECT_TRUE(site_has(site_sent(&t, 0), id));
	finish();
}

static void a_peer_that_does_not_answer_pings_is_passed_over_until_it_does(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].ping =
		(struct ping){.on = true, .every_ms = 10000, .down_after = 2, .up_after = 1};
	site_start(&t);
	/* The first peer is silent, the second answers. */
	for (int i = 0; i < 120; i++) {
		size_t n = t.rec.send_count;
		site_tick(&t, 1000);
		for (size_t k = n; k < t.rec.send_count; k++)
			if (site_is(&t.rec.sends[k], "OPTIONS sip:10.0.0.22"))
				site_answer(&t, &t.rec.sends[k], 404, "p", NULL, NULL);
		if (t.rec.send_count > 200)
			ports_rec_clear(&t.rec);
	}
	EXPECT_INT(t.rec.notices[NOTICE_PEER_DOWN], 1);
	EXPECT_TRUE(!sbc_peer_is_up(t.sbc, SITE_PBX, 0));
	EXPECT_TRUE(sbc_peer_is_up(t.sbc, SITE_PBX, 1));
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "INVITE sip:+4930555@10.0.0.22");
	for (int i = 0; i < 60 && t.rec.notices[NOTICE_PEER_UP] == 0; i++) {
		site_tick(&t, 1000);
		const struct rec_send *last = site_sent(&t, 0);
		if (site_is(last, "OPTIONS sip:10.0.0.21"))
			site_answer(&t, last, 200, "p", NULL, NULL);
	}
	EXPECT_INT(t.rec.notices[NOTICE_PEER_UP], 1);
	finish();
}

static void a_call_keeps_the_settings_that_it_began_with(void **state)
{
	(void)state;
	start();
	struct established e = establish();
	static struct settings next;
	next = t.set;
	next.generation = 2;
	site_event(&t, &(struct event){.type = EVENT_SETTINGS, .settings = &next});
	EXPECT_TRUE(sbc_uses_settings(t.sbc, &t.set));
	EXPECT_TRUE(sbc_uses_settings(t.sbc, &next));
	end_by_callee(&e.ack);
	site_tick(&t, 60000);
	EXPECT_TRUE(!sbc_uses_settings(t.sbc, &t.set));
	finish();
}

static void bytes_that_are_not_sip_are_dropped_and_counted(void **state)
{
	(void)state;
	start();
	site_message(&t, &t.outside, "hello\r\n\r\n");
	EXPECT_INT(t.rec.drops[NOTICE_DROP_NOT_SIP], 1);
	site_message(&t, &t.outside, "\r\n\r\n");
	EXPECT_INT(t.rec.notices[NOTICE_DROPPED], 1);
	EXPECT_INT(site_sent_count(&t), 0);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_call_from_invite_to_bye),
		cmocka_unit_test(the_callee_hangs_up),
		cmocka_unit_test(a_request_without_the_peers_tag_is_of_no_dialog),
		cmocka_unit_test(a_200_without_ack_is_repeated_then_both_get_bye),
		cmocka_unit_test(bye_of_the_callee_before_the_ack_waits_for_it),
		cmocka_unit_test(a_repeated_200_of_the_callee_is_acked_again),
		cmocka_unit_test(a_second_200_of_another_branch_gets_ack_and_bye),
		cmocka_unit_test(cancel_while_the_relay_thinks_sends_no_invite),
		cmocka_unit_test(cancel_before_a_provisional_is_held),
		cmocka_unit_test(cancel_goes_on_with_its_reason),
		cmocka_unit_test(cancel_that_crosses_the_200_ends_in_bye),
		cmocka_unit_test(cancel_while_the_answer_is_with_the_relay),
		cmocka_unit_test(cancel_after_the_200_changes_nothing),
		cmocka_unit_test(cancel_of_nothing_is_481),
		cmocka_unit_test(refusals_are_mapped),
		cmocka_unit_test(a_503_goes_to_the_next_peer_with_a_new_session),
		cmocka_unit_test(when_no_peer_is_left_the_last_word_counts),
		cmocka_unit_test(silence_goes_to_the_next_peer),
		cmocka_unit_test(a_100_is_an_answer_to_failure_after),
		cmocka_unit_test(silence_everywhere_is_408),
		cmocka_unit_test(ringing_for_ever_ends_by_timer_c),
		cmocka_unit_test(an_unreachable_peer_is_passed_over_and_told),
		cmocka_unit_test(a_name_is_resolved_and_its_addresses_are_tried_in_order),
		cmocka_unit_test(a_name_that_does_not_resolve_is_passed_over),
		cmocka_unit_test(cancel_while_a_name_is_resolved_sends_no_invite),
		cmocka_unit_test(without_a_relay_new_calls_are_refused_and_old_ones_go_on),
		cmocka_unit_test(strangers_and_oddities_are_refused),
		cmocka_unit_test(who_is_no_trunk_is_refused_and_counted),
		cmocka_unit_test(who_is_denied_by_the_acl_hears_nothing),
		cmocka_unit_test(an_offer_that_policy_forbids_is_488_before_anything_is_made),
		cmocka_unit_test(an_answer_that_policy_forbids_ends_both_sides),
		cmocka_unit_test(sdp_that_cannot_be_read_is_488),
		cmocka_unit_test(a_route_may_reject),
		cmocka_unit_test(at_the_limit_new_calls_are_503),
		cmocka_unit_test(while_draining_new_calls_are_503_and_old_ones_go_on),
		cmocka_unit_test(stopping_ends_all_calls_in_order),
		cmocka_unit_test(stopping_twice_writes_the_cdr_without_the_relay),
		cmocka_unit_test(a_repeated_invite_repeats_the_last_answer_and_makes_nothing),
		cmocka_unit_test(sips_goes_over_tls_or_not_at_all),
		cmocka_unit_test(a_reinvite_crosses_with_its_sdp_through_the_relay),
		cmocka_unit_test(a_refused_reinvite_leaves_the_call_as_it_was),
		cmocka_unit_test(a_refused_invite_that_comes_again_has_one_cdr),
		cmocka_unit_test(a_stranger_learns_nothing_of_dialogs),
		cmocka_unit_test(a_reinvite_that_policy_forbids_goes_nowhere),
		cmocka_unit_test(a_glare_of_reinvites_is_491),
		cmocka_unit_test(an_update_crosses_with_its_sdp),
		cmocka_unit_test(an_info_crosses_with_its_body_and_its_answer),
		cmocka_unit_test(a_481_in_the_dialog_ends_the_call),
		cmocka_unit_test(silence_in_the_dialog_ends_the_call),
		cmocka_unit_test(a_stranger_with_the_right_tags_cannot_end_the_call),
		cmocka_unit_test(a_request_out_of_order_is_500),
		cmocka_unit_test(a_new_contact_is_the_next_target_of_that_leg_only),
		cmocka_unit_test(a_refused_update_does_not_move_the_target),
		cmocka_unit_test(both_hang_up_at_once),
		cmocka_unit_test(bye_in_the_middle_of_a_reinvite),
		cmocka_unit_test(a_reinvite_can_be_cancelled),
		cmocka_unit_test(an_invite_without_sdp_gets_its_offer_in_the_200),
		cmocka_unit_test(an_ack_without_the_answer_ends_the_call),
		cmocka_unit_test(early_media_and_the_same_sdp_in_the_200),
		cmocka_unit_test(an_answer_only_in_the_183_is_in_our_200),
		cmocka_unit_test(each_fork_has_a_tag_of_its_own_and_the_answer_picks_its_own),
		cmocka_unit_test(a_reliable_183_is_acknowledged_on_each_side_by_itself),
		cmocka_unit_test(a_prack_that_comes_after_the_200_is_answered),
		cmocka_unit_test(what_the_callee_says_of_its_refusal_crosses_by_rule),
		cmocka_unit_test(a_callee_without_100rel_is_said_to_be_so),
		cmocka_unit_test(a_caller_without_100rel_and_sdp_makes_us_offer_none),
		cmocka_unit_test(an_update_in_the_early_dialog_after_prack),
		cmocka_unit_test(without_anchoring_sdp_passes_with_our_origin),
		cmocka_unit_test(the_version_of_our_sdp_moves_only_with_its_text),
		cmocka_unit_test(a_peer_that_does_not_answer_pings_is_passed_over_until_it_does),
		cmocka_unit_test(a_call_keeps_the_settings_that_it_began_with),
		cmocka_unit_test(bytes_that_are_not_sip_are_dropped_and_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
