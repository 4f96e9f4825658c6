/* sdp: what parses is written so that it parses to the same text again; look-ups stay within it. */
#include "common/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char arena_mem[1 << 20], first_mem[1 << 18], second_mem[1 << 18];

static void look_up(const struct sdp *s)
{
	for (size_t i = 0; i < s->media_count; i++) {
		const struct sdp_media *m = &s->media[i];
		struct sdp_codec c;
		CHECK(m->format_count >= 1 && m->format_count <= SDP_FORMATS_MAX);
		for (size_t k = 0; k < m->format_count; k++)
			if (sdp_find_codec(m, m->formats[k], &c) == OK)
				CHECK(c.type <= 127 && c.rate > 0 && c.channels > 0);
		CHECK(sdp_direction_of(s, m) < SDP_DIRECTION_COUNT);
		const struct sdp_conn *conn = sdp_conn_of(s, m);
		CHECK(!conn || conn->host.len > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct sdp s, again;
	struct buf first, second;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	if (sdp_parse((struct str){(const char *)data, size}, &a, &s) != OK)
		return 0;
	look_up(&s);
	buf_init(&first, first_mem, sizeof(first_mem));
	buf_init(&second, second_mem, sizeof(second_mem));
	sdp_write(&first, &s);
	CHECK(!first.overflow);
	arena_reset(&a);
	enum err e = sdp_parse(buf_view(&first), &a, &again);
	/* Writing may add "s=-" and "t=0 0", and so go beyond the limits of size. */
	if (e == ERR_LIMIT)
		return 0;
	CHECK(e == OK);
	sdp_write(&second, &again);
	CHECK(str_eq(buf_view(&first), buf_view(&second)));
	return 0;
}
