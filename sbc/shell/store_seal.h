/*
 * How values lie in a store that others can read and write (threats E2, E4): encrypted with AES-256-GCM, bound to the name that
 * they were written under, with their end inside. A copy under another name, an old one that came back, one that anyone
 * else wrote: none of them opens.
 *
 *   octet 0      version, 1
 *   1 … 16       salt of the writing process, random
 *   17 … 24      number of the record in it
 *   25 …         AES-256-GCM of: end (ms since the epoch, 8 octets), value; its tag
 *
 * The key of a process is HMAC-SHA256(key of the configuration, salt): so that no two ever use one key with one nonce, however
 * many nodes and starts there are, its nonce is the number.
 */
#ifndef SALLYPORT_STORE_SEAL_H
#define SALLYPORT_STORE_SEAL_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

enum { SEAL_SALT = 16, SEAL_EXTRA = 1 + SEAL_SALT + 8 + 8 + 16, SEAL_READERS = 32, SEAL_KEY = 32 };

/* Whose records were opened lately: the next one needs no new key. */
struct seal_reader {
	uint8_t salt[SEAL_SALT];
	EVP_CIPHER_CTX *ctx; /* NULL: free */
	uint64_t used;
};

struct store_seal {
	uint8_t root[SEAL_KEY];
	uint8_t salt[SEAL_SALT];
	uint64_t number;
	EVP_CIPHER_CTX *ctx;
	struct seal_reader readers[SEAL_READERS];
	uint64_t clock;
};

/* `salt` is random and new in each process. ERR_NOMEM. */
enum err store_seal_init(struct store_seal *s, struct str key,
			 const uint8_t salt[SEAL_SALT]) MUST_USE;
void store_seal_release(struct store_seal *s);
/* Writes value.len + SEAL_EXTRA octets to `out`. `names`: what it is bound to, in order. False: no room, or no cipher. */
bool store_seal_close(struct store_seal *s, const struct str *names, size_t count, struct str value,
		      uint64_t end_ms, struct buf *out);
/*
 * Into `mem`, which has room for sealed.len octets. ERR_BAD: none of ours, under this name. ERR_NOTFOUND: it has expired.
 * *out_end_ms may be NULL.
 */
enum err store_seal_open(struct store_seal *s, const struct str *names, size_t count,
			 struct str sealed, uint64_t wall_ms, char *mem, struct str *out,
			 uint64_t *out_end_ms) MUST_USE;

#endif
