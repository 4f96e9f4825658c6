/*
 * Bytes that wait: the unread rest of a stream, or what a connection has not taken yet. They grow,
 * up to a limit that the caller gives, and blocks of the usual size come from and go back to a
 * store, so that traffic allocates nothing once it has reached its level.
 */
#ifndef SALLYPORT_BYTES_H
#define SALLYPORT_BYTES_H

#include <stddef.h>

#include "common/check.h"
#include "common/err.h"

enum { BYTES_BLOCK = 8192, BYTES_STORE_MAX = 256 };

struct bytes {
	char *p;
	size_t start; /* first byte that still counts */
	size_t end;
	size_t cap;
};

/* Blocks that nobody uses now. */
struct bytes_store {
	void *blocks[BYTES_STORE_MAX];
	size_t count;
};

void bytes_store_init(struct bytes_store *s);
void bytes_store_release(struct bytes_store *s);

/* All of these work on a zeroed struct bytes: it holds nothing and no memory. */
size_t bytes_len(const struct bytes *b);
/* Room for n more at p + end. ERR_LIMIT: there would be more than `limit`; ERR_NOMEM. The bytes are
 * as before then. */
enum err bytes_reserve(struct bytes *b, struct bytes_store *s, size_t n, size_t limit) MUST_USE;
enum err bytes_add(struct bytes *b, struct bytes_store *s, const void *p, size_t n,
		   size_t limit) MUST_USE;
/* The first n are done with. When none are left the memory goes back. */
void bytes_take(struct bytes *b, struct bytes_store *s, size_t n);
void bytes_release(struct bytes *b, struct bytes_store *s);

#endif
