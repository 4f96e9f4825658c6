/* What a call costs in hashes and random text. */
#include "common/crypto.h"
#include "common/rng.h"
#include "run.h"

static const char text[1024] = "digest";

static void sha256(void *ctx, size_t n)
{
	uint8_t out[CRYPTO_SHA256_LEN];
	const size_t *len = ctx;
	for (size_t i = 0; i < n; i++)
		crypto_sha256(text, *len, out);
}

static void hmac(void *ctx, size_t n)
{
	uint8_t out[CRYPTO_SHA256_LEN];
	const size_t *len = ctx;
	for (size_t i = 0; i < n; i++)
		crypto_hmac_sha256("0123456789abcdef", 16, text, *len, out);
}

static void random_text(void *ctx, size_t n)
{
	char out[16];
	for (size_t i = 0; i < n; i++)
		rng_text(ctx, out, sizeof(out));
}

static void random_bytes(void *ctx, size_t n)
{
	uint8_t out[46];
	for (size_t i = 0; i < n; i++)
		rng_bytes(ctx, out, sizeof(out));
}

int main(void)
{
	const uint8_t seed[RNG_SEED_LEN] = {1};
	size_t short_len = 64;
	struct rng r;
	rng_init(&r, seed);
	bench("SHA-256 of 64 bytes", sha256, &short_len);
	bench("HMAC-SHA-256 of 64 bytes", hmac, &short_len);
	bench("a tag of 16 characters", random_text, &r);
	bench("an SRTP key and salt of 46 bytes", random_bytes, &r);
	return 0;
}
