/*
 * ports.credential: certificates of signers over HTTPS, from hosts that the configuration names and at public addresses
 * alone, unless it names networks too (threats: a signature's address is the caller's choice). Good ones are kept for
 * `identity.verifier.cache`, failures for a short while; whoever asks for one that is on its way waits for the same fetch. Each
 * question has one answer, at the latest after CERT_FETCH_DEADLINE_MS. Without a verifier in the configuration each is refused.
 */
#ifndef SALLYPORT_CERT_FETCH_H
#define SALLYPORT_CERT_FETCH_H

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/id.h"
#include "sbc/core/event.h"
#include "sbc/core/settings.h"

struct turn;
struct resolver;
struct cert_fetch;

enum {
	CERT_FETCH_KEPT_MAX = 256,     /* certificates and failures that are remembered */
	CERT_FETCH_FLIGHTS_MAX = 32,   /* fetches at one time */
	CERT_FETCH_WAITERS_MAX = 8192, /* questions without an answer yet */
	CERT_FETCH_DEADLINE_MS = 5000,
	CERT_FETCH_AGAIN_MS = 10 * 1000, /* after a failure */
	CERT_FETCH_MOVES_MAX = 2,        /* redirects of one fetch */
	CERT_FETCH_KIND = 0x0f /* in the ids that it gives the resolver: none of the core's */
};

/* ERR_BAD: a file cannot be read, `why` says which; ERR_NOMEM. */
enum err cert_fetch_new(struct cert_fetch **out, struct turn *turn, struct resolver *r,
			const struct identity_verifier *v, struct buf *why) MUST_USE;
/* Other settings: nothing that was kept is believed any more. On failure all is as before. */
enum err cert_fetch_apply(struct cert_fetch *f, const struct identity_verifier *v,
			  struct buf *why) MUST_USE;
void cert_fetch_free(struct cert_fetch **f);

/* ports.credential. */
void cert_fetch_ask(struct cert_fetch *f, struct str url, id_t64 id);
/* Is it an answer of the resolver to us, and not to the core? Then it is taken. */
bool cert_fetch_take(struct cert_fetch *f, const struct event *e);
/* Gives the core the answers that are there. */
void cert_fetch_flush(struct cert_fetch *f);
/* May we connect there? */
bool cert_fetch_may_go(const struct identity_verifier *v, const struct addr *a);

#endif
