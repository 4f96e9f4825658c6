/* sdp_face: what comes out is printable, has no attribute but the listed ones, and is its own face. */
#include "sbc/core/sdp_face.h"

#include "common/check.h"
#include "common/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char arena_mem[1 << 20], first_mem[1 << 17], second_mem[1 << 17];

static const char *const never[] = {"tool", "ssrc",  "cname",       "label", "msid",
				    "ice",  "setup", "fingerprint", "x-",    "candidate"};

static void look_at(const struct sdp_attrs *all)
{
	for (size_t i = 0; i < all->count; i++)
		for (size_t k = 0; k < ARRAY_LEN(never); k++)
			CHECK(!str_has_iprefix(all->at[i].name, str_from(never[k])));
}

static enum err face(struct str in, char *mem, size_t cap, struct sdp_face *f, struct str *out)
{
	static const struct addr own = {.ip = {192, 0, 2, 1}, .family = ADDR_IP4};
	struct arena a;
	struct buf b;
	arena_init(&a, arena_mem, sizeof(arena_mem));
	buf_init(&b, mem, cap);
	enum err e = sdp_face_write(&b, f, &own, &a, in);
	*out = buf_view(&b);
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sdp_face f;
	struct sdp sdp;
	struct arena a;
	struct str first, second;
	sdp_face_init(&f, 1);
	if (face((struct str){(const char *)data, size}, first_mem, sizeof(first_mem), &f,
		 &first) != OK)
		return 0;
	for (size_t i = 0; i < first.len; i++)
		CHECK(first.p[i] == '\r' || first.p[i] == '\n' ||
		      (first.p[i] >= ' ' && first.p[i] <= '~'));
	/* Lines may have grown beyond the limit of all by their CR. */
	enum err e = face(first, second_mem, sizeof(second_mem), &f, &second);
	if (e == ERR_LIMIT)
		return 0;
	CHECK(e == OK && str_eq(first, second) && f.version == 0);
	arena_init(&a, arena_mem, sizeof(arena_mem));
	CHECK(sdp_parse(first, &a, &sdp) == OK && str_eq(sdp.name, STR("-")));
	look_at(&sdp.attrs);
	for (size_t i = 0; i < sdp.media_count; i++) {
		CHECK(sdp.media[i].title.len == 0);
		look_at(&sdp.media[i].attrs);
	}
	return 0;
}
