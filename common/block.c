#include "block.h"

#include <stdlib.h>

#include "check.h"

#if defined(__SANITIZE_ADDRESS__)
#define BLOCK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BLOCK_ASAN 1
#endif
#endif
#ifdef BLOCK_ASAN
#include <sanitizer/asan_interface.h>
#define BLOCK_HIDE(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define BLOCK_SHOW(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define BLOCK_HIDE(p, n) ((void)0)
#define BLOCK_SHOW(p, n) ((void)0)
#endif

struct block_slab {
	struct block_slab *next;
	size_t pad; /* keeps what follows 16-byte aligned */
};

struct block_free {
	struct block_free *next;
};

/* Class 2k is 32·2^k bytes, class 2k+1 half as much again. */
static size_t class_size(unsigned c)
{
	size_t base = (size_t)BLOCK_MIN << (c / 2);

	return c & 1 ? base + base / 2 : base;
}

static unsigned class_of(size_t n)
{
	if (n <= BLOCK_MIN)
		return 0;
	unsigned power = (unsigned)(63 - __builtin_clzll((unsigned long long)(n - 1)));
	unsigned c = (power - 5) * 2; /* 2^5 = BLOCK_MIN; n is in (2^power, 2^(power+1)] */

	return n <= class_size(c + 1) ? c + 1 : c + 2;
}

void block_init(struct block_pool *p, size_t limit)
{
	CHECK(p);
	memset(p, 0, sizeof(*p));
	p->limit = limit;
}

void block_release(struct block_pool *p)
{
	CHECK(p);
	for (struct block_slab *s = p->slabs, *next; s; s = next) {
		BLOCK_SHOW(s, sizeof(*s) + BLOCK_SLAB);
		next = s->next;
		free(s);
	}
	memset(p, 0, sizeof(*p));
}

/* Gives the rest of the slab that was being cut to the lists of free blocks. */
static void give_rest(struct block_pool *p)
{
	for (unsigned c = BLOCK_CLASSES; c-- > 0;) {
		size_t n = class_size(c);
		while (p->cut_left >= n) {
			struct block_free *f = (struct block_free *)(void *)p->cut;
			BLOCK_SHOW(f, sizeof(*f));
			f->next = p->free[c];
			p->free[c] = f;
			BLOCK_HIDE(f, n);
			p->cut += n;
			p->cut_left -= n;
		}
	}
}

static void *cut(struct block_pool *p, size_t n)
{
	if (p->cut_left < n) {
		if (p->reserved + BLOCK_SLAB > p->limit)
			return NULL;
		struct block_slab *s = malloc(sizeof(*s) + BLOCK_SLAB);
		if (!s)
			return NULL;
		give_rest(p);
		s->next = p->slabs;
		p->slabs = s;
		p->reserved += BLOCK_SLAB;
		p->cut = (char *)(s + 1);
		p->cut_left = BLOCK_SLAB;
		BLOCK_HIDE(p->cut, BLOCK_SLAB);
	}
	void *mem = p->cut;
	p->cut += n;
	p->cut_left -= n;
	return mem;
}

void *block_new(struct block_pool *p, size_t n)
{
	CHECK(p);
	if (n > BLOCK_MAX)
		return NULL;
	unsigned c = class_of(n);
	size_t size = class_size(c);
	void *mem = p->free[c];

	if (mem) {
		BLOCK_SHOW(mem, sizeof(struct block_free));
		p->free[c] = p->free[c]->next;
	} else {
		mem = cut(p, size);
	}
	if (!mem)
		return NULL;
	BLOCK_SHOW(mem, n);
	p->used += size;
	return mem;
}

void block_free(struct block_pool *p, void *mem, size_t n)
{
	CHECK(p && n <= BLOCK_MAX);
	if (!mem)
		return;
	unsigned c = class_of(n);
	struct block_free *f = mem;

	BLOCK_SHOW(f, sizeof(*f));
	f->next = p->free[c];
	p->free[c] = f;
	p->used -= class_size(c);
	BLOCK_HIDE(f, class_size(c));
}

struct str block_str(struct block_pool *p, struct str s)
{
	char *mem = s.len ? block_new(p, s.len) : NULL;

	if (!mem)
		return STR_NONE;
	memcpy(mem, s.p, s.len);
	return (struct str){mem, s.len};
}

void block_str_free(struct block_pool *p, struct str *s)
{
	CHECK(s);
	block_free(p, (void *)(uintptr_t)s->p, s->len);
	*s = STR_NONE;
}
