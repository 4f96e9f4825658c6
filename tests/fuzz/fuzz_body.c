/*
 * body: the first line of the input is the Content-Type, the rest the body. Parts lie inside the input, in order; what is
 * written of them is read again as the same.
 */
#include "sbc/core/body.h"

#include "common/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 1 << 18 };
static char mem[OUT_MAX];

static void look_at(const struct body *b, struct str in)
{
	const char *last = in.p;
	CHECK(b->count <= b->seen && b->seen <= BODY_PARTS_MAX);
	for (size_t i = 0; i < b->count; i++) {
		struct str bytes = b->parts[i].bytes;
		if (bytes.len == 0)
			continue;
		CHECK(bytes.p >= last && bytes.p + bytes.len <= in.p + in.len);
		last = bytes.p + bytes.len;
	}
	const struct body_part *s = body_session(b);
	CHECK(!s || (s >= b->parts && s < b->parts + b->count && !s->encoded));
}

/* All that is no SDP and not encoded crosses, if its type is named. */
static void write_again(const struct body *b)
{
	struct str types[BODY_PARTS_MAX];
	struct body_types named = {types, 0};
	struct body again;
	struct buf out;
	for (size_t i = 0; i < b->count; i++) {
		size_t n = str_index(b->parts[i].type, ';');
		types[named.count++] = str_trim((struct str){b->parts[i].type.p, n});
	}
	buf_init(&out, mem, sizeof(mem));
	struct str boundary = STR("no-input-should-hold-this-1234567890");
	for (size_t i = 0; i < b->count; i++)
		if (str_find(b->parts[i].bytes, boundary) < b->parts[i].bytes.len ||
		    body_is_multipart(b->parts[i].type))
			return;
	size_t n = body_write(&out, boundary, STR("v=0"), b, &named);
	if (n == 0 || out.overflow || n > BODY_PARTS_MAX)
		return;
	CHECK(body_parse(buf_view(&out),
			 STR("multipart/mixed;boundary=no-input-should-hold-this-1234567890"),
			 STR_NONE, STR_NONE, &again) == OK);
	CHECK(again.count == n && body_session(&again) &&
	      str_eq(body_session(&again)->bytes, STR("v=0")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size}, type;
	struct body b;
	size_t n = str_index(in, '\n');
	type = str_trim((struct str){in.p, n});
	in = str_from_offset(in, n + 1);
	/* As msg leaves it: folded at most, no other control octets. */
	for (size_t i = 0; i < type.len; i++)
		if ((unsigned char)type.p[i] < 0x20 || type.p[i] == 0x7f)
			return 0;
	if (body_parse(in, type, STR_NONE, STR_NONE, &b) != OK)
		return 0;
	look_at(&b, in);
	write_again(&b);
	return 0;
}
