#include "rtpproxy/io/coalesce.h"

#include "tests/support/check.h"

enum { ROOM = 64 };

/* Packets come evenly at `rate`; each look takes what came since the last one. Returns the last answer. */
static uint32_t run(struct coalesce *c, uint32_t rate, uint32_t for_us, uint64_t *now_us)
{
	uint64_t end_us = *now_us + for_us, taken = 0, start_us = *now_us;
	uint32_t sleep_us = 0;
	while (*now_us < end_us) {
		/* Nobody sleeps longer than the next packet needs. */
		*now_us += sleep_us > 0 ? sleep_us : 1000000 / rate + 1;
		const uint64_t came = (*now_us - start_us) * rate / 1000000;
		const size_t count = came - taken > ROOM ? ROOM : (size_t)(came - taken);
		taken += count;
		sleep_us = coalesce_step(c, count, ROOM, *now_us);
	}
	return sleep_us;
}

static const struct {
	const char *name;
	uint32_t max_us, rate, want;
} rows[] = {
	{"off never sleeps", 0, 60000, 0},
	{"a single call does not wait", 500, 100, 0},
	{"twenty calls do not wait: a sleep would bring one packet", 500, 2000, 0},
	{"two hundred calls sleep the whole time", 500, 20000, 500},
	{"six hundred calls too", 500, 60000, 500},
	{"no more packets are waited for than a batch has room", 500, 200000, 240},
	{"a longer sleep is worth it at a lower rate", 1000, 4000, 1000},
	{"and never longer than a millisecond", 1000, 20000, 1000},
};

static void test_rates(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		struct coalesce c;
		uint64_t now_us = 5000000;
		coalesce_init(&c, row->max_us, now_us);
		const uint32_t got = run(&c, row->rate, 200000, &now_us);
		EXPECT_TRUE(got + 2 >= row->want && got <= row->want + 2);
	}
}

static void test_full_batch_goes_on_at_once(void **state)
{
	(void)state;
	struct coalesce c;
	uint64_t now_us = 0;
	coalesce_init(&c, 500, now_us);
	EXPECT_TRUE(run(&c, 60000, 100000, &now_us) > 0);
	EXPECT_INT(coalesce_step(&c, ROOM, ROOM, now_us), 0);
	EXPECT_TRUE(coalesce_step(&c, ROOM - 1, ROOM, now_us) > 0);
}

/* After the rush the first empty looks end it: at most a few sleeps for nothing. */
static void test_silence_ends_it(void **state)
{
	(void)state;
	struct coalesce c;
	uint64_t now_us = 0;
	unsigned sleeps = 0;
	coalesce_init(&c, 500, now_us);
	uint32_t sleep_us = run(&c, 60000, 100000, &now_us);
	for (; sleep_us > 0; sleeps++) {
		now_us += sleep_us;
		sleep_us = coalesce_step(&c, 0, ROOM, now_us);
	}
	EXPECT_TRUE(sleeps < 60);
	/* And a packet after a long pause is not held against its past. */
	coalesce_init(&c, 500, now_us);
	run(&c, 60000, 100000, &now_us);
	EXPECT_INT(coalesce_step(&c, 1, ROOM, now_us + 100000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{"a worker sleeps between looks only at rates where it gains", test_rates, NULL,
		 NULL, NULL},
		{"a full batch is followed by the next at once", test_full_batch_goes_on_at_once,
		 NULL, NULL, NULL},
		{"silence ends the sleeping", test_silence_ends_it, NULL, NULL, NULL},
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
