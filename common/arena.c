#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = 16 };

void arena_init(struct arena *a, void *mem, size_t size)
{
	CHECK(mem != NULL || size == 0);
	*a = (struct arena){.base = mem, .size = size};
}

enum err arena_init_sized(struct arena *a, size_t size)
{
	char *mem = malloc(size > 0 ? size : 1);
	if (!mem)
		return ERR_NOMEM;
	*a = (struct arena){.base = mem, .size = size, .owned = true};
	return OK;
}

void arena_release(struct arena *a)
{
	if (a->owned)
		free(a->base);
	*a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
	a->used = 0;
	a->failed = false;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t skew = (size_t)(-(uintptr_t)(a->base + a->used) & (ARENA_ALIGN - 1));
	size_t left = a->size - a->used;
	if (skew > left || n > left - skew) {
		a->failed = true;
		return NULL;
	}
	char *p = a->base + a->used + skew;
	a->used += skew + n;
	return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);
	if (p)
		memset(p, 0, n);
	return p;
}

struct str arena_str(struct arena *a, struct str s)
{
	if (s.len == 0)
		return STR_NONE;
	if (s.len > a->size - a->used) {
		a->failed = true;
		return STR_NONE;
	}
	char *p = a->base + a->used; /* text needs no alignment */
	memcpy(p, s.p, s.len);
	a->used += s.len;
	return (struct str){p, s.len};
}

bool arena_has(const struct arena *a, const void *p)
{
	return (uintptr_t)p >= (uintptr_t)a->base && (uintptr_t)p < (uintptr_t)a->base + a->used;
}
