#include "rtpproxy/io/udp_frame.h"

#include <string.h>

#include "tests/support/check.h"
#include "tests/support/media.h"

/* RFC 1071 as it is written: sixteen bits at a time. */
static uint16_t sum(const uint8_t *p, size_t n, uint32_t s)
{
	for (size_t i = 0; i < n; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)((s & 0xffff) + (s >> 16));
}

/* 0xffff: right. */
static uint16_t check_of(const uint8_t *frame, size_t head, const uint8_t *data, size_t len)
{
	uint8_t all[4096] = {0};
	const size_t ip_len = head == UDP_FRAME_IP6 ? 16 : 4;
	memcpy(all, frame + (head == UDP_FRAME_IP6 ? 8 : 12), 2 * ip_len);
	all[2 * ip_len + 1] = 17;
	memcpy(all + 2 * ip_len + 2, frame + head - 8 + 4, 2);
	memcpy(all + 2 * ip_len + 4, frame + head - 8, 8);
	memcpy(all + 2 * ip_len + 12, data, len);
	return sum(all, 2 * ip_len + 12 + len, 0);
}

static void headers(void **state)
{
	(void)state;
	static const struct {
		const char *name, *from, *to;
		uint8_t tos;
		const char *want; /* without the UDP checksum */
	} rows[] = {
		{"IPv4", "192.0.2.1", "198.51.100.2", 0xb8,
		 "45 b8 00c0 0000 4000 40 11 0000 c0000201 c6336402 7530 1388 00ac"},
		{"IPv6", "2001:db8::1", "2001:db8::2", 0xb8,
		 "6b800000 00ac 11 40 20010db8000000000000000000000001 "
		 "20010db8000000000000000000000002 7530 1388 00ac"},
	};
	uint8_t data[164], want[64], out[UDP_FRAME_MAX];
	uint64_t seed = 1;
	media_random_bytes(&seed, data, sizeof(data));
	CHECK_TABLE(r, rows)
	{
		struct addr from, to;
		EXPECT_ERR(addr_parse_ip(str_from(r->from), &from), OK);
		EXPECT_ERR(addr_parse_ip(str_from(r->to), &to), OK);
		from.port = 30000;
		to.port = 5000;
		const size_t n = media_hex(r->want, want, sizeof(want));
		const size_t head = udp_frame_write(out, &from, &to, r->tos, data, sizeof(data));
		EXPECT_INT(head, n + 2);
		EXPECT_BYTES(out, want, n);
		EXPECT_INT(check_of(out, head, data, sizeof(data)), 0xffff);
	}
}

static void checksums_of_every_length(void **state)
{
	(void)state;
	uint8_t data[2048], out[UDP_FRAME_MAX];
	uint64_t seed = 2;
	media_random_bytes(&seed, data, sizeof(data));
	for (size_t len = 0; len <= sizeof(data); len += len < 300 ? 1 : 97) {
		for (int six = 0; six < 2; six++) {
			struct addr from = {.family = six ? ADDR_IP6 : ADDR_IP4, .port = 40000},
				    to = from;
			memset(from.ip, 0xfe, six ? 16 : 4);
			memset(to.ip, 0xff, six ? 16 : 4);
			const size_t head = udp_frame_write(out, &from, &to, 0, data, len);
			assert_int_equal(check_of(out, head, data, len), 0xffff);
		}
	}
}

static void a_sum_of_zero_is_not_said_as_none(void **state)
{
	(void)state;
	uint8_t data[2] = {0}, out[UDP_FRAME_MAX];
	const struct addr a = {.family = ADDR_IP4, .port = 1};
	/* Addresses 0, 17 + 10 + 10 + 1 + 1: data that makes the sum 0xffff, whose complement is 0. */
	const unsigned rest = 0xffff - (17 + 10 + 10 + 1 + 1);
	data[0] = (uint8_t)(rest >> 8);
	data[1] = (uint8_t)rest;
	const size_t head = udp_frame_write(out, &a, &a, 0, data, 2);
	EXPECT_INT(out[head - 2] << 8 | out[head - 1], 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(checksums_of_every_length),
		cmocka_unit_test(a_sum_of_zero_is_not_said_as_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
