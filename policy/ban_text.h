/* A ban as one line of JSON: of the file that outlives the daemon, of the operator's list, of what nodes tell one another. */
#ifndef SALLYPORT_BAN_TEXT_H
#define SALLYPORT_BAN_TEXT_H

#include "common/buf.h"
#include "policy/ban.h"

enum { BAN_LINE_MAX = 4096 };

/* An object without a line end; */
void ban_write(struct buf *b, const struct ban *v);
/* "192.0.2.1", "192.0.2.0/24", or the name. */
void ban_write_subject(struct buf *b, const struct ban *v);
/* One that ban_write wrote, or anything at all. ERR_BAD; *out is whole only if OK. */
enum err ban_read(struct str line, struct ban *out) MUST_USE;
/* "192.0.2.1" or "192.0.2.0/24". ERR_BAD. */
enum err ban_read_source(struct str text, struct prefix *out) MUST_USE;

#endif
