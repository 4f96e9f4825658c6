#include "crypto.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "check.h"

/*
 * The algorithms are fetched once for the process: a fetch costs more than hashing a short text.
 * The contexts, which hold state, are one set a thread. That OpenSSL has these four, and memory for
 * a context, is the programmer's promise.
 */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t per_thread;
static EVP_MD *sha256, *sha1;
static EVP_MD *hashes[CRYPTO_HASH_COUNT]; /* NULL: not there */
static EVP_MAC *hmac;
static EVP_CIPHER *chacha20;

struct contexts {
	EVP_MD_CTX *md;
	EVP_MAC_CTX *mac, *mac_sha1;
	EVP_CIPHER_CTX *cipher;
};

static _Thread_local struct contexts *mine;

static void contexts_free(void *p)
{
	struct contexts *c = p;
	EVP_MD_CTX_free(c->md);
	EVP_MAC_CTX_free(c->mac);
	EVP_MAC_CTX_free(c->mac_sha1);
	EVP_CIPHER_CTX_free(c->cipher);
	free(c);
	mine = NULL;
}

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	chacha20 = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
	CHECK(sha256 && sha1 && hmac && chacha20);
	hashes[CRYPTO_MD5] = EVP_MD_fetch(NULL, "MD5", NULL);
	hashes[CRYPTO_SHA256] = sha256;
	hashes[CRYPTO_SHA512_256] = EVP_MD_fetch(NULL, "SHA512-256", NULL);
	CHECK(pthread_key_create(&per_thread, contexts_free) == 0);
}

static EVP_MAC_CTX *new_hmac(const char *digest)
{
	char name[16];
	snprintf(name, sizeof(name), "%s", digest);
	EVP_MAC_CTX *m = EVP_MAC_CTX_new(hmac);
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
			       OSSL_PARAM_construct_end()};
	CHECK(m && EVP_MAC_CTX_set_params(m, params) == 1);
	return m;
}

static struct contexts *contexts(void)
{
	if (mine)
		return mine;
	pthread_once(&once, fetch);
	struct contexts *c = malloc(sizeof(*c));
	CHECK(c != NULL);
	*c = (struct contexts){EVP_MD_CTX_new(), new_hmac("SHA256"), new_hmac("SHA1"),
			       EVP_CIPHER_CTX_new()};
	CHECK(c->md && c->cipher);
	CHECK(pthread_setspecific(per_thread, c) == 0);
	mine = c;
	return c;
}

void crypto_sha1(const void *p, size_t n, uint8_t out[CRYPTO_SHA1_LEN])
{
	struct contexts *c = contexts();
	bool done = EVP_DigestInit_ex2(c->md, sha1, NULL) == 1 &&
		    EVP_DigestUpdate(c->md, p, n) == 1 && EVP_DigestFinal_ex(c->md, out, NULL) == 1;
	CHECK(done);
}

int crypto_no_password(char *out, int cap, int writing, void *ctx)
{
	(void)writing;
	(void)ctx;
	if (cap > 0)
		out[0] = '\0';
	return 0;
}

void crypto_sha256(const void *p, size_t n, uint8_t out[CRYPTO_SHA256_LEN])
{
	struct contexts *c = contexts();
	bool done = EVP_DigestInit_ex2(c->md, sha256, NULL) == 1 &&
		    EVP_DigestUpdate(c->md, p, n) == 1 && EVP_DigestFinal_ex(c->md, out, NULL) == 1;
	CHECK(done);
}

bool crypto_has_hash(enum crypto_hash h)
{
	contexts();
	return h < CRYPTO_HASH_COUNT && hashes[h];
}

size_t crypto_hash_pieces(enum crypto_hash h, const struct str *pieces, size_t count,
			  uint8_t out[CRYPTO_HASH_MAX])
{
	struct contexts *c = contexts();
	unsigned len = 0;
	CHECK(h < CRYPTO_HASH_COUNT && hashes[h]);
	bool done = EVP_DigestInit_ex2(c->md, hashes[h], NULL) == 1;
	for (size_t i = 0; i < count && done; i++)
		done = EVP_DigestUpdate(c->md, pieces[i].p ? pieces[i].p : "", pieces[i].len) == 1;
	done = done && EVP_DigestFinal_ex(c->md, out, &len) == 1;
	CHECK(done);
	return len;
}

void crypto_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n,
			uint8_t out[CRYPTO_SHA256_LEN])
{
	struct contexts *c = contexts();
	size_t len = 0;
	/* A NULL key would mean "the key of last time". */
	const void *some = key_len > 0 ? key : "";
	bool done = EVP_MAC_init(c->mac, some, key_len, NULL) == 1 &&
		    EVP_MAC_update(c->mac, p, n) == 1 &&
		    EVP_MAC_final(c->mac, out, &len, CRYPTO_SHA256_LEN) == 1;
	CHECK(done);
}

void crypto_hmac_sha1(const void *key, size_t key_len, const struct str *pieces, size_t count,
		      uint8_t out[CRYPTO_SHA1_LEN])
{
	struct contexts *c = contexts();
	size_t len = 0;
	CHECK(key_len > 0);
	bool done = EVP_MAC_init(c->mac_sha1, key, key_len, NULL) == 1;
	for (size_t i = 0; i < count && done; i++)
		done = EVP_MAC_update(c->mac_sha1, (const unsigned char *)pieces[i].p,
				      pieces[i].len) == 1;
	done = done && EVP_MAC_final(c->mac_sha1, out, &len, CRYPTO_SHA1_LEN) == 1;
	CHECK(done && len == CRYPTO_SHA1_LEN);
}

void crypto_chacha20(const uint8_t key[32], uint64_t counter, uint8_t *out, size_t n)
{
	CHECK(n <= INT_MAX);
	struct contexts *c = contexts();
	uint8_t iv[16] = {0}; /* OpenSSL: 64 bits of block counter, little-endian, then the nonce */
	for (int i = 0; i < 8; i++)
		iv[i] = (uint8_t)(counter >> (8 * i));
	if (n == 0)
		return;
	memset(out, 0, n);
	int len = 0;
	bool done = EVP_EncryptInit_ex2(c->cipher, chacha20, key, iv, NULL) == 1 &&
		    EVP_EncryptUpdate(c->cipher, out, &len, out, (int)n) == 1;
	CHECK(done);
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void crypto_write_base64(struct buf *b, const void *p, size_t n)
{
	const uint8_t *from = p;
	for (; n >= 3; from += 3, n -= 3) {
		char four[4] = {base64[from[0] >> 2], base64[(from[0] & 3) << 4 | from[1] >> 4],
				base64[(from[1] & 15) << 2 | from[2] >> 6], base64[from[2] & 63]};
		buf_bytes(b, four, 4);
	}
	if (n == 0)
		return;
	uint8_t second = n == 2 ? from[1] : 0;
	char four[4] = {base64[from[0] >> 2], base64[(from[0] & 3) << 4 | second >> 4],
			n == 2 ? base64[(second & 15) << 2] : '=', '='};
	buf_bytes(b, four, 4);
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum err crypto_read_base64(struct str s, void *out, size_t *out_n)
{
	if (s.len % 4 == 0)
		for (int i = 0; i < 2 && s.len > 0 && s.p[s.len - 1] == '='; i++)
			s.len--;
	size_t rest = s.len % 4, n = s.len / 4 * 3 + (rest > 0 ? rest - 1 : 0);
	if (rest == 1)
		return ERR_BAD;
	for (size_t i = 0; i < s.len; i++)
		if (base64_digit(s.p[i]) < 0)
			return ERR_BAD;
	/* Bits beyond the last byte must be zero: one text for each value. */
	if (rest > 0 && base64_digit(s.p[s.len - 1]) & (rest == 2 ? 15 : 3))
		return ERR_BAD;
	if (n > *out_n)
		return ERR_LIMIT;
	uint8_t *to = out;
	uint32_t bits = 0;
	unsigned have = 0;
	for (size_t i = 0; i < s.len; i++) {
		bits = bits << 6 | (uint32_t)base64_digit(s.p[i]);
		have += 6;
		if (have >= 8) {
			have -= 8;
			*to++ = (uint8_t)(bits >> have);
		}
	}
	*out_n = n;
	return OK;
}
