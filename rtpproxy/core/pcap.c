#include "rtpproxy/core/pcap.h"

#include <string.h>

#include "common/check.h"

enum {
	MAGIC_US = 0xa1b2c3d4,
	LINK_RAW = 101,
	RECORD_LEN = 16,
	IP4_LEN = 20,
	IP6_LEN = 40,
	UDP_LEN = 8,
	UDP = 17,
	TTL = 64
};

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Of the machine's byte order, which the magic number tells. */
static void own16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void own32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

void pcap_write_header(uint8_t out[PCAP_HEADER_LEN])
{
	memset(out, 0, PCAP_HEADER_LEN);
	own32(out, MAGIC_US);
	own16(out + 4, 2);
	own16(out + 6, 4);
	own32(out + 16, PCAP_SNAP_LEN);
	own32(out + 20, LINK_RAW);
}

static uint32_t add_words(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return n % 2 ? sum + ((uint32_t)p[n - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t write_ip4(uint8_t *ip, const struct addr *from, const struct addr *to, size_t len)
{
	memset(ip, 0, IP4_LEN);
	ip[0] = 0x45;
	put16(ip + 2, (uint32_t)(IP4_LEN + UDP_LEN + len));
	ip[6] = 0x40; /* not to be fragmented */
	ip[8] = TTL;
	ip[9] = UDP;
	memcpy(ip + 12, from->ip, 4);
	memcpy(ip + 16, to->ip, 4);
	put16(ip + 10, fold(add_words(0, ip, IP4_LEN)));
	return IP4_LEN;
}

static size_t write_ip6(uint8_t *ip, const struct addr *from, const struct addr *to, size_t len)
{
	memset(ip, 0, IP6_LEN);
	ip[0] = 0x60;
	put16(ip + 4, (uint32_t)(UDP_LEN + len));
	ip[6] = UDP;
	ip[7] = TTL;
	memcpy(ip + 8, from->ip, 16);
	memcpy(ip + 24, to->ip, 16);
	return IP6_LEN;
}

static void write_udp(uint8_t *udp, const struct addr *from, const struct addr *to,
		      const uint8_t *p, size_t len)
{
	const size_t ip_len = from->family == ADDR_IP6 ? 16 : 4;
	uint32_t sum = UDP + (uint32_t)(UDP_LEN + len);
	put16(udp, from->port);
	put16(udp + 2, to->port);
	put16(udp + 4, (uint32_t)(UDP_LEN + len));
	put16(udp + 6, 0);
	sum = add_words(sum, from->ip, ip_len);
	sum = add_words(sum, to->ip, ip_len);
	sum = add_words(sum, udp, UDP_LEN);
	const uint16_t check = fold(add_words(sum, p, len));
	put16(udp + 6, check ? check : 0xffff);
}

size_t pcap_write_packet(uint8_t out[PCAP_PACKET_MAX], uint64_t wall_us, const struct addr *from,
			 const struct addr *to, const uint8_t *p, size_t len)
{
	CHECK(from->family == to->family && len <= 60000);
	uint8_t *ip = out + RECORD_LEN;
	const size_t n = from->family == ADDR_IP6 ? write_ip6(ip, from, to, len)
						  : write_ip4(ip, from, to, len);
	write_udp(ip + n, from, to, p, len);
	const uint32_t whole = (uint32_t)(n + UDP_LEN + len);
	own32(out, (uint32_t)(wall_us / 1000000));
	own32(out + 4, (uint32_t)(wall_us % 1000000));
	own32(out + 8, whole);
	own32(out + 12, whole);
	return RECORD_LEN + n + UDP_LEN;
}
