/*
 * One a=crypto line (RFC 4568, 6188, 7714) ↔ struct sdes: lengths checked, the key in a secret. One
 * key a line; what would weaken SRTP (UNENCRYPTED_…, UNAUTHENTICATED_…) is not supported.
 */
#ifndef SALLYPORT_SDES_H
#define SALLYPORT_SDES_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "secret.h"
#include "str.h"

/* X(name as in SDP, key, salt, tag of RTP, tag of RTCP: bytes). In order of preference. */
#define SDES_SUITE_TABLE(X)                                                                        \
	X(AEAD_AES_256_GCM, 32, 12, 16, 16)                                                        \
	X(AEAD_AES_128_GCM, 16, 12, 16, 16)                                                        \
	X(AES_256_CM_HMAC_SHA1_80, 32, 14, 10, 10)                                                 \
	X(AES_256_CM_HMAC_SHA1_32, 32, 14, 4, 10)                                                  \
	X(AES_CM_128_HMAC_SHA1_80, 16, 14, 10, 10)                                                 \
	X(AES_CM_128_HMAC_SHA1_32, 16, 14, 4, 10)

enum sdes_suite {
#define X(name, key, salt, rtp_tag, rtcp_tag) SDES_##name,
	SDES_SUITE_TABLE(X)
#undef X
		SDES_SUITE_COUNT
};

enum { SDES_LINE_MAX = 256 }; /* the longest line that sdes_write makes */

struct sdes_suite_info {
	const char *name;
	uint8_t key_len, salt_len, rtp_tag_len, rtcp_tag_len;
};

struct sdes {
	uint32_t tag; /* 0 … 999999999 */
	enum sdes_suite suite;
	struct secret key; /* master key, then master salt */
	uint64_t lifetime; /* packets; 0: not given */
	uint64_t mki;
	uint8_t mki_len; /* bytes in each packet; 0: no MKI */
};

const struct sdes_suite_info *sdes_suite_info(enum sdes_suite s);
/* The tag is part of the ciphertext (RFC 7714). */
bool sdes_suite_is_aead(const struct sdes_suite_info *info);
/* By name, letters compared without case. ERR_NOTFOUND. */
enum err sdes_suite_find(struct str name, enum sdes_suite *out) MUST_USE;

/*
 * `value` is what stands behind "a=crypto:". ERR_BAD: malformed or a key of the wrong length;
 * ERR_UNSUPPORTED: a suite, key method, session parameter or number of keys that we do not do: the
 * line counts as not offered. *out untouched on failure; else the caller releases it.
 */
enum err sdes_parse(struct str value, struct sdes *out) MUST_USE;
/* The value, without "a=crypto:"; base64 with padding as RFC 4568 wants. */
void sdes_write(struct buf *b, const struct sdes *s);
/* The same without '=' at the end of the key: what some phones insist on. */
void sdes_write_unpadded(struct buf *b, const struct sdes *s);
/* Wipes the key. */
void sdes_release(struct sdes *s);

#endif
