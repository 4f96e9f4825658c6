#include "es256.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "check.h"
#include "crypto.h"

enum { HALF = ES256_SIGNATURE_LEN / 2, DER_MAX = 80 };

struct es256_key {
	EVP_PKEY *key;
};

static bool is_p256(const EVP_PKEY *k)
{
	char name[32];
	size_t len = 0;

	return EVP_PKEY_is_a(k, "EC") &&
	       EVP_PKEY_get_group_name(k, name, sizeof(name), &len) == 1 &&
	       (strcmp(name, "prime256v1") == 0 || strcmp(name, "P-256") == 0);
}

/* Takes k. */
static enum err wrap(struct es256_key **out, EVP_PKEY *k)
{
	struct es256_key *w = NULL;
	enum err e = k && is_p256(k) ? OK : ERR_BAD;

	if (e == OK)
		w = calloc(1, sizeof(*w));
	if (e == OK && !w)
		e = ERR_NOMEM;
	ERR_clear_error();
	if (e != OK) {
		EVP_PKEY_free(k);
		return e;
	}
	w->key = k;
	*out = w;
	return OK;
}

enum err es256_key_new(struct es256_key **out, struct str pem)
{
	CHECK(out);
	if (pem.len == 0 || pem.len > ES256_PEM_MAX)
		return ERR_BAD;
	BIO *b = BIO_new_mem_buf(pem.p, (int)pem.len);
	if (!b)
		return ERR_NOMEM;
	EVP_PKEY *k = PEM_read_bio_PrivateKey(b, NULL, crypto_no_password, NULL);
	BIO_free(b);
	return wrap(out, k);
}

enum err es256_key_new_public(struct es256_key **out, const uint8_t *der, size_t len)
{
	CHECK(out && der);
	if (len == 0 || len > ES256_PEM_MAX)
		return ERR_BAD;
	return wrap(out, d2i_PUBKEY(NULL, &der, (long)len));
}

void es256_key_free(struct es256_key **key)
{
	CHECK(key);
	struct es256_key *k = *key;

	if (!k)
		return;
	EVP_PKEY_free(k->key);
	free(k);
	*key = NULL;
}

/* DER to R‖S. */
static bool unwrap(const uint8_t *der, size_t len, uint8_t out[ES256_SIGNATURE_LEN])
{
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &der, (long)len);
	bool good = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), out, HALF) == HALF &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(s), out + HALF, HALF) == HALF;

	ECDSA_SIG_free(s);
	return good;
}

enum err es256_sign(const struct es256_key *key, struct str text, uint8_t out[ES256_SIGNATURE_LEN])
{
	CHECK(key && out);
	uint8_t der[DER_MAX], raw[ES256_SIGNATURE_LEN];
	size_t len = sizeof(der);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good = c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key->key) == 1 &&
		    EVP_DigestSign(c, der, &len, (const uint8_t *)text.p, text.len) == 1 &&
		    unwrap(der, len, raw);

	EVP_MD_CTX_free(c);
	ERR_clear_error();
	if (!good)
		return ERR_NOMEM;
	memcpy(out, raw, sizeof(raw));
	return OK;
}

/* R‖S to DER, by hand: two INTEGERs of at most 33 octets. */
static size_t put_integer(uint8_t *to, const uint8_t half[HALF])
{
	size_t skip = 0;

	while (skip < HALF - 1 && half[skip] == 0)
		skip++;
	bool sign = half[skip] & 0x80;
	size_t n = HALF - skip;
	to[0] = 0x02;
	to[1] = (uint8_t)(n + sign);
	if (sign)
		to[2] = 0;
	memcpy(to + 2 + sign, half + skip, n);
	return 2 + sign + n;
}

bool es256_verify(const struct es256_key *key, struct str text,
		  const uint8_t signature[ES256_SIGNATURE_LEN])
{
	CHECK(key && signature);
	uint8_t der[DER_MAX];
	size_t n = put_integer(der + 2, signature);
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	n += put_integer(der + 2 + n, signature + HALF);
	der[0] = 0x30;
	der[1] = (uint8_t)n;
	bool good = c && EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key->key) == 1 &&
		    EVP_DigestVerify(c, der, n + 2, (const uint8_t *)text.p, text.len) == 1;
	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return good;
}
