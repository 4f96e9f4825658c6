/* SipHash-2-4 with 64-bit result (Aumasson, Bernstein 2012): a keyed hash that a peer cannot steer.
 */
#ifndef SALLYPORT_SIPHASH_H
#define SALLYPORT_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k[2];
};

uint64_t siphash(const struct siphash_key *key, const void *p, size_t n);

#endif
