/* HTTP heads and the cutting of NG streams: nothing is read beyond the end, and pieces give what the whole gives. */
#include <stdlib.h>
#include <string.h>

#include "rtpproxy/core/ng_frame.h"
#include "rtpproxy/io/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 4096 };

/* In memory that ends where the octets end. */
static char *copy(const uint8_t *data, size_t n)
{
	char *p = malloc(n > 0 ? n : 1);
	CHECK(p);
	if (n > 0) {
		memcpy(p, data, n);
	}
	return p;
}

static void heads(const uint8_t *data, size_t size)
{
	struct http_head h;
	ptrdiff_t whole = ERR_MORE;
	for (size_t n = size; n > 0; n /= 2) {
		char *p = copy(data, n);
		ptrdiff_t got = http_head_parse((struct str){p, n}, &h);
		CHECK(got <= (ptrdiff_t)n);
		if (got > 0) {
			(void)http_head_may_ask(&h, false);
			(void)http_head_has(h.ws_protocols, STR("ng.rtpengine.com"));
		}
		/* A head that is there is there whatever follows. */
		CHECK(n == size || got == ERR_MORE || got == whole || whole == ERR_LIMIT);
		whole = n == size ? got : whole;
		free(p);
	}
}

static ptrdiff_t frame(const uint8_t *data, size_t size, size_t piece, bool plain)
{
	struct ng_frame f;
	ptrdiff_t n = ERR_MORE;
	ng_frame_init(&f, plain);
	for (size_t have = 0; n == ERR_MORE && have < size;) {
		have = size - have < piece ? size : have + piece;
		char *p = copy(data, have);
		n = ng_frame_step(&f, (struct str){p, have}, LIMIT);
		CHECK(n <= (ptrdiff_t)have && (n < 0 || n > 0));
		free(p);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 2 * LIMIT) {
		return 0;
	}
	heads(data, size);
	for (int plain = 0; plain < 2; plain++) {
		ptrdiff_t whole = frame(data, size, size, plain);
		for (size_t piece = 1; piece < 100; piece *= 7) {
			if (size < 1000 || piece > 1) {
				CHECK(frame(data, size, piece, plain) == whole);
			}
		}
	}
	return 0;
}
