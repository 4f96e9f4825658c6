/*
 * Two offers meet (RFC 3264 §6): the answer to `offer` that the owner of `own`, itself an offer, would give. As many m=
 * lines as the offer has, in its order; each is the line of `own` of the same kind and protocol with the formats that
 * both know under the numbers of `own`, one key with the offer's tag, and the direction that both allow; else port 0.
 * Both ways it picks the same codecs and the same suite. A leaf: text of values out, nothing kept.
 */
#ifndef SALLYPORT_SDP_MEET_H
#define SALLYPORT_SDP_MEET_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/sdp.h"

/* Appends to b. ERR_NOTFOUND: they have nothing in common; ERR_NOMEM (arena), ERR_LIMIT (b is full): b is of no use. */
enum err sdp_meet(struct buf *b, struct arena *a, const struct sdp *offer,
		  const struct sdp *own) MUST_USE;

/*
 * Would the owner of `said`, who counts on `was` (the other's description so far), be wrong about `now` (the other's
 * description as it turned out)? By line: one that is dead now, a codec that has gone, a direction that has changed.
 */
bool sdp_meet_differs(const struct sdp *was, const struct sdp *now);

#endif
