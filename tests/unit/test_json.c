#include "tests/support/check.h"
#include "tests/support/guard.h"

#include "common/bencode.h"
#include "common/json.h"

static char arena_mem[1 << 20], text_mem[1 << 16];

static void test_values(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str in;
		ptrdiff_t err; /* 0: all of it */
		const char *bencode;
	} rows[] = {
		{"an object", STR("{\"a\":1,\"b\":\"x\"}"), 0, "d1:ai1e1:b1:xe"},
		{"a list", STR("[1,[],{}]"), 0, "li1eledee"},
		{"white space around", STR(" \r\n\t{\"a\" : [ 1 ] }\n"), 0, "d1:ali1eee"},
		{"booleans are numbers, null is empty", STR("[true,false,null]"), 0, "li1ei0e0:e"},
		{"fractions are cut", STR("[1.9,-1.9,1e3]"), 0, "li1ei-1ei1000ee"},
		{"fractions beyond 64 bits", STR("[1e300,-1e300]"), 0,
		 "li9223372036854775807ei-9223372036854775808ee"},
		{"escapes are undone", STR("[\"\\r\\n\\\"\\\\\\u00e9\"]"), 0,
		 "l6:\r\n\"\\\xc3\xa9"
		 "e"},
		{"braces in a string", STR("{\"a\":\"}]{\\\"\"}"), 0, "d1:a4:}]{\"e"},
		{"of repeated keys the last wins", STR("{\"a\":1,\"a\":2}"), 0, "d1:ai2ee"},
		{"nothing yet", STR("  "), ERR_MORE, NULL},
		{"half an object", STR("{\"a\":1"), ERR_MORE, NULL},
		{"half a string", STR("{\"a}"), ERR_MORE, NULL},
		{"an escape at the end", STR("{\"a\\"), ERR_MORE, NULL},
		{"a number alone", STR("1"), ERR_BAD, NULL},
		{"a string alone", STR("\"a\""), ERR_BAD, NULL},
		{"the wrong brace", STR("{\"a\":1]"), ERR_BAD, NULL},
		{"a comma too much", STR("[1,]"), ERR_BAD, NULL},
		{"no quotes", STR("{a:1}"), ERR_BAD, NULL},
		{"something behind", STR("{} x"), ERR_BAD, NULL},
		{"two objects", STR("{}{}"), ERR_BAD, NULL},
		{"a number above 64 bits", STR("[9223372036854775808]"), ERR_BAD, NULL},
		{"NUL by escape", STR("[\"\\u0000\"]"), ERR_BAD, NULL},
		{"NUL as a byte", STR("[\"\0\"]"), ERR_BAD, NULL},
		{"half a surrogate pair", STR("[\"\\ud800\"]"), ERR_BAD, NULL},
		{"not UTF-8", STR("[\"\xff\"]"), ERR_BAD, NULL},
		{"a line end in a string", STR("[\"\n\"]"), ERR_BAD, NULL},
		{"sixteen deep", STR("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"), 0,
		 "lllllllllllllllleeeeeeeeeeeeeeee"},
		{"seventeen deep", STR("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"), ERR_LIMIT, NULL},
	};
	struct guard g;
	struct arena a;
	guard_init(&g, 4096);
	CHECK_TABLE(row, rows)
	{
		struct dict *d = NULL;
		arena_init(&a, arena_mem, sizeof(arena_mem));
		ptrdiff_t want = row->err == 0 ? (ptrdiff_t)row->in.len : row->err;
		EXPECT_ERR(json_parse(guard_put(&g, row->in), &a, &d), want);
		EXPECT_INT(d != NULL, want >= 0);
		if (!d)
			continue;
		struct buf b;
		buf_init(&b, text_mem, sizeof(text_mem));
		bencode_write(&b, d);
		EXPECT_Z(buf_view(&b), row->bencode);
		/* write(parse(x)) parses to the same */
		size_t len = b.len;
		json_write(&b, d);
		struct dict *again;
		EXPECT_TRUE(json_parse(str_from_offset(buf_view(&b), len), &a, &again) > 0);
		buf_reset(&b);
		bencode_write(&b, again);
		EXPECT_Z(buf_view(&b), row->bencode);
		/* every prefix waits for more, until only white space is missing */
		struct str trimmed = str_trim(row->in);
		size_t whole = (size_t)(trimmed.p - row->in.p) + trimmed.len;
		for (size_t n = 0; n < whole; n++)
			EXPECT_ERR(
				json_parse(guard_put(&g, (struct str){row->in.p, n}), &a, &again),
				ERR_MORE);
	}
	guard_release(&g);
}

static void test_length_in_a_stream(void **state)
{
	(void)state;
	EXPECT_INT(json_len(STR("{}{}")), 2);
	EXPECT_INT(json_len(STR(" {\"a\":\"}\"} {")), 10);
	EXPECT_INT(json_len(STR("{\"a\":\"\\\"}")), ERR_MORE);
	EXPECT_INT(json_len(STR("x")), ERR_BAD);
}

static void test_limits(void **state)
{
	(void)state;
	struct arena a;
	struct dict *d = NULL;
	struct buf b;
	buf_init(&b, text_mem, sizeof(text_mem));
	buf_lit(&b, "[0");
	for (int i = 0; i < JSON_VALUES_MAX; i++)
		buf_lit(&b, ",0");
	buf_char(&b, ']');
	arena_init(&a, arena_mem, sizeof(arena_mem));
	EXPECT_ERR(json_parse(buf_view(&b), &a, &d), ERR_LIMIT);
	for (size_t size = 0; size < 600; size += 8) {
		arena_init(&a, arena_mem, size);
		struct str in = STR("{\"key\":[1,\"text\",{\"k\":\"v\"}],\"other\":\"\"}");
		ptrdiff_t n = json_parse(in, &a, &d);
		EXPECT_TRUE(n == ERR_NOMEM || n == (ptrdiff_t)in.len);
		EXPECT_TRUE(size > 60 || n == ERR_NOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_length_in_a_stream),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
