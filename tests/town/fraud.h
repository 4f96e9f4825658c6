/* What is done to the town by those who mean harm, and what must come of it. */
#ifndef SALLYPORT_TOWN_FRAUD_H
#define SALLYPORT_TOWN_FRAUD_H

#include "tests/town/town.h"

unsigned fraud_scenario_count(void);
const char *fraud_scenario_name(unsigned n);
/* In a fresh town that begins on a Monday. False: it was printed what went wrong. */
bool fraud_scenario(struct town *t, unsigned n);

#endif
