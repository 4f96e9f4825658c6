#include "sbc/core/keepout.h"

#include <stdio.h>

#include "sbc/core/digest.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

/* The carrier must prove that it knows a password; three wrong ones of an address, and it is out. */
static struct site t;

static void start(void)
{
	site_init(&t);
	t.trunks[SITE_CARRIER].proof = (struct credentials){.on = true,
							    .user = STR("carrier"),
							    .password = STR("sesame"),
							    .realm = STR("sbc.example")};
	t.realm_rules[SITE_OUTSIDE].admission =
		(struct admission_rule){.name = STR("edge"),
					.failures = {{3, 600000, 0}, 3600},
					.place = {STR("site.yaml"), 9}};
	t.set.policy.bans = (struct ban_rules){.first_s = 3600,
					       .factor = 4,
					       .most_s = 30 * 86400,
					       .forget_s = 86400,
					       .kernel_after = {5, 10000, 0}};
	site_start(&t);
}

static void finish(void)
{
	site_tick(&t, 300000);
	site_stop(&t);
}

static struct flow flow_of(const char *address)
{
	struct flow f = t.outside;
	EXPECT_ERR(addr_parse(str_from(address), &f.remote), OK);
	return f;
}

/* The line that answers the first challenge in m. */
static const char *answer(const struct rec_send *m, const char *method, const char *password,
			  uint32_t nc)
{
	static char line[1024];
	struct str value = str_from(site_header(m, "WWW-Authenticate"));
	struct digest_challenge c;
	struct buf b;

	EXPECT_ERR(digest_challenge_cut(&value, &c), OK);
	struct digest_use u = {.challenge = &c,
			       .user = STR("carrier"),
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

/* One wrong password from there, over a challenge that was sent there. */
static void guess(const struct flow *f, const char *password)
{
	site_request(&t, f, "OPTIONS", "");
	if (site_sent_count(&t) == 0)
		return;
	struct rec_send asked = *site_sent(&t, 0);
	site_request(&t, f, "OPTIONS", answer(&asked, "OPTIONS", password, 1));
}

static struct verdict look(const struct flow *f)
{
	return ban_judge_source(&t.sbc->policy.bans, &t.set.policy.bans, &f->remote, t.now_ms,
				true);
}

static bool is_banned(const struct flow *f)
{
	return look(f).outcome == VERDICT_DROP;
}

static void the_last_of_the_wrong_passwords_bans_their_source(void **state)
{
	(void)state;
	start();
	const struct flow other = flow_of("198.51.100.8:5060");
	guess(&t.outside, "a");
	guess(&t.outside, "b");
	EXPECT_TRUE(!is_banned(&t.outside));
	guess(&t.outside, "c");
	EXPECT_TRUE(is_banned(&t.outside) && !is_banned(&other));
	EXPECT_STR(look(&t.outside).rule, STR("register_failures"));
	EXPECT_INT(look(&t.outside).line, 9);
	EXPECT_INT(t.rec.notices[NOTICE_BAN], 1);
	/* Not heard any more, and said why. */
	const size_t refused = t.rec.notices[NOTICE_REFUSED];
	ports_rec_clear(&t.rec);
	site_request(&t, &t.outside, "OPTIONS", "");
	EXPECT_INT(site_sent_count(&t), 0);
	EXPECT_INT(t.rec.drops[NOTICE_DROP_BAN], 1);
	EXPECT_INT(t.rec.notices[NOTICE_REFUSED], refused + 1);
	EXPECT_TRUE(strcmp(t.rec.rule, "register_failures") == 0);
	site_request(&t, &other, "OPTIONS", "");
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 401"));
	site_tick(&t, 3601000);
	EXPECT_TRUE(!is_banned(&t.outside));
	EXPECT_INT(t.rec.notices[NOTICE_BAN], 2); /* its end */
	finish();
}

static void the_right_password_between_them_takes_none_back(void **state)
{
	(void)state;
	start();
	guess(&t.outside, "a");
	guess(&t.outside, "sesame");
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200"));
	guess(&t.outside, "b");
	guess(&t.outside, "c");
	EXPECT_TRUE(is_banned(&t.outside));
	finish();
}

static void what_proves_nothing_is_nobodys_failure(void **state)
{
	(void)state;
	const struct flow victim = {.listener = SITE_LISTEN_OUT_UDP, .transport = TRANSPORT_UDP};
	start();
	struct flow v = victim;
	EXPECT_ERR(addr_parse(STR("198.51.100.9:5060"), &v.remote), OK);
	/* A challenge that was sent to the one who forges, in the name of another. */
	site_request(&t, &t.outside, "OPTIONS", "");
	struct rec_send asked = *site_sent(&t, 0);
	for (uint32_t i = 1; i < 20; i++) {
		char password[16];
		(void)snprintf(password, sizeof(password), "p%u", i);
		site_request(&t, &v, "OPTIONS", answer(&asked, "OPTIONS", password, i));
	}
	EXPECT_TRUE(!is_banned(&v));
	/* Over a connection the address is proven, whatever the nonce. */
	v.id = 77;
	v.listener = SITE_LISTEN_OUT_TLS;
	v.transport = TRANSPORT_TLS;
	for (uint32_t i = 1; i < 4; i++)
		site_request(&t, &v, "OPTIONS", answer(&asked, "OPTIONS", "x", i));
	EXPECT_TRUE(is_banned(&v));
	finish();
}

static void a_datagram_that_is_repeated_counts_once(void **state)
{
	(void)state;
	start();
	site_request(&t, &t.outside, "OPTIONS", "");
	struct rec_send asked = *site_sent(&t, 0);
	for (int i = 0; i < 10; i++)
		site_request(&t, &t.outside, "OPTIONS", answer(&asked, "OPTIONS", "same", 1));
	EXPECT_TRUE(!is_banned(&t.outside));
	site_request(&t, &t.outside, "OPTIONS", answer(&asked, "OPTIONS", "another", 2));
	site_request(&t, &t.outside, "OPTIONS", answer(&asked, "OPTIONS", "a third", 3));
	EXPECT_TRUE(is_banned(&t.outside));
	finish();
}

/* From so many networks one guess each, until the user is known to be guessed at. */
static void a_user_that_many_guess_at_is_not_locked_out(void **state)
{
	(void)state;
	char address[32];
	start();
	EXPECT_ERR(prefix_parse(STR("0.0.0.0/0"), &t.sources[SITE_CARRIER]), OK);
	for (unsigned i = 0; i < 3 * KEEPOUT_USER_TIMES; i++) {
		(void)snprintf(address, sizeof(address), "11.%u.%u.1:5060", i / 256, i % 256);
		const struct flow f = flow_of(address);
		guess(&f, "a");
		EXPECT_TRUE(!is_banned(&f));
	}
	/* From now on the second wrong one of an address is its last. */
	const struct flow late = flow_of("12.0.0.1:5060"), user = flow_of("13.0.0.1:5060");
	guess(&late, "a");
	EXPECT_TRUE(!is_banned(&late));
	guess(&late, "b");
	EXPECT_TRUE(is_banned(&late));
	guess(&user, "a");
	guess(&user, "sesame");
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200"));
	finish();
}

static void ban(const char *address)
{
	struct ban_order o = {.subject = {.kind = SUBJECT_SOURCE},
			      .by = BAN_BY_OPERATOR,
			      .rule = STR("operator")};
	struct ban v;
	const struct flow f = flow_of(address);
	o.subject.source = (struct prefix){.addr = f.remote, .bits = 32};
	EXPECT_INT(sbc_ban(t.sbc, &o, (struct ban_time){t.now_ms, 1700000000000 + t.now_ms}, &v),
		   BAN_NEW);
}

static void who_is_banned_may_end_the_call_that_it_has(void **state)
{
	(void)state;
	start();
	t.trunks[SITE_CARRIER].proof.on = false;
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 200, "b1", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send ok = *site_sent(&t, 0);
	ban("198.51.100.7:5060");
	site_in_dialog(&t, &t.outside, &ok, "ACK", 7, NULL, NULL);
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_sent_count(&t), 0); /* nothing new */
	site_in_dialog(&t, &t.outside, &ok, "BYE", 8, NULL, NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 1), "SIP/2.0 200"));
	EXPECT_TRUE(site_is(site_sent(&t, 0), "BYE "));
	site_answer(&t, site_sent(&t, 0), 200, NULL, NULL, NULL);
	site_relay(&t, NULL);
	/* A dialog that is not there is no way in. */
	site_tick(&t, 40000);
	ports_rec_clear(&t.rec);
	site_in_dialog(&t, &t.outside, &ok, "INFO", 9, NULL, NULL);
	EXPECT_INT(site_sent_count(&t), 0);
	finish();
}

static void an_emergency_call_of_who_is_banned_is_heard(void **state)
{
	(void)state;
	start();
	t.trunks[SITE_CARRIER].proof.on = false;
	t.routes[SITE_CARRIER].emergency = true;
	ban("198.51.100.7:5060");
	site_request(&t, &t.outside, "OPTIONS", "");
	EXPECT_INT(site_sent_count(&t), 0);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_TRUE(site_sent_count(&t) > 0 && site_is(site_sent(&t, 0), "SIP/2.0 100"));
	site_relay(&t, SITE_SDP_RELAY);
	site_answer(&t, site_sent(&t, 0), 486, "b", NULL, NULL);
	site_relay(&t, NULL);
	finish();
}

static void consequences_are_carried_out(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum consequence_type type;
		enum subject_kind kind;
		bool spoofable, banned, refused;
		unsigned status;
	} rows[] = {
		{"a ban of the source", CONSEQUENCE_BAN, SUBJECT_SOURCE, false, true, false, 0},
		{"not of one that may be another's", CONSEQUENCE_BAN, SUBJECT_SOURCE, true, false,
		 false, 100},
		{"a ban of the trunk", CONSEQUENCE_BAN, SUBJECT_TRUNK, true, false, true, 403},
		{"a limit of the trunk", CONSEQUENCE_LIMIT, SUBJECT_TRUNK, true, false, true, 503},
		{"an alert bans nobody", CONSEQUENCE_ALERT, SUBJECT_TRUNK, false, false, false,
		 100},
	};
	CHECK_TABLE(row, rows)
	{
		start();
		t.trunks[SITE_CARRIER].proof.on = false;
		struct consequences c = {
			.count = 1,
			.list = {{.type = row->type,
				  .subject = {.kind = row->kind,
					      .source = {.addr = t.outside.remote, .bits = 32},
					      .name = t.trunk_rules[SITE_CARRIER].name},
				  .seconds = 60,
				  .spoofable = row->spoofable,
				  .rule = STR("burst")}}};
		keepout_carry_out(t.sbc, &c);
		EXPECT_INT(is_banned(&t.outside), row->banned);
		site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
		char wanted[32];
		(void)snprintf(wanted, sizeof(wanted), "SIP/2.0 %u", row->status);
		if (row->status == 0)
			EXPECT_INT(site_sent_count(&t), 0);
		else
			EXPECT_TRUE(site_is(site_sent(&t, 0), wanted));
		if (row->refused)
			EXPECT_TRUE(strcmp(t.rec.rule, "burst") == 0);
		if (row->status == 100) {
			site_relay(&t, SITE_SDP_RELAY);
			site_answer(&t, site_sent(&t, 0), 486, "b", NULL, NULL);
			site_relay(&t, NULL);
		}
		finish();
	}
}

static void a_flood_of_a_banned_source_is_told_once(void **state)
{
	(void)state;
	start();
	ban("198.51.100.7:5060");
	EXPECT_INT(t.rec.notices[NOTICE_BAN], 1);
	for (int i = 0; i < 100; i++)
		site_request(&t, &t.outside, "OPTIONS", "");
	EXPECT_INT(t.rec.notices[NOTICE_BAN], 2);
	EXPECT_INT(t.rec.drops[NOTICE_DROP_BAN], 100);
	finish();
}

static void methods_that_nobody_knows_are_not_answered_where_it_says_so(void **state)
{
	(void)state;
	for (int drop = 0; drop < 2; drop++) {
		start();
		t.trunks[SITE_CARRIER].proof.on = false;
		t.realm_rules[SITE_OUTSIDE].admission.drop_unknown = drop;
		site_request(&t, &t.outside, "FROBNICATE", "");
		EXPECT_INT(site_sent_count(&t), drop ? 0 : 1);
		EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
		site_request(&t, &t.outside, "OPTIONS", "");
		EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200"));
		finish();
	}
}

static void registers_have_a_rate_of_their_own(void **state)
{
	(void)state;
	start();
	t.trunks[SITE_CARRIER].proof.on = false;
	t.realm_rules[SITE_OUTSIDE].admission.registers = (struct rate_rule){2, 1000, 0};
	for (int i = 0; i < 4; i++) {
		site_request(&t, &t.outside, "REGISTER", "");
		EXPECT_INT(site_is(site_sent(&t, 0), "SIP/2.0 503"), i >= 2);
	}
	site_request(&t, &t.outside, "OPTIONS", "");
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200"));
	finish();
}

static void bans_that_end_together_are_told_some_at_a_time(void **state)
{
	enum { ALL = 300 };
	struct sbc *s;

	(void)state;
	start();
	s = t.sbc;
	for (unsigned i = 0; i < ALL; i++) {
		const struct ban_order o = {
			.subject = {.kind = SUBJECT_SOURCE,
				    .source = {.addr = {.family = ADDR_IP4,
							.ip = {203, 0, (uint8_t)(i / 200),
							       (uint8_t)(i % 200)}},
					       .bits = 32}},
			.by = BAN_BY_OPERATOR,
			.seconds = 10,
			.exact = true};
		EXPECT_INT(keepout_ban(s, &o, NULL), BAN_NEW);
	}
	const size_t laid = t.rec.notices[NOTICE_BAN];
	t.now_ms += 10010;
	site_event(&t, &(struct event){.type = EVENT_TICK});
	EXPECT_INT(t.rec.notices[NOTICE_BAN] - laid, KEEPOUT_ENDS_AT_ONCE);
	EXPECT_TRUE(sbc_next_ms(s) <= t.now_ms);
	for (unsigned i = 0; i < ALL / KEEPOUT_ENDS_AT_ONCE; i++)
		site_event(&t, &(struct event){.type = EVENT_TICK});
	EXPECT_INT(t.rec.notices[NOTICE_BAN] - laid, ALL);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_of_the_wrong_passwords_bans_their_source),
		cmocka_unit_test(the_right_password_between_them_takes_none_back),
		cmocka_unit_test(what_proves_nothing_is_nobodys_failure),
		cmocka_unit_test(a_datagram_that_is_repeated_counts_once),
		cmocka_unit_test(a_user_that_many_guess_at_is_not_locked_out),
		cmocka_unit_test(who_is_banned_may_end_the_call_that_it_has),
		cmocka_unit_test(an_emergency_call_of_who_is_banned_is_heard),
		cmocka_unit_test(consequences_are_carried_out),
		cmocka_unit_test(a_flood_of_a_banned_source_is_told_once),
		cmocka_unit_test(methods_that_nobody_knows_are_not_answered_where_it_says_so),
		cmocka_unit_test(registers_have_a_rate_of_their_own),
		cmocka_unit_test(bans_that_end_together_are_told_some_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
