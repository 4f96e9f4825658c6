#include "check.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { NEVER_SITES = 64 };

static atomic_ulong never_count;
static _Atomic uintptr_t never_sites[NEVER_SITES];

_Noreturn void check_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: CHECK(%s) failed\n", file, line, what);
	fflush(stderr);
	abort();
}

/* A place in the source is told apart by its text's address and line; once the array is full, no
 * new place speaks. */
static bool never_is_new(const char *file, int line)
{
	uintptr_t site = (uintptr_t)file * 31 + (uintptr_t)line + 1;
	for (int i = 0; i < NEVER_SITES; i++) {
		uintptr_t seen = 0;
		if (atomic_compare_exchange_strong(&never_sites[i], &seen, site))
			return true;
		if (seen == site)
			return false;
	}
	return false;
}

bool check_never(const char *what, const char *file, int line)
{
	atomic_fetch_add_explicit(&never_count, 1, memory_order_relaxed);
	if (never_is_new(file, line))
		fprintf(stderr, "%s:%d: NEVER(%s) happened\n", file, line, what);
	return true;
}

unsigned long check_never_count(void)
{
	return atomic_load_explicit(&never_count, memory_order_relaxed);
}
