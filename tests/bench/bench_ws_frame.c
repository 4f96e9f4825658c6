/* WebSocket framing: a masked text frame with a SIP message in it, and its text looked through for UTF-8. */
#include "common/ws_frame.h"
#include "tests/bench/run.h"
#include "tests/bench/sip.h"

enum { LIMIT = 65535, HEAD = 8 };

static char frame[HEAD + sizeof(sip_invite_text)];

/* Two octets of length and a mask; unmasking turns what lies there over and over, which costs the same. */
static void step(void *arg, size_t n)
{
	size_t len = sizeof(sip_invite_text) - 1;
	(void)arg;
	for (size_t i = 0; i < n; i++) {
		struct ws_frame f = {0};
		struct ws_frame_out o = ws_frame_step(&f, frame, HEAD + len, LIMIT);
		CHECK(o.kind == WS_FRAME_DATA && o.payload.len == len);
	}
}

static void head(void *arg, size_t n)
{
	uint8_t out[WS_HEAD_MAX];
	(void)arg;
	for (size_t i = 0; i < n; i++)
		bench_keep(ws_frame_head(out, WS_TEXT, 900 + i % 64));
}

static void utf8(void *arg, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		bench_keep(ws_is_utf8((struct str){sip_invite_text, sizeof(sip_invite_text) - 1}));
}

int main(void)
{
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	size_t len = sizeof(sip_invite_text) - 1;

	frame[0] = (char)(0x80 | WS_BINARY);
	frame[1] = (char)(0x80 | 126);
	frame[2] = (char)(len >> 8);
	frame[3] = (char)len;
	memcpy(frame + 4, mask, sizeof(mask));
	memcpy(frame + HEAD, sip_invite_text, len);
	bench("ws_frame: a frame read and unmasked", step, NULL);
	bench("ws_frame: head of one written", head, NULL);
	bench("ws_frame: a message looked through for UTF-8", utf8, NULL);
	return 0;
}
