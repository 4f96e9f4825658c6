#include "rng.h"

#include <string.h>

#include "check.h"
#include "crypto.h"
#include "secret.h"

enum { CHACHA_BLOCK = 64 };

void rng_init(struct rng *r, const uint8_t seed[RNG_SEED_LEN])
{
	memcpy(r->key, seed, RNG_SEED_LEN);
	r->counter = 0;
	r->left = 0;
}

static void refill(struct rng *r)
{
	crypto_chacha20(r->key, r->counter, r->block, RNG_BLOCK);
	r->counter += RNG_BLOCK / CHACHA_BLOCK;
	r->left = RNG_BLOCK;
}

void rng_bytes(struct rng *r, void *out, size_t n)
{
	uint8_t *to = out;
	while (n > 0) {
		if (r->left == 0)
			refill(r);
		size_t take = n < r->left ? n : r->left;
		uint8_t *from = r->block + (RNG_BLOCK - r->left);
		memcpy(to, from, take);
		secret_wipe(from, take);
		r->left -= take;
		to += take;
		n -= take;
	}
}

uint32_t rng_u32(struct rng *r)
{
	uint32_t v;
	rng_bytes(r, &v, sizeof(v));
	return v;
}

/* Lemire 2019: multiply, and try again in the few cases that would favour small results. */
uint32_t rng_below(struct rng *r, uint32_t n)
{
	CHECK(n > 0);
	uint64_t m = (uint64_t)rng_u32(r) * n;
	uint32_t least = (uint32_t)(-n) % n;
	while ((uint32_t)m < least)
		m = (uint64_t)rng_u32(r) * n;
	return (uint32_t)(m >> 32);
}

void rng_text(struct rng *r, char *out, size_t n)
{
	static const char alphabet[36] = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i',
					  'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r',
					  's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '0',
					  '1', '2', '3', '4', '5', '6', '7', '8', '9'};
	enum { EVEN = 256 - 256 % sizeof(alphabet) };
	for (size_t done = 0; done < n;) {
		uint8_t some[32];
		size_t want = n - done < sizeof(some) ? n - done : sizeof(some);
		rng_bytes(r, some, want);
		for (size_t i = 0; i < want; i++)
			if (some[i] < EVEN)
				out[done++] = alphabet[some[i] % sizeof(alphabet)];
	}
}
