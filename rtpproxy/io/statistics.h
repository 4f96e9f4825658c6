/* The reply to `statistics` (ng-protocol §5), from the published counters of all workers. */
#ifndef SALLYPORT_STATISTICS_H
#define SALLYPORT_STATISTICS_H

#include "common/dict.h"

struct ctl;

/* Adds "statistics" to the reply. */
void statistics_add(struct arena *a, struct dict *reply, const struct ctl *c, uint64_t now_s);

/* Once a second: what rates are made of. */
void statistics_tick(struct ctl *c, uint64_t now_ms);

#endif
