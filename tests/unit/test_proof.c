#include "sbc/core/proof.h"

#include <stdio.h>

#include "sbc/core/digest.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

/* The carrier must prove that it knows a password. */
static struct site t;

static void start(void)
{
	site_init(&t);
	t.trunks[SITE_CARRIER].proof = (struct credentials){.on = true,
							    .user = STR("carrier"),
							    .password = STR("sesame"),
							    .realm = STR("sbc.example")};
	site_start(&t);
}

static void finish(void)
{
	site_tick(&t, 300000);
	site_stop(&t);
}

/* The line that answers the first challenge in m. */
static const char *answer(const struct rec_send *m, const char *method, const char *user,
			  const char *password, uint32_t nc)
{
	static char line[1024];
	struct str value = str_from(site_header(m, "WWW-Authenticate"));
	struct digest_challenge c;
	struct buf b;

	EXPECT_ERR(digest_challenge_cut(&value, &c), OK);
	EXPECT_INT(c.algorithm, CRYPTO_SHA256);
	struct digest_use u = {.challenge = &c,
			       .user = str_from(user),
			       .password = str_from(password),
			       .method = str_from(method),
			       .uri = strcmp(method, "INVITE") == 0
					      ? STR("sip:+4930555@203.0.113.1")
					      : STR("sip:203.0.113.1"),
			       .nc = nc,
			       .cnonce = STR("0a4f113b")};
	buf_init(&b, line, sizeof(line) - 1);
	buf_lit(&b, "Authorization: ");
	EXPECT_ERR(digest_write(&b, &u), OK);
	buf_lit(&b, "\r\n");
	line[b.len] = 0;
	return line;
}

static void an_invite_of_a_trunk_with_a_user_is_challenged_and_costs_no_state(void **state)
{
	(void)state;
	struct sbc_counts c;
	start();
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_sent_count(&t), 1);
	struct rec_send asked = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&asked, "SIP/2.0 401 Unauthorized"));
	EXPECT_TRUE(
		site_has(&asked, "WWW-Authenticate: Digest realm=\"sbc.example\"") &&
		site_has(&asked, "algorithm=SHA-256, qop=\"auth\"\r\nWWW-Authenticate: Digest") &&
		site_has(&asked, "algorithm=MD5, qop=\"auth\"\r\n"));
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.server_transactions, 0);
	EXPECT_INT(c.calls_total, 0);
	EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 0);
	/* Its ACK is no stray. */
	site_in_dialog(&t, &t.outside, &asked, "ACK", 7, NULL, NULL);
	EXPECT_INT(t.rec.drops[NOTICE_DROP_STRAY_ACK], 0);
	site_invite(&t, SITE_CARRIER, "2", answer(&asked, "INVITE", "carrier", "sesame", 1),
		    SITE_SDP_OUT);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 100"));
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls, 1);
	/* What was proved is not said on: the credentials stay on this side. */
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "INVITE sip:+4930555@10.0.0.21"));
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "uthorization"));
	site_answer(&t, site_sent(&t, 0), 486, "b", NULL, NULL);
	site_relay(&t, NULL);
	finish();
}

static void a_wrong_password_is_counted_and_an_answer_is_good_once(void **state)
{
	(void)state;
	start();
	site_request(&t, &t.outside, "OPTIONS", "");
	struct rec_send asked = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&asked, "SIP/2.0 401"));
	site_request(&t, &t.outside, "OPTIONS", answer(&asked, "OPTIONS", "carrier", "wrong", 1));
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 401"));
	EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
	EXPECT_TRUE(strcmp(t.rec.rule, "password") == 0);
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "stale"));
	/* Of an unknown user nobody learns that it is unknown. */
	site_request(&t, &t.outside, "OPTIONS", answer(&asked, "OPTIONS", "mallory", "wrong", 1));
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 401"));
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "stale"));
	const char *good = answer(&asked, "OPTIONS", "carrier", "sesame", 1);
	site_request(&t, &t.outside, "OPTIONS", good);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200"));
	t.now_ms += 1000;
	site_request(&t, &t.outside, "OPTIONS", good);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 401"));
	EXPECT_TRUE(site_has(site_sent(&t, 0), "stale=true"));
	site_request(&t, &t.outside, "OPTIONS", answer(&asked, "OPTIONS", "carrier", "sesame", 2));
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200"));
	t.now_ms += 61000;
	site_request(&t, &t.outside, "OPTIONS", answer(&asked, "OPTIONS", "carrier", "sesame", 3));
	EXPECT_TRUE(site_has(site_sent(&t, 0), "stale=true"));
	finish();
}

static void garbage_as_credentials_gets_400(void **state)
{
	(void)state;
	start();
	site_request(&t, &t.outside, "OPTIONS", "Authorization: Digest username=\"\r\n");
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 400"));
	site_request(&t, &t.outside, "OPTIONS",
		     "Authorization: NoOneKnowsThisScheme opaque-data=here\r\n");
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 401"));
	finish();
}

static void a_call_that_was_proved_is_ended_and_cancelled_without_another_proof(void **state)
{
	(void)state;
	start();
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	struct rec_send asked = *site_sent(&t, 0);
	site_invite(&t, SITE_CARRIER, "2", answer(&asked, "INVITE", "carrier", "sesame", 1),
		    SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	site_in_dialog(&t, &t.outside, &ok, "BYE", 8, NULL, NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 1), "SIP/2.0 200"));
	site_answer(&t, site_sent(&t, 0), 200, NULL, NULL, NULL);
	site_relay(&t, NULL);

	site_invite(&t, SITE_CARRIER, "3", answer(&asked, "INVITE", "carrier", "sesame", 2),
		    SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	site_cancel(&t, SITE_CARRIER, "3");
	bool cancelled = false;
	for (size_t i = 0; i < site_sent_count(&t); i++)
		cancelled = cancelled || site_is(site_sent(&t, i), "SIP/2.0 487");
	EXPECT_TRUE(cancelled);
	site_relay(&t, NULL);
	finish();
}

static void other_trunks_are_asked_nothing(void **state)
{
	(void)state;
	start();
	site_request(&t, &t.inside, "OPTIONS", "");
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200"));
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invite_of_a_trunk_with_a_user_is_challenged_and_costs_no_state),
		cmocka_unit_test(a_wrong_password_is_counted_and_an_answer_is_good_once),
		cmocka_unit_test(garbage_as_credentials_gets_400),
		cmocka_unit_test(
			a_call_that_was_proved_is_ended_and_cancelled_without_another_proof),
		cmocka_unit_test(other_trunks_are_asked_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
