#include "tests/support/check.h"
#include "tests/support/guard.h"

static void test_compare(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str a, b;
		bool eq, ieq;
		int cmp;
	} rows[] = {
		{"equal texts are equal", STR("abc"), STR("abc"), true, true, 0},
		{"case tells only str_eq", STR("aBc"), STR("Abc"), false, true, 1},
		{"a prefix is smaller", STR("ab"), STR("abc"), false, false, -1},
		{"the empty view without memory equals the empty text", STR_NONE, STR(""), true,
		 true, 0},
		{"the empty text is smaller than any", STR_NONE, STR("a"), false, false, -1},
		{"only letters fold: @ is not `", STR("@["), STR("`{"), false, false, -1},
		{"NUL bytes count", STR("a\0b"), STR("a\0c"), false, false, -1},
		{"bytes compare unsigned", STR("\x7f"), STR("\x80"), false, false, -1},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(str_eq(row->a, row->b), row->eq);
		EXPECT_INT(str_ieq(row->a, row->b), row->ieq);
		int c = str_cmp(row->a, row->b), r = str_cmp(row->b, row->a);
		EXPECT_INT((c > 0) - (c < 0), row->cmp);
		EXPECT_INT((r > 0) - (r < 0), -row->cmp);
	}
}

static void test_ends(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str s, piece;
		bool prefix, iprefix, suffix, isuffix;
		size_t at;
	} rows[] = {
		{"the whole is prefix and suffix", STR("abc"), STR("abc"), true, true, true, true,
		 0},
		{"a prefix", STR("sip:x"), STR("sip:"), true, true, false, false, 0},
		{"a prefix in another case", STR("SIP:x"), STR("sip:"), false, true, false, false,
		 5},
		{"a suffix", STR("a.wav"), STR(".wav"), false, false, true, true, 1},
		{"a suffix in another case", STR("a.WAV"), STR(".wav"), false, false, false, true,
		 5},
		{"longer than the text", STR("ab"), STR("abc"), false, false, false, false, 2},
		{"nothing is everywhere", STR("ab"), STR(""), true, true, true, true, 0},
		{"nothing is in nothing", STR_NONE, STR_NONE, true, true, true, true, 0},
		{"in the middle", STR("xxaby"), STR("ab"), false, false, false, false, 2},
		{"a false start before it", STR("aab"), STR("ab"), false, false, true, true, 1},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(str_has_prefix(row->s, row->piece), row->prefix);
		EXPECT_INT(str_has_iprefix(row->s, row->piece), row->iprefix);
		EXPECT_INT(str_has_suffix(row->s, row->piece), row->suffix);
		EXPECT_INT(str_has_isuffix(row->s, row->piece), row->isuffix);
		EXPECT_U64(str_find(row->s, row->piece), row->at);
	}
}

static void test_index_and_offset(void **state)
{
	(void)state;
	EXPECT_U64(str_index(STR("a:b:c"), ':'), 1);
	EXPECT_U64(str_index(STR("abc"), ':'), 3);
	EXPECT_U64(str_index(STR_NONE, ':'), 0);
	EXPECT_TRUE(str_has_char(STR("abc"), 'c') && !str_has_char(STR_NONE, 'c'));
	EXPECT_Z(str_from_offset(STR("abc"), 1), "bc");
	EXPECT_TRUE(str_from_offset(STR("abc"), 3).p == NULL);
	EXPECT_TRUE(str_from_offset(STR("abc"), SIZE_MAX).len == 0);
}

static void test_trim(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str s, want;
	} rows[] = {
		{"both ends", STR(" \t a b\r\n"), STR("a b")},
		{"nothing to trim", STR("a"), STR("a")},
		{"only spaces", STR(" \t\r\n "), STR("")},
		{"nothing", STR_NONE, STR("")},
	};
	CHECK_TABLE(row, rows)
	EXPECT_STR(str_trim(row->s), row->want);
}

static void test_cut(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str s;
		const char *pieces[5];
	} rows[] = {
		{"three pieces", STR("a,b,c"), {"a", "b", "c"}},
		{"no separator", STR("abc"), {"abc"}},
		{"an empty last piece counts", STR("a,"), {"a", ""}},
		{"empty pieces between", STR(",,"), {"", "", ""}},
		{"the empty text is one empty piece", STR(""), {""}},
		{"no text is no piece", STR_NONE, {0}},
	};
	CHECK_TABLE(row, rows)
	{
		struct str s = row->s, piece;
		size_t n = 0;
		while (str_cut(&s, ',', &piece)) {
			EXPECT_TRUE(row->pieces[n] != NULL);
			EXPECT_Z(piece, row->pieces[n]);
			n++;
		}
		EXPECT_TRUE(row->pieces[n] == NULL);
		EXPECT_TRUE(s.p == NULL && s.len == 0);
	}
}

static void test_cut_word(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str s;
		const char *words[4];
	} rows[] = {
		{"words between spaces and tabs", STR(" a\t bc  d "), {"a", "bc", "d"}},
		{"one word", STR("abc"), {"abc"}},
		{"only spaces", STR(" \t "), {0}},
		{"nothing", STR_NONE, {0}},
	};
	CHECK_TABLE(row, rows)
	{
		struct str s = row->s, word;
		size_t n = 0;
		while (str_cut_word(&s, &word)) {
			EXPECT_TRUE(row->words[n] != NULL);
			EXPECT_Z(word, row->words[n]);
			n++;
		}
		EXPECT_TRUE(row->words[n] == NULL);
	}
}

static void test_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *s;
		uint64_t max;
		enum err err;
		uint64_t want;
	} rows[] = {
		{"zero", "0", 9, OK, 0},
		{"the limit itself", "65535", 65535, OK, 65535},
		{"one above the limit", "65536", 65535, ERR_LIMIT, 0},
		{"leading zeros", "0042", 99, OK, 42},
		{"the largest 64-bit number", "18446744073709551615", UINT64_MAX, OK, UINT64_MAX},
		{"2^64 does not wrap to 0", "18446744073709551616", UINT64_MAX, ERR_LIMIT, 0},
		{"2^32 + 32 does not become 32", "4294967328", 65535, ERR_LIMIT, 0},
		{"thirty digits", "999999999999999999999999999999", UINT64_MAX, ERR_LIMIT, 0},
		{"nothing is no number", "", 9, ERR_BAD, 0},
		{"a sign is no digit", "+5", 9, ERR_BAD, 0},
		{"a minus is no digit", "-1", 9, ERR_BAD, 0},
		{"a space before", " 5", 9, ERR_BAD, 0},
		{"a space after", "5 ", 9, ERR_BAD, 0},
		{"an exponent", "1e3", 9999, ERR_BAD, 0},
		{"hex", "0x10", 9999, ERR_BAD, 0},
		{"bad is bad, also behind too many digits", "99999999999999999999x", 9, ERR_BAD, 0},
	};
	CHECK_TABLE(row, rows)
	{
		uint64_t v = 77;
		EXPECT_ERR(str_to_u64(str_from(row->s), row->max, &v), row->err);
		EXPECT_U64(v, row->err == OK ? row->want : 77);
	}
	uint32_t v32 = 7;
	uint16_t v16 = 7;
	EXPECT_ERR(str_to_u32(STR("4294967295"), UINT32_MAX, &v32), OK);
	EXPECT_U64(v32, UINT32_MAX);
	EXPECT_ERR(str_to_u32(STR("4294967296"), UINT32_MAX, &v32), ERR_LIMIT);
	EXPECT_ERR(str_to_u16(STR("65536"), UINT16_MAX, &v16), ERR_LIMIT);
	EXPECT_U64(v16, 7);
	EXPECT_ERR(str_to_u16(STR("65535"), UINT16_MAX, &v16), OK);
	EXPECT_U64(v16, 65535);
}

static void test_hex(void **state)
{
	(void)state;
	uint8_t out[3] = {9, 9, 9};
	EXPECT_ERR(str_to_hex(STR("00aFf0"), out, 3), OK);
	EXPECT_BYTES(out, "\x00\xaf\xf0", 3);
	EXPECT_ERR(str_to_hex(STR("00af"), out, 3), ERR_BAD);
	EXPECT_ERR(str_to_hex(STR("00aff"), out, 2), ERR_BAD);
	EXPECT_ERR(str_to_hex(STR("11111g"), out, 3), ERR_BAD);
	EXPECT_BYTES(out, "\x00\xaf\xf0", 3); /* untouched */
	EXPECT_ERR(str_to_hex(STR_NONE, out, 0), OK);
}

static void test_copy(void **state)
{
	(void)state;
	char out[4] = "zz";
	EXPECT_ERR(str_copy(STR("abc"), out, sizeof(out)), OK);
	EXPECT_Z(str_from(out), "abc");
	EXPECT_ERR(str_copy(STR("abcd"), out, sizeof(out)), ERR_LIMIT);
	EXPECT_Z(str_from(out), "abc");
	EXPECT_ERR(str_copy(STR_NONE, out, sizeof(out)), OK);
	EXPECT_Z(str_from(out), "");
	EXPECT_ERR(str_copy(STR_NONE, out, 0), ERR_LIMIT);
}

static void test_distance(void **state)
{
	(void)state;
	static char long_word[65] = "";
	memset(long_word, 'a', sizeof(long_word));
	static const struct {
		const char *name;
		struct str a, b;
		unsigned want;
	} rows[] = {
		{"equal words", STR("listen"), STR("listen"), 0},
		{"one replaced", STR("listan"), STR("listen"), 1},
		{"one missing", STR("lsten"), STR("listen"), 1},
		{"two swapped are two edits", STR("lisetn"), STR("listen"), 2},
		{"from nothing", STR_NONE, STR("abc"), 3},
		{"the book's example", STR("kitten"), STR("sitting"), 3},
		{"too long a word is as far as it is long", {long_word, 65}, STR("a"), 65},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(str_distance(row->a, row->b), row->want);
		EXPECT_INT(str_distance(row->b, row->a), row->want);
	}
}

static void test_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str s;
		size_t want;
	} rows[] = {
		{"ASCII", STR("ab"), 1},
		{"two bytes", STR("\xc3\xa9x"), 2},
		{"three bytes", STR("\xe2\x82\xac"), 3},
		{"four bytes", STR("\xf0\x9f\x98\x80"), 4},
		{"cut in the middle", STR("\xe2\x82"), 0},
		{"overlong slash", STR("\xc0\xaf"), 0},
		{"overlong in three bytes", STR("\xe0\x80\xaf"), 0},
		{"overlong in four bytes", STR("\xf0\x80\x80\xaf"), 0},
		{"a surrogate", STR("\xed\xa0\x80"), 0},
		{"above U+10FFFF", STR("\xf4\x90\x80\x80"), 0},
		{"a continuation alone", STR("\x80"), 0},
		{"Latin-1", STR("\xe9t\xe9"), 0},
		{"nothing", STR_NONE, 0},
	};
	struct guard g;
	guard_init(&g, 16);
	CHECK_TABLE(row, rows)
	EXPECT_U64(str_utf8_len(guard_put(&g, row->s)), row->want);
	guard_release(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_index_and_offset),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_word),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_utf8),
	};
	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
