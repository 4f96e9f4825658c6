/*
 * The session description that one side sees of us (design promise 3, RFC 5853 §3.1): SDP text in, SDP text out, by
 * construction. It is taken apart and written afresh; only what a written list names crosses, and only in the grammar
 * that the list gives it. Origin and session name are ours; i= u= e= p= k= r= z= end here, and every attribute that
 * names a product, a source, a candidate or is unknown. Media address and port stay as the text has them: the
 * relay's, or with `anchor: off` the other side's, on which such a site has agreed.
 *
 * ICE and DTLS-SRTP are each end's own: their attributes cross only where the text is the relay's and the side speaks them
 * (`allow`), and of candidates only those at the address that c= shows: the relay's own.
 */
#ifndef SALLYPORT_SDP_FACE_H
#define SALLYPORT_SDP_FACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

enum { SDP_FACE_MID_MAX = 32 };

enum { SDP_FACE_ICE = 1, SDP_FACE_DTLS = 2 };

/* What one side was told last: the origin of its descriptions for the life of the leg. */
struct sdp_face {
	uint64_t hash; /* of all behind the origin; 0: nothing was told yet */
	uint32_t id;   /* session id of our o= */
	uint32_t version;
	uint8_t allow; /* SDP_FACE_… */
	bool labels; /* a=label crosses: the call is a recording (RFC 7866), whose metadata speak of it */
};

void sdp_face_init(struct sdp_face *f, uint32_t random);
/*
 * Appends `sdp` as the side of f is to see it, from the host `own`; the version moves when, and only when, the rest
 * has changed (RFC 3264 §8). Arrays live in `a`. ERR_BAD: no description that could be understood whole; ERR_LIMIT;
 * ERR_NOMEM: f is untouched, what b got is of no use.
 */
enum err sdp_face_write(struct buf *b, struct sdp_face *f, const struct addr *own, struct arena *a,
			struct str sdp) MUST_USE;

#endif
