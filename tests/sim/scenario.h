/* The scenarios of the world: what each wants, drawn anew for each seed. */
#ifndef SALLYPORT_SIM_SCENARIO_H
#define SALLYPORT_SIM_SCENARIO_H

#include "tests/sim/world.h"

struct scenario {
	const char *name;
	/* Fills w->want; the network, the relay and the dice are there already. */
	void (*set)(struct world *w);
	/* What must be true at the end beyond the invariants; may be NULL. */
	void (*check)(struct world *w);
};

/* All of them, ended by one without a name. */
const struct scenario *scenario_list(void);

#endif
