/*
 * Cuts a byte stream (TCP, TLS) into SIP messages by Content-Length (RFC 3261 §18.3), with limits and CRLF
 * keep-alives (RFC 5626 §3.5.1). Remembers how far it has looked, so a message in one-octet segments costs as much
 * as in one piece. Owns no memory: the shell keeps the bytes.
 */
#ifndef SALLYPORT_FRAME_H
#define SALLYPORT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

enum frame_kind {
	FRAME_MORE,    /* nothing whole yet */
	FRAME_MESSAGE, /* `message` is one whole message */
	FRAME_PING,    /* second CRLF in a row between messages: answer with one CRLF */
	FRAME_PONG,    /* first CRLF between messages: nothing to do */
	FRAME_BAD, /* framing is lost. `message` is the header section, to be answered with 400 where
			  msg_index finds it answerable; then close */
	FRAME_NOT_SIP, /* close without a word */
	FRAME_LIMIT, /* larger than allowed: as FRAME_BAD (513), `message` is empty when the headers alone are
			  too large */
	FRAME_KIND_COUNT
};

struct frame {
	size_t scanned;    /* octets of the present message that were looked at */
	size_t line_at;    /* where the line under the scan begins */
	size_t header_len; /* length of the header section, 0: not seen whole */
	size_t total;      /* length of the message, once known */
	bool after_crlf;   /* a CRLF stood before: the next one makes it a ping */
};

struct frame_limits {
	size_t header_bytes;  /* start line and headers */
	size_t message_bytes; /* all of it */
};

struct frame_out {
	enum frame_kind kind;
	size_t consumed;    /* octets to take off the front of the buffer before the next call */
	struct str message; /* view into `buffered` */
};

void frame_init(struct frame *f);
/*
 * `buffered`: all octets not yet consumed, the front being the front of a message. Call again with what is left
 * until FRAME_MORE. After BAD, NOT_SIP and LIMIT the stream is of no more use.
 */
struct frame_out frame_step(struct frame *f, struct str buffered,
			    const struct frame_limits *limits);

#endif
