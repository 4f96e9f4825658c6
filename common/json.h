/*
 * JSON, the second notation of NG, to and from the tree of dict.h. Booleans become 1 and 0, null the
 * empty string, fractions are cut. Reads through jansson (heap, given back before the return): for
 * control messages, not for a packet path.
 */
#ifndef SALLYPORT_JSON_H
#define SALLYPORT_JSON_H

#include <stddef.h>

#include "arena.h"
#include "buf.h"
#include "dict.h"

enum { JSON_DEPTH_MAX = 16, JSON_VALUES_MAX = 4096 };

/*
 * The length of the object or list at the start of s, by its braces: how much of a stream is one
 * message. ERR_MORE, ERR_BAD (neither), ERR_LIMIT (too deep).
 */
ptrdiff_t json_len(struct str s) MUST_USE;
/*
 * Reads the object or list that s is, with nothing but white space around it, and returns its
 * length. Strings are copied into the arena. ERR_MORE, ERR_BAD, ERR_LIMIT, ERR_NOMEM; *out untouched
 * then.
 */
ptrdiff_t json_parse(struct str s, struct arena *a, struct dict **out) MUST_USE;
/* On one line, members in the order of the tree. */
void json_write(struct buf *b, const struct dict *d);

#endif
