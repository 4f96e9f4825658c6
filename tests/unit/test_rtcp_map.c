#include "rtpproxy/core/rtcp_map.h"

#include <string.h>

#include "rtpproxy/core/continuity.h"
#include "rtpproxy/core/rtcp.h"
#include "tests/support/check.h"
#include "tests/support/media.h"

/* The party that speaks is SSRC 1 of which we make 101; it hears 202, which is 2 behind us, 1000 numbers further. */
static const struct continuity own_flows = {.state = CONTINUITY_FLOWS,
					    .in_ssrc = 1,
					    .out_ssrc = 0x101,
					    .in_top = 10,
					    .ts_shift = 0x1000,
					    .packets = 7,
					    .octets = 0x460,
					    .clock_rate = 8000};
static const struct continuity heard_flows = {.state = CONTINUITY_FLOWS,
					      .in_ssrc = 2,
					      .out_ssrc = 0x202,
					      .in_top = 100,
					      .seq_shift = 1000,
					      .clock_rate = 8000};

#define SENDER "11112222 33334444 "
#define ABOUT(ssrc, lost, highest, lsr, dlsr)                                                      \
	ssrc " 40" lost " " highest " 00000050 " lsr " " dlsr " "

static const struct {
	const char *name, *in, *want; /* NULL: as it came */
} rows[] = {
	{"a receiver's report is ours", "80c90001 00000001", "80c90001 00000101"},
	{"also of one who sends under another name", "80c90001 00000009", "80c90001 00000101"},
	{"a sender's report has our timestamp and our counts",
	 "80c80006 00000001 " SENDER "00000005 00000006 00000007",
	 "80c80006 00000101 " SENDER "00001005 00000007 00000460"},
	{"of another source than the one that flows it tells of no sender",
	 "80c80006 00000009 " SENDER "00000005 00000006 00000007", "80c90001 00000101"},
	{"a block is about the source: number, losses since it began, its own report",
	 "81c90007 00000001 " ABOUT("00000202", "000005", "0000044b", "22223333", "00010000"),
	 "81c90007 00000101 " ABOUT("00000002", "000002", "00000063", "22223333", "00010000")},
	{"of a receiver that has counted fewer rounds",
	 "81c90007 00000001 " ABOUT("00000202", "000005", "0003044b", "22223333", "00010000"),
	 "81c90007 00000101 " ABOUT("00000002", "000002", "00000063", "22223333", "00010000")},
	{"fewer losses than before, by duplicates",
	 "81c90007 00000001 " ABOUT("00000202", "ffffff", "0000044b", "22223333", "00010000"),
	 "81c90007 00000101 " ABOUT("00000002", "fffffc", "00000063", "22223333", "00010000")},
	{"a sender's report of another source tells no round trip",
	 "81c90007 00000001 " ABOUT("00000202", "000005", "0000044b", "55556666", "00010000"),
	 "81c90007 00000101 " ABOUT("00000002", "000002", "00000063", "00000000", "00000000")},
	{"a block from before this source is left out",
	 "81c90007 00000001 " ABOUT("00000202", "000005", "00000410", "22223333", "00010000"),
	 "80c90001 00000101"},
	{"a block about anybody else is left out, the next one stays",
	 "82c9000d 00000001 " ABOUT("00000002", "000000", "00000410", "00000000", "00000000")
		 ABOUT("00000202", "000003", "0000044c", "00000000", "00000000"),
	 "81c90007 00000101 " ABOUT("00000002", "000000", "00000064", "00000000", "00000000")},
	{"a description", "81ca0006 00000001 01104142 43444546 4748494a 4b4c4d4e 4f500000",
	 "81ca0006 00000101 01104142 43444546 4748494a 4b4c4d4e 4f500000"},
	{"a description of one who has gone is left out",
	 "80c90001 00000001 81ca0006 00000009 01104142 43444546 4748494a 4b4c4d4e 4f500000",
	 "80c90001 00000101"},
	{"of two descriptions the one of the source",
	 "82ca000c 00000009 01104142 43444546 4748494a 4b4c4d4e 4f500000 00000001 01104142 "
	 "43444546 4748494a 4b4c4d4e 4f500000",
	 "81ca0006 00000101 01104142 43444546 4748494a 4b4c4d4e 4f500000"},
	{"a goodbye", "81cb0001 00000001", "81cb0001 00000101"},
	{"a goodbye of one who had gone before", "81cb0001 00000009", ""},
	{"a lost packet's number is the source's", "81cd0003 00000001 00000202 044a0001",
	 "81cd0003 00000101 00000002 00620001"},
	{"a lost packet of nobody", "81cd0003 00000001 00000002 044a0001", ""},
	{"the numbers of TWCC are not RTP's",
	 "8fcd0005 00000001 00000202 00050001 00000000 20010000",
	 "8fcd0005 00000101 00000002 00050001 00000000 20010000"},
	{"a bandwidth that is asked for", "83cd0004 00000001 00000000 00000202 12345678",
	 "83cd0004 00000101 00000000 00000002 12345678"},
	{"RFC 8888: numbers and who they are of",
	 "8bcd0006 00000001 00000202 044a0003 80018002 80030000 00001234",
	 "8bcd0006 00000101 00000002 00620003 80018002 80030000 00001234"},
	{"RFC 8888 with more numbers than there are",
	 "8bcd0004 00000001 00000202 044a00ff 80018002", ""},
	{"feedback in numbers of its own is left out", "88cd0003 00000001 00000202 00000000", ""},
	{"a picture is lost", "81ce0002 00000001 00000202", "81ce0002 00000101 00000002"},
	{"a whole picture, please", "84ce0004 00000001 00000000 00000202 01000000",
	 "84ce0004 00000101 00000000 00000002 01000000"},
	{"a whole picture of nobody", "84ce0004 00000001 00000000 00000002 01000000", ""},
	{"REMB", "8fce0005 00000001 00000000 52454d42 01020304 00000202",
	 "8fce0005 00000101 00000000 52454d42 01020304 00000002"},
	{"an extended report of VoIP",
	 "80cf000a 00000001 07000008 00000202 11111111 22222222 33333333 44444444 55555555 "
	 "66666666 77777777",
	 "80cf000a 00000101 07000008 00000002 11111111 22222222 33333333 44444444 55555555 "
	 "66666666 77777777"},
	{"a range of losses", "80cf0005 00000001 01000003 00000202 044a044c c0000000",
	 "80cf0005 00000101 01000003 00000002 00620064 c0000000"},
	{"blocks that count in ways of their own are left out",
	 "80cf0004 00000001 0d000000 04000001 00000001", "80cf0003 00000101 04000001 00000001"},
	{"nothing left of an extended report", "80cf0002 00000001 0d000000", ""},
	{"an old picture request", "80c00001 00000202", "80c00001 00000002"},
	{"an old NACK", "80c10002 00000202 044a0001", "80c10002 00000002 00620001"},
	{"a compound stays whole",
	 "80c90001 00000001 81ca0006 00000001 01104142 43444546 4748494a 4b4c4d4e 4f500000 "
	 "81ce0002 00000001 00000202",
	 "80c90001 00000101 81ca0006 00000101 01104142 43444546 4748494a 4b4c4d4e 4f500000 "
	 "81ce0002 00000101 00000002"},
};

static void run(const char *in, const char *want, struct continuity own, struct continuity heard,
		struct continuity_past past[2])
{
	uint8_t bytes[256], expected[256];
	size_t len = media_hex(in, bytes, sizeof(bytes));
	const size_t n = media_hex(want, expected, sizeof(expected));
	const struct rtcp_map m = {&own, &heard, &past[0], &past[1]};
	EXPECT_ERR(rtcp_check(bytes, len), OK);
	rtcp_map(bytes, &len, &m);
	EXPECT_INT(len, n);
	EXPECT_BYTES(bytes, expected, n);
}

static void rtcp_speaks_of_the_numbers_that_its_receiver_knows(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	{
		struct continuity_past past[2] = {
			{.first = 1}, {.first = 50, .lost_base = 3, .sr_mid = {0x22223333}}};
		run(row->in, row->want, own_flows, heard_flows, past);
	}
}

static void a_sender_report_that_crossed_makes_round_trips_known(void **state)
{
	(void)state;
	struct continuity_past past[2] = {{.first = 1}, {.first = 50}};
	run("80c80006 00000001 " SENDER "00000005 00000006 00000007",
	    "80c80006 00000101 " SENDER "00001005 00000007 00000460", own_flows, heard_flows, past);
	EXPECT_INT(past[0].sr_mid[0], 0x22223333);
}

static void before_anything_flows_there_is_nobody_to_report_about(void **state)
{
	(void)state;
	struct continuity_past past[2] = {{.first = 1}, {.first = 0}};
	struct continuity own = own_flows, heard = heard_flows;
	own.state = heard.state = CONTINUITY_FRESH;
	run("81c8000c 00000001 " SENDER "00000005 00000006 00000007" ABOUT(
		    "00000202", "000005", "0000044b", "22223333", "00010000"),
	    "80c90001 00000101", own, heard, past);
	/* What is lost until then is not the next source's. */
	EXPECT_INT(past[1].lost_base, 5);
}

static void what_is_not_renumbered_is_not_touched(void **state)
{
	(void)state;
	struct continuity_past past[2] = {{.first = 1}, {.first = 0}};
	struct continuity off = {.state = CONTINUITY_OFF};
	run(rows[4].in, rows[4].in, off, off, past);
	/* One direction alone. */
	run(rows[4].in,
	    "81c90007 00000101 " ABOUT("00000202", "000005", "0000044b", "22223333", "00010000"),
	    own_flows, off, past);
}

/* Whatever rtcp_check lets through: nothing is read or written outside, and it never grows. */
static void random_compounds_stay_within_their_bounds(void **state)
{
	(void)state;
	static const uint8_t types[] = {192, 193, 200, 201, 202, 203, 205, 206, 207};
	uint64_t random = 5;
	unsigned good = 0;
	for (unsigned i = 0; i < 60000; i++) {
		const size_t words = 2 + media_random(&random) % 14, n = words * 4;
		uint8_t *p = test_malloc(n);
		media_random_bytes(&random, p, n);
		p[0] = (uint8_t)(0x80 | media_random(&random) % 16);
		p[1] = types[media_random(&random) % ARRAY_LEN(types)];
		p[2] = 0;
		p[3] = (uint8_t)(words - 1);
		if (n > 12 && media_random(&random) % 2)
			memcpy(p + 8, "\0\0\2\2", 4);
		struct continuity_past past[2] = {{.first = 1}, {.first = 50}};
		struct continuity own = own_flows, heard = heard_flows;
		const struct rtcp_map m = {&own, &heard, &past[0], &past[1]};
		size_t len = n;
		/* Descriptions come from rtcp_hide, which writes them itself. */
		if (rtcp_check(p, n) == OK && p[1] != RTCP_SDES) {
			rtcp_map(p, &len, &m);
			EXPECT_TRUE(len <= n && (len == 0 || rtcp_check(p, len) == OK));
			good++;
		}
		test_free(p);
	}
	EXPECT_TRUE(good > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rtcp_speaks_of_the_numbers_that_its_receiver_knows),
		cmocka_unit_test(a_sender_report_that_crossed_makes_round_trips_known),
		cmocka_unit_test(before_anything_flows_there_is_nobody_to_report_about),
		cmocka_unit_test(what_is_not_renumbered_is_not_touched),
		cmocka_unit_test(random_compounds_stay_within_their_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
