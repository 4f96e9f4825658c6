#include "tests/support/check.h"

#include <stdlib.h>

#include "common/rng.h"
#include "common/wheel.h"

enum { DAY_MS = 24 * 3600 * 1000 };

/* One timer set at `start` for `start + delay`: the first millisecond at which it fires. */
static void test_one_timer(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint64_t start, delay;
	} rows[] = {
		{"now", 1000, 0},
		{"the next millisecond", 1000, 1},
		{"one tick", 1000, 4},
		{"off the tick", 1001, 6},
		{"the last slot of the finest level", 0, 63 * 4},
		{"the first of the second level", 0, 64 * 4},
		{"one below a border of levels", 4000, 64 * 64 * 4 - 1},
		{"a border of levels", 4000, 64 * 64 * 4},
		{"timer B of SIP", 123457, 32000},
		{"half an hour", 99, 1800 * 1000},
		{"a day", 7, DAY_MS},
		{"48 days", 7, (uint64_t)48 * DAY_MS},
		{"across the top level's end", ((uint64_t)1 << 32) - 5, 100},
		{"from the top level's last slot", ((uint64_t)1 << 32) - 1, DAY_MS},
		{"after years", (uint64_t)900 * 365 * DAY_MS + 3, 12345678},
	};
	CHECK_TABLE(row, rows)
	{
		struct wheel w;
		struct timer t;
		uint64_t at = row->start + row->delay, now = row->start;
		wheel_init(&w, row->start);
		timer_init(&t);
		wheel_set(&w, &t, at);
		EXPECT_TRUE(timer_is_set(&t) && w.count == 1);
		/* Jump to where the wheel says, as a loop does; it may wake early, never late. */
		int wakes = 0;
		struct timer *fired = NULL;
		while (!fired) {
			uint64_t next = wheel_next_ms(&w);
			EXPECT_TRUE(next < at + WHEEL_TICK_MS);
			EXPECT_TRUE(next > now || wakes == 0);
			now = next > now ? next : now;
			fired = wheel_expire(&w, now);
			EXPECT_TRUE(++wakes <= WHEEL_LEVELS);
		}
		EXPECT_TRUE(fired == &t && !timer_is_set(&t));
		EXPECT_TRUE(now >= at && now - at < WHEEL_TICK_MS);
		EXPECT_TRUE(wheel_expire(&w, now) == NULL && w.count == 0);
		EXPECT_U64(wheel_next_ms(&w), UINT64_MAX);
	}
}

static void test_steps_of_one_millisecond(void **state)
{
	(void)state;
	struct wheel w;
	struct timer t;
	wheel_init(&w, 1000);
	timer_init(&t);
	for (uint64_t delay = 1; delay < 600; delay++) {
		uint64_t start = w.now_tick * WHEEL_TICK_MS, now = start;
		wheel_set(&w, &t, start + delay);
		while (!wheel_expire(&w, now))
			now++;
		EXPECT_TRUE(now >= start + delay && now < start + delay + WHEEL_TICK_MS);
	}
}

static void test_order(void **state)
{
	(void)state;
	struct wheel w;
	struct timer t[8];
	wheel_init(&w, 0);
	for (int i = 0; i < 8; i++)
		timer_init(&t[i]);
	/* By time, also within a tick and across levels; equal times in the order of setting. */
	wheel_set(&w, &t[3], 1000003);
	wheel_set(&w, &t[1], 999998);
	wheel_set(&w, &t[4], 1000004);
	wheel_set(&w, &t[2], 1000002);
	wheel_set(&w, &t[5], 1000004);
	wheel_set(&w, &t[0], 17);
	wheel_set(&w, &t[7], 1000005);
	wheel_expire(&w, 1); /* nothing yet */
	wheel_set(&w, &t[6], 1000004);
	for (int i = 0; i < 8; i++)
		EXPECT_TRUE(wheel_expire(&w, 2000000) == &t[i]);
	EXPECT_TRUE(wheel_expire(&w, 2000000) == NULL);
}

static void test_move_and_stop(void **state)
{
	(void)state;
	struct wheel w;
	struct timer t, u;
	wheel_init(&w, 0);
	timer_init(&t);
	timer_init(&u);
	wheel_stop(&w, &t); /* not set: nothing happens */
	EXPECT_INT(w.count, 0);
	wheel_set(&w, &t, 100);
	wheel_set(&w, &t, 5000); /* moved: once in the wheel */
	EXPECT_INT(w.count, 1);
	EXPECT_TRUE(wheel_expire(&w, 1000) == NULL);
	wheel_set(&w, &t, 1000);
	wheel_set(&w, &u, 1000);
	wheel_stop(&w, &t);
	EXPECT_TRUE(!timer_is_set(&t));
	EXPECT_TRUE(wheel_expire(&w, 1000) == &u);
	EXPECT_TRUE(wheel_expire(&w, DAY_MS) == NULL);
	/* A due timer may be stopped while the first one is handled. */
	wheel_set(&w, &t, 1);
	wheel_set(&w, &u, 2);
	EXPECT_TRUE(wheel_expire(&w, DAY_MS) == &t);
	EXPECT_TRUE(wheel_next_ms(&w) <= DAY_MS);
	wheel_stop(&w, &u);
	EXPECT_TRUE(wheel_expire(&w, DAY_MS) == NULL);
	/* A stopped timer leaves no wake-up behind. */
	wheel_set(&w, &t, 2 * (uint64_t)DAY_MS);
	wheel_set(&w, &u, 2 * (uint64_t)DAY_MS);
	wheel_stop(&w, &t);
	EXPECT_TRUE(wheel_next_ms(&w) != UINT64_MAX);
	wheel_stop(&w, &u);
	EXPECT_U64(wheel_next_ms(&w), UINT64_MAX);
	for (int i = 0; i < WHEEL_LEVELS; i++)
		EXPECT_U64(w.busy[i], 0);
}

static void test_a_handler_may_set_again(void **state)
{
	(void)state;
	struct wheel w;
	struct timer t;
	uint64_t now = 0;
	int fired = 0;
	wheel_init(&w, 0);
	timer_init(&t);
	wheel_set(&w, &t, 20);
	for (now = 0; now <= 1000; now++)
		for (struct timer *x; (x = wheel_expire(&w, now)) != NULL; fired++)
			wheel_set(&w, x, now + 20);
	EXPECT_INT(fired, 50);
}

static void test_time_going_back_does_nothing(void **state)
{
	(void)state;
	struct wheel w;
	struct timer t;
	wheel_init(&w, 100000);
	timer_init(&t);
	EXPECT_TRUE(wheel_expire(&w, 200000) == NULL);
	wheel_set(&w, &t, 200100);
	EXPECT_TRUE(wheel_expire(&w, 50) == NULL);
	EXPECT_TRUE(wheel_expire(&w, 200100) == &t);
	wheel_set(&w, &t, 1); /* long ago: at once */
	EXPECT_TRUE(wheel_expire(&w, 200100) == &t);
	wheel_set(&w, &t, 0);
	EXPECT_TRUE(timer_is_set(&t));
	EXPECT_TRUE(wheel_expire(&w, 200100) == &t);
}

static void test_too_far_is_cut(void **state)
{
	(void)state;
	struct wheel w;
	struct timer t;
	wheel_init(&w, 12345);
	timer_init(&t);
	wheel_set(&w, &t, UINT64_MAX);
	EXPECT_TRUE(t.at_ms > 12345 + (uint64_t)48 * DAY_MS);
	EXPECT_TRUE(t.at_ms < 12345 + (uint64_t)50 * DAY_MS);
	EXPECT_TRUE(wheel_expire(&w, (uint64_t)48 * DAY_MS) == NULL);
	EXPECT_TRUE(wheel_expire(&w, (uint64_t)51 * DAY_MS) == &t);
}

/* Thousands of timers on a random walk, against a plain array. */
static void test_against_a_model(void **state)
{
	(void)state;
	enum { N = 600, STEPS = 20000 };
	static struct timer t[N];
	static uint64_t model[N]; /* 0: not set */
	const uint8_t seed[RNG_SEED_LEN] = {42};
	struct rng r;
	struct wheel w;
	uint64_t now = 77777;
	rng_init(&r, seed);
	wheel_init(&w, now);
	for (int i = 0; i < N; i++)
		timer_init(&t[i]);
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = rng_below(&r, N), bits = rng_below(&r, 32);
		uint64_t delay = bits ? rng_u32(&r) >> (32 - bits) : 0;
		switch (rng_below(&r, 4)) {
		case 0:
			wheel_stop(&w, &t[i]);
			model[i] = 0;
			break;
		case 1: now += delay >> 8; break;
		default: wheel_set(&w, &t[i], now + delay); model[i] = now + delay;
		}
		uint64_t next = wheel_next_ms(&w), last = 0;
		for (struct timer *x; (x = wheel_expire(&w, now)) != NULL;) {
			uint64_t at = model[x - t];
			EXPECT_TRUE(at != 0 && at <= now && at >= last);
			EXPECT_TRUE(next <= now);
			last = at;
			model[x - t] = 0;
		}
		unsigned set = 0;
		for (int k = 0; k < N; k++) {
			EXPECT_TRUE(model[k] == 0 || model[k] + WHEEL_TICK_MS > now);
			EXPECT_INT(timer_is_set(&t[k]), model[k] != 0);
			set += model[k] != 0;
		}
		EXPECT_INT(w.count, set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_timer),
		cmocka_unit_test(test_steps_of_one_millisecond),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_move_and_stop),
		cmocka_unit_test(test_a_handler_may_set_again),
		cmocka_unit_test(test_time_going_back_does_nothing),
		cmocka_unit_test(test_too_far_is_cut),
		cmocka_unit_test(test_against_a_model),
	};
	return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
