#include "sbc/core/uri.h"
#include "tests/support/check.h"
#include "tests/support/cost.h"
#include "tests/support/guard.h"

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		enum err e;
		enum uri_scheme scheme;
		const char *user, *password, *host;
		unsigned port;
		const char *params, *headers;
	} rows[] = {
		{"a host alone", STR("sip:example.net"), OK, URI_SIP, "", "", "example.net", 0, "",
		 ""},
		{"all parts", STR("sips:a:b@h:5061;lr;x=1?p=q&r=s"), OK, URI_SIPS, "a", "b", "h",
		 5061, ";lr;x=1", "p=q&r=s"},
		{"the scheme without case", STR("SiP:a@h"), OK, URI_SIP, "a", "", "h", 0, "", ""},
		{"semicolons in the user part", STR("sip:user;par=u%40example.net@example.com"), OK,
		 URI_SIP, "user;par=u%40example.net", "", "example.com", 0, "", ""},
		{"all that a user part may hold",
		 STR("sip:1_u.U~(t-b!s)&i'+it$/c?,/;;*:&i+h=1,w!*p$w~d(t-i)@h"), OK, URI_SIP,
		 "1_u.U~(t-b!s)&i'+it$/c?,/;;*", "&i+h=1,w!*p$w~d(t-i)", "h", 0, "", ""},
		{"an escaped NUL", STR("sip:null-%00-null@h"), OK, URI_SIP, "null-%00-null", "",
		 "h", 0, "", ""},
		{"a star code with a bare hash", STR("sip:*21#@h"), OK, URI_SIP, "*21#", "", "h", 0,
		 "", ""},
		{"an IPv6 host", STR("sip:[2001:db8::10]"), OK, URI_SIP, "", "", "[2001:db8::10]",
		 0, "", ""},
		{"what looks like a port is inside", STR("sip:[2001:db8::10:5070]"), OK, URI_SIP,
		 "", "", "[2001:db8::10:5070]", 0, "", ""},
		{"a port behind the bracket", STR("sip:[2001:db8::10]:5070"), OK, URI_SIP, "", "",
		 "[2001:db8::10]", 5070, "", ""},
		{"three colons (RFC 5118 4.10)", STR("sip:u@[2001:db8:::192.0.2.1]"), OK, URI_SIP,
		 "u", "", "[2001:db8:::192.0.2.1]", 0, "", ""},
		{"an underscore in a host", STR("sip:my_pbx"), OK, URI_SIP, "", "", "my_pbx", 0, "",
		 ""},
		{"a parameter with IPv6", STR("sip:h;maddr=[::1]"), OK, URI_SIP, "", "", "h", 0,
		 ";maddr=[::1]", ""},
		{"a telephone number", STR("tel:+49-(30)-1234;phone-context=example.com"), OK,
		 URI_TEL, "+49-(30)-1234", "", "", 0, ";phone-context=example.com", ""},
		{"another scheme", STR("soap.beep://192.0.2.103:3002"), OK, URI_OTHER, "", "", "",
		 0, "", ""},
		{"isbn", STR("isbn:2983792873"), OK, URI_OTHER, "", "", "", 0, "", ""},

		{"nothing", STR(""), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"no scheme", STR("a@h"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"an empty scheme", STR(":a@h"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a scheme that begins with a digit", STR("1sip:a@h"), ERR_BAD, 0, "", "", "", 0,
		 "", ""},
		{"sip: alone", STR("sip:"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"no user before @", STR("sip:@h"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"no host behind @", STR("sip:a@"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"two @", STR("sip:a@b@h"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a space", STR("sip:a b@h"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a space at the end", STR("sip:a@h "), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"IPv6 without brackets", STR("sip:2001:db8::10"), ERR_BAD, 0, "", "", "", 0, "",
		 ""},
		{"an open bracket", STR("sip:[2001:db8::10"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"brackets around a name", STR("sip:[host]"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"empty brackets", STR("sip:[]"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a zone", STR("sip:[fe80::1%25eth0]"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"an empty port", STR("sip:h:"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"port 0", STR("sip:h:0"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"port 65536", STR("sip:h:65536"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a port that would wrap", STR("sip:h:4294972356"), ERR_BAD, 0, "", "", "", 0, "",
		 ""},
		{"half an escape", STR("sip:a%4@h"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"an escape that is none", STR("sip:a%ZZ@h"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"an empty parameter", STR("sip:h;;lr"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a semicolon at the end", STR("sip:h;"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a parameter with an empty value", STR("sip:h;a="), ERR_BAD, 0, "", "", "", 0, "",
		 ""},
		{"empty headers", STR("sip:h?"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a header without value sign", STR("sip:h?a"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"UTF-8 unescaped", STR("sip:\xc3\xa4@h"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a NUL", STR("sip:a\0b@h"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"brackets of an address", STR("<sip:a@h>"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"a telephone number of words", STR("tel:hello"), ERR_BAD, 0, "", "", "", 0, "",
		 ""},
		{"another scheme with nothing", STR("isbn:"), ERR_BAD, 0, "", "", "", 0, "", ""},
		{"another scheme with a bracket", STR("isbn:1>"), ERR_BAD, 0, "", "", "", 0, "",
		 ""},
	};
	struct guard g;
	guard_init(&g, 256);
	CHECK_TABLE(row, rows)
	{
		struct uri u, again;
		char mem[256];
		struct buf b;
		EXPECT_ERR(uri_parse(guard_put(&g, row->text), &u), row->e);
		if (row->e != OK)
			continue;
		EXPECT_INT(u.scheme, row->scheme);
		EXPECT_Z(u.user, row->user);
		EXPECT_Z(u.password, row->password);
		EXPECT_Z(u.host, row->host);
		EXPECT_INT(u.port, row->port);
		EXPECT_Z(u.params, row->params);
		EXPECT_Z(u.headers, row->headers);
		buf_init(&b, mem, sizeof(mem));
		uri_write(&b, &u);
		EXPECT_STR(buf_view(&b), row->text);
		EXPECT_ERR(uri_parse(buf_view(&b), &again), OK);
		EXPECT_TRUE(uri_eq(&u, &again));
		/* Every prefix is read without a look behind its end; good or bad, but never more. */
		for (size_t n = 0; n < row->text.len; n++) {
			enum err e = uri_parse(guard_put(&g, (struct str){row->text.p, n}), &u);
			EXPECT_TRUE(e == OK || e == ERR_BAD);
		}
	}
	guard_release(&g);
}

static void test_eq(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str a, b;
		bool eq;
	} rows[] = {
		/* RFC 3261 §19.1.4 */
		{"an escape equals its octet; params without case",
		 STR("sip:%61lice@atlanta.com;transport=TCP"),
		 STR("sip:alice@AtlanTa.CoM;Transport=tcp"), true},
		{"a parameter that only one has, and not of those that count",
		 STR("sip:carol@chicago.com"), STR("sip:carol@chicago.com;newparam=5"), true},
		{"parameters in another order", STR("sip:biloxi.com;transport=tcp;method=REGISTER"),
		 STR("sip:biloxi.com;method=REGISTER;transport=tcp"), true},
		{"headers in another order",
		 STR("sip:alice@atlanta.com?subject=project%20x&priority=urgent"),
		 STR("sip:alice@atlanta.com?priority=urgent&subject=project%20x"), true},
		{"the user part with case", STR("SIP:ALICE@AtLanTa.CoM"),
		 STR("sip:alice@AtLanTa.CoM"), false},
		{"a port that only one has", STR("sip:bob@biloxi.com"),
		 STR("sip:bob@biloxi.com:5060"), false},
		{"a transport that only one has", STR("sip:bob@biloxi.com"),
		 STR("sip:bob@biloxi.com;transport=udp"), false},
		{"headers that only one has", STR("sip:carol@chicago.com"),
		 STR("sip:carol@chicago.com?Subject=next%20meeting"), false},
		{"another parameter value", STR("sip:h;security=on"), STR("sip:h;security=off"),
		 false},
		{"an escaped reserved octet is not the octet", STR("sip:a%3Bb@h"), STR("sip:a;b@h"),
		 false},
		{"escaped NULs of other number", STR("sip:%00@h"), STR("sip:%00%00@h"), false},
		{"sip and sips", STR("sip:a@h"), STR("sips:a@h"), false},
		{"a password", STR("sip:a:b@h"), STR("sip:a@h"), false},
		{"other schemes octet by octet", STR("isbn:1"), STR("isbn:1"), true},
		{"other schemes that differ", STR("isbn:1"), STR("isbn:2"), false},
	};
	CHECK_TABLE(row, rows)
	{
		struct uri a, b;
		EXPECT_ERR(uri_parse(row->a, &a), OK);
		EXPECT_ERR(uri_parse(row->b, &b), OK);
		EXPECT_INT(uri_eq(&a, &b), row->eq);
		EXPECT_INT(uri_eq(&b, &a), row->eq);
	}
}

static void test_escapes(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text, want;
		enum err e;
	} rows[] = {
		{"nothing to do", STR("abc"), STR("abc"), OK},
		{"once, not twice", STR("%2541"), STR("%41"), OK},
		{"both cases", STR("%2a%2A"), STR("**"), OK},
		{"a NUL is an octet", STR("a%00b"), STR("a\0b"), OK},
		{"a percent sign at the end", STR("a%"), STR(""), ERR_BAD},
		{"one digit", STR("a%4"), STR(""), ERR_BAD},
		{"no hex", STR("%G1"), STR(""), ERR_BAD},
	};
	char mem[64];
	struct buf b;
	CHECK_TABLE(row, rows)
	{
		buf_init(&b, mem, sizeof(mem));
		EXPECT_ERR(uri_unescape(&b, row->text), row->e);
		if (row->e == OK)
			EXPECT_STR(buf_view(&b), row->want);
	}
	buf_init(&b, mem, sizeof(mem));
	uri_write_user(&b, STR("a b@c#\0>;+"));
	EXPECT_Z(buf_view(&b), "a%20b%40c%23%00%3E;+");
}

static void test_number(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str uri;
		const char *want;
		enum err e;
	} rows[] = {
		{"the user part", STR("sip:+4930@h;user=phone"), "+4930", OK},
		{"without the parameters of a number", STR("sip:+4930;phone-context=x@h"), "+4930",
		 OK},
		{"unescaped once", STR("sip:%2B49%2530@h"), "+49%30", OK},
		{"a separator of a sip user is his own", STR("sip:49-30@h"), "49-30", OK},
		{"tel without separators", STR("tel:+49-(30)-12.34"), "+49301234", OK},
		{"no user", STR("sip:h"), "", OK},
		{"an escaped NUL is no digit", STR("sip:1%00@h"), "", ERR_BAD},
		{"an escaped line end is no digit", STR("sip:1%0d%0aX@h"), "", ERR_BAD},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[64];
		struct buf b;
		struct uri u;
		buf_init(&b, mem, sizeof(mem));
		EXPECT_ERR(uri_parse(row->uri, &u), OK);
		EXPECT_ERR(uri_write_number(&b, &u), row->e);
		if (row->e == OK)
			EXPECT_Z(buf_view(&b), row->want);
	}
}

static void test_params(void **state)
{
	(void)state;
	struct uri u;
	struct str value;
	EXPECT_ERR(uri_parse(STR("sip:h;lr;Transport=TLS"), &u), OK);
	EXPECT_TRUE(uri_param(&u, STR("lr"), &value) && value.len == 0);
	EXPECT_TRUE(uri_param(&u, STR("transport"), &value));
	EXPECT_Z(value, "TLS");
	EXPECT_TRUE(!uri_param(&u, STR("maddr"), NULL));
	EXPECT_ERR(uri_parse(STR("sip:[2001:db8::1]:5061"), &u), OK);
	EXPECT_Z(uri_host_bare(&u), "2001:db8::1");
}

static void test_name_addr(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str text;
		enum err e;
		const char *display, *uri, *params, *written;
	} rows[] = {
		{"a bare URI", STR("sip:a@h"), OK, "", "sip:a@h", "", "<sip:a@h>"},
		{"its parameters are the header's", STR("sip:a@h;tag=1;lr"), OK, "", "sip:a@h",
		 ";tag=1;lr", "<sip:a@h>"},
		{"in brackets they are the URI's", STR("<sip:a@h;lr>;tag=1"), OK, "", "sip:a@h;lr",
		 ";tag=1", "<sip:a@h;lr>"},
		{"a quoted name", STR("\"A, \\\"B\\\" <c>\" <sip:a@h>"), OK, "\"A, \\\"B\\\" <c>\"",
		 "sip:a@h", "", "\"A, \\\"B\\\" <c>\" <sip:a@h>"},
		{"a name of tokens", STR("A  B. <sip:a@h>"), OK, "A  B.", "sip:a@h", "",
		 "\"A B.\" <sip:a@h>"},
		{"no space before the bracket", STR("caller<sip:a@h>"), OK, "caller", "sip:a@h", "",
		 "\"caller\" <sip:a@h>"},
		{"white space and folds around it all", STR(" \"A\"\r\n <sip:a@h>\r\n ; tag = 1 "),
		 OK, "\"A\"", "sip:a@h", "; tag = 1", "\"A\" <sip:a@h>"},
		{"UTF-8 without quotes", STR("J\xc3\xbcrgen <sip:a@h>"), OK, "J\xc3\xbcrgen",
		 "sip:a@h", "", "\"J\xc3\xbcrgen\" <sip:a@h>"},
		{"an escaped control octet in the name is left out", STR("\"A\\\x07\" <sip:a@h>"),
		 OK, "\"A\\\x07\"", "sip:a@h", "", "\"A\" <sip:a@h>"},
		{"a fold in the name becomes spaces", STR("\"A\r\n B\" <sip:a@h>"), OK,
		 "\"A\r\n B\"", "sip:a@h", "", "\"A   B\" <sip:a@h>"},
		{"an empty name", STR("\"\" <sip:a@h>"), OK, "\"\"", "sip:a@h", "", "<sip:a@h>"},
		{"a question mark is fine in brackets", STR("<sip:a@h?x=y>"), OK, "", "sip:a@h?x=y",
		 "", "<sip:a@h?x=y>"},

		{"nothing", STR(" "), ERR_BAD, "", "", "", ""},
		{"a question mark without brackets", STR("sip:a@h?x=y"), ERR_BAD, "", "", "", ""},
		{"a comma in a name without quotes", STR("Bell, A <sip:a@h>"), ERR_BAD, "", "", "",
		 ""},
		{"a parenthesis in a name without quotes", STR("A (B) <sip:a@h>"), ERR_BAD, "", "",
		 "", ""},
		{"quotes without end", STR("\"A <sip:a@h>"), ERR_BAD, "", "", "", ""},
		{"quotes that end in a backslash", STR("\"A\\"), ERR_BAD, "", "", "", ""},
		{"a bracket without end", STR("<sip:a@h"), ERR_BAD, "", "", "", ""},
		{"empty brackets", STR("<>"), ERR_BAD, "", "", "", ""},
		{"a name alone", STR("\"A\""), ERR_BAD, "", "", "", ""},
		{"words behind the bracket", STR("<sip:a@h> b"), ERR_BAD, "", "", "", ""},
		{"an empty parameter", STR("<sip:a@h>;;tag=1"), ERR_BAD, "", "", "", ""},
		{"two words without brackets", STR("sip:a@h b"), ERR_BAD, "", "", "", ""},
	};
	struct guard g;
	guard_init(&g, 256);
	CHECK_TABLE(row, rows)
	{
		struct name_addr a;
		char mem[256];
		struct buf b;
		EXPECT_ERR(name_addr_parse(guard_put(&g, row->text), &a), row->e);
		if (row->e != OK)
			continue;
		EXPECT_Z(a.display, row->display);
		EXPECT_Z(a.uri, row->uri);
		EXPECT_Z(a.params, row->params);
		buf_init(&b, mem, sizeof(mem));
		name_addr_write(&b, &a);
		EXPECT_Z(buf_view(&b), row->written);
		struct name_addr again;
		EXPECT_ERR(name_addr_parse(buf_view(&b), &again), OK);
		EXPECT_Z(again.uri, row->uri);
	}
	guard_release(&g);
}

static void test_name_addr_list(void **state)
{
	(void)state;
	struct str list = STR(",\"a,b\" <sip:a@h>;q=1 ,, sip:b(@h, <sip:c,d@h>,"), params;
	struct name_addr a;
	EXPECT_ERR(name_addr_cut(&list, &a), OK);
	EXPECT_Z(a.uri, "sip:a@h");
	EXPECT_TRUE(name_addr_param(&a, STR("Q"), &params));
	EXPECT_Z(params, "1");
	EXPECT_ERR(name_addr_cut(&list, &a), OK);
	EXPECT_Z(a.uri, "sip:b(@h");
	EXPECT_ERR(name_addr_cut(&list, &a), OK);
	EXPECT_Z(a.uri, "sip:c,d@h");
	EXPECT_ERR(name_addr_cut(&list, &a), ERR_NOTFOUND);
	list = STR("*");
	EXPECT_ERR(name_addr_cut(&list, &a), OK);
	EXPECT_TRUE(a.star);
	/* A list that goes wrong does not move. */
	list = STR("<sip:a@h, <sip:b@h>");
	struct str before = list;
	EXPECT_ERR(name_addr_cut(&list, &a), ERR_BAD);
	EXPECT_TRUE(list.p == before.p && list.len == before.len);
}

static void parse_all(struct str s)
{
	struct uri u, v;
	struct name_addr a;
	if (uri_parse(s, &u) == OK && uri_parse(s, &v) == OK)
		(void)uri_eq(&u, &v);
	while (name_addr_cut(&s, &a) == OK)
		;
}

static void test_cost(void **state)
{
	(void)state;
	static char small[20000], big[80000];
	static const struct {
		const char *name, *before, *piece;
	} rows[] = {
		{"parameters", "sip:h", ";a=b"},
		{"headers", "sip:h?", "a=b&"},
		{"escapes", "sip:", "%41"},
		{"addresses", "", "<sip:a@h>,"},
		{"open quotes", "", "\"\\\" "},
		{"open brackets", "", "<"},
		{"commas", "", ","},
		{"folds", "", "\r\n "},
	};
	CHECK_TABLE(row, rows)
	{
		struct buf s, b;
		buf_init(&s, small, sizeof(small));
		buf_init(&b, big, sizeof(big));
		buf_z(&s, row->before);
		buf_z(&b, row->before);
		while (s.len < 16000)
			buf_z(&s, row->piece);
		while (b.len < 64000)
			buf_z(&b, row->piece);
		EXPECT_TRUE(cost_is_linear(parse_all, buf_view(&s), buf_view(&b)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),          cmocka_unit_test(test_eq),
		cmocka_unit_test(test_escapes),        cmocka_unit_test(test_number),
		cmocka_unit_test(test_params),         cmocka_unit_test(test_name_addr),
		cmocka_unit_test(test_name_addr_list), cmocka_unit_test(test_cost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
