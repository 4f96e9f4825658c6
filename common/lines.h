/*
 * Memory for tables that are looked up at random, where each look-up that begins in the middle of a cache line costs a
 * second one: zeroed, and begun on a line. Made at start-up and reload only.
 */
#ifndef SALLYPORT_LINES_H
#define SALLYPORT_LINES_H

#include <stddef.h>

enum { LINE_BYTES = 64 };

/* As calloc: what is not touched is not resident. NULL: no memory. */
void *lines_new(size_t count, size_t size);
/* NULL is nothing. */
void lines_free(void *p);

#endif
