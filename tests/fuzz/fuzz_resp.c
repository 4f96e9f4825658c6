/* What a server says, in pieces of the first octet's size: the same replies however it is cut, within bounds, and then an end. */
#include <stdlib.h>
#include <string.h>

#include "sbc/shell/resp.h"

enum { DEEP = 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum_of(const struct resp_value *v, unsigned depth)
{
	uint64_t sum = (uint64_t)v->type * 31 + (uint64_t)v->number;
	if (depth > DEEP || v->count > RESP_ELEMENTS_MAX || v->text.len > RESP_REPLY_MAX)
		abort();
	for (size_t i = 0; i < v->text.len; i++)
		sum = sum * 33 + (unsigned char)v->text.p[i];
	for (size_t i = 0; i < v->count; i++)
		sum = sum * 37 + sum_of(&v->items[i], depth + 1);
	return sum;
}

static uint64_t read_all(const uint8_t *data, size_t size, size_t piece, size_t *out_count)
{
	struct resp_reader *r;
	const struct resp_value *v;
	uint64_t sum = 0;
	enum err e = OK;
	*out_count = 0;
	if (resp_reader_new(&r) != OK)
		return 0;
	for (size_t at = 0; at < size && (e == OK || e == ERR_MORE);) {
		const size_t n = size - at < piece ? size - at : piece;
		e = resp_reader_feed(r, (struct str){(const char *)data + at, n});
		at += n;
		while (e == OK && (e = resp_reader_next(r, &v)) == OK) {
			sum = sum * 41 + sum_of(v, 0);
			++*out_count;
		}
	}
	resp_reader_free(&r);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t whole, cut;
	if (size < 2)
		return 0;
	const uint64_t a = read_all(data + 1, size - 1, size, &whole),
		       b = read_all(data + 1, size - 1, 1 + data[0] % 7, &cut);
	if (whole == cut && a != b)
		abort();
	return 0;
}
