#include "sbc/shell/store_seal.h"

#include <openssl/err.h>
#include <string.h>

#include "common/crypto.h"
#include "common/secret.h"

enum { NAMES = 1024 };
enum { VERSION = 1, HEAD = 1 + SEAL_SALT + 8, TAG = 16, NONCE = 12, END = 8 };

static void put_u64(uint8_t *p, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t get_u64(const uint8_t *p)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

static EVP_CIPHER_CTX *new_cipher(const struct store_seal *s, const uint8_t salt[SEAL_SALT],
				  bool encrypts)
{
	uint8_t key[CRYPTO_SHA256_LEN];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	crypto_hmac_sha256(s->root, sizeof(s->root), salt, SEAL_SALT, key);
	if (ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, NULL, encrypts) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	secret_wipe(key, sizeof(key));
	return ctx;
}

enum err store_seal_init(struct store_seal *s, struct str key, const uint8_t salt[SEAL_SALT])
{
	static const char purpose[] = "sallyport store 1";
	CHECK(s && key.len > 0);
	*s = (struct store_seal){.number = 0};
	crypto_hmac_sha256(key.p, key.len, purpose, sizeof(purpose) - 1, s->root);
	memcpy(s->salt, salt, sizeof(s->salt));
	s->ctx = new_cipher(s, s->salt, true);
	return s->ctx ? OK : ERR_NOMEM;
}

void store_seal_release(struct store_seal *s)
{
	EVP_CIPHER_CTX_free(s->ctx); /* wipes its keys */
	for (size_t i = 0; i < SEAL_READERS; i++)
		EVP_CIPHER_CTX_free(s->readers[i].ctx);
	secret_wipe(s, sizeof(*s));
}

/* Each name with its length in front: no two lists look alike. In one piece: each call of the cipher costs. */
static bool bind(EVP_CIPHER_CTX *ctx, const struct str *names, size_t count)
{
	uint8_t all[NAMES];
	size_t at = 0;
	int n;
	for (size_t i = 0; i < count; i++) {
		if (at + 8 > sizeof(all) || names[i].len > sizeof(all) - at - 8)
			return false;
		put_u64(all + at, names[i].len);
		at += 8;
		if (names[i].len > 0)
			memcpy(all + at, names[i].p, names[i].len);
		at += names[i].len;
	}
	return EVP_CipherUpdate(ctx, NULL, &n, all, (int)at) == 1;
}

static bool start(EVP_CIPHER_CTX *ctx, uint64_t number)
{
	uint8_t nonce[NONCE] = {0};
	put_u64(nonce + NONCE - 8, number);
	return EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, -1) == 1;
}

bool store_seal_close(struct store_seal *s, const struct str *names, size_t count, struct str value,
		      uint64_t end_ms, struct buf *out)
{
	const size_t size = value.len + SEAL_EXTRA;
	int n, m;
	if (out->overflow || out->cap - out->len < size)
		return false;
	uint8_t *p = (uint8_t *)out->p + out->len;
	p[0] = VERSION;
	memcpy(p + 1, s->salt, SEAL_SALT);
	put_u64(p + 1 + SEAL_SALT, ++s->number);
	uint8_t *q = p + HEAD;
	/* In place and in one piece: each call of the cipher costs more than the copy. */
	put_u64(q, end_ms);
	if (value.len > 0)
		memcpy(q + END, value.p, value.len);
	bool ok = start(s->ctx, s->number) && bind(s->ctx, names, count) &&
		  EVP_CipherUpdate(s->ctx, q, &m, q, (int)(END + value.len)) == 1 &&
		  EVP_CipherFinal_ex(s->ctx, q + m, &n) == 1 &&
		  EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_GCM_GET_TAG, TAG, q + END + value.len) == 1;
	if (NEVER(!ok))
		return false;
	out->len += size;
	return true;
}

static EVP_CIPHER_CTX *reader_of(struct store_seal *s, const uint8_t *salt)
{
	struct seal_reader *oldest = &s->readers[0];
	for (size_t i = 0; i < SEAL_READERS; i++) {
		struct seal_reader *r = &s->readers[i];
		if (r->ctx && memcmp(r->salt, salt, SEAL_SALT) == 0) {
			r->used = ++s->clock;
			return r->ctx;
		}
		if (r->used < oldest->used)
			oldest = r;
	}
	EVP_CIPHER_CTX *ctx = new_cipher(s, salt, false);
	if (!ctx)
		return NULL;
	EVP_CIPHER_CTX_free(oldest->ctx);
	memcpy(oldest->salt, salt, SEAL_SALT);
	oldest->ctx = ctx;
	oldest->used = ++s->clock;
	return ctx;
}

enum err store_seal_open(struct store_seal *s, const struct str *names, size_t count,
			 struct str sealed, uint64_t wall_ms, char *mem, struct str *out,
			 uint64_t *out_end_ms)
{
	const uint8_t *p = (const uint8_t *)sealed.p;
	uint8_t tag[TAG];
	int n, m;
	if (sealed.len < SEAL_EXTRA || sealed.len > INT32_MAX || p[0] != VERSION)
		return ERR_BAD;
	EVP_CIPHER_CTX *ctx = reader_of(s, p + 1);
	const size_t body = sealed.len - HEAD - TAG;
	memcpy(tag, p + sealed.len - TAG, TAG);
	if (!ctx)
		return ERR_NOMEM;
	bool ok = start(ctx, get_u64(p + 1 + SEAL_SALT)) && bind(ctx, names, count) &&
		  EVP_CipherUpdate(ctx, (uint8_t *)mem, &n, p + HEAD, (int)body) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 &&
		  EVP_CipherFinal_ex(ctx, (uint8_t *)mem + n, &m) == 1;
	if (!ok) {
		secret_wipe(mem, body);
		ERR_clear_error();
		return ERR_BAD;
	}
	const uint64_t end_ms = get_u64((const uint8_t *)mem);
	if (end_ms <= wall_ms)
		return ERR_NOTFOUND;
	if (out_end_ms)
		*out_end_ms = end_ms;
	*out = (struct str){mem + END, body - END};
	return OK;
}
