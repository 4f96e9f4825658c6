/*
 * The local media ports of one interface that one worker may use: pairs of an even port (RTP) and
 * the odd one above it (RTCP, RFC 3550 §11). A search starts at a random place, so that the next
 * port cannot be guessed, and a pair that was given back rests for a while: late packets of the
 * call that had it must not reach the next one (threats D14). No clock and no randomness of its
 * own; not thread-safe: each worker has its own share of the range.
 */
#ifndef SALLYPORT_PORTSET_H
#define SALLYPORT_PORTSET_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/check.h"

enum { PORTSET_REST_MS = 5000 };

struct portset_rest {
	uint64_t until_ms;
	uint32_t pair;
};

struct portset {
	uint16_t first; /* even port of pair 0 */
	uint32_t pairs;
	uint32_t used;              /* handed out */
	uint32_t resting;           /* given back, not yet free */
	uint64_t *taken;            /* one bit a pair: handed out or resting */
	struct portset_rest *rests; /* ring in order of time */
	uint32_t rest_first;
};

/*
 * Share number `part` (from 0) of `parts` of the even/odd pairs that lie wholly inside min … max.
 * ERR_BAD: no pair is left for this share; ERR_NOMEM.
 */
enum err portset_init(struct portset *s, uint16_t min, uint16_t max, unsigned part,
		      unsigned parts) MUST_USE;
void portset_release(struct portset *s);
/* A free pair, named by its even port; `random` says where the search starts. ERR_FULL. */
enum err portset_take(struct portset *s, uint64_t now_ms, uint32_t random,
		      uint16_t *out_port) MUST_USE;
/* Gives a taken pair back; it is free again after PORTSET_REST_MS. */
void portset_put(struct portset *s, uint16_t port, uint64_t now_ms);

#endif
