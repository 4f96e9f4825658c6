/*
 * Attacks on the whole core: each test is named by its row of the threat model. What one leaf alone withstands is tested
 * with that leaf.
 */
#include "sbc/core/sbc.h"

#include <stdio.h>
#include <stdlib.h>

#include "sbc/core/msg.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

enum { TEXT_MAX = 256 * 1024 };

static struct site t;
static char text[TEXT_MAX], filler[TEXT_MAX];

static void start(void)
{
	site_init(&t);
	t.rec.quiet = true; /* what is sent may be long */
	site_start(&t);
}

/* Nothing of it is left, and a normal call works. */
static void still_serves(void)
{
	struct sbc_counts c;
	struct rec_send invite;

	site_tick(&t, 400000);
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls, 0);
	EXPECT_INT(c.server_transactions, 0);
	EXPECT_INT(c.client_transactions, 0);
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, "still", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	invite = *site_sent(&t, 0);
	EXPECT_TRUE(site_is(&invite, "INVITE sip:"));
	site_answer(&t, &invite, 200, "b", NULL, SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200 "));
}

enum field {
	FIELD_USER,
	FIELD_BRANCH,
	FIELD_DISPLAY,
	FIELD_FROM_TAG,
	FIELD_CALL_ID,
	FIELD_CSEQ,
	FIELD_CONTACT,
	FIELD_FORWARDS,
	FIELD_EXTRA,
	FIELD_COUNT
};

/* A good INVITE of the carrier but for one field; gives it to the core. */
static void invite_with(enum field field, const char *value)
{
	static unsigned serial;
	const char *f[FIELD_COUNT] = {
		[FIELD_USER] = "+4930555", [FIELD_BRANCH] = "z9hG4bKx", [FIELD_DISPLAY] = "Alice",
		[FIELD_FROM_TAG] = "a",    [FIELD_CALL_ID] = "c",       [FIELD_CSEQ] = "7",
		[FIELD_CONTACT] = "carol", [FIELD_FORWARDS] = "70",     [FIELD_EXTRA] = "X: y"};

	f[field] = value;
	serial++;
	int n = snprintf(text, sizeof(text),
			 "INVITE sip:%s@203.0.113.1 SIP/2.0\r\n"
			 "Via: SIP/2.0/UDP 198.51.100.7;branch=%s%u;rport\r\n"
			 "Max-Forwards: %s\r\n"
			 "From: \"%s\" <sip:+49171@198.51.100.7>;tag=%s\r\n"
			 "To: <sip:+4930555@203.0.113.1>\r\n"
			 "Call-ID: %s%u\r\n"
			 "CSeq: %s INVITE\r\n"
			 "Contact: <sip:%s@198.51.100.7>\r\n"
			 "%s\r\n"
			 "Content-Length: 0\r\n\r\n",
			 f[FIELD_USER], f[FIELD_BRANCH], serial, f[FIELD_FORWARDS],
			 f[FIELD_DISPLAY], f[FIELD_FROM_TAG], f[FIELD_CALL_ID], serial,
			 f[FIELD_CSEQ], f[FIELD_CONTACT], f[FIELD_EXTRA]);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	struct event e = {.type = EVENT_MESSAGE,
			  .message = {.flow = t.outside, .bytes = {text, (size_t)n}}};
	ports_rec_clear(&t.rec);
	site_event(&t, &e);
}

/* The status of the last answer outside; 0: none. */
static int answered(void)
{
	const struct rec_send *m;

	for (size_t i = 0; (m = site_sent(&t, i)) != NULL && i < site_sent_count(&t); i++)
		if (site_is(m, "SIP/2.0 ") && m->dest.flow.remote.ip[0] == 198)
			return (int)strtol(m->bytes + 8, NULL, 10);
	return 0;
}

static const char *fill(char c, size_t n)
{
	memset(filler, c, n);
	filler[n] = 0;
	return filler;
}

static void a6_escaped_headers_of_a_uri_are_no_headers(void **state)
{
	(void)state;
	struct rec_send invite, ok;

	start();
	invite_with(FIELD_USER, "+49305@203.0.113.1?Route=%3Csip:evil.example%3E&x=");
	EXPECT_INT(answered(), 400);
	ports_rec_clear(&t.rec);
	/* In a Contact they may stand; they are not used. */
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 200, "b",
		    "X-Odd: <sip:evil.example?Replaces=1>\r\n"
		    "Record-Route: <sip:10.0.0.21;lr?Route=%3Csip:evil.example%3E>\r\n",
		    SITE_SDP_IN);
	site_relay(&t, SITE_SDP_RELAY);
	for (size_t i = 0; i < site_sent_count(&t); i++) {
		ok = *site_sent(&t, i);
		if (site_is(&ok, "ACK ") || site_is(&ok, "BYE "))
			EXPECT_TRUE(!site_has(&ok, "Route: <sip:evil.example"));
	}
	site_stop(&t);
}

static void a7_long_tokens_overflow_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum field field;
	} rows[] = {
		{"the user of the Request-URI", FIELD_USER},
		{"the branch", FIELD_BRANCH},
		{"the display name", FIELD_DISPLAY},
		{"the From tag", FIELD_FROM_TAG},
		{"the Call-ID", FIELD_CALL_ID},
		{"the CSeq", FIELD_CSEQ},
		{"the Contact", FIELD_CONTACT},
		{"Max-Forwards", FIELD_FORWARDS},
	};
	CHECK_TABLE(row, rows)
	{
		for (unsigned power = 4; power <= 17; power++)
			for (int off = -1; off <= 1; off++) {
				size_t n = (1u << power) + (size_t)off;
				start();
				invite_with(row->field, fill('7', n));
				/* Refused with a reason, or taken: never a crash, never cut. */
				const struct rec_send *last = site_sent(&t, 0);
				int status = answered();
				bool fine = !last || status == 100 || status == 400 ||
					    status == 413 || status == 414 || status == 483 ||
					    status == 503 || status == 513;
				if (!fine)
					print_message("%zu octets: %d\n", n, status);
				EXPECT_TRUE(fine);
				if (n > MSG_HEADER_BYTES_MAX)
					EXPECT_TRUE(status != 100);
				site_stop(&t);
			}
	}
	start();
	still_serves();
	site_stop(&t);
}

static void a8_numbers_do_not_wrap(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum field field;
		const char *value;
		int status;
	} rows[] = {
		{"CSeq 2^31 - 1", FIELD_CSEQ, "2147483647", 100},
		{"CSeq 2^31", FIELD_CSEQ, "2147483648", 400},
		{"CSeq 2^32", FIELD_CSEQ, "4294967296", 400},
		{"CSeq 2^32 + 7", FIELD_CSEQ, "4294967303", 400},
		{"CSeq 2^64 + 7", FIELD_CSEQ, "18446744073709551623", 400},
		{"a negative CSeq", FIELD_CSEQ, "-7", 400},
		{"a CSeq with a sign", FIELD_CSEQ, "+7", 400},
		{"a CSeq with an exponent", FIELD_CSEQ, "1e3", 400},
		{"leading zeros are none", FIELD_CSEQ, "0000000007", 100},
		{"Max-Forwards 255", FIELD_FORWARDS, "255", 100},
		{"Max-Forwards 256 is read as none", FIELD_FORWARDS, "256", 100},
		{"Max-Forwards 2^32 too: we send 70", FIELD_FORWARDS, "4294967296", 100},
		{"Max-Forwards 0", FIELD_FORWARDS, "0", 483},
		{"Max-Forwards -1", FIELD_FORWARDS, "-1", 400},
		{"port 65536 in Contact", FIELD_CONTACT, "c@198.51.100.7:65536;x=y;z", 400},
		{"port 0 in the Request-URI", FIELD_USER, "+4930555@203.0.113.1:0;x=", 400},
		{"port 2^32 + 5060", FIELD_CONTACT, "c@198.51.100.7:4294972356;z", 400},
		{"Content-Length twice, once wrapped", FIELD_EXTRA, "Content-Length: 4294967296",
		 400},
		{"a negative Content-Length", FIELD_EXTRA, "Content-Length: -1", 400},
	};
	CHECK_TABLE(row, rows)
	{
		start();
		invite_with(row->field, row->value);
		int status = answered();
		/* A CSeq of 2^31 is legal to read and not to send (RFC 3261 §8.1.1.5): either will do. */
		if (strcmp(row->value, "2147483648") == 0 && status == 100)
			status = 400;
		EXPECT_INT(status, row->status);
		if (row->field == FIELD_FORWARDS && status == 100 && strlen(row->value) > 2)
			EXPECT_TRUE(site_has(site_sent(&t, 0), strcmp(row->value, "255") == 0
								       ? "Max-Forwards: 254\r\n"
								       : "Max-Forwards: 70\r\n"));
		site_stop(&t);
	}
	start();
	still_serves();
	site_stop(&t);
}

static void a11_header_bombs_meet_their_limits(void **state)
{
	(void)state;
	static const struct {
		const char *name, *line;
		size_t count;
		bool taken;
	} rows[] = {
		{"as many headers as may be", "X-A: b\r\n", MSG_HEADERS_MAX - 20, true},
		{"a header too many", "X-A: b\r\n", MSG_HEADERS_MAX, false},
		{"10,000 headers", "X: y\r\n", 10000, false},
		{"as many Vias as may be", "Via: SIP/2.0/UDP h;branch=z9hG4bKq\r\n",
		 MSG_VIAS_MAX - 1, true},
		{"a Via too many", "Via: SIP/2.0/UDP h;branch=z9hG4bKq\r\n", MSG_VIAS_MAX, false},
		{"1,000 Vias", "Via: SIP/2.0/UDP h;branch=z9hG4bKq\r\n", 1000, false},
		{"5,000 open comments", "Server: ((((((((((\r\n", 5000, false},
		{"5,000 commas", "Accept: ,,,,,,,,,,,,\r\n", 5000, false},
	};
	CHECK_TABLE(row, rows)
	{
		size_t len = 0, one = strlen(row->line);
		start();
		for (size_t i = 0; i < row->count && len + one < sizeof(filler); i++, len += one)
			memcpy(filler + len, row->line, one);
		filler[len - 2] = 0; /* the last line end is the template's */
		invite_with(FIELD_EXTRA, filler);
		int status = answered();
		if (row->taken)
			EXPECT_INT(status, 100);
		else
			EXPECT_TRUE(status == 0 || status == 400 || status == 413 || status == 513);
		site_stop(&t);
	}
	start();
	still_serves();
	site_stop(&t);
}

/* What we send to one side comes back from there as a new call, again and again. */
static void b11_a_ring_of_two_ends(void **state)
{
	(void)state;
	unsigned hops = 0;

	start();
	site_invite(&t, SITE_CARRIER, "ring", NULL, NULL);
	for (; hops < 200; hops++) {
		const struct rec_send *last = site_sent(&t, 0);
		if (!last || !site_is(last, "INVITE "))
			break;
		bool inwards = last->dest.flow.remote.ip[0] == 10;
		memcpy(text, last->bytes, last->len);
		text[last->len] = 0;
		ports_rec_clear(&t.rec);
		site_message(&t, inwards ? &t.inside : &t.outside, text);
	}
	/* Our own Call-ID: it is known when it comes round. What hides it ends by its hops (test_spiral). */
	EXPECT_INT(hops, 2);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 482 "));
	site_stop(&t);
}

static void c17_the_same_identifiers_from_two_peers_are_two_calls(void **state)
{
	(void)state;
	static const char *const from[] = {"carrier", "pbx"};
	struct sbc_counts c;

	start();
	for (int i = 0; i < 2; i++) {
		int n = snprintf(
			text, sizeof(text),
			"INVITE sip:+4930555@x.example SIP/2.0\r\n"
			"Via: SIP/2.0/UDP h.example;branch=z9hG4bK-%s;rport\r\n"
			"Max-Forwards: 70\r\nFrom: <sip:a@x.example>;tag=same\r\n"
			"To: <sip:+4930555@x.example>\r\nCall-ID: same\r\nCSeq: 1 INVITE\r\n"
			"Contact: <sip:a@h.example>\r\nContent-Length: 0\r\n\r\n",
			from[i]);
		assert_true(n > 0);
		site_message(&t, i == 0 ? &t.outside : &t.inside, text);
		EXPECT_TRUE(site_is(site_sent(&t, 0), "INVITE "));
	}
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls, 2);
	/* The CANCEL of one of them, from its own side, ends that one alone. */
	ports_rec_clear(&t.rec);
	site_message(&t, &t.outside,
		     "CANCEL sip:+4930555@x.example SIP/2.0\r\n"
		     "Via: SIP/2.0/UDP h.example;branch=z9hG4bK-carrier;rport\r\n"
		     "Max-Forwards: 70\r\nFrom: <sip:a@x.example>;tag=same\r\n"
		     "To: <sip:+4930555@x.example>\r\nCall-ID: same\r\nCSeq: 1 CANCEL\r\n"
		     "Content-Length: 0\r\n\r\n");
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls, 1);
	site_stop(&t);
}

static void c7_a_cancel_counts_from_where_its_invite_came_alone(void **state)
{
	(void)state;
	struct sbc_counts c;
	struct flow stranger;

	start();
	site_invite(&t, SITE_CARRIER, "1", NULL, NULL);
	EXPECT_TRUE(site_is(site_sent(&t, 0), "INVITE "));
	/* With the true branch, tags and Call-ID, from another address and from the other side. */
	struct flow was = t.outside;
	stranger = was;
	CHECK(addr_parse(STR("192.0.2.66:5060"), &stranger.remote) == OK);
	t.outside = stranger;
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_TRUE(!site_is(site_sent(&t, 0), "SIP/2.0 200"));
	t.outside = t.inside;
	site_cancel(&t, SITE_CARRIER, "1");
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 481"));
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls, 1);
	t.outside = was;
	site_cancel(&t, SITE_CARRIER, "1");
	sbc_count(t.sbc, &c);
	EXPECT_INT(c.calls, 0);
	site_stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a6_escaped_headers_of_a_uri_are_no_headers),
		cmocka_unit_test(a7_long_tokens_overflow_nothing),
		cmocka_unit_test(a8_numbers_do_not_wrap),
		cmocka_unit_test(a11_header_bombs_meet_their_limits),
		cmocka_unit_test(b11_a_ring_of_two_ends),
		cmocka_unit_test(c7_a_cancel_counts_from_where_its_invite_came_alone),
		cmocka_unit_test(c17_the_same_identifiers_from_two_peers_are_two_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
