/*
 * A signer's certificate as the core sees it: its key, when it holds, which numbers it may speak for (TNAuthList, RFC 8226 §9);
 * and the address that it is fetched from. What is X.509 and HTTPS is the shell's (cert_fetch, stir_cert). A leaf.
 */
#ifndef SALLYPORT_CREDENTIAL_H
#define SALLYPORT_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

struct es256_key;

enum {
	CREDENTIAL_NUMBERS_MAX = 64, /* entries of a TNAuthList */
	CREDENTIAL_DIGITS_MAX = 15,  /* of one number */
	CREDENTIAL_PORT = 443
};

enum credential_result {
	CREDENTIAL_OK,
	CREDENTIAL_REFUSED,     /* its address is none that we ask */
	CREDENTIAL_UNREACHABLE, /* no answer, or none with a certificate's bytes */
	CREDENTIAL_BROKEN,      /* not a certificate, or one of another key than P-256 */
	CREDENTIAL_UNTRUSTED,   /* no chain to an anchor that holds now */
	CREDENTIAL_BUSY,        /* we fetch too many others */
	CREDENTIAL_RESULT_COUNT
};
const char *credential_result_name(enum credential_result r);

/* `count` numbers from `first` on, all of so many digits; or the one in `text`, with '*' or '#' in it. */
struct credential_numbers {
	uint64_t first, count;
	char text[CREDENTIAL_DIGITS_MAX + 1];
	uint8_t digits;
};

struct credential_list {
	struct credential_numbers numbers[CREDENTIAL_NUMBERS_MAX];
	size_t count;
	bool given; /* the certificate has such a list */
	bool spc;   /* with the code of a provider: whose numbers those are no certificate says */
};

/* Lives until the event that brings it is done. */
struct credential {
	const struct es256_key *key;
	uint64_t from_s, to_s; /* of the whole chain, since the epoch */
	const struct credential_list *list;
};

/* The value of the extension (DER). ERR_BAD; ERR_LIMIT: more entries than we look at. *out is untouched then. */
enum err credential_read_list(const uint8_t *der, size_t len, struct credential_list *out) MUST_USE;
/*
 * Does a certificate with the list `below` speak for nothing that `above`, that of its issuer, does not (RFC 9060 §4)? Whose numbers
 * a provider's are nobody can say.
 */
bool credential_encompasses(const struct credential_list *above,
			    const struct credential_list *below);
/* May it speak for this number (canonical: digits, '*', '#')? */
bool credential_covers(const struct credential_list *l, struct str tn);

/* https://HOST[:PORT]/PATH; views. */
struct credential_url {
	struct str host; /* without brackets */
	uint16_t port;
	struct str path; /* with its '/' and what follows '?'; empty: "/" */
};
/* ERR_BAD: not https, with a user or a fragment, with octets that no request line holds. */
enum err credential_read_url(struct str s, struct credential_url *out) MUST_USE;
/*
 * Is it one of `hosts`: "cert.example.net", "*.example.net", "*", each with ":PORT" behind it? Without a port the ports 443 and
 * 8443 are meant (ATIS-1000074).
 */
bool credential_is_allowed(const struct credential_url *u, const struct str *hosts, size_t count);
/* May this stand among them? For the checker. */
bool credential_is_host(struct str host);

#endif
