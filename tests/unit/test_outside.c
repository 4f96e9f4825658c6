#include "sbc/core/outside.h"

#include <stdio.h>
#include <string.h>

#include "sbc/core/subscription.h"

#include "tests/support/check.h"
#include "tests/support/site.h"

static struct site t; /* large; each test starts it afresh */

static const uint32_t all_methods = OUTSIDE_METHODS;

static void start_with(uint32_t carrier, uint32_t pbx)
{
	site_init(&t);
	t.trunks[SITE_CARRIER].habits.methods = carrier;
	t.trunks[SITE_PBX].habits.methods = pbx;
	site_start(&t);
}

static void start(void)
{
	start_with(all_methods, all_methods);
}

/* Nothing of a request is left. */
static void finish(void)
{
	struct sbc_counts c;

	site_tick(&t, 4000000);
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.requests, 0);
	EXPECT_INT(c.subscriptions, 0);
	EXPECT_INT(c.client_transactions, 0);
	EXPECT_INT(c.server_transactions, 0);
	EXPECT_INT(c.timers, 0);
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

/* A request of the carrier (or, from: inside, of the PBX) with a body. */
static void request(const struct flow *f, const char *method, const char *user, const char *extra,
		    const char *type, const char *body)
{
	static unsigned serial;
	bool out = f == &t.outside;
	const char *host = out ? "203.0.113.1" : "10.0.0.1",
		   *me = out ? "198.51.100.7" : "10.0.0.21";
	char content[128] = "";

	serial++;
	if (type)
		snprintf(content, sizeof(content), "Content-Type: %s\r\n", type);
	snprintf(t.text, sizeof(t.text),
		 "%s sip:%s%s%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-o%u;rport\r\n"
		 "Max-Forwards: 70\r\nFrom: \"Ann\" <sip:+49171@%s>;tag=f%u\r\nTo: <sip:%s%s%s>\r\n"
		 "Call-ID: o%u@canary\r\nCSeq: 3 %s\r\nContact: <sip:ann@%s>\r\n%s%s"
		 "User-Agent: Canary/1.0\r\nContent-Length: %zu\r\n\r\n%s",
		 method, user, user[0] ? "@" : "", host, me, serial, me, serial, user,
		 user[0] ? "@" : "", host, serial, method, me, extra ? extra : "", content,
		 body ? strlen(body) : 0, body ? body : "");
	site_message(&t, f, t.text);
}

static void a_message_crosses_with_names_of_our_own(void **state)
{
	(void)state;
	start();
	request(&t.outside, "MESSAGE", "+4930555", "Subject: hi\r\n", "text/plain", "Hello");
	EXPECT_INT(site_sent_count(&t), 1);
	struct rec_send m = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&m, "MESSAGE sip:+4930555@10.0.0.21:5060 SIP/2.0\r\n"));
	EXPECT_TRUE(site_has(&m, "From: \"Ann\" <sip:+49171@10.0.0.1>;tag="));
	EXPECT_Z(str_from(site_header(&m, "To")), "<sip:+4930555@10.0.0.21>");
	EXPECT_Z(str_from(site_header(&m, "Subject")), "hi");
	EXPECT_Z(str_from(site_header(&m, "Content-Type")), "text/plain");
	EXPECT_Z(str_from(site_header(&m, "Max-Forwards")), "69");
	EXPECT_TRUE(site_has(&m, "\r\n\r\nHello"));
	EXPECT_TRUE(!site_has(&m, "198.51.100") && !site_has(&m, "canary") &&
		    !site_has(&m, "Canary") && !site_has(&m, "Contact:"));
	site_answer(&t, &m, 200, "b", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK\r\n");
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "10.0.0.") &&
		    !site_has(site_sent(&t, 0), "Canary"));
	EXPECT_TRUE(strstr(site_header(site_sent(&t, 0), "To"), ";tag=") != NULL);
	EXPECT_TRUE(strstr(site_header(site_sent(&t, 0), "To"), ";tag=b") == NULL ||
		    strlen(strstr(site_header(site_sent(&t, 0), "To"), ";tag=")) > 7);
	finish();
}

struct method_row {
	const char *name, *method, *extra;
	uint32_t carrier, pbx;
	int status;
	const char *line;
};

#define BIT(m) (1u << METHOD_##m)

static void what_no_trunk_may_send_is_refused(void **state)
{
	(void)state;
	static const struct method_row rows[] = {
		{"MESSAGE by default", "MESSAGE", "", 0, ~0u, 405, "Allow: INVITE"},
		{"SUBSCRIBE by default", "SUBSCRIBE", "Event: presence\r\n", 0, ~0u, 405, "Allow:"},
		{"PUBLISH by default", "PUBLISH", "Event: presence\r\n", 0, ~0u, 405, "Allow:"},
		{"NOTIFY by default", "NOTIFY", "Event: presence\r\n", 0, ~0u, 405, "Allow:"},
		{"REGISTER", "REGISTER", "", ~0u, ~0u, 405, "Allow:"},
		{"REFER", "REFER", "Refer-To: <sip:x@y>\r\n", ~0u, ~0u, 0, NULL},
		{"INFO has no meaning outside of calls", "INFO", "", ~0u, ~0u, 481, NULL},
		{"BYE of nothing", "BYE", "", ~0u, ~0u, 481, NULL},
		{"UPDATE of nothing", "UPDATE", "", ~0u, ~0u, 481, NULL},
		{"PRACK of nothing", "PRACK", "", ~0u, ~0u, 481, NULL},
		{"a method that nobody knows", "JUMP", "", ~0u, ~0u, 501, "Allow:"},
		{"MESSAGE that its target may not be sent", "MESSAGE", "", BIT(MESSAGE), 0, 403,
		 NULL},
		{"MESSAGE where it is allowed is named in Allow", "PUBLISH", "", BIT(MESSAGE), 0,
		 405, "MESSAGE"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct method_row *r = &rows[i];
		start_with(r->carrier, r->pbx);
		request(&t.outside, r->method, "+4930555", r->extra, NULL, NULL);
		const struct rec_send *a = site_sent(&t, 0);
		char want[32];
		snprintf(want, sizeof(want), "SIP/2.0 %d", r->status ? r->status : 4);
		check_true(site_sent_count(&t) == 1 && a &&
				   site_is(a, r->status ? want : "SIP/2.0 4") &&
				   (!r->line || site_has(a, r->line)),
			   r->name, __FILE__, __LINE__);
		finish();
	}
}

static void strangers_get_no_method_through(void **state)
{
	(void)state;
	static const char *const methods[] = {"MESSAGE",  "SUBSCRIBE", "PUBLISH", "NOTIFY",
					      "REGISTER", "OPTIONS",   "INFO",    "REFER",
					      "BYE",      "UPDATE",    "PRACK",   "JUMP"};
	start();
	struct flow stranger = t.outside;
	CHECK(addr_parse(STR("192.0.2.66:5060"), &stranger.remote) == OK);
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		ports_rec_clear(&t.rec);
		site_request(&t, &stranger, methods[i], "Event: presence\r\n");
		check_true(site_sent_count(&t) == 1 && sent(0, "SIP/2.0 403"), methods[i], __FILE__,
			   __LINE__);
		EXPECT_INT(t.rec.notices[NOTICE_REFUSED], i + 1);
	}
	finish();
}

static void the_next_target_is_tried(void **state)
{
	(void)state;
	start();
	request(&t.outside, "MESSAGE", "+4930555", NULL, "text/plain", "Hello");
	struct rec_send first = *site_sent(&t, 0);
	site_answer(&t, &first, 503, "b", NULL, NULL);
	struct rec_send second = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&second, "MESSAGE sip:+4930555@10.0.0.22:5060"));
	EXPECT_TRUE(strcmp(site_header(&first, "Call-ID"), site_header(&second, "Call-ID")) != 0);
	site_answer(&t, &second, 486, "c", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 486");
	/* One that cannot be reached. */
	ports_rec_clear(&t.rec);
	request(&t.outside, "MESSAGE", "+4930555", NULL, "text/plain", "Hello");
	first = *site_sent(&t, 0);
	site_failed(&t, &first, SEND_FAILURE_CONNECT);
	EXPECT_SENT(0, "MESSAGE sip:+4930555@10.0.0.22:5060");
	second = *site_sent(&t, 0);
	site_failed(&t, &second, SEND_FAILURE_CONNECT);
	EXPECT_SENT(0, "SIP/2.0 502");
	finish();
}

static void silence_is_answered_in_time(void **state)
{
	(void)state;
	start();
	t.routes[0].failure_after_ms = 4000;
	request(&t.outside, "MESSAGE", "+4930555", NULL, "text/plain", "Hello");
	site_tick(&t, 4100);
	bool second = false, late = false;
	for (size_t i = 0; i < t.rec.send_count; i++)
		second = second || site_is(&t.rec.sends[i], "MESSAGE sip:+4930555@10.0.0.22");
	EXPECT_TRUE(second);
	site_tick(&t, 21000);
	unsigned finals = 0;
	for (size_t i = 0; i < t.rec.send_count; i++) {
		finals += site_is(&t.rec.sends[i], "SIP/2.0 504");
		late = late || site_is(&t.rec.sends[i], "SIP/2.0 408");
	}
	EXPECT_INT(finals, 1);
	EXPECT_TRUE(!late);
	finish();
}

struct status_row {
	const char *name;
	int status;
	const char *extra;
	const char *want, *line;
};

static void answers_are_mapped_as_those_of_calls(void **state)
{
	(void)state;
	static const struct status_row rows[] = {
		{"202 passes", 202, NULL, "SIP/2.0 202", NULL},
		{"404 passes", 404, NULL, "SIP/2.0 404", NULL},
		{"a challenge of the far side is none of who asked", 401,
		 "WWW-Authenticate: Digest realm=\"10.0.0.21\"\r\n", "SIP/2.0 502", NULL},
		{"408 of a target is not sent on", 408, NULL, "SIP/2.0 504", NULL},
		{"a redirection is not followed", 302, NULL, "SIP/2.0 480", NULL},
		{"Retry-After crosses without its comment", 480, "Retry-After: 5 (10.0.0.21)\r\n",
		 "SIP/2.0 480", "Retry-After: 5\r\n"},
		{"Min-Expires crosses", 423, "Min-Expires: 300\r\n", "SIP/2.0 423",
		 "Min-Expires: 300\r\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start();
		t.pbx[1].host = STR("10.0.0.22");
		t.routes[0].failure_code_count = 1; /* 503 alone */
		request(&t.outside, "MESSAGE", "+4930555", NULL, "text/plain", "Hello");
		struct rec_send m = *site_sent(&t, 0);
		site_answer(&t, &m, rows[i].status, "b", rows[i].extra, NULL);
		const struct rec_send *a = site_sent(&t, 0);
		check_true(site_is(a, rows[i].want) &&
				   (!rows[i].line || site_has(a, rows[i].line)) &&
				   !site_has(a, "10.0.0.21"),
			   rows[i].name, __FILE__, __LINE__);
		finish();
	}
}

struct body_row {
	const char *name;
	bool to_outside;
	const char *method, *extra, *type, *body;
	const char *want; /* the start of what is sent last */
	const char *has, *has_not;
};

static void bodies_go_only_where_they_may(void **state)
{
	(void)state;
	static const struct body_row rows[] = {
		{"text goes out", true, "MESSAGE", "", "text/plain;charset=utf-8", "Hi", "MESSAGE",
		 "\r\n\r\nHi", NULL},
		{"a presence document comes in", false, "PUBLISH", "Event: presence\r\n",
		 "application/pidf+xml", "<presence/>", "PUBLISH", "<presence/>", NULL},
		{"a presence document does not go out", true, "PUBLISH", "Event: presence\r\n",
		 "application/pidf+xml", "<presence entity=\"sip:a@10.0.0.21\"/>", "SIP/2.0 415",
		 "Accept: text/plain", "pidf"},
		{"cpim names people and does not go out", true, "MESSAGE", "", "message/cpim",
		 "From: <sip:a@10.0.0.21>", "SIP/2.0 415", "Accept:", NULL},
		{"a type that we do not know goes nowhere", false, "MESSAGE", "",
		 "application/octet-stream", "x", "SIP/2.0 415", "Accept:", NULL},
		{"a body in another encoding goes nowhere", false, "MESSAGE",
		 "Content-Encoding: gzip\r\n", "text/plain", "x", "SIP/2.0 415",
		 "Accept-Encoding: identity", NULL},
		{"a message summary goes out without its account", true, "NOTIFY",
		 "Event: message-summary\r\nSubscription-State: active;expires=60\r\n",
		 "application/simple-message-summary",
		 "Messages-Waiting: yes\r\nMessage-Account: sip:b@10.0.0.21\r\n"
		 "Voice-Message: 2/8 (0/2)\r\n",
		 "NOTIFY", "Voice-Message: 2/8 (0/2)\r\n", "10.0.0.21"},
		{"a NOTIFY about dialogs does not go out", true, "NOTIFY",
		 "Event: dialog\r\nSubscription-State: active\r\n", NULL, NULL, "SIP/2.0 489",
		 "Allow-Events: message-summary", "presence"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct body_row *r = &rows[i];
		start();
		request(r->to_outside ? &t.inside : &t.outside, r->method, "+4930555", r->extra,
			r->type, r->body);
		const struct rec_send *a = site_sent(&t, 0);
		if (!a || !site_is(a, r->want) || (r->has && !site_has(a, r->has)) ||
		    (r->has_not && site_has(a, r->has_not))) {
			site_dump(&t);
			check_true(false, r->name, __FILE__, __LINE__);
		}
		finish();
	}
}

static void what_is_wrong_by_itself_is_said(void **state)
{
	(void)state;
	static const struct {
		const char *name, *method, *extra, *want, *line;
	} rows[] = {
		{"an event that nobody knows", "SUBSCRIBE", "Event: weather\r\n", "SIP/2.0 489",
		 "Allow-Events: message-summary"},
		{"no event at all", "SUBSCRIBE", "", "SIP/2.0 489", "Allow-Events:"},
		{"an event that is no token", "PUBLISH", "Event: \"x\"\r\n", "SIP/2.0 489",
		 "Allow-Events:"},
		{"presence does not go to a side of no trust", "SUBSCRIBE", "Event: presence\r\n",
		 "SIP/2.0 489", "Allow-Events: message-summary"},
		{"a time that is no number", "SUBSCRIBE",
		 "Event: message-summary\r\nExpires: soon\r\n", "SIP/2.0 400", NULL},
		{"a time that is too short", "SUBSCRIBE",
		 "Event: message-summary\r\nExpires: 5\r\n", "SIP/2.0 423", "Min-Expires: 60\r\n"},
		{"PUBLISH for too short a time", "PUBLISH", "Event: presence\r\nExpires: 5\r\n",
		 "SIP/2.0 423", "Min-Expires: 60\r\n"},
		{"a NOTIFY that does not say how the subscription stands", "NOTIFY",
		 "Event: message-summary\r\n", "SIP/2.0 400", NULL},
		{"a demand that we cannot meet", "SUBSCRIBE",
		 "Event: message-summary\r\nRequire: eventlist\r\n", "SIP/2.0 420",
		 "Unsupported: eventlist"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start();
		request(&t.outside, rows[i].method, "bob", rows[i].extra, NULL, NULL);
		const struct rec_send *a = site_sent(&t, 0);
		check_true(site_sent_count(&t) == 1 && site_is(a, rows[i].want) &&
				   (!rows[i].line || site_has(a, rows[i].line)),
			   rows[i].name, __FILE__, __LINE__);
		finish();
	}
}

static void who_wants_to_be_nobody_is_nobody_to_a_side_without_trust(void **state)
{
	(void)state;
	start();
	request(&t.inside, "MESSAGE", "+49170",
		"Privacy: id\r\nP-Asserted-Identity: <sip:+4930555@10.0.0.21>\r\n", "text/plain",
		"Hi");
	struct rec_send m = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&m, "MESSAGE sip:+49170@198.51.100.7"));
	EXPECT_TRUE(site_has(&m, "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>"));
	EXPECT_TRUE(!site_has(&m, "4930555") && !site_has(&m, "Ann\"") && !site_has(&m, "10.0.0."));
	finish();
}

static void a_publication_keeps_its_tag(void **state)
{
	(void)state;
	start();
	request(&t.outside, "PUBLISH", "bob",
		"Event: presence;id=7;x=10.0.0.9\r\nExpires: 600\r\nSIP-If-Match: a.1.2\r\n",
		"application/pidf+xml", "<presence/>");
	struct rec_send m = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&m, "PUBLISH sip:bob@10.0.0.21"));
	EXPECT_Z(str_from(site_header(&m, "Event")), "presence;id=7");
	EXPECT_Z(str_from(site_header(&m, "Expires")), "600");
	EXPECT_Z(str_from(site_header(&m, "SIP-If-Match")), "a.1.2");
	site_answer(&t, &m, 200, "b", "Expires: 500\r\nSIP-ETag: a.1.3\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Expires")), "500");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "SIP-ETag")), "a.1.3");
	finish();
}

static void comments_behind_times_do_not_cross(void **state)
{
	(void)state;
	start();
	request(&t.inside, "PUBLISH", "+49171",
		"Event: message-summary\r\nExpires: 600 (10.0.0.21)\r\n", "text/plain", "x");
	struct rec_send m = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&m, "PUBLISH"));
	EXPECT_Z(str_from(site_header(&m, "Expires")), "600");
	site_answer(&t, &m, 200, "b", "Expires: 500\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	request(&t.outside, "PUBLISH", "bob", "Event: presence\r\nExpires: 600\r\n",
		"application/pidf+xml", "<presence/>");
	m = *site_sent(&t, 0);
	site_answer(&t, &m, 423, "b", "Min-Expires: 900 (pbx.10.0.0.21)\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 423");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Min-Expires")), "900");
	request(&t.outside, "MESSAGE", "bob", NULL, "text/plain", "x");
	m = *site_sent(&t, 0);
	site_answer(&t, &m, 200, "b", "Expires: 60;by=10.0.0.21\r\n", NULL);
	EXPECT_TRUE(!site_has(site_sent(&t, 0), "10.0.0."));
	finish();
}

/* ---- OPTIONS */

static void options_tells_whether_we_take_calls(void **state)
{
	(void)state;
	start();
	request(&t.outside, "OPTIONS", "", NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200 OK");
	t.set.limits.calls = 0;
	request(&t.outside, "OPTIONS", "", NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 503");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Retry-After")), "10");
	t.set.limits.calls = 1000;
	struct event drain = {.type = EVENT_DRAIN};
	site_event(&t, &drain);
	request(&t.outside, "OPTIONS", "", NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 503");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Retry-After")), "60");
	finish();
}

static void options_for_someone_crosses_where_it_may(void **state)
{
	(void)state;
	start();
	request(&t.outside, "OPTIONS", "bob", NULL, NULL, NULL);
	struct rec_send m = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&m, "OPTIONS sip:bob@10.0.0.21"));
	site_answer(&t, &m, 200, "b", "Allow: INVITE, X-CANARY\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Allow: INVITE, ACK") &&
		    !site_has(site_sent(&t, 0), "CANARY"));
	finish();
	start_with(0, all_methods);
	request(&t.outside, "OPTIONS", "bob", NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_INT(site_sent_count(&t), 1);
	finish();
}

/* ---- subscriptions */

struct sub {
	struct rec_send ok, subscribe; /* the 200 that A has, the SUBSCRIBE that B has */
};

#define MWI                                                                                        \
	"Event: message-summary\r\nExpires: 600\r\nAccept: application/simple-message-summary\r\n"

static struct sub subscribe(void)
{
	struct sub s;

	request(&t.outside, "SUBSCRIBE", "bob", MWI, NULL, NULL);
	s.subscribe = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&s.subscribe, "SUBSCRIBE sip:bob@10.0.0.21:5060"));
	site_answer(&t, &s.subscribe, 200, "n1", "Expires: 300\r\n", NULL);
	s.ok = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&s.ok, "SIP/2.0 200"));
	ports_rec_clear(&t.rec);
	return s;
}

/* From the notifier, in the dialog that `subscribe` began, with another tag than n1 if given. */
static void notify(const struct rec_send *s, const char *tag, unsigned cseq, const char *state,
		   const char *type, const char *body)
{
	char contact[256], content[96] = "";
	const char *c = site_header(s, "Contact");

	snprintf(contact, sizeof(contact), "%.*s", (int)strlen(c) - 2, c + 1);
	if (type)
		snprintf(content, sizeof(content), "Content-Type: %s\r\n", type);
	snprintf(t.text, sizeof(t.text),
		 "NOTIFY %s SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.21;branch=z9hG4bK-n%s%u;rport\r\n"
		 "Max-Forwards: 70\r\nFrom: %s;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u "
		 "NOTIFY\r\n"
		 "Contact: <sip:notifier@10.0.0.21>\r\nEvent: message-summary\r\n"
		 "Subscription-State: %s\r\n%sContent-Length: %zu\r\n\r\n%s",
		 contact, tag, cseq, site_header(s, "To"), tag, site_header(s, "From"),
		 site_header(s, "Call-ID"), cseq, state, content, body ? strlen(body) : 0,
		 body ? body : "");
	site_message(&t, &t.inside, t.text);
}

static uint32_t subscriptions(void)
{
	struct sbc_counts c;

	sbc_count(t.sbc, &c);
	return c.subscriptions;
}

static void a_subscription_has_a_dialog_on_each_side(void **state)
{
	(void)state;
	start();
	struct sub s = subscribe();
	EXPECT_Z(str_from(site_header(&s.subscribe, "Expires")), "600");
	EXPECT_Z(str_from(site_header(&s.subscribe, "Event")), "message-summary");
	EXPECT_Z(str_from(site_header(&s.subscribe, "Accept")),
		 "application/simple-message-summary");
	EXPECT_TRUE(!site_has(&s.subscribe, "198.51.100") && !site_has(&s.subscribe, "canary"));
	EXPECT_Z(str_from(site_header(&s.ok, "Expires")), "300");
	EXPECT_TRUE(site_has(&s.ok, "Contact: <sip:203.0.113.1:5060"));
	EXPECT_TRUE(!site_has(&s.ok, "10.0.0."));
	EXPECT_INT(subscriptions(), 1);

	notify(&s.subscribe, "n1", 1, "active;expires=290;reason=\"x\"", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 400"); /* a reason that is no token */
	notify(&s.subscribe, "n1", 2, "active;expires=290", "application/simple-message-summary",
	       "Messages-Waiting: yes\r\nMessage-Account: sip:b@10.0.0.21\r\n");
	struct rec_send n = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&n, "NOTIFY sip:ann@198.51.100.7 SIP/2.0"));
	EXPECT_Z(str_from(site_header(&n, "Subscription-State")), "active;expires=290");
	EXPECT_Z(str_from(site_header(&n, "Event")), "message-summary");
	EXPECT_TRUE(site_has(&n, "\r\n\r\nMessages-Waiting: yes\r\n") && !site_has(&n, "10.0.0."));
	EXPECT_TRUE(site_has(&n, "Call-ID: o"));
	site_answer(&t, &n, 200, NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "CSeq")), "2 NOTIFY");

	/* Refreshed, then given up. */
	site_in_dialog(&t, &t.outside, &s.ok, "SUBSCRIBE", 4,
		       "Event: message-summary\r\nExpires: 400\r\n", NULL);
	struct rec_send again = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&again, "SUBSCRIBE sip:notifier@10.0.0.21 SIP/2.0"));
	EXPECT_Z(str_from(site_header(&again, "Expires")), "400");
	site_answer(&t, &again, 200, NULL, "Expires: 400\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Expires")), "400");
	site_in_dialog(&t, &t.outside, &s.ok, "SUBSCRIBE", 5,
		       "Event: message-summary\r\nExpires: 0\r\n", NULL);
	again = *site_sent(&t, 0);
	EXPECT_Z(str_from(site_header(&again, "Expires")), "0");
	site_answer(&t, &again, 200, NULL, "Expires: 0\r\n", NULL);
	EXPECT_INT(subscriptions(), 1);
	notify(&s.subscribe, "n1", 3, "terminated;reason=timeout", NULL, NULL);
	n = *site_sent(&t, 0);
	EXPECT_Z(str_from(site_header(&n, "Subscription-State")), "terminated;reason=timeout");
	site_answer(&t, &n, 200, NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_INT(subscriptions(), 0);
	finish();
}

static void a_notify_before_the_2xx_makes_the_dialog(void **state)
{
	(void)state;
	start();
	request(&t.outside, "SUBSCRIBE", "bob", MWI, NULL, NULL);
	struct rec_send s = *site_sent(&t, 0);
	notify(&s, "n1", 1, "active;expires=300", NULL, NULL);
	struct rec_send n = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&n, "NOTIFY sip:ann@198.51.100.7"));
	site_answer(&t, &n, 200, NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	/* Another branch of the same SUBSCRIBE: one dialog is kept (RFC 6665 §4.4.1). */
	notify(&s, "n2", 1, "active;expires=300", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 481");
	site_answer(&t, &s, 200, "n1", "Expires: 300\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 200");
	EXPECT_INT(subscriptions(), 1);
	notify(&s, "n1", 2, "terminated;reason=giveup", NULL, NULL);
	n = *site_sent(&t, 0);
	site_answer(&t, &n, 200, NULL, NULL, NULL);
	EXPECT_INT(subscriptions(), 0);
	finish();
}

static void a_refused_subscription_leaves_nothing(void **state)
{
	(void)state;
	start();
	request(&t.outside, "SUBSCRIBE", "bob", MWI, NULL, NULL);
	struct rec_send s = *site_sent(&t, 0);
	EXPECT_INT(subscriptions(), 1);
	site_answer(&t, &s, 489, "x", "Allow-Events: secret\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 489");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Allow-Events")),
		 "message-summary, check-sync");
	EXPECT_INT(subscriptions(), 0);
	finish();
}

static void a_subscriber_that_has_gone_ends_it(void **state)
{
	(void)state;
	start();
	struct sub s = subscribe();
	notify(&s.subscribe, "n1", 1, "active", NULL, NULL);
	struct rec_send n = *site_sent(&t, 0);
	site_answer(&t, &n, 481, NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 481");
	EXPECT_INT(subscriptions(), 0);
	/* The next NOTIFY finds nothing. */
	notify(&s.subscribe, "n1", 2, "active", NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 481");
	/* A notifier that has forgotten it. */
	s = subscribe();
	site_in_dialog(&t, &t.outside, &s.ok, "SUBSCRIBE", 4, "Event: message-summary\r\n", NULL);
	struct rec_send again = *site_sent(&t, 0);
	site_answer(&t, &again, 481, NULL, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 481");
	EXPECT_INT(subscriptions(), 0);
	finish();
}

static void a_subscription_that_runs_out_is_told_to_who_asked(void **state)
{
	(void)state;
	start();
	subscribe();
	site_tick(&t, 300000 + SUBSCRIPTION_GRACE_MS - 1000);
	EXPECT_INT(subscriptions(), 1);
	site_tick(&t, 2000);
	EXPECT_SENT(0, "NOTIFY sip:ann@198.51.100.7");
	EXPECT_Z(str_from(site_header(site_sent(&t, 0), "Subscription-State")),
		 "terminated;reason=timeout");
	EXPECT_INT(subscriptions(), 0);
	finish();
}

static void subscriptions_go_over_to_new_settings_by_the_names_of_trunks(void **state)
{
	(void)state;
	static struct settings next[40];
	start();
	struct sub s = subscribe();
	/* More of them than a worker can hold at one time. */
	for (size_t i = 0; i < ARRAY_LEN(next); i++) {
		site_tick(&t, 7000); /* till no transaction needs the old ones */
		next[i] = t.set;
		struct event e = {.type = EVENT_SETTINGS, .settings = &next[i]};
		site_event(&t, &e);
		if (i)
			EXPECT_TRUE(!sbc_uses_settings(t.sbc, &next[i - 1]));
	}
	ports_rec_clear(&t.rec);
	notify(&s.subscribe, "n1", 2, "active;expires=290", NULL, NULL);
	struct rec_send n = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&n, "NOTIFY sip:ann@198.51.100.7 SIP/2.0"));
	site_answer(&t, &n, 200, NULL, NULL, NULL);
	/* Its trunk goes. */
	static struct trunk one[1];
	one[0] = t.trunks[SITE_CARRIER];
	static struct settings last;
	last = t.set;
	last.trunks = one;
	last.trunk_count = last.policy.trunk_count = 1;
	last.policy.route_count = 0;
	struct event e = {.type = EVENT_SETTINGS, .settings = &last};
	site_event(&t, &e);
	EXPECT_INT(subscriptions(), 0);
	finish();
}

static void others_cannot_speak_in_it(void **state)
{
	(void)state;
	start();
	struct sub s = subscribe();
	struct flow stranger = t.outside;
	CHECK(addr_parse(STR("192.0.2.66:5060"), &stranger.remote) == OK);
	site_in_dialog(&t, &stranger, &s.ok, "SUBSCRIBE", 4,
		       "Event: message-summary\r\nExpires: 0\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 403");
	EXPECT_INT(site_sent_count(&t), 1);
	site_in_dialog(&t, &t.outside, &s.ok, "NOTIFY", 4, "Event: message-summary\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 405");
	site_in_dialog(&t, &t.outside, &s.ok, "SUBSCRIBE", 4, "Event: message-summary\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 500"); /* the CSeq was used up by the one before */
	site_in_dialog(&t, &t.outside, &s.ok, "SUBSCRIBE", 5, "Event: presence\r\n", NULL);
	EXPECT_SENT(0, "SIP/2.0 489");
	EXPECT_INT(subscriptions(), 1);
	finish();
}

static void subscriptions_of_one_source_are_capped(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].habits.methods = all_methods;
	t.trunks[SITE_PBX].habits.methods = all_methods;
	t.set.limits.subscriptions = 8;
	t.set.limits.subscriptions_per_source = 5;
	site_start(&t);
	for (int i = 0; i < 5; i++)
		request(&t.outside, "SUBSCRIBE", "bob", MWI, NULL, NULL);
	EXPECT_INT(subscriptions(), 5);
	request(&t.outside, "SUBSCRIBE", "bob", MWI, NULL, NULL);
	EXPECT_SENT(0, "SIP/2.0 503");
	EXPECT_TRUE(site_has(site_sent(&t, 0), "Retry-After: 10"));
	EXPECT_INT(subscriptions(), 5);
	/* Another source has what is left. */
	struct flow other = t.outside;
	CHECK(addr_parse(STR("198.51.100.9:5060"), &other.remote) == OK);
	for (int i = 0; i < 5; i++)
		request(&other, "SUBSCRIBE", "bob", MWI, NULL, NULL);
	EXPECT_INT(subscriptions(), 8);
	EXPECT_SENT(0, "SIP/2.0 503");
	finish();
}

static void a_flood_leaves_transactions_to_calls(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].habits.methods = all_methods;
	t.trunks[SITE_PBX].habits.methods = all_methods;
	t.set.limits.calls = 100;
	t.set.limits.transactions = 64;
	site_start(&t);
	unsigned refused = 0;
	for (int i = 0; i < 200; i++) {
		ports_rec_clear(&t.rec);
		request(&t.outside, "MESSAGE", "bob", NULL, "text/plain", "x");
		refused += site_is(site_sent(&t, 0), "SIP/2.0 503");
	}
	struct sbc_counts c;
	sbc_count(t.sbc, &c);
	EXPECT_TRUE(c.client_transactions + c.server_transactions <= 50);
	EXPECT_TRUE(refused >= 170);
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_SENT(0, "SIP/2.0 100");
	site_cancel(&t, SITE_CARRIER, "1");
	t.rec.quiet = true; /* what is sent again goes round in a ring */
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_crosses_with_names_of_our_own),
		cmocka_unit_test(what_no_trunk_may_send_is_refused),
		cmocka_unit_test(strangers_get_no_method_through),
		cmocka_unit_test(the_next_target_is_tried),
		cmocka_unit_test(silence_is_answered_in_time),
		cmocka_unit_test(answers_are_mapped_as_those_of_calls),
		cmocka_unit_test(bodies_go_only_where_they_may),
		cmocka_unit_test(what_is_wrong_by_itself_is_said),
		cmocka_unit_test(who_wants_to_be_nobody_is_nobody_to_a_side_without_trust),
		cmocka_unit_test(a_publication_keeps_its_tag),
		cmocka_unit_test(comments_behind_times_do_not_cross),
		cmocka_unit_test(options_tells_whether_we_take_calls),
		cmocka_unit_test(options_for_someone_crosses_where_it_may),
		cmocka_unit_test(a_subscription_has_a_dialog_on_each_side),
		cmocka_unit_test(a_notify_before_the_2xx_makes_the_dialog),
		cmocka_unit_test(a_refused_subscription_leaves_nothing),
		cmocka_unit_test(a_subscriber_that_has_gone_ends_it),
		cmocka_unit_test(a_subscription_that_runs_out_is_told_to_who_asked),
		cmocka_unit_test(subscriptions_go_over_to_new_settings_by_the_names_of_trunks),
		cmocka_unit_test(others_cannot_speak_in_it),
		cmocka_unit_test(subscriptions_of_one_source_are_capped),
		cmocka_unit_test(a_flood_leaves_transactions_to_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
