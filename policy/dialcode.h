/*
 * Dialling codes: the longest prefix of a number that stands in a table, among up to millions. A trie of digits in one
 * array, the children of a node side by side and found by their bitmap, so that a look-up touches one small node a digit.
 * Built once from rows, read-only after that.
 */
#ifndef SALLYPORT_DIALCODE_H
#define SALLYPORT_DIALCODE_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

enum {
	DIALCODE_LEN_MAX = 18, /* digits of a code; E.164 numbers have 15 */
	DIALCODE_ROWS_MAX = 8 * 1000 * 1000,
	DIALCODE_NONE = -1
};

struct dialcode_row {
	struct str digits; /* 1 to DIALCODE_LEN_MAX digits, no plus sign */
	int32_t value;     /* what a number with this prefix gets: 0 or more */
	uint32_t line;     /* of the file that it comes from, for messages */
};

/* A prefix of some code that is longer. Bit d of the bitmaps is for digit d behind it. */
struct dialcode_node {
	uint32_t child; /* the first of those that it leads to */
	uint32_t code;  /* the first of the codes that end behind it, an index of `values` */
	uint16_t leads, ends;
};

/* Zeroed: empty. */
struct dialcodes {
	struct dialcode_node *nodes;
	int32_t *values; /* of the codes */
	size_t count;    /* of nodes */
};

/*
 * Sorts the rows. ERR_BAD: a code is no 1 to DIALCODE_LEN_MAX digits, or its value is negative; ERR_EXISTS: a code twice;
 * *out_row is the place of that row in the sorted list. ERR_LIMIT: too many rows; ERR_NOMEM. On failure t is empty.
 */
enum err dialcodes_build(struct dialcodes *t, struct dialcode_row *rows, size_t n,
			 size_t *out_row) MUST_USE;
void dialcodes_release(struct dialcodes *t);

/* The value of the longest code that begins the number, behind a plus sign; DIALCODE_NONE. *out_len (may be NULL): its digits. */
int32_t dialcodes_find(const struct dialcodes *t, struct str number, size_t *out_len);

#endif
