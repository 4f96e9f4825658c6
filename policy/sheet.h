/*
 * What a file of dialling codes says: a list of prefixes (`prefixes` of a route) or a rate sheet (`rates` of a trunk). Made whole
 * or not at all: a bad row is named, and who had a table before keeps it.
 *
 *   prefixes   prefix[,anything]                              4930
 *   rates      prefix,cost per minute[,setup]                 4930,0.0125,0.01
 *
 * A first row that begins with the word prefix names the columns, in any order: prefix, cost (or rate, price, cost per minute),
 * setup; others are for people. A plus sign in front of a prefix does not count, nor does one in front of a number.
 */
#ifndef SALLYPORT_SHEET_H
#define SALLYPORT_SHEET_H

#include "common/buf.h"
#include "policy/dialcode.h"

enum sheet_kind { SHEET_PREFIXES, SHEET_RATES, SHEET_KIND_COUNT };

enum { SHEET_ROWS_MAX = 4 * 1000 * 1000, SHEET_BYTES_MAX = 256 * 1024 * 1024 };

/* Millionths of the currency that the sheets are in. */
struct sheet_price {
	uint32_t per_minute, setup;
	uint32_t line;
};

struct sheet {
	struct str path; /* empty: of the configuration itself. The owner's, as is `kind` */
	enum sheet_kind kind;
	struct dialcodes codes; /* value: the line; of rates: the index of its price */
	struct sheet_price *prices;
	size_t rows;
};

/*
 * Fills codes, prices and rows; path and kind are there. ERR_BAD with "file:line: what" in `why`; ERR_LIMIT: too many rows, and
 * why says so; ERR_NOMEM. On failure *s is as it was.
 */
enum err sheet_parse(struct sheet *s, struct str text, struct buf *why) MUST_USE;
/* Gives back what sheet_parse made; path and kind stay. */
void sheet_release(struct sheet *s);

/* The line of the longest prefix of the number; 0: none is listed. */
uint32_t sheet_line(const struct sheet *s, struct str number);
/* NULL: not listed. Valid until the sheet is read anew. */
const struct sheet_price *sheet_price(const struct sheet *s, struct str number);
/* What so long a call costs, by the second; millionths. */
uint64_t sheet_cost(const struct sheet_price *p, uint64_t ms);

#endif
