#include "pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A freed object must not be touched: with AddressSanitizer the touch itself is the report. */
#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif
#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum {
	POOL_ALIGN = 16,
	POOL_CHUNK_BYTES = 256 * 1024,
	POOL_GENERATION_MAX = 0xffffff,
	POOL_LIVE = UINT32_MAX /* of `next_free`: the slot is handed out */
};

struct slot {
	uint32_t generation; /* of the object that is or will be here; never 0 */
	uint32_t next_free;  /* slot number + 1, 0: last, or POOL_LIVE */
	uint8_t pad[POOL_ALIGN - 8];
};

_Static_assert(sizeof(struct slot) == POOL_ALIGN, "objects stay aligned");

static struct slot *slot_at(const struct pool *p, uint32_t n)
{
	size_t in_chunk = n & ((1u << p->chunk_shift) - 1);
	return (struct slot *)(void *)(p->chunks[n >> p->chunk_shift] + in_chunk * p->stride);
}

static void *object_of(struct slot *s)
{
	return s + 1;
}

enum err pool_init(struct pool *p, size_t object_size, uint32_t limit, uint8_t worker)
{
	CHECK(object_size > 0 && object_size < SIZE_MAX / 4);
	CHECK(limit > 0 && limit < UINT32_MAX - 1);
	size_t rounded = (object_size + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1);
	size_t stride = sizeof(struct slot) + rounded;
	uint8_t shift = 0;
	while (shift < 16 && (2u << shift) * stride <= POOL_CHUNK_BYTES)
		shift++;
	/* A pool smaller than a chunk gets no more memory than its limit needs. */
	while (shift > 0 && (1u << (shift - 1)) >= limit)
		shift--;
	size_t count = ((size_t)limit + (1u << shift) - 1) >> shift;
	char **chunks = calloc(count, sizeof(*chunks));
	if (!chunks)
		return ERR_NOMEM;
	*p = (struct pool){.object_size = object_size,
			   .stride = stride,
			   .limit = limit,
			   .worker = worker,
			   .chunk_shift = shift,
			   .chunks = chunks};
	return OK;
}

void pool_release(struct pool *p)
{
	for (size_t i = 0; i < p->chunk_count; i++) {
		UNPOISON(p->chunks[i], p->stride << p->chunk_shift);
		free(p->chunks[i]);
	}
	free(p->chunks);
	*p = (struct pool){0};
}

/* The number + 1 of a slot that was never used, 0 if there is no memory for one. */
static uint32_t grow(struct pool *p)
{
	uint32_t n = p->made;
	if (n >> p->chunk_shift == p->chunk_count) {
		char *chunk = malloc(p->stride << p->chunk_shift);
		if (!chunk)
			return 0;
		p->chunks[p->chunk_count++] = chunk;
	}
	struct slot *s = slot_at(p, n);
	s->generation = 1;
	s->next_free = 0;
	p->made++;
	return n + 1;
}

void *pool_new(struct pool *p, id_t64 *out_id)
{
	if (p->used >= p->limit)
		return NULL;
	uint32_t n = p->free_first;
	if (n == 0)
		n = grow(p);
	else
		p->free_first = slot_at(p, n - 1)->next_free;
	if (n == 0)
		return NULL;
	struct slot *s = slot_at(p, n - 1);
	s->next_free = POOL_LIVE;
	p->used++;
	void *object = object_of(s);
	UNPOISON(object, p->stride - sizeof(*s));
	memset(object, 0, p->object_size);
	*out_id = id_make(p->worker, s->generation, n - 1);
	return object;
}

static struct slot *find_slot(const struct pool *p, id_t64 id)
{
	if (id_slot(id) >= p->made || id_worker(id) != p->worker)
		return NULL;
	struct slot *s = slot_at(p, id_slot(id));
	return s->next_free == POOL_LIVE && s->generation == id_generation(id) ? s : NULL;
}

void *pool_find(const struct pool *p, id_t64 id)
{
	struct slot *s = find_slot(p, id);
	return s ? object_of(s) : NULL;
}

void pool_free(struct pool *p, id_t64 id)
{
	struct slot *s = find_slot(p, id);
	CHECK(s != NULL);
	s->generation = s->generation == POOL_GENERATION_MAX ? 1 : s->generation + 1;
	s->next_free = p->free_first;
	p->free_first = id_slot(id) + 1;
	p->used--;
	POISON(object_of(s), p->stride - sizeof(*s));
}

void *pool_next(const struct pool *p, uint32_t *cursor, id_t64 *out_id)
{
	for (uint32_t n = *cursor; n < p->made; n++) {
		struct slot *s = slot_at(p, n);
		if (s->next_free != POOL_LIVE)
			continue;
		*cursor = n + 1;
		*out_id = id_make(p->worker, s->generation, n);
		return object_of(s);
	}
	*cursor = p->made;
	return NULL;
}
