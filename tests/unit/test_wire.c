/* Where answers and calls go, whatever a message says of it: Via, Route and Request-URI as tables (threats C2, C3). */
#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/site.h"

static struct site t;

static int set_up(void **state)
{
	(void)state;
	site_init(&t);
	site_start(&t);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	site_stop(&t);
	return 0;
}

static const struct rec_send *ask(const struct flow *f, const char *method, const char *uri,
				  const char *via, const char *extra)
{
	static char text[4096];
	static unsigned n;
	(void)snprintf(text, sizeof(text),
		       "%s %s SIP/2.0\r\nVia: SIP/2.0/%s;branch=z9hG4bK-w%u\r\n"
		       "Max-Forwards: 70\r\nFrom: <sip:x@198.51.100.7>;tag=w%u\r\n"
		       "To: <sip:203.0.113.1>\r\nCall-ID: wire-%u\r\nCSeq: 3 %s\r\n"
		       "Contact: <sip:x@198.51.100.99:7777>\r\n%sContent-Length: 0\r\n\r\n",
		       method, uri, via, n, n, n, method, extra);
	n++;
	ports_rec_clear(&t.rec);
	site_message(&t, f, text);
	return site_sent(&t, 0);
}

static struct addr address(const char *text)
{
	struct addr a;
	assert_int_equal(addr_parse(str_from(text), &a), OK);
	return a;
}

static void received_and_rport_say_what_we_saw(void **state)
{
	(void)state;
	static const struct {
		const char *name, *via, *want;
	} rows[] = {
		{"the source is what it says", "UDP 198.51.100.7",
		 "SIP/2.0/UDP 198.51.100.7;branch="},
		{"another source", "UDP 192.0.2.77", ";received=198.51.100.7"},
		{"a name", "UDP phone.example.com", ";received=198.51.100.7"},
		{"rport is filled in", "UDP 198.51.100.7;rport", ";rport=5060"},
		{"and received then always", "UDP 198.51.100.7;rport", ";received=198.51.100.7"},
		{"a received of the sender's own is not believed",
		 "UDP 192.0.2.77;received=192.0.2.66", ";received=198.51.100.7"},
		{"nor is an rport", "UDP 192.0.2.77;rport=99", ";rport=5060"},
	};
	CHECK_TABLE(row, rows)
	{
		const struct rec_send *r =
			ask(&t.outside, "OPTIONS", "sip:203.0.113.1", row->via, "");
		assert_non_null(r);
		EXPECT_TRUE(strstr(site_header(r, "Via"), row->want) != NULL);
		EXPECT_TRUE(strstr(site_header(r, "Via"), "192.0.2.66") == NULL);
		EXPECT_TRUE(strstr(site_header(r, "Via"), "rport=99") == NULL);
	}
}

static void a_response_over_udp_goes_to_its_source(void **state)
{
	(void)state;
	static const struct {
		const char *name, *via, *want;
	} rows[] = {
		{"with rport: to the port that it came from", "UDP 198.51.100.7:7070;rport",
		 "198.51.100.7:6789"},
		{"without: to the port of sent-by", "UDP 198.51.100.7:7070", "198.51.100.7:7070"},
		{"sent-by without a port: 5060", "UDP 198.51.100.7", "198.51.100.7:5060"},
		{"the address is always the source's", "UDP 192.0.2.77:7070", "198.51.100.7:7070"},
	};
	CHECK_TABLE(row, rows)
	{
		struct flow f = t.outside;
		f.remote.port = 6789;
		struct addr want = address(row->want);
		const struct rec_send *r = ask(&f, "OPTIONS", "sip:203.0.113.1", row->via, "");
		assert_non_null(r);
		EXPECT_TRUE(addr_eq(&r->dest.flow.remote, &want));
	}
}

static void a_response_goes_down_its_connection_else_to_sent_by(void **state)
{
	(void)state;
	struct flow f = {.id = 4711,
			 .listener = SITE_LISTEN_OUT_TLS,
			 .transport = TRANSPORT_TLS,
			 .remote = address("198.51.100.7:43210")};
	struct addr want = address("198.51.100.7:7071");
	const struct rec_send *r = ask(&f, "OPTIONS", "sip:203.0.113.1", "TLS 192.0.2.77:7071", "");
	assert_non_null(r);
	EXPECT_U64(r->dest.flow.id, 4711);
	/* If that has gone: the address that it came from, the port of sent-by, and never Contact's. */
	EXPECT_TRUE(r->dest.reconnect);
	EXPECT_TRUE(addr_eq(&r->dest.flow.remote, &want));
	/* A browser's Via names no address: its connection or nothing. */
	f.transport = TRANSPORT_WSS;
	r = ask(&f, "OPTIONS", "sip:203.0.113.1", "WSS df7jal23ls0d.invalid", "");
	assert_non_null(r);
	EXPECT_U64(r->dest.flow.id, 4711);
	EXPECT_TRUE(!r->dest.reconnect);
}

static void no_via_sends_an_answer_elsewhere(void **state)
{
	(void)state;
	static const char *const hosts[] = {
		"255.255.255.255", "192.168.255.255",
		"224.0.0.1",       "239.255.255.250",
		"127.0.0.1",       "0.0.0.0",
		"10.0.0.21",       "10.0.0.1",
		"203.0.113.1",     "169.254.169.254",
		"[::1]",           "[::]",
		"[ff02::1]",       "[::ffff:127.0.0.1]",
		"localhost",       "0177.0.0.1",
		"2130706433",      "127.1",
		"pbx.inside",      "198.51.100.8",
	};
	static const char *const forms[] = {"UDP %s",
					    "UDP %s:53",
					    "UDP %s:123",
					    "UDP 198.51.100.7;maddr=%s",
					    "UDP x.invalid;received=%s",
					    "UDP 198.51.100.7;maddr=%s;ttl=1;rport"};
	for (size_t h = 0; h < ARRAY_LEN(hosts); h++)
		for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
			char via[256];
			size_t at = (size_t)(strstr(forms[i], "%s") - forms[i]);
			(void)snprintf(via, sizeof(via), "%.*s%s%s", (int)at, forms[i], hosts[h],
				       forms[i] + at + 2);
			check_row(via);
			(void)ask(&t.outside, "OPTIONS", "sip:203.0.113.1", via, "");
			for (size_t k = 0; k < site_sent_count(&t); k++)
				EXPECT_TRUE(addr_eq_ip(&site_sent(&t, k)->dest.flow.remote,
						       &t.outside.remote));
			EXPECT_TRUE(site_sent_count(&t) <= 1);
		}
}

/* A flood in the name of one address: the octets that this address gets, and those that came. */
static void flood(const struct flow *f, const char *method, const char *extra, size_t *in,
		  size_t *out)
{
	char text[2048];
	*in = *out = 0;
	for (unsigned i = 0; i < 3000; i++) {
		int n = snprintf(
			text, sizeof(text),
			"%s sip:203.0.113.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK-%s%u\r\n"
			"Max-Forwards: 9\r\nFrom: <sip:x@h>;tag=%u\r\nTo: <sip:y@h>\r\n"
			"Call-ID: %s%u\r\nCSeq: 3 %s\r\n%s\r\n",
			method, method, i, i, method, i, method, extra);
		ports_rec_clear(&t.rec);
		site_message(&t, f, text);
		*in += (size_t)n;
		site_tick(&t, 20);
		for (size_t k = 0; k < site_sent_count(&t); k++)
			*out += site_sent(&t, k)->len;
	}
}

static void strangers_get_no_more_than_they_sent(void **state)
{
	(void)state;
	static const char *const methods[] = {"OPTIONS", "INVITE",  "REGISTER", "SUBSCRIBE",
					      "MESSAGE", "PUBLISH", "BYE",      "FOO"};
	struct flow stranger = t.outside;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
		size_t in, out;
		char ip[64];
		check_row(methods[i]);
		(void)snprintf(ip, sizeof(ip), "192.0.2.%zu:5060", 10 + i);
		stranger.remote = address(ip);
		/* A minute of it, fifty a second. */
		flood(&stranger, methods[i], "", &in, &out);
		EXPECT_TRUE(out <= in);
		/* A modest one has its answers. */
		EXPECT_TRUE(out > in / 2);
	}
	EXPECT_TRUE(t.rec.drops[NOTICE_DROP_UNPROVEN] > 0);
}

static void a_trunk_is_answered_whatever_it_sent(void **state)
{
	(void)state;
	size_t in, out;
	flood(&t.outside, "OPTIONS", "", &in, &out);
	EXPECT_INT(t.rec.drops[NOTICE_DROP_UNPROVEN], 0);
	EXPECT_TRUE(out > in);
}

/* A call of a known trunk goes to the route's peers and its answers to the trunk, whatever else it names. */
static void a_route_to_anywhere_leads_nowhere(void **state)
{
	(void)state;
	static const char *const hosts[] = {
		"127.0.0.1",  "10.0.0.99",       "169.254.169.254",    "0.0.0.0",
		"192.0.2.66", "255.255.255.255", "[::ffff:127.0.0.1]", "[::1]",
		"224.0.0.1",  "evil.example",    "10.0.0.21:22"};
	static const char *const forms[] = {"Route: <sip:%s;lr>\r\n", "Route: <sip:%s>\r\n",
					    "Record-Route: <sip:%s;lr>\r\n",
					    "Route: <sip:203.0.113.1;lr>, <sip:%s;lr>\r\n"};
	struct addr pbx = t.inside.remote;
	unsigned calls = 0;
	for (size_t h = 0; h < ARRAY_LEN(hosts); h++)
		for (size_t i = 0; i <= ARRAY_LEN(forms); i++) {
			char extra[256] = "", uri[128] = "sip:+4930555@203.0.113.1";
			if (i < ARRAY_LEN(forms)) {
				size_t at = (size_t)(strstr(forms[i], "%s") - forms[i]);
				(void)snprintf(extra, sizeof(extra), "%.*s%s%s", (int)at, forms[i],
					       hosts[h], forms[i] + at + 2);
			} else {
				(void)snprintf(uri, sizeof(uri), "sip:+4930555@%s", hosts[h]);
			}
			check_row(extra[0] ? extra : uri);
			(void)ask(&t.outside, "INVITE", uri, "UDP 198.51.100.7;rport", extra);
			EXPECT_INT(t.rec.resolve_count, 0);
			for (size_t k = 0; k < site_sent_count(&t); k++) {
				const struct rec_send *s = site_sent(&t, k);
				bool to_pbx = addr_eq(&s->dest.flow.remote, &pbx);
				calls += to_pbx && site_is(s, "INVITE ");
				EXPECT_TRUE(to_pbx ||
					    addr_eq_ip(&s->dest.flow.remote, &t.outside.remote));
				EXPECT_TRUE(!site_has(s, "Route:") || !to_pbx);
			}
		}
	EXPECT_TRUE(calls > 10); /* or nothing was shown */
}

#define T(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(received_and_rport_say_what_we_saw),
		T(a_response_over_udp_goes_to_its_source),
		T(a_response_goes_down_its_connection_else_to_sent_by),
		T(no_via_sends_an_answer_elsewhere),
		T(strangers_get_no_more_than_they_sent),
		T(a_trunk_is_answered_whatever_it_sent),
		T(a_route_to_anywhere_leads_nowhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
