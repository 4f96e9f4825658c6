#include "sbc/core/body.h"

#include "tests/support/check.h"
#include "tests/support/guard.h"

#define SDP  "v=0\r\n"
#define PIDF "<presence/>"

/* What the parser made of it: "type|disposition|flags|bytes" a part; flags o(ptional) e(ncoded) a(lternative). */
static struct str say(const struct body *b, char mem[4096])
{
	struct buf t;
	buf_init(&t, mem, 4096);
	for (size_t i = 0; i < b->count; i++) {
		const struct body_part *p = &b->parts[i];
		buf_str(&t, p->type);
		buf_char(&t, '|');
		buf_str(&t, p->disposition);
		buf_z(&t, "|");
		buf_z(&t, p->optional ? "o" : "");
		buf_z(&t, p->encoded ? "e" : "");
		buf_z(&t, p->alternative ? "a" : "");
		buf_z(&t, "|");
		buf_str(&t, p->bytes);
		buf_char(&t, '\n');
	}
	return buf_view(&t);
}

static struct guard guard;

static enum err parse(const char *type, const char *bytes, struct body *b)
{
	return body_parse(guard_put(&guard, str_from(bytes)), str_from(type), STR_NONE, STR_NONE,
			  b);
}

static void test_parts(void **state)
{
	(void)state;
	static const struct {
		const char *name, *type, *bytes;
		enum err e;
		const char *want, *session;
	} rows[] = {
		{"a body alone is its own part", "application/sdp", SDP, OK,
		 "application/sdp|||v=0\r\n\n", SDP},
		{"parameters and case of its type do not matter", "Application/SDP ;charset=x", SDP,
		 OK, "Application/SDP ;charset=x|||v=0\r\n\n", SDP},
		{"SDP beside a location", "multipart/mixed;boundary=b",
		 "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP "\r\n--b\r\n"
		 "Content-Type: application/pidf+xml\r\n"
		 "Content-Disposition: render;handling=optional\r\n\r\n" PIDF "\r\n--b--\r\n",
		 OK, "application/sdp|||v=0\r\n\napplication/pidf+xml|render|o|" PIDF "\n", SDP},
		{"preamble, epilogue and padding are nothing", "multipart/mixed; boundary=\"b\"",
		 "hello\r\n--b \t\r\nContent-Type: application/sdp\r\n\r\n" SDP
		 "\r\n--b-- \r\nbye --b\r\n",
		 OK, "application/sdp|||v=0\r\n\n", SDP},
		{"the last delimiter needs no line end", "multipart/mixed;boundary=b",
		 "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP "\r\n--b--", OK,
		 "application/sdp|||v=0\r\n\n", SDP},
		{"a quoted boundary with spaces and signs",
		 "multipart/mixed;boundary=\"gc0 p'(J)08:/?=+_,-.x\"",
		 "--gc0 p'(J)08:/?=+_,-.x\r\n\r\nA\r\n--gc0 p'(J)08:/?=+_,-.x--\r\n", OK,
		 "text/plain|||A\n", NULL},
		{"a boundary that another line begins with", "multipart/mixed;boundary=b",
		 "--b\r\n\r\n--bb\r\n--b\r\n\r\nB\r\n--b--", OK,
		 "text/plain|||--bb\ntext/plain|||B\n", NULL},
		{"a part without headers or body", "multipart/mixed;boundary=b",
		 "--b\r\n\r\n--b--\r\n", OK, "text/plain|||\n", NULL},
		{"headers that go over several lines", "multipart/mixed;boundary=b",
		 "--b\r\nContent-Type:\r\n application/sdp\r\nX: 1\r\n 2\r\n\r\n" SDP "\r\n--b--",
		 OK, "application/sdp|||v=0\r\n\n", SDP},
		{"SDP in a multipart within", "multipart/mixed;boundary=a",
		 "--a\r\nContent-Type: multipart/related;boundary=b\r\nContent-Disposition: "
		 "x;handling=optional\r\n\r\n--b\r\nContent-Type: application/sdp\r\n\r\n" SDP
		 "\r\n--b--\r\n--a--",
		 OK, "application/sdp||o|v=0\r\n\n", SDP},
		{"of alternatives the last description", "multipart/alternative;boundary=b",
		 "--b\r\nContent-Type: application/sdp\r\n\r\nfirst\r\n--b\r\nContent-Type: "
		 "application/sdp\r\n\r\nlast\r\n--b--",
		 OK, "application/sdp||a|first\napplication/sdp||a|last\n", "last"},
		{"of others the first", "multipart/mixed;boundary=b",
		 "--b\r\nContent-Type: application/sdp\r\n\r\nfirst\r\n--b\r\nContent-Type: "
		 "application/sdp\r\n\r\nlast\r\n--b--",
		 OK, "application/sdp|||first\napplication/sdp|||last\n", "first"},
		{"an early session is not the session", "multipart/mixed;boundary=b",
		 "--b\r\nContent-Type: application/sdp\r\nContent-Disposition: "
		 "early-session\r\n\r\nearly\r\n--b\r\nContent-Type: "
		 "application/sdp\r\nContent-Disposition: Session\r\n\r\n" SDP "\r\n--b--",
		 OK, "application/sdp|early-session||early\napplication/sdp|Session||v=0\r\n\n",
		 SDP},
		{"what is packed is not read", "multipart/mixed;boundary=b",
		 "--b\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: "
		 "base64\r\n\r\ndj0w\r\n--b--",
		 OK, "application/sdp||e|dj0w\n", NULL},
		{"no boundary is named", "multipart/mixed", "--b\r\n\r\nA\r\n--b--", ERR_BAD, "",
		 NULL},
		{"an empty boundary", "multipart/mixed;boundary=\"\"", "--\r\n\r\nA\r\n----",
		 ERR_BAD, "", NULL},
		{"a boundary with an octet that none may have",
		 "multipart/mixed;boundary=\"b\\\"c\"", "--b\"c\r\n\r\nA\r\n--b\"c--", ERR_BAD, "",
		 NULL},
		{"a boundary that ends with a space", "multipart/mixed;boundary=\"b \"",
		 "--b \r\n\r\nA\r\n--b --", ERR_BAD, "", NULL},
		{"the boundary never comes", "multipart/mixed;boundary=b", "--c\r\n\r\nA\r\n--c--",
		 ERR_BAD, "", NULL},
		{"it is never closed", "multipart/mixed;boundary=b", "--b\r\n\r\nA\r\n", ERR_BAD,
		 "", NULL},
		{"closed before any part", "multipart/mixed;boundary=b", "--b--\r\n", ERR_BAD, "",
		 NULL},
		{"a part that is nothing at all", "multipart/mixed;boundary=b", "--b\r\n--b--",
		 ERR_BAD, "", NULL},
		{"headers without an end", "multipart/mixed;boundary=b",
		 "--b\r\nContent-Type: a/b\r\n--b--", ERR_BAD, "", NULL},
		{"a header line without a colon", "multipart/mixed;boundary=b",
		 "--b\r\nnonsense\r\n\r\nA\r\n--b--", ERR_BAD, "", NULL},
		{"a header with a control octet", "multipart/mixed;boundary=b",
		 "--b\r\nContent-Type: a/b\x01\r\n\r\nA\r\n--b--", ERR_BAD, "", NULL},
		{"two types for one part", "multipart/mixed;boundary=b",
		 "--b\r\nContent-Type: a/b\r\nContent-Type: application/sdp\r\n\r\nA\r\n--b--",
		 ERR_BAD, "", NULL},
		{"lines that end with LF alone", "multipart/mixed;boundary=b",
		 "--b\nContent-Type: application/sdp\n\nA\n--b--\n", ERR_BAD, "", NULL},
	};
	CHECK_TABLE(row, rows)
	{
		struct body b;
		char mem[4096];
		enum err e = parse(row->type, row->bytes, &b);
		EXPECT_ERR(e, row->e);
		if (e != OK)
			continue;
		EXPECT_Z(say(&b, mem), row->want);
		const struct body_part *s = body_session(&b);
		EXPECT_TRUE((s != NULL) == (row->session != NULL));
		if (s && row->session)
			EXPECT_Z(s->bytes, row->session);
	}
}

/* Every cut of a good one is refused: nothing half is taken for whole. */
static void test_prefixes(void **state)
{
	(void)state;
	static const struct str whole =
		STR("--b\r\nContent-Type: application/sdp\r\n\r\n" SDP "\r\n--b--");
	struct body b;
	for (size_t n = 1; n < whole.len; n++)
		EXPECT_ERR(body_parse(guard_put(&guard, (struct str){whole.p, n}),
				      STR("multipart/mixed;boundary=b"), STR_NONE, STR_NONE, &b),
			   ERR_BAD);
}

static char big[65536], type_mem[12000];

/* n parts, each `inner`. */
static struct str parts_of(unsigned n, const char *inner)
{
	struct buf b;
	buf_init(&b, big, sizeof(big));
	for (unsigned i = 0; i < n; i++) {
		buf_lit(&b, "--b\r\n");
		buf_z(&b, inner);
		buf_lit(&b, "\r\n");
	}
	buf_lit(&b, "--b--\r\n");
	return buf_view(&b);
}

/* Threats A1. */
static void test_bounds(void **state)
{
	(void)state;
	struct body b;
	struct buf t;
	struct str type = STR("multipart/mixed;boundary=b");
	EXPECT_ERR(body_parse(parts_of(16, "\r\nA"), type, STR_NONE, STR_NONE, &b), OK);
	EXPECT_INT(b.count, 16);
	EXPECT_ERR(body_parse(parts_of(17, "\r\nA"), type, STR_NONE, STR_NONE, &b), ERR_LIMIT);
	EXPECT_ERR(body_parse(parts_of(9, "Content-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n"
					  "\r\nA\r\n--c--"),
			      type, STR_NONE, STR_NONE, &b),
		   ERR_LIMIT); /* 9 around 9: 18 */
	EXPECT_ERR(body_parse(parts_of(1, "Content-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n"
					  "Content-Type: multipart/mixed;boundary=d\r\n\r\n--d\r\n"
					  "\r\nA\r\n--d--\r\n--c--"),
			      type, STR_NONE, STR_NONE, &b),
		   ERR_LIMIT); /* a third level */
	char headers[1024];
	buf_init(&t, headers, sizeof(headers));
	for (int i = 0; i < 17; i++)
		buf_lit(&t, "X: 1\r\n");
	buf_lit(&t, "\r\nA");
	buf_char(&t, 0);
	EXPECT_ERR(body_parse(parts_of(1, headers), type, STR_NONE, STR_NONE, &b), ERR_LIMIT);
	for (int extra = 0; extra < 3; extra++) {
		buf_init(&t, type_mem, sizeof(type_mem));
		buf_lit(&t, "multipart/mixed;boundary=");
		for (int i = 0; i < (extra == 2 ? 10240 : 70 + extra); i++)
			buf_char(&t, 'x');
		struct str with = buf_view(&t);
		struct str boundary = str_from_offset(with, 25);
		struct buf body;
		buf_init(&body, big, sizeof(big));
		buf_lit(&body, "--");
		buf_str(&body, boundary);
		buf_lit(&body, "\r\n\r\nA\r\n--");
		buf_str(&body, boundary);
		buf_lit(&body, "--");
		EXPECT_ERR(body_parse(buf_view(&body), with, STR_NONE, STR_NONE, &b),
			   extra ? ERR_LIMIT : OK);
	}
}

/* A thousand multiparts, each within the last, cost no more than the two that are looked at. */
static void test_deep_nesting(void **state)
{
	(void)state;
	struct body b;
	struct buf t;
	buf_init(&t, big, sizeof(big));
	for (int i = 0; i < 1000; i++)
		buf_printf(&t, "--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n", i,
			   i + 1);
	EXPECT_ERR(body_parse(buf_view(&t), STR("multipart/mixed;boundary=b0"), STR_NONE, STR_NONE,
			      &b),
		   ERR_BAD); /* not one of them is closed */
	for (int i = 999; i >= 0; i--)
		buf_printf(&t, "\r\n--b%d--", i);
	CHECK(!t.overflow);
	EXPECT_ERR(body_parse(buf_view(&t), STR("multipart/mixed;boundary=b0"), STR_NONE, STR_NONE,
			      &b),
		   ERR_LIMIT);
}

static void test_understood(void **state)
{
	(void)state;
	static const struct str ours[] = {{"application/sdp", 15}};
	static const struct str others[] = {{"application/isup", 16}, {"application/pidf+xml", 20}};
	static const struct body_types understood = {ours, 1}, named = {others, 2};
#define PART(type, more) "--b\r\nContent-Type: " type "\r\n" more "\r\nx\r\n"
	static const struct {
		const char *name, *type, *bytes;
		bool want;
	} rows[] = {
		{"SDP", "application/sdp", "x", true},
		{"a type that is not known", "application/x", "x", false},
		{"a type that is named", "application/isup;version=itu", "x", true},
		{"SDP and a named type", "multipart/mixed;boundary=b",
		 PART("application/sdp", "") PART("application/isup", "") "--b--", true},
		{"SDP and an unknown type that must be understood", "multipart/mixed;boundary=b",
		 PART("application/sdp", "") PART("application/x", "") "--b--", false},
		{"so it is with handling=required", "multipart/mixed;boundary=b",
		 PART("application/sdp", "") PART(
			 "application/x", "Content-Disposition: a;handling=required\r\n") "--b--",
		 false},
		{"an unknown type that may be left", "multipart/mixed;boundary=b",
		 PART("application/sdp", "") PART(
			 "application/x", "Content-Disposition: a; handling=Optional\r\n") "--b--",
		 true},
		{"one good alternative is enough", "multipart/alternative;boundary=b",
		 PART("application/x", "") PART("application/sdp", "") "--b--", true},
		{"no good alternative", "multipart/alternative;boundary=b",
		 PART("application/x", "") PART("application/y", "") "--b--", false},
	};
	CHECK_TABLE(row, rows)
	{
		struct body b;
		EXPECT_ERR(body_parse(str_from(row->bytes), str_from(row->type), STR_NONE, STR_NONE,
				      &b),
			   OK);
		EXPECT_INT(body_is_understood(&b, &understood, &named), row->want);
	}
}

/* What is written is read again as the same; what no one named is not in it. */
static void test_write(void **state)
{
	(void)state;
	static const struct str others[] = {{"application/isup", 16}};
	static const struct body_types named = {others, 1};
	struct body b;
	char mem[4096], out[1024];
	struct buf t;
	EXPECT_ERR(parse("multipart/mixed;boundary=b",
			 PART("application/sdp", "") PART("application/pidf+xml", "")
				 PART("application/isup;base=x",
				      "Content-ID: <1@pbx.inside>\r\nContent-Disposition: "
				      "signal;handling=optional\r\n") "--b--",
			 &b),
		   OK);
	buf_init(&t, out, sizeof(out));
	EXPECT_INT(body_write(&t, STR("qq"), STR("ours"), &b, &named), 2);
	EXPECT_Z(buf_view(&t),
		 "--qq\r\nContent-Type: application/sdp\r\n\r\nours\r\n"
		 "--qq\r\nContent-Type: application/isup;base=x\r\n"
		 "Content-Disposition: signal;handling=optional\r\n\r\nx\r\n--qq--\r\n");
	EXPECT_ERR(body_parse(buf_view(&t), STR("multipart/mixed;boundary=qq"), STR_NONE, STR_NONE,
			      &b),
		   OK);
	EXPECT_Z(say(&b, mem), "application/sdp|||ours\napplication/isup;base=x|signal|o|x\n");
	EXPECT_ERR(parse("application/sdp", SDP, &b), OK);
	buf_init(&t, out, sizeof(out));
	EXPECT_INT(body_write(&t, STR("qq"), STR("ours"), &b, &named), 0);
	EXPECT_INT(t.len, 0);
}

static int open_guard(void **state)
{
	(void)state;
	guard_init(&guard, 65536);
	return 0;
}

static int close_guard(void **state)
{
	(void)state;
	guard_release(&guard);
	return 0;
}

#define TEST(name, fn)                                                                             \
	{                                                                                          \
		name, fn, NULL, NULL, NULL                                                         \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("a multipart is taken apart, or refused whole", test_parts),
		TEST("a multipart that is cut short is none", test_prefixes),
		TEST("a multipart has its bounds: parts, depth, headers, boundary", test_bounds),
		TEST("a thousand multiparts within one another are refused at the third",
		     test_deep_nesting),
		TEST("what must be understood decides over a body", test_understood),
		TEST("what crosses beside SDP is written afresh", test_write),
	};
	return cmocka_run_group_tests(tests, open_guard, close_guard);
}
