/* Buckets of sources: what fills them, what empties them, who is forgotten first. */
#include "sbc/core/budget.h"

#include <stdio.h>

#include "tests/support/check.h"

static struct budget b;
static const struct siphash_key key = {{1, 2}};

static int open_it(void **state)
{
	(void)state;
	return budget_init(&b, &key) == OK ? 0 : -1;
}

static int close_it(void **state)
{
	(void)state;
	budget_release(&b);
	return 0;
}

static struct addr ip(const char *text)
{
	struct addr a;
	assert_int_equal(addr_parse_ip(str_from(text), &a), OK);
	return a;
}

static struct addr number(uint32_t n)
{
	char text[32];
	(void)snprintf(text, sizeof(text), "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
	return ip(text);
}

static void a_bucket_fills_by_the_clock(void **state)
{
	static const struct {
		const char *what;
		uint64_t at_ms;
		uint32_t gain, cost;
		bool want;
	} rows[] = {
		{"a new source has all of it", 1000, 0, 100, true},
		{"and then nothing", 1000, 0, 1, false},
		{"a tenth of the time gives a tenth", 2000, 0, 10, true},
		{"and no more", 2000, 0, 1, false},
		{"too early gives too little", 2099, 0, 1, false},
		{"who asked too early loses nothing by it", 2100, 0, 1, true},
		{"what it brings pays at once", 2100, 50, 50, true},
		{"even beyond what fits", 2100, 500, 500, true},
		{"but is not kept beyond it", 2100, 500, 0, true},
		{"the bucket is full and that is all", 2100, 0, 101, false},
		{"a clock that goes back gives nothing", 2100, 0, 100, true},
		{"nothing at all", 50, 0, 1, false},
		{"a long time fills it once", 1000000, 0, 100, true},
		{"not twice", 1000000, 0, 1, false},
	};
	static const struct budget_rule rule = {100, 10000};
	struct addr a = ip("192.0.2.1");
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (budget_take(&b, &rule, &a, rows[i].gain, rows[i].cost, rows[i].at_ms) !=
		    rows[i].want)
			fail_msg("%s", rows[i].what);
}

static void the_greatest_numbers_do_not_overflow(void **state)
{
	static const struct budget_rule rule = {UINT32_MAX, UINT32_MAX};
	struct addr a = ip("192.0.2.1");
	(void)state;
	EXPECT_TRUE(budget_take(&b, &rule, &a, 0, UINT32_MAX, 1));
	EXPECT_TRUE(!budget_take(&b, &rule, &a, 0, UINT32_MAX, UINT32_MAX - 2));
	EXPECT_TRUE(budget_take(&b, &rule, &a, UINT32_MAX, UINT32_MAX, UINT64_MAX));
}

static void slow_refills_reach_who_asks_all_the_time(void **state)
{
	static const struct budget_rule rule = {30, 600000};
	struct addr a = ip("192.0.2.1");
	unsigned got = 0;
	(void)state;
	EXPECT_TRUE(budget_take(&b, &rule, &a, 0, 30, 1));
	for (uint64_t at = 2; at < 200001; at++)
		got += budget_take(&b, &rule, &a, 0, 1, at);
	EXPECT_INT(got, 9); /* of ten, the last is about to come */
}

static void sources_do_not_share(void **state)
{
	static const struct budget_rule rule = {1, 1000};
	struct addr a = ip("192.0.2.1"), other = ip("192.0.2.2");
	struct addr six = ip("2001:db8::1"), same = ip("2001:db8::2"), next = ip("2001:db8:0:1::1");
	(void)state;
	EXPECT_TRUE(budget_take(&b, &rule, &a, 0, 1, 1));
	EXPECT_TRUE(budget_take(&b, &rule, &other, 0, 1, 1));
	EXPECT_TRUE(budget_take(&b, &rule, &six, 0, 1, 1));
	EXPECT_TRUE(!budget_take(&b, &rule, &same, 0, 1, 1));
	EXPECT_TRUE(budget_take(&b, &rule, &next, 0, 1, 1));
}

static void a_flood_of_sources_does_not_clear_the_one_in_debt(void **state)
{
	static const struct budget_rule rule = {10, 3600000};
	struct addr a = ip("192.0.2.1");
	(void)state;
	EXPECT_TRUE(budget_take(&b, &rule, &a, 0, 10, 1));
	for (uint32_t i = 0; i < 200000; i++) {
		struct addr n = number(i);
		(void)budget_take(&b, &rule, &n, 0, 1, 2);
	}
	EXPECT_TRUE(!budget_take(&b, &rule, &a, 0, 1, 3));
}

static void no_rule_is_no_limit(void **state)
{
	static const struct budget_rule rule = {0, 1000};
	struct budget_one one = {0};
	struct addr a = ip("192.0.2.1");
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		EXPECT_TRUE(budget_take(&b, &rule, &a, 0, 1000, 1));
		EXPECT_TRUE(budget_take_one(&one, &rule, 1000, 1));
	}
}

static void one_bucket_for_all(void **state)
{
	static const struct budget_rule rule = {5, 1000};
	struct budget_one one = {0};
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		EXPECT_INT(budget_take_one(&one, &rule, 1, 700), i < 5);
	EXPECT_TRUE(budget_take_one(&one, &rule, 1, 900));
	EXPECT_TRUE(!budget_take_one(&one, &rule, 1, 900));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_bucket_fills_by_the_clock, open_it, close_it),
		cmocka_unit_test_setup_teardown(the_greatest_numbers_do_not_overflow, open_it,
						close_it),
		cmocka_unit_test_setup_teardown(slow_refills_reach_who_asks_all_the_time, open_it,
						close_it),
		cmocka_unit_test_setup_teardown(sources_do_not_share, open_it, close_it),
		cmocka_unit_test_setup_teardown(a_flood_of_sources_does_not_clear_the_one_in_debt,
						open_it, close_it),
		cmocka_unit_test_setup_teardown(no_rule_is_no_limit, open_it, close_it),
		cmocka_unit_test_setup_teardown(one_bucket_for_all, open_it, close_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
