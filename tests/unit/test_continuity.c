#include "rtpproxy/core/continuity.h"

#include "rtpproxy/core/rtp.h"
#include "tests/support/check.h"

enum { START_US = 5000000, A = 0xa, B = 0xb, C = 0xc, STEPS = 12 };

/* What happens to a direction, and what comes of it. Numbers of ours are told from the first packet that went out. */
enum doing { END, PACKET, PROVEN, SKIP, PAUSE, OURS };

struct step {
	enum doing doing;
	uint32_t ms; /* since the step before */
	uint32_t ssrc;
	uint16_t seq;
	uint32_t ts;
	/* what comes of it */
	enum continuity_verdict verdict;
	int out_seq, out_ts;
	bool as_it_is;
};

#define PASS  CONTINUITY_PASS
#define LATE  CONTINUITY_LATE
#define STRAY CONTINUITY_STRAY

static const struct {
	const char *name;
	struct step steps[STEPS];
} rows[] = {
	{"a source in order keeps its steps",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 20, A, 101, 5160, PASS, 1, 160, 0},
	  {PACKET, 20, A, 102, 5320, PASS, 2, 320, 0}}},
	{"what is lost is seen as lost",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0}, {PACKET, 60, A, 103, 5480, PASS, 3, 480, 0}}},
	{"what comes late comes late, and twice what comes twice",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 40, A, 102, 5320, PASS, 2, 320, 0},
	  {PACKET, 1, A, 101, 5160, PASS, 1, 160, 0},
	  {PACKET, 1, A, 101, 5160, PASS, 1, 160, 0},
	  {PACKET, 18, A, 103, 5480, PASS, 3, 480, 0}}},
	{"the first packet was overtaken",
	 {{PACKET, 0, A, 101, 5160, PASS, 0, 0, 0}, {PACKET, 1, A, 100, 5000, PASS, -1, -160, 0}}},
	{"across the wrap of the sequence number",
	 {{PACKET, 0, A, 65535, 5000, PASS, 0, 0, 0},
	  {PACKET, 20, A, 0, 5160, PASS, 1, 160, 0},
	  {PACKET, 1, A, 65535, 5000, PASS, 0, 0, 0},
	  {PACKET, 19, A, 1, 5320, PASS, 2, 320, 0}}},
	{"another source goes on by one, and by the time that has passed",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 500, B, 9, 77, PASS, 1, 4000, 0},
	  {PACKET, 20, B, 10, 237, PASS, 2, 4160, 0}}},
	{"another source at once is one packet later",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0}, {PACKET, 1, B, 9, 77, PASS, 1, 160, 0}}},
	{"stragglers of the source before are dropped",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 40, A, 102, 5320, PASS, 2, 320, 0},
	  {PACKET, 20, B, 9, 77, PASS, 3, 480, 0},
	  {PACKET, 1, A, 101, 5160, LATE, 0, 0, 0},
	  {PACKET, 1, A, 103, 5480, LATE, 0, 0, 0},
	  {PACKET, 18, B, 10, 237, PASS, 4, 640, 0}}},
	{"what another source sent before its first packet here has no place",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 20, B, 9, 77, PASS, 1, 160, 0},
	  {PACKET, 1, B, 8, 50, LATE, 0, 0, 0}}},
	{"back to the first source after a while",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 20, B, 9, 77, PASS, 1, 160, 0},
	  {PACKET, 1000, A, 151, 13160, PASS, 2, 8160, 0},
	  {PACKET, 20, A, 152, 13320, PASS, 3, 8320, 0}}},
	{"two at a time: ours stays with the first, the other passes as it is",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 1, B, 9, 77, PASS, 1, 160, 0},
	  {PACKET, 19, A, 101, 5160, LATE, 0, 0, 0},
	  {PACKET, 20, A, 102, 5320, LATE, 0, 0, 0},
	  {PACKET, 20, A, 103, 5480, LATE, 0, 0, 0},
	  {PACKET, 20, A, 104, 5640, LATE, 0, 0, 0},
	  {PACKET, 20, A, 105, 5800, LATE, 0, 0, 0},
	  {PACKET, 20, A, 106, 5960, PASS, 2, 1112, 0},
	  {PACKET, 1, B, 15, 1037, PASS, 0, 0, 1},
	  {PACKET, 19, A, 107, 6120, PASS, 3, 1272, 0},
	  {PACKET, 1000, B, 66, 9197, PASS, 4, 9272, 0}}},
	{"a source that starts over is believed at its second packet",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 20, A, 40000, 900, STRAY, 0, 0, 0},
	  {PACKET, 20, A, 40001, 1060, PASS, 1, 320, 0},
	  {PACKET, 20, A, 40002, 1220, PASS, 2, 480, 0}}},
	{"one stray packet changes nothing",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 20, A, 40000, 900, STRAY, 0, 0, 0},
	  {PACKET, 20, A, 101, 5160, PASS, 1, 160, 0},
	  {PACKET, 20, A, 40001, 900, STRAY, 0, 0, 0},
	  {PACKET, 20, A, 102, 5480, PASS, 2, 480, 0}}},
	{"one that has proven itself is believed at once",
	 {{PROVEN, 0, A, 50000, 5000, PASS, 0, 0, 0},
	  {PROVEN, 20, A, 7, 900, PASS, 1, 160, 0},
	  {PROVEN, 20, A, 8, 1060, PASS, 2, 320, 0}}},
	{"a clock that jumps back under one SSRC goes on",
	 {{PACKET, 0, A, 100, 500000, PASS, 0, 0, 0},
	  {PACKET, 20, A, 101, 900, PASS, 1, 160, 0},
	  {PACKET, 20, A, 102, 1060, PASS, 2, 320, 0}}},
	{"a clock that jumps ahead goes on",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 20, A, 101, 5000000, PASS, 1, 160, 0}}},
	{"a long silence is no jump of the clock",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 60000, A, 101, 485000, PASS, 1, 480000, 0}}},
	{"the packets of a key press have the time of its beginning, audio between them goes on",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PACKET, 20, A, 101, 5160, PASS, 1, 160, 0},
	  {PACKET, 20, A, 102, 5160, PASS, 2, 160, 0},
	  {PACKET, 20, A, 103, 5480, PASS, 3, 480, 0},
	  {PACKET, 1, A, 104, 5160, PASS, 4, 160, 0},
	  {PACKET, 19, B, 1, 7, PASS, 5, 640, 0}}},
	{"what is left out is not missed",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {SKIP, 20, A, 101, 5160, PASS, 0, 0, 0},
	  {SKIP, 20, A, 102, 5160, PASS, 0, 0, 0},
	  {PACKET, 20, A, 103, 5480, PASS, 1, 480, 0},
	  {PACKET, 20, A, 104, 5640, PASS, 2, 640, 0}}},
	{"who comes late from before what was left out has its place",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {SKIP, 40, A, 102, 5320, PASS, 0, 0, 0},
	  {PACKET, 20, A, 103, 5480, PASS, 2, 480, 0},
	  {PACKET, 1, A, 101, 5160, PASS, 1, 160, 0},
	  {PACKET, 1, A, 102, 5320, LATE, 0, 0, 0},
	  {PACKET, 20, A, 104, 5640, PASS, 3, 640, 0}}},
	{"after media was blocked the numbers are where they were, the clock is not",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {PAUSE, 0, 0, 0, 0, PASS, 0, 0, 0},
	  {PACKET, 5000, A, 350, 45000, PASS, 1, 40000, 0},
	  {PACKET, 1, A, 349, 44840, LATE, 0, 0, 0},
	  {PACKET, 19, A, 351, 45160, PASS, 2, 40160, 0}}},
	{"a packet of ours makes room for itself",
	 {{PACKET, 0, A, 100, 5000, PASS, 0, 0, 0},
	  {OURS, 20, 0, 0, 0, PASS, 1, 160, 0},
	  {OURS, 20, 0, 0, 0, PASS, 2, 320, 0},
	  {PACKET, 20, A, 101, 5480, PASS, 3, 480, 0},
	  {PACKET, 1, A, 100, 5000, PASS, 0, 0, 0}}},
	{"a packet of ours before any other",
	 {{OURS, 0, 0, 0, 0, PASS, 0, 0, 0}, {PACKET, 20, A, 7, 9, PASS, 1, 160, 0}}},
};

static bool run_step(struct continuity *c, struct continuity_past *past, const struct step *s,
		     uint64_t now_us, struct rtp *h)
{
	*h = (struct rtp){.ssrc = s->ssrc, .seq = s->seq, .timestamp = s->ts};
	switch (s->doing) {
	case PACKET:
	case PROVEN:
		EXPECT_INT(continuity_step(c, past, h, 160, now_us, s->doing == PROVEN),
			   s->verdict);
		return s->verdict == PASS;
	case SKIP: continuity_skip(c, past, h); return false;
	case PAUSE: continuity_pause(c); return false;
	case OURS: EXPECT_TRUE(continuity_next(c, past, now_us, h)); return true;
	case END: break;
	}
	return false;
}

static void a_party_hears_one_source(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	for (uint64_t random = 0; random < 3; random++) {
		struct continuity c;
		struct continuity_past past;
		struct rtp h, first = {0};
		uint64_t now_us = START_US;
		bool any = false;
		continuity_init(&c, &past, random << 62 | random << 33 | 0x55);
		continuity_set(&c, true, 8000);
		for (const struct step *s = row->steps; s->doing != END; s++) {
			now_us += (uint64_t)s->ms * 1000;
			if (!run_step(&c, &past, s, now_us, &h))
				continue;
			if (!any)
				first = h;
			any = true;
			EXPECT_INT(h.ssrc, s->as_it_is ? s->ssrc : 0x55);
			if (s->as_it_is)
				EXPECT_INT(h.seq, s->seq);
			else {
				EXPECT_INT(rtp_seq_distance(first.seq, h.seq), s->out_seq);
				EXPECT_INT((int32_t)(h.timestamp - first.timestamp), s->out_ts);
			}
		}
		EXPECT_TRUE(first.seq >= CONTINUITY_START_MIN - 1 && first.seq < 0x8000);
	}
}

static void a_new_source_is_marked_and_the_first_is_not(void **state)
{
	(void)state;
	struct continuity c;
	struct continuity_past past;
	struct rtp h = {.ssrc = A, .seq = 1};
	continuity_init(&c, &past, 0x55);
	continuity_set(&c, true, 8000);
	EXPECT_INT(continuity_step(&c, &past, &h, 160, START_US, false), PASS);
	EXPECT_TRUE(!h.marker);
	h = (struct rtp){.ssrc = B, .seq = 1};
	EXPECT_INT(continuity_step(&c, &past, &h, 160, START_US + 20000, false), PASS);
	EXPECT_TRUE(h.marker);
	h = (struct rtp){.ssrc = B, .seq = 2, .timestamp = 160};
	EXPECT_INT(continuity_step(&c, &past, &h, 160, START_US + 40000, false), PASS);
	EXPECT_TRUE(!h.marker);
}

static void another_direction_goes_on_where_this_one_was(void **state)
{
	(void)state;
	struct continuity c[2];
	struct continuity_past past[2];
	struct rtp h = {.ssrc = A, .seq = 500, .timestamp = 9000}, was;
	for (int i = 0; i < 2; i++) {
		continuity_init(&c[i], &past[i], 0x55 + (uint64_t)i);
		continuity_set(&c[i], true, i == 0 ? 8000 : 48000);
	}
	EXPECT_INT(continuity_step(&c[0], &past[0], &h, 160, START_US, false), PASS);
	was = h;
	continuity_take(&c[1], &past[1], &c[0], &past[0]);
	h = (struct rtp){.ssrc = A, .seq = 501, .timestamp = 9160};
	EXPECT_INT(continuity_step(&c[0], &past[0], &h, 160, START_US + 20000, false),
		   CONTINUITY_GONE);
	h = (struct rtp){.ssrc = B, .seq = 60000, .timestamp = 1};
	EXPECT_INT(continuity_step(&c[1], &past[1], &h, 160, START_US + 100000, false), PASS);
	EXPECT_INT(h.ssrc, 0x55);
	EXPECT_INT(rtp_seq_distance(was.seq, h.seq), 1);
	EXPECT_INT(h.timestamp - was.timestamp, 4800);
	EXPECT_INT(c[1].packets, 2);
	/* What was given cannot be given again. */
	continuity_take(&c[1], &past[1], &c[0], &past[0]);
	EXPECT_INT(c[1].packets, 2);
}

static void one_of_which_nothing_went_out_gives_its_numbers_alone(void **state)
{
	(void)state;
	struct continuity c[2];
	struct continuity_past past[2];
	struct rtp h = {.ssrc = A, .seq = 500, .timestamp = 9000};
	for (int i = 0; i < 2; i++) {
		continuity_init(&c[i], &past[i], 0x55 + (uint64_t)i);
		continuity_set(&c[i], true, 8000);
	}
	continuity_take(&c[1], &past[1], &c[0], &past[0]);
	EXPECT_INT(continuity_step(&c[1], &past[1], &h, 160, START_US, false), PASS);
	EXPECT_INT(h.ssrc, 0x55);
	EXPECT_INT(h.timestamp, 9000);
}

/* However the world behind us behaves: what goes out newer than all before has a number above them. */
static void no_number_of_ours_comes_again_for_something_new(void **state)
{
	(void)state;
	static uint8_t seen[1 << 20];
	struct continuity c;
	struct continuity_past past;
	uint64_t random = 99, now_us = START_US;
	uint32_t top = 0, seq[3] = {65500, 3, 40000}, rounds = 0;
	unsigned who = 0;
	continuity_init(&c, &past, 0x55);
	continuity_set(&c, true, 8000);
	for (unsigned i = 0; i < 200000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		const unsigned dice = (unsigned)(random >> 33) % 1000;
		now_us += 20000;
		if (dice < 3)
			who = (who + 1) % 3;
		seq[who] += dice % 50 == 7 ? 3 : 1;
		struct rtp h = {.ssrc = who, .seq = (uint16_t)seq[who], .timestamp = 160 * i};
		if (dice >= 990)
			continuity_skip(&c, &past, &h);
		else if (dice >= 985)
			continuity_pause(&c);
		else if (dice >= 980)
			EXPECT_TRUE(continuity_next(&c, &past, now_us, &h));
		if (dice >= 980 && dice < 985)
			goto out;
		if (dice >= 985 || continuity_step(&c, &past, &h, 160, now_us, false) != PASS ||
		    h.ssrc != 0x55)
			continue;
	out:
		if (i == 0)
			top = h.seq;
		const uint32_t ext = top + (uint32_t)rtp_seq_distance((uint16_t)top, h.seq);
		rounds += i > 0 && ext <= top;
		top = ext > top ? ext : top;
		assert_true(ext < sizeof(seen));
		assert_int_equal(seen[ext]++, 0);
	}
	EXPECT_INT(rounds, 0);
	EXPECT_TRUE(top > 3 * 65536);
	EXPECT_TRUE(past.switches > 100);
}

static void what_another_sent_for_us_is_counted(void **state)
{
	(void)state;
	struct continuity c;
	struct continuity_past past;
	struct rtp h = {.ssrc = A, .seq = 500, .timestamp = 9000}, was;
	continuity_init(&c, &past, 0x55);
	EXPECT_TRUE(continuity_is_steady(&c, A));
	continuity_set(&c, true, 8000);
	EXPECT_TRUE(!continuity_is_steady(&c, A));
	EXPECT_INT(continuity_step(&c, &past, &h, 160, START_US, false), PASS);
	was = h;
	EXPECT_TRUE(continuity_is_steady(&c, A) && !continuity_is_steady(&c, B));
	const struct continuity_run run = {10, 1600, 9000 + 1600, 510};
	continuity_credit(&c, &run, START_US + 200000);
	EXPECT_INT(c.packets, 11);
	EXPECT_INT(c.octets, 1760);
	h = (struct rtp){.ssrc = B, .seq = 7, .timestamp = 1};
	EXPECT_INT(continuity_step(&c, &past, &h, 160, START_US + 220000, false), PASS);
	EXPECT_INT(rtp_seq_distance(was.seq, h.seq), 11);
	EXPECT_INT(h.timestamp - was.timestamp, 1760);
	continuity_pause(&c);
	EXPECT_TRUE(!continuity_is_steady(&c, B));
}

static void switched_off_it_passes_nothing_on(void **state)
{
	(void)state;
	struct continuity c;
	struct continuity_past past;
	struct rtp h = {.ssrc = A, .seq = 500, .timestamp = 9000}, was;
	continuity_init(&c, &past, 0x55);
	EXPECT_INT(c.state, CONTINUITY_OFF);
	EXPECT_TRUE(!continuity_next(&c, &past, START_US, &h));
	continuity_set(&c, true, 8000);
	h = (struct rtp){.ssrc = A, .seq = 500, .timestamp = 9000};
	EXPECT_INT(continuity_step(&c, &past, &h, 160, START_US, false), PASS);
	was = h;
	continuity_set(&c, false, 8000);
	EXPECT_INT(c.state, CONTINUITY_OFF);
	continuity_set(&c, true, 8000);
	h = (struct rtp){.ssrc = A, .seq = 600, .timestamp = 25000};
	EXPECT_INT(continuity_step(&c, &past, &h, 160, START_US + 2000000, false), PASS);
	EXPECT_INT(rtp_seq_distance(was.seq, h.seq), 1);
	EXPECT_INT(h.timestamp - was.timestamp, 16000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_party_hears_one_source),
		cmocka_unit_test(a_new_source_is_marked_and_the_first_is_not),
		cmocka_unit_test(another_direction_goes_on_where_this_one_was),
		cmocka_unit_test(one_of_which_nothing_went_out_gives_its_numbers_alone),
		cmocka_unit_test(no_number_of_ours_comes_again_for_something_new),
		cmocka_unit_test(what_another_sent_for_us_is_counted),
		cmocka_unit_test(switched_off_it_passes_nothing_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
