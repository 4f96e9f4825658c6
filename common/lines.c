#include "lines.h"

#include <stdint.h>
#include <stdlib.h>

/* What calloc gave stands in front of the first line: aligned_alloc would have to be zeroed, and so touched, at once. */
void *lines_new(size_t count, size_t size)
{
	if (size && count > (SIZE_MAX - 2 * LINE_BYTES) / size)
		return NULL;
	char *given = calloc(1, count * size + 2 * LINE_BYTES);
	if (!given)
		return NULL;
	char *p = given + 2 * LINE_BYTES - (uintptr_t)given % LINE_BYTES;
	((void **)(void *)p)[-1] = given;
	return p;
}

void lines_free(void *p)
{
	if (p)
		free(((void **)p)[-1]);
}
