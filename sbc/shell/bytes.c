#include "bytes.h"

#include <stdlib.h>
#include <string.h>

void bytes_store_init(struct bytes_store *s)
{
	s->count = 0;
}

void bytes_store_release(struct bytes_store *s)
{
	while (s->count > 0)
		free(s->blocks[--s->count]);
}

static void *block_new(struct bytes_store *s, size_t cap)
{
	if (cap == BYTES_BLOCK && s->count > 0)
		return s->blocks[--s->count];
	return malloc(cap);
}

static void block_free(struct bytes_store *s, void *p, size_t cap)
{
	if (cap == BYTES_BLOCK && s->count < BYTES_STORE_MAX)
		s->blocks[s->count++] = p;
	else
		free(p);
}

size_t bytes_len(const struct bytes *b)
{
	return b->end - b->start;
}

enum err bytes_reserve(struct bytes *b, struct bytes_store *s, size_t n, size_t limit)
{
	size_t len = bytes_len(b);
	if (n > limit || len > limit - n)
		return ERR_LIMIT;
	if (b->cap - b->end >= n)
		return OK;
	if (b->cap >= len + n) { /* enough, once the used ones at the front make room */
		memmove(b->p, b->p + b->start, len);
		b->start = 0;
		b->end = len;
		return OK;
	}
	size_t cap = BYTES_BLOCK;
	while (cap < len + n)
		cap *= 2;
	char *p = block_new(s, cap);
	if (!p)
		return ERR_NOMEM;
	if (len > 0)
		memcpy(p, b->p + b->start, len);
	if (b->p)
		block_free(s, b->p, b->cap);
	*b = (struct bytes){p, 0, len, cap};
	return OK;
}

enum err bytes_add(struct bytes *b, struct bytes_store *s, const void *p, size_t n, size_t limit)
{
	enum err e = bytes_reserve(b, s, n, limit);
	if (e)
		return e;
	if (n > 0)
		memcpy(b->p + b->end, p, n);
	b->end += n;
	return OK;
}

void bytes_take(struct bytes *b, struct bytes_store *s, size_t n)
{
	CHECK(n <= bytes_len(b));
	b->start += n;
	if (b->start == b->end)
		bytes_release(b, s);
}

void bytes_release(struct bytes *b, struct bytes_store *s)
{
	if (b->p)
		block_free(s, b->p, b->cap);
	*b = (struct bytes){0};
}
