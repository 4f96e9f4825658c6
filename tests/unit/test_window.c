#include "policy/window.h"

#include <stdio.h>

#include "tests/support/check.h"

static const struct siphash_key secret = {{1, 2}};

enum { SPAN = 600 * 1000, SLICE = 40 * 1000, START = 12345678 };

static void what_came_is_summed_and_forgotten(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t after_ms; /* since the first */
		uint32_t amount;
		uint64_t sum;
	} rows[] = {
		{"the first", 0, 5, 5},
		{"at the same time", 0, 1, 6},
		{"in the window", 300 * 1000, 2, 8},
		{"at its very end the first still counts", SPAN, 1, 9},
		{"a slice later it does not", SPAN + SLICE, 0, 3},
		{"the second has gone as well", SPAN + 350 * 1000, 0, 1},
		{"long after", 100 * SPAN, 7, 7},
	};
	struct window_table t;

	EXPECT_ERR(window_init(&t, 16, SPAN, &secret), OK);
	EXPECT_INT(t.slice_ms, SLICE);
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(window_add(&t, STR("k"), row->amount, START + row->after_ms), row->sum);
		EXPECT_INT(window_sum(&t, STR("k"), START + row->after_ms), row->sum);
		EXPECT_INT(window_sum(&t, STR("other"), START + row->after_ms), 0);
	}
	/* A clock that goes back forgets nothing. */
	EXPECT_INT(window_add(&t, STR("k"), 1, START), 8);
	window_release(&t);
}

/* Against a list of all that came. */
static void never_less_than_the_window_and_not_much_more(void **state)
{
	(void)state;
	enum { EVENTS = 3000 };
	static struct {
		uint64_t at;
		uint32_t amount;
	} all[EVENTS];
	struct window_table t;
	uint64_t at = START;
	uint32_t x = 7;

	EXPECT_ERR(window_init(&t, 16, SPAN, &secret), OK);
	for (unsigned i = 0; i < EVENTS; i++) {
		uint64_t least = 0, most = 0;
		x = x * 1664525u + 1013904223u;
		at += (x >> 8) % 20000;
		all[i].at = at;
		all[i].amount = (x >> 16) % 100;
		const uint64_t sum = window_add(&t, STR("k"), all[i].amount, at);
		for (unsigned k = 0; k <= i; k++) {
			least += all[k].at + SPAN >= at ? all[k].amount : 0;
			most += all[k].at + SPAN + SLICE >= at ? all[k].amount : 0;
		}
		EXPECT_TRUE(sum >= least && sum <= most);
	}
	window_release(&t);
}

static void large_sums_stay_large(void **state)
{
	(void)state;
	struct window_table t;

	EXPECT_ERR(window_init(&t, 16, SPAN, &secret), OK);
	EXPECT_INT(window_add(&t, STR("k"), UINT32_MAX, START), UINT32_MAX);
	EXPECT_INT(window_add(&t, STR("k"), UINT32_MAX, START), UINT32_MAX);
	EXPECT_INT(window_add(&t, STR("k"), UINT32_MAX, START + SLICE), 2ull * UINT32_MAX);
	window_release(&t);
}

static void who_has_most_is_forgotten_last(void **state)
{
	(void)state;
	struct window_table t;

	EXPECT_ERR(window_init(&t, WINDOW_WAYS, SPAN, &secret), OK);
	EXPECT_INT(t.sets, 1);
	window_add(&t, STR("heavy"), 10, START);
	for (unsigned i = 0; i < 1000; i++) {
		char key[16];
		snprintf(key, sizeof(key), "%u", i);
		EXPECT_INT(window_add(&t, str_from(key), 1, START), 1);
	}
	EXPECT_INT(window_sum(&t, STR("heavy"), START), 10);
	window_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_came_is_summed_and_forgotten),
		cmocka_unit_test(never_less_than_the_window_and_not_much_more),
		cmocka_unit_test(large_sums_stay_large),
		cmocka_unit_test(who_has_most_is_forgotten_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
