/*
 * The real core in the simulated world: its ports end in the net, the relay model and a small
 * resolver; what it publishes is counted and its CDRs are kept.
 */
#ifndef SALLYPORT_SIM_CORE_NODE_H
#define SALLYPORT_SIM_CORE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "sbc/core/cdr.h"
#include "sbc/core/sbc.h"
#include "tests/sim/net.h"
#include "tests/sim/relay_model.h"
#include "tests/sim/sabotage.h"
#include "tests/sim/site.h"
#include "tests/sim/watch.h"
#include "tests/support/store_model.h"

enum { CORE_WAITING_MAX = 1024 };

/* The service that is asked what it thinks of a call. */
enum opines {
	OPINES_YES,
	OPINES_NO,
	OPINES_NONSENSE,
	OPINES_LATE, /* yes, when nobody waits any more */
	OPINES_DEAD,
	OPINES_COUNT
};

/* What is checked of a CDR. */
struct core_cdr {
	struct str call_id_in, call_id_out;
	uint64_t start, ring, answer, end;
	uint16_t status;
	enum cdr_side ended_by;
	struct str cause;
	size_t attempts;
};

/* A send over a connection that has not opened yet. */
struct core_waiting {
	int conn;
	id_t64 tag;
};

struct core_node {
	struct net *net;
	struct faults *faults;
	struct relay_model *relay;
	struct store_model *store; /* NULL: nobody shares */
	unsigned store_node;
	/*
	 * Of two nodes that stand for one: who has the watch, the CDRs and the notices of both (the first), and which node has sent
	 * what, so that its answer comes to it.
	 */
	struct core_node *books;
	struct lookup *senders; /* NULL: there is one node */
	int number; /* 0 or 1, and how often it was started: what was asked for an earlier run is nobody's */
	bool running;
	struct watch watch;
	struct arena *arena;
	struct sabotage *sabotage; /* NULL: none */
	struct site *site;         /* on the heap, so that a late use of an old one is seen */
	struct site *old;          /* replaced, still in use by calls; NULL: none */
	struct site_params params;
	struct sbc *sbc;
	int node;
	int udp_end[SITE_REALMS];
	uint16_t conn_listener[NET_CONNS_MAX]; /* that ours were opened from */
	struct core_waiting waiting[CORE_WAITING_MAX];
	size_t waiting_count;
	uint32_t resolver_ms; /* how slow it is at most */
	bool resolver_fails;
	const struct credential *credential; /* of every signer; NULL: nobody's is to be had */
	uint32_t credential_ms;              /* how slow it comes at most */
	unsigned credential_lost;            /* of a hundred: not at all, which takes its time */
	enum opines opines;
	uint32_t opinions; /* that it was asked for */
	uint64_t notices[NOTICE_COUNT];
	struct core_cdr *cdrs; /* kept from run to run, as watch's tables are */
	size_t cdr_count, cdr_cap;
	uint64_t answered; /* CDRs with an answer */
	uint64_t steps;
};

struct core_world {
	struct net *net;
	struct relay_model *relay;
	struct faults *faults;
	struct arena *arena;
	struct sabotage *sabotage;
	int node;
	struct store_model *store; /* NULL: none */
	struct core_node *first;   /* NULL: it is the first itself */
	struct lookup *senders;
};

/* `seed` is the core's own randomness. *n is zero, or was stopped before. */
void core_node_start(struct core_node *n, const struct core_world *world,
		     const struct site_params *p, uint64_t seed);
void core_node_stop(struct core_node *n);
/* It dies, and starts again later, with nothing of what it had. */
void core_node_crash(struct core_node *n);
void core_node_boot(struct core_node *n, uint64_t seed);
void core_node_release(struct core_node *n);
/* A happening that is the core's: arrivals, connections, relay, resolver. */
void core_node_happened(struct core_node *n, const struct happening *h);
/* New settings like the first ones but for `change`; the old ones go when no call uses them. */
void core_node_reload(struct core_node *n, const struct site_params *p);
void core_node_drain(struct core_node *n);
/* The daemon is told to end: all calls end, in order. */
void core_node_end(struct core_node *n);
void core_node_tick(struct core_node *n);
/* The operator bans calls of that number at this node. */
void core_node_ban(struct core_node *n, const char *caller);
/* Is this the answer to what this very run of it has asked? */
bool core_node_asked(const struct core_node *n, const struct happening *h);
/* Which node has sent the request of that branch, or one with that Call-ID; LOOKUP_NONE: none that is known. */
uint32_t core_node_sender(const struct lookup *senders, struct str name);
/* Side of a connection that is the core's; NET_NONE: neither. */
int core_node_side(const struct core_node *n, int conn);

#endif
