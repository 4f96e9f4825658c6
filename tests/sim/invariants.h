/* What must hold after every run (design §4), whatever the scenario. */
#ifndef SALLYPORT_SIM_INVARIANTS_H
#define SALLYPORT_SIM_INVARIANTS_H

#include "tests/sim/world.h"

/* Adds what is broken to w->faults. */
void invariants_check(struct world *w);
/* The same of a crowd: nothing of single phones. */
void invariants_check_core(struct world *w);

#endif
