#include "sbc/core/cdr.h"

#include "tests/support/check.h"

static char text[8192];

static struct str line(const struct cdr *c)
{
	struct buf b;

	buf_init(&b, text, sizeof(text));
	cdr_write(&b, c);
	return buf_view(&b);
}

static bool has(struct str s, const char *piece)
{
	return str_find(s, str_from(piece)) < s.len;
}

static void what_is_not_known_is_not_in_the_line(void **state)
{
	(void)state;
	struct cdr c = {.call = STR("n-1"), .start = 1, .end = 2, .ended_by = CDR_US};
	EXPECT_Z(line(&c), "{\"call\":\"n-1\",\"start\":\"1970-01-01T00:00:00.001Z\","
			   "\"end\":\"1970-01-01T00:00:00.002Z\",\"setup_ms\":0,\"duration_ms\":0,"
			   "\"billable_ms\":0,\"ended_by\":\"us\",\"attempts\":[]}\n");
}

static void bytes_of_strangers_cannot_break_the_line(void **state)
{
	(void)state;
	struct cdr c = {.call = STR("n-1"),
			.from_display = STR("x\"\r\n{\x01\xff}\\"),
			.user_agent = STR("\",\"cause\":\"answered")};
	struct str s = line(&c);
	EXPECT_INT(str_index(s, '\n'), s.len - 1);
	EXPECT_TRUE(has(s, "\\\"") && !has(s, ",\"cause\":\"answered\""));
}

static void numbers_have_no_more_digits_than_they_need(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		double v;
		const char *text;
	} rows[] = {
		{"whole", 4, "\"jitter_ms\":4,"},
		{"tenths", 4.1, "\"jitter_ms\":4.1,"},
		{"thousandths", 0.125, "\"jitter_ms\":0.125,"},
		{"a thousandth", 0.001, "\"jitter_ms\":0.001,"},
		{"below zero", -1.5, "\"jitter_ms\":-1.5,"},
		{"rounded", 1.0006, "\"jitter_ms\":1.001,"},
	};
	CHECK_TABLE(row, rows)
	{
		struct cdr c = {.media_count = 1};
		c.media[0] = (struct cdr_media){.has_jitter = true, .jitter_ms = row->v};
		EXPECT_TRUE(has(line(&c), row->text));
	}
}

static void infinity_is_not_written(void **state)
{
	(void)state;
	struct cdr c = {.media_count = 1};
	c.media[0] = (struct cdr_media){.has_jitter = true, .jitter_ms = 1.0 / 0.0};
	EXPECT_TRUE(!has(line(&c), "\"jitter_ms\""));
}

static void outcomes_are_those_of_the_kpis(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t status;
		bool rang, timeout;
		const char *outcome;
	} rows[] = {
		{"answered", 200, true, false, "answered"},
		{"busy here", 486, true, false, "busy"},
		{"busy everywhere", 600, false, false, "busy"},
		{"nobody took it", 480, true, false, "no_answer"},
		{"unavailable at once", 480, false, false, "rejected"},
		{"rang till our own time-out", 408, true, true, "no_answer"},
		{"silence", 408, false, true, "timeout"},
		{"hung up while it rang", 487, true, false, "no_answer"},
		{"hung up before it rang", 487, false, false, "cancelled"},
		{"declined", 603, true, false, "rejected"},
		{"no such number", 404, false, false, "wrong_number"},
		{"no such number anywhere", 604, false, false, "wrong_number"},
		{"forbidden", 403, false, false, "refused"},
		{"no codec", 488, false, false, "refused"},
		{"not acceptable anywhere", 606, false, false, "refused"},
		{"overloaded", 503, false, false, "congestion"},
		{"a 6xx that nobody knows", 699, false, false, "congestion"},
		{"elsewhere", 302, false, false, "redirected"},
	};
	CHECK_TABLE(row, rows)
	EXPECT_Z(cdr_outcome(row->status, row->rang, row->timeout), row->outcome);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_known_is_not_in_the_line),
		cmocka_unit_test(bytes_of_strangers_cannot_break_the_line),
		cmocka_unit_test(numbers_have_no_more_digits_than_they_need),
		cmocka_unit_test(infinity_is_not_written),
		cmocka_unit_test(outcomes_are_those_of_the_kpis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
