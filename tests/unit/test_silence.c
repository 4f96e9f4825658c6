#include "rtpproxy/core/silence.h"

#include "tests/support/check.h"

enum { LIMIT = 10, ROWS = 8 };

/* Seconds; what is asked and what comes of it. 0 as the time of a packet: never. */
struct look {
	unsigned now, heard, other;
	bool held;
	enum silence_event want;
	unsigned next; /* 0: not at all */
	unsigned ms;
};

static const struct {
	const char *name;
	struct look looks[ROWS];
} rows[] = {
	{"one who is heard is asked for when it could be lost",
	 {{100, 99, 0, false, SILENCE_NOTHING, 110, 0},
	  {110, 109, 0, false, SILENCE_NOTHING, 119, 1000}}},
	{"one who falls silent is lost once, and back once",
	 {{100, 100, 0, false, SILENCE_NOTHING, 110, 0},
	  {110, 100, 0, false, SILENCE_IS_LOST, 111, 10000},
	  {111, 100, 0, false, SILENCE_NOTHING, 112, 11000},
	  {112, 111, 0, false, SILENCE_IS_BACK, 121, 1000},
	  {121, 120, 0, false, SILENCE_NOTHING, 130, 1000}}},
	{"one who never came while the other is heard",
	 {{100, 0, 0, false, SILENCE_NOTHING, 110, 0},
	  {110, 0, 109, false, SILENCE_IS_ONE_WAY, 111, 10000},
	  {111, 0, 110, false, SILENCE_NOTHING, 112, 11000},
	  {112, 112, 111, false, SILENCE_IS_BACK, 122, 0}}},
	{"nobody has come: nothing is one way",
	 {{100, 0, 0, false, SILENCE_NOTHING, 110, 0},
	  {110, 0, 0, false, SILENCE_NOTHING, 120, 10000}}},
	{"the other one has gone as well",
	 {{100, 0, 99, false, SILENCE_NOTHING, 110, 0},
	  {115, 0, 104, false, SILENCE_NOTHING, 125, 15000}}},
	{"on hold nobody is waited for",
	 {{100, 99, 0, true, SILENCE_NOTHING, 0, 1000},
	  {200, 99, 0, true, SILENCE_NOTHING, 0, 101000}}},
	{"after hold there is the whole time again",
	 {{100, 99, 0, true, SILENCE_NOTHING, 0, 1000},
	  {200, 99, 0, false, SILENCE_NOTHING, 210, 0},
	  {210, 99, 0, false, SILENCE_IS_LOST, 211, 10000}}},
	{"held while it was lost: it is waited for anew, and nothing comes back by that",
	 {{100, 99, 0, false, SILENCE_NOTHING, 110, 0},
	  {110, 99, 0, false, SILENCE_IS_LOST, 111, 10000},
	  {120, 99, 0, true, SILENCE_NOTHING, 0, 21000},
	  {130, 99, 0, false, SILENCE_NOTHING, 140, 0}}},
};

static void who_is_not_heard_is_told_once(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		struct silence s = {0};
		for (const struct look *l = row->looks; l->now != 0; l++) {
			const struct silence_facts f = {.heard_us = l->heard * 1000000ull,
							.other_us = l->other * 1000000ull,
							.now_us = l->now * 1000000ull,
							.limit_us = LIMIT * 1000000ull,
							.is_expected = !l->held};
			uint64_t next;
			EXPECT_INT(silence_step(&s, &f, &next), l->want);
			EXPECT_U64(next, l->next ? l->next * 1000000ull : UINT64_MAX);
			EXPECT_INT(silence_ms(&s, &f), l->ms);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(who_is_not_heard_is_told_once)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
