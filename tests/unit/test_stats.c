#include "tests/support/check.h"

#include "common/stats.h"

enum { REQUESTS, SECONDS, CALLS, BYTES, COUNT };

static const uint64_t bounds[] = {5, 100, 2500};
static const struct stats_family families[COUNT] = {
	[REQUESTS] = {.name = "x_requests_total",
		      .help = "Requests.",
		      .kind = STATS_COUNTER,
		      .max_sets = 2,
		      .labels = {"realm", "method"}},
	[SECONDS] = {.name = "x_setup_seconds",
		     .help = "Set-up time.",
		     .kind = STATS_HISTOGRAM,
		     .scale = 1000,
		     .labels = {"realm"},
		     .bounds = bounds,
		     .bound_count = ARRAY_LEN(bounds)},
	[CALLS] = {.name = "x_calls", .help = "Calls now.", .kind = STATS_GAUGE},
	[BYTES] = {.name = "x_ratio", .help = "A ratio.", .kind = STATS_GAUGE, .scale = 1000000},
};

static char mem[8192];

static struct str written(const struct stats *const *all, size_t n)
{
	static struct buf b;
	buf_init(&b, mem, sizeof(mem));
	stats_write(&b, all, n);
	return buf_view(&b);
}

static void test_text(void **state)
{
	(void)state;
	struct stats s;
	EXPECT_ERR(stats_init(&s, families, COUNT), OK);
	const struct stats *all[] = {&s};
	/* What has no labels is there from the start. */
	EXPECT_Z(written(all, 1), "# HELP x_requests_total Requests.\n"
				  "# TYPE x_requests_total counter\n"
				  "# HELP x_setup_seconds Set-up time.\n"
				  "# TYPE x_setup_seconds histogram\n"
				  "# HELP x_calls Calls now.\n"
				  "# TYPE x_calls gauge\n"
				  "x_calls 0\n"
				  "# HELP x_ratio A ratio.\n"
				  "# TYPE x_ratio gauge\n"
				  "x_ratio 0\n");
	*stats_get(&s, REQUESTS, (struct str[]){STR("out\"side\\"), STR("INVITE\n")}) += 3;
	*stats_get(&s, CALLS, NULL) -= 2;
	*stats_get(&s, BYTES, NULL) = 1250000;
	uint64_t *h = stats_get(&s, SECONDS, (struct str[]){STR("a")});
	stats_observe(&s, SECONDS, h, 5);
	stats_observe(&s, SECONDS, h, 6);
	stats_observe(&s, SECONDS, h, 9000);
	EXPECT_Z(written(all, 1),
		 "# HELP x_requests_total Requests.\n"
		 "# TYPE x_requests_total counter\n"
		 "x_requests_total{realm=\"out\\\"side\\\\\",method=\"INVITE?\"} 3\n"
		 "# HELP x_setup_seconds Set-up time.\n"
		 "# TYPE x_setup_seconds histogram\n"
		 "x_setup_seconds_bucket{realm=\"a\",le=\"0.005\"} 1\n"
		 "x_setup_seconds_bucket{realm=\"a\",le=\"0.1\"} 2\n"
		 "x_setup_seconds_bucket{realm=\"a\",le=\"2.5\"} 2\n"
		 "x_setup_seconds_bucket{realm=\"a\",le=\"+Inf\"} 3\n"
		 "x_setup_seconds_sum{realm=\"a\"} 9.011\n"
		 "x_setup_seconds_count{realm=\"a\"} 3\n"
		 "# HELP x_calls Calls now.\n"
		 "# TYPE x_calls gauge\n"
		 "x_calls -2\n"
		 "# HELP x_ratio A ratio.\n"
		 "# TYPE x_ratio gauge\n"
		 "x_ratio 1.25\n");
	stats_release(&s);
}

static void test_cells_are_stable_and_bounded(void **state)
{
	(void)state;
	struct stats s;
	const struct str a[] = {STR("a"), STR("x")}, b[] = {STR("b"), STR("x")},
			 c[] = {STR("c"), STR("x")}, d[] = {STR("d"), STR("x")};
	EXPECT_ERR(stats_init(&s, families, COUNT), OK);
	uint64_t *cell = stats_get(&s, REQUESTS, a);
	EXPECT_TRUE(stats_find(&s, REQUESTS, a) == cell);
	EXPECT_TRUE(stats_find(&s, REQUESTS, b) == NULL); /* looking makes none */
	EXPECT_TRUE(stats_get(&s, REQUESTS, b) != cell);
	EXPECT_TRUE(stats_get(&s, REQUESTS, a) == cell);
	/* Two sets are the limit: all others are one. */
	uint64_t *over = stats_get(&s, REQUESTS, c);
	EXPECT_TRUE(over != cell && stats_get(&s, REQUESTS, d) == over);
	*over += 4;
	const struct stats *all[] = {&s};
	struct str text = written(all, 1);
	EXPECT_TRUE(str_find(text,
			     STR("x_requests_total{realm=\"overflow\",method=\"overflow\"} 4\n")) <
		    text.len);
	EXPECT_TRUE(str_find(text, STR("\"c\"")) == text.len);
	stats_release(&s);
}

static void test_a_long_value_is_cut(void **state)
{
	(void)state;
	struct stats s;
	static char big[5000];
	memset(big, '"', sizeof(big));
	const struct str values[] = {{big, sizeof(big)}, STR("x")};
	EXPECT_ERR(stats_init(&s, families, COUNT), OK);
	*stats_get(&s, REQUESTS, values) += 1;
	const struct stats *all[] = {&s};
	EXPECT_TRUE(written(all, 1).len > 0);
	stats_release(&s);
}

static void test_sum_over_workers(void **state)
{
	(void)state;
	struct stats s[3];
	const struct stats *all[] = {&s[0], &s[1], &s[2]};
	for (int i = 0; i < 3; i++)
		EXPECT_ERR(stats_init(&s[i], families, COUNT), OK);
	const struct str a[] = {STR("a"), STR("x")}, b[] = {STR("b"), STR("x")};
	*stats_get(&s[0], REQUESTS, a) += 1;
	*stats_get(&s[1], REQUESTS, b) += 10;
	*stats_get(&s[2], REQUESTS, b) += 100;
	*stats_get(&s[2], REQUESTS, a) += 1000;
	*stats_get(&s[0], CALLS, NULL) += 5;
	*stats_get(&s[1], CALLS, NULL) -= 2;
	struct str text = written(all, 3);
	static const char *const lines[] = {
		"\nx_requests_total{realm=\"a\",method=\"x\"} 1001\n"
		"x_requests_total{realm=\"b\",method=\"x\"} 110\n# HELP",
		"\nx_calls 3\n# HELP",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		EXPECT_TRUE(str_find(text, str_from(lines[i])) < text.len);
	for (int i = 0; i < 3; i++)
		stats_release(&s[i]);
}

static void test_no_memory(void **state)
{
	(void)state;
	static const struct stats_family huge[] = {
		{.name = "x", .help = "X.", .max_sets = UINT32_MAX - 1, .labels = {"a"}}};
	struct stats s;
	EXPECT_ERR(stats_init(&s, huge, 1), ERR_NOMEM);
	EXPECT_TRUE(s.sets == NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_cells_are_stable_and_bounded),
		cmocka_unit_test(test_a_long_value_is_cut),
		cmocka_unit_test(test_sum_over_workers),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
