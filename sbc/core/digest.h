/*
 * Digest authentication, both sides, as texts and hashes alone (RFC 7616, RFC 8760; RFC 2617 and 2069 for those who never
 * moved on): read challenges, choose one, answer it, read an answer, check it. Knows no nonces of our own (challenge.h),
 * no trunks (auth.h). qop=auth only. All views point into the text that was read.
 *
 * unq(): a quoted-pair is undone before anything is hashed or compared, and what we repeat goes back as it came.
 */
#ifndef SALLYPORT_DIGEST_H
#define SALLYPORT_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/crypto.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/core/msg.h"

enum {
	DIGEST_VALUE_MAX = 1024,   /* of any one value: more is no nonce but an attack */
	DIGEST_PARAMS_MAX = 32,    /* of one challenge or answer */
	DIGEST_CHALLENGES_MAX = 16 /* of one message that are looked at */
};

struct digest_challenge {
	struct str realm, nonce, opaque; /* between the quotes; opaque.p NULL: none */
	enum crypto_hash algorithm;
	bool sess; /* "-sess" */
	bool qop;  /* "auth" is among its values; none given: the answer is that of RFC 2069 */
	bool stale, userhash;
};

/*
 * Cuts the next challenge that we could answer off the value of a WWW- or Proxy-Authenticate header; other schemes,
 * unknown algorithms and qops, and those without realm or nonce are passed over. ERR_NOTFOUND: there is none (any more).
 * ERR_BAD, ERR_LIMIT: the rest cannot be read.
 */
enum err digest_challenge_cut(struct str *value, struct digest_challenge *out) MUST_USE;
/*
 * Of all challenges of m in headers of this name (WWW_AUTHENTICATE, PROXY_AUTHENTICATE) the one to answer: the first one
 * with a SHA in the server's order, else the first with MD5 (RFC 8760 §2.4 lets local policy decide; a plain "topmost"
 * would take MD5 from servers that list it first). `realm`: no other counts; empty: any. False: none.
 */
bool digest_choose(const struct msg *m, enum hdr name, struct str realm,
		   struct digest_challenge *out);

struct digest_use {
	const struct digest_challenge *challenge;
	struct str user, password;
	struct str method, uri; /* of the request; uri as in its first line */
	uint32_t nc;
	struct str cnonce; /* text of random octets */
};
/* The value of Authorization or Proxy-Authorization. ERR_BAD: a text that cannot stand there; ERR_LIMIT: b is full. */
enum err digest_write(struct buf *b, const struct digest_use *u) MUST_USE;

/* What a peer answered. Texts between their quotes. */
struct digest_answer {
	struct str user, realm, nonce, uri, response, cnonce, opaque;
	struct str nc_text; /* as written: it is hashed */
	uint32_t nc;
	enum crypto_hash algorithm;
	bool sess;
	bool qop; /* qop=auth; else none was given */
	bool userhash;
};
/* ERR_NOTFOUND: another scheme. ERR_BAD: not an answer (RFC 7616 §3.4), or of an algorithm or qop unknown. ERR_LIMIT. */
enum err digest_answer_parse(struct str value, struct digest_answer *out) MUST_USE;

/* Who it should be. */
struct digest_secret {
	struct str user, password;
	struct str ha1[CRYPTO_HASH_COUNT]; /* in hex, instead of a password; empty: not known */
};
/*
 * Is the answer that of this user for this method? Nonce, uri and nc are the caller's to judge. Works the same, and as
 * long, whatever is wrong.
 */
bool digest_check(const struct digest_answer *a, struct str method, const struct digest_secret *s);

/* "MD5", "SHA-256", "SHA-512-256". */
struct str digest_algorithm_name(enum crypto_hash h);
/* Is `quoted`, undone, equal to `plain`? */
bool digest_same(struct str quoted, struct str plain);

#endif
