/*
 * A borrowed view of text: pointer and length, not terminated, never owned. It lives as long as
 * what it points into. The empty view may have p == NULL.
 */
#ifndef SALLYPORT_STR_H
#define SALLYPORT_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "err.h"

struct str {
	const char *p;
	size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
/* For printf: printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).p ? (s).p : ""

static inline struct str str_from(const char *z)
{
	return (struct str){z, z ? strlen(z) : 0};
}
static inline struct str str_sub(const char *from, const char *to)
{
	return (struct str){from, (size_t)(to - from)};
}

bool str_eq(struct str a, struct str b);
/* ASCII letters compare without case. */
bool str_ieq(struct str a, struct str b);
/* <0, 0, >0 as memcmp, shorter first. */
int str_cmp(struct str a, struct str b);
bool str_has_prefix(struct str s, struct str prefix);
bool str_has_iprefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);
bool str_has_isuffix(struct str s, struct str suffix);
/* Offset of the first `c`, or s.len. */
size_t str_index(struct str s, char c);
/* Offset of the first occurrence of `needle`, or s.len. */
size_t str_find(struct str s, struct str needle);
bool str_has_char(struct str s, char c);
/* Without spaces, tabs, CR and LF at both ends. */
struct str str_trim(struct str s);
struct str str_from_offset(struct str s, size_t offset);
/*
 * Cuts the piece before the next `sep` off the front of *s. True while there was a piece; an empty
 * last piece counts. After the last one *s is {NULL, 0}.
 */
bool str_cut(struct str *s, char sep, struct str *out_piece);
/* Cuts the next run of non-space, non-tab characters off the front; false when none is left. */
bool str_cut_word(struct str *s, struct str *out_word);

/* Decimal digits only, nothing else, at most `max`. ERR_BAD: not a number; ERR_LIMIT: above max. */
enum err str_to_u64(struct str s, uint64_t max, uint64_t *out) MUST_USE;
enum err str_to_u32(struct str s, uint32_t max, uint32_t *out) MUST_USE;
enum err str_to_u16(struct str s, uint16_t max, uint16_t *out) MUST_USE;
/* Hex digits, two per byte, exactly n bytes. */
enum err str_to_hex(struct str s, uint8_t *out, size_t n) MUST_USE;

/* Copies into a fixed array and terminates; ERR_LIMIT and out untouched if it does not fit. */
enum err str_copy(struct str s, char *out, size_t cap) MUST_USE;
/* The number of single-character edits between two words of at most 64 bytes each; for "did you
 * mean". */
unsigned str_distance(struct str a, struct str b);
/* Bytes of the UTF-8 character that s begins with; 0: none, or broken. */
size_t str_utf8_len(struct str s);

#endif
