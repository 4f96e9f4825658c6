/*
 * The clients that want to hear of events in their calls without asking (own key `notify`): a small
 * table, so that a call remembers its client in one byte. A client is the bytes that named it in
 * relay_command; what they mean is the shell's to know.
 */
#ifndef SALLYPORT_OWNER_H
#define SALLYPORT_OWNER_H

#include <stdint.h>

#include "common/str.h"
#include "rtpproxy/core/limits.h"

struct owner {
	uint32_t calls; /* that name it; 0: free */
	uint8_t len;
	char key[LIMIT_PEER];
};

/* All zero: nobody. */
struct owners {
	struct owner at[LIMIT_OWNERS];
};

/* One call more of that client. 0: the table is full, or the key too long; nothing has changed then. */
uint8_t owner_take(struct owners *o, struct str key);
/* One call less; 0 is allowed. */
void owner_drop(struct owners *o, uint8_t id);
/* STR_NONE for 0. */
struct str owner_key(const struct owners *o, uint8_t id);

#endif
