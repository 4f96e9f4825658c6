#include "srtp_kdf.h"

#include <string.h>

#include <openssl/evp.h>

#include "common/secret.h"

enum { BLOCK = 16, LABEL_AT = 7 };

/* Key stream of AES in counter mode from (salt XOR label·2^48)·2^16: encrypting zeros gives it. */
static enum err key_stream(EVP_CIPHER_CTX *ctx, const struct srtp_kdf *k, const uint8_t iv[BLOCK],
			   uint8_t *out, size_t n)
{
	static const uint8_t zeros[SRTP_KDF_MAX];
	const EVP_CIPHER *cipher = k->key_len == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr();
	int got = 0;
	if (EVP_EncryptInit_ex(ctx, cipher, NULL, k->key, iv) != 1 ||
	    EVP_EncryptUpdate(ctx, out, &got, zeros, (int)n) != 1 || got != (int)n)
		return ERR_UNSUPPORTED;
	return OK;
}

enum err srtp_kdf(const struct srtp_kdf *k, enum srtp_label label, uint8_t *out, size_t n)
{
	CHECK(n <= SRTP_KDF_MAX && (k->key_len == 16 || k->key_len == 32));
	CHECK((unsigned)label < SRTP_LABEL_COUNT);
	uint8_t iv[BLOCK] = {0};
	memcpy(iv, k->salt, SRTP_KDF_SALT_LEN);
	iv[LABEL_AT] ^= (uint8_t)label;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (!ctx)
		return ERR_NOMEM;
	const enum err e = key_stream(ctx, k, iv, out, n);
	EVP_CIPHER_CTX_free(ctx);
	secret_wipe(iv, sizeof(iv));
	return e;
}
