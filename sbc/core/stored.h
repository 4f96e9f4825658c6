/*
 * What of the core speaks with the store, and who of it hears the answers: each area (store.h) has one machine that owns it.
 * Who wants to know whether anyone else would read what it writes asks stored_is_shared.
 */
#ifndef SALLYPORT_STORED_H
#define SALLYPORT_STORED_H

#include <stdbool.h>

#include "sbc/core/store.h"

struct sbc;

/* Are there other nodes, or a store that outlives us? If not, nothing needs to be posted. */
bool stored_is_shared(const struct sbc *s);
/* Does it answer at this time? */
bool stored_is_up(const struct sbc *s);
/* Are new things of this area to be refused: the store is away, and the configuration says that this matters. */
bool stored_rejects(const struct sbc *s, enum store_area area);
/* ports.store. */
void stored_post(struct sbc *s, const struct store_op *op);

/* The events. */
void stored_on_reply(struct sbc *s, const struct store_reply *r);
void stored_on_told(struct sbc *s, const struct store_told *t);
void stored_on_state(struct sbc *s, const struct store_state *t);

#endif
