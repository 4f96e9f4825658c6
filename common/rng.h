/*
 * Unpredictable bytes for tags, branches, Call-IDs and keys, from a seed that the shell got of the
 * kernel: a keyed counter, so that a run of the simulated world repeats exactly.
 * ChaCha20 through crypto.h; not the place for long-lived private keys.
 */
#ifndef SALLYPORT_RNG_H
#define SALLYPORT_RNG_H

#include <stddef.h>
#include <stdint.h>

enum { RNG_SEED_LEN = 32, RNG_BLOCK = 1024 };

struct rng {
	uint8_t key[RNG_SEED_LEN];
	uint64_t counter;
	uint8_t block[RNG_BLOCK]; /* produced, not yet handed out; used bytes are wiped */
	size_t left;
};

void rng_init(struct rng *r, const uint8_t seed[RNG_SEED_LEN]);
void rng_bytes(struct rng *r, void *out, size_t n);
uint32_t rng_u32(struct rng *r);
/* Evenly in 0 … n-1; n > 0. */
uint32_t rng_below(struct rng *r, uint32_t n);
/* n characters of [a-z0-9] (5.17 bits each), not terminated. */
void rng_text(struct rng *r, char *out, size_t n);

#endif
