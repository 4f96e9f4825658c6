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
#include "tests/sim/boundary.h"
#include "tests/sim/net.h"
#include "tests/sim/relay_model.h"
#include "tests/sim/site.h"

enum { CORE_CDRS_MAX = 16, CORE_WAITING_MAX = 64 };

/* What is checked of a CDR. */
struct core_cdr {
	struct str call, call_id_in;
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
	struct boundary boundary;
	struct site *site; /* on the heap, so that a late use of an old one is seen */
	struct site *old;  /* replaced, still in use by calls; NULL: none */
	struct site_params params;
	struct sbc *sbc;
	int node;
	int udp_end[SITE_REALMS];
	uint16_t conn_listener[NET_CONNS_MAX]; /* that ours were opened from */
	struct core_waiting waiting[CORE_WAITING_MAX];
	size_t waiting_count;
	uint32_t resolver_ms; /* how slow it is at most */
	bool resolver_fails;
	uint64_t notices[NOTICE_COUNT];
	struct core_cdr cdrs[CORE_CDRS_MAX];
	size_t cdr_count;
	uint64_t steps;
};

/* `seed` is the core's own randomness. */
void core_node_init(struct core_node *n, struct net *net, struct relay_model *relay,
		    struct faults *faults, int node, const struct site_params *p, uint64_t seed);
void core_node_release(struct core_node *n);
/* A happening that is the core's: arrivals, connections, relay, resolver. */
void core_node_happened(struct core_node *n, const struct happening *h);
/* New settings like the first ones but for `change`; the old ones go when no call uses them. */
void core_node_reload(struct core_node *n, const struct site_params *p);
void core_node_drain(struct core_node *n);
void core_node_tick(struct core_node *n);
/* Side of a connection that is the core's; NET_NONE: neither. */
int core_node_side(const struct core_node *n, int conn);

#endif
