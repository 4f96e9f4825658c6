/*
 * SIP, SIPS and tel URIs, and the addresses around them (From, To, Contact, Route, …), as views. RFC 3261 §19.1,
 * §20.10, §25.1; RFC 3966; RFC 5118. Every function is linear in its input.
 */
#ifndef SALLYPORT_URI_H
#define SALLYPORT_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

enum uri_scheme {
	URI_SIP,
	URI_SIPS,
	URI_TEL,
	URI_OTHER, /* well formed, but we know nothing of what follows the colon */
	URI_SCHEME_COUNT
};

/* Views. */
struct uri {
	enum uri_scheme scheme;
	struct str scheme_text;
	struct str user;     /* still escaped; of tel: the number. Empty: none */
	struct str password; /* still escaped */
	struct str host;     /* IPv6 with its brackets; empty for tel and other */
	uint16_t port;       /* 0: not given */
	struct str params;   /* with the leading ';'; empty: none */
	struct str headers;  /* what follows '?', without it */
	struct str rest;     /* URI_OTHER: all after the colon */
};

/* The whole of s must be one URI. ERR_BAD. */
enum err uri_parse(struct str s, struct uri *out) MUST_USE;
void uri_write(struct buf *b, const struct uri *u);
/* True where there; *out_value (may be NULL) is empty for a parameter without value. */
bool uri_param(const struct uri *u, struct str name, struct str *out_value);
/* RFC 3261 §19.1.4. */
bool uri_eq(const struct uri *a, const struct uri *b);
/* %XX once, no more; the result may hold any octet, NUL too. ERR_BAD: a '%' without two digits. */
enum err uri_unescape(struct buf *b, struct str s) MUST_USE;
/* User part: escapes what may not stand there (RFC 3261 §25.1 user-unreserved). */
void uri_write_user(struct buf *b, struct str raw);
/*
 * What a dial plan works on: the user part unescaped once, without ;parameters of a telephone number
 * ("+4930;phone-context=x" → "+4930"); of tel: the number without visual separators.
 * ERR_BAD: octets below 32 or 127 after unescaping (threats A5).
 */
enum err uri_write_number(struct buf *b, const struct uri *u) MUST_USE;
/* Is this a host as RFC 3261 allows (name, IPv4, [IPv6])? */
bool uri_is_host(struct str s);
/* Without brackets. */
struct str uri_host_bare(const struct uri *u);

/* One address: `"Bob" <sip:bob@x>;tag=1` or `sip:bob@x;tag=1`. Views. */
struct name_addr {
	struct str display; /* as written, quotes included; empty: none */
	struct str uri;     /* without the brackets */
	struct str params;  /* of the header, with the leading ';'; empty: none */
	struct str all;     /* display and URI with brackets, without params */
	bool bracketed;
	bool star; /* Contact: * */
};

/* The whole of s must be one address. The URI inside is not parsed. ERR_BAD. */
enum err name_addr_parse(struct str s, struct name_addr *out) MUST_USE;
/* Cuts the next address off a comma list: OK, ERR_NOTFOUND at its end, ERR_BAD. */
enum err name_addr_cut(struct str *s, struct name_addr *out) MUST_USE;
/* `"Bob" <sip:bob@x>` afresh: unfolded, always in brackets, the display name quoted, without control
 * octets; parameters of the header are left out. */
void name_addr_write(struct buf *b, const struct name_addr *a);
/* The display name as text: without quotes and escapes; control octets left out. */
void name_addr_write_display(struct buf *b, const struct name_addr *a);
bool name_addr_param(const struct name_addr *a, struct str name, struct str *out_value);

#endif
