/* Hashes and random-to-text with our own types; the only file of common/ that includes OpenSSL. */
#ifndef SALLYPORT_CRYPTO_H
#define SALLYPORT_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

enum { CRYPTO_SHA1_LEN = 20, CRYPTO_SHA256_LEN = 32 };

void crypto_sha1(const void *p, size_t n, uint8_t out[CRYPTO_SHA1_LEN]);
/* What Digest authentication hashes with (RFC 7616, RFC 8760); SHA-512/256 is that of FIPS 180-4. */
enum crypto_hash { CRYPTO_MD5, CRYPTO_SHA256, CRYPTO_SHA512_256, CRYPTO_HASH_COUNT };
enum { CRYPTO_HASH_MAX = 32 };

/* False: this OpenSSL does not offer it (MD5 where FIPS mode is on). */
bool crypto_has_hash(enum crypto_hash h);
/* Of the pieces one after another; crypto_has_hash(h) holds. Returns the octets written, 16 or 32. */
size_t crypto_hash_pieces(enum crypto_hash h, const struct str *pieces, size_t count,
			  uint8_t out[CRYPTO_HASH_MAX]);

/*
 * For OpenSSL's readers of PEM (pem_password_cb): keys are read without asking anybody. Where none is given it asks the
 * terminal, and a daemon hangs at its start.
 */
int crypto_no_password(char *out, int cap, int writing, void *ctx);

void crypto_sha256(const void *p, size_t n, uint8_t out[CRYPTO_SHA256_LEN]);
void crypto_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n,
			uint8_t out[CRYPTO_SHA256_LEN]);
/* Of the pieces one after another: what STUN signs (RFC 8489 §14.5). key_len > 0. */
void crypto_hmac_sha1(const void *key, size_t key_len, const struct str *pieces, size_t count,
		      uint8_t out[CRYPTO_SHA1_LEN]);
/* n bytes of the ChaCha20 key stream of a 32-byte key at block `counter`. */
void crypto_chacha20(const uint8_t key[32], uint64_t counter, uint8_t *out, size_t n);
/* Standard alphabet with padding. */
void crypto_write_base64(struct buf *b, const void *p, size_t n);
/* Padding optional. *out_n: capacity in, length out. ERR_BAD, ERR_LIMIT. */
enum err crypto_read_base64(struct str s, void *out, size_t *out_n) MUST_USE;

#endif
