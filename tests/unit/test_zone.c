#include "policy/hours.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/support/check.h"

static char memory[256 * 1024];
static struct arena arena;

/* ---- files made here: a zone that changes from +1h to +2h at 1000 and back at 2000 (seconds), and its rule */

struct file {
	uint8_t bytes[1024];
	size_t len;
};

static void put(struct file *f, uint64_t v, unsigned octets)
{
	for (unsigned i = octets; i > 0; i--)
		f->bytes[f->len++] = (uint8_t)(v >> 8 * (i - 1));
}

static void put_text(struct file *f, const char *z)
{
	for (; *z; z++)
		f->bytes[f->len++] = (uint8_t)*z;
}

static void put_head(struct file *f, char version, uint32_t times, uint32_t types)
{
	put_text(f, "TZif");
	put(f, (uint8_t)version, 1);
	for (int i = 0; i < 15; i++)
		put(f, 0, 1);
	put(f, 0, 4);     /* UT */
	put(f, 0, 4);     /* standard */
	put(f, 0, 4);     /* leap seconds */
	put(f, times, 4); /* transitions */
	put(f, types, 4);
	put(f, 4, 4); /* letters */
}

static void put_block(struct file *f, unsigned octets, int64_t second)
{
	put(f, 1000, octets);
	put(f, (uint64_t)second, octets);
	put(f, 1, 1);
	put(f, 0, 1);
	put(f, 3600, 4);
	put(f, 0, 2);
	put(f, 7200, 4);
	put(f, 0, 2);
	put(f, 0x41424300, 4);
}

static struct file make(char version, const char *rule, int64_t second)
{
	struct file f = {.len = 0};

	put_head(&f, version, 2, 2);
	put_block(&f, 4, version >= '2' ? 1500 : second);
	if (version < '2')
		return f;
	put_head(&f, version, 2, 2);
	put_block(&f, 8, second);
	put_text(&f, "\n");
	put_text(&f, rule);
	put_text(&f, "\n");
	return f;
}

static enum err decode(const struct file *f, struct zone *z)
{
	arena_init(&arena, memory, sizeof(memory));
	*z = (struct zone){.name = STR("Made/Here")};
	return zone_decode(z, &arena, f->bytes, f->len);
}

static void test_decode(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		char version;
		const char *rule;
		int64_t second;
		enum err e;
		int32_t at_999, at_1500, at_9999;
	} rows[] = {
		{"version 2 is read from its wide block", '2', "", 2000, OK, 3600, 7200, 3600},
		{"version 1 has the narrow block alone", '\0', NULL, 2000, OK, 3600, 7200, 3600},
		{"behind the last transition the rule is in force", '2', "ABC-5", 2000, OK, 3600,
		 7200, 18000},
		{"transitions that do not rise are refused", '2', "", 1000, ERR_BAD, 0, 0, 0},
		{"a rule that cannot be read is refused", '2', "ABC", 2000, ERR_BAD, 0, 0, 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct file f = make(row->version, row->rule, row->second);
		struct zone z;
		EXPECT_ERR(decode(&f, &z), row->e);
		if (row->e != OK)
			continue;
		EXPECT_INT(z.count, 2);
		EXPECT_INT(zone_offset(&z, 999), row->at_999);
		EXPECT_INT(zone_offset(&z, 1000), 7200);
		EXPECT_INT(zone_offset(&z, 1500), row->at_1500);
		EXPECT_INT(zone_offset(&z, 9999), row->at_9999);
		EXPECT_INT(zone_offset(&z, -99999), 3600);
	}
}

static void every_prefix_of_a_zone_file_is_refused(void **state)
{
	(void)state;
	struct file whole = make('2', "CET-1CEST,M3.5.0,M10.5.0/3", 2000), cut = whole;
	struct zone z;

	EXPECT_ERR(decode(&whole, &z), OK);
	/* Without its last newline it still is one line of rule. */
	for (cut.len = 0; cut.len < whole.len - 28; cut.len++)
		EXPECT_TRUE(decode(&cut, &z) != OK);
	whole.bytes[0] = 'X';
	EXPECT_ERR(decode(&whole, &z), ERR_BAD);
}

static void counts_that_cannot_be_are_a_limit(void **state)
{
	(void)state;
	struct file f = {.len = 0};
	struct zone z;

	put_head(&f, '\0', 0x7fffffff, 1);
	EXPECT_ERR(decode(&f, &z), ERR_LIMIT);
	f.len = 0;
	put_head(&f, '\0', 0, 0);
	EXPECT_ERR(decode(&f, &z), ERR_BAD);
}

/* ---- the rule */

static void test_rule(void **state)
{
	(void)state;
	static const struct {
		const char *name, *rule;
		enum err e;
	} rows[] = {
		{"one clock all year", "UTC0", OK},
		{"a name in angle brackets", "<+0530>-5:30", OK},
		{"summer time with hours of its own", "<-03>3<-02>2,M3.5.0/-2,M10.5.0/-1", OK},
		{"days of the year", "AAA3BBB,J60/0,299/25:30:10", OK},
		{"no hours", "CET", ERR_BAD},
		{"a short name", "CE-1", ERR_BAD},
		{"summer time without its days", "CET-1CEST", ERR_BAD},
		{"month 13", "CET-1CEST,M13.5.0,M10.5.0", ERR_BAD},
		{"week 6", "CET-1CEST,M3.6.0,M10.5.0", ERR_BAD},
		{"weekday 7", "CET-1CEST,M3.5.7,M10.5.0", ERR_BAD},
		{"day 0 of those from 1", "CET-1CEST,J0,J200", ERR_BAD},
		{"something behind it", "CET-1CEST,M3.5.0,M10.5.0,", ERR_BAD},
		{"nothing", "", ERR_BAD},
		{"hours beyond a week", "CET-1CEST,M3.5.0/168,M10.5.0", ERR_BAD},
	};
	CHECK_TABLE(row, rows)
	{
		struct zone_rule r;
		EXPECT_ERR(zone_rule_parse(str_from(row->rule), &r), row->e);
	}
}

/* 2026 in Berlin: 29 March 02:00 → 03:00 (01:00 UTC), 25 October 03:00 → 02:00 (01:00 UTC). */
static void summer_time_begins_and_ends_at_its_moment(void **state)
{
	(void)state;
	struct zone z = {.has_rule = true};

	EXPECT_ERR(zone_rule_parse(STR("CET-1CEST,M3.5.0,M10.5.0/3"), &z.rule), OK);
	EXPECT_INT(zone_offset(&z, 1774746000 - 1), 3600);
	EXPECT_INT(zone_offset(&z, 1774746000), 7200);
	EXPECT_INT(zone_offset(&z, 1792890000 - 1), 7200);
	EXPECT_INT(zone_offset(&z, 1792890000), 3600);
	/* In the south the new year is in summer: Sydney. */
	EXPECT_ERR(zone_rule_parse(STR("AEST-10AEDT,M10.1.0,M4.1.0/3"), &z.rule), OK);
	EXPECT_INT(zone_offset(&z, 1767225600), 39600);
	EXPECT_INT(zone_offset(&z, 1782864000), 36000);
}

/* ---- times of the week */

static uint64_t utc(int y, int m, int d, int h, int min)
{
	struct tm tm = {
		.tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = d, .tm_hour = h, .tm_min = min};
	return (uint64_t)timegm(&tm) * 1000;
}

static struct hours hours_of(const char *days, const char *span, const struct zone *z)
{
	struct hours h = {.zone = z};
	if (days)
		EXPECT_ERR(hours_parse_days(str_from(days), &h.days), OK);
	if (span)
		EXPECT_ERR(hours_parse_span(str_from(span), &h.spans[h.span_count++]), OK);
	return h;
}

static void test_hours(void **state)
{
	(void)state;
	static const struct {
		const char *name, *days, *span;
		bool berlin;
		int month, day, hour, min; /* of 2026, UTC */
		bool is;
	} rows[] = {
		{"no condition holds always", NULL, NULL, false, 1, 1, 0, 0, true},
		{"1 January 2026 is a Thursday", "thu", NULL, false, 1, 1, 12, 0, true},
		{"and no Friday", "fri", NULL, false, 1, 1, 12, 0, false},
		{"the first minute counts", NULL, "08:00-18:00", false, 1, 1, 8, 0, true},
		{"the last does not", NULL, "08:00-18:00", false, 1, 1, 18, 0, false},
		{"by the clock of the zone, in winter", NULL, "08:00-18:00", true, 1, 1, 7, 0,
		 true},
		{"and in summer", NULL, "08:00-18:00", true, 7, 1, 6, 0, true},
		{"an hour before it does not", NULL, "08:00-18:00", true, 7, 1, 5, 59, false},
		{"a night belongs to the day on which it begins", "fri", "22:00-06:00", false, 1, 3,
		 5, 59, true},
		{"not to the day on which it ends", "sat", "22:00-06:00", false, 1, 3, 5, 59,
		 false},
		{"its evening", "sat", "22:00-06:00", false, 1, 3, 22, 0, true},
		{"a week that runs over Sunday", "sat-mon", NULL, false, 1, 4, 0, 0, true},
		{"and ends on Monday", "sat-mon", NULL, false, 1, 6, 0, 0, false},
		{"the day is the zone's too", "fri", NULL, true, 1, 1, 23, 0, true},
		{"the last minute before the gap of spring", NULL, "01:59-02:00", true, 3, 29, 0,
		 59, true},
		{"the hour that spring leaves out never comes", NULL, "02:00-03:00", true, 3, 29, 1,
		 0, false},
		{"what begins in it begins behind it", NULL, "02:30-10:00", true, 3, 29, 1, 0,
		 true},
		{"the hour that autumn repeats comes", NULL, "02:00-03:00", true, 10, 25, 0, 30,
		 true},
		{"and comes again", NULL, "02:00-03:00", true, 10, 25, 1, 30, true},
		{"but not a third time", NULL, "02:00-03:00", true, 10, 25, 2, 0, false},
		{"until midnight", NULL, "18:00-24:00", false, 1, 1, 23, 59, true},
		{"and not beyond", NULL, "18:00-24:00", false, 1, 1, 0, 0, false},
	};
	struct zone berlin = {.name = STR("Berlin"), .has_rule = true};
	EXPECT_ERR(zone_rule_parse(STR("CET-1CEST,M3.5.0,M10.5.0/3"), &berlin.rule), OK);
	CHECK_TABLE(row, rows)
	{
		struct hours h = hours_of(row->days, row->span, row->berlin ? &berlin : NULL);
		EXPECT_TRUE(hours_is(&h, utc(2026, row->month, row->day, row->hour, row->min)) ==
			    row->is);
	}
}

static void test_words(void **state)
{
	(void)state;
	static const struct {
		const char *name, *days, *span;
		bool good;
	} rows[] = {
		{"a day", "Mon", NULL, true},
		{"two days", "mon-fri", NULL, true},
		{"no day", "monday", NULL, false},
		{"half of a range", "mon-", NULL, false},
		{"a span", NULL, "08:00-18:00", true},
		{"the whole day", NULL, "00:00-24:00", true},
		{"hour 25", NULL, "08:00-25:00", false},
		{"minute 60", NULL, "08:60-09:00", false},
		{"behind 24:00", NULL, "08:00-24:01", false},
		{"one digit", NULL, "8:00-18:00", false},
		{"nothing in between", NULL, "08:00-08:00", false},
		{"no end", NULL, "08:00", false},
		{"from midnight as 24:00", NULL, "24:00-08:00", false},
	};
	CHECK_TABLE(row, rows)
	{
		uint8_t days;
		struct hours_span span;
		enum err e = row->days ? hours_parse_days(str_from(row->days), &days)
				       : hours_parse_span(str_from(row->span), &span);
		EXPECT_ERR(e, row->good ? OK : ERR_BAD);
	}
}

static void test_covers(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *wide_days, *wide, *narrow_days, *narrow;
		bool other_zone, covers;
	} rows[] = {
		{"always covers all", NULL, NULL, "mon", "08:00-09:00", false, true},
		{"a day covers its hours", "mon-fri", NULL, "tue", "08:00-09:00", false, true},
		{"hours do not cover a day", "mon-fri", "08:00-18:00", "tue", NULL, false, false},
		{"a night covers the morning of the next day", "mon", "22:00-06:00", "tue",
		 "00:00-05:00", false, true},
		{"in other zones no one can say", NULL, "08:00-18:00", NULL, "09:00-10:00", true,
		 false},
		{"but always is always", NULL, NULL, NULL, "09:00-10:00", true, true},
	};
	struct zone other = {.name = STR("Other")};
	CHECK_TABLE(row, rows)
	{
		struct hours wide = hours_of(row->wide_days, row->wide, NULL),
			     narrow = hours_of(row->narrow_days, row->narrow,
					       row->other_zone ? &other : NULL);
		EXPECT_TRUE(hours_covers(&wide, &narrow) == row->covers);
	}
}

/* The host's own tables, against the C library: each hour of some years, in zones that are odd in different ways. */
static void the_hosts_zones_are_as_the_c_library_says(void **state)
{
	(void)state;
	static const char *const names[] = {"Europe/Berlin",     "America/New_York",
					    "Asia/Kathmandu",    "Australia/Lord_Howe",
					    "Africa/Casablanca", "America/Santiago"};
	static uint8_t bytes[ZONE_BYTES_MAX];
	unsigned read = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[128];
		snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", names[i]);
		FILE *f = fopen(path, "rb");
		if (!f)
			continue;
		size_t n = fread(bytes, 1, sizeof(bytes), f);
		fclose(f);
		struct zone z = {.name = str_from(names[i])};
		arena_init(&arena, memory, sizeof(memory));
		EXPECT_ERR(zone_decode(&z, &arena, bytes, n), OK);
		setenv("TZ", names[i], 1);
		tzset();
		for (int64_t t = 0; t < 4102444800; t += 3600 * 11) { /* to 2100 */
			struct tm tm;
			time_t at = (time_t)t;
			localtime_r(&at, &tm);
			if (tm.tm_gmtoff != zone_offset(&z, t)) {
				check_row(names[i]);
				EXPECT_INT(zone_offset(&z, t), tm.tm_gmtoff);
				break;
			}
		}
		read++;
	}
	unsetenv("TZ");
	tzset();
	if (read == 0)
		skip();
}

static void names_of_zones_do_not_leave_their_folder(void **state)
{
	(void)state;
	EXPECT_TRUE(zone_name_is_good(STR("Europe/Berlin")));
	EXPECT_TRUE(zone_name_is_good(STR("Etc/GMT+5")));
	EXPECT_TRUE(!zone_name_is_good(STR("../../etc/passwd")));
	EXPECT_TRUE(!zone_name_is_good(STR("/etc/passwd")));
	EXPECT_TRUE(!zone_name_is_good(STR("Europe//Berlin")));
	EXPECT_TRUE(!zone_name_is_good(STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(every_prefix_of_a_zone_file_is_refused),
		cmocka_unit_test(counts_that_cannot_be_are_a_limit),
		cmocka_unit_test(test_rule),
		cmocka_unit_test(summer_time_begins_and_ends_at_its_moment),
		cmocka_unit_test(test_hours),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_covers),
		cmocka_unit_test(the_hosts_zones_are_as_the_c_library_says),
		cmocka_unit_test(names_of_zones_do_not_leave_their_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
