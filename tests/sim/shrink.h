/* Makes a failing run shorter, as long as it goes on failing in the same way: fewer acts, less loss, fewer phones, less time. */
#ifndef SALLYPORT_SIM_SHRINK_H
#define SALLYPORT_SIM_SHRINK_H

#include "tests/sim/scenario.h"

/* o->cut becomes what may be left out. */
void shrink(struct world *w, const struct scenario *s, uint64_t seed, struct world_options *o);
/* The command that repeats it. */
void shrink_print(const struct scenario *s, uint64_t seed, const struct world_options *o);
/* What --cut says, as shrink_print writes it. False: no such word. */
bool shrink_read(const char *text, struct world_cut *out);

#endif
