#include "clock.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"

void clock_init(struct clock *c, uint64_t now_ms)
{
	*c = (struct clock){.now_ms = now_ms};
}

void happening_release(struct happening *h)
{
	free((char *)(uintptr_t)h->bytes.p);
	h->bytes = STR_NONE;
}

struct str happening_bytes(struct str s)
{
	if (!s.len)
		return STR_NONE;
	char *p = malloc(s.len);
	CHECK(p != NULL);
	memcpy(p, s.p, s.len);
	return (struct str){p, s.len};
}

static void drop_all(struct clock *c)
{
	for (size_t i = 0; i < c->count; i++)
		happening_release(&c->heap[i]);
	c->count = 0;
}

void clock_release(struct clock *c)
{
	drop_all(c);
	free(c->heap);
	*c = (struct clock){0};
}

void clock_reset(struct clock *c, uint64_t now_ms)
{
	drop_all(c);
	c->planned = 0;
	c->now_ms = now_ms;
}

static bool before(const struct happening *a, const struct happening *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void clock_plan(struct clock *c, const struct happening *h, uint64_t at_ms)
{
	if (c->count == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 256;
		c->heap = realloc(c->heap, c->cap * sizeof(*c->heap));
		CHECK(c->heap != NULL);
	}
	struct happening fresh = *h;
	fresh.at_ms = at_ms;
	fresh.order = c->planned++;
	size_t i = c->count++;
	while (i > 0 && before(&fresh, &c->heap[(i - 1) / 2])) {
		c->heap[i] = c->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	c->heap[i] = fresh;
}

uint64_t clock_next_ms(const struct clock *c)
{
	return c->count ? c->heap[0].at_ms : UINT64_MAX;
}

bool clock_take(struct clock *c, struct happening *out)
{
	if (c->count == 0)
		return false;
	*out = c->heap[0];
	struct happening last = c->heap[--c->count];
	size_t i = 0;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= c->count)
			break;
		if (child + 1 < c->count && before(&c->heap[child + 1], &c->heap[child]))
			child++;
		if (!before(&c->heap[child], &last))
			break;
		c->heap[i] = c->heap[child];
		i = child;
	}
	if (c->count)
		c->heap[i] = last;
	return true;
}
