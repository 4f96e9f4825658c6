#include "rtpproxy/core/rtcp_make.h"

#include <string.h>

#include "tests/support/check.h"
#include "tests/support/media.h"

/* Half a second ago our source, 101, had the timestamp 1000; now is 1700000000.5, which is NTP's e8fe6f80.80000000. */
enum { NOW_US = 1500000, EXPECTED = 0x10064 };
static const struct continuity flows = {.state = CONTINUITY_FLOWS,
					.out_ssrc = 0x101,
					.top_us = 1000000,
					.top_ts = 0x1000,
					.packets = 7,
					.octets = 0x460,
					.clock_rate = 8000};
/* From the party 2 comes: a round and a hundred numbers, of which three were lost. */
static const struct quality hears = {.started = true,
				     .ssrc = 2,
				     .base_seq = 100,
				     .max_seq = 199,
				     .cycles = 0x10000,
				     .received = EXPECTED - 3,
				     .jitter_x16 = 0x508,
				     .clock_rate = 8000};

#define NAME   "4142434445464748494a4b4c4d4e4f50"
#define SDES   "81ca0006 00000101 0110" NAME "0000"
#define SENDER "e8fe6f80 80000000 00001fa0 00000007 00000460 "

static const struct {
	const char *name;
	enum continuity_state state;
	bool silent;       /* nothing was ever heard */
	uint32_t received; /* 0: as above */
	uint32_t ssrc;     /* likewise */
	struct rtcp_make before;
	const char *want;
} rows[] = {
	{.name = "one who hears us and is heard gets both halves",
	 .state = CONTINUITY_FLOWS,
	 .want = "81c8000c 00000101 " SENDER
		 "00000002 00000003 000100c7 00000050 00000000 00000000" SDES},
	{.name = "the fraction is that of the time since the last block",
	 .state = CONTINUITY_FLOWS,
	 .before = {.ssrc = 2, .expected = EXPECTED - 8, .received = EXPECTED - 9},
	 .want = "81c8000c 00000101 " SENDER
		 "00000002 40000003 000100c7 00000050 00000000 00000000" SDES},
	{.name = "what came twice is lost less than nothing",
	 .state = CONTINUITY_FLOWS,
	 .received = EXPECTED + 2,
	 .before = {.ssrc = 2, .expected = EXPECTED - 8, .received = EXPECTED - 8},
	 .want = "81c8000c 00000101 " SENDER
		 "00000002 00fffffe 000100c7 00000050 00000000 00000000" SDES},
	{.name = "its last sender report and how long ago it came",
	 .state = CONTINUITY_FLOWS,
	 .before = {.sr_ssrc = 2, .sr_mid = 0x22223333, .sr_us = NOW_US - 250000},
	 .want = "81c8000c 00000101 " SENDER
		 "00000002 00000003 000100c7 00000050 22223333 00004000" SDES},
	{.name = "a sender report of another source is not named",
	 .state = CONTINUITY_FLOWS,
	 .before = {.sr_ssrc = 3, .sr_mid = 0x22223333, .sr_us = NOW_US - 250000},
	 .want = "81c8000c 00000101 " SENDER
		 "00000002 00000003 000100c7 00000050 00000000 00000000" SDES},
	{.name = "a source from which nothing has come since is not reported again",
	 .state = CONTINUITY_FLOWS,
	 .before = {.ssrc = 2, .expected = EXPECTED, .received = EXPECTED - 3},
	 .want = "80c80006 00000101 " SENDER SDES},
	{.name = "another source is counted from its beginning",
	 .state = CONTINUITY_FLOWS,
	 .ssrc = 9,
	 .received = EXPECTED / 2,
	 .before = {.ssrc = 2, .expected = EXPECTED - 8, .received = EXPECTED - 9},
	 .want = "81c8000c 00000101 " SENDER
		 "00000009 80008032 000100c7 00000050 00000000 00000000" SDES},
	{.name = "one that is not heard gets no block",
	 .state = CONTINUITY_FLOWS,
	 .silent = true,
	 .want = "80c80006 00000101 " SENDER SDES},
	{.name = "who has sent before the last report is still a sender",
	 .state = CONTINUITY_PAUSED,
	 .silent = true,
	 .before = {.packets = {7, 6}},
	 .want = "80c80006 00000101 " SENDER SDES},
	{.name = "who has sent nothing for two reports is a receiver",
	 .state = CONTINUITY_WAITING,
	 .before = {.packets = {7, 7}},
	 .want = "81c90007 00000101 "
		 "00000002 00000003 000100c7 00000050 00000000 00000000" SDES},
	{.name = "nothing at all is an empty report",
	 .state = CONTINUITY_WAITING,
	 .silent = true,
	 .before = {.packets = {7, 7}},
	 .want = "80c90001 00000101" SDES},
};

static void reports_say_what_is_sent_and_heard(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		uint8_t bytes[RTCP_MAKE_MAX], want[RTCP_MAKE_MAX];
		const size_t n = media_hex(row->want, want, sizeof(want));
		struct continuity c = flows;
		struct quality q = hears;
		struct rtcp_make k = row->before;
		struct rtcp_make_facts f = {.sends = &c,
					    .hears = &q,
					    .mono_us = NOW_US,
					    .wall_us = UINT64_C(1700000000500000)};
		memcpy(f.name, "ABCDEFGHIJKLMNOP", sizeof(f.name));
		c.state = (uint8_t)row->state;
		q.started = !row->silent;
		q.received = row->received ? row->received : q.received;
		q.ssrc = row->ssrc ? row->ssrc : q.ssrc;
		EXPECT_INT(rtcp_make(&k, &f, bytes), n);
		EXPECT_BYTES(bytes, want, n);
		EXPECT_ERR(rtcp_check(bytes, n), OK);
	}
}

static void the_next_report_goes_on_from_the_last(void **state)
{
	(void)state;
	uint8_t bytes[RTCP_MAKE_MAX];
	struct quality q = hears;
	struct rtcp_make k = {0};
	struct rtcp_walk w;
	struct rtcp_part part;
	struct rtcp_block b;
	const struct rtcp_make_facts f = {.sends = &flows, .hears = &q, .mono_us = NOW_US};
	rtcp_make(&k, &f, bytes);
	q.max_seq = (uint16_t)(q.max_seq + 10);
	q.received += 5;
	const size_t n = rtcp_make(&k, &f, bytes);
	rtcp_walk_init(&w, bytes, n);
	EXPECT_TRUE(rtcp_walk_next(&w, &part) && rtcp_part_block(&part, 0, &b));
	EXPECT_INT(part.type, RTCP_SR);
	EXPECT_INT(b.fraction_lost, 128);
	EXPECT_INT(b.lost, 8);
	rtcp_make(&k, &f, bytes);
	EXPECT_INT(bytes[1], RTCP_RR);
	EXPECT_INT(bytes[0], 0x80);
}

#define OTHER "30313233343536373839414243444546"
static const struct {
	const char *name, *in, *want;
} kept[] = {
	{"a report alone goes nowhere", "80c90001 00000005", ""},
	{"nor with a name, a goodbye and an extended report",
	 "80c90001 00000005 81ca0006 00000005 0110" OTHER "0000 81cb0001 00000005 80cf0004 "
	 "00000005 04000002 00000001 00000002",
	 ""},
	{"feedback without a report stays as it is", "81ce0002 00000005 00000202",
	 "81ce0002 00000005 00000202"},
	{"before feedback the report is empty and the name is ours",
	 "81c8000c 00000005 11112222 33334444 00000005 00000006 00000007 00000202 00000000 "
	 "00000001 00000002 00000000 00000000 81ca0006 00000005 0110" OTHER
	 "0000 81ce0002 00000005 00000202",
	 "80c90001 00000005 81ca0006 00000005 0110" NAME "0000 81ce0002 00000005 00000202"},
	{"of several descriptions one is left",
	 "80c90001 00000005 82ca000c 00000005 0110" OTHER "0000 00000006 0110" OTHER
	 "0000 81cd0003 00000005 00000202 00010000",
	 "80c90001 00000005 81ca0006 00000005 0110" NAME
	 "0000 81cd0003 00000005 00000202 00010000"},
	{"all that asks for something crosses, in its order",
	 "80c90001 00000005 81ce0002 00000005 00000202 81cb0001 00000005 80c00001 00000202 "
	 "80c10002 00000202 00010000",
	 "80c90001 00000005 81ce0002 00000005 00000202 80c00001 00000202 80c10002 00000202 "
	 "00010000"},
};

static void only_feedback_of_the_other_party_crosses(void **state)
{
	(void)state;
	CHECK_TABLE(row, kept)
	{
		uint8_t bytes[256], want[256];
		size_t len = media_hex(row->in, bytes, sizeof(bytes));
		const size_t n = media_hex(row->want, want, sizeof(want));
		EXPECT_ERR(rtcp_check(bytes, len), OK);
		rtcp_make_keep(bytes, &len, "ABCDEFGHIJKLMNOP");
		EXPECT_INT(len, n);
		EXPECT_BYTES(bytes, want, n);
	}
}

/* Whatever rtcp_check lets through: never longer, never outside (ASan), and whole again. */
static void random_compounds_become_no_longer(void **state)
{
	(void)state;
	static const uint8_t types[] = {192, 193, 200, 201, 202, 203, 205, 206, 207};
	uint64_t random = 5;
	unsigned good = 0;
	for (unsigned i = 0; i < 30000; i++) {
		uint8_t made[256];
		size_t n = 0;
		for (unsigned parts = 1 + (unsigned)(media_random(&random) % 5); parts > 0;
		     parts--) {
			const size_t words = 2 + media_random(&random) % 9;
			media_random_bytes(&random, made + n, words * 4);
			made[n] = (uint8_t)(0x80 | media_random(&random) % 3);
			made[n + 1] = types[media_random(&random) % ARRAY_LEN(types)];
			made[n + 2] = 0;
			made[n + 3] = (uint8_t)(words - 1);
			n += words * 4;
		}
		uint8_t *p = test_malloc(n);
		memcpy(p, made, n);
		size_t len = n;
		if (rtcp_check(p, n) == OK) {
			rtcp_make_keep(p, &len, "ABCDEFGHIJKLMNOP");
			EXPECT_TRUE(len <= n && (len == 0 || rtcp_check(p, len) == OK));
			good++;
		}
		test_free(p);
	}
	EXPECT_TRUE(good > 3000);
}

static void reports_come_at_random_times_around_their_interval(void **state)
{
	(void)state;
	EXPECT_INT(rtcp_make_wait_ms(true, 0), 1250);
	EXPECT_INT(rtcp_make_wait_ms(true, UINT32_MAX), 3749);
	EXPECT_INT(rtcp_make_wait_ms(false, 0), 2500);
	EXPECT_INT(rtcp_make_wait_ms(false, 0x80000000), 5000);
	EXPECT_INT(rtcp_make_wait_ms(false, UINT32_MAX), 7499);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports_say_what_is_sent_and_heard),
		cmocka_unit_test(the_next_report_goes_on_from_the_last),
		cmocka_unit_test(only_feedback_of_the_other_party_crosses),
		cmocka_unit_test(random_compounds_become_no_longer),
		cmocka_unit_test(reports_come_at_random_times_around_their_interval),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
