/*
 * The head of an HTTP/1.1 request (RFC 9112), as far as the control socket needs it: who asks for what, how
 * long the body is, and whether a WebSocket is wanted. Pure; holds views. Bodies come with a length or not
 * at all: nobody sends commands in chunks.
 */
#ifndef SALLYPORT_HTTP_HEAD_H
#define SALLYPORT_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/str.h"

enum { HTTP_HEAD_MAX = 8192, HTTP_HEADERS_MAX = 64 };

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_OTHER, HTTP_METHOD_COUNT };

struct http_head {
	enum http_method method;
	struct str path; /* without the query */
	struct str host, origin, type;
	struct str ws_key, ws_version, ws_protocols;
	uint64_t length; /* of the body */
	bool has_length;
	bool upgrade; /* to a WebSocket */
	bool close;   /* after the answer */
	bool expects; /* to be told 100 before it sends the body */
};

/* Octets of the head with its empty line; ERR_MORE; ERR_BAD (400); ERR_LIMIT (431). */
ptrdiff_t http_head_parse(struct str in, struct http_head *out) MUST_USE;
/*
 * May a program that says so in Origin ask? None: it is no browser. Else the page must have come from here,
 * and by address: a name may be anybody's (DNS rebinding), unless by_name says that ours are known.
 */
bool http_head_may_ask(const struct http_head *h, bool by_name);
/* Is `token` in a comma list? With regard to case. */
bool http_head_has(struct str list, struct str token);
/* The head of an answer. `type` NULL: no body. */
void http_head_write(struct buf *b, unsigned status, const char *type, size_t length, bool close);

#endif
