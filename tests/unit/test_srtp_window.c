#include "rtpproxy/core/srtp_window.h"

#include "tests/support/check.h"

#define ROC(n) ((uint64_t)(n) << 16)

/* Index that a sequence number gets after the highest one so far (RFC 3711 §3.3.1). */
static const struct {
	const char *name;
	uint64_t top; /* 0: nothing seen */
	uint16_t seq;
	uint64_t want;
} guesses[] = {
	{"the first packet is in round 0", 0, 40000, 40000},
	{"the next one", 1000, 1001, 1001},
	{"half the circle ahead is still this round", 1000, 33768, 33768},
	{"in round 0 nothing is before round 0", 1000, 60000, 60000},
	{"0 after 65535 is the next round", 65535, 0, ROC(1)},
	{"a small one after a large one is the next round", 65000, 100, ROC(1) + 100},
	{"a late one from before the wrap is the last round", ROC(1) + 5, 65530, 65530},
	{"a large one half the circle away is this round", ROC(1) + 5, 32773, ROC(1) + 32773},
	{"one more than half is the round before", ROC(1) + 5, 32774, 32774},
	{"a small one less than half behind stays", ROC(3) + 40000, 8000, ROC(3) + 8000},
	{"a small one more than half behind is the next round", ROC(3) + 40000, 7000,
	 ROC(4) + 7000},
	{"rounds beyond 2^32 packets", ROC(70000) + 65535, 1, ROC(70001) + 1},
};

static void test_guess(void **state)
{
	(void)state;
	CHECK_TABLE(row, guesses)
	{
		struct srtp_windows w = {0};
		uint64_t index = 0;
		if (row->top)
			EXPECT_INT(srtp_windows_commit(&w, 7, row->top), FATE_SENT);
		srtp_windows_guess(&w, 7, row->seq, &index);
		EXPECT_U64(index, row->want);
		srtp_windows_release(&w);
	}
}

/* Committed one after the other; what each comes to. */
static const struct {
	const char *name;
	uint64_t index;
	enum pkt_fate want;
} commits[] = {
	{"the first", 1000, FATE_SENT},
	{"the same again", 1000, FATE_REPLAY},
	{"one before the first", 999, FATE_SENT},
	{"ahead", 1005, FATE_SENT},
	{"in the gap", 1002, FATE_SENT},
	{"in the gap again", 1002, FATE_REPLAY},
	{"127 behind the highest", 878, FATE_SENT},
	{"127 behind the highest again", 878, FATE_REPLAY},
	{"128 behind the highest is too old to tell", 877, FATE_REPLAY},
	{"64 ahead, over the first word of the window", 1069, FATE_SENT},
	{"the one that was the highest", 1005, FATE_REPLAY},
	{"the first one, still in the window", 1000, FATE_REPLAY},
	{"a gap still open behind it", 1003, FATE_SENT},
	{"127 ahead: the last step that keeps anything", 1196, FATE_SENT},
	{"the old highest at the window's end", 1069, FATE_REPLAY},
	{"128 ahead empties the window", 1324, FATE_SENT},
	{"all before it are open, if not too old", 1197, FATE_SENT},
	{"far ahead", 1000000, FATE_SENT},
	{"and what was before is too old", 1324, FATE_REPLAY},
	{"the last index of a key", SRTP_INDEX_END - 1, FATE_SENT},
	{"beyond the last index", SRTP_INDEX_END, FATE_KEY_END},
};

static void test_window(void **state)
{
	(void)state;
	struct srtp_windows w = {0};
	CHECK_TABLE(row, commits)
	{
		EXPECT_INT(srtp_windows_check(&w, 7, row->index), row->want);
		EXPECT_INT(srtp_windows_commit(&w, 7, row->index), row->want);
	}
}

static void test_index_zero_counts_once(void **state)
{
	(void)state;
	struct srtp_windows w = {0};
	EXPECT_INT(srtp_windows_commit(&w, 7, 0), FATE_SENT);
	EXPECT_INT(srtp_windows_commit(&w, 7, 0), FATE_REPLAY);
}

enum { ALL = SRTP_SSRC_LIVE + SRTP_SSRC_OLD };

static void test_ssrc_makes_room_but_is_not_forgotten(void **state)
{
	(void)state;
	struct srtp_windows w = {0};
	for (uint32_t ssrc = 0; ssrc < ALL; ssrc++)
		for (uint64_t i = 0; i < 3; i++)
			EXPECT_INT(srtp_windows_commit(&w, ssrc, ROC(5) + ssrc * 10 + i),
				   FATE_SENT);
	/* Full: one more is refused, however often. */
	for (int i = 0; i < 10; i++)
		EXPECT_INT(srtp_windows_commit(&w, ALL, 1), FATE_SSRC_LIMIT);
	/* Each of those before knows its index, and takes only what is above it. */
	for (uint32_t ssrc = 0; ssrc < ALL; ssrc++) {
		uint64_t index = 0;
		EXPECT_INT(srtp_windows_commit(&w, ssrc, ROC(5) + ssrc * 10 + 2), FATE_REPLAY);
		EXPECT_INT(srtp_windows_guess(&w, ssrc, (uint16_t)(ssrc * 10 + 3), &index),
			   FATE_SENT);
		EXPECT_U64(index, ROC(5) + ssrc * 10 + 3);
		EXPECT_INT(srtp_windows_commit(&w, ssrc, index), FATE_SENT);
	}
	srtp_windows_release(&w);
}

static void test_longest_unused_makes_room(void **state)
{
	(void)state;
	struct srtp_windows w = {0};
	for (uint32_t ssrc = 0; ssrc < SRTP_SSRC_LIVE; ssrc++)
		EXPECT_INT(srtp_windows_commit(&w, ssrc, 100), FATE_SENT);
	EXPECT_INT(srtp_windows_commit(&w, 0, 101), FATE_SENT);
	EXPECT_INT(srtp_windows_commit(&w, 50, 100), FATE_SENT);
	/* 1 lost its window, so a late packet of it is refused; 0 kept it. */
	EXPECT_INT(srtp_windows_commit(&w, 1, 99), FATE_REPLAY);
	EXPECT_INT(srtp_windows_commit(&w, 0, 99), FATE_SENT);
	srtp_windows_release(&w);
}

/* Against a plain set of indices: what was committed is never let in again, whatever comes in between. */
static void test_never_twice(void **state)
{
	(void)state;
	enum { SPAN = 4096, STEPS = 200000 };
	static bool seen[3][SPAN];
	struct srtp_windows w = {0};
	uint64_t random = 99;
	for (int i = 0; i < STEPS; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		const uint32_t ssrc = (uint32_t)(random >> 60) % 3;
		const uint64_t index = (uint64_t)i / 100 + (random >> 33) % 300;
		const enum pkt_fate fate = srtp_windows_commit(&w, ssrc, index);
		assert_false(fate == FATE_SENT && seen[ssrc][index]);
		if (fate == FATE_SENT)
			seen[ssrc][index] = true;
		assert_true(fate == FATE_SENT || fate == FATE_REPLAY);
	}
	srtp_windows_release(&w);
}

static void test_one_ssrc_takes_no_block(void **state)
{
	(void)state;
	struct srtp_windows w = {0};
	for (uint64_t i = 0; i < 300; i++)
		EXPECT_INT(srtp_windows_commit(&w, 7, i), FATE_SENT);
	assert_null(w.more);
	EXPECT_INT(srtp_windows_commit(&w, 8, 5), FATE_SENT);
	assert_non_null(w.more);
	/* The first goes on beside it, and the second is as well guarded. */
	EXPECT_INT(srtp_windows_commit(&w, 7, 299), FATE_REPLAY);
	EXPECT_INT(srtp_windows_commit(&w, 7, 300), FATE_SENT);
	EXPECT_INT(srtp_windows_commit(&w, 8, 5), FATE_REPLAY);
	srtp_windows_release(&w);
	assert_null(w.more);
	EXPECT_INT(srtp_windows_commit(&w, 9, 5), FATE_SENT);
	assert_null(w.more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guess),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_index_zero_counts_once),
		cmocka_unit_test(test_ssrc_makes_room_but_is_not_forgotten),
		cmocka_unit_test(test_longest_unused_makes_room),
		cmocka_unit_test(test_never_twice),
		cmocka_unit_test(test_one_ssrc_takes_no_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
