#include "sbc/core/prack.h"

#include "tests/support/check.h"

static const struct sip_timers timers = {
	.t1_ms = 500, .t2_ms = 4000, .t4_ms = 5000, .c_ms = 180000};

enum { NOW = 1000000, CSEQ = 7 };

/* As prack_send leaves it, then whatever the row needs. */
static struct prack_server in_state(enum prack_state s, bool sdp)
{
	struct prack_server p = {.rseq = 0};

	prack_send(&p, sdp, 40, NOW, &timers); /* RSeq 41 */
	switch (s) {
	case PRACK_WAITING: break;
	case PRACK_IDLE: prack_take(&p, STR("41 7 INVITE"), CSEQ); break;
	case PRACK_STILL: prack_stop(&p); break;
	case PRACK_OVER:
		prack_stop(&p);
		prack_take(&p, STR("41 7 INVITE"), CSEQ);
		break;
	case PRACK_STATE_COUNT: break;
	}
	EXPECT_INT(p.state, s);
	return p;
}

/* ---- every state, every event */

enum happening {
	SENT_MAY,
	PRACK_FITS,
	PRACK_OTHER,
	FINAL,
	TICK_EARLY,
	TICK_AGAIN,
	TICK_END,
	HAPPENINGS
};

static void each_event_in_each_state(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum prack_state from;
		enum happening what;
		int out; /* may send; status; due */
		enum prack_state to;
	} rows[] = {
		{"idle: another may go", PRACK_IDLE, SENT_MAY, 1, PRACK_IDLE},
		{"idle: a PRACK that came before is unknown now", PRACK_IDLE, PRACK_FITS, 481,
		 PRACK_IDLE},
		{"idle: another PRACK is unknown", PRACK_IDLE, PRACK_OTHER, 481, PRACK_IDLE},
		{"idle: the final answer ends it", PRACK_IDLE, FINAL, 0, PRACK_OVER},
		{"idle: nothing is due early", PRACK_IDLE, TICK_EARLY, PRACK_DUE_NOTHING,
		 PRACK_IDLE},
		{"idle: nothing is repeated", PRACK_IDLE, TICK_AGAIN, PRACK_DUE_NOTHING,
		 PRACK_IDLE},
		{"idle: nothing is given up", PRACK_IDLE, TICK_END, PRACK_DUE_NOTHING, PRACK_IDLE},
		{"waiting: no other may go", PRACK_WAITING, SENT_MAY, 0, PRACK_WAITING},
		{"waiting: its PRACK is 200", PRACK_WAITING, PRACK_FITS, 200, PRACK_IDLE},
		{"waiting: another PRACK is 481", PRACK_WAITING, PRACK_OTHER, 481, PRACK_WAITING},
		{"waiting: the final answer stops the repeating", PRACK_WAITING, FINAL, 0,
		 PRACK_STILL},
		{"waiting: not before T1", PRACK_WAITING, TICK_EARLY, PRACK_DUE_NOTHING,
		 PRACK_WAITING},
		{"waiting: again after T1", PRACK_WAITING, TICK_AGAIN, PRACK_DUE_AGAIN,
		 PRACK_WAITING},
		{"waiting: given up after 64*T1", PRACK_WAITING, TICK_END, PRACK_DUE_GIVE_UP,
		 PRACK_OVER},
		{"answered: no other may go", PRACK_STILL, SENT_MAY, 0, PRACK_STILL},
		{"answered: the late PRACK is 200", PRACK_STILL, PRACK_FITS, 200, PRACK_OVER},
		{"answered: another is 481", PRACK_STILL, PRACK_OTHER, 481, PRACK_STILL},
		{"answered: a second final answer changes nothing", PRACK_STILL, FINAL, 0,
		 PRACK_STILL},
		{"answered: nothing is due early", PRACK_STILL, TICK_EARLY, PRACK_DUE_NOTHING,
		 PRACK_STILL},
		{"answered: nothing is repeated", PRACK_STILL, TICK_AGAIN, PRACK_DUE_NOTHING,
		 PRACK_STILL},
		{"answered: nothing is given up", PRACK_STILL, TICK_END, PRACK_DUE_NOTHING,
		 PRACK_STILL},
		{"over: no other may go", PRACK_OVER, SENT_MAY, 0, PRACK_OVER},
		{"over: the PRACK again is 481", PRACK_OVER, PRACK_FITS, 481, PRACK_OVER},
		{"over: another is 481", PRACK_OVER, PRACK_OTHER, 481, PRACK_OVER},
		{"over: a final answer changes nothing", PRACK_OVER, FINAL, 0, PRACK_OVER},
		{"over: nothing is due early", PRACK_OVER, TICK_EARLY, PRACK_DUE_NOTHING,
		 PRACK_OVER},
		{"over: nothing is repeated", PRACK_OVER, TICK_AGAIN, PRACK_DUE_NOTHING,
		 PRACK_OVER},
		{"over: nothing is given up", PRACK_OVER, TICK_END, PRACK_DUE_NOTHING, PRACK_OVER},
	};
	_Static_assert(ARRAY_LEN(rows) == PRACK_STATE_COUNT * HAPPENINGS, "a row for each");
	CHECK_TABLE(row, rows)
	{
		struct prack_server p = in_state(row->from, false);
		int out = 0;
		switch (row->what) {
		case SENT_MAY: out = prack_may_send(&p); break;
		case PRACK_FITS: out = prack_take(&p, STR("41 7 INVITE"), CSEQ); break;
		case PRACK_OTHER: out = prack_take(&p, STR("42 7 INVITE"), CSEQ); break;
		case FINAL: prack_stop(&p); break;
		case TICK_EARLY: out = (int)prack_tick(&p, NOW + 499); break;
		case TICK_AGAIN: out = (int)prack_tick(&p, NOW + 500); break;
		case TICK_END: out = (int)prack_tick(&p, NOW + 32000); break;
		case HAPPENINGS: break;
		}
		EXPECT_INT(out, row->out);
		EXPECT_INT(p.state, row->to);
		if (row->to != PRACK_WAITING)
			EXPECT_U64(prack_next_ms(&p), UINT64_MAX);
	}
}

static void a_prack_must_name_the_response_and_the_invite(void **state)
{
	(void)state;
	static const struct {
		const char *name, *rack;
		uint16_t status;
	} rows[] = {
		{"the very one", "41 7 INVITE", 200},
		{"another response", "40 7 INVITE", 481},
		{"another INVITE", "41 8 INVITE", 481},
		{"another method", "41 7 UPDATE", 481},
		{"no method", "41 7", 400},
		{"no numbers", "x y INVITE", 400},
		{"a number too large", "4294967296 7 INVITE", 400},
		{"a sign", "-41 7 INVITE", 400},
		{"nothing at all", "", 400},
	};
	CHECK_TABLE(row, rows)
	{
		struct prack_server p = in_state(PRACK_WAITING, false);
		EXPECT_INT(prack_take(&p, str_from(row->rack), CSEQ), row->status);
		EXPECT_INT(p.state, row->status == 200 ? PRACK_IDLE : PRACK_WAITING);
	}
}

static void repeats_double_from_t1_until_64_t1(void **state)
{
	(void)state;
	struct prack_server p = in_state(PRACK_WAITING, false);
	uint64_t wait = 500, at = NOW;
	int times = 0;

	for (;;) {
		uint64_t next = prack_next_ms(&p);
		enum prack_due due = prack_tick(&p, next);
		if (due == PRACK_DUE_GIVE_UP) {
			EXPECT_U64(next, NOW + 32000);
			break;
		}
		EXPECT_INT(due, PRACK_DUE_AGAIN);
		EXPECT_U64(next, at + wait);
		at = next;
		wait *= 2;
		times++;
	}
	EXPECT_INT(times, 6); /* 0.5 1.5 3.5 7.5 15.5 31.5 s */
}

static void only_a_response_with_sdp_holds_the_answer(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum prack_state s;
		bool sdp, holds;
	} rows[] = {
		{"waiting with SDP", PRACK_WAITING, true, true},
		{"waiting without", PRACK_WAITING, false, false},
		{"acknowledged", PRACK_IDLE, true, false},
		{"answered already", PRACK_STILL, true, false},
		{"over", PRACK_OVER, true, false},
	};
	CHECK_TABLE(row, rows)
	{
		struct prack_server p = in_state(row->s, row->sdp);
		EXPECT_TRUE(prack_holds_answer(&p) == row->holds);
	}
}

static void numbers_begin_at_random_below_2_31_and_go_up_by_one(void **state)
{
	(void)state;
	static const uint32_t randoms[] = {0, 1, 0x3ffffffe, 0x3fffffff, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_LEN(randoms); i++) {
		struct prack_server p = {.rseq = 0};
		uint32_t first = prack_send(&p, false, randoms[i], NOW, &timers);
		EXPECT_TRUE(first >= 1 && first < 0x80000000u);
		p.state = PRACK_IDLE;
		EXPECT_INT(prack_send(&p, false, 99, NOW, &timers), first + 1);
	}
}

static void what_is_heard(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint32_t before;
		const char *rseq;
		enum prack_heard want;
		uint32_t after;
	} rows[] = {
		{"the first may have any number", 0, "901", PRACK_HEARD_NEW, 901},
		{"the next is one more", 901, "902", PRACK_HEARD_NEW, 902},
		{"the same again", 901, "901", PRACK_HEARD_AGAIN, 901},
		{"one was lost between", 901, "903", PRACK_HEARD_ODD, 901},
		{"one from before", 901, "900", PRACK_HEARD_ODD, 901},
		{"the first may not be 0", 0, "0", PRACK_HEARD_ODD, 0},
		{"no number", 901, "", PRACK_HEARD_ODD, 901},
		{"not a number", 901, "902x", PRACK_HEARD_ODD, 901},
		{"beyond 32 bits", 901, "4294967297", PRACK_HEARD_ODD, 901},
		{"no number follows the last", UINT32_MAX, "0", PRACK_HEARD_ODD, UINT32_MAX},
	};
	CHECK_TABLE(row, rows)
	{
		struct prack_client p = {.rseq = row->before};
		EXPECT_INT(prack_hear(&p, str_from(row->rseq)), row->want);
		EXPECT_U64(p.rseq, row->after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_event_in_each_state),
		cmocka_unit_test(a_prack_must_name_the_response_and_the_invite),
		cmocka_unit_test(repeats_double_from_t1_until_64_t1),
		cmocka_unit_test(only_a_response_with_sdp_holds_the_answer),
		cmocka_unit_test(numbers_begin_at_random_below_2_31_and_go_up_by_one),
		cmocka_unit_test(what_is_heard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
