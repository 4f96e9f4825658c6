#include "sbc/core/refresh.h"

#include <stdio.h>

#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t;
static struct site_call k;

#define KNOWS "Supported: timer\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n"

/* Both trunks: half an hour. `caller`, `callee`: what their INVITE and 200 say. */
static void start(const char *caller, const char *callee)
{
	site_init(&t);
	for (int i = 0; i < SITE_TRUNKS; i++)
		t.trunks[i].habits.session_timer =
			(struct session_timer_settings){.on = true, .expires_s = 1800, .min_s = 90};
	site_start(&t);
	site_establish(&t, &k, caller, callee);
}

static void finish(void)
{
	site_stop(&t);
}

static void end(void)
{
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	finish();
}

static const char *own_sdp(const struct rec_send *m)
{
	const char *body = strstr(m->bytes, "\r\n\r\n");

	return body ? body + 4 : "";
}

static void each_leg_agrees_for_itself(void **state)
{
	(void)state;
	static const struct {
		const char *name, *caller, *callee;
		const char *to_caller;
		bool we_refresh[2];
		uint32_t expires_s[2];
	} rows[] = {
		{"neither knows it: we refresh both",
		 NULL,
		 NULL,
		 "1800;refresher=uas",
		 {true, true},
		 {1800, 1800}},
		{"the caller refreshes its leg, we the callee's",
		 KNOWS "Session-Expires: 600\r\n",
		 "Session-Expires: 900;refresher=uac\r\n",
		 "600;refresher=uac",
		 {false, true},
		 {600, 900}},
		{"we refresh the caller's, the callee its own",
		 KNOWS "Session-Expires: 600;refresher=uas\r\n",
		 "Session-Expires: 1200;refresher=uas\r\n",
		 "600;refresher=uas",
		 {true, false},
		 {600, 1200}},
	};
	CHECK_TABLE(row, rows)
	{
		start(row->caller, row->callee);
		EXPECT_Z(str_from(site_header(&k.invite, "Session-Expires")), "1800");
		EXPECT_TRUE(site_has(&k.invite, "Supported: timer\r\n"));
		EXPECT_Z(str_from(site_header(&k.ok, "Session-Expires")), row->to_caller);
		for (unsigned side = 0; side < 2; side++) {
			const struct session_timer *s = &site_the_call(&t)->leg[side].session;
			EXPECT_INT(s->we_refresh, row->we_refresh[side]);
			EXPECT_INT(s->expires_s, row->expires_s[side]);
		}
		end();
	}
}

static void off_says_nothing_and_sets_no_timer(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	site_establish(&t, &k, KNOWS "Session-Expires: 600\r\n", NULL);
	EXPECT_TRUE(!site_has(&k.invite, "Session-Expires") && !site_has(&k.invite, "timer"));
	EXPECT_TRUE(!site_has(&k.ok, "Session-Expires") && !site_has(&k.ok, "timer"));
	site_tick(&t, 86400000);
	EXPECT_INT(site_sent_count(&t), 0);
	end();
}

/* The next message with this beginning, and when it came. */
static uint64_t wait_for(const char *start_line, uint64_t most)
{
	uint64_t from = t.now_ms;

	ports_rec_clear(&t.rec);
	for (uint64_t i = 0; i < most; i += 4) {
		site_tick(&t, 4);
		if (site_count(&t, start_line))
			return t.now_ms - from;
	}
	return UINT64_MAX;
}

static void a_refresh_goes_at_half_of_it_by_update_where_the_peer_takes_that(void **state)
{
	(void)state;
	static const struct {
		const char *name, *allow, *method;
	} rows[] = {
		{"UPDATE", "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n", "UPDATE "},
		{"re-INVITE", "Allow: INVITE, ACK, BYE, CANCEL\r\n", "INVITE "},
	};
	CHECK_TABLE(row, rows)
	{
		char extra[256];
		snprintf(extra, sizeof(extra), "Session-Expires: 100;refresher=uac\r\n%s",
			 row->allow);
		start(KNOWS "Session-Expires: 1800\r\n", extra);
		for (int i = 0; i < 3; i++) {
			uint64_t after = wait_for(row->method, 60000);
			EXPECT_TRUE(after >= 49900 && after <= 50100);
			struct rec_send m = *site_find(&t, row->method);
			EXPECT_Z(str_from(site_header(&m, "Session-Expires")), "100;refresher=uac");
			if (row->method[0] ==
			    'I') /* the same to the octet: o= too (RFC 4028 §7.4) */
				EXPECT_Z(str_from(own_sdp(&m)), own_sdp(&k.invite));
			else
				EXPECT_Z(str_from(own_sdp(&m)), "");
			site_answer(&t, &m, 200, NULL, extra,
				    row->method[0] == 'I' ? SITE_SDP_IN : NULL);
			EXPECT_INT(t.rec.relay_count, 0);
			EXPECT_INT(site_count(&t, "ACK "), row->method[0] == 'I');
			EXPECT_INT(site_count(&t, "SIP/2.0"),
				   0); /* the caller hears nothing of it */
		}
		end();
	}
}

static void a_refresh_of_the_peer_is_answered_by_us(void **state)
{
	(void)state;
	for (unsigned side = 0; side < 2; side++) {
		start(KNOWS "Session-Expires: 100;refresher=uac\r\n",
		      KNOWS "Session-Expires: 100;refresher=uas\r\n");
		for (int i = 0; i < 4; i++) { /* without them the call would end after 67 s */
			const char *who = KNOWS "Session-Expires: 100;refresher=uac\r\n";
			bool invite = i % 2;
			site_tick(&t, 40000);
			/* the other leg is refreshed too, so that it does not end the call */
			site_say(&t, &k, 1 - side, "UPDATE", who, NULL);
			ports_rec_clear(&t.rec);
			site_say(&t, &k, side, invite ? "INVITE" : "UPDATE", who,
				 !invite ? NULL
				 : side  ? SITE_SDP_IN
					 : SITE_SDP_OUT);
			EXPECT_INT(site_sent_count(&t), 1);
			EXPECT_SENT(&t, 0, "SIP/2.0 200 OK");
			EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Session-Expires")),
				 "100;refresher=uac");
			EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Require")), "timer");
			EXPECT_INT(t.rec.relay_count, 0);
			if (invite) {
				EXPECT_Z(str_from(own_sdp(site_sent(&t, 0))),
					 own_sdp(side ? &k.invite : &k.ok));
				site_ack(&t, &k, side, NULL);
			}
			EXPECT_INT(site_count(&t, "BYE "), 0);
		}
		end();
	}
}

static void a_reinvite_with_other_sdp_crosses_and_refreshes_both(void **state)
{
	(void)state;
	start(KNOWS "Session-Expires: 100;refresher=uac\r\n",
	      KNOWS "Session-Expires: 100;refresher=uac\r\n");
	site_tick(&t, 30000);
	site_say(&t, &k, 0, "INVITE", KNOWS "Session-Expires: 100;refresher=uac\r\n",
		 SITE_SDP("carol", "2", "198.51.100.7",
			  "m=audio 20000 RTP/AVP 0\r\na=sendonly\r\n"));
	site_relay(&t, SITE_SDP_RELAY "a=sendonly\r\n");
	struct rec_send invite = *site_find(&t, "INVITE ");
	EXPECT_Z(str_from(site_header(&invite, "Session-Expires")), "100;refresher=uac");
	site_answer(&t, &invite, 200, NULL, "Session-Expires: 100;refresher=uac\r\n" KNOWS,
		    SITE_SDP_IN "a=recvonly\r\n");
	site_relay(&t, SITE_SDP_RELAY "a=recvonly\r\n");
	EXPECT_Z(str_from(site_header(site_find(&t, "SIP/2.0 200"), "Session-Expires")),
		 "100;refresher=uac");
	site_ack(&t, &k, 0, NULL);
	uint64_t after = wait_for("UPDATE ", 60000);
	EXPECT_TRUE(after >= 49900 && after <= 50100); /* from the re-INVITE on */
	end();
}

static void what_the_other_side_should_know_crosses(void **state)
{
	(void)state;
	static const struct {
		const char *name, *method, *extra, *sdp;
	} rows[] = {
		{"an UPDATE that says who speaks now", "UPDATE",
		 KNOWS "Session-Expires: 100;refresher=uac\r\nP-Asserted-Identity: <sip:1@x>\r\n",
		 NULL},
		{"an UPDATE that is no refresh", "UPDATE", KNOWS, NULL},
		{"a re-INVITE without SDP wants an offer", "INVITE",
		 KNOWS "Session-Expires: 100;refresher=uac\r\n", NULL},
		{"a re-INVITE that is no refresh", "INVITE", KNOWS, SITE_SDP_OUT},
	};
	CHECK_TABLE(row, rows)
	{
		char line[16];
		start(KNOWS "Session-Expires: 100;refresher=uac\r\n", KNOWS);
		site_say(&t, &k, 0, row->method, row->extra, row->sdp);
		if (row->sdp)
			site_relay(&t, SITE_SDP_RELAY);
		snprintf(line, sizeof(line), "%s ", row->method);
		EXPECT_INT(site_count(&t, line), 1);
		EXPECT_INT(site_count(&t, "SIP/2.0 200"), 0);
		end();
	}
}

static void a_missing_refresh_ends_both_sides_with_its_cause(void **state)
{
	(void)state;
	static const struct {
		const char *name, *caller, *callee;
		uint64_t end_ms;
	} rows[] = {
		{"the caller's: 90 s less a third", KNOWS "Session-Expires: 90;refresher=uac\r\n",
		 KNOWS "Session-Expires: 1800;refresher=uas\r\n", 60000},
		{"the callee's: 600 s less 32 s", KNOWS "Session-Expires: 1800;refresher=uac\r\n",
		 KNOWS "Session-Expires: 600;refresher=uas\r\n", 568000},
	};
	CHECK_TABLE(row, rows)
	{
		start(row->caller, row->callee);
		uint64_t after = wait_for("BYE ", 700000);
		EXPECT_TRUE(after + 100 >= row->end_ms && after <= row->end_ms + 100);
		EXPECT_INT(site_count(&t, "BYE "), 2);
		EXPECT_TRUE(site_has(site_find(&t, "BYE "), "Reason: SIP;cause=408"));
		site_relay(&t, NULL);
		EXPECT_TRUE(site_cdr_has(&t, "\"ended_by\":\"us\",\"cause\":\"session_timer\""));
		site_expect_empty(&t, 1);
		finish();
	}
}

static void an_unanswered_refresh_ends_both_sides_with_its_cause(void **state)
{
	(void)state;
	start(KNOWS "Session-Expires: 1800;refresher=uac\r\n",
	      KNOWS "Session-Expires: 100;refresher=uac\r\n");
	EXPECT_TRUE(wait_for("UPDATE ", 60000) < 51000);
	uint64_t after = wait_for("BYE ", 60000);
	EXPECT_TRUE(after <= 32100);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	site_relay(&t, NULL);
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"session_timer\""));
	site_expect_empty(&t, 1);
	finish();
}

static void a_peer_without_timers_lives_if_it_answers_anything(void **state)
{
	(void)state;
	start(NULL, NULL);
	for (int i = 0; i < 3; i++) {
		EXPECT_TRUE(wait_for("INVITE sip:bob", 1000000) <= 901000);
		struct rec_send a = *site_find(&t, "INVITE sip:alice");
		struct rec_send b = *site_find(&t, "INVITE sip:bob");
		site_answer(&t, &a, 488, NULL, NULL, NULL);
		site_answer(&t, &b, 500, NULL, NULL, NULL);
		EXPECT_INT(site_count(&t, "BYE "), 0);
	}
	end();
}

static void a_422_to_our_refresh_makes_it_longer(void **state)
{
	(void)state;
	start(KNOWS "Session-Expires: 1800;refresher=uac\r\n",
	      KNOWS "Session-Expires: 100;refresher=uac\r\n");
	EXPECT_TRUE(wait_for("UPDATE ", 60000) < 51000);
	struct rec_send m = *site_find(&t, "UPDATE ");
	site_answer(&t, &m, 422, NULL, "Min-SE: 300\r\n", NULL);
	EXPECT_TRUE(wait_for("UPDATE ", 1000) <= 8);
	m = *site_find(&t, "UPDATE ");
	EXPECT_Z(str_from(site_header(&m, "Session-Expires")), "300;refresher=uac");
	EXPECT_Z(str_from(site_header(&m, "Min-SE")), "300");
	site_answer(&t, &m, 200, NULL, "Session-Expires: 300;refresher=uac\r\n", NULL);
	EXPECT_TRUE(wait_for("UPDATE ", 200000) >= 149900);
	end();
}

static void a_422_to_the_peer_names_our_least(void **state)
{
	(void)state;
	start(KNOWS, NULL);
	for (int i = 0; i < 2; i++) {
		site_say(&t, &k, 0, i ? "UPDATE" : "INVITE", KNOWS "Session-Expires: 60\r\n",
			 i ? NULL : SITE_SDP_OUT);
		EXPECT_SENT(&t, 0, "SIP/2.0 422 Session Interval Too Small");
		EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Min-SE")), "90");
		EXPECT_INT(site_count(&t, i ? "UPDATE" : "INVITE"), 0);
		if (!i)
			site_ack(&t, &k, 0, NULL);
	}
	end();
}

static void a_422_at_the_beginning(void **state)
{
	(void)state;
	site_init(&t);
	for (int i = 0; i < SITE_TRUNKS; i++)
		t.trunks[i].habits.session_timer =
			(struct session_timer_settings){.on = true, .expires_s = 1800, .min_s = 90};
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "0", KNOWS "Session-Expires: 30\r\n", SITE_SDP_OUT);
	EXPECT_SENT(&t, 0, "SIP/2.0 422 ");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Min-SE")), "90");
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	/* The callee's 422 is between it and us: the caller hears nothing of it. */
	site_invite(&t, SITE_CARRIER, "1", KNOWS, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send first = *site_sent(&t, 0);
	ports_rec_clear(&t.rec);
	site_answer(&t, &first, 422, "b1", "Min-SE: 3600\r\n", NULL);
	EXPECT_INT(site_count(&t, "SIP/2.0"), 0);
	struct rec_send second = *site_find(&t, "INVITE ");
	EXPECT_Z(str_from(site_header(&second, "Session-Expires")), "3600");
	EXPECT_Z(str_from(site_header(&second, "Min-SE")), "3600");
	site_answer(&t, &second, 200, "b2", "Session-Expires: 3600;refresher=uac\r\n", SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(&t, 0, "SIP/2.0 200 ");
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_leg_agrees_for_itself),
		cmocka_unit_test(off_says_nothing_and_sets_no_timer),
		cmocka_unit_test(a_refresh_goes_at_half_of_it_by_update_where_the_peer_takes_that),
		cmocka_unit_test(a_refresh_of_the_peer_is_answered_by_us),
		cmocka_unit_test(a_reinvite_with_other_sdp_crosses_and_refreshes_both),
		cmocka_unit_test(what_the_other_side_should_know_crosses),
		cmocka_unit_test(a_missing_refresh_ends_both_sides_with_its_cause),
		cmocka_unit_test(an_unanswered_refresh_ends_both_sides_with_its_cause),
		cmocka_unit_test(a_peer_without_timers_lives_if_it_answers_anything),
		cmocka_unit_test(a_422_to_our_refresh_makes_it_longer),
		cmocka_unit_test(a_422_to_the_peer_names_our_least),
		cmocka_unit_test(a_422_at_the_beginning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
