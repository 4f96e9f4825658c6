/*
 * The framing of WebSocket (RFC 6455 §5), the server's side: cuts what a client sends into frames, checks
 * them, and writes the heads of ours. Pure: no socket, no clock, no memory of its own; whole messages out
 * of fragments are the caller's.
 */
#ifndef SALLYPORT_WS_FRAME_H
#define SALLYPORT_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

enum {
	WS_HEAD_MAX = 14,    /* of a frame: two octets, a length of eight, a mask of four */
	WS_CONTROL_MAX = 125 /* payload of a control frame */
};

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10
};

/* RFC 6455 §7.4.1: why a connection ends. */
enum ws_close {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_AWAY = 1001,
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_NO_CODE = 1005, /* never sent: the peer's close frame was empty */
	WS_CLOSE_NOT_UTF8 = 1007,
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009
};

enum ws_frame_kind {
	WS_FRAME_MORE, /* nothing whole yet */
	WS_FRAME_DATA, /* a part of a message, or all of it: `first`, `last` */
	WS_FRAME_PING, /* answer with the same payload */
	WS_FRAME_PONG,
	WS_FRAME_CLOSE, /* `code` is the peer's */
	WS_FRAME_BAD,   /* the stream is of no more use: close with `code` */
	WS_FRAME_KIND_COUNT
};

/* What is known between two frames. Zeroed: at the beginning. */
struct ws_frame {
	bool in_message; /* a last part is still to come */
	bool is_text;    /* of this message, or the last one */
	size_t len;      /* of its parts so far */
};

struct ws_frame_out {
	enum ws_frame_kind kind;
	size_t consumed;    /* octets to take off the front */
	struct str payload; /* view into the input, unmasked there */
	bool first, last;
	uint16_t code;
};

/*
 * The n octets at p are all that are not consumed yet; a payload is unmasked in place. No message may have
 * more than `limit` octets, which is seen at the length, before any of it is waited for.
 */
struct ws_frame_out ws_frame_step(struct ws_frame *f, char *p, size_t n, size_t limit);
/* The head of a frame of ours, whole and unmasked (§5.1); how many octets. */
size_t ws_frame_head(uint8_t out[WS_HEAD_MAX], enum ws_opcode op, size_t len);
bool ws_is_utf8(struct str s);

#endif
