/*
 * Requests in dialogs of calls that this node does not have (design §7): whose is it, and what comes of it.
 *
 *   request ─► EPOCH ─► RECORD ─┬─ none, or of nobody who knows it ─► as if it had come without a store: 481
 *                 ▲             ├─ its node lives ─► handed on to it (cluster.h)
 *                 │             └─ its node is dead ─► CLAIM ─┬─ ours: the call is restored, the request goes on here
 *                 └───────────────────────────────────────────┴─ another was faster: look again
 *
 * All of it takes at most HANDOVER_WAIT_MS, then the request has 503 and is counted. The same way, without a request and without
 * haste, the calls of a node that has gone are taken over one by one: their session timers end those whose parties have gone
 * too, and each has its one CDR.
 *
 * Timers: `alarm` of a wait is when it has taken too long.
 */
#ifndef SALLYPORT_HANDOVER_H
#define SALLYPORT_HANDOVER_H

#include "sbc/core/cluster.h"
#include "sbc/core/msg.h"
#include "sbc/core/store.h"

enum {
	HANDOVER_WAIT_MS = 50,
	HANDOVER_IDLE_MS = 2000,  /* of one without a request */
	HANDOVER_WAITS_MAX = 512, /* requests; further ones have 503 at once */
	HANDOVER_TRIES_MAX = 4,   /* aliases and lost races */
	HANDOVER_ORPHANS_MS =
		30000, /* a node is dead so long before its calls are taken without being asked for */
	HANDOVER_ORPHANS_MAX = 1024 * 1024,
	HANDOVER_ORPHANS_STEP = 32 /* so many at once, every 20 ms */
};

enum handover_stage {
	HANDOVER_EPOCH,
	HANDOVER_RECORD,
	HANDOVER_CLAIM,
	HANDOVER_BEHIND, /* another waits for the same call */
	HANDOVER_READY,  /* goes on here, found or not */
	HANDOVER_LATE,   /* 503 */
	HANDOVER_STAGE_COUNT
};

struct handover {
	struct list node; /* of the waiting, or of the ready ones */
	id_t64 id;
	uint8_t stage, tries;
	bool is_orphan; /* nobody asks */
	struct hide_name name;
	uint32_t epoch;
	struct str bytes; /* the request; empty: nobody asks */
	struct flow flow;
	bool has_tls;
	struct tls_facts tls; /* its texts are in `names` */
	struct str names;
	struct str record; /* while the claim is out */
	struct alarm alarm;
};

/* A run that has gone, whose calls are to be taken over one by one. */
struct handover_dead {
	uint32_t boot;
	uint64_t due_ms;
};

struct handovers {
	bool on;
	struct pool pool;
	struct list waiting, ready;
	uint32_t held; /* requests */
	uint64_t late; /* of them, that got no answer in time */
	struct handover_dead dead[CLUSTER_NODES_MAX];
	uint32_t dead_count;
	struct hide_name *orphans; /* names that are to be looked at, a ring */
	uint32_t orphan_at, orphan_count, orphan_cap;
	uint32_t *
		pages; /* that they stood in: run and number, in pairs; deleted when all have been looked at */
	uint32_t page_count, page_cap;
	uint32_t idle; /* under way */
	struct alarm orphan_alarm;
	uint64_t beat_ms, resync_ms, nodes_ms; /* the last; 0 or when it is due */
};

enum err handover_init(struct sbc *s) MUST_USE;
void handover_release(struct sbc *s);

/* A request with a tag of another run, whose call is not here: it is held, true. */
bool handover_take(struct sbc *s, const struct msg *m, const struct flow *f,
		   const struct tls_facts *tls);
/* The next that may go on: the caller gives it to the core as if it had come now (or answers it: LATE), then forgets it. */
struct handover *handover_next(struct sbc *s);
void handover_forget(struct sbc *s, struct handover *h);

void handover_on_reply(struct sbc *s, const struct store_reply *r);
void handover_on_told(struct sbc *s, const struct store_told *t);
void handover_on_state(struct sbc *s, const struct store_state *t);
void handover_on_alarm(struct sbc *s, struct handover *h);
void handover_on_orphans(struct sbc *s);
/* Every CLUSTER_BEAT_MS. */
void handover_on_beat(struct sbc *s);

#endif
