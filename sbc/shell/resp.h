/*
 * The words of Redis (RESP2): commands out, replies in. Replies are read by hiredis' parser, the only thing that we use of it, within bounds
 * that it does not have: so many octets and so many elements a reply. What it gives lies in memory of ours until the next one is asked for.
 */
#ifndef SALLYPORT_RESP_H
#define SALLYPORT_RESP_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

enum {
	RESP_REPLY_MAX = 4 * 1024 * 1024, /* octets of one reply */
	RESP_ELEMENTS_MAX = 16384,        /* of one array */
	RESP_MEMORY = 6 * 1024 * 1024
};

enum resp_type { RESP_NIL, RESP_TEXT, RESP_STATUS, RESP_ERROR, RESP_NUMBER, RESP_ARRAY };

struct resp_value {
	enum resp_type type;
	struct str text; /* TEXT, STATUS, ERROR */
	int64_t number;
	const struct resp_value *items;
	size_t count;
};

/* Writes one command: words are any octets. */
void resp_write(struct buf *b, const struct str *words, size_t count);
/* What that takes at most. */
size_t resp_size(const struct str *words, size_t count);

struct resp_reader;

/* ERR_NOMEM. */
enum err resp_reader_new(struct resp_reader **out) MUST_USE;
void resp_reader_free(struct resp_reader **r);
/* OK; ERR_LIMIT: a reply is larger than it may be. */
enum err resp_reader_feed(struct resp_reader *r, struct str bytes) MUST_USE;
/* OK: *out is the next reply, valid until the next call. ERR_MORE. ERR_BAD: no RESP, or too large: nothing more can be read. */
enum err resp_reader_next(struct resp_reader *r, const struct resp_value **out) MUST_USE;

#endif
