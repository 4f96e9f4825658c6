/*
 * Bounded writer with a sticky error: SIP, SDP, NG, JSON, log lines. Writing past the end sets
 * `overflow` and changes nothing more; the caller looks once, at the end.
 */
#ifndef SALLYPORT_BUF_H
#define SALLYPORT_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "str.h"

struct buf {
	char *p;
	size_t len;
	size_t cap;
	bool overflow;
};

/* The caller owns `mem` and keeps it as long as the buf. */
void buf_init(struct buf *b, void *mem, size_t cap);
void buf_reset(struct buf *b);
void buf_bytes(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_z(struct buf *b, const char *z);
void buf_char(struct buf *b, char c);
void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
/* Lower case hex, two digits a byte. */
void buf_hex(struct buf *b, const void *p, size_t n);
/* Needs room for one byte more than it writes. */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What was written; empty after an overflow, so that half a message is never used. */
struct str buf_view(const struct buf *b);
#define buf_lit(b, literal) buf_bytes((b), "" literal, sizeof(literal) - 1)
/* One JSON string with its quotes; control bytes and invalid UTF-8 escaped as \u00XX. */
void buf_json_str(struct buf *b, struct str s);
/* 2026-11-21T22:25:32.123Z from milliseconds since the epoch. */
void buf_time(struct buf *b, uint64_t wall_ms);

#endif
