#include "guard.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void guard_init(struct guard *g, size_t cap)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (cap + page - 1) / page * page;
	g->map_len = room + page;
	g->cap = cap;
	g->map = mmap(NULL, g->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(g->map != MAP_FAILED);
	g->end = g->map + room;
	CHECK(mprotect(g->end, page, PROT_NONE) == 0);
}

void guard_release(struct guard *g)
{
	munmap(g->map, g->map_len);
	*g = (struct guard){0};
}

struct str guard_put(struct guard *g, struct str s)
{
	CHECK(s.len <= g->cap);
	if (s.len > 0)
		memcpy(g->end - s.len, s.p, s.len);
	return (struct str){g->end - s.len, s.len};
}
