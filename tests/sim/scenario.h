/* The scenarios of the world: what each wants, drawn anew for each seed. scenario_*.c, one topic and one table each. */
#ifndef SALLYPORT_SIM_SCENARIO_H
#define SALLYPORT_SIM_SCENARIO_H

#include "tests/sim/world.h"

struct scenario {
	const char *name;
	/* Fills w->want; the network, the relay and the dice are there already. */
	void (*set)(struct world *w);
	/* What must be true at the end beyond the invariants; may be NULL. */
	void (*check)(struct world *w);
	bool pending; /* what it wants is not built yet: only run by its name */
};

/* The nth of all; NULL: no more. */
const struct scenario *scenario_at(unsigned nth);

/* It takes several times as long as others. */
bool scenario_is_dear(const struct scenario *s);

/* Each table ends with one without a name. */
extern const struct scenario scenarios_call[], scenarios_cancel[], scenarios_failover[],
	scenarios_fork[], scenarios_offer[], scenarios_rel[], scenarios_in_dialog[],
	scenarios_timer[], scenarios_transfer[], scenarios_outside[], scenarios_auth[],
	scenarios_operator[], scenarios_media[], scenarios_pair[], scenarios_hostile[],
	scenarios_chance[];

#endif
