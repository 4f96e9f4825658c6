/*
 * Answers to challenges: a 401 or 407 of a trunk that we have credentials for makes the request go out once more with
 * them (RFC 3261 §22.2-22.3, RFC 8760), to the very place that the first one went to.
 *
 * Who gets an answer (threats C8): the request went to the trunk whose credentials they are; its address is a peer's of
 * that trunk, and not one that a Contact named; the realm is the trunk's: the one that is configured, else the first one
 * that asked. A nonce that has been refused is not tried again; stale=true is believed once. What gets no
 * answer passes as the answer that it is.
 *
 * The last nonce that asked for qop is kept for each trunk, with its count: later requests carry credentials at once (auth_ahead).
 */
#ifndef SALLYPORT_AUTH_H
#define SALLYPORT_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/err.h"
#include "common/id.h"
#include "common/str.h"
#include "sbc/core/digest.h"

struct dialog;
struct msg;
struct sbc;
struct settings;
struct dest;

enum {
	AUTH_REALM_MAX = 255,
	AUTH_NONCE_MAX = 255, /* what is longer is answered, but not kept */
	AUTH_ADDRS_MAX = 8,
	AUTH_AGAIN_MAX =
		3 /* challenges of one request that are answered: a proxy's, a server's, one stale */
};

/* [0] WWW-Authenticate, [1] Proxy-Authenticate */
struct auth_nonce {
	bool on;
	struct digest_challenge challenge; /* views into mem */
	uint32_t nc;                       /* of the last use */
	char mem[AUTH_REALM_MAX + 2 * AUTH_NONCE_MAX];
};

struct auth_trunk {
	bool on;
	uint16_t realm_len; /* 0: none has asked, or the configuration names it */
	char realm[AUTH_REALM_MAX];
	struct auth_nonce nonce[2];
	struct addr known[AUTH_ADDRS_MAX]; /* addresses of peers that are names */
	uint8_t known_count, known_next;
};

/* What was learned of the trunks' challenges, by trunk. Owner: the worker. */
struct auth {
	const struct settings *settings;
	struct auth_trunk **list; /* NULL: a trunk without credentials */
	size_t count;
};

/* Keeps what was learned of trunks whose credentials stay the same. ERR_NOMEM: all as it was. */
enum err auth_apply(struct sbc *s, const struct settings *settings) MUST_USE;
void auth_release(struct auth *a);

struct auth_again {
	id_t64 txn;     /* of the request that was challenged, just now */
	uint16_t trunk; /* that was asked; SETTINGS_NO_INDEX: none */
	const struct settings *settings;
	const struct msg *answer; /* the 401 or 407 */
	struct dialog
		*dialog; /* whose CSeq the request has; its number is counted on. NULL: none */
	uint32_t *cseq;  /* in and out: the request's; may be NULL */
	id_t64 owner;
};

/*
 * The new transaction, which has been sent and belongs to p->owner; ID_NONE: the challenge stands as an answer (no
 * credentials, another realm, refused already, an algorithm that we do not know). Uses s->out.
 */
id_t64 auth_again(struct sbc *s, const struct auth_again *p);

/*
 * The same request with credentials in it, if this trunk's peer has asked for some before: else `bytes` itself. The copy lives
 * until the end of the turn.
 */
struct str auth_ahead(struct sbc *s, const struct settings *settings, const struct dest *d,
		      struct str bytes);

#endif
