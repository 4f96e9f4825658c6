#include "tests/support/check.h"

#include <stdio.h>

#include "common/log.h"

static const uint64_t now = 1795299932123;
#define TIME "time=2026-11-21T22:25:32.123Z "

struct seen {
	unsigned lines;
	enum log_level level;
	char last[LOG_LINE_MAX + 1];
};

static void sink(void *ctx, enum log_level level, struct str line)
{
	struct seen *s = ctx;
	s->lines++;
	s->level = level;
	EXPECT_ERR(str_copy(line, s->last, sizeof(s->last)), OK);
	/* One line, whatever came in. */
	EXPECT_U64(str_index(line, '\n'), line.len - 1);
}

static void test_values(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct str v;
		const char *want;
	} rows[] = {
		{"a bare word", STR("INVITE"), "k=INVITE\n"},
		{"a URI is bare", STR("<sip:a@192.0.2.1;x>"), "k=<sip:a@192.0.2.1;x>\n"},
		{"nothing", STR_NONE, "k=\"\"\n"},
		{"a space", STR("a b"), "k=\"a b\"\n"},
		{"a quote", STR("a\"b"), "k=\"a\\\"b\"\n"},
		{"an equals sign cannot make a key", STR("x level=info"), "k=\"x level=info\"\n"},
		{"an equals sign alone", STR("a=b"), "k=\"a=b\"\n"},
		{"a backslash", STR("a\\b"), "k=\"a\\\\b\"\n"},
		{"a line end cannot make a line", STR("a\r\nb"), "k=\"a\\u000d\\u000ab\"\n"},
		{"a terminal's escape", STR("\x1b[31m"), "k=\"\\u001b[31m\"\n"},
		{"UTF-8", STR("\xc3\xa9"), "k=\"\xc3\xa9\"\n"},
		{"not UTF-8", STR("\xff"), "k=\"\\u00ff\"\n"},
	};
	CHECK_TABLE(row, rows)
	{
		struct seen seen = {0};
		static struct log l;
		char want[256];
		log_init(&l, sink, &seen);
		log_start(&l, LOG_LEVEL_INFO, "test", STR_NONE, now);
		log_str(&l, "k", row->v);
		log_end(&l);
		snprintf(want, sizeof(want), TIME "level=info event=test %s", row->want);
		EXPECT_Z(str_from(seen.last), want);
	}
}

static void test_kinds_of_values(void **state)
{
	(void)state;
	static struct log l;
	struct seen seen = {0};
	struct addr a;
	log_init(&l, sink, &seen);
	l.has_priority = true;
	EXPECT_ERR(addr_parse(STR("[2001:db8::1]:5061"), &a), OK);
	log_start(&l, LOG_LEVEL_WARN, "kinds", STR("c 1"), now);
	log_z(&l, "z", "<x>");
	log_u64(&l, "u", UINT64_MAX);
	log_i64(&l, "i", -5);
	log_addr(&l, "from", &a);
	log_printf(&l, "p", "%d of %d", 1, 2);
	log_end(&l);
	EXPECT_Z(str_from(seen.last),
		 "<4>" TIME "level=warn event=kinds call=\"c 1\" z=<x> u=18446744073709551615 i=-5 "
		 "from=[2001:db8::1]:5061 p=\"1 of 2\"\n");
	EXPECT_INT(seen.level, LOG_LEVEL_WARN);
}

static void test_levels(void **state)
{
	(void)state;
	static struct log l;
	struct seen seen = {0};
	log_init(&l, sink, &seen);
	log_start(&l, LOG_LEVEL_DEBUG, "quiet", STR_NONE, now);
	log_u64(&l, "n", 1);
	log_end(&l);
	EXPECT_INT(seen.lines, 0);
	l.level = LOG_LEVEL_DEBUG;
	log_start(&l, LOG_LEVEL_DEBUG, "loud", STR_NONE, now);
	log_end(&l);
	log_end(&l); /* a second end does nothing */
	EXPECT_INT(seen.lines, 1);
	enum log_level level;
	EXPECT_TRUE(log_level_find(STR("warn"), &level) && level == LOG_LEVEL_WARN);
	EXPECT_TRUE(!log_level_find(STR("WARNING"), &level));
	EXPECT_Z(str_from(log_level_name(LOG_LEVEL_ERROR)), "error");
}

static void test_rate(void **state)
{
	(void)state;
	static struct log l;
	struct seen seen = {0};
	log_init(&l, sink, &seen);
	for (int i = 0; i < LOG_RATE_MAX + 5; i++) {
		log_start(&l, LOG_LEVEL_INFO, "flood", STR_NONE, now);
		log_u64(&l, "n", 1);
		log_end(&l);
	}
	EXPECT_INT(seen.lines, LOG_RATE_MAX);
	EXPECT_U64(l.held_total, 5);
	log_start(&l, LOG_LEVEL_INFO, "other", STR_NONE, now); /* its own limit */
	log_end(&l);
	EXPECT_INT(seen.lines, LOG_RATE_MAX + 1);
	log_tick(&l, now); /* the second is not over: nothing to say yet */
	EXPECT_INT(seen.lines, LOG_RATE_MAX + 1);
	log_start(&l, LOG_LEVEL_INFO, "flood", STR_NONE, now + 1000);
	log_end(&l);
	EXPECT_TRUE(str_find(str_from(seen.last), STR("event=flood suppressed=5\n")) > 0 &&
		    str_has_suffix(str_from(seen.last), STR("event=flood suppressed=5\n")));
	/* What is held back of an event that goes quiet is said by the tick. */
	for (int i = 0; i < LOG_RATE_MAX + 2; i++) {
		log_start(&l, LOG_LEVEL_INFO, "flood", STR_NONE, now + 1000);
		log_end(&l);
	}
	unsigned lines = seen.lines;
	log_tick(&l, now + 2000);
	EXPECT_INT(seen.lines, lines + 1);
	EXPECT_TRUE(str_has_suffix(str_from(seen.last),
				   STR("event=log_suppressed of=flood suppressed=3\n")));
	log_tick(&l, now + 3000);
	EXPECT_INT(seen.lines, lines + 1);
}

static void test_more_events_than_room(void **state)
{
	(void)state;
	static struct log l;
	static char names[LOG_EVENTS_MAX + 10][16];
	struct seen seen = {0};
	log_init(&l, sink, &seen);
	for (int i = 0; i < LOG_EVENTS_MAX + 10; i++) {
		snprintf(names[i], sizeof(names[i]), "e%d", i);
		log_start(&l, LOG_LEVEL_INFO, names[i], STR_NONE, now);
		log_end(&l);
	}
	EXPECT_U64(l.rate_count, LOG_EVENTS_MAX);
	EXPECT_INT(seen.lines, LOG_EVENTS_MAX + 9); /* the last ones share a limit */
}

static void test_long_values_and_lines_are_cut(void **state)
{
	(void)state;
	static struct log l;
	static char big[LOG_LINE_MAX];
	struct seen seen = {0};
	memset(big, 'x', sizeof(big));
	log_init(&l, sink, &seen);
	log_start(&l, LOG_LEVEL_INFO, "long", STR_NONE, now);
	log_str(&l, "k", (struct str){big, sizeof(big)});
	log_end(&l);
	EXPECT_TRUE(str_has_suffix(str_from(seen.last), STR("xxx...\n")));
	EXPECT_TRUE(strlen(seen.last) < LOG_VALUE_MAX + 80);
	/* A value of escapes grows sixfold; the line ends between two pairs and says so. */
	memset(big, 1, sizeof(big));
	log_start(&l, LOG_LEVEL_INFO, "long", STR_NONE, now);
	for (int i = 0; i < 10; i++)
		log_str(&l, "k", (struct str){big, sizeof(big)});
	log_z(&l, "late", "x");
	log_end(&l);
	EXPECT_TRUE(str_has_suffix(str_from(seen.last), STR("\"... cut=true\n")));
	EXPECT_TRUE(str_find(str_from(seen.last), STR("late=")) == strlen(seen.last));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_kinds_of_values),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_more_events_than_room),
		cmocka_unit_test(test_long_values_and_lines_are_cut),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
