/*
 * Equal slots up to a hard limit, handed out with ids. Memory comes in chunks as the pool first
 * grows and is kept: after the peak no further allocation happens.
 */
#ifndef SALLYPORT_POOL_H
#define SALLYPORT_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "id.h"
#include "check.h"

struct pool {
	size_t object_size; /* as asked, without the slot's header */
	size_t stride;
	uint32_t limit;
	uint32_t used;
	uint32_t made;       /* slots that have memory */
	uint32_t free_first; /* slot number + 1 of the first free one, 0: none */
	uint8_t worker;
	uint8_t chunk_shift; /* a chunk has 1 << chunk_shift slots */
	char **chunks;
	size_t chunk_count;
};

/* At most `limit` objects of `object_size` bytes. ERR_NOMEM. */
enum err pool_init(struct pool *p, size_t object_size, uint32_t limit, uint8_t worker) MUST_USE;
void pool_release(struct pool *p);
/* A zeroed object and its id; NULL at the limit or out of memory. */
void *pool_new(struct pool *p, id_t64 *out_id);
/* NULL for an id that is stale, foreign or invented. */
void *pool_find(const struct pool *p, id_t64 id);
/* Gives the object back; its id finds nothing from now on. CHECKs that the id is live. */
void pool_free(struct pool *p, id_t64 id);
/* The live object with the lowest slot number >= *cursor, and *cursor set behind it; NULL: no more.
 */
void *pool_next(const struct pool *p, uint32_t *cursor, id_t64 *out_id);

#endif
