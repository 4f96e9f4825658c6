/*
 * Two nodes at one address, behind one store: who stands in front of them, what happens to them and to the store, and what of that
 * has gone well. To the watch the two are one border controller.
 */
#ifndef SALLYPORT_SIM_PAIR_H
#define SALLYPORT_SIM_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/core_node.h"
#include "tests/sim/lookup.h"

struct world;

enum { PAIR_NODES = 2, PAIR_ACTS = 8, PAIR_RESTS_MS = 40000 };

/* Where a request of a dialog goes. A transaction always stays where it began, and so does all until the first PAIR_MOVE. */
enum front_way {
	FRONT_STAYS,  /* to the node that has the call */
	FRONT_OTHER,  /* to the other one */
	FRONT_EITHER, /* as chance has it, each transaction */
	FRONT_WILD,   /* … each datagram, repetitions too */
};

enum pair_what {
	PAIR_MOVE, /* `value`: enum front_way */
	PAIR_CRASH,
	PAIR_BOOT,
	PAIR_FREEZE, /* the store, for so long */
	PAIR_SLOW,   /* it answers after `value` ms at most, for so long */
	PAIR_CUT,    /* from this node alone */
	PAIR_KEEP,
	PAIR_RESTORE,
	PAIR_EMPTY,
	PAIR_BAN,  /* the operator at that node bans the second carrier's number */
	PAIR_FAST, /* end of SLOW */
	PAIR_LOSE, /* `value` of a thousand answers and words of it are lost, and as many words come twice */
};

/* Node: 0 is the one that new calls go to, 1 the other. */
struct pair_act {
	enum pair_what what;
	uint32_t after_ms; /* the one before; the first: the call that stands */
	int node;
	uint32_t for_ms, value;
};

/* What a scenario wants. */
struct pair_want {
	bool on;
	uint32_t until_ms; /* nodes never rest: the run ends then */
	struct pair_act acts[PAIR_ACTS];
	unsigned act_count;
	bool prompt; /* every answer must come in time: the store's own troubles, no node that dies */
	bool spread;       /* new calls go to both nodes, and all of a call where it began */
	bool without_call; /* the first act does not wait for one */
};

struct pair {
	struct store_model store;
	bool has_store;
	struct core_node twin;
	struct lookup keys; /* who has sent what, and where transactions are */
	int home;           /* the node that new calls go to */
	enum front_way way;
	unsigned next_act;
	uint64_t begun_ms; /* the first act; 0: not yet */
	uint32_t unheard;  /* datagrams that no node was there for */
	bool given_up;     /* the call did not stand in time: nothing was done */
};

/* The words of scenarios. */
void pair_on(struct world *w);
void pair_then(struct world *w, uint32_t after_ms, enum pair_what what, int node);
void pair_for(struct world *w, uint32_t after_ms, enum pair_what what, uint32_t for_ms,
	      uint32_t value);

void pair_start(struct world *w, const struct core_world *c);
void pair_stop(struct world *w);
void pair_release(struct pair *p);
struct core_node *pair_node(struct world *w, int number);
/* 0: the node that new calls go to. */
struct core_node *pair_role(struct world *w, int role);
/* Whose it is; NULL: nobody's any more. */
struct core_node *pair_core_of(struct world *w, const struct happening *h);
/* The script's next step. */
void pair_plan(struct world *w);
void pair_act(struct world *w);

#endif
