/* Events of the relay as they come from the wire, and their numbers. */
#include "sbc/core/media_event.h"

#include "common/bencode.h"
#include "sbc/core/media.h"
#include "tests/support/check.h"

#define KEY(rest)  "d4:datad6:callid3:n-110:source_tag6:caller3:seqi7e" rest "e6:notify6:onDTMFe"
#define SIDE(word) "d4:datad6:callid3:n-13:seqi7e10:source_tag6:calleee6:notify" word "e"

static void an_event_is_read_or_refused_whole(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		int type; /* -1: refused */
		unsigned side, key;
		uint32_t ms;
	} rows[] = {
		{"a key", KEY("8:durationi250e5:eventi5e"), MEDIA_EVENT_KEY, 0, 5, 250},
		{"a flash", KEY("5:eventi16e"), MEDIA_EVENT_KEY, 0, 16, 0},
		{"a key that is none", KEY("5:eventi17e"), -1, 0, 0, 0},
		{"a key below all", KEY("5:eventi-1e"), -1, 0, 0, 0},
		{"no key at all", KEY(""), -1, 0, 0, 0},
		{"a key as text is a key", KEY("5:event1:9"), MEDIA_EVENT_KEY, 0, 9, 0},
		{"a key held for days was held for a minute",
		 KEY("8:durationi99999999999e5:eventi1e"), MEDIA_EVENT_KEY, 0, 1, 60000},
		{"a key held for less than nothing", KEY("8:durationi-5e5:eventi1e"),
		 MEDIA_EVENT_KEY, 0, 1, 0},
		{"a party that is not heard", SIDE("11:onMediaLost"), MEDIA_EVENT_LOST, 1, 0, 0},
		{"it is heard again", SIDE("11:onMediaBack"), MEDIA_EVENT_BACK, 1, 0, 0},
		{"it was never heard", SIDE("8:onOneWay"), MEDIA_EVENT_ONE_WAY, 1, 0, 0},
		{"the session has ended", "d4:datad6:callid3:n-13:seqi7ee6:notify11:onCallEndede",
		 MEDIA_EVENT_ENDED, 2, 0, 0},
		{"a word that nobody knows", SIDE("8:onTheRun"), -1, 0, 0, 0},
		{"a party is missing", "d4:datad6:callid3:n-13:seqi7ee6:notify11:onMediaLoste", -1,
		 0, 0, 0},
		{"a party that is not of ours",
		 "d4:datad6:callid3:n-13:seqi7e10:source_tag4:evile6:notify11:onMediaLoste", -1, 0,
		 0, 0},
		{"no session", "d4:datad3:seqi7ee6:notify11:onCallEndede", -1, 0, 0, 0},
		{"no number", "d4:datad6:callid3:n-1e6:notify11:onCallEndede", -1, 0, 0, 0},
		{"a number out of range",
		 "d4:datad6:callid3:n-13:seqi4294967296ee6:notify11:onCallEndede", -1, 0, 0, 0},
		{"no data", "d6:notify11:onCallEndede", -1, 0, 0, 0},
		{"data that are no dictionary", "d4:data3:abc6:notify11:onCallEndede", -1, 0, 0, 0},
		{"a list", "le", -1, 0, 0, 0},
		{"nothing", "de", -1, 0, 0, 0},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[4096];
		struct arena a;
		struct dict *d = NULL;
		struct media_event e = {.number = 99};
		arena_init(&a, mem, sizeof(mem));
		EXPECT_TRUE(bencode_parse(str_from(row->text), &a, &d) > 0);
		EXPECT_ERR(media_event_read(d, &e), row->type < 0 ? ERR_BAD : OK);
		if (row->type < 0) {
			EXPECT_INT(e.number, 99);
			continue;
		}
		EXPECT_INT(e.type, row->type);
		EXPECT_INT(e.side, row->side);
		EXPECT_INT(e.key, row->key);
		EXPECT_INT(e.ms, row->ms);
		EXPECT_INT(e.number, 7);
		EXPECT_Z(e.session, "n-1");
	}
}

static void a_number_counts_once_in_any_order(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint32_t numbers[8];
		const char *fresh; /* y or n for each */
	} rows[] = {
		{"in order", {5, 6, 7}, "yyy"},
		{"each twice", {5, 5, 6, 6, 5}, "ynynn"},
		{"one late, and again", {5, 7, 6, 6, 7, 5}, "yyynnn"},
		{"a gap, filled from behind", {1, 33, 2, 2, 32, 1}, "yyynyn"},
		{"too far behind is never new", {100, 60, 67, 68, 68}, "ynnyn"},
		{"a leap forgets what was below", {1, 40, 39, 8, 8, 7}, "yyyynn"},
		{"the highest and then the lowest number",
		 {0xffffffff, 0, 0xffffffff, 1, 0},
		 "yynyn"},
	};
	CHECK_TABLE(row, rows)
	{
		struct media_seen s = {.any = false};
		for (size_t i = 0; row->fresh[i]; i++)
			EXPECT_INT(media_see(&s, row->numbers[i]), row->fresh[i] == 'y');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_read_or_refused_whole),
		cmocka_unit_test(a_number_counts_once_in_any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
