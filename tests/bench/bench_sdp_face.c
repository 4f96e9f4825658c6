/* The face that a side sees: once an offer, once an answer of each call. */
#include "sbc/core/sdp_face.h"

#include "common/check.h"
#include "run.h"

static const char phone[] =
	"v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"
	"t=0 0\r\na=tool:baresip 1.0.0\r\nm=audio 49170 RTP/SAVP 0 8 101\r\na=rtpmap:0 "
	"PCMU/8000\r\n"
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
	"a=rtcp:49171\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
	"inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\na=ptime:20\r\na=label:1\r\n"
	"a=ssrc:1234567890 cname:sip:alice@192.0.2.1\r\na=sendrecv\r\n";

static char arena_mem[1 << 16], out_mem[1 << 14];

static void face(void *ctx, size_t n)
{
	static const struct addr own = {.ip = {192, 0, 2, 9}, .family = ADDR_IP4};
	struct str text = str_from(ctx);
	struct sdp_face f;
	struct arena a;
	struct buf b;
	sdp_face_init(&f, 1);
	arena_init(&a, arena_mem, sizeof(arena_mem));
	buf_init(&b, out_mem, sizeof(out_mem));
	for (size_t i = 0; i < n; i++) {
		arena_reset(&a);
		buf_reset(&b);
		CHECK(sdp_face_write(&b, &f, &own, &a, text) == OK);
	}
}

int main(void)
{
	static char text[sizeof(phone)];
	CHECK(str_copy(str_from(phone), text, sizeof(text)) == OK);
	bench("the face of a phone's offer, 17 lines", face, text);
	return 0;
}
