#include "ws_frame.h"

#include <string.h>

#include "common/check.h"

enum {
	FIN = 0x80,
	RESERVED = 0x70,
	OPCODE = 0x0f,
	MASKED = 0x80,
	LENGTH = 0x7f,
	LENGTH_16 = 126,
	LENGTH_64 = 127,
	MASK_LEN = 4,
	CODE_LEN = 2
};

struct head {
	bool fin;
	uint8_t opcode;
	uint64_t len;
	size_t head_len; /* up to the mask's end */
};

static struct ws_frame_out bad(uint16_t code)
{
	return (struct ws_frame_out){.kind = WS_FRAME_BAD, .code = code};
}

static bool is_control(uint8_t opcode)
{
	return opcode >= WS_CLOSE;
}

static bool is_known(uint8_t opcode)
{
	return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

/* 0: not all of it is there. Else WS_CLOSE_NORMAL, or what is wrong with it. */
static uint16_t read_head(const uint8_t *p, size_t n, struct head *h)
{
	if (n < 2)
		return 0;
	*h = (struct head){.fin = p[0] & FIN, .opcode = p[0] & OPCODE};
	/* §5.2: no extension was agreed upon; §5.1: a client masks. */
	if ((p[0] & RESERVED) || !is_known(h->opcode) || !(p[1] & MASKED))
		return WS_CLOSE_PROTOCOL;
	uint8_t short_len = p[1] & LENGTH;
	if (is_control(h->opcode) && (!h->fin || short_len > WS_CONTROL_MAX))
		return WS_CLOSE_PROTOCOL;
	size_t extra = short_len == LENGTH_16 ? 2 : short_len == LENGTH_64 ? 8 : 0;
	if (n < 2 + extra)
		return 0;
	h->len = short_len;
	if (extra > 0)
		h->len = 0;
	for (size_t i = 0; i < extra; i++)
		h->len = h->len << 8 | p[2 + i];
	/* §5.2: the shortest form; the highest bit of eight octets is 0. */
	if ((extra == 2 && h->len < LENGTH_16) || (extra == 8 && h->len <= UINT16_MAX) ||
	    h->len > INT64_MAX)
		return WS_CLOSE_PROTOCOL;
	h->head_len = 2 + extra + MASK_LEN;
	return WS_CLOSE_NORMAL;
}

static void unmask(char *p, size_t n, const uint8_t mask[MASK_LEN])
{
	uint64_t wide;
	size_t i = 0;
	memcpy(&wide, mask, MASK_LEN);
	memcpy((char *)&wide + MASK_LEN, mask, MASK_LEN);
	for (; i + sizeof(wide) <= n; i += sizeof(wide)) {
		uint64_t v;
		memcpy(&v, p + i, sizeof(v));
		v ^= wide;
		memcpy(p + i, &v, sizeof(v));
	}
	for (; i < n; i++)
		p[i] = (char)((uint8_t)p[i] ^ mask[i % MASK_LEN]);
}

/* §7.4: those that may stand in a frame. */
static bool is_close_code(uint16_t code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != WS_CLOSE_NO_CODE &&
		code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

static struct ws_frame_out closing(struct ws_frame_out o)
{
	if (o.payload.len == 0) {
		o.code = WS_CLOSE_NO_CODE;
		return o;
	}
	if (o.payload.len < CODE_LEN)
		return bad(WS_CLOSE_PROTOCOL);
	o.code = (uint16_t)((uint8_t)o.payload.p[0] << 8 | (uint8_t)o.payload.p[1]);
	if (!is_close_code(o.code))
		return bad(WS_CLOSE_PROTOCOL);
	if (!ws_is_utf8(str_from_offset(o.payload, CODE_LEN)))
		return bad(WS_CLOSE_NOT_UTF8);
	return o;
}

/* §5.4: a message's parts follow one another; only control frames come between. */
static uint16_t check_order(const struct ws_frame *f, const struct head *h, size_t limit)
{
	if (is_control(h->opcode))
		return WS_CLOSE_NORMAL;
	if (f->in_message != (h->opcode == WS_CONTINUATION))
		return WS_CLOSE_PROTOCOL;
	size_t before = f->in_message ? f->len : 0;
	return before > limit || h->len > limit - before ? WS_CLOSE_TOO_BIG : WS_CLOSE_NORMAL;
}

struct ws_frame_out ws_frame_step(struct ws_frame *f, char *p, size_t n, size_t limit)
{
	static const struct ws_frame_out more = {.kind = WS_FRAME_MORE};
	struct head h;
	uint8_t mask[MASK_LEN];
	uint16_t state = read_head((const uint8_t *)p, n, &h);
	if (state == WS_CLOSE_NORMAL)
		state = check_order(f, &h, limit);
	if (state == 0)
		return more;
	if (state != WS_CLOSE_NORMAL)
		return bad(state);
	if (n < h.head_len || n - h.head_len < h.len)
		return more;
	size_t len = (size_t)h.len;
	memcpy(mask, p + h.head_len - MASK_LEN, sizeof(mask));
	unmask(p + h.head_len, len, mask);
	struct ws_frame_out o = {.consumed = h.head_len + len, .payload = {p + h.head_len, len}};
	switch ((enum ws_opcode)h.opcode) {
	case WS_PING: o.kind = WS_FRAME_PING; return o;
	case WS_PONG: o.kind = WS_FRAME_PONG; return o;
	case WS_CLOSE: o.kind = WS_FRAME_CLOSE; return closing(o);
	case WS_CONTINUATION:
	case WS_TEXT:
	case WS_BINARY: break;
	}
	o.kind = WS_FRAME_DATA;
	o.first = !f->in_message;
	o.last = h.fin;
	if (o.first) {
		f->is_text = h.opcode == WS_TEXT;
		f->len = 0;
	}
	f->len += len;
	f->in_message = !h.fin;
	return o;
}

size_t ws_frame_head(uint8_t out[WS_HEAD_MAX], enum ws_opcode op, size_t len)
{
	size_t n = 2;
	CHECK(op < WS_CLOSE || len <= WS_CONTROL_MAX);
	out[0] = (uint8_t)(FIN | op);
	if (len < LENGTH_16) {
		out[1] = (uint8_t)len;
		return n;
	}
	unsigned octets = len <= UINT16_MAX ? 2 : 8;
	out[1] = octets == 2 ? LENGTH_16 : LENGTH_64;
	for (unsigned i = octets; i-- > 0;)
		out[n++] = (uint8_t)((uint64_t)len >> (8 * i));
	return n;
}

bool ws_is_utf8(struct str s)
{
	size_t at = 0;
	while (at < s.len) {
		uint64_t v;
		/* Nearly all of SIP is ASCII. */
		if (s.len - at >= sizeof(v)) {
			memcpy(&v, s.p + at, sizeof(v));
			if ((v & 0x8080808080808080u) == 0) {
				at += sizeof(v);
				continue;
			}
		}
		size_t n = str_utf8_len((struct str){s.p + at, s.len - at});
		if (n == 0)
			return false;
		at += n;
	}
	return true;
}
