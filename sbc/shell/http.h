/*
 * /metrics (Prometheus text) and /health over evhttp. For the operator's side of the network; bound
 * to loopback by default.
 */
#ifndef SALLYPORT_HTTP_H
#define SALLYPORT_HTTP_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "sbc/core/settings.h"

enum {
	HTTP_HEADERS_MAX = 8192,
	HTTP_BODY_MAX = 1024,
	HTTP_TIMEOUT_S = 10,
	HTTP_PAGE_FIRST = 256 * 1024,
	HTTP_PAGE_MAX = 64 * 1024 * 1024
};

struct event_base;

struct http_pages {
	/* Writes the page; called again with a larger buffer after an overflow. */
	void (*metrics)(void *ctx, struct buf *b);
	/* False: new calls are not taken (drain). */
	bool (*health)(void *ctx, struct buf *b);
	void *ctx;
};

struct http;

/* ERR_IO with errno: the address is in use or not ours. ERR_NOMEM. */
enum err http_new(struct http **out, struct event_base *base, const struct http_listener *l,
		  const struct http_pages *pages) MUST_USE;
void http_free(struct http **h);

#endif
