/*
 * A decision as one tells it: the verdict, and of each stage that was asked what it looked at, what it said and by which rule,
 * where that stands. Members of a JSON object, from which the command makes its table. A stage's facts are one row of explain.c.
 */
#ifndef SALLYPORT_EXPLAIN_H
#define SALLYPORT_EXPLAIN_H

#include "common/buf.h"
#include "policy/policy.h"

/*
 * `"verdict":{…},"stages":[{…},…]`: a.decision, with what a.state holds now. Times of the day are those of a.facts. The object around
 * it is the caller's.
 */
void explain_write(struct buf *b, const struct policy_ask *a);

#endif
