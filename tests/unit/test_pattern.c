#include "policy/pattern.h"
#include "tests/support/check.h"

static char memory[64 * 1024];

static enum err compile(struct arena *a, struct str text, const struct route_pattern **out,
			struct buf *why)
{
	arena_init(a, memory, sizeof(memory));
	return pattern_compile(a, text, out, why);
}

static void test_matches(void **state)
{
	(void)state;
	static const struct {
		const char *name, *pattern, *subject;
		bool want;
	} rows[] = {
		{"an anchored prefix matches what begins with it", "^\\+4930555", "+4930555123",
		 true},
		{"an anchored prefix does not match in the middle", "^\\+49", "00+49", false},
		{"an unanchored pattern matches in the middle", "555", "+4930555123", true},
		{"alternatives between anchors match whole numbers", "^(110|112|911)$", "112",
		 true},
		{"a longer number is not that number", "^(110|112|911)$", "1122", false},
		{"a line end behind the number is not the number's end", "^112$", "112\n", false},
		{"digits by class", "^\\d{3,5}$", "12345", true},
		{"letters compare with case", "^alice$", "Alice", false},
		{"an option in the pattern drops the case", "(?i)^alice$", "Alice", true},
		{"look-ahead works", "^(?!00)\\d+$", "0049", false},
		{"the empty pattern matches everything", "", "x", true},
		{"an empty subject matches what allows it", "^$", "", true},
		{"bytes above ASCII are bytes", "^.{2}$", "\xc3\xa9", true},
	};
	CHECK_TABLE(row, rows)
	{
		struct arena a;
		char text[128];
		struct buf why;
		const struct route_pattern *p = NULL;
		buf_init(&why, text, sizeof(text));
		EXPECT_ERR(compile(&a, str_from(row->pattern), &p, &why), OK);
		EXPECT_TRUE(pattern_matches(p, str_from(row->subject)) == row->want);
		EXPECT_Z(pattern_text(p), row->pattern);
	}
}

static void test_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *name, *pattern, *why;
	} rows[] = {
		{"an open group", "^(1", "missing closing parenthesis, at its character 4"},
		{"a quantifier of nothing", "*1",
		 "quantifier does not follow a repeatable item, at its character 1"},
		{"the single-byte escape", "\\C",
		 "using \\C is disabled by the application, at its character 3"},
		{"a switch to UTF", "(*UTF)a",
		 "using UTF is disabled by the application, at its character 7"},
		{"groups nested without end", "((((((((((((((((((((((((1))))))))))))))))))))))))",
		 "parentheses are too deeply nested, at its character 22"},
	};
	CHECK_TABLE(row, rows)
	{
		struct arena a;
		char text[128];
		struct buf why;
		const struct route_pattern *p = NULL;
		buf_init(&why, text, sizeof(text));
		EXPECT_ERR(compile(&a, str_from(row->pattern), &p, &why), ERR_BAD);
		EXPECT_Z(buf_view(&why), row->why);
		EXPECT_TRUE(p == NULL);
	}
}

static void test_bounds(void **state)
{
	(void)state;
	struct arena a;
	struct buf why;
	char text[128], subject[PATTERN_SUBJECT_MAX + 1], big[PATTERN_TEXT_MAX + 1];
	const struct route_pattern *p = NULL;
	buf_init(&why, text, sizeof(text));
	memset(subject, 'a', sizeof(subject));
	memset(big, 'a', sizeof(big));
	/* Exponential backtracking is cut off, and is then no match. */
	EXPECT_ERR(compile(&a, STR("^(a+)+$"), &p, &why), OK);
	subject[40] = 'b';
	EXPECT_TRUE(!pattern_matches(p, (struct str){subject, 41}));
	EXPECT_TRUE(pattern_matches(p, (struct str){subject, 40}));
	subject[40] = 'a';
	/* The longest number is looked at, a longer one is not. */
	EXPECT_ERR(compile(&a, STR("^a*$"), &p, &why), OK);
	EXPECT_TRUE(pattern_matches(p, (struct str){subject, PATTERN_SUBJECT_MAX}));
	EXPECT_TRUE(!pattern_matches(p, (struct str){subject, PATTERN_SUBJECT_MAX + 1}));
	EXPECT_ERR(compile(&a, (struct str){big, sizeof(big)}, &p, &why), ERR_LIMIT);
	/* Every arena that is too small says so, and nothing else happens. */
	for (size_t size = 0; size < 3000; size += 16) {
		arena_init(&a, memory, size);
		enum err e = pattern_compile(&a, STR("^(110|112|911)$"), &p, &why);
		EXPECT_TRUE(e == OK || e == ERR_NOMEM || e == ERR_BAD);
		if (e == OK)
			EXPECT_TRUE(pattern_matches(p, STR("112")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_bounds),
	};
	return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
