/* Is the work for an input in proportion to its length? Measured in CPU time, least of several runs. */
#ifndef SALLYPORT_TESTS_COST_H
#define SALLYPORT_TESTS_COST_H

#include <stdbool.h>

#include "common/str.h"

/* Works on one input; what it gives is of no interest. */
typedef void (*cost_fn)(struct str input);

/*
 * `big` is four times as long as `small`: linear work takes about 4 times as long, quadratic 16. False
 * above 9. Runs again before it says so, as a busy machine can only add time.
 */
bool cost_is_linear(cost_fn fn, struct str small, struct str big);

#endif
