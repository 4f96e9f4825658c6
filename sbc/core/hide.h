/*
 * Our tokens on the wire: Via branch, tags, Call-ID, Contact user (design promise 3). Each is 32 characters of
 * [a-z2-7]: 96 random bits, then the id of the object that made it, masked by a keyed hash of the random part.
 * So a message is brought to its owner in O(1), and a stranger sees neither worker numbers nor table sizes.
 * A token is not a proof: the owner compares the whole of it with what it handed out. Lower case only, because tags
 * compare without case (RFC 3261 §7.3.1).
 *
 * Nodes that share a store share the key, too. Their tokens name the node as well, as the number that it drew at its start:
 * 48 random bits, 16 that tell a token from noise, 32 of that number, masked, then the id as above.
 */
#ifndef SALLYPORT_HIDE_H
#define SALLYPORT_HIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/id.h"
#include "common/siphash.h"
#include "common/str.h"

enum { HIDE_RANDOM_LEN = 12, HIDE_TOKEN_LEN = 32, HIDE_BRANCH_LEN = 7 + HIDE_TOKEN_LEN };

enum hide_kind {
	HIDE_BRANCH, /* with z9hG4bK before it */
	HIDE_TAG,
	HIDE_CALL_ID,
	HIDE_CONTACT,
	HIDE_WATCH, /* in front of the relay's events of a call */
	HIDE_KIND_COUNT
};

/* The same key in all workers of a node, so that each can read the others' tokens. */
struct hide {
	struct siphash_key key;
	uint32_t boot; /* this run of this node, among those that share the key; 0: it is alone */
};

/* An object of any node that shares the key. */
struct hide_name {
	uint32_t boot;
	id_t64 id;
};

/* From now on the key is made of `secret`, which all nodes of a cluster have, and tokens name `boot`, which is not 0. */
void hide_share(struct hide *h, struct str secret, uint32_t boot);

/* Writes a token: HIDE_BRANCH_LEN octets for a branch, else HIDE_TOKEN_LEN; returns how many. Not terminated. */
size_t hide_make(const struct hide *h, enum hide_kind kind, const uint8_t random[HIDE_RANDOM_LEN],
		 id_t64 id, char out[HIDE_BRANCH_LEN]);
/* False: not of our making (shape), or of another node. True proves nothing: see above. Case does not matter. */
bool hide_read(const struct hide *h, enum hide_kind kind, struct str token, id_t64 *out_id);
/* The same of any node that shares the key; for one that is alone as hide_read, with boot 0. */
bool hide_read_any(const struct hide *h, enum hide_kind kind, struct str token,
		   struct hide_name *out);
/* Does a branch begin with the magic cookie and say more than that (RFC 3261 §8.1.1.7, RFC 4475 §3.2.1)? */
bool hide_is_rfc3261_branch(struct str branch);

#endif
