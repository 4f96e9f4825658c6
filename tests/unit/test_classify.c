#include "rtpproxy/core/classify.h"

#include "tests/support/check.h"

/* RFC 7983 §7, figure 3, at both ends of each range; RFC 5761 §4 for the second byte. */
static const struct {
	const char *name;
	uint8_t bytes[2];
	size_t len;
	enum pkt_kind want;
} rows[] = {
	{"nothing at all is noise", {0}, 0, PKT_NOISE},
	{"0 is STUN", {0}, 2, PKT_STUN},
	{"3 is STUN", {3}, 2, PKT_STUN},
	{"4 is nobody's", {4}, 2, PKT_NOISE},
	{"15 is nobody's", {15}, 2, PKT_NOISE},
	{"16 is ZRTP", {16}, 2, PKT_ZRTP},
	{"19 is ZRTP", {19}, 2, PKT_ZRTP},
	{"20 is DTLS", {20}, 2, PKT_DTLS},
	{"63 is DTLS", {63}, 2, PKT_DTLS},
	{"64 is TURN", {64}, 2, PKT_TURN},
	{"79 is TURN", {79}, 2, PKT_TURN},
	{"80 is nobody's", {80}, 2, PKT_NOISE},
	{"127 is nobody's", {127}, 2, PKT_NOISE},
	{"128 is RTP", {128, 0}, 2, PKT_RTP},
	{"191 is RTP", {191, 0}, 2, PKT_RTP},
	{"192 is nobody's", {192, 0}, 2, PKT_NOISE},
	{"255 is nobody's", {255, 0}, 2, PKT_NOISE},
	{"one byte of RTP is noise", {128}, 1, PKT_NOISE},
	{"payload type 127 is RTP", {128, 127}, 2, PKT_RTP},
	{"payload type 63 with marker is RTP", {128, 191}, 2, PKT_RTP},
	{"type 192 is RTCP", {128, 192}, 2, PKT_RTCP},
	{"a sender report is RTCP", {128, 200}, 2, PKT_RTCP},
	{"type 223 is RTCP", {128, 223}, 2, PKT_RTCP},
	{"payload type 96 with marker is RTP", {128, 224}, 2, PKT_RTP},
	{"payload type 127 with marker is RTP", {128, 255}, 2, PKT_RTP},
};

static void test_first_bytes(void **state)
{
	(void)state;
	CHECK_TABLE(row, rows)
	EXPECT_INT(classify(row->bytes, row->len), row->want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_first_bytes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
