/*
 * Challenges of our own: who sends this must prove that it knows a password (RFC 3261 §22, RFC 7616 §3.3, RFC 8760 §2).
 * A leaf: time, random octets and the names of users come in; a verdict and ready header lines go out.
 *
 * The nonce is a time, 32 random bits and an HMAC over both, the realm and the path that it was given to: nothing is kept for
 * a challenge, so challenges cost no memory, whoever asks for them. What is kept, in a table of fixed size, is the count (nc)
 * of nonces that a right answer has used; each count is good once. A slot that is needed for another takes its
 * memory with it, and remembers the time: older nonces of that set that are not in it count as stale. So a forgotten
 * nonce is never good again.
 *
 * An answer is refused in one way for all that may be wrong with user and password, after the same work (threats C10).
 */
#ifndef SALLYPORT_CHALLENGE_H
#define SALLYPORT_CHALLENGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "sbc/core/digest.h"
#include "sbc/core/event.h"

enum {
	CHALLENGE_KEY_LEN = 32,
	CHALLENGE_AGE_MS = 60 * 1000, /* then a nonce is stale */
	CHALLENGE_SETS = 512,
	CHALLENGE_WAYS = 8,
	CHALLENGE_WINDOW = 32, /* counts may arrive in another order, so far apart */
	CHALLENGE_RANDOM_LEN = 4
};

struct challenge_use {
	uint64_t issued_ms; /* 0: free */
	uint32_t random, top;
	uint32_t seen; /* bit i: count top - i has come */
};

struct challenge_set {
	struct challenge_use use[CHALLENGE_WAYS];
	uint64_t floor_ms; /* a nonce not later than this that is not above has been forgotten */
};

struct challenge {
	uint8_t key[CHALLENGE_KEY_LEN];
	struct challenge_set *sets; /* made by the first right answer */
};

/* `key`: random, secret. No memory is taken yet. */
void challenge_init(struct challenge *c, const uint8_t key[CHALLENGE_KEY_LEN]);
void challenge_release(struct challenge *c);

enum challenge_result {
	CHALLENGE_PASSED,
	CHALLENGE_NONE, /* no answer for this realm came along: challenge */
	CHALLENGE_STALE, /* the right password over a nonce that is too old or used up: challenge with stale=true */
	CHALLENGE_WRONG,   /* user or password: challenge, and count it */
	CHALLENGE_GARBLED, /* cannot be read, or is over another request: 400 */
	CHALLENGE_RESULT_COUNT
};

struct challenge_ask {
	const struct msg *m;
	const struct flow *flow;
	bool proxy;             /* 407: Proxy-Authenticate and Proxy-Authorization; else 401 */
	struct str realm;       /* as the peer sees it: no word of the inside */
	bool no_md5, no_sha256; /* not offered, and no good as an answer */
	uint64_t now_ms;
};

/*
 * The answer in a->m for a->realm. `who`: the user that it should be. To look up users call challenge_user first; for a user
 * that there is not, give one of `user` = what was said and any password, and `known` false. Never PASSED then.
 */
enum challenge_result challenge_judge(struct challenge *c, const struct challenge_ask *a,
				      const struct digest_secret *who, bool known);
/* Is the answer in a->m over a nonce that was sent down this path? Then whoever it is hears us there. */
bool challenge_is_ours(const struct challenge *c, const struct challenge_ask *a);
/* The user named by the answer for this realm, undone, in `b`; false: there is no answer. With userhash it is a hash. */
bool challenge_user(const struct challenge_ask *a, struct buf *b);
/* The lines of a 401 or 407: what is offered, SHA-256 first. */
void challenge_write(const struct challenge *c, const struct challenge_ask *a, bool stale,
		     const uint8_t random[CHALLENGE_RANDOM_LEN], struct buf *lines);

#endif
