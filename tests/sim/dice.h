/* The one source of chance of a run: a seed gives the same run on every machine. */
#ifndef SALLYPORT_SIM_DICE_H
#define SALLYPORT_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

/* Runs of two scenarios with the same seed have nothing in common: `salt` is the scenario's. */
void dice_init(struct dice *d, uint64_t seed, uint64_t salt);
uint64_t dice_u64(struct dice *d);
/* least … most, both included. */
uint32_t dice_range(struct dice *d, uint32_t least, uint32_t most);
bool dice_percent(struct dice *d, uint32_t percent);

#endif
