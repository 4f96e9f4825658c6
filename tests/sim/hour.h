/* An hour of traffic in one world: thousands of phones at few addresses, calls of all kinds, one core. */
#ifndef SALLYPORT_SIM_HOUR_H
#define SALLYPORT_SIM_HOUR_H

#include "tests/sim/world.h"

/* Prints its TAP line. */
/* Two nodes that keep one limit of sessions together, while the store freezes, is emptied, restored from before. */
bool hour_of_two(struct world *w, uint64_t seed);
bool hour(struct world *w, uint64_t seed, uint64_t calls);

#endif
