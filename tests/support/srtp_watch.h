/*
 * The oracle of threats D7: no (key, SSRC, rollover counter, sequence number) ever encrypts two different packets. It stands
 * between a relay (or any srtp_worker) and its engine, looks at every packet before and after it is protected, and counts
 * each reuse that it sees in two ways: by the key stream itself (plain XOR cipher, so that no engine's bookkeeping is
 * trusted), and by the index, which it counts for itself. Identical packets may come twice. One watch may see several
 * workers, one after the other or at once in one thread: a relay that is started anew, or a call that moved.
 *
 *   struct srtp_watch watch;
 *   srtp_watch_init(&watch);
 *   relay_init(&relay, …);
 *   srtp_watch_attach(&watch, &relay.srtp);     before any call is made
 *   … the test …
 *   EXPECT_INT(srtp_watch_reuses(&watch), 0);   and srtp_watch_packets(&watch) > 0
 *   relay_release(&relay);                      needs no detach
 *   srtp_watch_release(&watch);
 */
#ifndef SALLYPORT_TESTS_SRTP_WATCH_H
#define SALLYPORT_TESTS_SRTP_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "rtpproxy/core/srtp_engine.h"

/* What was seen: hash of a key stream or of an index → hash of the packet that it encrypted. */
struct srtp_watch_entry {
	uint64_t what, packet; /* what is 0: free */
};

struct srtp_watch {
	struct srtp_engine engine;       /* the inner one with our protect in it */
	const struct srtp_engine *inner; /* NULL: attached to none yet */
	struct srtp_watch_entry *entries;
	size_t room, used;
	uint64_t packets;
	unsigned reuses;
};

void srtp_watch_init(struct srtp_watch *x);
/* From now on all that this worker protects is watched. The worker's engine is the same for all that are attached. */
void srtp_watch_attach(struct srtp_watch *x, struct srtp_worker *w);
/* Packets protected, and those of them that used a key stream or an index again; each of these is also printed. */
uint64_t srtp_watch_packets(const struct srtp_watch *x);
unsigned srtp_watch_reuses(const struct srtp_watch *x);
/* The workers are gone, or do nothing more. */
void srtp_watch_release(struct srtp_watch *x);

#endif
