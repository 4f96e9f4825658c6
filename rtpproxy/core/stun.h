/*
 * STUN (RFC 8489), as far as ICE needs it: one message ↔ struct stun, MESSAGE-INTEGRITY (HMAC-SHA1,
 * short-term) and FINGERPRINT. Lengths are strict: a message is the whole datagram. Not here: what an
 * answer is (ice), classic STUN without the cookie, TURN.
 */
#ifndef SALLYPORT_STUN_H
#define SALLYPORT_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

enum {
	STUN_HEADER_LEN = 20,
	STUN_ID_LEN = 12,
	STUN_COOKIE = 0x2112A442,
	STUN_BINDING = 1,
	STUN_LEN_MAX = 1280, /* a check that ICE sends has about 100 octets */
	STUN_ATTRS_MAX = 32,
	STUN_UNKNOWN_MAX = 4
};

enum stun_class { STUN_REQUEST, STUN_INDICATION, STUN_SUCCESS, STUN_ERROR, STUN_CLASS_COUNT };

enum stun_attr {
	STUN_MAPPED_ADDRESS = 0x0001,
	STUN_USERNAME = 0x0006,
	STUN_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_UNKNOWN_ATTRIBUTES = 0x000A,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_INTEGRITY_SHA256 = 0x001C,
	STUN_PASSWORD_ALGORITHM = 0x001D,
	STUN_USERHASH = 0x001E,
	STUN_XOR_MAPPED = 0x0020,
	STUN_PRIORITY = 0x0024,
	STUN_USE_CANDIDATE = 0x0025,
	STUN_FINGERPRINT = 0x8028,
	STUN_CONTROLLED = 0x8029,
	STUN_CONTROLLING = 0x802A
};

/* Bits of stun.has. */
enum {
	STUN_HAS_PRIORITY = 1 << 0,
	STUN_HAS_USE_CANDIDATE = 1 << 1,
	STUN_HAS_CONTROLLING = 1 << 2,
	STUN_HAS_CONTROLLED = 1 << 3,
	STUN_HAS_MAPPED = 1 << 4,
	STUN_HAS_ERROR = 1 << 5,
	STUN_HAS_INTEGRITY = 1 << 6,
	STUN_HAS_FINGERPRINT = 1 << 7
};

/* Points into the datagram. */
struct stun {
	const uint8_t *p;
	size_t len;
	uint8_t class; /* enum stun_class */
	uint16_t method;
	unsigned has;
	struct str username; /* p NULL: none */
	uint32_t priority;
	uint64_t tie_breaker;
	struct addr mapped; /* XOR-MAPPED-ADDRESS */
	uint16_t error;
	size_t integrity_at; /* of the attribute's header */
	/* Types below 0x8000 that are not known: a request with them is answered by 420. */
	uint16_t unknown[STUN_UNKNOWN_MAX];
	uint8_t unknown_count;
};

/*
 * The whole of p[0…n). A FINGERPRINT that is there must be right and last; the first of repeated
 * attributes counts, and nothing behind MESSAGE-INTEGRITY but the fingerprint. ERR_BAD, ERR_LIMIT.
 */
enum err stun_decode(const uint8_t *p, size_t n, struct stun *out) MUST_USE;
/* Is the message signed with this key? In constant time; false also without MESSAGE-INTEGRITY. */
bool stun_check_integrity(const struct stun *s, const void *key, size_t key_len);

/* Writes one message; what does not fit sets `overflow` and nothing more is written. */
struct stun_writer {
	uint8_t *p;
	size_t len, cap;
	bool overflow;
};

/* `id` has STUN_ID_LEN bytes and may lie in `mem`, where the message is to be. */
void stun_start(struct stun_writer *w, void *mem, size_t cap, enum stun_class class,
		uint16_t method, const uint8_t *id);
void stun_add(struct stun_writer *w, enum stun_attr type, const void *value, size_t n);
void stun_add_u32(struct stun_writer *w, enum stun_attr type, uint32_t v);
void stun_add_u64(struct stun_writer *w, enum stun_attr type, uint64_t v);
/* XOR-MAPPED-ADDRESS; `a` is IPv4 or IPv6. */
void stun_add_mapped(struct stun_writer *w, const struct addr *a);
/* ERROR-CODE without a reason phrase: 300 to 699. */
void stun_add_error(struct stun_writer *w, unsigned code);
void stun_add_unknown(struct stun_writer *w, const uint16_t *types, size_t n);
/* MESSAGE-INTEGRITY (key NULL: none) and FINGERPRINT. Returns the length, 0 after an overflow. */
size_t stun_end(struct stun_writer *w, const void *key, size_t key_len);

#endif
