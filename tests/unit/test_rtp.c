#include "rtpproxy/core/rtp.h"

#include "tests/support/check.h"
#include "tests/support/guard.h"
#include "tests/support/media.h"

/* Inputs are hex; a row that is refused has header_len 0. */
static const struct {
	const char *name;
	const char *hex;
	enum err want;
	uint16_t header_len, extension;
	uint8_t csrcs;
	enum err payload; /* of rtp_payload_len */
	size_t payload_len;
} rows[] = {
	{"a bare header has no payload", "80000001 00000002 00000003", OK, 12, 0, 0, OK, 0},
	{"eleven bytes are too few", "80000001 00000002 000000", ERR_BAD, 0, 0, 0, OK, 0},
	{"nothing is too few", "", ERR_BAD, 0, 0, 0, OK, 0},
	{"version 1 is refused", "40000001 00000002 00000003", ERR_BAD, 0, 0, 0, OK, 0},
	{"version 3 is refused", "c0000001 00000002 00000003", ERR_BAD, 0, 0, 0, OK, 0},
	{"two CSRCs belong to the header", "82000001 00000002 00000003 0000000a 0000000b ff", OK,
	 20, 0, 2, OK, 1},
	{"a CSRC that is cut is refused", "82000001 00000002 00000003 0000000a 000000", ERR_BAD, 0,
	 0, 0, OK, 0},
	{"fifteen CSRCs in an empty packet are a lie", "8f000001 00000002 00000003", ERR_BAD, 0, 0,
	 0, OK, 0},
	{"an extension belongs to the header", "90000001 00000002 00000003 bede0001 11223344 ff",
	 OK, 20, 12, 0, OK, 1},
	{"an extension of no words is four bytes", "90000001 00000002 00000003 bede0000 ff", OK, 16,
	 12, 0, OK, 1},
	{"an extension stands behind the CSRCs", "91000001 00000002 00000003 0000000a bede0000", OK,
	 20, 16, 1, OK, 0},
	{"an extension one word longer than the packet is refused",
	 "90000001 00000002 00000003 bede0002 11223344", ERR_BAD, 0, 0, 0, OK, 0},
	{"an extension of 65535 words is a lie", "90000001 00000002 00000003 bedeffff 11223344",
	 ERR_BAD, 0, 0, 0, OK, 0},
	{"the extension's own header may be missing", "90000001 00000002 00000003 be", ERR_BAD, 0,
	 0, 0, OK, 0},
	{"padding is not payload", "a0000001 00000002 00000003 ffff0002", OK, 12, 0, 0, OK, 2},
	{"a packet of padding alone is allowed", "a0000001 00000002 00000003 00000004", OK, 12, 0,
	 0, OK, 0},
	{"padding larger than the payload is a lie", "a0000001 00000002 00000003 ffffff05", OK, 12,
	 0, 0, ERR_BAD, 0},
	{"padding of zero bytes is a lie", "a0000001 00000002 00000003 ffffff00", OK, 12, 0, 0,
	 ERR_BAD, 0},
	{"padding without a byte to count it is a lie", "a0000001 00000002 00000003", OK, 12, 0, 0,
	 ERR_BAD, 0},
};

static void test_header(void **state)
{
	(void)state;
	struct guard guard;
	guard_init(&guard, 128);
	CHECK_TABLE(row, rows)
	{
		uint8_t bytes[128];
		const size_t len = media_hex(row->hex, bytes, sizeof(bytes));
		const struct str in = guard_put(&guard, (struct str){(const char *)bytes, len});
		const uint8_t *p = (const uint8_t *)in.p;
		struct rtp h = {.seq = 7777};
		EXPECT_ERR(rtp_decode(p, len, &h), row->want);
		if (row->want != OK) {
			EXPECT_INT(h.seq, 7777);
			continue;
		}
		EXPECT_INT(h.header_len, row->header_len);
		EXPECT_INT(h.extension, row->extension);
		EXPECT_INT(h.csrc_count, row->csrcs);
		size_t payload_len = 0;
		EXPECT_ERR(rtp_payload_len(&h, p, len, &payload_len), row->payload);
		EXPECT_INT(payload_len, row->payload_len);
	}
	guard_release(&guard);
}

static void test_fields(void **state)
{
	(void)state;
	uint8_t bytes[64];
	struct rtp h;
	const size_t len = media_hex("80e51234 89abcdef deadbeef 00", bytes, sizeof(bytes));
	EXPECT_ERR(rtp_decode(bytes, len, &h), OK);
	EXPECT_TRUE(h.marker);
	EXPECT_INT(h.payload_type, 101);
	EXPECT_INT(h.seq, 0x1234);
	EXPECT_INT(h.timestamp, 0x89abcdef);
	EXPECT_INT(h.ssrc, 0xdeadbeef);
}

static const struct {
	const char *name;
	uint16_t a, b;
	int want;
} distances[] = {
	{"the next one is 1 away", 5, 6, 1},
	{"the same one is 0 away", 5, 5, 0},
	{"the one before is -1 away", 5, 4, -1},
	{"0 follows 65535", 65535, 0, 1},
	{"65535 comes before 0", 0, 65535, -1},
	{"half the circle is behind", 0, 32768, -32768},
	{"just less than half is ahead", 0, 32767, 32767},
};

static void test_distance(void **state)
{
	(void)state;
	CHECK_TABLE(row, distances)
	EXPECT_INT(rtp_seq_distance(row->a, row->b), row->want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_distance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
