/* Input that ends where memory without access begins: reading one byte too far ends the test. */
#ifndef SALLYPORT_TESTS_GUARD_H
#define SALLYPORT_TESTS_GUARD_H

#include <stddef.h>

#include "common/str.h"

struct guard {
	char *map, *end;
	size_t cap, map_len;
};

/* Room for inputs up to `cap` bytes. */
void guard_init(struct guard *g, size_t cap);
void guard_release(struct guard *g);
/* A copy of s that ends at the guard page; the one before it is gone. */
struct str guard_put(struct guard *g, struct str s);

#endif
