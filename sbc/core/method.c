#include "sbc/core/method.h"

static const struct str names[METHOD_COUNT] = {[METHOD_OTHER] = {NULL, 0},
#define X(name) [METHOD_##name] = {#name, sizeof(#name) - 1},
					       METHOD_TABLE(X)
#undef X
};

enum method method_find(struct str name)
{
	for (unsigned m = METHOD_OTHER + 1; m < METHOD_COUNT; m++)
		if (names[m].len == name.len && memcmp(names[m].p, name.p, name.len) == 0)
			return (enum method)m;
	return METHOD_OTHER;
}

struct str method_name(enum method m)
{
	CHECK(m < METHOD_COUNT);
	return names[m];
}
