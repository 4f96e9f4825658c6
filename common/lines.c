#include "lines.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A wish: what comes of it changes nothing but the speed. */
static void ask_huge(char *p, size_t size)
{
	enum { PAGE = 4096 };
	char *from = p + (PAGE - (uintptr_t)p % PAGE) % PAGE;

	(void)madvise(from, size - (size_t)(from - p), MADV_HUGEPAGE);
}

/* What calloc gave stands in front of the first line: aligned_alloc would have to be zeroed, and so touched, at once. */
void *lines_new(size_t count, size_t size)
{
	if (size && count > (SIZE_MAX - 2 * LINE_BYTES) / size)
		return NULL;
	char *given = calloc(1, count * size + 2 * LINE_BYTES);
	if (!given)
		return NULL;
	if (count * size >= LINES_HUGE)
		ask_huge(given, count * size);
	char *p = given + 2 * LINE_BYTES - (uintptr_t)given % LINE_BYTES;
	((void **)(void *)p)[-1] = given;
	return p;
}

void lines_free(void *p)
{
	if (p)
		free(((void **)p)[-1]);
}
