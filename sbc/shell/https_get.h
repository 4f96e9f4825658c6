/*
 * One GET over HTTPS, to an address that was chosen before: names are not looked up here, redirects are told and not followed.
 * Bounded in octets and time. Over evhttp; beside watch and http a file with libevent in it.
 */
#ifndef SALLYPORT_HTTPS_GET_H
#define SALLYPORT_HTTPS_GET_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

struct event_base;
struct https_get;
struct https_tls;

enum { HTTPS_HEADERS_MAX = 8192 };

/* What servers are verified with: a PEM file, or the system's authorities where `path` is empty. ERR_BAD: `why` says so. */
enum err https_tls_new(struct https_tls **out, struct str path, struct buf *why) MUST_USE;
void https_tls_free(struct https_tls **t);

/* Views, until the function returns. */
struct https_answer {
	int status; /* 0: none came: no connection, no proof of the name, too slow, too large */
	struct str location; /* of a 3xx */
	struct str body;
};
/* Called once, from the loop, never from within https_get_new. It must not free the GET. */
typedef void (*https_get_fn)(void *ctx, const struct https_answer *a);

struct https_get_params {
	struct event_base *base;
	const struct https_tls *tls;
	struct addr to;    /* with port */
	struct str host;   /* that its certificate must name; without brackets */
	uint16_t url_port; /* for Host */
	struct str path;   /* empty: "/" */
	size_t bytes_max;
	uint32_t timeout_ms; /* without a sign of life; the whole is the caller's to bound */
	https_get_fn done;
	void *ctx;
};

/* ERR_NOMEM, ERR_LIMIT: a text is too long. */
enum err https_get_new(struct https_get **out, const struct https_get_params *p) MUST_USE;
/* Ends it, without a word. */
void https_get_free(struct https_get **g);

#endif
