/* Session keys from a master key (RFC 3711 §4.3, RFC 6188 §4): AES-CM as the pseudo-random function, derivation rate 0. */
#ifndef SALLYPORT_SRTP_KDF_H
#define SALLYPORT_SRTP_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"

enum srtp_label {
	SRTP_LABEL_KEY,
	SRTP_LABEL_AUTH,
	SRTP_LABEL_SALT,
	SRTP_LABEL_RTCP_KEY,
	SRTP_LABEL_RTCP_AUTH,
	SRTP_LABEL_RTCP_SALT,
	SRTP_LABEL_COUNT
};

enum { SRTP_KDF_SALT_LEN = 14, SRTP_KDF_MAX = 128 };

struct srtp_kdf {
	const uint8_t *key;
	size_t key_len;                  /* 16 or 32 */
	uint8_t salt[SRTP_KDF_SALT_LEN]; /* a shorter one is filled up with zeros (RFC 7714 §11) */
};

/* n ≤ SRTP_KDF_MAX bytes. ERR_NOMEM, ERR_UNSUPPORTED. */
enum err srtp_kdf(const struct srtp_kdf *k, enum srtp_label label, uint8_t *out, size_t n) MUST_USE;

#endif
