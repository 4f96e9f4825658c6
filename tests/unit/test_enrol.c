#include "sbc/core/enrol.h"

#include <stdio.h>
#include <stdlib.h>

#include "sbc/core/digest.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

/* We register at the carrier, which has two peers. */
static struct site t;

static const struct digest_secret who = {.user = STR("4930555000"), .password = STR("Sesam-7")};

static void init(void)
{
	site_init(&t);
	t.trunks[SITE_CARRIER].peer_count = 2;
	t.trunks[SITE_CARRIER].credentials =
		(struct credentials){.on = true, .user = who.user, .password = who.password};
	t.trunks[SITE_CARRIER].enrol =
		(struct register_settings){.on = true, .user = who.user, .expires_s = 600};
}

static void start(void)
{
	init();
	site_start(&t);
}

static void finish(void)
{
	struct sbc_counts c;

	sbc_count(t.sbc, &c);
	EXPECT_INT(c.resolving, 0);
	site_stop(&t);
}

/* Time goes on until the core says something; how long that took. */
static uint64_t wait_for_word(struct rec_send *out)
{
	uint64_t from = t.now_ms;

	ports_rec_clear(&t.rec);
	for (int i = 0; i < 200000 && site_sent_count(&t) == 0; i++) {
		uint64_t next = sbc_next_ms(t.sbc);
		if (next == UINT64_MAX)
			break;
		site_tick(&t, next > t.now_ms ? next - t.now_ms : 1);
	}
	EXPECT_INT(site_sent_count(&t), 1);
	*out = *site_sent(&t, 0);
	return t.now_ms - from;
}

static struct rec_send next_register(void)
{
	struct rec_send m;

	wait_for_word(&m);
	EXPECT_TRUE(site_is(&m, "REGISTER sip:198.51.100."));
	return m;
}

/* The answer, as a registrar writes it: Contacts of its own come with `extra`. */
static void answer(const struct rec_send *m, int status, const char *extra)
{
	char text[4096];

	snprintf(text, sizeof(text),
		 "SIP/2.0 %d Word\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=r\r\nCall-ID: %s\r\nCSeq: "
		 "%s\r\n"
		 "%sContent-Length: 0\r\n\r\n",
		 status, site_header(m, "Via"), site_header(m, "From"), site_header(m, "To"),
		 site_header(m, "Call-ID"), site_header(m, "CSeq"), extra);
	ports_rec_clear(&t.rec);
	site_message(&t, &m->dest.flow, text);
}

static unsigned cseq_of(const struct rec_send *m)
{
	return (unsigned)strtoul(site_header(m, "CSeq"), NULL, 10);
}

static struct sbc_enrol_view view(void)
{
	struct sbc_enrol_view v = {.peer = 99};

	EXPECT_TRUE(sbc_enrolment(t.sbc, SITE_CARRIER, &v));
	return v;
}

#define OURS "Contact: <sip:4930555000@203.0.113.1:5060>"
#define ASK  "WWW-Authenticate: Digest realm=\"carrier.example\", nonce=\"n1\", qop=\"auth\"\r\n"

/* Registered, for so many seconds. */
static struct rec_send registered(const char *expires)
{
	char lines[256];
	struct rec_send m = next_register();

	snprintf(lines, sizeof(lines), OURS ";expires=%s\r\n", expires);
	answer(&m, 200, lines);
	EXPECT_TRUE(view().registered);
	return m;
}

static void a_trunk_with_register_is_registered_at_and_kept_so(void **state)
{
	(void)state;
	start();
	struct rec_send m = next_register(), again;
	EXPECT_TRUE(site_is(&m, "REGISTER sip:198.51.100.7 SIP/2.0\r\n"));
	EXPECT_TRUE(site_has(&m, "From: <sip:4930555000@198.51.100.7>;tag="));
	EXPECT_TRUE(site_has(&m, "To: <sip:4930555000@198.51.100.7>\r\n"));
	EXPECT_TRUE(site_has(&m, OURS "\r\n"));
	EXPECT_TRUE(site_has(&m, "Expires: 600\r\n") && site_has(&m, "Supported: path\r\n"));
	EXPECT_TRUE(!site_has(&m, "gin") && !site_has(&m, "10.0.0.") && !site_has(&m, "Sesam"));
	EXPECT_TRUE(!view().registered);
	answer(&m, 100, "");
	answer(&m, 401, ASK);
	again = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&again, "REGISTER sip:198.51.100.7 "));
	struct digest_answer a;
	EXPECT_ERR(digest_answer_parse(str_from(site_header(&again, "Authorization")), &a), OK);
	EXPECT_TRUE(digest_check(&a, STR("REGISTER"), &who));
	EXPECT_Z(str_from(site_header(&again, "Call-ID")), site_header(&m, "Call-ID"));
	EXPECT_INT(cseq_of(&again), cseq_of(&m) + 1);
	answer(&again, 200, OURS ";expires=300\r\n");
	EXPECT_TRUE(view().registered);
	EXPECT_INT(view().left_s, 300);
	EXPECT_INT(t.rec.notices[NOTICE_ENROLLED], 1);
	/* Before the 300 s have gone, with the next number and the nonce that was taken. */
	m = again;
	uint64_t ms = wait_for_word(&again);
	EXPECT_TRUE(ms >= 225000 && ms <= 255000);
	EXPECT_Z(str_from(site_header(&again, "Call-ID")), site_header(&m, "Call-ID"));
	EXPECT_INT(cseq_of(&again), cseq_of(&m) + 1);
	EXPECT_ERR(digest_answer_parse(str_from(site_header(&again, "Authorization")), &a), OK);
	EXPECT_INT(a.nc, 2);
	answer(&again, 200, OURS ";expires=300\r\n");
	EXPECT_INT(t.rec.notices[NOTICE_ENROLLED], 1); /* that is no news */
	finish();
}

static const struct {
	const char *name, *contact;
	int left;
} grants[] = {
	{"the time of our Contact counts", OURS ";expires=100\r\nExpires: 200\r\n", 100},
	{"our Contact among others",
	 "Contact: <sip:x@192.0.2.1>;expires=50, "
	 "<sip:4930555000@203.0.113.1:5060>;q=0.5;expires=90\r\n",
	 90},
	{"our Contact in a line of its own",
	 "Contact: <sip:x@192.0.2.1>;expires=50\r\n" OURS ";expires=\"80\"\r\n", 600},
	{"without one of its own that of the answer", OURS "\r\nExpires: 200\r\n", 200},
	{"without any what we asked for", OURS "\r\n", 600},
	{"a registrar that names no Contact", "Expires: 120\r\n", 120},
	{"a time that no one can mean", OURS ";expires=4294967295\r\n", 86400},
};

static void the_registrar_has_the_last_word_on_the_time(void **state)
{
	(void)state;
	CHECK_TABLE(row, grants)
	{
		start();
		struct rec_send m = next_register();
		answer(&m, 200, row->contact);
		EXPECT_TRUE(view().registered);
		EXPECT_INT(view().left_s, row->left);
		finish();
	}
}

static void an_interval_too_brief_is_asked_for_longer_once(void **state)
{
	(void)state;
	start();
	struct rec_send m = next_register();
	answer(&m, 423, "Min-Expires: 1800\r\n");
	EXPECT_INT(site_sent_count(&t), 1);
	m = *site_sent(&t, 0);
	EXPECT_TRUE(site_has(&m, "Expires: 1800\r\n"));
	answer(&m, 423, "Min-Expires: 3600\r\n"); /* it is making fun of us */
	EXPECT_INT(site_sent_count(&t), 0);
	EXPECT_Z(view().why, "interval");
	wait_for_word(&m);
	EXPECT_TRUE(site_has(&m, "Expires: 1800\r\n"));
	answer(&m, 423, "");
	EXPECT_INT(site_sent_count(&t), 0);
	EXPECT_INT(t.rec.notices[NOTICE_ENROL_FAILED], 2);
	finish();
}

/* What the first peer says; whether the second is tried at once. */
static const struct {
	const char *name;
	int status;
	const char *lines, *why;
	bool next;
} refusals[] = {
	{"503", 503, "", "unavailable", true},
	{"500", 500, "", "unavailable", true},
	{"408", 408, "", "unavailable", true},
	{"a redirect is followed to no one", 302, "Contact: <sip:192.0.2.66>\r\n", "redirected",
	 true},
	{"403 is meant for us", 403, "", "refused", false},
	{"404 is meant for us", 404, "", "refused", false},
	{"603 is meant for us", 603, "", "refused", false},
	{"a challenge that we cannot answer", 401, "WWW-Authenticate: Bearer realm=\"x\"\r\n",
	 "credentials", false},
};

static void after_a_failure_the_next_peer_is_tried_or_a_while_waited(void **state)
{
	(void)state;
	CHECK_TABLE(row, refusals)
	{
		start();
		struct rec_send m = next_register();
		answer(&m, row->status, row->lines);
		EXPECT_INT(site_sent_count(&t), row->next ? 1 : 0);
		if (row->next) {
			m = *site_sent(&t, 0);
			EXPECT_TRUE(site_is(&m, "REGISTER sip:198.51.100.8 "));
			EXPECT_INT(t.rec.notices[NOTICE_ENROL_FAILED], 0);
			answer(&m, row->status, row->lines);
			EXPECT_INT(site_sent_count(&t), 0);
		}
		EXPECT_INT(t.rec.notices[NOTICE_ENROL_FAILED], 1);
		EXPECT_Z(view().why, row->why);
		EXPECT_INT(view().status, row->status);
		EXPECT_TRUE(!view().registered);
		uint64_t ms = wait_for_word(&m);
		EXPECT_TRUE(ms >= 15000 && ms <= 30000);
		EXPECT_TRUE(site_is(&m, "REGISTER sip:198.51.100.7 "));
		finish();
	}
}

static void each_round_that_fails_doubles_the_while_up_to_half_an_hour(void **state)
{
	(void)state;
	static const unsigned most_s[] = {30, 60, 120, 240, 480, 960, 1800, 1800};
	start();
	struct rec_send m = next_register();
	bool differs = false;
	for (size_t i = 0; i < ARRAY_LEN(most_s); i++) {
		answer(&m, 403, "");
		uint64_t ms = wait_for_word(&m);
		EXPECT_TRUE(ms >= most_s[i] * 500 && ms <= most_s[i] * 1000);
		differs = differs || ms % (most_s[i] * 500) > 1000;
	}
	EXPECT_TRUE(differs); /* not all of a site's trunks at once */
	answer(&m, 403, "Retry-After: 3000 (come back later)\r\n");
	EXPECT_TRUE(wait_for_word(&m) >= 3000000);
	answer(&m, 403, "Retry-After: 4000000000\r\n");
	EXPECT_TRUE(wait_for_word(&m) <= 3600000);
	answer(&m, 200, OURS "\r\n");
	EXPECT_INT(t.rec.notices[NOTICE_ENROLLED], 1);
	wait_for_word(&m);
	answer(&m, 403, "");
	EXPECT_TRUE(wait_for_word(&m) <= 30000); /* forgiven */
	finish();
}

static void silence_and_a_broken_path_lead_to_the_next_peer(void **state)
{
	(void)state;
	start();
	struct rec_send m = next_register();
	site_failed(&t, &m, SEND_FAILURE_CONNECT);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "REGISTER sip:198.51.100.8 "));
	m = *site_sent(&t, 0);
	answer(&m, 200, OURS "\r\n");
	EXPECT_INT(view().peer, 1);
	/* The refresh goes where we are registered; when no one answers there, to the other. */
	struct rec_send again;
	wait_for_word(&again);
	EXPECT_TRUE(site_is(&again, "REGISTER sip:198.51.100.8 "));
	site_tick(&t, 32001);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "REGISTER sip:198.51.100.7 "));
	EXPECT_TRUE(view().registered); /* what was granted holds */
	m = *site_sent(&t, 0);
	answer(&m, 200, OURS "\r\n");
	EXPECT_INT(view().peer, 0);
	finish();
}

static void what_was_granted_ends_when_no_refresh_gets_through(void **state)
{
	(void)state;
	start();
	registered("40"); /* refreshed at 30 to 34 s, and not again before 45 s */
	struct rec_send m;
	wait_for_word(&m);
	answer(&m, 403, "");
	EXPECT_TRUE(view().registered);
	size_t told = t.rec.notices[NOTICE_ENROL_FAILED];
	site_tick(&t, view().left_s * 1000 + 1000);
	EXPECT_TRUE(!view().registered);
	EXPECT_INT(t.rec.notices[NOTICE_ENROL_FAILED], told + 1);
	EXPECT_Z(view().why, "expired");
	EXPECT_TRUE(wait_for_word(&m) <= 30000); /* the next round begins when it was to begin */
	finish();
}

static void at_drain_the_registration_is_taken_back(void **state)
{
	(void)state;
	start();
	struct rec_send was = registered("600"), m;
	ports_rec_clear(&t.rec);
	site_event(&t, &(struct event){.type = EVENT_DRAIN});
	EXPECT_INT(site_sent_count(&t), 1);
	m = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&m, "REGISTER sip:198.51.100.7 "));
	EXPECT_TRUE(site_has(&m, OURS "\r\n") && site_has(&m, "Expires: 0\r\n"));
	EXPECT_Z(str_from(site_header(&m, "Call-ID")), site_header(&was, "Call-ID"));
	EXPECT_TRUE(cseq_of(&m) > cseq_of(&was));
	EXPECT_TRUE(!sbc_is_quiet(t.sbc));
	answer(&m, 401, ASK);
	m = *site_sent(&t, 0);
	EXPECT_TRUE(site_has(&m, "Expires: 0\r\n") && site_has(&m, "Authorization: Digest"));
	answer(&m, 200, "");
	EXPECT_TRUE(!view().registered);
	EXPECT_INT(t.rec.notices[NOTICE_ENROL_ENDED], 1);
	EXPECT_TRUE(sbc_is_quiet(t.sbc));
	/* Nothing comes after that; a stop on top of it neither. */
	ports_rec_clear(&t.rec);
	site_event(&t, &(struct event){.type = EVENT_STOP});
	site_tick(&t, 7200000);
	EXPECT_INT(site_sent_count(&t), 0);
	EXPECT_U64(sbc_next_ms(t.sbc), UINT64_MAX);
	finish();
}

static void at_stop_a_registration_under_way_is_taken_back_too(void **state)
{
	(void)state;
	start();
	struct rec_send m = next_register();
	ports_rec_clear(&t.rec);
	site_event(&t, &(struct event){.type = EVENT_STOP});
	EXPECT_INT(site_sent_count(&t), 0);
	answer(&m, 200, OURS "\r\n");
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Expires: 0\r\n"));
	m = *site_sent(&t, 0);
	site_tick(&t, 40000); /* no one answers: so be it */
	EXPECT_INT(t.rec.notices[NOTICE_ENROL_ENDED], 1);
	EXPECT_TRUE(sbc_is_quiet(t.sbc));
	finish();
}

static void a_reload_keeps_what_stays_the_same_and_takes_back_what_has_gone(void **state)
{
	(void)state;
	start();
	registered("600");
	struct settings other = t.set;
	struct trunk trunks[SITE_TRUNKS];
	ports_rec_clear(&t.rec);
	site_event(&t, &(struct event){.type = EVENT_SETTINGS, .settings = &other});
	EXPECT_INT(site_sent_count(&t), 0);
	EXPECT_TRUE(view().registered);
	struct rec_send m;
	EXPECT_TRUE(wait_for_word(&m) >= 440000);
	/* A reload between question and answer loses neither. */
	struct settings third = t.set;
	site_event(&t, &(struct event){.type = EVENT_SETTINGS, .settings = &third});
	answer(&m, 200, OURS ";expires=500\r\n");
	EXPECT_INT(view().left_s, 500);
	/* Another user: the old one goes, the new one comes. */
	memcpy(trunks, t.trunks, sizeof(trunks));
	trunks[SITE_CARRIER].enrol.user = STR("other");
	struct settings fourth = t.set;
	fourth.trunks = trunks;
	site_event(&t, &(struct event){.type = EVENT_SETTINGS, .settings = &fourth});
	EXPECT_INT(site_sent_count(&t), 1);
	EXPECT_TRUE(site_has(site_sent(&t, 0), OURS "\r\n") &&
		    site_has(site_sent(&t, 0), "Expires: 0\r\n"));
	m = *site_sent(&t, 0);
	answer(&m, 200, "");
	EXPECT_TRUE(!view().registered);
	m = next_register();
	EXPECT_TRUE(site_has(&m, "Contact: <sip:other@203.0.113.1:5060>\r\n"));
	answer(&m, 200, "");
	/* And none at all. */
	struct trunk none[SITE_TRUNKS];
	memcpy(none, trunks, sizeof(none));
	none[SITE_CARRIER].enrol.on = false;
	struct settings fifth = t.set;
	fifth.trunks = none;
	site_event(&t, &(struct event){.type = EVENT_SETTINGS, .settings = &fifth});
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Expires: 0\r\n"));
	m = *site_sent(&t, 0);
	answer(&m, 200, "");
	struct sbc_enrol_view v;
	EXPECT_TRUE(!sbc_enrolment(t.sbc, SITE_CARRIER, &v));
	site_tick(&t, 40000);
	EXPECT_U64(sbc_next_ms(t.sbc), UINT64_MAX);
	site_stop(&t);
}

static void gin_registers_all_numbers_with_one_contact(void **state)
{
	(void)state;
	init();
	t.trunks[SITE_CARRIER].enrol.gin = true;
	t.trunks[SITE_CARRIER].enrol.domain = STR("ssp.example");
	site_start(&t);
	struct rec_send m;
	wait_for_word(&m);
	EXPECT_TRUE(site_is(&m, "REGISTER sip:ssp.example SIP/2.0\r\n"));
	EXPECT_TRUE(site_has(&m, "To: <sip:4930555000@ssp.example>\r\n"));
	EXPECT_TRUE(site_has(&m, "Contact: <sip:203.0.113.1:5060;bnc>\r\n"));
	EXPECT_TRUE(site_has(&m, "Require: gin\r\n") && site_has(&m, "Proxy-Require: gin\r\n") &&
		    site_has(&m, "Supported: path\r\n"));
	answer(&m, 401, ASK);
	m = *site_sent(&t, 0);
	EXPECT_TRUE(site_has(&m, "Authorization: Digest") && site_has(&m, ";bnc>\r\n"));
	answer(&m, 200, "Contact: <sip:203.0.113.1:5060;bnc>;expires=120\r\n");
	EXPECT_INT(view().left_s, 120);
	finish();
	/* A registrar that does not know it. */
	init();
	t.trunks[SITE_CARRIER].enrol.gin = true;
	site_start(&t);
	m = next_register();
	answer(&m, 420, "Unsupported: gin\r\n");
	EXPECT_Z(view().why, "extension");
	finish();
}

/* Whom a call is for, by the lines of the INVITE. */
static const struct {
	const char *name, *uri, *lines, *to, *want;
	bool gin;
} called[] = {
	{"the registered user, number in To", "sip:4930555000@203.0.113.1", "",
	 "<sip:+4930555123@carrier.example>", "INVITE sip:+4930555123@10.0.0.21", false},
	{"the registered user, number in P-Called-Party-ID", "sip:4930555000@203.0.113.1",
	 "P-Called-Party-ID: \"x\" <sip:+4930555124@carrier.example>\r\n",
	 "<sip:+4930555123@carrier.example>", "INVITE sip:+4930555124@10.0.0.21", false},
	{"the registered user, and nothing better", "sip:4930555000@203.0.113.1", "",
	 "<sip:carrier.example>", "INVITE sip:4930555000@10.0.0.21", false},
	{"a number of its own", "sip:+4930555125@203.0.113.1",
	 "P-Called-Party-ID: <sip:+4930555124@carrier.example>\r\n",
	 "<sip:+4930555123@carrier.example>", "INVITE sip:+4930555125@10.0.0.21", false},
	{"with GIN the Request-URI has the number", "sip:4930555000@203.0.113.1",
	 "P-Called-Party-ID: <sip:+4930555124@carrier.example>\r\n",
	 "<sip:+4930555123@carrier.example>", "INVITE sip:4930555000@10.0.0.21", true},
};

static void a_call_to_our_contact_is_for_the_number_that_was_called(void **state)
{
	(void)state;
	CHECK_TABLE(row, called)
	{
		char text[4096];
		init();
		t.trunks[SITE_CARRIER].enrol.gin = row->gin;
		site_start(&t);
		snprintf(
			text, sizeof(text),
			"INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP "
			"198.51.100.7;branch=z9hG4bK-1;rport\r\n"
			"Max-Forwards: 70\r\nFrom: <sip:+49171@x>;tag=a\r\nTo: %s\r\nCall-ID: 1\r\n"
			"CSeq: 7 INVITE\r\nContact: <sip:a@198.51.100.7>\r\n%sContent-Type: "
			"application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
			row->uri, row->to, row->lines, strlen(SITE_SDP_OUT), SITE_SDP_OUT);
		site_message(&t, &t.outside, text);
		site_relay(&t, SITE_SDP_RELAY);
		EXPECT_TRUE(site_is(site_sent(&t, 0), row->want));
		site_answer(&t, site_sent(&t, 0), 486, "b", NULL, NULL);
		site_relay(&t, NULL);
		site_stop(&t);
	}
}

static const struct {
	const char *name, *lines, *route; /* NULL: none */
} service_routes[] = {
	{"one", "Service-Route: <sip:edge.carrier.example;lr>\r\n",
	 "Route: <sip:edge.carrier.example;lr>\r\n"},
	{"several, in their order",
	 "Service-Route: <sip:a.example;lr>, \"x\" <sip:b.example;lr>\r\n"
	 "Service-Route: <sip:c.example;lr>\r\n",
	 "Route: <sip:a.example;lr>, <sip:b.example;lr>, <sip:c.example;lr>\r\n"},
	{"none", "", NULL},
	{"one that cannot be read spoils all",
	 "Service-Route: <sip:a.example;lr>, <http://b.example>\r\n", NULL},
};

static void calls_take_the_service_route_of_the_registration(void **state)
{
	(void)state;
	CHECK_TABLE(row, service_routes)
	{
		char lines[1024];
		start();
		struct rec_send m = next_register();
		snprintf(lines, sizeof(lines), OURS "\r\n%s", row->lines);
		answer(&m, 200, lines);
		site_invite(&t, SITE_PBX, "1", NULL, SITE_SDP_IN);
		site_relay(&t, SITE_SDP_RELAY);
		struct rec_send invite = *site_sent(&t, 0);
		EXPECT_TRUE(site_is(&invite, "INVITE sip:+4930555@198.51.100."));
		if (row->route)
			EXPECT_TRUE(site_has(&invite, row->route));
		else
			EXPECT_TRUE(!site_has(&invite, "\r\nRoute:"));
		site_answer(&t, &invite, 486, "b", NULL, NULL);
		site_relay(&t, NULL);
		finish();
	}
}

static void a_peer_that_is_a_name_is_asked_for_each_time(void **state)
{
	(void)state;
	static const char *const ips[] = {"198.51.100.90:5060", "198.51.100.91:5060", NULL};
	init();
	t.carrier[0].host = STR("sip.carrier.example");
	t.trunks[SITE_CARRIER].peer_count = 1;
	site_start(&t);
	site_tick(&t, 1001);
	EXPECT_INT(t.rec.resolve_count, 1);
	site_resolve(&t, ips);
	struct rec_send m = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&m, "REGISTER sip:sip.carrier.example SIP/2.0\r\n"));
	site_failed(&t, &m, SEND_FAILURE_TIMEOUT);
	EXPECT_INT(site_sent(&t, 0)->dest.flow.remote.ip[3], 91);
	m = *site_sent(&t, 0);
	answer(&m, 401, ASK); /* where the name led is the peer's */
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Authorization: Digest"));
	m = *site_sent(&t, 0);
	answer(&m, 503, "");
	EXPECT_INT(t.rec.notices[NOTICE_ENROL_FAILED], 1);
	site_tick(&t, 30001);
	EXPECT_INT(t.rec.resolve_count, 1);
	site_resolve(&t, NULL);
	EXPECT_Z(view().why, "dns");
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trunk_with_register_is_registered_at_and_kept_so),
		cmocka_unit_test(the_registrar_has_the_last_word_on_the_time),
		cmocka_unit_test(an_interval_too_brief_is_asked_for_longer_once),
		cmocka_unit_test(after_a_failure_the_next_peer_is_tried_or_a_while_waited),
		cmocka_unit_test(each_round_that_fails_doubles_the_while_up_to_half_an_hour),
		cmocka_unit_test(silence_and_a_broken_path_lead_to_the_next_peer),
		cmocka_unit_test(what_was_granted_ends_when_no_refresh_gets_through),
		cmocka_unit_test(at_drain_the_registration_is_taken_back),
		cmocka_unit_test(at_stop_a_registration_under_way_is_taken_back_too),
		cmocka_unit_test(a_reload_keeps_what_stays_the_same_and_takes_back_what_has_gone),
		cmocka_unit_test(gin_registers_all_numbers_with_one_contact),
		cmocka_unit_test(a_call_to_our_contact_is_for_the_number_that_was_called),
		cmocka_unit_test(calls_take_the_service_route_of_the_registration),
		cmocka_unit_test(a_peer_that_is_a_name_is_asked_for_each_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
