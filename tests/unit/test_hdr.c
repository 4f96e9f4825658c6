#include "sbc/core/hdr.h"
#include "sbc/core/octet.h"
#include "tests/support/check.h"
#include "tests/support/guard.h"

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		char compact;
		enum hdr id;
	} rows[] = {
#define X(id, name, compact) {"header " name, name, compact, HDR_##id},
		HDR_TABLE(X)
#undef X
	};
	struct guard g;
	guard_init(&g, 64);
	CHECK_TABLE(row, rows)
	{
		char mixed[64];
		size_t n = strlen(row->text);
		for (size_t i = 0; i < n; i++)
			mixed[i] = (char)(i % 2 == 0 ? row->text[i] | 0x20
						     : octet_lower(row->text[i]) & ~0x20);
		for (size_t i = 0; i < n; i++)
			if (row->text[i] == '-')
				mixed[i] = '-';
		EXPECT_INT(hdr_find(guard_put(&g, str_from(row->text))), row->id);
		EXPECT_INT(hdr_find(guard_put(&g, (struct str){mixed, n})), row->id);
		EXPECT_Z(hdr_name(row->id), row->text);
		EXPECT_TRUE(n == 2 || hdr_find((struct str){row->text, n - 1}) != row->id);
		for (size_t i = 0; i < n; i++) {
			char right = mixed[i];
			mixed[i] = '!';
			EXPECT_INT(hdr_find((struct str){mixed, n}), HDR_OTHER);
			mixed[i] = right;
		}
		if (row->compact != 0) {
			char upper = (char)(row->compact & ~0x20);
			EXPECT_INT(hdr_find((struct str){&row->compact, 1}), row->id);
			EXPECT_INT(hdr_find((struct str){&upper, 1}), row->id);
		}
	}
	EXPECT_INT(hdr_find(STR("")), HDR_OTHER);
	EXPECT_INT(hdr_find(STR("q")), HDR_OTHER);
	EXPECT_INT(hdr_find(STR("1")), HDR_OTHER);
	EXPECT_INT(hdr_find(STR("X-Very-Long-Header-Name-Indeed")), HDR_OTHER);
	guard_release(&g);
}

static void test_methods(void **state)
{
	(void)state;
	for (unsigned m = METHOD_OTHER + 1; m < METHOD_COUNT; m++)
		EXPECT_INT(method_find(method_name((enum method)m)), m);
	EXPECT_INT(method_find(STR("invite")), METHOD_OTHER);
	EXPECT_INT(method_find(STR("INVITES")), METHOD_OTHER);
	EXPECT_INT(method_find(STR("RE%47IST%45R")), METHOD_OTHER);
	EXPECT_INT(method_find(STR_NONE), METHOD_OTHER);
}

/* Every octet at every place of strings of every length around the width of a vector. */
static void test_control(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, 64);
	for (size_t n = 0; n < 40; n++) {
		char text[40];
		memset(text, 'x', sizeof(text));
		struct str s = guard_put(&g, (struct str){text, n});
		EXPECT_TRUE(octet_find_control(s.p, s.p + n) == s.p + n);
		EXPECT_TRUE(octet_find_colon(s.p, s.p + n) == s.p + n);
		for (size_t at = 0; at < n; at++) {
			for (unsigned c = 0; c < 256; c++) {
				text[at] = (char)c;
				s = guard_put(&g, (struct str){text, n});
				bool control = (c < 32 && c != '\t') || c == 127;
				size_t found = (size_t)(octet_find_control(s.p, s.p + n) - s.p);
				EXPECT_INT(found, control ? at : n);
				found = (size_t)(octet_find_colon(s.p, s.p + n) - s.p);
				EXPECT_INT(found, c <= ' ' || c == ':' ? at : n);
			}
			text[at] = 'x';
		}
	}
	guard_release(&g);
}

static void test_lists(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str list;
		const char *items; /* joined by '|' */
	} rows[] = {
		{"nothing has no items", STR(""), ""},
		{"one item", STR("100rel"), "100rel"},
		{"white space and folds are trimmed", STR(" a ,\r\n b\t, c "), "a|b|c"},
		{"empty items are skipped", STR(",,a,,b,"), "a|b"},
		{"a comma in quotes does not part", STR("a;t=\"x, y\",b"), "a;t=\"x, y\"|b"},
		{"an escaped quote does not end the quotes", STR("a;t=\"x\\\", y\",b"),
		 "a;t=\"x\\\", y\"|b"},
		{"a comma in brackets does not part", STR("<sip:a,b@c>,<sip:d>"),
		 "<sip:a,b@c>|<sip:d>"},
		{"a comma in a comment does not part", STR("x (one, (two, 2)), y"),
		 "x (one, (two, 2))|y"},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[128];
		struct buf b;
		struct str list = row->list, item;
		buf_init(&b, mem, sizeof(mem));
		while (hdr_list_cut(&list, &item)) {
			if (b.len > 0)
				buf_char(&b, '|');
			buf_str(&b, item);
		}
		EXPECT_Z(buf_view(&b), row->items);
	}
	EXPECT_TRUE(hdr_list_has(STR("timer, 100REL"), STR("100rel")));
	EXPECT_TRUE(hdr_list_has(STR("application/sdp;level=1"), STR("application/sdp")));
	EXPECT_TRUE(!hdr_list_has(STR("timer, 100rel2"), STR("100rel")));
	EXPECT_TRUE(hdr_list_has(STR("timer ,\t100rel ;q=1"), STR("100rel")));
	EXPECT_TRUE(!hdr_list_has(STR("100rel x, timer"), STR("100rel")));
	EXPECT_TRUE(!hdr_list_has(STR("\"x, 100rel, y\""), STR("100rel")));
	EXPECT_TRUE(!hdr_list_has(STR("timer (, 100rel, )"), STR("100rel")));
}

static void test_params(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str params;
		const char *want, *value; /* value NULL: not there */
		bool bad;
	} rows[] = {
		{"a value", STR(";a=1;b=2"), "b", "2", false},
		{"without case", STR(";A=1"), "a", "1", false},
		{"without value", STR(";lr"), "lr", "", false},
		{"white space everywhere", STR(" ; a = 1 ;\r\n b = 2"), "b", "2", false},
		{"quotes stay", STR(";t=\"a;b=3\""), "t", "\"a;b=3\"", false},
		{"what is in quotes is no parameter", STR(";t=\"a;b=3\""), "b", NULL, false},
		{"the first of two", STR(";a=1;a=2"), "a", "1", false},
		{"an empty name ends the reading", STR(";;a=1"), "a", NULL, true},
		{"an empty value is wrong", STR(";a="), "a", NULL, true},
		{"quotes without end are wrong", STR(";a=\"x"), "a", NULL, true},
		{"words without a semicolon are wrong", STR(";a b"), "a", NULL, true},
	};
	CHECK_TABLE(row, rows)
	{
		struct str value = STR_NONE, n, v, rest = row->params;
		bool bad, found = hdr_param(row->params, str_from(row->want), &value);
		EXPECT_INT(found, row->value != NULL);
		if (row->value)
			EXPECT_Z(value, row->value);
		while (hdr_param_cut(&rest, &n, &v, &bad))
			;
		EXPECT_INT(bad, row->bad);
	}
}

static void test_reason(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str value;
		enum err e;
		const char *protocol, *text;
		unsigned cause;
	} rows[] = {
		{"Q.850 with text", STR("Q.850;cause=16;text=\"Terminated\""), OK, "Q.850",
		 "Terminated", 16},
		{"the first of two", STR("SIP;cause=200, Q.850;cause=26"), OK, "SIP", "", 200},
		{"no cause", STR("SIP ;text=\"x, y\""), OK, "SIP", "x, y", 0},
		{"a cause that is no number", STR("SIP;cause=x"), ERR_BAD, "", "", 0},
		{"a cause that does not fit", STR("SIP;cause=65536"), ERR_BAD, "", "", 0},
		{"nothing", STR(""), ERR_BAD, "", "", 0},
		{"no protocol", STR(";cause=1"), ERR_BAD, "", "", 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct hdr_reason r = {0};
		EXPECT_ERR(hdr_reason_parse(row->value, &r), row->e);
		EXPECT_Z(r.protocol, row->protocol);
		EXPECT_Z(r.text, row->text);
		EXPECT_INT(r.cause, row->cause);
	}
}

static void test_rack(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str value;
		enum err e;
	} rows[] = {
		{"three words", STR("776656 1 INVITE"), OK},
		{"folded", STR("776656\r\n 1\t INVITE"), OK},
		{"RSeq 0 does not exist", STR("0 1 INVITE"), ERR_BAD},
		{"CSeq 2^31", STR("1 2147483648 INVITE"), ERR_BAD},
		{"RSeq 2^32", STR("4294967296 1 INVITE"), ERR_BAD},
		{"no method", STR("1 1"), ERR_BAD},
		{"a fourth word", STR("1 1 INVITE x"), ERR_BAD},
		{"a sign", STR("+1 1 INVITE"), ERR_BAD},
		{"nothing", STR(""), ERR_BAD},
	};
	CHECK_TABLE(row, rows)
	{
		struct hdr_rack r = {0};
		EXPECT_ERR(hdr_rack_parse(row->value, &r), row->e);
		EXPECT_INT(r.method, row->e == OK ? METHOD_INVITE : METHOD_OTHER);
		EXPECT_INT(r.rseq, row->e == OK ? 776656 : 0);
	}
}

static void test_delta(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str value;
		enum err e;
		uint32_t seconds;
		const char *params;
	} rows[] = {
		{"seconds", STR("1800"), OK, 1800, ""},
		{"with parameters", STR("1800;refresher=uac"), OK, 1800, ";refresher=uac"},
		{"with a comment", STR("5 (busy)"), OK, 5, "(busy)"},
		{"too many are the most", STR("99999999999999999999999"), OK, UINT32_MAX, ""},
		{"2^32", STR("4294967296"), OK, UINT32_MAX, ""},
		{"negative", STR("-1"), ERR_BAD, 7, ""},
		{"a word", STR("soon"), ERR_BAD, 7, ""},
		{"two numbers", STR("1 2"), ERR_BAD, 7, ""},
		{"nothing", STR(""), ERR_BAD, 7, ""},
	};
	CHECK_TABLE(row, rows)
	{
		uint32_t seconds = 7;
		struct str params = STR_NONE;
		EXPECT_ERR(hdr_delta_parse(row->value, &seconds, &params), row->e);
		EXPECT_INT(seconds, row->seconds);
		EXPECT_Z(params, row->params);
	}
}

static void test_write(void **state)
{
	(void)state;
	char mem[128];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	hdr_write_unfolded(&b, STR("one\r\n  two\r\n\tthree"));
	EXPECT_Z(buf_view(&b), "one two three");
	buf_reset(&b);
	hdr_write_quoted(&b, STR("a \"b\" \\ c\r\nX: y\0z\x7f"));
	EXPECT_Z(buf_view(&b), "\"a \\\"b\\\" \\\\ cX: yz\"");
	buf_reset(&b);
	hdr_write_warning(&b, 304, STR("sbc"), STR("SRTP needed"));
	EXPECT_Z(buf_view(&b), "Warning: 304 sbc \"SRTP needed\"\r\n");
	EXPECT_TRUE(hdr_is_clean(STR("a\tb\xff")));
	EXPECT_TRUE(!hdr_is_clean(STR("a\rb")));
	EXPECT_TRUE(!hdr_is_clean(STR("a\0b")));
	EXPECT_TRUE(hdr_is_token(STR("a-b.!%*_+`'~1")));
	EXPECT_TRUE(!hdr_is_token(STR("a b")));
	EXPECT_TRUE(!hdr_is_token(STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),   cmocka_unit_test(test_methods),
		cmocka_unit_test(test_control), cmocka_unit_test(test_lists),
		cmocka_unit_test(test_params),  cmocka_unit_test(test_reason),
		cmocka_unit_test(test_rack),    cmocka_unit_test(test_delta),
		cmocka_unit_test(test_write),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
