/*
 * Memory of one message or one turn, given back in one go. Fixed size: when it is used up,
 * arena_alloc gives NULL and the caller refuses the work.
 */
#ifndef SALLYPORT_ARENA_H
#define SALLYPORT_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "str.h"

struct arena {
	char *base;
	size_t used;
	size_t size;
	bool owned;  /* base came from arena_init_sized and arena_release frees it */
	bool failed; /* something did not fit since the last reset */
};

/* Over the caller's memory, which must outlive the arena. */
void arena_init(struct arena *a, void *mem, size_t size);
/* Over memory of its own, at start-up. ERR_NOMEM. */
enum err arena_init_sized(struct arena *a, size_t size) MUST_USE;
void arena_release(struct arena *a);
void arena_reset(struct arena *a);
/* 16-byte aligned, not zeroed; NULL when full. */
void *arena_alloc(struct arena *a, size_t n);
/* Zeroed. */
void *arena_zalloc(struct arena *a, size_t n);
/* A copy that lives as long as the arena; STR_NONE when full (and for an empty s). */
struct str arena_str(struct arena *a, struct str s);
bool arena_has(const struct arena *a, const void *p);

#endif
