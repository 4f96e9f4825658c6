/*
 * Right-sized pieces of memory for texts that live as long as a call: size classes in steps of half
 * a power of two, cut from slabs that are kept, up to a hard limit. The owner remembers the size,
 * so a block has no header. Not for one message or one turn (that is arena) and not for equal
 * objects with ids (pool).
 */
#ifndef SALLYPORT_BLOCK_H
#define SALLYPORT_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "str.h"

enum { BLOCK_MIN = 32, BLOCK_MAX = 128 * 1024, BLOCK_CLASSES = 25, BLOCK_SLAB = 128 * 1024 };

struct block_slab;
struct block_free;

struct block_pool {
	size_t limit;    /* bytes of slabs at most */
	size_t reserved; /* bytes of slabs taken so far */
	size_t used;     /* bytes of blocks handed out */
	struct block_slab *slabs;
	struct block_free *free[BLOCK_CLASSES];
	char *cut; /* the slab that is being cut, and its rest */
	size_t cut_left;
};

void block_init(struct block_pool *p, size_t limit);
/* All blocks go with it. */
void block_release(struct block_pool *p);
/* n bytes, 16-byte aligned, not zeroed; NULL: over the limit, out of memory, or n > BLOCK_MAX. */
void *block_new(struct block_pool *p, size_t n);
/* n as it was asked for; NULL is allowed. */
void block_free(struct block_pool *p, void *mem, size_t n);
/* A copy of s; STR_NONE when s is empty or there is no room. */
struct str block_str(struct block_pool *p, struct str s);
/* Frees what block_str gave and empties *s. */
void block_str_free(struct block_pool *p, struct str *s);

#endif
