/*
 * An invariant that cannot fail is worth nothing. Here the core's output is spoilt on its way, in one way for each
 * invariant, as a broken core would do it; the check of that name must see it. `world --self-test` tries them all.
 */
#ifndef SALLYPORT_SIM_SABOTAGE_H
#define SALLYPORT_SIM_SABOTAGE_H

#include <stdbool.h>

#include "common/arena.h"
#include "sbc/core/notice.h"
#include "sbc/core/ports.h"
#include "tests/sim/faults.h"

struct core_node;

struct sabotage {
	enum invariant of; /* INV_COUNT: nothing */
	unsigned done;
	struct str seen;   /* an identifier of the trusted side */
	struct str invite; /* … */
};

/* The scenario that shows it best. */
const char *sabotage_scenario(enum invariant of);
/* What is sent instead; empty: nothing. *out_extra: what the watch sees besides. */
struct str sabotage_message(struct sabotage *s, struct arena *a, bool trusted, struct str bytes,
			    struct str *out_extra);
/* Changed behind the watch's back. */
struct str sabotage_late(struct sabotage *s, struct arena *a, struct str bytes);
/* True: the relay does not get it. */
bool sabotage_relay(struct sabotage *s, const struct relay_query *q);
/* True: nobody hears of it. */
bool sabotage_notice(struct sabotage *s, const struct notice *n);
/* The last CDR. */
void sabotage_cdr(struct sabotage *s, struct core_node *n);
/* Time stands still for the core from now on. */
bool sabotage_freezes(const struct sabotage *s);

#endif
