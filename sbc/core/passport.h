/*
 * PASSporT (RFC 8225) and the header that carries it (RFC 8224): who calls whom, since when, said by whom. The kinds that we
 * know are the plain one, `shaken` (RFC 8588) and `div` (RFC 8946). What is signed are octets: they are read as they came, and
 * written in the one order that RFC 8225 §9 allows. No keys here, and no trust: a leaf that reads and writes.
 */
#ifndef SALLYPORT_PASSPORT_H
#define SALLYPORT_PASSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/es256.h"
#include "common/str.h"

enum {
	PASSPORT_MAX = 4,          /* Identity headers of one request; more of them say nothing */
	PASSPORT_VALUE_MAX = 4096, /* octets of one Identity header */
	PASSPORT_SCRATCH = 8192,   /* what reading one may need */
	PASSPORT_DEST_MAX = 8,     /* numbers and URIs called, each */
	PASSPORT_NUMBER_MAX = 32,  /* digits */
	PASSPORT_URL_MAX = 512,    /* where its certificate is */
	PASSPORT_DEPTH_MAX = 8     /* of JSON in it */
};

enum passport_kind {
	PASSPORT_PLAIN,
	PASSPORT_SHAKEN,
	PASSPORT_DIV,
	PASSPORT_OTHER, /* another `ppt`: not for us (RFC 8224 §6.2) */
	PASSPORT_KIND_COUNT
};

/* Views. */
struct passport_claims {
	enum passport_kind kind;
	struct str x5u;
	uint64_t iat_s;
	struct str orig_tn, orig_uri; /* one of them */
	struct str dest_tn[PASSPORT_DEST_MAX], dest_uri[PASSPORT_DEST_MAX];
	uint8_t dest_tn_count, dest_uri_count;
	struct str div_tn, div_uri; /* PASSPORT_DIV: whom it was for before */
	char attest;                /* PASSPORT_SHAKEN: 'A', 'B', 'C'; else 0 */
	struct str origid;
};

/* One Identity header. Views, into the header and the scratch that it was read into. */
struct passport {
	struct passport_claims claims;
	struct str input; /* what is signed; empty in the compact form: passport_expand writes it */
	struct str info;  /* where its certificate is */
	bool compact;
	bool info_differs; /* from what is signed */
	bool bad_alg;      /* not ES256 */
	uint8_t signature[ES256_SIGNATURE_LEN];
};

/*
 * Reads one Identity header. `scratch` is empty, of PASSPORT_SCRATCH octets. ERR_BAD: it breaks a rule of RFC 8224 or 8225;
 * ERR_LIMIT: longer or deeper than our limits. A PASSPORT_OTHER, one with bad_alg or info_differs is read no further.
 */
enum err passport_parse(struct str value, struct buf *scratch, struct passport *out) MUST_USE;
/* The claims of a compact one: from the request (RFC 8224 §4.1). Its input goes to b. ERR_LIMIT, ERR_BAD: not of a plain one. */
enum err passport_expand(struct passport *p, const struct passport_claims *from,
			 struct buf *b) MUST_USE;

/* "HEADER.PAYLOAD", both base64url: what is to be signed. */
void passport_write_input(struct buf *b, const struct passport_claims *c);
/* The value of the Identity header, in full form. */
void passport_write(struct buf *b, const struct passport_claims *c, struct str input,
		    const uint8_t signature[ES256_SIGNATURE_LEN]);

/*
 * RFC 8224 §8.3: digits, '*' and '#' of a number, nothing else. False: it is none (letters, nothing left, too long), and
 * what was written is of no use.
 */
bool passport_write_tn(struct buf *b, struct str number);
bool passport_is_from(const struct passport_claims *c, struct str tn);
bool passport_is_to(const struct passport_claims *c, struct str tn);

/* RFC 3261 §20.17: "Sat, 13 Nov 2010 23:29:00 GMT", in seconds since the epoch. ERR_BAD. */
enum err passport_parse_date(struct str value, uint64_t *out_s) MUST_USE;
void passport_write_date(struct buf *b, uint64_t s);

#endif
