#include "policy/dialcode.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/check.h"

#define ROW(text, v)                                                                               \
	{                                                                                          \
		.digits = {text, sizeof(text) - 1}, .value = (v)                                   \
	}

static void the_longest_code_decides(void **state)
{
	(void)state;
	struct dialcode_row rows[] = {ROW("49", 1),    ROW("4930", 2), ROW("1", 3),
				      ROW("1876", 4),  ROW("44", 5),   ROW("4470", 6),
				      ROW("44700", 7), ROW("882", 8),  ROW("0", 9)};
	static const struct {
		const char *name, *number;
		int32_t value;
		size_t len;
	} cases[] = {
		{"a country", "+4989123", 1, 2},
		{"a city of it", "+4930123", 2, 4},
		{"exactly the code", "4930", 2, 4},
		{"one digit less than the longer code", "+493", 1, 2},
		{"an area code", "+18765551234", 4, 4},
		{"beside it", "+18755551234", 3, 1},
		{"three deep", "+447001", 7, 5},
		{"two deep", "+447011", 6, 4},
		{"no code", "+339", DIALCODE_NONE, 0},
		{"the beginning of a code alone", "+88", DIALCODE_NONE, 0},
		{"nothing", "", DIALCODE_NONE, 0},
		{"a plus sign", "+", DIALCODE_NONE, 0},
		{"a letter ends the number", "+4x930", DIALCODE_NONE, 0},
		{"letters behind the code", "+49x", 1, 2},
		{"a star", "*67", DIALCODE_NONE, 0},
		{"a plus sign within", "+49+30", 1, 2},
		{"a leading zero", "00", 9, 1},
	};
	struct dialcodes t;
	size_t bad;

	EXPECT_ERR(dialcodes_build(&t, rows, ARRAY_LEN(rows), &bad), OK);
	CHECK_TABLE(row, cases)
	{
		size_t len = 99;
		EXPECT_INT(dialcodes_find(&t, str_from(row->number), &len), row->value);
		EXPECT_INT(len, row->len);
	}
	dialcodes_release(&t);
	EXPECT_INT(dialcodes_find(&t, STR("+49"), NULL), DIALCODE_NONE);
}

static void wrong_rows_are_named(void **state)
{
	(void)state;
	struct dialcodes t;
	size_t bad;
	struct dialcode_row empty[] = {ROW("49", 1), ROW("", 2)};
	struct dialcode_row plus[] = {ROW("+49", 1)};
	struct dialcode_row deep[] = {ROW("1234567890123456789", 1)};
	struct dialcode_row below[] = {ROW("49", -1)};
	struct dialcode_row twice[] = {ROW("49", 1), ROW("33", 2), ROW("49", 3)};

	EXPECT_ERR(dialcodes_build(&t, empty, 2, &bad), ERR_BAD);
	EXPECT_INT(bad, 1);
	EXPECT_ERR(dialcodes_build(&t, plus, 1, &bad), ERR_BAD);
	EXPECT_ERR(dialcodes_build(&t, deep, 1, &bad), ERR_BAD);
	EXPECT_ERR(dialcodes_build(&t, below, 1, &bad), ERR_BAD);
	EXPECT_ERR(dialcodes_build(&t, twice, 3, &bad), ERR_EXISTS);
	EXPECT_TRUE(str_eq(twice[bad].digits, STR("49")));
	EXPECT_INT(t.count, 0);
	EXPECT_ERR(dialcodes_build(&t, NULL, 0, &bad), OK);
	EXPECT_INT(dialcodes_find(&t, STR("+49"), NULL), DIALCODE_NONE);
	dialcodes_release(&t);
}

enum { MANY = 3000, TEXT = 16 };

/* Against the plain way: try each row. */
static int32_t by_hand(const struct dialcode_row *rows, size_t n, struct str number)
{
	size_t best = 0;
	int32_t value = DIALCODE_NONE;

	for (size_t i = 0; i < n; i++)
		if (rows[i].digits.len > best && str_has_prefix(number, rows[i].digits)) {
			best = rows[i].digits.len;
			value = rows[i].value;
		}
	return value;
}

static void many_codes_give_what_a_plain_search_gives(void **state)
{
	(void)state;
	static char texts[MANY][TEXT];
	static struct dialcode_row rows[MANY];
	struct dialcodes t;
	size_t n = 0, bad;
	uint32_t x = 12345;

	for (size_t i = 0; i < MANY; i++) {
		x = x * 1664525u + 1013904223u;
		const uint32_t modulus[] = {10, 100, 1000, 10000, 100000};
		const unsigned len = 1 + x % 5;
		snprintf(texts[n], TEXT, "%0*u", (int)len, (x >> 8) % modulus[len - 1]);
		rows[n] = (struct dialcode_row){.digits = {texts[n], len}, .value = (int32_t)n};
		bool known = false;
		for (size_t k = 0; k < n && !known; k++)
			known = str_eq(rows[k].digits, rows[n].digits);
		n += !known;
	}
	EXPECT_ERR(dialcodes_build(&t, rows, n, &bad), OK);
	for (uint32_t i = 0; i < 20000; i++) {
		char number[TEXT];
		x = x * 1664525u + 1013904223u;
		snprintf(number, sizeof(number), "%0*u", (int)(1 + x % 6), (x >> 8) % 100000u);
		EXPECT_INT(dialcodes_find(&t, str_from(number), NULL),
			   by_hand(rows, n, str_from(number)));
	}
	dialcodes_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_code_decides),
		cmocka_unit_test(wrong_rows_are_named),
		cmocka_unit_test(many_codes_give_what_a_plain_search_gives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
