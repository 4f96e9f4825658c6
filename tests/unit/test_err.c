#include "tests/support/check.h"

static void test_names(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int err;
		const char *text;
	} rows[] = {
		{"zero is no error", OK, "OK"},
		{"the first error has its name", ERR_MORE, "MORE"},
		{"the last error has its name", ERR_CLOSED, "CLOSED"},
		{"a positive number is unknown", 1, "unknown"},
		{"a number below the last is unknown", -(int)ERR_INDEX_COUNT, "unknown"},
		{"the smallest number is unknown", INT32_MIN, "unknown"},
	};
	CHECK_TABLE(row, rows)
	{
		EXPECT_Z(str_from(err_name(row->err)), row->text);
		EXPECT_TRUE(str_from(err_text(row->err)).len > 5);
	}
}

static void test_each_error_is_negative_and_apart(void **state)
{
	(void)state;
	for (int i = 1; i < ERR_INDEX_COUNT; i++)
		for (int k = 1; k < i; k++)
			EXPECT_TRUE(!str_eq(str_from(err_name(-i)), str_from(err_name(-k))));
	EXPECT_TRUE(ERR_MORE < 0 && ERR_CLOSED < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_each_error_is_negative_and_apart),
	};
	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
