#include "rtpproxy/core/stun.h"

#include <string.h>

#include "common/crypto.h"
#include "common/rd.h"
#include "common/secret.h"

enum {
	ATTR_HEADER = 4,
	INTEGRITY_LEN = CRYPTO_SHA1_LEN,
	FINGERPRINT_LEN = 4,
	FINGERPRINT_XOR = 0x5354554e,
	OPTIONAL = 0x8000 /* types from here on may be ignored */
};

/* CRC-32 of ISO 3309, four bits a step: messages are short and the table is too. */
static uint32_t crc32(const uint8_t *p, size_t n)
{
	static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
					   0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
					   0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
					   0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
	uint32_t crc = UINT32_MAX;
	for (size_t i = 0; i < n; i++) {
		crc = table[(crc ^ p[i]) & 15] ^ crc >> 4;
		crc = table[(crc ^ p[i] >> 4) & 15] ^ crc >> 4;
	}
	return ~crc;
}

static void put_u16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, v >> 16);
	put_u16(p + 2, v & UINT16_MAX);
}

static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* Over the first `before` bytes, with the header's length as if MESSAGE-INTEGRITY ended the message. */
static void sign(const uint8_t *p, size_t before, const void *key, size_t key_len,
		 uint8_t out[INTEGRITY_LEN])
{
	uint8_t head[4] = {p[0], p[1], 0, 0};
	put_u16(head + 2,
		(unsigned)(before + ATTR_HEADER + INTEGRITY_LEN - STUN_HEADER_LEN) & UINT16_MAX);
	const struct str pieces[2] = {{(const char *)head, sizeof(head)},
				      {(const char *)p + sizeof(head), before - sizeof(head)}};
	crypto_hmac_sha1(key, key_len, pieces, 2, out);
}

/* ---- reading */

/* The address of XOR-MAPPED-ADDRESS is XORed with the cookie and the transaction id behind it. */
static enum err decode_mapped(const struct stun *s, struct rd *r, size_t n, struct addr *out)
{
	struct addr a = {0};
	rd_u8(r);
	uint8_t family = rd_u8(r);
	const size_t ip_len = family == 1 ? 4 : 16;
	a.family = family == 1 ? ADDR_IP4 : ADDR_IP6;
	a.port = rd_u16(r) ^ (uint16_t)(STUN_COOKIE >> 16);
	const uint8_t *ip = rd_bytes(r, ip_len);
	if (r->bad || (family != 1 && family != 2) || n != ATTR_HEADER + ip_len)
		return ERR_BAD;
	for (size_t i = 0; i < ip_len; i++)
		a.ip[i] = ip[i] ^ s->p[4 + i];
	*out = a;
	return OK;
}

static enum err decode_error(struct rd *r, size_t n, uint16_t *out)
{
	if (n < 4)
		return ERR_BAD;
	rd_u16(r);
	const unsigned hundreds = rd_u8(r) & 7, rest = rd_u8(r);
	if (hundreds < 3 || hundreds > 6 || rest > 99)
		return ERR_BAD;
	*out = (uint16_t)(hundreds * 100 + rest);
	return OK;
}

/* True while the attribute is the first of its kind. */
static bool first(struct stun *s, unsigned bit)
{
	const bool yes = !(s->has & bit);
	s->has |= bit;
	return yes;
}

/* The numbers that ICE puts into a check. ERR_NOTFOUND: none of them. */
static enum err decode_number(struct stun *s, unsigned type, struct rd *r, size_t n)
{
	switch (type) {
	case STUN_PRIORITY:
		if (n != 4)
			return ERR_BAD;
		if (first(s, STUN_HAS_PRIORITY))
			s->priority = rd_u32(r);
		return OK;
	case STUN_USE_CANDIDATE: first(s, STUN_HAS_USE_CANDIDATE); return n == 0 ? OK : ERR_BAD;
	case STUN_CONTROLLED:
	case STUN_CONTROLLING:
		if (n != 8)
			return ERR_BAD;
		if (first(s, type == STUN_CONTROLLED ? STUN_HAS_CONTROLLED : STUN_HAS_CONTROLLING))
			s->tie_breaker = rd_u64(r);
		return OK;
	default: return ERR_NOTFOUND;
	}
}

static enum err decode_attr(struct stun *s, unsigned type, const uint8_t *value, size_t n)
{
	struct rd r = rd_init(value, n);
	const enum err e = decode_number(s, type, &r, n);
	if (e != ERR_NOTFOUND)
		return e;
	switch (type) {
	case STUN_USERNAME:
		if (!s->username.p)
			s->username = (struct str){(const char *)value, n};
		return OK;
	case STUN_XOR_MAPPED:
		return first(s, STUN_HAS_MAPPED) ? decode_mapped(s, &r, n, &s->mapped) : OK;
	case STUN_ERROR_CODE: return first(s, STUN_HAS_ERROR) ? decode_error(&r, n, &s->error) : OK;
	/* Known, and of no use here. */
	case STUN_MAPPED_ADDRESS:
	case STUN_UNKNOWN_ATTRIBUTES:
	case STUN_REALM:
	case STUN_NONCE:
	case STUN_INTEGRITY_SHA256:
	case STUN_PASSWORD_ALGORITHM:
	case STUN_USERHASH: return OK;
	default: break;
	}
	if (type < OPTIONAL && s->unknown_count < STUN_UNKNOWN_MAX)
		s->unknown[s->unknown_count++] = (uint16_t)type;
	return OK;
}

static enum err decode_fingerprint(struct stun *s, const struct rd *rest, const uint8_t *value,
				   size_t n)
{
	if (n != FINGERPRINT_LEN || rest->left != 0)
		return ERR_BAD;
	struct rd r = rd_init(value, n);
	if ((crc32(s->p, (size_t)(value - s->p) - ATTR_HEADER) ^ FINGERPRINT_XOR) != rd_u32(&r))
		return ERR_BAD;
	s->has |= STUN_HAS_FINGERPRINT;
	return OK;
}

static enum err decode_attrs(struct stun *s, struct rd r)
{
	for (unsigned i = 0; r.left > 0; i++) {
		const size_t at = s->len - r.left;
		const unsigned type = rd_u16(&r);
		const size_t n = rd_u16(&r);
		const uint8_t *value = rd_bytes(&r, padded(n));
		enum err e = OK;
		if (!value)
			return ERR_BAD;
		if (i == STUN_ATTRS_MAX)
			return ERR_LIMIT;
		if (type == STUN_FINGERPRINT) {
			e = decode_fingerprint(s, &r, value, n);
		} else if (s->has & STUN_HAS_INTEGRITY) {
			continue;
		} else if (type == STUN_INTEGRITY) {
			s->integrity_at = at;
			s->has |= STUN_HAS_INTEGRITY;
			e = n == INTEGRITY_LEN ? OK : ERR_BAD;
		} else {
			e = decode_attr(s, type, value, n);
		}
		if (e != OK)
			return e;
	}
	return OK;
}

enum err stun_decode(const uint8_t *p, size_t n, struct stun *out)
{
	struct stun s = {.p = p, .len = n};
	struct rd r = rd_init(p, n);
	const unsigned type = rd_u16(&r);
	const size_t len = rd_u16(&r);
	const uint32_t cookie = rd_u32(&r);
	if (!rd_bytes(&r, STUN_ID_LEN) || type > 0x3fff || cookie != STUN_COOKIE || len % 4 != 0 ||
	    len != r.left)
		return ERR_BAD;
	if (n > STUN_LEN_MAX)
		return ERR_LIMIT;
	/* RFC 8489 §5: the two bits of the class lie between those of the method. */
	s.class = (uint8_t)((type >> 4 & 1) | (type >> 7 & 2));
	s.method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
	const enum err e = decode_attrs(&s, r);
	if (e == OK)
		*out = s;
	return e;
}

bool stun_check_integrity(const struct stun *s, const void *key, size_t key_len)
{
	uint8_t want[INTEGRITY_LEN];
	if (!(s->has & STUN_HAS_INTEGRITY))
		return false;
	sign(s->p, s->integrity_at, key, key_len, want);
	return secret_eq_bytes(want, s->p + s->integrity_at + ATTR_HEADER, sizeof(want));
}

/* ---- writing */

static uint8_t *reserve(struct stun_writer *w, size_t n)
{
	if (w->overflow || n > w->cap - w->len) {
		w->overflow = true;
		return NULL;
	}
	uint8_t *at = w->p + w->len;
	w->len += n;
	return at;
}

void stun_start(struct stun_writer *w, void *mem, size_t cap, enum stun_class class,
		uint16_t method, const uint8_t *id)
{
	CHECK(class < STUN_CLASS_COUNT && method <= 0xfff);
	*w = (struct stun_writer){.p = mem, .cap = cap};
	uint8_t *p = reserve(w, STUN_HEADER_LEN);
	if (!p)
		return;
	memmove(p + 8, id, STUN_ID_LEN);
	put_u16(p, (method & 0xfu) | (method & 0x70u) << 1 | (method & 0xf80u) << 2 |
			   (class & 1u) << 4 | (class & 2u) << 7);
	put_u16(p + 2, 0);
	put_u32(p + 4, STUN_COOKIE);
}

/* The value's room, its padding zeroed; NULL after an overflow. */
static uint8_t *add(struct stun_writer *w, enum stun_attr type, size_t n)
{
	CHECK(n <= STUN_LEN_MAX);
	uint8_t *p = reserve(w, ATTR_HEADER + padded(n));
	if (!p)
		return NULL;
	put_u16(p, type);
	put_u16(p + 2, (unsigned)n);
	memset(p + ATTR_HEADER, 0, padded(n));
	return p + ATTR_HEADER;
}

void stun_add(struct stun_writer *w, enum stun_attr type, const void *value, size_t n)
{
	uint8_t *p = add(w, type, n);
	if (p && n > 0)
		memcpy(p, value, n);
}

void stun_add_u32(struct stun_writer *w, enum stun_attr type, uint32_t v)
{
	uint8_t *p = add(w, type, 4);
	if (p)
		put_u32(p, v);
}

void stun_add_u64(struct stun_writer *w, enum stun_attr type, uint64_t v)
{
	uint8_t *p = add(w, type, 8);
	if (!p)
		return;
	put_u32(p, (uint32_t)(v >> 32));
	put_u32(p + 4, (uint32_t)v);
}

void stun_add_mapped(struct stun_writer *w, const struct addr *a)
{
	CHECK(a->family == ADDR_IP4 || a->family == ADDR_IP6);
	const size_t ip_len = a->family == ADDR_IP4 ? 4 : 16;
	uint8_t *p = add(w, STUN_XOR_MAPPED, 4 + ip_len);
	if (!p)
		return;
	p[1] = a->family == ADDR_IP4 ? 1 : 2;
	put_u16(p + 2, a->port ^ (STUN_COOKIE >> 16));
	for (size_t i = 0; i < ip_len; i++)
		p[4 + i] = a->ip[i] ^ w->p[4 + i];
}

void stun_add_error(struct stun_writer *w, unsigned code)
{
	CHECK(code >= 300 && code < 700);
	uint8_t *p = add(w, STUN_ERROR_CODE, 4);
	if (!p)
		return;
	p[2] = (uint8_t)(code / 100);
	p[3] = (uint8_t)(code % 100);
}

void stun_add_unknown(struct stun_writer *w, const uint16_t *types, size_t n)
{
	uint8_t *p = add(w, STUN_UNKNOWN_ATTRIBUTES, 2 * n);
	for (size_t i = 0; p && i < n; i++)
		put_u16(p + 2 * i, types[i]);
}

size_t stun_end(struct stun_writer *w, const void *key, size_t key_len)
{
	const size_t before = w->len;
	uint8_t *tag = key ? add(w, STUN_INTEGRITY, INTEGRITY_LEN) : NULL;
	if (tag)
		sign(w->p, before, key, key_len, tag);
	const size_t signed_len = w->len;
	uint8_t *print = add(w, STUN_FINGERPRINT, FINGERPRINT_LEN);
	if (!print)
		return 0;
	put_u16(w->p + 2, (unsigned)(w->len - STUN_HEADER_LEN));
	put_u32(print, crc32(w->p, signed_len) ^ FINGERPRINT_XOR);
	return w->len;
}
