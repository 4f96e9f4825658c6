#include "rtpproxy/core/owner.h"

#include <string.h>

#include "common/check.h"

uint8_t owner_take(struct owners *o, struct str key)
{
	unsigned free = LIMIT_OWNERS;
	if (key.len == 0 || key.len > LIMIT_PEER) {
		return 0;
	}
	for (unsigned i = 0; i < LIMIT_OWNERS; i++) {
		struct owner *x = &o->at[i];
		if (x->calls > 0 && str_eq((struct str){x->key, x->len}, key)) {
			x->calls++;
			return (uint8_t)(i + 1);
		}
		free = x->calls == 0 && free == LIMIT_OWNERS ? i : free;
	}
	if (free == LIMIT_OWNERS) {
		return 0;
	}
	struct owner *x = &o->at[free];
	x->calls = 1;
	x->len = (uint8_t)key.len;
	memcpy(x->key, key.p, key.len);
	return (uint8_t)(free + 1);
}

void owner_drop(struct owners *o, uint8_t id)
{
	CHECK(id <= LIMIT_OWNERS);
	if (id > 0) {
		CHECK(o->at[id - 1].calls > 0);
		o->at[id - 1].calls--;
	}
}

struct str owner_key(const struct owners *o, uint8_t id)
{
	CHECK(id <= LIMIT_OWNERS);
	return id > 0 ? (struct str){o->at[id - 1].key, o->at[id - 1].len} : STR_NONE;
}
