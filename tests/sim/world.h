/* One run: everyone who takes part, the clock, the chance, and what the scenario wants of them. */
#ifndef SALLYPORT_SIM_WORLD_H
#define SALLYPORT_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/core_node.h"
#include "tests/sim/ua.h"

enum world_ua { UA_CARRIER, UA_CARRIER2, UA_PBX, UA_PBX2, UA_SPARE, UA_STRANGER, UA_COUNT };

/* Filled with defaults by the world, changed by the scenario. */
struct world_want {
	struct site_params site;
	struct net_quality quality;
	struct ua_plan plans[UA_COUNT];
	enum world_ua caller, callee;
	bool direct;    /* phone to phone, without the core: tests the world itself */
	bool silent_ok; /* requests may stay without an answer or an ACK */
	bool no_cdr;    /* what is refused before it is anyone's call has none */
	bool callee_down;
	bool noisy; /* spoiled messages: what comes of them is anyone's guess, but nothing is left */
	uint32_t second_ms; /* when a second carrier calls the same callee; 0: never */
	/* When the operator acts; 0: never. */
	uint32_t reload_ms, drain_ms, down_ms, up_ms;
	struct site_params reloaded; /* what reload brings; starts as a copy of site */
	bool reload_differs;
	uint32_t call_ms; /* when the caller calls; 0: at once */
	uint32_t resolver_ms;
	bool resolver_fails;
};

struct scenario;

struct world {
	const struct scenario *scenario;
	uint64_t seed;
	struct clock clock;
	struct dice dice;
	struct arena arena;
	struct faults faults;
	struct ladder ladder;
	struct net net;
	struct relay_model relay;
	struct core_node core;
	struct ua uas[UA_COUNT];
	struct world_want want;
	unsigned long never_before; /* NEVERs of earlier runs */
	bool quiet;                 /* everything has come to rest */
};

struct world_options {
	uint32_t loss; /* percent of loss, repetition and reordering each */
	bool verbose, whole;
};

void world_init(struct world *w);
void world_release(struct world *w);
/* Runs it to the end and checks it; true: nothing was wrong. */
bool world_run(struct world *w, const struct scenario *s, uint64_t seed,
	       const struct world_options *o);

#endif
