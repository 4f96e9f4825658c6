/*
 * Keys of m= lines between commands, and what was said of DTLS. While a command works they are a struct leg_keys and a
 * struct leg_dtls in its arena, with room for all that may be offered; from one command to the next keys are packed into a
 * block of just their size, and a line without keys, or without DTLS, has none. All that was offered is kept, not only what was chosen: another answer to the same offer (183, then 200 of another
 * device) may choose otherwise.
 */
#ifndef SALLYPORT_LEG_KEYS_H
#define SALLYPORT_LEG_KEYS_H

#include "common/arena.h"
#include "common/block.h"
#include "rtpproxy/core/leg.h"

/* m->keys and m->dtls are what was kept, or empty. ERR_NOMEM: both are NULL. */
enum err leg_keys_open(struct leg_media *m, struct arena *a) MUST_USE;
/* Keeps what they are now, wipes that and makes them NULL. ERR_NOMEM: of each, what was kept before stays or the new is kept. */
enum err leg_keys_keep(struct leg_media *m, struct block_pool *p) MUST_USE;
/* Wipes what is kept. */
void leg_keys_drop(struct leg_media *m, struct block_pool *p);

#endif
