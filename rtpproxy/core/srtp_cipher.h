/*
 * The ciphers under the openssl engine, on libcrypto's fast inner calls: AES counter mode as one ECB call over
 * counter blocks, GCM as that key stream plus libcrypto's GHASH, HMAC-SHA1 from saved states. Three times faster
 * than the EVP way of each (measured: 250 ns of parameter look-ups a GCM packet, 100 to 200 an HMAC).
 */
#ifndef SALLYPORT_SRTP_CIPHER_H
#define SALLYPORT_SRTP_CIPHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/modes.h>

#include "common/check.h"
#include "common/err.h"
#include "pkt.h"

enum { CIPHER_BLOCK = 16, CIPHER_HMAC_KEY = 20, CIPHER_HMAC_LEN = 20, CIPHER_GCM_TAG = 16 };

/* Key stream of one packet. Block n is that of counter n; a thread has one and all its contexts use it. */
struct cipher_pad {
	/* counter 0 for the hash key, 1 for the tag's mask, then the data; one more for a part of a block */
	uint8_t block[PKT_LEN_MAX / CIPHER_BLOCK + 3][CIPHER_BLOCK];
};

/* HMAC-SHA1 with the two key blocks already hashed. */
struct cipher_hmac {
	uint32_t inner[5], outer[5];
};

void cipher_hmac_init(struct cipher_hmac *h, const uint8_t key[CIPHER_HMAC_KEY]);
/* Over p[0…len) followed by tail[0…tail_len), tail_len ≤ 8. */
void cipher_hmac(const struct cipher_hmac *h, const uint8_t *p, size_t len, const uint8_t *tail,
		 size_t tail_len, uint8_t out[CIPHER_HMAC_LEN]);

/* An AES-ECB context keyed with `key`, of a fetched cipher. NULL: no memory. */
EVP_CIPHER_CTX *cipher_aes_new(const EVP_CIPHER *ecb, const uint8_t *key);
/* Another key of the same length. */
bool cipher_aes_set_key(EVP_CIPHER_CTX *aes, const uint8_t *key);

/* AES-CM over p in place; iv's last two bytes are zero and count. len ≤ PKT_LEN_MAX. False: the library refused. */
bool cipher_cm(struct cipher_pad *pad, EVP_CIPHER_CTX *aes, const uint8_t iv[CIPHER_BLOCK],
	       uint8_t *p, size_t len);

/* A context for the key of `aes`. NULL: no memory. The pad must stay where it is while it lives. */
GCM128_CONTEXT *cipher_gcm_new(struct cipher_pad *pad, EVP_CIPHER_CTX *aes);

/* One packet for cipher_gcm_seal and _open: aad and more_aad are hashed one after the other, p is worked on in place. */
struct cipher_gcm_op {
	EVP_CIPHER_CTX *aes;
	GCM128_CONTEXT *gcm;
	bool new_key;      /* aes has another key than gcm knows: its hash table is made anew */
	const uint8_t *iv; /* 12 bytes */
	const uint8_t *aad;
	size_t aad_len;
	const uint8_t *more_aad;
	size_t more_aad_len;
	uint8_t *p;
	size_t len; /* ≤ PKT_LEN_MAX */
	uint8_t *tag;
};

/* Encrypts p and writes the tag. False: the library refused. */
bool cipher_gcm_seal(struct cipher_pad *pad, const struct cipher_gcm_op *op);
/* Decrypts p; false when the tag is wrong: then p is void. */
bool cipher_gcm_open(struct cipher_pad *pad, const struct cipher_gcm_op *op);

#endif
