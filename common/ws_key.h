/* The keys of the WebSocket handshake (RFC 6455 §4.2): what a client sends, and what proves that we read it. */
#ifndef SALLYPORT_WS_KEY_H
#define SALLYPORT_WS_KEY_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/str.h"

/* Sixteen octets in base64. */
bool ws_key_is(struct str key);
/* The value of Sec-WebSocket-Accept for a key that is one. */
void ws_key_write_accept(struct buf *b, struct str key);

#endif
