#include "policy/rate.h"

#include <stdio.h>

#include "tests/support/check.h"

#define MS(n) ((uint64_t)(n)*1000000u)

static const struct siphash_key secret = {{1, 2}};

static void only_the_excess_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct rate_rule rule;
		uint64_t every_ms;      /* offered one each so many ms, */
		unsigned offered, kept; /* so many, of which so many fit */
	} rows[] = {
		{"below the rate", {10, 1000, 1}, 100, 100, 100},
		{"at twice the rate", {10, 1000, 1}, 50, 100, 50},
		{"at ten times the rate", {10, 1000, 1}, 10, 1000, 100},
		{"a burst, and then the rate", {10, 1000, 5}, 10, 1000, 104},
		{"all at once", {10, 1000, 5}, 0, 100, 5},
		{"a burst that is not named is the count", {10, 1000, 0}, 0, 100, 10},
		{"per minute", {6, 60000, 1}, 1000, 60, 6},
		{"no limit", {0, 1000, 0}, 0, 1000, 1000},
		{"per no time at all: per millisecond", {1, 0, 1}, 1, 50, 50},
	};
	CHECK_TABLE(row, rows)
	{
		struct rate s = {.due_ns = 0};
		unsigned kept = 0;
		for (unsigned i = 0; i < row->offered; i++)
			kept += rate_take(&s, &row->rule, 1, MS(5000 + i * row->every_ms), NULL);
		EXPECT_INT(kept, row->kept);
	}
}

static void who_is_refused_learns_when_to_come_again(void **state)
{
	(void)state;
	const struct rate_rule r = {10, 1000, 5};
	struct rate s = {.due_ns = 0};
	uint64_t wait = 1;

	EXPECT_INT(rate_left(&s, &r, MS(1000)), 5);
	EXPECT_TRUE(rate_take(&s, &r, 5, MS(1000), &wait));
	EXPECT_INT(wait, 0);
	EXPECT_INT(rate_left(&s, &r, MS(1000)), 0);
	EXPECT_TRUE(!rate_take(&s, &r, 1, MS(1000), &wait));
	EXPECT_INT(wait, MS(100));
	EXPECT_TRUE(!rate_take(&s, &r, 3, MS(1000), &wait));
	EXPECT_INT(wait, MS(300));
	EXPECT_TRUE(!rate_take(&s, &r, 3, MS(1299), &wait));
	EXPECT_TRUE(rate_take(&s, &r, 3, MS(1300), &wait));
	EXPECT_TRUE(!rate_take(&s, &r, 6, MS(9000), &wait)); /* more than a burst never fits */
	EXPECT_TRUE(wait == UINT64_MAX);
	EXPECT_INT(rate_left(&s, &r, MS(9000)), 5);
	/* A clock that went back gives nothing and takes nothing. */
	EXPECT_TRUE(rate_take(&s, &r, 5, MS(9000), NULL));
	EXPECT_TRUE(!rate_take(&s, &r, 1, MS(8000), NULL));
	EXPECT_TRUE(rate_take(&s, &r, 1, MS(9100), NULL));
}

static void each_key_and_each_rule_has_its_own(void **state)
{
	(void)state;
	const struct rate_rule r = {1, 1000, 1};
	struct rate_table t;

	EXPECT_ERR(rate_table_init(&t, 64, &secret), OK);
	EXPECT_TRUE(rate_take(rate_table_find(&t, 0, STR("a"), MS(1)), &r, 1, MS(1), NULL));
	EXPECT_TRUE(!rate_take(rate_table_find(&t, 0, STR("a"), MS(1)), &r, 1, MS(1), NULL));
	EXPECT_TRUE(rate_take(rate_table_find(&t, 0, STR("b"), MS(1)), &r, 1, MS(1), NULL));
	EXPECT_TRUE(rate_take(rate_table_find(&t, 1, STR("a"), MS(1)), &r, 1, MS(1), NULL));
	EXPECT_TRUE(!rate_take(rate_table_find(&t, 1, STR("a"), MS(1)), &r, 1, MS(1), NULL));
	rate_table_release(&t);
}

/* A flood of sources that come once each does not wash away one that is over its rate. */
static void the_one_in_debt_is_forgotten_last(void **state)
{
	(void)state;
	const struct rate_rule r = {1, 3600 * 1000, 1};
	struct rate_table t;
	unsigned passed = 0;

	EXPECT_ERR(rate_table_init(&t, RATE_WAYS, &secret), OK);
	EXPECT_INT(t.sets, 1);
	EXPECT_TRUE(rate_take(rate_table_find(&t, 0, STR("flood"), MS(1)), &r, 1, MS(1), NULL));
	for (unsigned i = 0; i < 1000; i++) {
		char key[16];
		snprintf(key, sizeof(key), "%u", i);
		(void)rate_table_find(&t, 0, str_from(key),
				      MS(2)); /* asked for, never taken from */
		passed +=
			rate_take(rate_table_find(&t, 0, STR("flood"), MS(2)), &r, 1, MS(2), NULL);
	}
	EXPECT_INT(passed, 0);
	rate_table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_excess_is_refused),
		cmocka_unit_test(who_is_refused_learns_when_to_come_again),
		cmocka_unit_test(each_key_and_each_rule_has_its_own),
		cmocka_unit_test(the_one_in_debt_is_forgotten_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
