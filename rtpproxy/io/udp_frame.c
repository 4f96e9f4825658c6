#include "rtpproxy/io/udp_frame.h"

#include <string.h>

#include "common/check.h"

enum { TTL = 64, UDP = 17 };

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* One's complement sum in the machine's own order, eight octets at a time (RFC 1071 §2). */
static uint64_t add(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t w;
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		sum += w;
		sum += sum < w;
	}
	if (len > 0) {
		w = 0;
		memcpy(&w, p, len);
		sum += w;
		sum += sum < w;
	}
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	const uint16_t n = (uint16_t)~sum;
	return n == 0 ? 0xffff : n; /* 0 would say: none */
}

static void write_udp(uint8_t *udp, const struct addr *from, const struct addr *to,
		      const uint8_t *data, size_t len, size_t ip_len)
{
	uint8_t pseudo[4] = {0, UDP};
	put16(udp, from->port);
	put16(udp + 2, to->port);
	put16(udp + 4, (unsigned)len + 8);
	put16(udp + 6, 0);
	memcpy(pseudo + 2, udp + 4, 2);
	uint64_t sum = add(0, from->ip, ip_len);
	sum = add(sum, to->ip, ip_len);
	sum = add(sum, pseudo, sizeof(pseudo));
	sum = add(sum, udp, 8);
	const uint16_t check = fold(add(sum, data, len));
	memcpy(udp + 6, &check, 2);
}

size_t udp_frame_write(uint8_t out[UDP_FRAME_MAX], const struct addr *from, const struct addr *to,
		       uint8_t tos, const uint8_t *data, size_t len)
{
	CHECK(from->family == to->family && len < 65000);
	if (from->family == ADDR_IP6) {
		memset(out, 0, UDP_FRAME_IP6);
		out[0] = (uint8_t)(0x60 | tos >> 4);
		out[1] = (uint8_t)(tos << 4);
		put16(out + 4, (unsigned)len + 8);
		out[6] = UDP;
		out[7] = TTL;
		memcpy(out + 8, from->ip, 16);
		memcpy(out + 24, to->ip, 16);
		write_udp(out + 40, from, to, data, len, 16);
		return UDP_FRAME_IP6;
	}
	memset(out, 0, UDP_FRAME_IP4);
	out[0] = 0x45;
	out[1] = tos;
	put16(out + 2, (unsigned)len + UDP_FRAME_IP4);
	out[6] = 0x40; /* do not fragment */
	out[8] = TTL;
	out[9] = UDP;
	memcpy(out + 12, from->ip, 4);
	memcpy(out + 16, to->ip, 4);
	write_udp(out + 20, from, to, data, len, 4);
	return UDP_FRAME_IP4;
}
