#include "rtpproxy/core/rtcp.h"

#include <string.h>

#include "tests/support/check.h"
#include "tests/support/guard.h"
#include "tests/support/media.h"

#define SR     "80c80006 00000001 11112222 33334444 00000005 00000006 00000007"
#define RR     "80c90001 00000001"
#define BLOCK  "0000000b 40ffffff 00010002 00000050 22223333 00010000"
#define SR_1   "81c8000c 00000001 11112222 33334444 00000005 00000006 00000007" BLOCK
#define SDES_1 "81ca0003 00000001 01026162 00000000"

static const struct {
	const char *name;
	const char *hex;
	enum err want;
	unsigned parts;
} rows[] = {
	{"a receiver report without blocks", RR, OK, 1},
	{"a sender report", SR, OK, 1},
	{"a compound of report, description and goodbye", SR SDES_1 "81cb0001 00000001", OK, 3},
	{"a reduced-size packet of feedback alone", "81cd0002 00000001 00000002", OK, 1},
	{"a goodbye of nobody behind a report", RR "80cb0000", OK, 2},
	{"a goodbye of nobody alone is too short to protect", "80cb0000", ERR_BAD, 0},
	{"nothing", "", ERR_BAD, 0},
	{"seven bytes", "80c90001 000000", ERR_BAD, 0},
	{"a length that is not whole words", RR "80", ERR_BAD, 0},
	{"a part that is longer than the packet", "80c90002 00000001", ERR_BAD, 0},
	{"a second part that is longer than the packet", RR "80ca0009 00000001", ERR_BAD, 0},
	{"version 1", "40c90001 00000001", ERR_BAD, 0},
	{"version 1 in the second part", RR "40ca0001 00000001", ERR_BAD, 0},
	{"a type below 192", "80bf0001 00000001", ERR_BAD, 0},
	{"a type above 223 in the second part", RR "80e00001 00000001", ERR_BAD, 0},
	{"a sender report without sender's information", "80c80001 00000001", ERR_BAD, 0},
	{"a report that says one block and has none", "81c90001 00000001", ERR_BAD, 0},
	{"a sender report that says two blocks and has one",
	 "82c8000c 00000001 11112222 33334444 00000005 "
	 "00000006 00000007" BLOCK,
	 ERR_BAD, 0},
	{"a report with one block", SR_1, OK, 1},
	{"padding at the end", "a0c90002 00000001 00000004", OK, 1},
	{"padding in a part that is not the last", "a0c90002 00000001 00000004" RR, ERR_BAD, 0},
	{"padding that is larger than its part", "a0c90002 00000001 00000010", ERR_BAD, 0},
	{"padding that is no whole words", "a0c90002 00000001 00000003", ERR_BAD, 0},
	{"padding of zero", "a0c90002 00000001 00000000", ERR_BAD, 0},
};

static void test_compound(void **state)
{
	(void)state;
	struct guard guard;
	guard_init(&guard, 512);
	CHECK_TABLE(row, rows)
	{
		uint8_t bytes[512];
		const size_t len = media_hex(row->hex, bytes, sizeof(bytes));
		const struct str in = guard_put(&guard, (struct str){(const char *)bytes, len});
		EXPECT_ERR(rtcp_check((const uint8_t *)in.p, len), row->want);
		if (row->want != OK)
			continue;
		struct rtcp_walk walk;
		struct rtcp_part part;
		struct rtcp_block block;
		unsigned parts = 0;
		rtcp_walk_init(&walk, (const uint8_t *)in.p, len);
		for (; rtcp_walk_next(&walk, &part); parts++)
			for (unsigned i = 0; rtcp_part_block(&part, i, &block); i++)
				EXPECT_TRUE(i < RTCP_BLOCKS_MAX);
		EXPECT_INT(parts, row->parts);
	}
	guard_release(&guard);
}

static void test_every_prefix_is_bad_or_shorter(void **state)
{
	(void)state;
	uint8_t bytes[256];
	const size_t len = media_hex(SR_1 SDES_1, bytes, sizeof(bytes));
	const size_t first = 52;
	for (size_t n = 0; n < len; n++)
		EXPECT_ERR(rtcp_check(bytes, n), n == first ? OK : ERR_BAD);
}

static void test_too_many_parts(void **state)
{
	(void)state;
	uint8_t bytes[8 * (RTCP_PARTS_MAX + 1)];
	for (size_t i = 0; i <= RTCP_PARTS_MAX; i++)
		media_hex(RR, bytes + 8 * i, 8);
	EXPECT_ERR(rtcp_check(bytes, 8 * RTCP_PARTS_MAX), OK);
	EXPECT_ERR(rtcp_check(bytes, sizeof(bytes)), ERR_LIMIT);
}

static void test_fields(void **state)
{
	(void)state;
	uint8_t bytes[64];
	const size_t len = media_hex(SR_1, bytes, sizeof(bytes));
	struct rtcp_walk walk;
	struct rtcp_part part;
	struct rtcp_block block;
	EXPECT_ERR(rtcp_check(bytes, len), OK);
	rtcp_walk_init(&walk, bytes, len);
	EXPECT_TRUE(rtcp_walk_next(&walk, &part));
	EXPECT_INT(part.type, RTCP_SR);
	EXPECT_INT(part.ssrc, 1);
	EXPECT_INT(part.ntp_mid, 0x22223333);
	EXPECT_INT(part.timestamp, 5);
	EXPECT_TRUE(rtcp_part_block(&part, 0, &block));
	EXPECT_INT(block.ssrc, 0xb);
	EXPECT_INT(block.fraction_lost, 0x40);
	EXPECT_INT(block.lost, -1);
	EXPECT_INT(block.highest_seq, 0x10002);
	EXPECT_INT(block.jitter, 0x50);
	EXPECT_INT(block.lsr, 0x22223333);
	EXPECT_INT(block.dlsr, 0x10000);
	EXPECT_TRUE(!rtcp_part_block(&part, 1, &block));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compound),
		cmocka_unit_test(test_every_prefix_is_bad_or_shorter),
		cmocka_unit_test(test_too_many_parts),
		cmocka_unit_test(test_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
