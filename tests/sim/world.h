/* One run: everyone who takes part, the clock, the chance, and what the scenario wants of them. */
#ifndef SALLYPORT_SIM_WORLD_H
#define SALLYPORT_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/core_node.h"
#include "tests/sim/pair.h"
#include "tests/sim/sabotage.h"
#include "tests/sim/ua.h"

enum world_ua { UA_CARRIER, UA_CARRIER2, UA_PBX, UA_PBX2, UA_SPARE, UA_STRANGER, UA_COUNT };
enum { NODE_CORE = UA_COUNT, NODE_RELAY, WORLD_NODES, WORLD_STALLS = 8 };
enum { WORLD_START_MS = 1000000, WORLD_SCRIPT_PAIR = 100 };

/* A process gets no CPU for a while. */
struct world_stall {
	int node;
	uint32_t at_ms, for_ms;
};

/* Filled with defaults by the world, changed by the scenario. */
struct world_want {
	struct site_params site;
	struct net_quality quality;
	struct ua_plan plans[UA_COUNT];
	enum world_ua caller, callee;
	bool direct;    /* phone to phone, without the core: tests the world itself */
	bool silent_ok; /* requests may stay without an answer or an ACK */
	bool no_cdr;    /* what is refused before it is anyone's call has none */
	bool gives_up;  /* a route does not wait for 64*T1 */
	bool callee_down;
	bool noisy; /* spoiled messages: what comes of them is anyone's guess, but nothing is left */
	bool transfers; /* generated calls may ask for them */
	bool rogue;     /* someone breaks rules: only what the core owes to everyone is checked */
	uint32_t second_ms; /* when a second carrier calls the same callee; 0: never */
	/* When the operator acts; 0: never. */
	uint32_t reload_ms, drain_ms, end_ms, down_ms, up_ms;
	struct site_params reloaded; /* what reload brings; starts as a copy of site */
	bool reload_differs;
	uint32_t call_ms; /* when the caller calls; 0: at once */
	uint32_t resolver_ms;
	bool resolver_fails;
	uint32_t credential_ms;   /* how slow certificates are at most; 0: nobody signs */
	unsigned credential_lost; /* of a hundred */
	struct world_stall stalls[WORLD_STALLS];
	unsigned stall_count;
	enum opines opines;
	const char *dials; /* NULL: 200 inward, 900 outward */
	struct pair_want pair;
};

struct scenario;

/* What a shorter run leaves out. */
struct world_cut {
	uint32_t todos[UA_COUNT]; /* one bit for each thing that a phone would do */
	bool loss, repeat, reorder, noise, stalls, relay, second, operator_acts, plain;
	uint8_t shorter; /* times of what phones do are divided by 1 << this */
	uint32_t chance; /* another run of the same network's dice */
};

struct world_options {
	uint32_t loss; /* percent of loss, repetition and reordering each */
	bool verbose, whole;
	struct world_cut cut;
	enum invariant broken; /* INV_COUNT: none */
};

struct world {
	const struct scenario *scenario;
	uint64_t seed;
	const struct world_options *options;
	struct clock clock;
	struct dice dice, net_dice;
	struct arena arena;
	struct faults faults;
	struct ladder ladder;
	struct net net;
	struct relay_model relay;
	struct core_node core;
	struct pair pair; /* of which `core` is the first */
	struct ua uas[UA_COUNT];
	/* All phones by instance; those above are the first. */
	struct ua **phones;
	uint32_t phone_count;
	int udp_ends[UA_COUNT];
	struct world_want want;
	struct sabotage sabotage;
	uint64_t stalled_until[WORLD_NODES];
	unsigned long never_before; /* NEVERs of earlier runs */
	bool quiet;                 /* everything has come to rest */
	/* Another happening is at hand: a crowd's next call. False: not its own. */
	void (*script)(struct world *w, int what, int arg);
	void *crowd;
};

void world_init(struct world *w);
void world_release(struct world *w);
/* Runs it to the end and checks it; true: nothing was wrong. */
bool world_run(struct world *w, const struct scenario *s, uint64_t seed,
	       const struct world_options *o);

/* ---- for a crowd (hour.c), which fills a world by itself */

void world_begin(struct world *w, const char *salt, uint64_t seed, const struct world_options *o);
/* Everyone's addresses; the settings and the plans are in w->want. */
void world_people(struct world *w, bool crowd);
struct ua_params world_phone(const struct world *w, enum world_ua who);
void world_start_core(struct world *w);
/* The clock learns when this phone has something to do. */
void world_plan_phone(struct world *w, struct ua *u);
/* Lets time pass until nothing will happen any more. */
void world_pass_time(struct world *w, uint64_t steps_max, uint64_t end_ms);

#endif
