/* What an octet may be in the grammar of RFC 3261 §25.1, and a fast look for control octets. */
#ifndef SALLYPORT_OCTET_H
#define SALLYPORT_OCTET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

enum {
	OCTET_TOKEN = 1 << 0,
	OCTET_WORD = 1 << 1, /* of a Call-ID */
	OCTET_HOST = 1 << 2, /* of a host name or IPv4 address */
	OCTET_HEX = 1 << 3,
	OCTET_USER = 1 << 4,     /* user part, '%' apart */
	OCTET_PASSWORD = 1 << 5, /* '%' apart */
	OCTET_PARAM = 1 << 6,    /* URI parameter, '%' apart */
	OCTET_HVALUE = 1 << 7,   /* of a URI's ?name=value, '%' apart */
	OCTET_DIGIT = 1 << 8,
	OCTET_LWS = 1 << 9, /* SP, HT, and the CR and LF of a folded line */
	OCTET_TEL = 1 << 10 /* of a telephone number (RFC 3966), '*', '#' and hex digits too */
};

extern const uint16_t octet_class[256];

static inline bool octet_is(char c, unsigned classes)
{
	return (octet_class[(unsigned char)c] & classes) != 0;
}
static inline char octet_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The first octet below 32 other than TAB, or 127; `end` if there is none. Reads nothing at or behind `end`. */
const char *octet_find_control(const char *p, const char *end);
/* The first octet that is a colon, a space or a control octet; `end` if there is none. */
const char *octet_find_colon(const char *p, const char *end);
/* Length of the run of octets of `classes` at the front of s; escaped: %XX too. */
static inline size_t octet_span(struct str s, unsigned classes)
{
	size_t n = 0;
	while (n < s.len && octet_is(s.p[n], classes))
		n++;
	return n;
}
size_t octet_span_escaped(struct str s, unsigned classes);
/* Length of the quoted-string at the front of s, with both quotes; 0: it does not end. */
size_t octet_quoted(struct str s);
/* As str_trim, but only what is at the front. */
static inline struct str octet_skip_lws(struct str s)
{
	while (s.len > 0 && octet_is(s.p[0], OCTET_LWS))
		s = (struct str){s.p + 1, s.len - 1};
	return s;
}

#endif
