#include "rtpproxy/core/quality.h"

#include <math.h>

#include "rtpproxy/core/rtcp.h"
#include "rtpproxy/core/rtp.h"
#include "tests/support/check.h"

#define EXPECT_NEAR(got, want, by)                                                                 \
	do {                                                                                       \
		const double got_ = (got), want_ = (want);                                         \
		if (!(fabs(got_ - want_) <= (by)))                                                 \
			print_error(#got " is %.5f, not %.5f\n", got_, want_);                     \
		EXPECT_TRUE(fabs(got_ - want_) <= (by));                                           \
	} while (0)

/* The vectors of the project's page on what operators read (§2): BurstR 1. */
static const struct {
	const char *name;
	double loss, delay;
	double mos[3]; /* G.711 with concealment, without, G.729A */
} vectors[] = {
	{"no loss, 20 ms", 0, 20, {4.400, 4.400, 4.087}},
	{"1 %, 50 ms", 1, 50, {4.297, 3.782, 3.898}},
	{"3 %, 50 ms", 3, 50, {4.092, 2.731, 3.576}},
	{"5 %, 100 ms", 5, 100, {3.823, 2.051, 3.218}},
	{"10 %, 150 ms", 10, 150, {3.230, 1.352, 2.556}},
	{"no loss, 300 ms", 0, 300, {3.712, 3.712, 3.178}},
};

static void test_mos(void **state)
{
	(void)state;
	const char *const codecs[] = {"PCMU", "L8", "g729"};
	CHECK_TABLE(row, vectors)
	for (size_t c = 0; c < ARRAY_LEN(codecs); c++)
		EXPECT_NEAR(quality_mos(quality_r(row->loss, row->delay,
						  quality_codec_find(str_from(codecs[c])))),
			    row->mos[c], 0.0006);
	EXPECT_NEAR(quality_mos(-3), 1, 0);
	EXPECT_NEAR(quality_mos(101), 4.5, 0);
	EXPECT_NEAR(quality_mos(3), 1, 0);
}

static void test_unknown_codec_is_g711(void **state)
{
	(void)state;
	EXPECT_TRUE(quality_codec_find(STR("opus")) == quality_codec_find(STR("PCMU")));
}

/* A packet: how many come after the last one, and what it says. */
struct arrival {
	uint32_t repeat; /* this many, each one further in seq, timestamp and time; 0: end */
	uint16_t seq;
	uint32_t late_us; /* beyond its time */
	uint32_t ssrc;
	uint8_t payload_type;
};

static const struct {
	const char *name;
	struct arrival arrivals[6];
	uint64_t expected, received, lost;
	double jitter_ms;
} streams[] = {
	{"100 in order", {{100, 0, 0, 1, 0}}, 100, 100, 0, 0},
	{"10 in 110 missing", {{50, 0, 0, 1, 0}, {50, 60, 0, 1, 0}}, 110, 100, 10, 0},
	{"across the wrap of the sequence number", {{100, 65500, 0, 1, 0}}, 100, 100, 0, 0},
	{"missing across the wrap", {{10, 65520, 0, 1, 0}, {10, 10, 0, 1, 0}}, 36, 20, 16, 0},
	{"one late comer is no loss",
	 {{10, 0, 0, 1, 0}, {10, 11, 0, 1, 0}, {1, 10, 0, 1, 0}},
	 21,
	 21,
	 0,
	 0},
	{"duplicates do not make loss negative", {{10, 0, 0, 1, 0}, {5, 5, 0, 1, 0}}, 10, 15, 0, 0},
	{"another SSRC is counted on top", {{10, 0, 0, 1, 0}, {10, 4000, 0, 2, 0}}, 20, 20, 0, 0},
	{"loss before another SSRC is kept",
	 {{10, 0, 0, 1, 0}, {10, 15, 0, 1, 0}, {10, 9, 0, 2, 0}},
	 35,
	 30,
	 5,
	 0},
	{"one stray sequence number is not believed",
	 {{10, 0, 0, 1, 0}, {1, 30000, 0, 1, 0}, {10, 10, 0, 1, 0}},
	 20,
	 20,
	 0,
	 0},
	{"two in order after a jump are a restart",
	 {{10, 0, 0, 1, 0}, {11, 30000, 0, 1, 0}},
	 20,
	 20,
	 0,
	 0},
	{"a step of 16 ms once: jitter is a sixteenth",
	 {{10, 0, 0, 1, 0}, {1, 10, 16000, 1, 0}},
	 11,
	 11,
	 0,
	 1},
	{"a change of payload type is no jitter",
	 {{10, 0, 0, 1, 0}, {1, 10, 500000, 1, 101}},
	 11,
	 11,
	 0,
	 0},
	{"a jump of the clock is no jitter",
	 {{10, 0, 0, 1, 0}, {1, 10, 5000000, 1, 0}},
	 11,
	 11,
	 0,
	 0},
};

static void test_loss_and_jitter(void **state)
{
	(void)state;
	CHECK_TABLE(row, streams)
	{
		struct quality q;
		struct quality_report r;
		quality_init(&q);
		for (const struct arrival *a = row->arrivals; a->repeat > 0; a++) {
			for (uint32_t i = 0; i < a->repeat; i++) {
				const uint16_t seq = (uint16_t)(a->seq + i);
				const struct rtp h = {.ssrc = a->ssrc,
						      .seq = seq,
						      .timestamp = 160u * seq,
						      .payload_type = a->payload_type};
				quality_rtp(&q, &h, 1000000 + 20000ull * seq + a->late_us);
			}
		}
		quality_report(&q, 0, &r);
		EXPECT_U64(r.expected, row->expected);
		EXPECT_U64(r.received, row->received);
		EXPECT_U64(r.lost, row->lost);
		EXPECT_NEAR(r.jitter_ms, row->jitter_ms, 0.07);
	}
}

/* Late by 0 and 10 ms in turn: |D| is always 10 ms, and so is what the estimate tends to. */
static void test_jitter_converges(void **state)
{
	(void)state;
	struct quality q;
	struct quality_report r;
	quality_init(&q);
	for (uint32_t i = 0; i < 1000; i++) {
		const struct rtp h = {.ssrc = 1, .seq = (uint16_t)i, .timestamp = 160 * i};
		quality_rtp(&q, &h, 20000ull * i + (i & 1 ? 10000 : 0));
	}
	quality_report(&q, 0, &r);
	EXPECT_NEAR(r.jitter_ms, 10, 0.2);
}

static void test_intervals(void **state)
{
	(void)state;
	struct quality q;
	struct quality_report r;
	quality_init(&q);
	/* 10 s without loss, then 10 s of which every tenth packet is missing. */
	for (uint32_t i = 0; i <= 1000; i++) {
		const struct rtp h = {.ssrc = 1, .seq = (uint16_t)i, .timestamp = 160 * i};
		if (i < 501 || i % 10 != 0)
			quality_rtp(&q, &h, 20000ull * i);
	}
	const struct rtp last = {.ssrc = 1, .seq = 1001, .timestamp = 160 * 1001};
	quality_rtp(&q, &last, 20000ull * 1001);
	quality_report(&q, 0, &r);
	EXPECT_INT(r.samples, 4);
	EXPECT_TRUE(r.mos_max > 4.3 && r.mos_min < 3.7 && r.mos_min > 3.2);
	EXPECT_TRUE(r.mos_min < r.mos_avg && r.mos_avg < r.mos_max);
	/* What the worst and the best one were made of. */
	EXPECT_NEAR((double)r.worst.loss, 0.1, 0.01);
	EXPECT_NEAR((double)r.best.loss, 0, 0.001);
	EXPECT_TRUE(r.worst.at_us > r.best.at_us);
	EXPECT_NEAR(r.loss, 0.05, 0.001);
}

static const struct {
	const char *name;
	uint32_t lsr, dlsr;
	uint64_t sent_us, came_us;
	double rtt_ms;
} round_trips[] = {
	{"back after 130 ms of which it kept 100", 0x12340000, 6554, 1000000, 1130000, 30},
	{"back at once", 0x12340000, 0, 1000000, 1040000, 40},
	{"a report about another SR tells nothing", 0x99990000, 0, 1000000, 1040000, 0},
	{"a party that has seen no SR yet tells nothing", 0, 0, 1000000, 1040000, 0},
	{"kept longer than it was away: a lie", 0x12340000, 65536, 1000000, 1040000, 0},
	{"eleven seconds: a lie", 0x12340000, 0, 1000000, 12000001, 0},
};

static void test_round_trip(void **state)
{
	(void)state;
	CHECK_TABLE(row, round_trips)
	{
		struct quality q;
		struct quality_report r;
		const struct rtcp_block b = {
			.lsr = row->lsr, .dlsr = row->dlsr, .fraction_lost = 64};
		quality_init(&q);
		quality_sr_sent(&q, 0x12340000, row->sent_us);
		quality_sr_sent(&q, 0x12350000, row->sent_us + 5);
		quality_block(&q, &b, row->came_us);
		quality_report(&q, 0, &r);
		EXPECT_NEAR(r.rtt_ms, row->rtt_ms, 0.02);
		EXPECT_NEAR(r.peer_loss, 0.25, 0);
	}
}

static void test_nothing_received(void **state)
{
	(void)state;
	struct quality q;
	struct quality_report r;
	quality_init(&q);
	quality_report(&q, 0, &r);
	EXPECT_U64(r.expected, 0);
	EXPECT_NEAR(r.loss, 0, 0);
	EXPECT_TRUE(r.mos > 4.3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mos),
		cmocka_unit_test(test_unknown_codec_is_g711),
		cmocka_unit_test(test_loss_and_jitter),
		cmocka_unit_test(test_jitter_converges),
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_nothing_received),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
