/*
 * Where a peer is: at the address that its target names, or behind a name that the resolver is asked for (RFC 3263).
 * Pure; whoever asks keeps the candidates.
 */
#ifndef SALLYPORT_TARGET_H
#define SALLYPORT_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "sbc/core/event.h"
#include "sbc/core/ports.h"
#include "sbc/core/settings.h"

/* True: its target is an address, and *out is where. `sips`: nothing but TLS will do. */
bool target_address(const struct peer *p, bool sips, struct candidate *out);
/* What to ask the resolver, for a peer that is a name: addresses of the families that the realm listens with. */
struct resolve_query target_query(const struct settings *s, uint16_t realm, const struct peer *p,
				  bool sips);

#endif
