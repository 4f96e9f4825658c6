/*
 * Where one NG message ends in a stream of bytes (ng-protocol §1): NG over TCP has no lengths and no
 * delimiters, so a message is as long as its bencode value or its JSON braces. Every byte is looked at
 * once, however small the pieces are that it comes in.
 */
#ifndef SALLYPORT_NG_FRAME_H
#define SALLYPORT_NG_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/str.h"

enum { NG_FRAME_COOKIE_MAX = 255 };

enum ng_frame_state {
	NG_FRAME_COOKIE,
	NG_FRAME_BODY,  /* its first byte */
	NG_FRAME_VALUE, /* bencode: the first byte of a value */
	NG_FRAME_LENGTH,
	NG_FRAME_TEXT,
	NG_FRAME_INT,
	NG_FRAME_JSON,
	NG_FRAME_JSON_TEXT,
	NG_FRAME_JSON_ESCAPE,
	NG_FRAME_STATE_COUNT
};

/* What is known of the message that is under way. */
struct ng_frame {
	uint8_t state;  /* enum ng_frame_state */
	uint8_t depth;  /* of open values */
	uint8_t digits; /* of the length that is being read */
	bool plain;     /* there is no cookie */
	size_t at;      /* so many bytes were looked at */
	size_t left;    /* bytes of the string that is being skipped */
};

/*
 * A new message. May it begin without a cookie? Then one that begins as a dictionary does is taken so, as
 * clients of a Unix stream send it.
 */
void ng_frame_init(struct ng_frame *f, bool may_be_plain);
/*
 * `in`: all bytes since the message began. Its length; ERR_MORE; ERR_BAD: never a message; ERR_LIMIT: it
 * is, or says it will be, longer than `limit`. After anything but ERR_MORE only ng_frame_init may follow.
 */
ptrdiff_t ng_frame_step(struct ng_frame *f, struct str in, size_t limit) MUST_USE;

#endif
