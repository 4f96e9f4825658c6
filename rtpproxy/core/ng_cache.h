/*
 * Replies of the last half minute, so that a retransmitted command is answered and not executed
 * again (ng-protocol §1). Two generations of NG_CACHE_MS each; when one is full before its time it
 * ends early: memory is bounded and the newest replies are always there.
 * The key is who asked and with which cookie: two hosts may produce the same cookie.
 */
#ifndef SALLYPORT_NG_CACHE_H
#define SALLYPORT_NG_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/siphash.h"
#include "common/str.h"

enum { NG_CACHE_MS = 30000 };

struct ng_cache_generation {
	char *mem;
	uint32_t used;
	uint32_t count;
	uint32_t *slots; /* offset of a record + 1; 0: empty; open addressing */
};

struct ng_cache {
	struct ng_cache_generation generations[2]; /* [0] takes new replies */
	uint32_t mem_size;
	uint32_t slot_count; /* a power of two */
	uint64_t turn_ms;    /* when [0] becomes [1] */
	struct siphash_key key;
};

/* `bytes` of replies a generation, at most `replies` (a power of two) of them. ERR_NOMEM. */
enum err ng_cache_init(struct ng_cache *c, uint32_t bytes, uint32_t replies,
		       const struct siphash_key *key, uint64_t now_ms) MUST_USE;
/* Replies hold keys: the memory is wiped. */
void ng_cache_release(struct ng_cache *c);
/* The reply given to this peer and cookie, or STR_NONE. Valid until the next add or tick. */
struct str ng_cache_find(const struct ng_cache *c, struct str peer, struct str cookie);
/* Remembers a reply; one that is larger than a generation is not kept. */
void ng_cache_add(struct ng_cache *c, struct str peer, struct str cookie, struct str reply,
		  uint64_t now_ms);
/* Forgets what is too old. */
void ng_cache_tick(struct ng_cache *c, uint64_t now_ms);

#endif
