#include "sbc/core/build.h"
#include "sbc/core/dialog.h"
#include "tests/support/check.h"

static struct msg m;
static const struct addr here = {{192, 0, 2, 1}, 5060, ADDR_IP4};
static const struct addr here6 = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, 5061, ADDR_IP6};
static const struct addr source = {{198, 51, 100, 7}, 50123, ADDR_IP4};

static struct build_request good(void)
{
	return (struct build_request){.method = STR("INVITE"),
				      .uri = STR("sip:b@h"),
				      .transport = TRANSPORT_UDP,
				      .sent_by = &here,
				      .branch = STR("z9hG4bK1"),
				      .max_forwards = 69,
				      .from = {STR("\"A\" <sip:a@h>"), STR("f1")},
				      .to = {STR("<sip:b@h>"), STR_NONE},
				      .call_id = STR("c1"),
				      .cseq = 1,
				      .contact = STR("sip:x@192.0.2.1:5060"),
				      .headers = STR("Subject: hi\r\nSupported: timer\r\n"),
				      .content_type = STR("application/sdp"),
				      .body = STR("v=0\r\n")};
}

static void test_request(void **state)
{
	(void)state;
	char mem[2048];
	struct buf b;
	struct build_request r = good();
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(build_request(&b, &r), OK);
	EXPECT_Z(buf_view(&b), "INVITE sip:b@h SIP/2.0\r\n"
			       "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1\r\n"
			       "Max-Forwards: 69\r\n"
			       "From: \"A\" <sip:a@h>;tag=f1\r\n"
			       "To: <sip:b@h>\r\n"
			       "Call-ID: c1\r\n"
			       "CSeq: 1 INVITE\r\n"
			       "Contact: <sip:x@192.0.2.1:5060>\r\n"
			       "Subject: hi\r\n"
			       "Supported: timer\r\n"
			       "Content-Type: application/sdp\r\n"
			       "Content-Length: 5\r\n"
			       "\r\n"
			       "v=0\r\n");
	EXPECT_ERR(msg_index(&m, buf_view(&b), MSG_STREAM), OK);

	r = (struct build_request){.method = STR("BYE"),
				   .uri = STR("sips:b@h"),
				   .transport = TRANSPORT_TLS,
				   .sent_by = &here6,
				   .branch = STR("z9hG4bK2"),
				   .max_forwards = 70,
				   .from = {STR("<sip:a@h>"), STR("f1")},
				   .to = {STR("<sip:b@h>"), STR("t1")},
				   .call_id = STR("<odd\"id>@h"),
				   .cseq = 2,
				   .routes = STR("<sip:p1;lr>\n<sip:p2;lr>"),
				   .last_route = STR("sip:t@h")};
	buf_reset(&b);
	EXPECT_ERR(build_request(&b, &r), OK);
	EXPECT_Z(buf_view(&b), "BYE sips:b@h SIP/2.0\r\n"
			       "Via: SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bK2\r\n"
			       "Max-Forwards: 70\r\n"
			       "Route: <sip:p1;lr>, <sip:p2;lr>, <sip:t@h>\r\n"
			       "From: <sip:a@h>;tag=f1\r\n"
			       "To: <sip:b@h>;tag=t1\r\n"
			       "Call-ID: <odd\"id>@h\r\n"
			       "CSeq: 2 BYE\r\n"
			       "Content-Length: 0\r\n"
			       "\r\n");
	EXPECT_ERR(msg_index(&m, buf_view(&b), MSG_STREAM), OK);
}

/* Each octet 0 to 31 and 127 in each field: nothing gets through as a line of its own. */
static void test_every_control_octet_in_every_field(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t offset;
	} fields[] = {
#define F(f) {#f, offsetof(struct build_request, f)}
		F(method),     F(uri),     F(branch),       F(from.value), F(from.tag),
		F(to.value),   F(to.tag),  F(call_id),      F(contact),    F(routes),
		F(last_route), F(headers), F(content_type),
	};
	CHECK_TABLE(row, fields)
	{
		for (unsigned c = 0; c < 128; c++) {
			if (c >= 32 && c != 127)
				continue;
			char mem[2048], value[16] = "X-A: b?X: y\r\n";
			struct buf b;
			struct build_request r = good();
			value[6] = (char)c;
			struct str *field = (struct str *)(void *)((char *)&r + row->offset);
			*field = (struct str){value, 13};
			if (row->offset != offsetof(struct build_request, headers))
				field->len = 11;
			buf_init(&b, mem, sizeof(mem));
			enum err e = build_request(&b, &r);
			/* TAB may stand in a value; '\n' parts routes. */
			bool fine = (c == '\t' ||
				     (c == '\n' &&
				      row->offset == offsetof(struct build_request, routes)));
			if (!fine)
				EXPECT_ERR(e, ERR_BAD);
			if (e == OK) {
				EXPECT_ERR(msg_index(&m, buf_view(&b), 0), OK);
				EXPECT_INT(msg_value_of(&m, STR("X")).len, 0);
			}
		}
	}
}

static void test_bad_values(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t offset;
		struct str value;
	} rows[] = {
		{"a URI with a space", offsetof(struct build_request, uri), STR("sip:a b")},
		{"no URI", offsetof(struct build_request, uri), STR("")},
		{"a Contact that closes its bracket", offsetof(struct build_request, contact),
		 STR("sip:a>;x=<")},
		{"a method with a space", offsetof(struct build_request, method), STR("IN VITE")},
		{"a branch with a semicolon", offsetof(struct build_request, branch), STR("z;x")},
		{"a tag with a comma", offsetof(struct build_request, from.tag), STR("1,2")},
		{"no From", offsetof(struct build_request, from.value), STR("")},
		{"a Call-ID with a space", offsetof(struct build_request, call_id), STR("1 2")},
		{"a block of lines without an end", offsetof(struct build_request, headers),
		 STR("Subject: x")},
		{"a block with an empty line", offsetof(struct build_request, headers),
		 STR("Subject: x\r\n\r\n")},
		{"a block with a fold", offsetof(struct build_request, headers),
		 STR("Subject: x\r\n y\r\n")},
		{"a block without a colon", offsetof(struct build_request, headers),
		 STR("Subject\r\n")},
		{"a space before the colon", offsetof(struct build_request, headers),
		 STR("Subject : x\r\n")},
		{"a body without a type", offsetof(struct build_request, content_type), STR("")},
		{"an empty route", offsetof(struct build_request, routes),
		 STR("<sip:a>\n\n<sip:b>")},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[2048];
		struct buf b;
		struct build_request r = good();
		*(struct str *)(void *)((char *)&r + row->offset) = row->value;
		buf_init(&b, mem, sizeof(mem));
		EXPECT_ERR(build_request(&b, &r), ERR_BAD);
	}
	/* Every size that is too small. */
	size_t len = 0;
	for (size_t cap = 2048; cap-- > 0;) {
		char mem[2048];
		struct buf b;
		struct build_request r = good();
		buf_init(&b, mem, cap);
		enum err e = build_request(&b, &r);
		len = len == 0 ? b.len : len;
		EXPECT_ERR(e, cap >= len ? OK : ERR_LIMIT);
	}
}

#define REQUEST(vias, rest)                                                                        \
	"INVITE sip:b@h SIP/2.0\r\n" vias "f: \"A\"\r\n <sip:a@h>;tag=f1\r\nTo: <sip:b@h>" rest    \
	"\r\ni: c1\r\nCSeq: 007  INVITE\r\n"                                                       \
	"Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p3;lr>\r\n\r\n"

static void test_base(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str request;
		const char *vias;
	} rows[] = {
		{"sent-by is the source and no rport is asked for",
		 STR(REQUEST("Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1\r\n", "")),
		 "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1\r\n"},
		{"sent-by is another address",
		 STR(REQUEST("Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\n", "")),
		 "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;received=198.51.100.7\r\n"},
		{"sent-by is a name",
		 STR(REQUEST("Via: SIP/2.0/UDP pc.example;branch=z9hG4bK1\r\n", "")),
		 "Via: SIP/2.0/UDP pc.example;branch=z9hG4bK1;received=198.51.100.7\r\n"},
		{"rport is asked for",
		 STR(REQUEST("Via: SIP/2.0/UDP 198.51.100.7;rport;branch=z9hG4bK1\r\n", "")),
		 "Via: SIP/2.0/UDP "
		 "198.51.100.7;branch=z9hG4bK1;received=198.51.100.7;rport=50123\r\n"},
		{"what the sender says of received and rport does not count",
		 STR(REQUEST("Via: SIP/2.0/UDP h;received=203.0.113.9;rport=53;branch=z9hG4bK1\r\n",
			     "")),
		 "Via: SIP/2.0/UDP h;branch=z9hG4bK1;received=198.51.100.7;rport=50123\r\n"},
		{"the stack keeps its order, in one line or many",
		 STR(REQUEST("v: SIP/2.0/UDP h;branch=z9hG4bK1 , SIP/2.0/TCP i;branch=2\r\nVia: "
			     "SIP/2.0/XX j\r\n",
			     "")),
		 "Via: SIP/2.0/UDP h;branch=z9hG4bK1;received=198.51.100.7, SIP/2.0/TCP "
		 "i;branch=2\r\n"
		 "Via: SIP/2.0/XX j\r\n"},
		{"white space and folds",
		 STR(REQUEST("Via: SIP / 2.0\r\n /UDP\r\n h ; branch = z9hG4bK1\r\n ;x\r\n", "")),
		 "Via: SIP / 2.0 /UDP h;branch=z9hG4bK1;x;received=198.51.100.7\r\n"},
		{"a Via that cannot be read goes back as it came",
		 STR(REQUEST("Via: SIP/2.0/UDP h;;,;,,\r\n", "")), "Via: SIP/2.0/UDP h;;,;,,\r\n"},
	};
	CHECK_TABLE(row, rows)
	{
		char store[1024];
		struct buf b;
		struct build_base base;
		(void)!msg_index(&m, row->request, 0);
		EXPECT_TRUE(m.answerable);
		buf_init(&b, store, sizeof(store));
		EXPECT_ERR(build_base(&b, &m, &source, &base), OK);
		char want[1024];
		struct buf w;
		buf_init(&w, want, sizeof(want));
		buf_z(&w, row->vias);
		buf_lit(&w, "From: \"A\" <sip:a@h>;tag=f1\r\nTo: <sip:b@h>");
		EXPECT_STR(base.head, buf_view(&w));
		EXPECT_Z(base.tail, "Call-ID: c1\r\nCSeq: 007  INVITE\r\n");
		EXPECT_Z(base.routes,
			 "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p3;lr>\r\n");
		EXPECT_TRUE(!base.to_has_tag);
		for (size_t cap = 0; cap < b.len; cap++) {
			struct buf small;
			struct build_base none;
			buf_init(&small, store, cap);
			EXPECT_ERR(build_base(&small, &m, &source, &none), ERR_LIMIT);
		}
	}
}

static void test_response(void **state)
{
	(void)state;
	char store[1024], mem[1024];
	struct buf s, b;
	struct build_base base;
	EXPECT_ERR(msg_index(&m,
			     STR(REQUEST("Via: SIP/2.0/TLS 198.51.100.7:50123;branch=z9hG4bK1\r\n",
					 "")),
			     0),
		   OK);
	buf_init(&s, store, sizeof(store));
	EXPECT_ERR(build_base(&s, &m, &source, &base), OK);
	struct build_response r = {.base = &base, .status = 100};
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(build_response(&b, &r), OK);
	EXPECT_Z(buf_view(&b), "SIP/2.0 100 Trying\r\n"
			       "Via: SIP/2.0/TLS 198.51.100.7:50123;branch=z9hG4bK1\r\n"
			       "From: \"A\" <sip:a@h>;tag=f1\r\n"
			       "To: <sip:b@h>\r\n"
			       "Call-ID: c1\r\n"
			       "CSeq: 007  INVITE\r\n"
			       "Content-Length: 0\r\n"
			       "\r\n");
	r = (struct build_response){.base = &base,
				    .status = 200,
				    .reason = STR("Fine"),
				    .to_tag = STR("t1"),
				    .record_route = true,
				    .contact = STR("sips:x@h"),
				    .headers = STR("Allow: INVITE\r\n"),
				    .content_type = STR("application/sdp"),
				    .body = STR("v=0\r\n")};
	buf_reset(&b);
	EXPECT_ERR(build_response(&b, &r), OK);
	EXPECT_Z(buf_view(&b), "SIP/2.0 200 Fine\r\n"
			       "Via: SIP/2.0/TLS 198.51.100.7:50123;branch=z9hG4bK1\r\n"
			       "From: \"A\" <sip:a@h>;tag=f1\r\n"
			       "To: <sip:b@h>;tag=t1\r\n"
			       "Call-ID: c1\r\n"
			       "CSeq: 007  INVITE\r\n"
			       "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n"
			       "Record-Route: <sip:p3;lr>\r\n"
			       "Contact: <sips:x@h>\r\n"
			       "Allow: INVITE\r\n"
			       "Content-Type: application/sdp\r\n"
			       "Content-Length: 5\r\n"
			       "\r\n"
			       "v=0\r\n");
	EXPECT_ERR(msg_index(&m, buf_view(&b), MSG_STREAM), OK);
	EXPECT_Z(m.to_tag, "t1");
	EXPECT_INT(m.cseq, 7);

	/* A request inside a dialog has the tag already. */
	EXPECT_ERR(msg_index(&m, STR(REQUEST("Via: SIP/2.0/UDP h\r\n", ";tag=mine")), 0), OK);
	buf_reset(&s);
	EXPECT_ERR(build_base(&s, &m, &source, &base), OK);
	EXPECT_TRUE(base.to_has_tag);
	buf_reset(&b);
	EXPECT_ERR(build_response(&b, &r), OK);
	EXPECT_ERR(msg_index(&m, buf_view(&b), MSG_STREAM), OK);
	EXPECT_Z(m.to_tag, "mine");

	static const struct {
		const char *name;
		size_t offset;
		struct str value;
	} rows[] = {
		{"a reason with CRLF", offsetof(struct build_response, reason), STR("OK\r\nX: y")},
		{"a tag with a quote", offsetof(struct build_response, to_tag), STR("a\"")},
		{"a Contact with a bracket", offsetof(struct build_response, contact),
		 STR("sip:a>")},
		{"lines that are none", offsetof(struct build_response, headers), STR("x\r\n")},
		{"a type with a NUL", offsetof(struct build_response, content_type), STR("a/\0b")},
	};
	CHECK_TABLE(row, rows)
	{
		struct build_response bad = r;
		*(struct str *)(void *)((char *)&bad + row->offset) = row->value;
		buf_reset(&b);
		EXPECT_ERR(build_response(&b, &bad), ERR_BAD);
	}
}

static void test_ack_and_cancel(void **state)
{
	(void)state;
	char sent[1024], mem[1024];
	struct buf b;
	struct build_request r = good();
	r.routes = STR("<sip:p1;lr>\n<sip:p2;lr>");
	buf_init(&b, sent, sizeof(sent));
	EXPECT_ERR(build_request(&b, &r), OK);
	EXPECT_ERR(msg_index(&m, buf_view(&b), MSG_STREAM), OK);
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(build_ack(&b, &m, STR("<sip:b@h>\r\n ;tag=t9")), OK);
	EXPECT_Z(buf_view(&b), "ACK sip:b@h SIP/2.0\r\n"
			       "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1\r\n"
			       "Max-Forwards: 69\r\n"
			       "Route: <sip:p1;lr>, <sip:p2;lr>\r\n"
			       "From: \"A\" <sip:a@h>;tag=f1\r\n"
			       "To: <sip:b@h> ;tag=t9\r\n"
			       "Call-ID: c1\r\n"
			       "CSeq: 1 ACK\r\n"
			       "Content-Length: 0\r\n"
			       "\r\n");
	buf_reset(&b);
	EXPECT_ERR(build_cancel(&b, &m, STR("Reason: SIP;cause=200\r\n")), OK);
	EXPECT_Z(buf_view(&b), "CANCEL sip:b@h SIP/2.0\r\n"
			       "Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1\r\n"
			       "Max-Forwards: 69\r\n"
			       "Route: <sip:p1;lr>, <sip:p2;lr>\r\n"
			       "From: \"A\" <sip:a@h>;tag=f1\r\n"
			       "To: <sip:b@h>\r\n"
			       "Call-ID: c1\r\n"
			       "CSeq: 1 CANCEL\r\n"
			       "Reason: SIP;cause=200\r\n"
			       "Content-Length: 0\r\n"
			       "\r\n");
	buf_reset(&b);
	EXPECT_ERR(build_cancel(&b, &m, STR("Reason")), ERR_BAD);
	EXPECT_ERR(build_ack(&b, &m, STR_NONE), ERR_BAD);
}

static void test_helpers(void **state)
{
	(void)state;
	char mem[256];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	EXPECT_ERR(build_header(&b, STR("X-A"), STR("1")), OK);
	EXPECT_ERR(build_header(&b, STR("X A"), STR("1")), ERR_BAD);
	EXPECT_ERR(build_header(&b, STR("X-A"), STR("1\n2")), ERR_BAD);
	EXPECT_Z(buf_view(&b), "X-A: 1\r\n");
	EXPECT_Z(build_reason(488), "Not Acceptable Here");
	EXPECT_Z(build_reason(599), "Unknown");
	static const struct {
		const char *name, *want, *user;
		bool sips;
		const struct addr *host;
		enum transport t;
	} rows[] = {
		{"UDP is not named", "sip:abc@192.0.2.1:5060", "abc", false, &here, TRANSPORT_UDP},
		{"TCP is", "sip:192.0.2.1:5060;transport=tcp", "", false, &here, TRANSPORT_TCP},
		{"TLS over sip", "sip:a@[2001:db8::1]:5061;transport=tls", "a", false, &here6,
		 TRANSPORT_TLS},
		{"sips says it all", "sips:a@[2001:db8::1]:5061", "a", true, &here6, TRANSPORT_TLS},
		{"a user is escaped", "sip:a%40b%3E@192.0.2.1:5060", "a@b>", false, &here,
		 TRANSPORT_UDP},
	};
	CHECK_TABLE(row, rows)
	{
		buf_reset(&b);
		build_contact(&b, row->sips, str_from(row->user), row->host, row->t);
		EXPECT_Z(buf_view(&b), row->want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_every_control_octet_in_every_field),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_ack_and_cancel),
		cmocka_unit_test(test_helpers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
