#include "sbc/shell/clock.h"
#include "sbc/shell/turn.h"
#include "tests/support/check.h"

static struct turn turn;
static unsigned steps;
static id_t64 order[2000];
static unsigned chain; /* so many more are posted from within the core */
static uint64_t now_ms;

static void step(void *ctx, const struct event *e)
{
	(void)ctx;
	order[steps++] = e->failed.tag;
	now_ms = e->now_ms;
	EXPECT_TRUE(e->wall_ms > 1700000000000u);
	if (chain > 0) {
		chain--;
		turn_post_failed(&turn, 1000 + chain, SEND_FAILURE_FULL);
	}
}

static int open_turn(void **state)
{
	(void)state;
	steps = chain = 0;
	assert_int_equal(turn_init(&turn, step, NULL), OK);
	return 0;
}

static int close_turn(void **state)
{
	(void)state;
	turn_release(&turn);
	return 0;
}

static void posted_comes_later_and_in_order(void **state)
{
	(void)state;
	for (id_t64 i = 1; i <= 500; i++)
		turn_post_failed(&turn, i, SEND_FAILURE_FULL);
	turn_post_failed(&turn, ID_NONE, SEND_FAILURE_FULL); /* nobody wants to know */
	EXPECT_INT(steps, 0);
	EXPECT_TRUE(turn_deliver(&turn));
	EXPECT_INT(steps, 500);
	for (unsigned i = 0; i < 500; i++)
		EXPECT_U64(order[i], i + 1);
	EXPECT_TRUE(!turn_deliver(&turn));
}

static void posted_from_within_the_core(void **state)
{
	(void)state;
	chain = 3;
	turn_post_failed(&turn, 1, SEND_FAILURE_FULL);
	EXPECT_TRUE(turn_deliver(&turn));
	EXPECT_INT(steps, 4);
	EXPECT_TRUE(!turn.again);
	/* Without an end: the rest is for the next turn. */
	chain = 1000;
	turn_post_failed(&turn, 1, SEND_FAILURE_FULL);
	EXPECT_TRUE(turn_deliver(&turn));
	EXPECT_TRUE(steps < 50);
	EXPECT_TRUE(turn.again);
	chain = 0;
	EXPECT_TRUE(turn_deliver(&turn));
	EXPECT_INT(turn.posted_count, 0);
}

static void time_stands_still_within_a_turn(void **state)
{
	(void)state;
	turn_begin(&turn);
	uint64_t began = turn.now_ms;
	while (clock_mono_ms() < began + 3)
		;
	turn_post_failed(&turn, 1, SEND_FAILURE_FULL);
	EXPECT_TRUE(turn_deliver(&turn));
	EXPECT_U64(now_ms, began);
	turn_end(&turn);
	turn_begin(&turn);
	EXPECT_TRUE(turn.now_ms > began);
}

static unsigned fired;

static void on_timer(void *ctx)
{
	struct turn_timer *again = ctx;
	fired++;
	if (again)
		turn_timer_set(&turn, again, turn.now_ms + 5);
}

static void timers(void **state)
{
	(void)state;
	struct turn_timer once, often, never;
	fired = 0;
	turn_timer_init(&once, on_timer, NULL);
	turn_timer_init(&often, on_timer, &often);
	turn_timer_init(&never, on_timer, NULL);
	turn_begin(&turn);
	turn_timer_set(&turn, &once, turn.now_ms + 5);
	turn_timer_set(&turn, &often, turn.now_ms + 5);
	turn_timer_set(&turn, &never, turn.now_ms + 5);
	turn_timer_stop(&turn, &never);
	turn_end(&turn);
	uint64_t end_ms = clock_mono_ms() + 5000;
	while (fired < 4 && clock_mono_ms() < end_ms) {
		watch_loop_wait(turn.loop, 2);
		turn_expire(&turn);
		turn_end(&turn);
	}
	EXPECT_INT(fired, 4); /* once, and three times the other */
	turn_timer_stop(&turn, &often);
}

#define T(x) cmocka_unit_test_setup_teardown(x, open_turn, close_turn)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(posted_comes_later_and_in_order),
		T(posted_from_within_the_core),
		T(time_stands_still_within_a_turn),
		T(timers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
