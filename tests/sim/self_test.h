/* The world checks itself: each invariant is seen to fail, and docs/invariants.md says what they are. */
#ifndef SALLYPORT_SIM_SELF_TEST_H
#define SALLYPORT_SIM_SELF_TEST_H

#include <stdio.h>

#include "tests/sim/world.h"

/* `page`: its path; NULL: not looked at. */
bool self_test(struct world *w, const char *page);
void self_test_page(FILE *to);

#endif
