/* json: what parses is written so that it parses to the same tree; both notations agree on it. */
#include "common/bencode.h"
#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char arena_mem[1 << 21], first_mem[1 << 20], second_mem[1 << 20], third_mem[1 << 20];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct dict *d = NULL, *again = NULL, *third = NULL;
	struct buf first, second, other;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	ptrdiff_t n = json_parse((struct str){(const char *)data, size}, &a, &d);
	CHECK((n >= 0) == (d != NULL));
	if (n < 0)
		return 0;
	buf_init(&first, first_mem, sizeof(first_mem));
	buf_init(&second, second_mem, sizeof(second_mem));
	json_write(&first, d);
	CHECK(json_parse(buf_view(&first), &a, &again) == (ptrdiff_t)first.len);
	json_write(&second, again);
	CHECK(str_eq(buf_view(&first), buf_view(&second)));
	buf_init(&other, third_mem, sizeof(third_mem));
	bencode_write(&other, d);
	CHECK(bencode_parse(buf_view(&other), &a, &third) == (ptrdiff_t)other.len);
	buf_reset(&first);
	json_write(&first, third);
	CHECK(str_eq(buf_view(&first), buf_view(&second)));
	return 0;
}
