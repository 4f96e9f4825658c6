#include "tests/support/check.h"

#include "common/buf.h"

static void test_overflow_is_sticky(void **state)
{
	(void)state;
	char mem[4] = "####";
	struct buf b;
	buf_init(&b, mem, 3);
	buf_lit(&b, "ab");
	buf_lit(&b, "cd"); /* does not fit: nothing of it is written */
	EXPECT_TRUE(b.overflow);
	EXPECT_U64(b.len, 2);
	buf_char(&b, 'x'); /* would fit, but half a message is none */
	EXPECT_U64(b.len, 2);
	EXPECT_TRUE(buf_view(&b).p == NULL && buf_view(&b).len == 0);
	EXPECT_BYTES(mem, "ab##", 4);
	buf_reset(&b);
	buf_lit(&b, "xyz");
	EXPECT_Z(buf_view(&b), "xyz");
	EXPECT_BYTES(mem, "xyz#", 4);
}

static void test_no_room_at_all(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, NULL, 0);
	buf_bytes(&b, NULL, 0);
	buf_str(&b, STR_NONE);
	EXPECT_TRUE(!b.overflow);
	buf_printf(&b, "%s", "a");
	EXPECT_TRUE(b.overflow);
	char one[1];
	buf_init(&b, one, 1);
	buf_hex(&b, "", SIZE_MAX);
	EXPECT_TRUE(b.overflow);
}

static void test_numbers(void **state)
{
	(void)state;
	char mem[256];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_u64(&b, 0);
	buf_char(&b, ' ');
	buf_u64(&b, UINT64_MAX);
	buf_char(&b, ' ');
	buf_i64(&b, INT64_MIN);
	buf_char(&b, ' ');
	buf_i64(&b, -1);
	buf_char(&b, ' ');
	buf_i64(&b, INT64_MAX);
	buf_char(&b, ' ');
	buf_hex(&b, "\x00\x7f\xff", 3);
	EXPECT_Z(buf_view(&b),
		 "0 18446744073709551615 -9223372036854775808 -1 9223372036854775807 007fff");
}

static void test_printf(void **state)
{
	(void)state;
	char mem[8];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%d-%s", 12, "abc");
	buf_printf(&b, "%s", "");
	EXPECT_Z(buf_view(&b), "12-abc");
	buf_printf(&b, "%d", 7); /* one byte more is needed than is written */
	EXPECT_Z(buf_view(&b), "12-abc7");
	buf_printf(&b, "%d", 8);
	EXPECT_TRUE(b.overflow);
	EXPECT_U64(b.len, 7);
}

static void test_json(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str s;
		const char *want;
	} rows[] = {
		{"plain text", STR("abc"), "\"abc\""},
		{"nothing", STR_NONE, "\"\""},
		{"quotes and backslashes", STR("a\"b\\c"), "\"a\\\"b\\\\c\""},
		{"line ends cannot make a line", STR("a\r\nb"), "\"a\\u000d\\u000ab\""},
		{"NUL", STR("a\0b"), "\"a\\u0000b\""},
		{"DEL", STR("\x7f"), "\"\\u007f\""},
		{"UTF-8 stays", STR("\xc3\xa9\xe2\x82\xac"), "\"\xc3\xa9\xe2\x82\xac\""},
		{"what is not UTF-8 is shown byte by byte", STR("\xff\xc3"), "\"\\u00ff\\u00c3\""},
		{"a slash stays", STR("a/b"), "\"a/b\""},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[64];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		buf_json_str(&b, row->s);
		EXPECT_Z(buf_view(&b), row->want);
	}
}

static void test_time(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t ms;
		const char *want;
	} rows[] = {
		{"the epoch", 0, "1970-01-01T00:00:00.000Z"},
		{"the header's example", 1795299932123, "2026-11-21T22:25:32.123Z"},
		{"a leap day", 1709164800000, "2024-02-29T00:00:00.000Z"},
		{"the day after a leap day", 1709251200000, "2024-03-01T00:00:00.000Z"},
		{"the last millisecond of a year", 1735689599999, "2024-12-31T23:59:59.999Z"},
		{"2000 is a leap year", 951782400000, "2000-02-29T00:00:00.000Z"},
		{"2100 is none", 4107542400000, "2100-03-01T00:00:00.000Z"},
		{"one-digit fields are padded", 1104639845006, "2005-01-02T04:24:05.006Z"},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[32];
		struct buf b;
		buf_init(&b, mem, sizeof(mem));
		buf_time(&b, row->ms);
		EXPECT_Z(buf_view(&b), row->want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overflow_is_sticky),
		cmocka_unit_test(test_no_room_at_all),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_time),
	};
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
