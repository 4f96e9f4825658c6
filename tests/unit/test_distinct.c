#include "policy/distinct.h"

#include "tests/support/check.h"

enum { SPAN = 3600 * 1000, START = 98765432, A = 3, B = 5 };

static void different_things_are_counted_and_forgotten(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t after_ms, key;
		uint32_t thing, before, now;
	} rows[] = {
		{"the first", 0, A, 1, 0, 1},
		{"the same again", 10, A, 1, 1, 1},
		{"another", 20, A, 2, 1, 2},
		{"that of another subject", 20, B, 2, 0, 1},
		{"a third", 1800 * 1000, A, 3, 2, 3},
		{"the first, once more", 1800 * 1000, A, 1, 3, 3},
		{"the most that are told apart", 1900 * 1000, A, 4, 3, 4},
		{"the oldest makes room", 2000 * 1000, A, 5, 4, 4},
		{"half of them have gone", 1800 * 1000 + SPAN + 3600, A, 4, 2, 2},
		{"long after", 100ull * SPAN, A, 9, 0, 1},
	};
	struct distinct_table t;
	uint32_t before;

	EXPECT_ERR(distinct_init(&t, 16, 4, SPAN), OK);
	CHECK_TABLE(row, rows)
	{
		const uint64_t now = START + row->after_ms;
		EXPECT_INT(distinct_peek(&t, row->key, row->thing, now, &before), row->now);
		EXPECT_INT(before, row->before);
		EXPECT_INT(distinct_add(&t, row->key, row->thing, UINT64_MAX, now, &before),
			   row->now);
		EXPECT_INT(before, row->before);
		EXPECT_INT(distinct_count(&t, row->key, now), row->now);
	}
	distinct_forget(&t, A);
	EXPECT_INT(distinct_count(&t, A, START), 0);
	EXPECT_INT(distinct_count(&t, 99, START), 0);
	distinct_release(&t);
}

/* A flood of strangers does not push out who has the most to remember. */
static void the_least_is_forgotten_first(void **state)
{
	(void)state;
	struct distinct_table t;
	uint32_t before;

	EXPECT_ERR(distinct_init(&t, 4, 8, SPAN), OK);
	EXPECT_INT(t.sets, 1);
	for (uint32_t thing = 0; thing < 8; thing++)
		distinct_add(&t, A, thing, UINT64_MAX, START, &before);
	for (uint64_t key = 101; key < 1101; key += 2)
		distinct_add(&t, key, 1, UINT64_MAX, START, &before);
	EXPECT_INT(distinct_count(&t, A, START), 8);
	EXPECT_INT(distinct_bytes(4, 8), 4 * (16 + 64));
	distinct_release(&t);
}

/* A short span is counted in fine units, of which 32 bits hold less than a month. */
static void what_is_very_old_is_not_new_again(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t days;
	} rows[] = {{"a day", 1}, {"half way round", 30}, {"almost round", 49}, {"round", 50}};
	struct distinct_table t;
	uint32_t before;

	CHECK_TABLE(row, rows)
	{
		EXPECT_ERR(distinct_init(&t, 4, 8, 1000), OK);
		distinct_add(&t, A, 1, UINT64_MAX, START, &before);
		EXPECT_INT(distinct_count(&t, A, START + 900), 1);
		const uint64_t later = START + row->days * 86400 * 1000;
		EXPECT_INT(distinct_count(&t, A, later), 0);
		EXPECT_INT(distinct_add(&t, A, 2, UINT64_MAX, later, &before), 1);
		distinct_release(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(different_things_are_counted_and_forgotten),
		cmocka_unit_test(the_least_is_forgotten_first),
		cmocka_unit_test(what_is_very_old_is_not_new_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
