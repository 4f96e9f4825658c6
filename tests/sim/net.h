/*
 * The network between the core and the phones: datagrams that are lost, repeated, delayed and
 * reordered, and streams that keep order until someone closes them. A stream carries whole messages:
 * cutting bytes into messages is frame's test.
 */
#ifndef SALLYPORT_SIM_NET_H
#define SALLYPORT_SIM_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "sbc/core/settings.h"
#include "tests/sim/clock.h"
#include "tests/sim/dice.h"
#include "tests/sim/ladder.h"

enum { NET_ENDS_MAX = 32, NET_CONNS_MAX = 256, NET_FILTERS_MAX = 8, NET_NONE = -1 };

/* In percent, and the delays of one way. */
struct net_quality {
	uint32_t loss, repeat, reorder;
	uint32_t noise; /* percent of datagrams to `noise_to` that arrive a second time, spoiled */
	int noise_to;
	uint32_t delay_least_ms, delay_most_ms, late_ms;
};

/* An address where someone listens. */
struct net_end {
	struct addr addr;
	enum transport transport;
	int node;      /* whose it is */
	uint16_t slot; /* which of the node's own (listener of the core) */
	const char *name;
	bool up;
	uint32_t losses; /* datagrams from or to it that were lost */
};

enum net_conn_state { NET_CONN_OPENING, NET_CONN_OPEN, NET_CONN_CLOSED, NET_CONN_STATE_COUNT };

/* Side 0 opened it. */
struct net_conn {
	enum net_conn_state state;
	enum transport transport;
	int node[2];
	int end; /* that side 1 listens on */
	struct addr addr[2];
	const char *name[2];
	bool closed[2];      /* this side has closed or been told */
	uint64_t last_ms[2]; /* arrival of the last message at that side: order is kept */
};

/* Loses what fits, even where the network is good: for scenarios about one lost message. */
struct net_filter {
	int node;           /* sender */
	const char *start;  /* first line begins so */
	const char *method; /* of CSeq, or NULL */
	uint32_t left;
};

struct net {
	struct clock *clock;
	struct dice *dice;
	struct ladder *ladder;
	struct net_quality quality;
	struct net_end ends[NET_ENDS_MAX];
	int end_count;
	struct net_conn conns[NET_CONNS_MAX];
	int conn_count;
	struct net_filter filters[NET_FILTERS_MAX];
	int filter_count;
	uint64_t sent, lost, repeated, late;
};

int net_listen(struct net *n, const char *name, int node, uint16_t slot, const struct addr *addr,
	       enum transport t);
/* NET_NONE: nobody. */
int net_find(const struct net *n, const struct addr *addr, enum transport t);
/* A host that is down: datagrams vanish, connections are refused. */
void net_set_up(struct net *n, int node, bool up);
/* Closes all of its connections. */
void net_hang_up(struct net *n, int node);
void net_lose(struct net *n, int node, const char *start, const char *method, uint32_t count);

void net_datagram(struct net *n, int from_end, const struct addr *to, struct str bytes);
/* A connection that will open or be refused (HAPPEN_OPENED, HAPPEN_REFUSED). */
int net_connect(struct net *n, int node, const char *name, const struct addr *from,
		const struct addr *to, enum transport t);
/* Also before it has opened: it waits. Nothing happens on a closed one. */
void net_stream(struct net *n, int conn, int side, struct str bytes);
void net_close(struct net *n, int conn, int side);
/* What the clock says of connections; called by the world before the owner is told. False: it is
 * of no interest any more. */
bool net_happened(struct net *n, const struct happening *h);

#endif
