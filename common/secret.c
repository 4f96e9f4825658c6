#include "secret.h"

#include <string.h>

#include "crypto.h"

enum err secret_init(struct secret *s, const void *p, size_t n)
{
	if (n > SECRET_MAX)
		return ERR_LIMIT;
	/* The unused tail is zero, so that secret_eq may look at all bytes. */
	memset(s->bytes, 0, sizeof(s->bytes));
	if (n > 0)
		memcpy(s->bytes, p, n);
	s->len = n;
	return OK;
}

void secret_release(struct secret *s)
{
	secret_wipe(s, sizeof(*s));
}

bool secret_eq_bytes(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t differs = 0;
	for (size_t i = 0; i < n; i++)
		differs = (uint8_t)(differs | (x[i] ^ y[i]));
	return differs == 0;
}

bool secret_eq(const struct secret *a, const struct secret *b)
{
	bool same = secret_eq_bytes(a->bytes, b->bytes, SECRET_MAX);
	return same && a->len == b->len;
}

void secret_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

void secret_write_fingerprint(struct buf *b, const struct secret *s)
{
	uint8_t digest[CRYPTO_SHA256_LEN];
	crypto_sha256(s->bytes, s->len, digest);
	buf_lit(b, "sha256:");
	buf_hex(b, digest, 4);
	secret_wipe(digest, sizeof(digest));
}
