/*
 * Bencode, the first notation of NG (ng-protocol §1): liberal in what it reads (keys may be
 * unsorted and repeated), bounded in depth and number of values, linear in time, no recursion.
 */
#ifndef SALLYPORT_BENCODE_H
#define SALLYPORT_BENCODE_H

#include <stddef.h>

#include "arena.h"
#include "buf.h"
#include "dict.h"

enum { BENCODE_DEPTH_MAX = 16, BENCODE_VALUES_MAX = 4096 };

/*
 * The length of the value at the start of s: how much of a stream is one message. ERR_MORE, ERR_BAD,
 * ERR_LIMIT.
 */
ptrdiff_t bencode_len(struct str s) MUST_USE;
/*
 * Reads the value at the start of s and returns its length; what follows it is not looked at.
 * Strings are views of s. ERR_MORE, ERR_BAD, ERR_LIMIT, ERR_NOMEM (arena full); *out untouched then.
 */
ptrdiff_t bencode_parse(struct str s, struct arena *a, struct dict **out) MUST_USE;
/* Members in the order of the tree. */
void bencode_write(struct buf *b, const struct dict *d);

#endif
