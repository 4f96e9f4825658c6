/*
 * Bytes that outlive their turn: the last message of a transaction, the head of a request that is
 * answered later. Blocks in size classes from pools, so that a short response does not hold a long
 * block; one hard limit over all of them.
 */
#ifndef SALLYPORT_KEEP_H
#define SALLYPORT_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "common/pool.h"
#include "common/str.h"

/* 128, 192, 256, 384, 512, 768, … 98304 bytes. */
enum { KEEP_CLASSES = 20, KEEP_SMALLEST = 128 };

struct keep {
	struct pool classes[KEEP_CLASSES];
	size_t used;  /* bytes of all blocks handed out */
	size_t limit; /* bound of `used` */
};

/* A handle, owned by whoever keeps the bytes; all zero: nothing. */
struct kept {
	id_t64 id;
	uint32_t len;
	uint8_t size_class;
};

/* At most `limit` bytes in all. ERR_NOMEM. */
enum err keep_init(struct keep *k, size_t limit) MUST_USE;
void keep_release(struct keep *k);
/* Copies bytes and lets go of what *kept held before. ERR_FULL: at the limit, *kept unchanged.
 * ERR_LIMIT: longer than the largest class. Empty bytes keep nothing. `bytes` may lie in *kept. */
enum err keep_put(struct keep *k, struct kept *kept, struct str bytes) MUST_USE;
void keep_drop(struct keep *k, struct kept *kept);
/* Lives until the next put or drop of this handle. */
struct str keep_view(const struct keep *k, const struct kept *kept);

#endif
