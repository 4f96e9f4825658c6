/*
 * Tables as text, a row a line: fields behind commas, blanks around them left out; in quotes where a field has a comma
 * (RFC 4180, without a quote inside quotes and without line breaks in fields). Empty lines and those that begin with # are
 * passed over. Views into the text; no copy, one pass.
 */
#ifndef SALLYPORT_CSV_H
#define SALLYPORT_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

enum { CSV_FIELDS_MAX = 16, CSV_LINE_MAX = 4096 };

struct csv {
	struct str rest;
	uint32_t line; /* of the latest row, from 1 */
};

struct csv_row {
	struct str field[CSV_FIELDS_MAX];
	size_t count;
};

void csv_init(struct csv *c, struct str text);
/*
 * The next row, with at least one field. ERR_NOTFOUND: no more. ERR_BAD: a quote that is not closed, or stands within a field;
 * ERR_LIMIT: too many fields, or too long a line. c->line is the line in question; the next call goes on behind it.
 */
enum err csv_next(struct csv *c, struct csv_row *out) MUST_USE;
/* "0.0125" in millionths: at most six digits behind the point, and up to 4294.967295. ERR_BAD. */
enum err csv_read_money(struct str s, uint32_t *out_millionths) MUST_USE;

#endif
