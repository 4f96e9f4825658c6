#include "sbc/core/reg.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/site.h"

enum { USERS = SITE_TRUNKS, TRUNKS };

static struct site t; /* large; each test starts it afresh */
static struct trunk trunks[TRUNKS];
static struct trunk_rule rules[TRUNKS];
static struct route_rule routes[5];
static struct users users;
static const struct str domains[] = {{"example.net", 11}};
static const struct user_account accounts[] = {{{"alice", 5}, {"secret", 6}},
					       {{"bob", 3}, {"sesame", 6}}};
static struct flow phone, phone2; /* TLS, with a connection */

static void init(void)
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
			       .registrar = SITE_PBX,
			       .from_user_s = 60,
			       .to_registrar_s = 600,
			       .sessions = 2,
			       .contacts = 3,
			       .accounts = accounts,
			       .account_count = 2,
			       .route_to_users = 3,
			       .route_to_registrar = 4};
	trunks[USERS] = (struct trunk){.name = users.name,
				       .users = &users,
				       .realm = SITE_OUTSIDE,
				       .habits.methods = ~0u,
				       .certificate = SETTINGS_NO_INDEX,
				       .verify = SETTINGS_NO_INDEX,
				       .tls_verify = true};
	trunks[SITE_PBX].habits.methods = ~0u;
	rules[USERS] = (struct trunk_rule){.name = users.name, .realm = SITE_OUTSIDE};
	/* out: from pbx and phones; the PBX reaches phones by number, too. */
	routes[0] = (struct route_rule){.name = STR("from-phones"),
					.from_trunks = {USERS},
					.from_trunk_count = 1,
					.to = {SITE_PBX},
					.to_count = 1};
	routes[1] = (struct route_rule){.name = STR("to-phones"),
					.from_trunks = {SITE_PBX},
					.from_trunk_count = 1,
					.domains = {STR("example.net"), STR("10.0.0.1")},
					.domain_count = 2,
					.to = {USERS},
					.to_count = 1,
					.failure_codes = {486},
					.failure_code_count = 1};
	routes[3] = (struct route_rule){
		.name = users.name, .to = {USERS}, .to_count = 1, .failure_after_ms = 4000};
	routes[4] = (struct route_rule){
		.name = users.name,
		.to = {SITE_PBX},
		.to_count = 1,
		.failure_codes = {503, ROUTE_CAUSE_TIMEOUT, ROUTE_CAUSE_CONNECT},
		.failure_code_count = 3,
		.failure_after_ms = 4000,
		.tries = 3};
	t.set.trunks = trunks;
	t.set.trunk_count = TRUNKS;
	t.set.policy.trunks = rules;
	t.set.policy.trunk_count = TRUNKS;
	t.set.policy.routes = routes;
	t.set.policy.route_count = 2;
	t.set.users = &users;
	t.set.users_count = 1;
	t.set.limits.registrations = 16;
	phone = (struct flow){
		.id = 77, .listener = SITE_LISTEN_OUT_TLS, .transport = TRANSPORT_TLS};
	CHECK(addr_parse(STR("192.0.2.50:40001"), &phone.remote) == OK);
	phone2 = phone;
	phone2.id = 78;
	CHECK(addr_parse(STR("192.0.2.51:40001"), &phone2.remote) == OK);
}

static void start(void)
{
	init();
	site_start(&t);
}

static uint32_t registrations(void)
{
	struct sbc_counts c;

	sbc_count(t.sbc, &c);
	return c.registrations;
}

/* Nothing is left when all has run out. */
static void finish(void)
{
	struct sbc_counts c;

	t.rec.quiet = true;
	site_tick(&t, 4000000);
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.requests, 0);
	EXPECT_INT(c.registrations, 0);
	EXPECT_INT(c.client_transactions, 0);
	EXPECT_INT(c.server_transactions, 0);
	EXPECT_INT(c.timers, 0);
	EXPECT_INT(c.calls, 0);
	site_stop(&t);
}

#define EXPECT_SENT(n, start) check_true(sent(n, start), "sent " #n ": " start, __FILE__, __LINE__)

static bool sent(size_t before, const char *start)
{
	if (site_is(site_sent(&t, before), start))
		return true;
	site_dump(&t);
	return false;
}

static void reg_as(const struct flow *f, const char *to, const char *from, unsigned cseq,
		   const char *extra)
{
	snprintf(t.text, sizeof(t.text),
		 "REGISTER sip:example.net SIP/2.0\r\n"
		 "Via: SIP/2.0/TLS 192.168.0.5;branch=z9hG4bK-%s-%u-%u;rport\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:%s@example.net>;tag=x\r\nTo: "
		 "<sip:%s@example.net>\r\n"
		 "Call-ID: r-%s-%u@phone\r\nCSeq: %u REGISTER\r\n%sContent-Length: 0\r\n\r\n",
		 to, (unsigned)f->id, cseq, from, to, to, (unsigned)f->id, cseq, extra);
	site_message(&t, f, t.text);
}

static void reg(const struct flow *f, const char *user, unsigned cseq, const char *extra)
{
	reg_as(f, user, user, cseq, extra);
}

#define CONTACT "Contact: <sip:alice@192.168.0.5:5061;transport=tls>\r\n"

/* The user part of the Contact that the registrar was told. */
static const char *token_of(const struct rec_send *m)
{
	static char out[64];
	const char *c = site_header(m, "Contact");

	out[0] = 0;
	if (strncmp(c, "<sip:", 5) == 0)
		snprintf(out, sizeof(out), "%.*s", (int)strcspn(c + 5, "@"), c + 5);
	return out;
}

/* The registrar's 200, with so many seconds for our contact. */
static void grant(const struct rec_send *r, unsigned seconds)
{
	char extra[256];

	snprintf(extra, sizeof(extra),
		 "Contact: <sip:other@10.0.0.77>;expires=9\r\n"
		 "Contact: <sip:%s@10.0.0.1:5060>;expires=%u\r\n",
		 token_of(r), seconds);
	site_answer(&t, r, 200, "reg", extra, NULL);
}

/* Registered over the registrar. Out: our REGISTER. */
static struct rec_send registered(const struct flow *f, const char *user, const char *contact)
{
	char extra[512];

	snprintf(extra, sizeof(extra), "Contact: <%s>\r\nExpires: 3600\r\n", contact);
	reg(f, user, 1, extra);
	struct rec_send r = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&r, "REGISTER sip:example.net SIP/2.0"));
	grant(&r, 600);
	EXPECT_SENT(0, "SIP/2.0 200");
	ports_rec_clear(&t.rec);
	return r;
}

static void close_flow(id_t64 id)
{
	struct event e = {.type = EVENT_FLOW_CLOSED};

	e.closed.flow = id;
	site_event(&t, &e);
}

static void the_challenge_of_the_registrar_crosses_and_so_does_its_answer(void **state)
{
	(void)state;
	start();
	reg(&phone, "alice", 1, CONTACT "Expires: 3600\r\n");
	struct rec_send r = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&r, "REGISTER sip:example.net SIP/2.0\r\n"));
	EXPECT_TRUE(r.dest.flow.remote.port == 5060);
	EXPECT_Z(str_from(site_header(&r, "To")), "<sip:alice@example.net>");
	EXPECT_TRUE(!site_has(&r, "192.") && !site_has(&r, "phone"));
	EXPECT_TRUE(
		strstr(site_header(&r, "Contact"), "@10.0.0.1:5060>;expires=600") ||
		strstr(site_header(&r, "Contact"), "@10.0.0.1:5060;transport=udp>;expires=600"));
	site_answer(&t, &r, 401, "reg",
		    "WWW-Authenticate: Digest realm=\"example.net\", nonce=\"n,1\", "
		    "domain=\"sip:10.0.0.21\", qop=\"auth\", algorithm=MD5\r\n",
		    NULL);
	EXPECT_SENT(0, "SIP/2.0 401");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "WWW-Authenticate")),
		 "Digest realm=\"example.net\", nonce=\"n,1\", qop=\"auth\", algorithm=MD5");
	EXPECT_INT(registrations(), 0); /* nothing is kept of who has not been let in */
	reg(&phone, "alice", 2,
	    CONTACT
	    "Expires: 3600\r\nAuthorization: Digest username=\"alice\", uri=\"sip:example.net\", "
	    "response=\"0123\"\r\n");
	r = *site_sent(&t, 0);
	EXPECT_Z(str_from(site_header(&r, "Authorization")),
		 "Digest username=\"alice\", uri=\"sip:example.net\", response=\"0123\"");
	grant(&r, 500);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	/* The user's own contact, for a shorter time; nothing of the registrar's. */
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Contact")),
		 "<sip:alice@192.168.0.5:5061;transport=tls>;expires=60");
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "10.0.0.") && !site_has(site_sent(&t, 0), "other"));
	EXPECT_INT(registrations(), 1);
	finish();
}

static void refreshes_between_are_answered_by_us_over_the_same_flow_alone(void **state)
{
	(void)state;
	start();
	struct rec_send first =
		registered(&phone, "alice", "sip:alice@192.168.0.5:5061;transport=tls");
	site_tick(&t, 50000);
	reg(&phone, "alice", 2, CONTACT "Expires: 3600\r\n");
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Contact")),
		 "<sip:alice@192.168.0.5:5061;transport=tls>;expires=60");
	/* Sent again: the answer was lost. */
	reg(&phone, "alice", 2, CONTACT "Expires: 3600\r\n");
	EXPECT_SENT(0, "SIP/2.0 200");
	/* An older one that comes late changes nothing. */
	reg(&phone, "alice", 1, CONTACT "Expires: 3600\r\n");
	EXPECT_SENT(0, "SIP/2.0 500");
	/* The same from elsewhere: the registrar is to ask for the password. */
	ports_rec_clear(&t.rec);
	reg(&phone2, "alice", 9, CONTACT "Expires: 3600\r\n");
	struct rec_send r = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&r, "REGISTER sip:example.net"));
	/* The same series towards the registrar, under the same token. */
	EXPECT_Z(str_from(site_header(&r, "Call-ID")), site_header(&first, "Call-ID"));
	char want[64];
	snprintf(want, sizeof(want), "%s", token_of(&first));
	EXPECT_Z(str_from(token_of(&r)), want);
	site_answer(&t, &r, 403, "reg", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 403");
	EXPECT_INT(registrations(), 1);
	finish();
}

static void the_registrar_hears_of_it_before_its_time_is_over(void **state)
{
	(void)state;
	start();
	registered(&phone, "alice", "sip:alice@192.168.0.5:5061;transport=tls");
	unsigned asked = 0;
	for (unsigned i = 2; i < 22; i++) {
		site_tick(&t, 50000);
		ports_rec_clear(&t.rec);
		reg(&phone, "alice", i, CONTACT "Expires: 3600\r\n");
		struct rec_send r = *site_sent(&t, 0);
		if (site_is(&r, "REGISTER")) {
			asked++;
			grant(&r, 600);
		}
		EXPECT_SENT(0, "SIP/2.0 200");
	}
	EXPECT_TRUE(asked == 2); /* in 1000 s, of 600 s each, 120 s before the end */
	EXPECT_INT(registrations(), 1);
	/* The phone goes silent. */
	site_tick(&t, 60000 + REG_GRACE_MS + 100);
	EXPECT_INT(registrations(), 0);
	finish();
}

struct refusal {
	const char *name, *to, *from, *extra;
	const char *want, *line;
};

static void what_may_not_register_is_refused_before_the_registrar_hears_of_it(void **state)
{
	(void)state;
	static const struct refusal rows[] = {
		{"too short a time", "alice", "alice", CONTACT "Expires: 5\r\n", "SIP/2.0 423",
		 "Min-Expires: 30\r\n"},
		{"for somebody else", "alice", "mallory", CONTACT, "SIP/2.0 403", NULL},
		{"a star with a time", "alice", "alice", "Contact: *\r\nExpires: 60\r\n",
		 "SIP/2.0 400", NULL},
		{"a star with a contact", "alice", "alice",
		 "Contact: *\r\n" CONTACT "Expires: 0\r\n", "SIP/2.0 400", NULL},
		{"numbers in bulk", "alice", "alice", "Contact: <sip:192.168.0.5;bnc>\r\n",
		 "SIP/2.0 403", NULL},
		{"numbers in bulk, demanded", "alice", "alice",
		 "Require: gin\r\nContact: <sip:192.168.0.5;bnc>\r\n", "SIP/2.0 420",
		 "Unsupported: gin"},
		{"four contacts where three are allowed", "alice", "alice",
		 "Contact: <sip:a@1.2.3.4>, <sip:b@1.2.3.4>, <sip:c@1.2.3.4>, <sip:d@1.2.3.4>\r\n",
		 "SIP/2.0 403", NULL},
		{"a contact that is no SIP address", "alice", "alice",
		 "Contact: <mailto:alice@example.net>\r\n", "SIP/2.0 400", NULL},
		{"outbound through a proxy that does not keep flows", "alice", "alice",
		 "Via: SIP/2.0/TLS 192.168.0.9;branch=z9hG4bK-p\r\nSupported: path, outbound\r\n"
		 "Contact: <sip:a@1.2.3.4>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n",
		 "SIP/2.0 439", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start();
		reg_as(&phone, rows[i].to, rows[i].from, 1, rows[i].extra);
		const struct rec_send *a = site_sent(&t, 0);
		if (site_sent_count(&t) != 1 || !site_is(a, rows[i].want) ||
		    (rows[i].line && !site_has(a, rows[i].line))) {
			site_dump(&t);
			check_true(false, rows[i].name, __FILE__, __LINE__);
		}
		EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 1);
		finish();
	}
}

static void another_domain_is_none_of_ours(void **state)
{
	(void)state;
	start();
	snprintf(
		t.text, sizeof(t.text),
		"REGISTER sip:evil.example SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK-e;rport\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:a@evil.example>;tag=x\r\nTo: "
		"<sip:a@evil.example>\r\n"
		"Call-ID: e\r\nCSeq: 1 REGISTER\r\n" CONTACT "Content-Length: 0\r\n\r\n");
	site_message(&t, &phone, t.text);
	EXPECT_SENT(0, "SIP/2.0 403");
	EXPECT_INT(site_sent_count(&t), 1);
	/* On a side where nobody registers. */
	ports_rec_clear(&t.rec);
	site_request(&t, &t.inside, "REGISTER", CONTACT);
	EXPECT_SENT(0, "SIP/2.0 405");
	finish();
}

static void a_thousand_contacts_cost_a_403(void **state)
{
	(void)state;
	static char big[70000];
	size_t n = 0;
	start();
	n += (size_t)snprintf(
		big, sizeof(big),
		"REGISTER sip:example.net SIP/2.0\r\nVia: SIP/2.0/TLS "
		"h;branch=z9hG4bK-b;rport\r\nMax-Forwards: 70\r\nFrom: "
		"<sip:alice@example.net>;tag=x\r\nTo: <sip:alice@example.net>\r\nCall-ID: "
		"b\r\nCSeq: 1 REGISTER\r\n");
	for (int i = 0; i < 100; i++) {
		n += (size_t)snprintf(big + n, sizeof(big) - n, "Contact: <sip:c%d@1.2.3.4>", i);
		for (int k = 0; k < 9; k++)
			n += (size_t)snprintf(big + n, sizeof(big) - n, ",<sip:c%d-%d@1.2.3.4>", i,
					      k);
		n += (size_t)snprintf(big + n, sizeof(big) - n, "\r\n");
	}
	snprintf(big + n, sizeof(big) - n, "Content-Length: 0\r\n\r\n");
	site_message(&t, &phone, big);
	EXPECT_SENT(0, "SIP/2.0 403");
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_INT(registrations(), 0);
	finish();
}

static void caps_of_user_source_and_node_hold(void **state)
{
	(void)state;
	init();
	t.set.limits.registrations = 4;
	t.set.limits.registrations_per_source = 3;
	site_start(&t);
	registered(&phone, "alice", "sip:1@192.168.0.5");
	reg(&phone, "alice", 2, "Contact: <sip:2@192.168.0.5>, <sip:3@192.168.0.5>\r\n");
	struct rec_send r = *site_sent(&t, 0);
	site_answer(&t, &r, 200, "reg", "Expires: 600\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_INT(registrations(), 3);
	reg(&phone2, "alice", 3, "Contact: <sip:4@192.168.0.5>\r\n"); /* per user */
	EXPECT_SENT(0, "SIP/2.0 403");
	reg(&phone, "bob", 1, "Contact: <sip:4@192.168.0.5>\r\n"); /* per source */
	EXPECT_SENT(0, "SIP/2.0 403");
	registered(&phone2, "bob", "sip:b@192.168.0.6");
	reg(&phone2, "carol", 1, "Contact: <sip:c@192.168.0.6>\r\n"); /* all */
	EXPECT_SENT(0, "SIP/2.0 503");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Retry-After:"));
	EXPECT_INT(registrations(), 4);
	finish();
}

static void contacts_are_taken_back_one_by_one_and_all_at_once(void **state)
{
	(void)state;
	start();
	struct rec_send first = registered(&phone, "alice", "sip:1@192.168.0.5");
	char token[64];
	snprintf(token, sizeof(token), "%s", token_of(&first));
	registered(&phone2, "alice", "sip:2@192.168.0.6");
	EXPECT_INT(registrations(), 2);
	reg(&phone, "alice", 3, "Contact: <sip:1@192.168.0.5>;expires=0\r\n");
	struct rec_send r = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&r, "REGISTER"));
	EXPECT_Z(str_from(token_of(&r)), token);
	EXPECT_TRUE(strstr(site_header(&r, "Contact"), ";expires=0") != NULL);
	site_answer(&t, &r, 200, "reg", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Contact")),
		 "<sip:2@192.168.0.6>;expires=60");
	EXPECT_INT(registrations(), 1);
	reg(&phone, "alice", 4, "Contact: *\r\nExpires: 0\r\n");
	r = *site_sent(&t, 0);
	EXPECT_Z(str_from(site_header(&r, "Contact")), "*");
	EXPECT_Z(str_from(site_header(&r, "Expires")), "0");
	site_answer(&t, &r, 200, "reg", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_INT(registrations(), 0);
	/* One goes and another comes in the same REGISTER. */
	site_tick(&t, 40000);
	registered(&phone, "alice", "sip:1@192.168.0.5");
	reg(&phone, "alice", 5,
	    "Contact: <sip:1@192.168.0.5>;expires=0, <sip:9@192.168.0.5>;expires=90;q=0.5\r\n");
	r = *site_sent(&t, 0);
	site_answer(&t, &r, 200, "reg", "Expires: 600\r\n", NULL);
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Contact")),
		 "<sip:9@192.168.0.5>;expires=60;q=0.500");
	EXPECT_INT(registrations(), 1);
	finish();
}

static void the_registrars_least_time_is_asked_for(void **state)
{
	(void)state;
	start();
	reg(&phone, "alice", 1, CONTACT);
	struct rec_send r = *site_sent(&t, 0);
	site_answer(&t, &r, 423, "reg", "Min-Expires: 1800\r\n", NULL);
	r = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&r, "REGISTER"));
	EXPECT_TRUE(strstr(site_header(&r, "Contact"), ";expires=1800") != NULL);
	grant(&r, 1800);
	EXPECT_SENT(0, "SIP/2.0 200");
	finish();
}

static void unknown_users_and_wrong_passwords_are_answered_alike(void **state)
{
	(void)state;
	static const int statuses[] = {403, 404, 410, 604};
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		start();
		reg(&phone, "alice", 1, CONTACT);
		struct rec_send r = *site_sent(&t, 0);
		site_answer(&t, &r, statuses[i], "reg", NULL, NULL);
		EXPECT_SENT(0, "SIP/2.0 403");
		finish();
	}
	/* The same when we ask for the password. */
	start();
	users.local = true;
	char answer[2][256];
	static const char *const names[2] = {"alice", "nobody"};
	for (int i = 0; i < 2; i++) {
		char extra[1024];
		reg(&phone, names[i], 1, CONTACT);
		EXPECT_SENT(0, "SIP/2.0 401");
		const char *c = site_header(site_sent(&t, 0), "WWW-Authenticate");
		const char *nonce = strstr(c, "nonce=\"");
		EXPECT_TRUE(nonce != NULL);
		snprintf(extra, sizeof(extra),
			 CONTACT
			 "Authorization: Digest username=\"%s\", realm=\"example.net\", %.*s\", "
			 "uri=\"sip:example.net\", algorithm=SHA-256, qop=auth, nc=00000001, "
			 "cnonce=\"c\", response=\"%064d\"\r\n",
			 names[i], (int)strcspn(nonce + 7, "\"") + 7, nonce, 0);
		reg(&phone, names[i], 2, extra);
		const struct rec_send *a = site_sent(&t, 0);
		snprintf(answer[i], sizeof(answer[i]), "%.12s %d", a->bytes,
			 (int)site_has(a, "stale=true"));
	}
	EXPECT_Z(str_from(answer[0]), answer[1]);
	EXPECT_TRUE(strncmp(answer[0], "SIP/2.0 401", 11) == 0);
	EXPECT_INT(registrations(), 0);
	finish();
}

/* ---- calls */

static const char *invite_extra = ""; /* headers of the next invite() */

static void invite(const struct flow *f, const char *uri, const char *from, const char *id)
{
	snprintf(t.text, sizeof(t.text),
		 "INVITE %s SIP/2.0\r\nVia: SIP/2.0/%s h;branch=z9hG4bK-i%s;rport\r\nMax-Forwards: "
		 "70\r\n"
		 "From: <%s>;tag=f%s\r\nTo: <%s>\r\nCall-ID: i%s\r\nCSeq: 1 INVITE\r\n"
		 "Contact: <sip:x@192.168.0.5>\r\n%sContent-Type: application/sdp\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 uri, f->transport == TRANSPORT_TLS ? "TLS" : "UDP", id, from, id, uri, id,
		 invite_extra, strlen(SITE_SDP_IN), SITE_SDP_IN);
	invite_extra = "";
	site_message(&t, f, t.text);
}

/* The INVITE that went out is refused; nothing stays. */
static void refuse_call(const struct rec_send *i)
{
	site_answer(&t, i, 603, "x", NULL, NULL);
	for (size_t n = 0; n < t.rec.relay_count; n++)
		if (strcmp(t.rec.relays[n].command, "delete") == 0)
			site_relay_to(&t, t.rec.relays[n].id, NULL);
}

static void a_call_to_our_contact_goes_down_the_users_flow(void **state)
{
	(void)state;
	start();
	struct rec_send r = registered(&phone, "alice", "sip:alice@192.168.0.5:5061;transport=tls");
	char uri[128];
	snprintf(uri, sizeof(uri), "sip:%s@10.0.0.1:5060", token_of(&r));
	invite(&t.inside, uri, "sip:77@10.0.0.21", "1");
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send i = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&i, "INVITE sip:alice@192.168.0.5:5061;transport=tls SIP/2.0"));
	EXPECT_U64(i.dest.flow.id, phone.id);
	EXPECT_TRUE(!i.dest.reconnect && i.dest.flow.remote.port == 40001);
	EXPECT_Z(str_from(site_header(&i, "To")), "<sip:alice@example.net>");
	EXPECT_TRUE(!site_has(&i, "10.0.0."));
	site_answer(&t, &i, 180, "p", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 180");
	refuse_call(&i);
	t.rec.cdr[t.rec.cdr_len] = 0;
	EXPECT_TRUE(strstr(t.rec.cdr, "alice") && !strstr(t.rec.cdr, token_of(&r)));
	finish();
}

/* The answer of that user to the challenge that came last. */
static const char *proof_of(const char *user, const char *password, uint32_t nc)
{
	static char line[1024];
	char value[512], mem[512];
	struct digest_challenge c;
	struct buf b;

	snprintf(value, sizeof(value), "%s", site_header(site_sent(&t, 0), "WWW-Authenticate"));
	struct str text = str_from(value);
	EXPECT_ERR(digest_challenge_cut(&text, &c), OK);
	struct digest_use use = {.challenge = &c,
				 .user = str_from(user),
				 .password = str_from(password),
				 .method = STR("INVITE"),
				 .uri = STR("sip:300@example.net"),
				 .nc = nc,
				 .cnonce = STR("abc")};
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(digest_write(&b, &use), OK);
	snprintf(line, sizeof(line), "Authorization: %.*s\r\n", STR_ARG(buf_view(&b)));
	return line;
}

/* 200: it went on to the PBX, and was refused there. */
static int outcome_of_call(const struct flow *f, const char *from, const char *id)
{
	invite(f, "sip:300@example.net", from, id);
	if (!site_is(site_sent(&t, 0), "SIP/2.0 100"))
		return site_is(site_sent(&t, 0), "SIP/2.0 401") ? 401 : 0;
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send i = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&i, "INVITE sip:300@10.0.0.21"));
	EXPECT_TRUE(!site_has(&i, "uthorization"));
	refuse_call(&i);
	return 200;
}

/* Whoever writes its address on a datagram could call at its cost, and needs no answer for that. */
static void who_has_registered_over_udp_proves_each_call(void **state)
{
	(void)state;
	struct flow udp = {.listener = SITE_LISTEN_OUT_UDP, .transport = TRANSPORT_UDP};
	struct sbc_counts before, c;
	const char *alice = "sip:alice@example.net", *proof;
	CHECK(addr_parse(STR("192.0.2.50:5060"), &udp.remote) == OK);
	start();
	registered(&udp, "alice", "sip:alice@192.0.2.50");
	registered(&phone, "bob", "sip:bob@192.168.0.5:5061;transport=tls");
	users.local = true; /* as if the passwords had been asked for */
	sbc_count(t.sbc, &before);
	EXPECT_INT(outcome_of_call(&udp, alice, "1"), 401);
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls_total, before.calls_total);
	EXPECT_INT(c.server_transactions, before.server_transactions);
	EXPECT_TRUE(site_has(site_sent(&t, 0), "realm=\"example.net\""));
	invite_extra = proof_of("alice", "secret", 1);
	EXPECT_INT(outcome_of_call(&udp, alice, "2"), 200);
	/* One password is for one user. */
	EXPECT_INT(outcome_of_call(&udp, alice, "3"), 401);
	invite_extra = proof_of("bob", "sesame", 1);
	EXPECT_INT(outcome_of_call(&udp, alice, "4"), 401);
	EXPECT_Z(str_from(t.rec.rule), "password");
	invite_extra = proof_of("alice", "wrong", 1);
	EXPECT_INT(outcome_of_call(&udp, alice, "5"), 401);
	/* Who hides its name has a password too. */
	invite_extra = proof = proof_of("alice", "secret", 2);
	EXPECT_INT(outcome_of_call(&udp, "sip:anonymous@anonymous.invalid", "6"), 200);
	invite_extra = proof;
	EXPECT_INT(outcome_of_call(&udp, alice, "7"), 401); /* heard on the way */
	/* A connection is whose it is. */
	EXPECT_INT(outcome_of_call(&phone, "sip:bob@example.net", "8"), 200);
	users.ask = USERS_ASK_ALWAYS;
	EXPECT_INT(outcome_of_call(&phone, "sip:bob@example.net", "9"), 401);
	users.ask = USERS_ASK_NEVER;
	EXPECT_INT(outcome_of_call(&udp, alice, "10"), 200);
	/* Where the registrar asks for passwords we have none. */
	users.ask = USERS_ASK_UDP;
	users.local = false;
	EXPECT_INT(outcome_of_call(&udp, alice, "11"), 200);
	finish();
}

/* It has shown that it hears us there: what strangers may be told is no measure for it. */
static void who_has_registered_is_challenged_however_short_it_asks(void **state)
{
	(void)state;
	struct flow udp = {.listener = SITE_LISTEN_OUT_UDP, .transport = TRANSPORT_UDP};
	unsigned asked = 0;
	CHECK(addr_parse(STR("192.0.2.50:5060"), &udp.remote) == OK);
	start();
	registered(&udp, "alice", "sip:alice@192.0.2.50");
	users.local = true; /* as if the password had been asked for */
	for (unsigned i = 0; i < 40; i++) {
		ports_rec_clear(&t.rec);
		snprintf(
			t.text, sizeof(t.text),
			"OPTIONS sip:example.net SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK%u\r\n"
			"Max-Forwards: 9\r\nFrom: <sip:alice@example.net>;tag=o\r\n"
			"To: <sip:example.net>\r\nCall-ID: o%u\r\nCSeq: 1 OPTIONS\r\n\r\n",
			i, i);
		site_message(&t, &udp, t.text);
		asked += site_is(site_sent(&t, 0), "SIP/2.0 401");
	}
	EXPECT_INT(asked, 40);
	finish();
}

static void a_contact_whose_flow_has_gone_is_430(void **state)
{
	(void)state;
	start();
	struct rec_send r = registered(&phone, "alice", "sip:alice@192.168.0.5:5061;transport=tls");
	char uri[128];
	snprintf(uri, sizeof(uri), "sip:%s@10.0.0.1:5060", token_of(&r));
	close_flow(78);
	EXPECT_INT(registrations(), 1);
	close_flow(77);
	EXPECT_INT(registrations(), 0);
	invite(&t.inside, uri, "sip:77@10.0.0.21", "1");
	EXPECT_SENT(0, "SIP/2.0 430 Flow Failed");
	/* Of a token that we never made nothing is known: a route decides. */
	invite(&t.inside, "sip:aaaabbbbccccddddeeeeffffgggghhhh@10.0.0.99", "sip:77@10.0.0.21",
	       "2");
	EXPECT_SENT(0, "SIP/2.0 404");
	finish();
}

static void a_flow_that_closes_while_the_registrar_thinks_is_not_registered(void **state)
{
	(void)state;
	start();
	reg(&phone, "alice", 1, CONTACT);
	struct rec_send r = *site_sent(&t, 0);
	close_flow(77);
	grant(&r, 600);
	EXPECT_INT(registrations(), 0);
	finish();
}

static void a_number_finds_its_phones_the_latest_first(void **state)
{
	(void)state;
	start();
	registered(&phone, "alice", "sip:1@192.168.0.5");
	registered(&phone2, "alice", "sip:2@192.168.0.6");
	invite(&t.inside, "sip:alice@example.net", "sip:77@10.0.0.21", "1");
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send i = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&i, "INVITE sip:2@192.168.0.6 SIP/2.0"));
	EXPECT_U64(i.dest.flow.id, phone2.id);
	site_answer(&t, &i, 486, "p", NULL, NULL);
	site_relay(&t, SITE_SDP_RELAY);
	i = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&i, "INVITE sip:1@192.168.0.5 SIP/2.0"));
	refuse_call(&i);
	/* Nobody there. */
	invite(&t.inside, "sip:bob@10.0.0.1", "sip:77@10.0.0.21", "2");
	EXPECT_SENT(0, "SIP/2.0 480");
	finish();
}

static void who_has_registered_may_call_over_that_flow(void **state)
{
	(void)state;
	start();
	invite(&phone, "sip:77@example.net", "sip:alice@example.net", "1");
	EXPECT_SENT(0, "SIP/2.0 403");
	registered(&phone, "alice", "sip:alice@192.168.0.5:5061;transport=tls");
	invite(&phone, "sip:77@example.net", "sip:alice@example.net", "2");
	EXPECT_SENT(0, "SIP/2.0 100");
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send i = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&i, "INVITE sip:77@10.0.0.21:5060"));
	EXPECT_TRUE(site_has(&i, "From: <sip:alice@example.net>") && !site_has(&i, "192.168"));
	/* Two at one time, no more. */
	invite(&phone, "sip:77@example.net", "sip:alice@example.net", "3");
	EXPECT_SENT(0, "SIP/2.0 100");
	invite(&phone, "sip:77@example.net", "sip:alice@example.net", "4");
	EXPECT_SENT(0, "SIP/2.0 403");
	refuse_call(&i);
	invite(&phone, "sip:77@example.net", "sip:alice@example.net", "5");
	EXPECT_SENT(0, "SIP/2.0 100");
	/* Nobody speaks as another (threats C12). */
	invite(&phone, "sip:77@example.net", "sip:bob@example.net", "7");
	EXPECT_SENT(0, "SIP/2.0 403");
	/* Another connection is nobody's. */
	invite(&phone2, "sip:77@example.net", "sip:alice@example.net", "6");
	EXPECT_SENT(0, "SIP/2.0 403");
	struct event stop = {.type = EVENT_STOP};
	site_event(&t, &stop);
	site_event(&t, &stop);
	finish();
}

static void messages_to_and_from_users_cross(void **state)
{
	(void)state;
	start();
	struct rec_send r = registered(&phone, "alice", "sip:alice@192.168.0.5:5061;transport=tls");
	snprintf(
		t.text, sizeof(t.text),
		"MESSAGE sip:%s@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK-m1;rport\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:77@10.0.0.21>;tag=f\r\nTo: <sip:alice@10.0.0.1>\r\n"
		"Call-ID: m1\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: "
		"2\r\n\r\nhi",
		token_of(&r));
	site_message(&t, &t.inside, t.text);
	struct rec_send m = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&m, "MESSAGE sip:alice@192.168.0.5:5061;transport=tls SIP/2.0"));
	EXPECT_U64(m.dest.flow.id, phone.id);
	EXPECT_Z(str_from(site_header(&m, "To")), "<sip:alice@example.net>");
	site_answer(&t, &m, 200, "p", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	snprintf(t.text, sizeof(t.text),
		 "MESSAGE sip:77@example.net SIP/2.0\r\nVia: SIP/2.0/TLS "
		 "h;branch=z9hG4bK-m2;rport\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:alice@example.net>;tag=f\r\nTo: "
		 "<sip:77@example.net>\r\n"
		 "Call-ID: m2\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: "
		 "2\r\n\r\nhi");
	site_message(&t, &phone, t.text);
	m = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&m, "MESSAGE sip:77@10.0.0.21:5060 SIP/2.0"));
	EXPECT_TRUE(site_has(&m, "From: <sip:alice@example.net>"));
	site_answer(&t, &m, 200, "p", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	finish();
}

/* ---- Path, outbound, reload */

static void path_is_kept_and_its_proxies_are_on_the_way_back(void **state)
{
	(void)state;
	start();
	reg(&phone, "alice", 1,
	    "Path: <sip:edge.example;lr;ob>\r\nSupported: path, outbound\r\n"
	    "Via: SIP/2.0/TLS 192.168.0.9;branch=z9hG4bK-p\r\n"
	    "Contact: <sip:a@192.168.0.5>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n");
	struct rec_send r = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&r, "REGISTER") && !site_has(&r, "edge.example"));
	char uri[128];
	snprintf(uri, sizeof(uri), "sip:%s@10.0.0.1:5060", token_of(&r));
	grant(&r, 600);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Path")), "<sip:edge.example;lr;ob>");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Require")), "outbound");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Contact")),
		 "<sip:a@192.168.0.5>;expires=60;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
	invite(&t.inside, uri, "sip:77@10.0.0.21", "1");
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send i = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&i, "INVITE sip:a@192.168.0.5 SIP/2.0"));
	EXPECT_Z(str_from(site_header(&i, "Route")), "<sip:edge.example;lr;ob>");
	refuse_call(&i);
	finish();
}

static void the_same_phone_on_a_new_flow_takes_the_place_of_the_old(void **state)
{
	(void)state;
	start();
	char extra[256];
	for (int i = 5; i < 7; i++) {
		snprintf(extra, sizeof(extra),
			 "Supported: outbound\r\nContact: <sip:a@192.168.0.%d>;"
			 "+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n",
			 i);
		reg(i == 5 ? &phone : &phone2, "alice", 1, extra);
		struct rec_send r = *site_sent(&t, 0);
		grant(&r, 600);
		EXPECT_SENT(0, "SIP/2.0 200");
		EXPECT_INT(registrations(), 1);
	}
	close_flow(77); /* the old one: nothing of it is left */
	EXPECT_INT(registrations(), 1);
	close_flow(78);
	EXPECT_INT(registrations(), 0);
	finish();
}

static void a_reload_keeps_those_whose_group_is_still_there(void **state)
{
	(void)state;
	static struct settings next;
	static struct users other[2];
	start();
	registered(&phone, "alice", "sip:alice@192.168.0.5");
	next = t.set;
	other[0] = users;
	other[0].name = STR("others");
	other[0].realm = SITE_INSIDE;
	other[1] = users;
	next.users = other;
	next.users_count = 2;
	struct event e = {.type = EVENT_SETTINGS, .settings = &next};
	site_event(&t, &e);
	EXPECT_INT(registrations(), 1);
	invite(&t.inside, "sip:alice@example.net", "sip:77@10.0.0.21", "1");
	EXPECT_SENT(0, "SIP/2.0 480"); /* the group of the test's trunk is another now */
	next.users_count = 0;
	static struct settings none;
	none = next;
	e.settings = &none;
	site_event(&t, &e);
	EXPECT_INT(registrations(), 0);
	finish();
}

static void the_password_that_we_ask_for_lets_in(void **state)
{
	(void)state;
	init();
	users.local = true;
	users.registrar = SETTINGS_NO_INDEX;
	site_start(&t);
	reg(&phone, "alice", 1, CONTACT);
	EXPECT_SENT(0, "SIP/2.0 401");
	char value[512], mem[512], extra[1024];
	snprintf(value, sizeof(value), "%s", site_header(site_sent(&t, 0), "WWW-Authenticate"));
	struct str text = str_from(value);
	struct digest_challenge c;
	EXPECT_ERR(digest_challenge_cut(&text, &c), OK);
	struct digest_use use = {.challenge = &c,
				 .user = STR("alice"),
				 .password = STR("secret"),
				 .method = STR("REGISTER"),
				 .uri = STR("sip:example.net"),
				 .nc = 1,
				 .cnonce = STR("abc")};
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(digest_write(&b, &use), OK);
	snprintf(extra, sizeof(extra), CONTACT "Authorization: %.*s\r\n", STR_ARG(buf_view(&b)));
	reg(&phone, "alice", 2, extra);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_INT(registrations(), 1);
	/* What is not to be asked with is neither offered nor taken. */
	users.no_sha256 = true;
	reg(&phone2, "alice", 1, CONTACT);
	EXPECT_SENT(0, "SIP/2.0 401");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "algorithm=MD5") &&
		    !site_has(site_sent(&t, 0), "SHA-256"));
	reg(&phone2, "alice", 2, extra);
	EXPECT_SENT(0, "SIP/2.0 401");
	users.no_sha256 = false;
	/* Its own place alone: bob's answer does not open alice's. */
	reg(&phone2, "bob", 3, extra);
	EXPECT_SENT(0, "SIP/2.0 401");
	finish();
}

static void a_late_challenge_of_a_users_register_gets_no_password_of_the_trunk(void **state)
{
	(void)state;
	init();
	trunks[SITE_PBX].credentials = (struct credentials){
		.on = true, .user = STR("trunk"), .password = STR("hush"), .realm = STR("pbx")};
	site_start(&t);
	reg(&phone, "alice", 1, CONTACT);
	struct rec_send r = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&r, "REGISTER"));
	site_tick(&t, 5000); /* the next peer is asked */
	EXPECT_SENT(0, "REGISTER");
	ports_rec_clear(&t.rec);
	site_answer(&t, &r, 401, "reg",
		    "WWW-Authenticate: Digest realm=\"pbx\", nonce=\"n1\", qop=\"auth\"\r\n", NULL);
	EXPECT_INT(site_sent_count(&t), 0);
	finish();
}

struct name_row {
	const char *name, *from, *want;
};

static void a_user_speaks_in_its_own_name_alone(void **state)
{
	(void)state;
	static const struct name_row rows[] = {
		{"its own", "sip:alice@example.net", "SIP/2.0 100"},
		{"its own, escaped", "sip:%61lice@Example.NET;user=phone", "SIP/2.0 100"},
		{"nobody's", "sip:anonymous@anonymous.invalid", "SIP/2.0 100"},
		{"another user's", "sip:bob@example.net", "SIP/2.0 403"},
		{"a number that is nobody's here", "sip:+4930555@example.net", "SIP/2.0 403"},
		{"its own at another domain", "sip:alice@example.org", "SIP/2.0 403"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start();
		registered(&phone, "alice", "sip:alice@192.168.0.5:5061;transport=tls");
		registered(&phone2, "bob", "sip:bob@192.168.0.6:5061;transport=tls");
		invite(&phone, "sip:77@example.net", rows[i].from, "1");
		check_true(sent(0, rows[i].want), rows[i].name, __FILE__, __LINE__);
		struct event stop = {.type = EVENT_STOP};
		site_event(&t, &stop);
		site_event(&t, &stop);
		finish();
	}
}

struct change_row {
	const char *name, *extra;
};

static void what_would_change_a_binding_is_not_answered_by_us(void **state)
{
	(void)state;
	static const struct change_row rows[] = {
		{"a path", CONTACT "Supported: path\r\nPath: <sip:198.51.100.66;lr>\r\n"},
		{"a preference", "Contact: <sip:alice@192.168.0.5:5061;transport=tls>;q=0.1\r\n"},
		{"an address", "Contact: <sip:alice@192.168.0.6:5061;transport=tls>\r\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start();
		registered(&phone, "alice", "sip:alice@192.168.0.5:5061;transport=tls");
		reg(&phone, "alice", 2, rows[i].extra);
		check_true(sent(0, "REGISTER"), rows[i].name, __FILE__, __LINE__);
		finish();
	}
}

static void the_least_time_that_we_name_is_the_one_that_we_take(void **state)
{
	(void)state;
	init();
	users.from_user_s = 25;
	site_start(&t);
	reg(&phone, "alice", 1, CONTACT "Expires: 20\r\n");
	EXPECT_SENT(0, "SIP/2.0 423");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Min-Expires")), "25");
	reg(&phone, "alice", 2, CONTACT "Expires: 25\r\n");
	EXPECT_SENT(0, "REGISTER");
	finish();
}

static void a_name_with_brackets_stays_within_its_own(void **state)
{
	(void)state;
	char uri[128];
	start();
	struct rec_send r = registered(&phone, "a%3E%3Bc", "sip:a@192.168.0.5");
	snprintf(uri, sizeof(uri), "sip:%s@10.0.0.1", token_of(&r));
	invite(&t.inside, uri, "sip:77@10.0.0.21", "1");
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_SENT(0, "INVITE sip:a@192.168.0.5 ");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "To")), "<sip:a%3E;c@example.net>");
	struct event stop = {.type = EVENT_STOP};
	site_event(&t, &stop);
	site_event(&t, &stop);
	finish();
}

static void a_reload_ends_those_whose_password_has_gone(void **state)
{
	(void)state;
	static const struct user_account changed[] = {{{"alice", 5}, {"other", 5}}};
	static const struct str elsewhere[] = {{"example.org", 11}};
	static struct settings next;
	static struct users now;
	for (size_t i = 0; i < 4; i++) {
		start();
		registered(&phone, "alice", "sip:alice@192.168.0.5");
		users.local = true; /* as if the password had been asked for */
		next = t.set;
		now = users;
		if (i == 1) {
			now.accounts = changed;
			now.account_count = 1;
		} else if (i == 2)
			now.account_count = 0;
		else if (i == 3)
			now.domains = elsewhere;
		next.users = &now;
		struct event e = {.type = EVENT_SETTINGS, .settings = &next};
		site_event(&t, &e);
		EXPECT_INT(registrations(), i == 0);
		finish();
	}
}

static void one_source_cannot_fill_the_table_of_requests(void **state)
{
	(void)state;
	struct sbc_counts c;
	char user[32], body[REG_BODY_MAX + 512];
	unsigned n = 0;

	start();
	t.rec.quiet = true;
	for (unsigned i = 0; i < 400; i++) {
		snprintf(user, sizeof(user), "u%u", i);
		reg(&phone, user, 1, CONTACT);
		sbc_count(t.sbc, &c);
		n = c.requests > n ? c.requests : n;
	}
	EXPECT_INT(c.requests, n);
	EXPECT_TRUE(n > 50 && n < 300);
	reg(&phone2, "bob", 1, CONTACT);
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.requests, n + 1);
	t.rec.quiet = false;
	snprintf(body, sizeof(body),
		 "REGISTER sip:example.net SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bKx\r\n"
		 "From: <sip:al@example.net>;tag=x\r\nTo: <sip:al@example.net>\r\nMax-Forwards: "
		 "9\r\n"
		 "Call-ID: r\r\nCSeq: 1 REGISTER\r\nContent-Type: text/plain\r\n"
		 "Content-Length: %d\r\n\r\n%0*d",
		 REG_BODY_MAX + 1, REG_BODY_MAX + 1, 7);
	site_message(&t, &phone2, body);
	EXPECT_SENT(0, "SIP/2.0 413");
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_challenge_of_the_registrar_crosses_and_so_does_its_answer),
		cmocka_unit_test(refreshes_between_are_answered_by_us_over_the_same_flow_alone),
		cmocka_unit_test(the_registrar_hears_of_it_before_its_time_is_over),
		cmocka_unit_test(what_may_not_register_is_refused_before_the_registrar_hears_of_it),
		cmocka_unit_test(another_domain_is_none_of_ours),
		cmocka_unit_test(a_thousand_contacts_cost_a_403),
		cmocka_unit_test(caps_of_user_source_and_node_hold),
		cmocka_unit_test(contacts_are_taken_back_one_by_one_and_all_at_once),
		cmocka_unit_test(the_registrars_least_time_is_asked_for),
		cmocka_unit_test(unknown_users_and_wrong_passwords_are_answered_alike),
		cmocka_unit_test(a_call_to_our_contact_goes_down_the_users_flow),
		cmocka_unit_test(who_has_registered_over_udp_proves_each_call),
		cmocka_unit_test(who_has_registered_is_challenged_however_short_it_asks),
		cmocka_unit_test(a_contact_whose_flow_has_gone_is_430),
		cmocka_unit_test(a_flow_that_closes_while_the_registrar_thinks_is_not_registered),
		cmocka_unit_test(a_number_finds_its_phones_the_latest_first),
		cmocka_unit_test(who_has_registered_may_call_over_that_flow),
		cmocka_unit_test(messages_to_and_from_users_cross),
		cmocka_unit_test(path_is_kept_and_its_proxies_are_on_the_way_back),
		cmocka_unit_test(the_same_phone_on_a_new_flow_takes_the_place_of_the_old),
		cmocka_unit_test(a_reload_keeps_those_whose_group_is_still_there),
		cmocka_unit_test(the_password_that_we_ask_for_lets_in),
		cmocka_unit_test(
			a_late_challenge_of_a_users_register_gets_no_password_of_the_trunk),
		cmocka_unit_test(a_user_speaks_in_its_own_name_alone),
		cmocka_unit_test(what_would_change_a_binding_is_not_answered_by_us),
		cmocka_unit_test(the_least_time_that_we_name_is_the_one_that_we_take),
		cmocka_unit_test(a_name_with_brackets_stays_within_its_own),
		cmocka_unit_test(a_reload_ends_those_whose_password_has_gone),
		cmocka_unit_test(one_source_cannot_fill_the_table_of_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
