#include "sbc/core/refuse.h"
#include "tests/support/check.h"

static struct msg m;
static const struct str extensions[] = {{"timer", 5}, {"100rel", 6}};
static const struct str types[] = {{"application/sdp", 15}, {"application/dtmf-relay", 22}};
static const struct refuse_params params = {
	.methods = 1u << METHOD_INVITE | 1u << METHOD_ACK | 1u << METHOD_CANCEL | 1u << METHOD_BYE |
		   1u << METHOD_OPTIONS | 1u << METHOD_INFO,
	.extensions = extensions,
	.extension_count = 2,
	.content_types = types,
	.content_type_count = 2,
};

#define REQUEST(method, uri, rest, body)                                                           \
	method " " uri                                                                             \
	       " SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"       \
	       "To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 " method "\r\n" rest "\r\n" body
#define INVITE(rest, body) REQUEST("INVITE", "sip:b@h", rest, body)

static void test_requests(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		unsigned status; /* 0: allowed, 1: dropped */
		const char *headers;
	} rows[] = {
		{"an INVITE with SDP", STR(INVITE("Content-Type: application/sdp\r\n", "v=0")), 0,
		 ""},
		{"an INVITE without a body", STR(INVITE("", "")), 0, ""},
		{"an unknown method", STR(REQUEST("DANCE", "sip:b@h", "", "")), 501,
		 "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\n"},
		{"a known method that is not handled", STR(REQUEST("REFER", "sip:b@h", "", "")),
		 405, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\n"},
		{"a method in lower case is unknown", STR(REQUEST("invite", "sip:b@h", "", "")),
		 501, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\n"},
		{"a method comes before the rest",
		 STR(REQUEST("DANCE", "urn:x", "Require: y\r\n", "")), 501,
		 "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\n"},
		{"an unknown scheme",
		 STR(REQUEST("OPTIONS", "nobodyKnowsThisScheme:totallyopaquecontent", "", "")), 416,
		 ""},
		{"a tel URI", STR(REQUEST("INVITE", "tel:+4930", "", "")), 0, ""},
		{"a sips URI", STR(REQUEST("INVITE", "sips:b@h", "", "")), 0, ""},
		{"no more hops", STR(INVITE("Max-Forwards: 0\r\n", "")), 483, ""},
		{"one hop more", STR(INVITE("Max-Forwards: 1\r\n", "")), 0, ""},
		{"OPTIONS at its last hop is for us",
		 STR(REQUEST("OPTIONS", "sip:h", "Max-Forwards: 0\r\n", "")), 0, ""},
		{"an extension that we have", STR(INVITE("Require: 100REL\r\n", "")), 0, ""},
		{"extensions that we have not",
		 STR(INVITE("Require: timer, x-a\r\nRequire: ,x-b\r\nProxy-Require: x-c\r\n", "")),
		 420, "Unsupported: x-a, x-b\r\n"},
		{"Proxy-Require alone", STR(INVITE("Proxy-Require: x-c\r\n", "")), 420,
		 "Unsupported: x-c\r\n"},
		{"what is no tag is not repeated", STR(INVITE("Require: \"x, y\", x-a\r\n", "")),
		 420, "Unsupported: x-a\r\n"},
		{"CANCEL is never refused for Require",
		 STR(REQUEST("CANCEL", "sip:b@h", "Require: x\r\n", "")), 0, ""},
		{"ACK is never answered", STR(REQUEST("ACK", "sip:b@h", "Require: x\r\n", "")), 1,
		 ""},
		{"an unknown body", STR(INVITE("Content-Type: application/unknownformat\r\n", "x")),
		 415,
		 "Accept: application/sdp, application/dtmf-relay, "
		 "multipart/mixed\r\nAccept-Encoding: "
		 "identity\r\n"},
		{"a multipart body with SDP in it",
		 STR(INVITE("Content-Type: multipart/mixed;boundary=b\r\n",
			    "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--")),
		 0, ""},
		{"a multipart body that is none",
		 STR(INVITE("Content-Type: multipart/mixed;boundary=b\r\n", "x")), 400, ""},
		{"a multipart body without a boundary",
		 STR(INVITE("Content-Type: multipart/mixed\r\n", "--b\r\n\r\nx\r\n--b--")), 400,
		 ""},
		{"a multipart body with a part that no one knows",
		 STR(INVITE("Content-Type: multipart/mixed;boundary=b\r\n",
			    "--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--")),
		 415,
		 "Accept: application/sdp, application/dtmf-relay, "
		 "multipart/mixed\r\nAccept-Encoding: "
		 "identity\r\n"},
		{"a body that may be ignored",
		 STR(INVITE(
			 "Content-Type: a/b\r\nContent-Disposition: render;handling=optional\r\n",
			 "x")),
		 0, ""},
		{"a body that must not be",
		 STR(INVITE(
			 "Content-Type: a/b\r\nContent-Disposition: render;handling=required\r\n",
			 "x")),
		 415,
		 "Accept: application/sdp, application/dtmf-relay, "
		 "multipart/mixed\r\nAccept-Encoding: "
		 "identity\r\n"},
		{"a packed body",
		 STR(INVITE("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", "x")),
		 415,
		 "Accept: application/sdp, application/dtmf-relay, "
		 "multipart/mixed\r\nAccept-Encoding: "
		 "identity\r\n"},
		{"any body in INFO", STR(REQUEST("INFO", "sip:b@h", "Content-Type: a/b\r\n", "x")),
		 0, ""},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[512];
		struct buf b;
		EXPECT_ERR(msg_index(&m, row->text, 0), OK);
		struct verdict v = refuse_request(&m, &params);
		EXPECT_INT(v.outcome, row->status == 0   ? VERDICT_ALLOW
				      : row->status == 1 ? VERDICT_DROP
							 : VERDICT_REJECT);
		if (v.outcome != VERDICT_REJECT)
			continue;
		EXPECT_INT(v.status, row->status);
		EXPECT_INT(v.stage, VERDICT_STAGE_PARSE);
		EXPECT_TRUE(v.rule.len > 0 && v.reason.len > 0);
		buf_init(&b, mem, sizeof(mem));
		EXPECT_ERR(refuse_write_headers(&b, &v, &m, &params), OK);
		EXPECT_Z(buf_view(&b), row->headers);
		if (row->headers[0] != '\0') {
			buf_init(&b, mem, strlen(row->headers) - 1);
			EXPECT_ERR(refuse_write_headers(&b, &v, &m, &params), ERR_LIMIT);
		}
	}
}

/* Each fault: which status, and that only what can be answered is. */
static void test_faults(void **state)
{
	(void)state;
	for (unsigned f = MSG_FAULT_NONE + 1; f < MSG_FAULT_COUNT; f++) {
		(void)check_row(msg_fault_name((enum msg_fault)f));
		m.fault = (enum msg_fault)f;
		m.answerable = false;
		EXPECT_INT(refuse_fault(&m).outcome, VERDICT_DROP);
		m.answerable = true;
		struct verdict v = refuse_fault(&m);
		uint16_t status = msg_fault_status((enum msg_fault)f);
		EXPECT_INT(v.outcome, status == 0 ? VERDICT_DROP : VERDICT_REJECT);
		EXPECT_INT(v.status, status);
		EXPECT_TRUE(status == 0 || status == 400 || status == 500 || status == 505 ||
			    status == 513);
		EXPECT_Z(v.rule, msg_fault_name((enum msg_fault)f));
	}
	EXPECT_INT(msg_fault_status(MSG_FAULT_VERSION), 505);
	EXPECT_INT(msg_fault_status(MSG_FAULT_TOO_LONG), 513);
	EXPECT_INT(msg_fault_status(MSG_FAULT_NOT_SIP), 0);
}

static void test_responses(void **state)
{
	(void)state;
#define RESPONSE(vias)                                                                             \
	"SIP/2.0 200 OK\r\n" vias                                                                  \
	"From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n"
	static const struct {
		const char *name;
		struct str text;
		enum verdict_outcome outcome;
	} rows[] = {
		{"one Via", STR(RESPONSE("Via: SIP/2.0/UDP h\r\n")), VERDICT_ALLOW},
		{"two Vias",
		 STR(RESPONSE("Via: SIP/2.0/UDP h\r\nVia: SIP/2.0/UDP 255.255.255.255\r\n")),
		 VERDICT_DROP},
		{"two in one line", STR(RESPONSE("Via: SIP/2.0/UDP h, SIP/2.0/UDP i\r\n")),
		 VERDICT_DROP},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_ERR(msg_index(&m, row->text, 0), OK);
		EXPECT_INT(refuse_response(&m).outcome, row->outcome);
	}
}

static void test_warning(void **state)
{
	(void)state;
	const struct verdict v = {.outcome = VERDICT_REJECT,
				  .status = 488,
				  .warn_code = 304,
				  .warn_text = STR("SRTP only")};
	char mem[128];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(refuse_write_headers(&b, &v, &m, &params), OK);
	EXPECT_Z(buf_view(&b), "Warning: 304 sbc \"SRTP only\"\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_warning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
