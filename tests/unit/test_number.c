#include "policy/number.h"

#include "policy/pattern.h"
#include "tests/support/check.h"

static char memory[1 << 18];
static struct arena arena;

static const struct route_pattern *compile(const char *text)
{
	const struct route_pattern *p = NULL;
	char why[100];
	struct buf b;
	buf_init(&b, why, sizeof(why));
	EXPECT_ERR(pattern_compile(&arena, str_from(text), &p, &b), OK);
	return p;
}

enum { F = 1 << NUMBER_FROM, T = 1 << NUMBER_TO, A = 1 << NUMBER_ASSERTED };

static void test_apply(void **state)
{
	(void)state;
	arena_init(&arena, memory, sizeof(memory));
	const struct number_rule from_e164[] = {
		{.match = compile("^00(\\d+)$"), .to = STR("+\\1"), .fields = F | T},
		{.match = compile("^0(\\d+)$"), .to = STR("+49\\1"), .fields = T},
		{.match = compile("^(\\d)(\\d)(\\d)x(y)?$"),
		 .to = STR("\\3\\2\\1\\0\\4\\\\"),
		 .fields = T},
		{.match = compile("^anonymous$"), .to = STR(""), .fields = F},
		{.match = compile("^\\d+$"), .to = STR("+\\0"), .fields = A},
	};
	const struct number_rules r = {STR("in"), from_e164, ARRAY_LEN(from_e164)};
	static const struct {
		const char *name, *in;
		enum number_field field;
		enum err e;
		size_t rule;
		const char *want;
	} rows[] = {
		{"an international prefix becomes a plus", "004930555", NUMBER_TO, OK, 0,
		 "+4930555"},
		{"the first rule that matches counts", "0049", NUMBER_TO, OK, 0, "+49"},
		{"the next one where the first does not match", "030555", NUMBER_TO, OK, 1,
		 "+4930555"},
		{"a rule of another field is passed over", "030555", NUMBER_FROM, ERR_NOTFOUND, 0,
		 ""},
		{"the same prefix of the caller", "004930", NUMBER_FROM, OK, 0, "+4930"},
		{"groups in any order, the whole, one that took no part, a backslash", "123x",
		 NUMBER_TO, OK, 2, "321123x\\"},
		{"a number can be taken away", "anonymous", NUMBER_FROM, OK, 3, ""},
		{"an asserted one has rules of its own", "4930", NUMBER_ASSERTED, OK, 4, "+4930"},
		{"no rule matches", "+4930", NUMBER_TO, ERR_NOTFOUND, 0, ""},
		{"no number", "", NUMBER_TO, ERR_NOTFOUND, 0, ""},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[64];
		struct buf b;
		size_t rule = 99;
		buf_init(&b, mem, sizeof(mem));
		EXPECT_ERR(number_apply(&r, row->field, str_from(row->in), &b, &rule), row->e);
		EXPECT_Z(buf_view(&b), row->want);
		EXPECT_INT(rule, row->e == OK ? row->rule : 99);
		buf_init(&b, mem, sizeof(mem));
		EXPECT_Z(number_of(&r, row->field, str_from(row->in), &b),
			 row->e == OK ? row->want : row->in);
	}
	char small[4];
	struct buf b;
	buf_init(&b, small, sizeof(small));
	EXPECT_ERR(number_apply(&r, NUMBER_TO, STR("0049305"), &b, NULL), ERR_LIMIT);
	buf_init(&b, small, sizeof(small));
	EXPECT_Z(number_of(&r, NUMBER_TO, STR("0049305"), &b), "0049305");
	EXPECT_Z(number_of(NULL, NUMBER_TO, STR("030"), &b), "030");
}

/* A stranger's number is no pattern and no template: what it holds is text. */
static void test_hostile(void **state)
{
	(void)state;
	arena_init(&arena, memory, sizeof(memory));
	const struct number_rule rules[] = {
		{.match = compile("^(.*)$"), .to = STR("<\\1>"), .fields = T},
	};
	const struct number_rules r = {STR("in"), rules, 1};
	char mem[2048], in[1100];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	EXPECT_Z(number_of(&r, NUMBER_TO, STR("\\1\\9(["), &b), "<\\1\\9([>");
	memset(in, '1', sizeof(in));
	buf_init(&b, mem, sizeof(mem));
	EXPECT_INT(number_of(&r, NUMBER_TO, (struct str){in, 1024}, &b).len, 1026);
	EXPECT_INT(number_of(&r, NUMBER_TO, (struct str){in, 1025}, &b).len, 1025);
}

static void test_hidden(void **state)
{
	(void)state;
	arena_init(&arena, memory, sizeof(memory));
	const struct number_rule rules[] = {
		{.match = compile("^0"), .to = STR("+"), .fields = F | T},
		{.match = compile("^0"), .to = STR("x"), .fields = T},
		{.match = compile("^0"), .to = STR("x"), .fields = A},
		{.match = compile("^(.*)$"), .to = STR("\\1"), .fields = F | T},
		{.match = compile("^1"), .to = STR("x"), .fields = F},
		{.match = compile("^1"), .to = STR("x"), .fields = A},
	};
	static const size_t by[] = {0, 0, 2, 3, 3, 5};
	const struct number_rules r = {STR("in"), rules, ARRAY_LEN(rules)};
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		EXPECT_INT(number_hidden_by(&r, i), by[i]);
}

static void test_templates(void **state)
{
	(void)state;
	arena_init(&arena, memory, sizeof(memory));
	static const struct {
		const char *name, *pattern, *with, *fault;
	} rows[] = {
		{"no group is needed for the whole", "^0", "\\0", ""},
		{"two groups, both used", "^(0)(1)", "\\2\\1", ""},
		{"a group that the pattern has not", "^(0)", "a\\2", "\\2"},
		{"a backslash before a letter", "^(0)", "\\d", "\\d"},
		{"a backslash at the end", "^(0)", "1\\", "\\"},
		{"a backslash for itself", "^0", "\\\\", ""},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_Z(pattern_fill_fault(str_from(row->with),
					    pattern_group_count(compile(row->pattern))),
			 row->fault);
	}
}

#define TEST(name, fn)                                                                             \
	{                                                                                          \
		name, fn, NULL, NULL, NULL                                                         \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST("the first number rule of a field that matches says what the number becomes",
		     test_apply),
		TEST("a number is text to the rules, and a long one stays as it is", test_hostile),
		TEST("a number rule behind one that takes all is found", test_hidden),
		TEST("a template that asks for groups that are not there is found", test_templates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
