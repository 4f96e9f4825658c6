#include "sbc/core/quarantine.h"

#include <stdio.h>
#include <string.h>

#include "sbc/core/digest.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

/*
 * The outside has a user, bob, who registers over UDP with a password, and the carrier, which is known by its network. Ten
 * requests a minute of somebody else are too many.
 */
enum { USERS = SITE_TRUNKS, TRUNKS, STRIKES = 10 };

static struct site t;
static struct trunk trunks[TRUNKS];
static struct trunk_rule rules[TRUNKS];
static struct route_rule routes[3];
static struct users users;
static const struct str domains[] = {{"example.net", 11}};
static const struct user_account accounts[] = {{{"bob", 3}, {"sesame", 6}}};
static struct flow scanner, phone;
static unsigned counter;

static struct flow flow_of(const char *address)
{
	struct flow f = t.outside;
	EXPECT_ERR(addr_parse(str_from(address), &f.remote), OK);
	return f;
}

static void start(void)
{
	site_init(&t);
	memcpy(trunks, t.trunks, sizeof(t.trunks));
	memcpy(rules, t.trunk_rules, sizeof(t.trunk_rules));
	memcpy(routes, t.routes, sizeof(t.routes));
	users = (struct users){.name = STR("phones"),
			       .trunk = USERS,
			       .realm = SITE_OUTSIDE,
			       .domains = domains,
			       .domain_count = 1,
			       .registrar = SETTINGS_NO_INDEX,
			       .local = true,
			       .ask = USERS_ASK_NEVER,
			       .from_user_s = 600,
			       .to_registrar_s = 600,
			       .contacts = 3,
			       .sessions = 2,
			       .accounts = accounts,
			       .account_count = 1,
			       .route_to_users = 2};
	trunks[USERS] = (struct trunk){.name = users.name,
				       .users = &users,
				       .realm = SITE_OUTSIDE,
				       .habits.methods = ~0u,
				       .certificate = SETTINGS_NO_INDEX,
				       .verify = SETTINGS_NO_INDEX};
	rules[USERS] = (struct trunk_rule){.name = users.name, .realm = SITE_OUTSIDE};
	routes[2] = (struct route_rule){.name = users.name, .to = {USERS}, .to_count = 1};
	t.set.trunks = trunks;
	t.set.trunk_count = TRUNKS;
	t.set.policy.trunks = rules;
	t.set.policy.trunk_count = TRUNKS;
	t.set.policy.routes = routes;
	t.set.policy.route_count = 2;
	t.set.users = &users;
	t.set.users_count = 1;
	t.set.limits.registrations = 16;
	t.set.policy.bans = (struct ban_rules){.first_s = 3600,
					       .factor = 4,
					       .most_s = 30 * 86400,
					       .forget_s = 86400,
					       .strangers = {STRIKES, 60000, 0},
					       .quarantine_s = 300,
					       .place = {STR("site.yaml"), 4}};
	scanner = flow_of("192.0.2.66:5090");
	phone = flow_of("192.0.2.66:40001");
	counter = 0;
	site_start(&t);
}

static void finish(void)
{
	t.rec.quiet = true;
	site_tick(&t, 4000000);
	site_stop(&t);
}

/* Another one each time. */
static void send(const struct flow *f, const char *method, const char *user, const char *extra)
{
	counter++;
	snprintf(t.text, sizeof(t.text),
		 "%s sip:example.net SIP/2.0\r\nVia: SIP/2.0/UDP "
		 "192.0.2.66;branch=z9hG4bK-%u;rport\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:%s@example.net>;tag=f%u\r\nTo: "
		 "<sip:%s@example.net>\r\n"
		 "Call-ID: c-%u\r\nCSeq: %u %s\r\nContact: <sip:x@192.0.2.66:40001>\r\n%s"
		 "Content-Length: 0\r\n\r\n",
		 method, counter, user, counter, user, counter, counter, method, extra);
	ports_rec_clear(&t.rec);
	site_message(&t, f, t.text);
}

static const char *user_of(unsigned i)
{
	static char name[16];
	snprintf(name, sizeof(name), "u%u", i);
	return name;
}

static void scan(const struct flow *f, const char *method, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		send(f, method, user_of(i), "");
}

static bool is_held(const struct flow *f)
{
	return ban_judge_quarantine(&t.sbc->policy.bans, &f->remote, t.now_ms, true).outcome ==
	       VERDICT_DROP;
}

static bool is_banned(const struct flow *f)
{
	return ban_judge_source(&t.sbc->policy.bans, &t.set.policy.bans, &f->remote, t.now_ms, true)
		       .outcome == VERDICT_DROP;
}

/* Bob's answer to the challenge that was sent last. */
static const char *answer(const char *password)
{
	static char line[1024];
	struct str value = str_from(site_header(site_sent(&t, 0), "WWW-Authenticate"));
	struct digest_challenge c;
	struct buf b;

	EXPECT_ERR(digest_challenge_cut(&value, &c), OK);
	struct digest_use u = {.challenge = &c,
			       .user = STR("bob"),
			       .password = str_from(password),
			       .method = STR("REGISTER"),
			       .uri = STR("sip:example.net"),
			       .nc = 1,
			       .cnonce = STR("0a4f113b")};
	buf_init(&b, line, sizeof(line) - 1);
	buf_lit(&b, "Authorization: ");
	EXPECT_ERR(digest_write(&b, &u), OK);
	buf_lit(&b, "\r\n");
	line[b.len] = 0;
	return line;
}

static bool log_in(const struct flow *f, const char *password)
{
	send(f, "REGISTER", "bob", "");
	if (!site_is(site_sent(&t, 0), "SIP/2.0 401"))
		return false;
	char line[1024];
	snprintf(line, sizeof(line), "%s", answer(password));
	send(f, "REGISTER", "bob", line);
	return site_is(site_sent(&t, 0), "SIP/2.0 200");
}

static void a_scanner_that_proves_nothing_is_in_quarantine_and_not_banned(void **state)
{
	static const struct {
		const char *name, *method;
	} rows[] = {
		{"one who asks what there is", "OPTIONS"},
		{"one who calls everyone", "INVITE"},
		{"one who registers as everyone", "REGISTER"},
		{"one who speaks of what nobody knows", "FROBNICATE"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start();
		t.realm_rules[SITE_OUTSIDE].admission.drop_unknown = true;
		scan(&scanner, rows[i].method, STRIKES);
		check_true(!is_held(&scanner), rows[i].name, __FILE__, __LINE__);
		scan(&scanner, rows[i].method, STRIKES + 1);
		check_true(is_held(&scanner) && !is_banned(&scanner), rows[i].name, __FILE__,
			   __LINE__);
		EXPECT_INT(t.rec.notices[NOTICE_BAN], 1);
		/* One more is dropped unread, over UDP alone, and counted by this name. */
		const size_t drops = t.rec.drops[NOTICE_DROP_QUARANTINE];
		send(&scanner, "OPTIONS", "x", "");
		EXPECT_INT(site_sent_count(&t), 0);
		EXPECT_INT(t.rec.drops[NOTICE_DROP_QUARANTINE], drops + 1);
		EXPECT_STR(str_from(t.rec.rule), STR("strangers"));
		struct flow tls = scanner, neighbour = flow_of("192.0.2.67:5090");
		tls.id = 77;
		tls.transport = TRANSPORT_TLS;
		tls.listener = SITE_LISTEN_OUT_TLS;
		send(&tls, "OPTIONS", "x", "");
		EXPECT_INT(site_sent_count(&t), 1);
		send(&neighbour, "OPTIONS", "x", "");
		EXPECT_INT(site_sent_count(&t), 1);
		site_tick(&t, 301000);
		EXPECT_TRUE(!is_held(&scanner));
		finish();
	}
}

static void a_request_that_is_repeated_and_a_user_that_asks_again_count_once(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 3 * STRIKES; i++) {
		counter = 7;
		send(&scanner, "INVITE", "x", "");
	}
	EXPECT_TRUE(!is_held(&scanner));
	for (unsigned i = 0; i < 3 * STRIKES; i++)
		send(&phone, "REGISTER", "bob", "");
	EXPECT_TRUE(!is_held(&scanner));
	finish();
}

static void a_phone_whose_address_scans_comes_in_and_ends_the_quarantine(void **state)
{
	(void)state;
	start();
	scan(&scanner, "REGISTER", 2 * STRIKES + 2);
	EXPECT_TRUE(is_held(&phone));
	/* The one who scans in its name goes on, at one port and at many. */
	for (unsigned i = 0; i < 100; i++) {
		scanner.remote.port = (uint16_t)(5090 + i % 50);
		send(&scanner, "REGISTER", user_of(i), "");
	}
	EXPECT_TRUE(log_in(&phone, "sesame"));
	EXPECT_TRUE(!is_held(&phone) && !is_banned(&phone));
	/* From now on nobody can bring that about again, and it may call. */
	scan(&scanner, "OPTIONS", 5 * STRIKES);
	scan(&scanner, "INVITE", 5 * STRIKES);
	EXPECT_TRUE(!is_held(&phone));
	send(&phone, "INVITE", "bob", "");
	EXPECT_TRUE(site_is(&t.rec.sends[0], "SIP/2.0 100")); /* a stranger gets none */
	EXPECT_INT(t.rec.notices[NOTICE_BAN], 2);
	finish();
}

static void a_wrong_password_and_an_invented_answer_end_no_quarantine(void **state)
{
	(void)state;
	start();
	scan(&scanner, "OPTIONS", STRIKES + 1);
	EXPECT_TRUE(is_held(&scanner) && !log_in(&phone, "guess") && is_held(&scanner));
	/* Heard, since it answers us; what only looks like an answer waits for its port's turn. */
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 401"));
	char line[1024];
	snprintf(line, sizeof(line), "%s", answer("guess"));
	char *nonce = strstr(line, "nonce=\"");
	EXPECT_TRUE(nonce != NULL);
	nonce[9] = nonce[9] == 'a' ? 'b' : 'a';
	send(&phone, "REGISTER", "bob", line);
	EXPECT_INT(site_sent_count(&t), 0);
	EXPECT_TRUE(is_held(&scanner));
	finish();
}

static void each_port_is_heard_once_in_two_seconds(void **state)
{
	(void)state;
	start();
	scan(&scanner, "OPTIONS", STRIKES + 1);
	for (unsigned i = 0; i < 6; i++) {
		send(&phone, "REGISTER", "bob", "");
		EXPECT_INT(site_sent_count(&t), i % 3 == 0);
		send(&phone, "OPTIONS", "bob", "");
		EXPECT_INT(site_sent_count(&t), 0);
		site_tick(&t, 700);
	}
	finish();
}

/* The ACK of what was sent last to who sent INVITE number `counter`. */
static void acknowledge(const struct flow *f, const char *user, const char *to)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "ACK sip:example.net SIP/2.0\r\nVia: SIP/2.0/UDP "
		 "192.0.2.66;branch=z9hG4bK-%u;rport\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:%s@example.net>;tag=f%u\r\nTo: %s\r\n"
		 "Call-ID: c-%u\r\nCSeq: %u ACK\r\nContent-Length: 0\r\n\r\n",
		 counter, user, counter, to, counter, counter);
	site_message(&t, f, text);
}

static void who_acknowledges_our_refusals_has_proved_where_it_is_and_is_banned(void **state)
{
	(void)state;
	const unsigned most = STRIKES / 2 + 1;
	start();
	for (unsigned i = 0; i <= most; i++) {
		EXPECT_TRUE(!is_banned(&scanner));
		send(&scanner, "INVITE", user_of(i), "");
		EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 403"));
		char to[256];
		snprintf(to, sizeof(to), "%s", site_header(site_sent(&t, 0), "To"));
		for (int again = 0; again < 3; again++) /* one that is repeated is one */
			acknowledge(&scanner, user_of(i), to);
	}
	EXPECT_TRUE(is_banned(&scanner) && !is_held(&scanner));
	finish();
}

static void an_acknowledgement_proves_nothing_of_another_address_or_request(void **state)
{
	(void)state;
	start();
	const struct flow victim = flow_of("192.0.2.77:5060");
	char to[256];
	for (unsigned i = 0; i < 4 * STRIKES; i++) {
		site_tick(&t, 5000); /* slow enough to be in no quarantine */
		send(&scanner, "INVITE", user_of(i), "");
		snprintf(to, sizeof(to), "%s", site_header(site_sent(&t, 0), "To"));
		acknowledge(&victim, user_of(i), to); /* sent in another's name */
		counter++;
		acknowledge(&scanner, user_of(i), to); /* of a request that never was */
		counter--;
		acknowledge(&scanner, user_of(i), "<sip:x@example.net>;tag=invented");
	}
	EXPECT_TRUE(!is_banned(&victim) && !is_banned(&scanner));
	finish();
}

static void trunks_registered_users_and_the_allow_list_are_never_in_quarantine(void **state)
{
	(void)state;
	struct prefix allowed;
	start();
	EXPECT_ERR(prefix_parse(STR("192.0.2.99/32"), &allowed), OK);
	t.set.policy.bans.allow = &allowed;
	t.set.policy.bans.allow_count = 1;
	t.realm_rules[SITE_OUTSIDE].admission.drop_unknown = true;
	EXPECT_TRUE(log_in(&phone, "sesame"));
	site_tick(&t, 1000);
	const struct flow rows[] = {t.outside, phone, flow_of("192.0.2.99:5060"),
				    flow_of("10.0.0.21:5060")};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		scan(&rows[i], "FROBNICATE", 4 * STRIKES);
		EXPECT_TRUE(!is_held(&rows[i]));
	}
	finish();
}

static void a_right_password_spares_its_address_for_an_hour(void **state)
{
	(void)state;
	struct sbc_counts c;
	start();
	EXPECT_TRUE(log_in(&phone, "sesame"));
	site_tick(&t, 1200 * 1000);
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.registrations, 0);
	scan(&scanner, "OPTIONS", 5 * STRIKES);
	EXPECT_TRUE(!is_held(&phone));
	site_tick(&t, 2500 * 1000);
	scan(&scanner, "OPTIONS", 2 * STRIKES);
	EXPECT_TRUE(is_held(&phone));
	finish();
}

static void what_others_know_of_bans_holds_no_quarantine(void **state)
{
	(void)state;
	struct ban v;
	uint32_t cursor = 0;
	start();
	scan(&scanner, "OPTIONS", STRIKES + 1);
	const struct ban_time now = {t.now_ms, 1700000000000};
	EXPECT_TRUE(sbc_next_ban(t.sbc, now, false, &cursor, &v));
	EXPECT_INT(v.mode, BAN_QUARANTINE);
	EXPECT_TRUE(!v.flood);
	EXPECT_INT(sbc_import_ban(t.sbc, &v, now), BAN_NAMELESS);
	finish();
}

static void without_the_rule_nothing_is_counted(void **state)
{
	(void)state;
	start();
	t.set.policy.bans.strangers.count = 0;
	scan(&scanner, "OPTIONS", 10 * STRIKES);
	EXPECT_TRUE(!is_held(&scanner));
	EXPECT_TRUE(!t.sbc->quarantine.suspects.entries);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_scanner_that_proves_nothing_is_in_quarantine_and_not_banned),
		cmocka_unit_test(a_request_that_is_repeated_and_a_user_that_asks_again_count_once),
		cmocka_unit_test(a_phone_whose_address_scans_comes_in_and_ends_the_quarantine),
		cmocka_unit_test(a_wrong_password_and_an_invented_answer_end_no_quarantine),
		cmocka_unit_test(each_port_is_heard_once_in_two_seconds),
		cmocka_unit_test(
			who_acknowledges_our_refusals_has_proved_where_it_is_and_is_banned),
		cmocka_unit_test(an_acknowledgement_proves_nothing_of_another_address_or_request),
		cmocka_unit_test(
			trunks_registered_users_and_the_allow_list_are_never_in_quarantine),
		cmocka_unit_test(a_right_password_spares_its_address_for_an_hour),
		cmocka_unit_test(what_others_know_of_bans_holds_no_quarantine),
		cmocka_unit_test(without_the_rule_nothing_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
