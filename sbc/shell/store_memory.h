/*
 * The store in the memory of this process: what one node shares with itself, and what the nodes of a test share. Does what Redis
 * does (sbc/core/store.h), with bounds of its own, and answers at once: into `reply`, for the caller to bring to the core when that is not
 * running. No clock of its own.
 */
#ifndef SALLYPORT_STORE_MEMORY_H
#define SALLYPORT_STORE_MEMORY_H

#include <stddef.h>

#include "common/err.h"
#include "common/list.h"
#include "common/siphash.h"
#include "common/table.h"
#include "common/wheel.h"
#include "sbc/core/store.h"

struct store_memory {
	struct table table; /* of entries, by the hash of kind, key and member */
	struct list sets;   /* members, in the order of their coming */
	struct wheel wheel; /* their ends */
	size_t bytes, bytes_max;
	uint64_t refused; /* what did not fit */
};

/* Told of each answer; views live until it returns. It may not call into the store. */
typedef void (*store_memory_reply_fn)(void *ctx, const struct store_reply *r);

/* At most so many entries and so many octets in them. `key` is secret and random. ERR_NOMEM. */
enum err store_memory_init(struct store_memory *m, uint32_t entries, size_t bytes,
			   const struct siphash_key *key, uint64_t now_ms) MUST_USE;
void store_memory_release(struct store_memory *m);
/* `reply` is called for what has an owner. STORE_PUBLISH is the caller's, who knows who listens: it is only answered here. */
void store_memory_do(struct store_memory *m, const struct store_op *op, uint64_t now_ms,
		     store_memory_reply_fn reply, void *ctx);
uint32_t store_memory_count(const struct store_memory *m);
/* Forgets everything. */
void store_memory_clear(struct store_memory *m);
/* `to` becomes what `from` is now: a copy that may be brought back later. ERR_NOMEM, ERR_FULL: `to` is empty then. */
enum err store_memory_copy(const struct store_memory *from, struct store_memory *to) MUST_USE;

#endif
