/* bencode: the length without a tree is the one with it; what parses is written to parse to the same. */
#include "common/bencode.h"
#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char arena_mem[1 << 20], first_mem[1 << 20], second_mem[1 << 20];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size};
	struct arena a;
	struct dict *d = NULL, *again = NULL;
	struct buf first, second;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	ptrdiff_t n = bencode_parse(in, &a, &d);
	CHECK(bencode_len(in) == n);
	CHECK((n >= 0) == (d != NULL));
	if (n < 0)
		return 0;
	CHECK((size_t)n <= size);
	CHECK(bencode_len((struct str){in.p, (size_t)n - 1}) == ERR_MORE);
	buf_init(&first, first_mem, sizeof(first_mem));
	buf_init(&second, second_mem, sizeof(second_mem));
	bencode_write(&first, d);
	arena_reset(&a);
	CHECK(bencode_parse(buf_view(&first), &a, &again) == (ptrdiff_t)first.len);
	bencode_write(&second, again);
	CHECK(str_eq(buf_view(&first), buf_view(&second)));
	buf_reset(&second);
	json_write(&second, again);
	CHECK(json_len(buf_view(&second)) == (ptrdiff_t)second.len || second.overflow ||
	      again->type == DICT_INT || again->type == DICT_STR);
	return 0;
}
