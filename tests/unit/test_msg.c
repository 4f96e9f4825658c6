#include <stdio.h>
#include <stdlib.h>

#include "sbc/core/msg.h"
#include "tests/support/check.h"
#include "tests/support/cost.h"
#include "tests/support/guard.h"

static struct msg m;
static char arena_mem[MSG_FULL_ARENA];

#define HEAD                                                                                       \
	"INVITE sip:bob@example.net SIP/2.0\r\n"                                                   \
	"Via: SIP/2.0/UDP pc.example.org:5070;rport;branch=z9hG4bK77;received=192.0.2.1\r\n"
#define CORE                                                                                       \
	"From: \"A, \\\"B\\\"\" <sip:alice@example.org>;x=1;tag=ft\r\n"                            \
	"To: <sip:bob@example.net>\r\n"                                                            \
	"Call-ID: c1@example.org\r\n"
#define GOOD                                                                                       \
	HEAD CORE "CSeq: 7 INVITE\r\nMax-Forwards: 69\r\nContact: <sip:alice@192.0.2.1>\r\n"       \
		  "Supported: timer\r\nk: 100rel, x\r\nContent-Type: application/sdp;a=b\r\n"      \
		  "Content-Length: 5\r\n\r\nv=0\r\n"

static void test_fields(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, 4096);
	struct str bytes = guard_put(&g, STR(GOOD));
	EXPECT_ERR(msg_index(&m, bytes, MSG_STREAM), OK);
	EXPECT_INT(m.fault, MSG_FAULT_NONE);
	EXPECT_TRUE(m.is_request && m.answerable);
	EXPECT_INT(m.method, METHOD_INVITE);
	EXPECT_Z(m.method_text, "INVITE");
	EXPECT_Z(m.uri, "sip:bob@example.net");
	EXPECT_INT(m.via.transport, MSG_TRANSPORT_UDP);
	EXPECT_Z(m.via.all,
		 "SIP/2.0/UDP pc.example.org:5070;rport;branch=z9hG4bK77;received=192.0.2.1");
	EXPECT_Z(m.via.sent_by, "pc.example.org:5070");
	EXPECT_Z(m.via.host, "pc.example.org");
	EXPECT_INT(m.via.port, 5070);
	EXPECT_Z(m.via.branch, "z9hG4bK77");
	EXPECT_Z(m.via.received, "192.0.2.1");
	EXPECT_Z(m.via.params, ";rport;branch=z9hG4bK77;received=192.0.2.1");
	EXPECT_TRUE(m.via.has_rport && m.via.rport.len == 0 && !m.via.has_more);
	EXPECT_Z(m.from_tag, "ft");
	EXPECT_INT(m.to_tag.len, 0);
	EXPECT_Z(m.call_id, "c1@example.org");
	EXPECT_INT(m.cseq, 7);
	EXPECT_INT(m.max_forwards, 69);
	EXPECT_Z(m.content_type, "application/sdp;a=b");
	EXPECT_Z(m.body, "v=0\r\n");
	EXPECT_INT(m.header_count, 11);
	EXPECT_TRUE(msg_body_is(&m, STR("Application/SDP")) && !msg_body_is(&m, STR("text/sdp")));
	EXPECT_TRUE(msg_has_token(&m, HDR_SUPPORTED, STR("100rel")));
	EXPECT_TRUE(msg_has_token(&m, HDR_SUPPORTED, STR("timer")));
	EXPECT_TRUE(!msg_has_token(&m, HDR_REQUIRE, STR("timer")));
	EXPECT_Z(msg_name_at(&m, 8), "k");
	EXPECT_Z(msg_value_at(&m, 8), "100rel, x");
	EXPECT_Z(msg_value_of(&m, STR("SUPPORTED")), "timer");
	size_t cursor = 0, n = 0;
	struct str value;
	while (msg_next(&m, HDR_SUPPORTED, &cursor, &value))
		n++;
	EXPECT_INT(n, 2);
	guard_release(&g);
}

static void test_response(void **state)
{
	(void)state;
	const struct str text =
		STR("SIP/2.0 183 Session Progress, really\r\n"
		    "v: SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bKa , SIP/2.0/UDP x\r\n" CORE
		    "CSeq: 2147483647 PRACK\r\n\r\n");
	EXPECT_ERR(msg_index(&m, text, 0), OK);
	EXPECT_TRUE(!m.is_request && !m.answerable);
	EXPECT_INT(m.status, 183);
	EXPECT_Z(m.reason, "Session Progress, really");
	EXPECT_INT(m.method, METHOD_PRACK);
	EXPECT_INT(m.cseq, INT32_MAX);
	EXPECT_Z(m.via.host, "[2001:db8::1]");
	EXPECT_Z(m.via.sent_by, "[2001:db8::1]:5061");
	EXPECT_TRUE(m.via.has_more && m.via.transport == MSG_TRANSPORT_TLS);
	EXPECT_INT(m.max_forwards, -1);
}

/* What stands between HEAD or CORE and the rest differs; everything else is right. */
static void test_faults(void **state)
{
	(void)state;
#define END       "CSeq: 7 INVITE\r\n\r\n"
#define VIA(v)    "OPTIONS sip:b@x SIP/2.0\r\nVia: " v "\r\n" CORE "CSeq: 7 OPTIONS\r\n\r\n"
#define CSEQ(c)   HEAD CORE "CSeq: " c "\r\n\r\n"
#define LENGTH(l) HEAD CORE "Content-Length: " l "\r\n" END "12345"
#define PARTY(f)  HEAD "From: " f "\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\n" END
#define STATUS(l) l "\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n" CORE END
#define START(l)  l "\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\n" CORE END
	static const struct {
		const char *name;
		struct str text;
		enum msg_fault fault;
		enum err e;
		bool answerable;
	} rows[] = {
		{"a good request", STR(HEAD CORE END), MSG_FAULT_NONE, OK, true},
		{"CRLF before the start line is skipped", STR("\r\n\r\n" HEAD CORE END),
		 MSG_FAULT_NONE, OK, true},
		{"CRLF alone is a keep-alive", STR("\r\n\r\n"), MSG_FAULT_EMPTY, ERR_BAD, false},
		{"nothing at all", STR(""), MSG_FAULT_EMPTY, ERR_BAD, false},

		/* start lines */
		{"HTTP", STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), MSG_FAULT_NOT_SIP, ERR_BAD,
		 false},
		{"a TLS record", STR("\x16\x03\x01\x02\x00\x01"), MSG_FAULT_NOT_SIP, ERR_BAD,
		 false},
		{"a STUN request", STR("\x00\x01\x00\x08\x21\x12\xa4\x42"), MSG_FAULT_NOT_SIP,
		 ERR_BAD, false},
		{"version 7.0 in a request", STR(START("INVITE sip:b@x SIP/7.0")),
		 MSG_FAULT_VERSION, ERR_BAD, true},
		{"version in lower case is right", STR(START("INVITE sip:b@x sip/2.0")),
		 MSG_FAULT_NONE, OK, true},
		{"version 2.00 is not 2.0", STR(START("INVITE sip:b@x SIP/2.00")),
		 MSG_FAULT_VERSION, ERR_BAD, true},
		{"two spaces before the URI", STR(START("INVITE  sip:b@x SIP/2.0")),
		 MSG_FAULT_START_LINE, ERR_BAD, true},
		{"two spaces behind the URI", STR(START("INVITE sip:b@x  SIP/2.0")),
		 MSG_FAULT_START_LINE, ERR_BAD, true},
		{"a space behind the version", STR(START("INVITE sip:b@x SIP/2.0 ")),
		 MSG_FAULT_START_LINE, ERR_BAD, true},
		{"a space in the URI", STR(START("INVITE sip:b@x; lr SIP/2.0")),
		 MSG_FAULT_START_LINE, ERR_BAD, true},
		{"a tab in the URI", STR(START("INVITE sip:b@x;\tlr SIP/2.0")),
		 MSG_FAULT_START_LINE, ERR_BAD, true},
		{"no URI", STR(START("INVITE SIP/2.0")), MSG_FAULT_START_LINE, ERR_BAD, true},
		{"a method that is no token", STR(START("INV@ITE sip:b@x SIP/2.0")),
		 MSG_FAULT_NOT_SIP, ERR_BAD, false},
		{"a NUL in the start line", STR(START("INVITE sip:b\0@x SIP/2.0")),
		 MSG_FAULT_NOT_SIP, ERR_BAD, false},
		{"a bare LF ends no line", STR("INVITE sip:b@x SIP/2.0\nVia: x\n\n"),
		 MSG_FAULT_NOT_SIP, ERR_BAD, false},
		{"a response", STR(STATUS("SIP/2.0 200 OK")), MSG_FAULT_NONE, OK, false},
		{"a response without a phrase", STR(STATUS("SIP/2.0 200 ")), MSG_FAULT_NONE, OK,
		 false},
		{"a response without the space either", STR(STATUS("SIP/2.0 200")), MSG_FAULT_NONE,
		 OK, false},
		{"status 99", STR(STATUS("SIP/2.0 099 x")), MSG_FAULT_STATUS_CODE, ERR_BAD, false},
		{"status 700", STR(STATUS("SIP/2.0 700 x")), MSG_FAULT_STATUS_CODE, ERR_BAD, false},
		{"a status that would wrap", STR(STATUS("SIP/2.0 4294967301 x")),
		 MSG_FAULT_STATUS_CODE, ERR_BAD, false},
		{"a status with a sign", STR(STATUS("SIP/2.0 +20 x")), MSG_FAULT_STATUS_CODE,
		 ERR_BAD, false},
		{"a response of another version", STR(STATUS("SIP/3.0 200 OK")), MSG_FAULT_VERSION,
		 ERR_BAD, false},

		/* header lines */
		{"white space before the colon", STR(HEAD CORE "X-A \t: 1\r\n" END), MSG_FAULT_NONE,
		 OK, true},
		{"a line without a colon", STR(HEAD CORE "Foobar roobar\r\n" END),
		 MSG_FAULT_HEADER_LINE, ERR_BAD, true},
		{"a name that is no token", STR(HEAD CORE "X@A: 1\r\n" END), MSG_FAULT_HEADER_LINE,
		 ERR_BAD, true},
		{"no name", STR(HEAD CORE ": 1\r\n" END), MSG_FAULT_HEADER_LINE, ERR_BAD, true},
		{"a continuation of nothing",
		 STR("INVITE sip:b@x SIP/2.0\r\n folded: 1\r\nVia: SIP/2.0/UDP x\r\n" CORE END),
		 MSG_FAULT_HEADER_LINE, ERR_BAD, true},
		{"a name with UTF-8", STR(HEAD CORE "\xc3\xa4: 1\r\n" END), MSG_FAULT_HEADER_LINE,
		 ERR_BAD, true},
		{"a bare LF in a value", STR(HEAD CORE "Subject: a\nX: b\r\n" END),
		 MSG_FAULT_CONTROL_OCTET, ERR_BAD, true},
		{"a bare CR in a value", STR(HEAD CORE "Subject: a\rX: b\r\n" END),
		 MSG_FAULT_CONTROL_OCTET, ERR_BAD, true},
		{"a NUL in a value", STR(HEAD CORE "Subject: a\0b\r\n" END),
		 MSG_FAULT_CONTROL_OCTET, ERR_BAD, true},
		{"a DEL in a value", STR(HEAD CORE "Subject: a\x7f\r\n" END),
		 MSG_FAULT_CONTROL_OCTET, ERR_BAD, true},
		{"a NUL in the Call-ID is never repeated",
		 STR(HEAD "From: <sip:a@x>\r\nTo: <sip:b@x>\r\nCall-ID: 1\0002\r\n" END),
		 MSG_FAULT_CONTROL_OCTET, ERR_BAD, false},
		{"an escaped NUL inside quotes", STR(HEAD CORE "X: \"a\\\0b\"\r\n" END),
		 MSG_FAULT_NONE, OK, true},
		{"an escaped NUL outside of quotes", STR(HEAD CORE "X: a\\\0b\r\n" END),
		 MSG_FAULT_CONTROL_OCTET, ERR_BAD, true},
		{"an escaped LF inside quotes", STR(HEAD CORE "X: \"a\\\nb\"\r\n" END),
		 MSG_FAULT_CONTROL_OCTET, ERR_BAD, true},
		{"UTF-8 in a value", STR(HEAD CORE "Subject: \xe2\x82\xac\r\n" END), MSG_FAULT_NONE,
		 OK, true},
		{"an empty value", STR(HEAD CORE "Subject:\r\n" END), MSG_FAULT_NONE, OK, true},
		{"a value of folds only", STR(HEAD CORE "Subject:\r\n \r\n\t\r\n" END),
		 MSG_FAULT_NONE, OK, true},
		{"the end is missing", STR(HEAD CORE "CSeq: 7 INVITE\r\n"), MSG_FAULT_UNFINISHED,
		 ERR_MORE, true},
		{"cut in a name", STR(HEAD CORE "CSeq: 7 INVITE\r\nConte"), MSG_FAULT_UNFINISHED,
		 ERR_MORE, true},
		{"cut in the start line", STR("INVITE sip:b"), MSG_FAULT_UNFINISHED, ERR_MORE,
		 false},

		/* mandatory and single headers */
		{"no Via", STR("INVITE sip:b@x SIP/2.0\r\n" CORE END), MSG_FAULT_NO_VIA, ERR_BAD,
		 false},
		{"no From", STR(HEAD "To: <sip:b@x>\r\nCall-ID: 1\r\n" END), MSG_FAULT_NO_FROM,
		 ERR_BAD, false},
		{"no To", STR(HEAD "From: <sip:b@x>\r\nCall-ID: 1\r\n" END), MSG_FAULT_NO_TO,
		 ERR_BAD, false},
		{"no Call-ID", STR(HEAD "From: <sip:b@x>\r\nTo: <sip:b@x>\r\n" END),
		 MSG_FAULT_NO_CALL_ID, ERR_BAD, false},
		{"no CSeq", STR(HEAD CORE "\r\n"), MSG_FAULT_NO_CSEQ, ERR_BAD, false},
		{"two From", STR(HEAD CORE "f: <sip:c@x>\r\n" END), MSG_FAULT_DUPLICATE, ERR_BAD,
		 true},
		{"two Call-ID", STR(HEAD CORE "i: 2\r\n" END), MSG_FAULT_DUPLICATE, ERR_BAD, true},
		{"two equal Content-Length", STR(HEAD CORE "l: 0\r\nContent-Length: 0\r\n" END),
		 MSG_FAULT_DUPLICATE, ERR_BAD, true},
		{"two Max-Forwards", STR(HEAD CORE "Max-Forwards: 1\r\nMax-Forwards: 70\r\n" END),
		 MSG_FAULT_DUPLICATE, ERR_BAD, true},
		{"two Supported are a list", STR(HEAD CORE "k: a\r\nSupported: b\r\n" END),
		 MSG_FAULT_NONE, OK, true},

		/* CSeq, Max-Forwards, Content-Length */
		{"CSeq 2^31 - 1", STR(CSEQ("2147483647 INVITE")), MSG_FAULT_NONE, OK, true},
		{"CSeq 2^31", STR(CSEQ("2147483648 INVITE")), MSG_FAULT_CSEQ, ERR_BAD, true},
		{"CSeq beyond 64 bits", STR(CSEQ("36893488147419103232 INVITE")), MSG_FAULT_CSEQ,
		 ERR_BAD, true},
		{"CSeq with leading zeros and a fold", STR(CSEQ("0009\r\n  INVITE")),
		 MSG_FAULT_NONE, OK, true},
		{"CSeq without a number", STR(CSEQ("INVITE")), MSG_FAULT_CSEQ, ERR_BAD, true},
		{"CSeq without a space", STR(CSEQ("1INVITE")), MSG_FAULT_CSEQ, ERR_BAD, true},
		{"CSeq of another method", STR(CSEQ("1 OPTIONS")), MSG_FAULT_CSEQ_METHOD, ERR_BAD,
		 true},
		{"CSeq method in another case", STR(CSEQ("1 invite")), MSG_FAULT_CSEQ_METHOD,
		 ERR_BAD, true},
		{"Max-Forwards is a word", STR(HEAD CORE "Max-Forwards: x\r\n" END),
		 MSG_FAULT_MAX_FORWARDS, ERR_BAD, true},
		{"Max-Forwards is negative", STR(HEAD CORE "Max-Forwards: -1\r\n" END),
		 MSG_FAULT_MAX_FORWARDS, ERR_BAD, true},
		{"Max-Forwards 300 counts as absent", STR(HEAD CORE "Max-Forwards: 300\r\n" END),
		 MSG_FAULT_NONE, OK, true},
		{"octets behind the body are not ours", STR(LENGTH("2")), MSG_FAULT_NONE, OK, true},
		{"Content-Length one too large", STR(LENGTH("6")), MSG_FAULT_BODY_SHORT, ERR_BAD,
		 true},
		{"Content-Length -1", STR(LENGTH("-1")), MSG_FAULT_CONTENT_LENGTH, ERR_BAD, true},
		{"Content-Length +5", STR(LENGTH("+5")), MSG_FAULT_CONTENT_LENGTH, ERR_BAD, true},
		{"Content-Length 5 5", STR(LENGTH("5 5")), MSG_FAULT_CONTENT_LENGTH, ERR_BAD, true},
		{"Content-Length 1e3", STR(LENGTH("1e3")), MSG_FAULT_CONTENT_LENGTH, ERR_BAD, true},
		{"Content-Length nothing", STR(LENGTH("")), MSG_FAULT_CONTENT_LENGTH, ERR_BAD,
		 true},
		{"Content-Length 2^31", STR(LENGTH("2147483648")), MSG_FAULT_TOO_LONG, ERR_LIMIT,
		 true},
		{"Content-Length 2^32 + 5", STR(LENGTH("4294967301")), MSG_FAULT_CONTENT_LENGTH,
		 ERR_BAD, true},
		{"Content-Length 2^64 + 5", STR(LENGTH("18446744073709551621")),
		 MSG_FAULT_CONTENT_LENGTH, ERR_BAD, true},
		{"ACK is never answered",
		 STR("ACK sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n" CORE "CSeq: x ACK\r\n\r\n"),
		 MSG_FAULT_CSEQ, ERR_BAD, false},

		/* Via */
		{"white space where it may stand",
		 STR(VIA("SIP / 2.0\r\n / UDP\r\n  x ; branch\t=\r\n z9hG4bK1 , SIP/2.0/UDP y")),
		 MSG_FAULT_NONE, OK, true},
		{"an unknown transport", STR(VIA("SIP/2.0/XYZ x")), MSG_FAULT_NONE, OK, true},
		{"received in brackets",
		 STR(VIA("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bK1")),
		 MSG_FAULT_NONE, OK, true},
		{"received without brackets",
		 STR(VIA("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255")), MSG_FAULT_NONE,
		 OK, true},
		{"an empty parameter", STR(VIA("SIP/2.0/UDP x;;branch=z9hG4bK1")), MSG_FAULT_VIA,
		 ERR_BAD, true},
		{"a parameter without its value", STR(VIA("SIP/2.0/UDP x;branch=")), MSG_FAULT_VIA,
		 ERR_BAD, true},
		{"two branches", STR(VIA("SIP/2.0/UDP x;branch=z9hG4bK1;branch=z9hG4bK2")),
		 MSG_FAULT_VIA, ERR_BAD, true},
		{"two rports", STR(VIA("SIP/2.0/UDP x;rport;rport=1")), MSG_FAULT_VIA, ERR_BAD,
		 true},
		{"no host", STR(VIA("SIP/2.0/UDP ;branch=z9hG4bK1")), MSG_FAULT_VIA, ERR_BAD, true},
		{"no space before the host", STR(VIA("SIP/2.0/UDP")), MSG_FAULT_VIA, ERR_BAD, true},
		{"port 0", STR(VIA("SIP/2.0/UDP x:0")), MSG_FAULT_VIA, ERR_BAD, true},
		{"port 65536", STR(VIA("SIP/2.0/UDP x:65536")), MSG_FAULT_VIA, ERR_BAD, true},
		{"port 65535", STR(VIA("SIP/2.0/UDP x:65535")), MSG_FAULT_NONE, OK, true},
		{"an open bracket", STR(VIA("SIP/2.0/UDP [2001:db8::1;branch=z9hG4bK1")),
		 MSG_FAULT_VIA, ERR_BAD, true},
		{"another version", STR(VIA("SIP/3.0/UDP x")), MSG_FAULT_VIA, ERR_BAD, true},
		{"quotes without end", STR(VIA("SIP/2.0/UDP x;a=\"b")), MSG_FAULT_VIA, ERR_BAD,
		 true},
		{"quotes that end in a backslash", STR(VIA("SIP/2.0/UDP x;a=\"b\\")), MSG_FAULT_VIA,
		 ERR_BAD, true},
		{"a comma in quotes", STR(VIA("SIP/2.0/UDP x;a=\"b,c\";branch=z9hG4bK1")),
		 MSG_FAULT_NONE, OK, true},
		{"an empty Via", STR(VIA("")), MSG_FAULT_VIA, ERR_BAD, true},

		/* From and To */
		{"a bare URI with a tag", STR(PARTY("sip:a@x;tag=1")), MSG_FAULT_NONE, OK, true},
		{"no tag (RFC 2543)", STR(PARTY("sip:a@x")), MSG_FAULT_NONE, OK, true},
		{"a tag in quotes is no token", STR(PARTY("<sip:a@x>;tag=\"1\"")), MSG_FAULT_FROM,
		 ERR_BAD, true},
		{"a tag without value", STR(PARTY("<sip:a@x>;tag")), MSG_FAULT_FROM, ERR_BAD, true},
		{"two tags", STR(PARTY("<sip:a@x>;tag=1;tag=2")), MSG_FAULT_FROM, ERR_BAD, true},
		{"quotes without end in a name", STR(PARTY("\"Mr. A <sip:a@x>;tag=1")),
		 MSG_FAULT_FROM, ERR_BAD, true},
		{"a bracket without end", STR(PARTY("<sip:a@x;tag=1")), MSG_FAULT_FROM, ERR_BAD,
		 true},
		{"two addresses", STR(PARTY("sip:a@x, sip:b@x")), MSG_FAULT_FROM, ERR_BAD, true},
		{"a second address behind the parameters", STR(PARTY("<sip:a@x>;tag=1, <sip:b@x>")),
		 MSG_FAULT_FROM, ERR_BAD, true},
		{"nothing in From", STR(PARTY("")), MSG_FAULT_FROM, ERR_BAD, true},
		{"a tag in the name is no tag", STR(PARTY("\"x;tag=9\" <sip:a@x;tag=8>")),
		 MSG_FAULT_NONE, OK, true},
	};
	struct guard g;
	guard_init(&g, 4096);
	CHECK_TABLE(row, rows)
	{
		struct str s = guard_put(&g, row->text);
		EXPECT_ERR(msg_index(&m, s, 0), row->e);
		EXPECT_Z(str_from(msg_fault_name(m.fault)), msg_fault_name(row->fault));
		EXPECT_INT(m.answerable, row->answerable);
	}
	guard_release(&g);
}

static void test_trailing(void **state)
{
	(void)state;
	struct str text =
		STR(HEAD CORE "l: 2\r\nCSeq: 7 INVITE\r\n\r\nabBYE sip:x SIP/2.0\r\n\r\n");
	EXPECT_ERR(msg_index(&m, text, 0), OK);
	EXPECT_Z(m.body, "ab");
	EXPECT_INT(m.bytes.len, text.len - 21);
}

static void test_stream(void **state)
{
	(void)state;
	EXPECT_ERR(msg_index(&m, STR(HEAD CORE "CSeq: 7 INVITE\r\n\r\n"), MSG_STREAM), ERR_BAD);
	EXPECT_INT(m.fault, MSG_FAULT_NO_CONTENT_LENGTH);
	EXPECT_TRUE(m.answerable);
	EXPECT_ERR(msg_index(&m, STR(HEAD CORE "l: 3\r\nCSeq: 7 INVITE\r\n\r\nab"), MSG_STREAM),
		   ERR_MORE);
}

/* Two of every header that may stand once only, in every pair of spellings. */
static void test_every_single_header_twice(void **state)
{
	(void)state;
	static const char *const singles[] = {"Content-Disposition",
					      "Date",
					      "Event",
					      "Expires",
					      "Info-Package",
					      "MIME-Version",
					      "Min-Expires",
					      "Min-SE",
					      "Organization",
					      "Priority",
					      "RAck",
					      "RSeq",
					      "Refer-To",
					      "Referred-By",
					      "Replaces",
					      "Reply-To",
					      "Retry-After",
					      "Server",
					      "Session-Expires",
					      "Session-ID",
					      "Subject",
					      "Subscription-State",
					      "Timestamp",
					      "User-Agent",
					      "Content-Type",
					      "To",
					      "From",
					      "Call-ID",
					      "CSeq",
					      "Max-Forwards",
					      "Content-Length"};
	for (size_t i = 0; i < ARRAY_LEN(singles); i++) {
		char text[1024];
		int n = snprintf(text, sizeof(text), "%s%s: 1\r\n%s : 2\r\n%s", HEAD CORE,
				 singles[i], singles[i], "CSeq: 7 INVITE\r\n\r\n");
		(void)check_row(singles[i]);
		EXPECT_ERR(msg_index(&m, (struct str){text, (size_t)n}, 0), ERR_BAD);
		EXPECT_INT(m.fault, MSG_FAULT_DUPLICATE);
	}
}

/* Each subset of the five mandatory headers: an answer can be built from the whole set only. */
static void test_subsets(void **state)
{
	(void)state;
	static const char *const lines[] = {"Via: SIP/2.0/UDP x\r\n", "From: <sip:a@x>\r\n",
					    "To: <sip:b@x>\r\n", "Call-ID: 1\r\n",
					    "CSeq: 1 INVITE\r\n"};
	for (unsigned set = 0; set < 32; set++) {
		char mem[512];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		buf_lit(&b, "INVITE sip:b@x SIP/2.0\r\n");
		for (unsigned i = 0; i < 5; i++)
			if ((set & 1u << i) != 0)
				buf_z(&b, lines[i]);
		buf_lit(&b, "\r\n");
		EXPECT_ERR(msg_index(&m, buf_view(&b), 0), set == 31 ? OK : ERR_BAD);
		EXPECT_INT(m.answerable, set == 31);
	}
}

/* A message of `lines` times `line` after the mandatory ones. */
static struct str repeat(char *mem, size_t cap, const char *before, const char *line, size_t lines,
			 const char *after)
{
	struct buf b;
	buf_init(&b, mem, cap);
	buf_z(&b, before);
	for (size_t i = 0; i < lines; i++)
		buf_z(&b, line);
	buf_z(&b, after);
	CHECK(!b.overflow);
	return buf_view(&b);
}

static void test_limits(void **state)
{
	(void)state;
	static char mem[2 * MSG_BYTES_MAX];
	static const char start[] = "INVITE sip:b@x SIP/2.0\r\n";
	static const char core[] = "Via: SIP/2.0/UDP x\r\n" CORE;
	static const char end[] = "CSeq: 1 INVITE\r\n\r\n";
	char before[512], long_name[512];
	snprintf(before, sizeof(before), "%s%s", start, core);
	static const struct {
		const char *name, *line;
		size_t lines;
		enum err e;
		enum msg_fault fault;
	} rows[] = {
		{"200 headers", "a: b\r\n", 195, OK, MSG_FAULT_NONE},
		{"201 headers", "a: b\r\n", 196, ERR_LIMIT, MSG_FAULT_TOO_MANY_HEADERS},
		{"12,000 headers", "a:b\r\n", 12000, ERR_LIMIT, MSG_FAULT_TOO_MANY_HEADERS},
		{"64 Vias", "v: SIP/2.0/UDP y\r\n", 63, OK, MSG_FAULT_NONE},
		{"65 Vias", "v: SIP/2.0/UDP y\r\n", 64, ERR_LIMIT, MSG_FAULT_TOO_MANY_VIAS},
	};
	CHECK_TABLE(row, rows)
	{
		struct str s = repeat(mem, sizeof(mem), before, row->line, row->lines, end);
		EXPECT_ERR(msg_index(&m, s, 0), row->e);
		EXPECT_Z(str_from(msg_fault_name(m.fault)), msg_fault_name(row->fault));
	}
	(void)check_row("one header of 70 kB");
	snprintf(before, sizeof(before), "%s%sSubject: ", start, core);
	snprintf(long_name, sizeof(long_name), "\r\n%s", end);
	EXPECT_ERR(msg_index(&m, repeat(mem, sizeof(mem), before, "x", 70000, long_name), 0),
		   ERR_LIMIT);
	EXPECT_INT(m.fault, MSG_FAULT_TOO_LONG);
	(void)check_row("one header of 60 kB");
	EXPECT_ERR(msg_index(&m, repeat(mem, sizeof(mem), before, "x", 60000, long_name), 0), OK);
	(void)check_row("a body beyond all limits");
	snprintf(before, sizeof(before), "%s%s%s", start, core, end);
	EXPECT_ERR(msg_index(&m, repeat(mem, sizeof(mem), before, "x", MSG_BYTES_MAX, ""), 0),
		   ERR_LIMIT);
	(void)check_row("a header name of 256 octets");
	snprintf(before, sizeof(before), "%s%s", start, core);
	memset(long_name, 'n', 256);
	snprintf(long_name + 256, 64, ": 1\r\n");
	EXPECT_ERR(msg_index(&m, repeat(mem, sizeof(mem), before, long_name, 1, end), 0), ERR_BAD);
	EXPECT_ERR(msg_index(&m, repeat(mem, sizeof(mem), before, long_name + 1, 1, end), 0), OK);
}

/* Property 1: no prefix of a good message is good, on a stream; a datagram cut in its body is bad. */
static void test_prefixes(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, 4096);
	const struct str good = STR(GOOD);
	for (size_t n = 0; n < good.len; n++) {
		struct str s = guard_put(&g, (struct str){good.p, n});
		enum err e = msg_index(&m, s, MSG_STREAM);
		EXPECT_TRUE(e == ERR_MORE || (n == 0 && e == ERR_BAD));
		e = msg_index(&m, s, 0);
		EXPECT_TRUE(e == ERR_MORE || e == ERR_BAD);
	}
	guard_release(&g);
}

/* Property 2: what was indexed, written out line by line, indexes to the same. */
static void test_rewrite(void **state)
{
	(void)state;
	static struct msg again;
	char mem[4096];
	struct buf b;
	EXPECT_ERR(msg_index(&m, STR(GOOD), 0), OK);
	buf_init(&b, mem, sizeof(mem));
	buf_str(&b, m.method_text);
	buf_char(&b, ' ');
	buf_str(&b, m.uri);
	buf_lit(&b, " SIP/2.0\r\n");
	for (size_t i = 0; i < m.header_count; i++) {
		buf_str(&b, msg_name_at(&m, i));
		buf_lit(&b, ": ");
		hdr_write_unfolded(&b, msg_value_at(&m, i));
		buf_lit(&b, "\r\n");
	}
	buf_lit(&b, "\r\n");
	buf_str(&b, m.body);
	EXPECT_ERR(msg_index(&again, buf_view(&b), 0), OK);
	EXPECT_STR(again.via.branch, m.via.branch);
	EXPECT_STR(again.from_tag, m.from_tag);
	EXPECT_STR(again.call_id, m.call_id);
	EXPECT_STR(again.body, m.body);
	EXPECT_INT(again.header_count, m.header_count);
}

static void index_once(struct str s)
{
	(void)!msg_index(&m, s, 0);
}

static void full_once(struct str s)
{
	struct arena a;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	if (msg_index(&m, s, 0) == OK)
		(void)!msg_full(&m, &a);
}

/* Property 3: linear in every direction that a stranger can stretch. */
static void test_cost(void **state)
{
	(void)state;
	static char small[64 * 1024], big[256 * 1024];
	static const char start[] =
		"INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP x\r\n" CORE "CSeq: 1 INVITE\r\n";
	static const struct {
		const char *name, *before, *piece;
	} rows[] = {
		{"semicolons in a Contact", "Contact: <sip:a@x>", ";a"},
		{"commas in Allow", "Allow: a", ",a"},
		{"folds", "Subject: a", "\r\n b"},
		{"quotes", "Subject: ", "\"\\\"\""},
		{"escaped NULs in quotes", "Subject: \"", "\\\x01"},
		{"bare CRs", "Subject: ", "\r"},
		{"NULs", "Subject: ", "\x01"},
		{"header lines that are none", "x\r\n", "x\r\n"},
		{"Via parameters", "Via: SIP/2.0/UDP y", ";a"},
		{"open brackets", "Contact: ", "<"},
		{"open quotes", "From: ", "\""},
		{"spaces", "Contact: ", " "},
		{"a long name", "", "n"},
		{"URI headers", "Contact: <sip:x?", "a=b&"},
		{"routes", "Route: <sip:a;lr>", ",<sip:a;lr>"},
		{"comments", "User-Agent: ", "("},
	};
	CHECK_TABLE(row, rows)
	{
		char before[1024];
		snprintf(before, sizeof(before), "%s%s", start, row->before);
		size_t n = 12000 / strlen(row->piece);
		struct str s = repeat(small, sizeof(small), before, row->piece, n, "\r\n\r\n");
		struct str b = repeat(big, sizeof(big), before, row->piece,
				      4 * n + 1000 / strlen(row->piece), "\r\n\r\n");
		EXPECT_TRUE(cost_is_linear(index_once, s, b));
		EXPECT_TRUE(cost_is_linear(full_once, s, b));
	}
}

static void test_check(void **state)
{
	(void)state;
#define REQUEST(method, uri, from, rest)                                                           \
	method " " uri " SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: " from             \
	       "\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 " method "\r\n" rest "\r\n"
#define INV(rest) REQUEST("INVITE", "sip:b@x", "<sip:a@x>;tag=1", rest)
#define URI(uri)  REQUEST("OPTIONS", uri, "<sip:a@x>;tag=1", "")
	static const struct {
		const char *name;
		struct str text;
		enum msg_fault fault;
	} rows[] = {
		{"an INVITE", STR(INV("Contact: <sip:a@1.2.3.4>\r\n")), MSG_FAULT_NONE},
		{"an INVITE needs a Contact", STR(INV("")), MSG_FAULT_NO_CONTACT},
		{"an INVITE with two Contacts", STR(INV("Contact: <sip:a@x>, <sip:b@x>\r\n")),
		 MSG_FAULT_CONTACT},
		{"an INVITE with a star", STR(INV("Contact: *\r\n")), MSG_FAULT_CONTACT},
		{"a Contact with a port of five digits too many",
		 STR(INV("Contact: <sip:a@x:99999>\r\n")), MSG_FAULT_CONTACT},
		{"a bare Contact with headers", STR(INV("Contact: sip:a@x?Route=%3Csip:y%3E\r\n")),
		 MSG_FAULT_CONTACT},
		{"OPTIONS needs none", STR(URI("sip:b@x")), MSG_FAULT_NONE},
		{"a Request-URI in brackets", STR(URI("<sip:b@x>")), MSG_FAULT_REQUEST_URI},
		{"a Request-URI with headers", STR(URI("sip:b@x?Route=%3Csip:y%3E")),
		 MSG_FAULT_REQUEST_URI},
		{"a Request-URI with IPv6 without brackets", STR(URI("sip:2001:db8::10")),
		 MSG_FAULT_REQUEST_URI},
		{"a Request-URI with half an escape", STR(URI("sip:b%4@x")), MSG_FAULT_REQUEST_URI},
		{"an unknown scheme is well formed", STR(URI("soap.beep://192.0.2.103:3002")),
		 MSG_FAULT_NONE},
		{"a tel URI", STR(URI("tel:+49-30-1234;phone-context=x")), MSG_FAULT_NONE},
		{"a From with spaces in brackets",
		 STR(REQUEST("OPTIONS", "sip:b@x", "< sip:a@x >;tag=1", "")), MSG_FAULT_FROM},
		{"a display name with a comma",
		 STR(REQUEST("OPTIONS", "sip:b@x", "Bell, A <sip:a@x>;tag=1", "")), MSG_FAULT_FROM},
		{"no space before the bracket",
		 STR(REQUEST("OPTIONS", "sip:b@x", "caller<sip:a@x>;tag=1", "")), MSG_FAULT_NONE},
		{"a Route without brackets",
		 STR(INV("Contact: <sip:a@x>\r\nRoute: sip:p@x;lr\r\n")), MSG_FAULT_ROUTE},
		{"a Record-Route that is no URI",
		 STR(INV("Contact: <sip:a@x>\r\nRecord-Route: <p>\r\n")), MSG_FAULT_ROUTE},
		{"a body without a type", STR(INV("Contact: <sip:a@x>\r\n") "v=0"),
		 MSG_FAULT_CONTENT_TYPE},
		{"a type without a subtype",
		 STR(INV("Contact: <sip:a@x>\r\nContent-Type: text\r\n") "v=0"),
		 MSG_FAULT_CONTENT_TYPE},
		{"a type with a quoted boundary",
		 STR(INV("Contact: <sip:a@x>\r\nContent-Type: multipart / mixed ; boundary=\"a "
			 "b\"\r\n") "v=0"),
		 MSG_FAULT_NONE},
		{"libosip2 finds a lower Via that is none",
		 STR(INV("Contact: <sip:a@x>\r\nVia: x\r\n")), MSG_FAULT_SYNTAX},
		{"an escaped NUL that libosip2 cannot take",
		 STR(INV("Contact: <sip:a@x>\r\nX: \"\\\0\"\r\n")), MSG_FAULT_NONE},
	};
	CHECK_TABLE(row, rows)
	{
		struct arena a;
		arena_init(&a, arena_mem, sizeof(arena_mem));
		enum err e = msg_index(&m, row->text, 0);
		if (e == OK)
			e = msg_full(&m, &a);
		EXPECT_ERR(e, row->fault == MSG_FAULT_NONE ? OK : ERR_BAD);
		EXPECT_Z(str_from(msg_fault_name(m.fault)), msg_fault_name(row->fault));
		EXPECT_INT(a.used, 0);
	}
}

/* The caps that keep libosip2 linear, and an arena that is too small or not there. */
static void test_full_limits(void **state)
{
	(void)state;
	static char mem[128 * 1024];
	static const char before[] = INV("Contact: <sip:a@x>\r\nAllow: a");
	char head[1024];
	struct arena a;
	snprintf(head, sizeof(head), "%.*s", (int)(sizeof(before) - 5), before);
	arena_init(&a, arena_mem, sizeof(arena_mem));
	struct str s = repeat(mem, sizeof(mem), head, ",a", MSG_FULL_COMMAS_MAX, "\r\n\r\n");
	EXPECT_ERR(msg_index(&m, s, 0), OK);
	EXPECT_ERR(msg_full(&m, &a), OK);
	s = repeat(mem, sizeof(mem), head, ",a", MSG_FULL_COMMAS_MAX + 1, "\r\n\r\n");
	EXPECT_ERR(msg_index(&m, s, 0), OK);
	EXPECT_ERR(msg_full(&m, &a), ERR_LIMIT);
	EXPECT_INT(m.fault, MSG_FAULT_TOO_MANY_ITEMS);
	/* A small arena spills, and gives back what it took. */
	arena_init(&a, arena_mem, 4096);
	s = repeat(mem, sizeof(mem), head, ",a", MSG_FULL_COMMAS_MAX, "\r\n\r\n");
	EXPECT_ERR(msg_index(&m, s, 0), OK);
	EXPECT_ERR(msg_full(&m, &a), OK);
	EXPECT_INT(a.used, 0);
	/* None at all: refused, not crashed. */
	arena_init(&a, arena_mem, 0);
	EXPECT_ERR(msg_full(&m, &a), ERR_NOMEM);
	EXPECT_INT(m.fault, MSG_FAULT_NO_MEMORY);
	EXPECT_INT(msg_fault_status(m.fault), 500);
}

/* Two Content-Type headers inside one part leak in libosip2; it never sees them. */
static void test_multipart_does_not_leak(void **state)
{
	(void)state;
	static const struct str s =
		STR(INV("Contact: <sip:a@x>\r\nContent-Type: "
			"multipart/mixed;boundary=b\r\n") "--b\r\nContent-Type: "
							  "text/plain\r\nContent-Type: "
							  "text/"
							  "plain\r\n\r\nx\r\n--b--\r\n");
	for (int i = 0; i < 100; i++) {
		struct arena a;
		arena_init(&a, arena_mem, sizeof(arena_mem));
		EXPECT_ERR(msg_index(&m, s, 0), OK);
		EXPECT_ERR(msg_full(&m, &a), OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_trailing),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_every_single_header_twice),
		cmocka_unit_test(test_subsets),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_full_limits),
		cmocka_unit_test(test_multipart_does_not_leak),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
