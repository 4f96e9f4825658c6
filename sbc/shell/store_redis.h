/*
 * The store in Redis (docs/store.md): one server or several to fall back on, Sentinel, or Cluster. Nothing here waits: commands of a turn go out
 * together, replies become events. A server that takes longer than `slow` counts as away (the breaker): questions are
 * answered DOWN at once, writes wait in a queue, the newest of each key alone, until a probe has been answered in time.
 *
 * Timers: `look`, while anything is under way: what is late, what is to be probed, opened again, written of the queue; `gather`, until commands
 * that nobody waits for go out.
 */
#ifndef SALLYPORT_STORE_REDIS_H
#define SALLYPORT_STORE_REDIS_H

#include "common/rng.h"
#include "sbc/shell/turn.h"

enum {
	REDIS_SERVERS = 16,
	REDIS_SECONDS_BUCKETS = 10,
	REDIS_LOOK_MS = 20,
	REDIS_IDLE_MS = 250,
	REDIS_GATHER_MS = 20,
	REDIS_GATHER_BYTES = 16 * 1024,
	REDIS_PROBE_MS = 100,
	REDIS_PING_MS = 1000,
	REDIS_BEAT_MS = 2000,
	REDIS_BACKOFF_MS = 100, /* doubling up to */
	REDIS_BACKOFF_MAX_MS = 2000,
	REDIS_OPEN_MS = 1000, /* to connect and shake hands */
	REDIS_SPREAD_MS =
		1000, /* the queue of a node begins after up to half of it; see store_state.spread_ms */
	REDIS_DRAIN = 256, /* of the queue, each REDIS_LOOK_MS */
	REDIS_MOVES = 5,   /* so often a command is sent on */
	REDIS_BYTES_MAX = 256 * 1024 * 1024
};

struct store_redis;

/* What it counts. X(member, name, help) */
#define STORE_STATS_TABLE(X)                                                                       \
	X(ops, "store_operations_total", "Operations posted to the store")                         \
	X(down, "store_unanswered_total",                                                          \
	  "Questions to the store that got no answer: away, or too late")                          \
	X(errors, "store_errors_total", "Operations that the store refused")                       \
	X(forged, "store_forged_total",                                                            \
	  "Values read from the store that no node with our key has written so: not used")         \
	X(queued, "store_queued_total", "Writes that had to wait for the store's return")          \
	X(dropped, "store_dropped_total", "Writes that were given up: the queue was full")         \
	X(superseded, "store_superseded_total",                                                    \
	  "Waiting writes that a newer one of the same key displaced")                             \
	X(breaks, "store_breaks_total", "Times that a server of the store was given up as away")   \
	X(connects, "store_connects_total", "Connections to servers of the store that came up")    \
	X(moved, "store_moved_total", "Commands that a cluster sent on to another server")         \
	X(published, "store_published_total", "Messages published to other nodes")                 \
	X(told, "store_told_total", "Messages of other nodes that arrived")                        \
	X(bytes_out, "store_bytes_sent_total", "Octets written to the store")

struct store_stats {
#define X(member, name, help) uint64_t member;
	STORE_STATS_TABLE(X)
#undef X
	uint64_t seconds[REDIS_SECONDS_BUCKETS + 1]; /* answers by how long they took */
	uint64_t seconds_us;
};
/* Upper ends of the buckets, in microseconds; the last one has none. */
extern const uint32_t store_seconds_us[REDIS_SECONDS_BUCKETS];

/* For `sallyport status`. */
struct store_view {
	bool up;
	bool listens; /* hears of what others publish */
	uint32_t queue, in_flight, servers, servers_up;
	char server[128];  /* the first one */
	char why[128];     /* the last failure */
	uint64_t since_ms; /* of this state, monotonic */
};

/* Told when it comes or goes. */
typedef void (*store_changed_fn)(void *ctx, const struct store_view *v);

struct store_redis_params {
	struct turn *turn; /* outlives it, as `rng` does */
	struct rng *rng;
	const struct store_settings *settings; /* copied */
	struct str node;                       /* our name among the nodes */
	store_changed_fn changed;              /* NULL: nobody wants to know */
	void *ctx;
};

/* ERR_NOMEM; ERR_BAD: what is wrong is in `why`. */
enum err store_redis_new(struct store_redis **out, const struct store_redis_params *p,
			 struct buf *why) MUST_USE;
void store_redis_free(struct store_redis **r);
/* ports.store */
void store_redis_post(struct store_redis *r, const struct store_op *op);
/* At the end of a turn. */
void store_redis_flush(struct store_redis *r);
const struct store_stats *store_redis_stats(const struct store_redis *r);
void store_redis_view(const struct store_redis *r, struct store_view *out);

#endif
