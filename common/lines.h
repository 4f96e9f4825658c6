/*
 * Memory for tables that are looked up at random, where each look-up that begins in the middle of a cache line costs a
 * second one: zeroed, begun on a line, and in huge pages where it is large and the kernel has them (a page that is not in
 * the processor's list costs as much as a line that is not in its cache). Made at start-up and reload only.
 */
#ifndef SALLYPORT_LINES_H
#define SALLYPORT_LINES_H

#include <stddef.h>

enum { LINE_BYTES = 64, LINES_HUGE = 256 * 1024 /* from so many octets on */ };

/* As calloc: pages that are not touched are not resident. NULL: no memory. */
void *lines_new(size_t count, size_t size);
/* NULL is nothing. */
void lines_free(void *p);

#endif
