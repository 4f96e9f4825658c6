/*
 * A request that is too large for UDP goes over TCP, with a Via that says so (RFC 3261 §18.1.1): fragments of a datagram
 * are lost together, and firewalls drop them. This file knows where to and how it is written; txn.c keeps the UDP form
 * and falls back to it when TCP is refused. Leaves alone what no TCP listener of the realm can send.
 */
#ifndef SALLYPORT_LARGE_H
#define SALLYPORT_LARGE_H

#include "common/buf.h"
#include "sbc/core/ports.h"
#include "sbc/core/settings.h"

enum { LARGE_NO_TCP_MAX = 32, LARGE_NO_TCP_MS = 10 * 60 * 1000 };

/* Who refused TCP lately: asked again after a while. */
struct large_refusals {
	struct {
		struct addr addr;
		uint64_t until_ms;
	} list[LARGE_NO_TCP_MAX];
	uint8_t next;
};

/* Should `len` octets to `d` go by TCP? *out is then the destination over it. */
bool large_find(const struct settings *s, const struct large_refusals *r, const struct dest *d,
		size_t len, uint64_t now_ms, struct dest *out);
/* The request with another transport and sent-by in its top Via. ERR_BAD: that Via is not ours; ERR_LIMIT. */
enum err large_write(struct buf *b, struct str request, enum transport t,
		     const struct addr *sent_by) MUST_USE;
void large_refused(struct large_refusals *r, const struct addr *a, uint64_t now_ms);

#endif
