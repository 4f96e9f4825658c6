#include "media.h"

#include <string.h>

#include "common/check.h"

static uint8_t *put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v & 0xffff);
}

size_t media_rtp_write(const struct media_rtp *f, uint8_t *out)
{
	uint8_t *p = out;
	*p++ = (uint8_t)(0x80 | (f->padding ? 0x20 : 0) | (f->extension_words ? 0x10 : 0) |
			 f->csrcs);
	*p++ = f->payload_type;
	p = put16(p, f->seq);
	p = put32(p, f->timestamp);
	p = put32(p, f->ssrc);
	for (uint32_t i = 0; i < f->csrcs; i++)
		p = put32(p, 0xc0ffee00 + i);
	if (f->extension_words) {
		p = put16(p, 0xbede);
		p = put16(p, f->extension_words);
		memset(p, 0x10, (size_t)4 * f->extension_words);
		p += (size_t)4 * f->extension_words;
	}
	memset(p, f->fill, f->payload);
	p += f->payload;
	if (f->padding) {
		memset(p, 0, f->padding);
		p += f->padding;
		p[-1] = f->padding;
	}
	return (size_t)(p - out);
}

size_t media_rtcp_write(uint32_t ssrc, uint32_t ntp_mid, uint32_t about, uint32_t lsr,
			uint32_t dlsr, uint8_t *out)
{
	uint8_t *p = out;
	const uint32_t words = 1 + (ntp_mid ? 5U : 0U) + (about ? 6U : 0U);
	*p++ = (uint8_t)(0x80 | (about ? 1 : 0));
	*p++ = ntp_mid ? 200 : 201;
	p = put16(p, words);
	p = put32(p, ssrc);
	if (ntp_mid) {
		p = put32(p, ntp_mid >> 16);
		p = put32(p, ntp_mid << 16);
		p = put32(p, 160);
		p = put32(p, 10);
		p = put32(p, 1600);
	}
	if (about) {
		p = put32(p, about);
		p = put32(p, 0x40000002);
		p = put32(p, 1000);
		p = put32(p, 80);
		p = put32(p, lsr);
		p = put32(p, dlsr);
	}
	return (size_t)(p - out);
}

void media_pkt_set(struct media_pkt *m, enum pkt_kind kind, size_t len)
{
	m->pkt.data = m->bytes;
	m->pkt.cap = sizeof(m->bytes);
	m->pkt.len = (uint32_t)len;
	m->pkt.kind = (uint8_t)kind;
}

struct addr media_addr(uint8_t host, uint16_t port)
{
	return (struct addr){.ip = {192, 0, 2, host}, .port = port, .family = ADDR_IP4};
}

uint64_t media_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void media_random_bytes(uint64_t *state, void *out, size_t n)
{
	uint8_t *p = out;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)media_random(state);
}

struct secret media_key(uint64_t *state, size_t n)
{
	struct secret key;
	uint8_t bytes[SECRET_MAX];
	media_random_bytes(state, bytes, n);
	CHECK(secret_init(&key, bytes, n) == OK);
	return key;
}

size_t media_hex(const char *text, uint8_t *out, size_t cap)
{
	size_t digits = 0;
	for (; *text; text++) {
		if (*text == ' ')
			continue;
		const int c = *text;
		const int v = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
		CHECK(digits / 2 < cap);
		if (digits % 2 == 0)
			out[digits / 2] = (uint8_t)(v << 4);
		else
			out[digits / 2] |= (uint8_t)v;
		digits++;
	}
	return digits / 2;
}
