/*
 * ports.store of a worker: the memory of this process, or Redis where `store.redis` is configured (sbc/core/store.h), with what people
 * see of it.
 */
#ifndef SALLYPORT_SHELL_STORE_H
#define SALLYPORT_SHELL_STORE_H

#include "common/buf.h"
#include "sbc/shell/store_memory.h"
#include "sbc/shell/store_redis.h"

enum { STORE_MEMORY_ENTRIES = 65536, STORE_MEMORY_BYTES = 64 * 1024 * 1024 };

struct store {
	struct turn *turn;
	enum store_kind kind;
	struct store_memory memory;
	struct list replies;       /* of the memory, until the core is not running */
	bool is_told;              /* the core knows that it is there */
	struct store_redis *redis; /* NULL: the memory */
};

struct store_params {
	struct turn *turn;
	struct rng *rng;
	const struct settings *settings; /* what is of use is copied */
	store_changed_fn changed;        /* NULL: nobody wants to know */
	void *ctx;
};

/* `turn` and `rng` outlive it. ERR_NOMEM; ERR_BAD: what is wrong is in `why`. */
enum err store_init(struct store *st, const struct store_params *p, struct buf *why) MUST_USE;
void store_release(struct store *st);
void store_post(struct store *st, const struct store_op *op);
/* At the end of a turn: answers go to the core, what it wants goes out. */
void store_flush(struct store *st);
/* Prometheus text; nothing where there is only the memory. */
void store_write_metrics(const struct store *st, struct buf *b);
/* `[{…}]`, or `[]`: for `sallyport status`. */
void store_write_status(const struct store *st, struct buf *b);

#endif
