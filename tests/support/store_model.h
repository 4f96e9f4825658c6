/*
 * A store that several cores of one process share, on virtual time, and that fails as Redis does: slow, frozen (what was asked
 * meanwhile is done when it wakes), cut off from one node (what was asked is lost, what that node writes waits for it), answers
 * lost, restored from yesterday. What the core hears of it is what sbc/shell/store_redis tells: DOWN after the time-out, and
 * the states.
 */
#ifndef SALLYPORT_TESTS_STORE_MODEL_H
#define SALLYPORT_TESTS_STORE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "sbc/core/event.h"
#include "sbc/shell/store_memory.h"

enum { STORE_MODEL_NODES = 64, STORE_MODEL_TIMEOUT_MS = 250, STORE_MODEL_SLOW_MS = 50 };

/* Brings an event to a core, not from within ports.store; the times are the receiver's to fill in. */
typedef void (*store_model_fn)(void *ctx, struct event *e);

struct store_model_node {
	store_model_fn tell;
	void *ctx;
	char name[32];
	bool up;           /* as it has been told */
	uint64_t until_ms; /* does not hear of the store until then */
	bool is_cut;       /* … and what it asks does not reach it */
};

struct store_model {
	struct store_memory memory, kept;
	struct store_model_node nodes[STORE_MODEL_NODES];
	unsigned node_count;
	struct list pending; /* what will happen, in order */
	uint64_t order;
	uint32_t delay_min_ms, delay_max_ms; /* 1 and 1 at first */
	uint32_t lost,
		repeated; /* of a thousand publications; of replies those lost come as DOWN */
	uint64_t chance;
	uint64_t ops, puts, told;
};

void store_model_init(struct store_model *m, uint64_t seed, uint64_t now_ms);
void store_model_release(struct store_model *m);
/* The number of the new node. It is told that the store is up by the next store_model_pass. */
unsigned store_model_join(struct store_model *m, const char *name, store_model_fn tell, void *ctx,
			  uint64_t now_ms);
/* The process has died: nothing is told to it any more, what it had posted is done all the same. */
void store_model_leave(struct store_model *m, unsigned node);
/* ports.store of that node. */
void store_model_post(struct store_model *m, unsigned node, const struct store_op *op,
		      uint64_t now_ms);
/* When the next thing happens; UINT64_MAX: never. */
uint64_t store_model_next_ms(const struct store_model *m);
/* All that is due. */
void store_model_pass(struct store_model *m, uint64_t now_ms);

/* It answers nobody until then. */
void store_model_freeze(struct store_model *m, uint64_t now_ms, uint64_t until_ms);
/* One node cannot reach it until then. */
void store_model_cut(struct store_model *m, unsigned node, uint64_t now_ms, uint64_t until_ms);
/* What is in it now; and that again, later. */
void store_model_keep(struct store_model *m);
void store_model_restore(struct store_model *m, uint64_t now_ms);
/* Everything has gone (a server that keeps nothing was started again). */
void store_model_empty(struct store_model *m, uint64_t now_ms);

#endif
