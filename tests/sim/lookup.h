/*
 * Names → numbers for what a world must find again: requests, dialogs, identifiers. Knows only 64-bit
 * hashes of names, which is exact enough for a simulation; forgetting everything costs nothing.
 */
#ifndef SALLYPORT_SIM_LOOKUP_H
#define SALLYPORT_SIM_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

enum { LOOKUP_NONE = UINT32_MAX };

struct lookup_slot {
	uint64_t hash;
	uint32_t epoch, value;
};

struct lookup {
	struct lookup_slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
	uint32_t epoch;
};

void lookup_release(struct lookup *l);
void lookup_reset(struct lookup *l);
/* The hash of a name, or of several if the last hash is given as `so_far` (0: the first). */
uint64_t lookup_hash(uint64_t so_far, struct str s);
/* LOOKUP_NONE: not there. */
uint32_t lookup_get(const struct lookup *l, uint64_t hash);
/* Adds or changes; LOOKUP_NONE takes it out. */
void lookup_put(struct lookup *l, uint64_t hash, uint32_t value);

#endif
