/*
 * What RFC 4475 calls wrong, and what we do not support → status and reason, or silence. Verdicts of stage
 * "parse": `rule` is the fault's name. The reason phrase says nothing of the inside.
 */
#ifndef SALLYPORT_REFUSE_H
#define SALLYPORT_REFUSE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "policy/verdict.h"
#include "sbc/core/msg.h"

/* For a message that msg_index, msg_check or msg_full did not accept (m->fault): REJECT or DROP. */
struct verdict refuse_fault(const struct msg *m);

/* For a response that msg_index accepted: DROP where it was not made for us (more than one Via). */
struct verdict refuse_response(const struct msg *m);

/* What the element supports. */
struct refuse_params {
	uint32_t methods;             /* bit 1 << METHOD_X: handled */
	const struct str *extensions; /* option tags for Require */
	size_t extension_count;
	const struct str
		*content_types; /* for bodies of INVITE, UPDATE, PRACK, ACK: "application/sdp" */
	size_t content_type_count;
	const struct str *bodies; /* types that may cross beside these: `realms.X.bodies` */
	size_t body_count;
};

/*
 * Order of RFC 3261 §8.2 and §16.3: method (501 unknown, 405 known but not handled), scheme (416), Max-Forwards
 * (483; OPTIONS with 0 is ours to answer), Require and Proxy-Require (420), body (415; 400 for a multipart that is
 * none). ALLOW: none of these.
 * ACK is never answered: DROP.
 */
struct verdict refuse_request(const struct msg *m, const struct refuse_params *p);
/* The headers that the status demands: Allow, Accept, Unsupported, Warning; as ready lines. ERR_LIMIT. */
enum err refuse_write_headers(struct buf *lines, const struct verdict *v, const struct msg *m,
			      const struct refuse_params *p) MUST_USE;
/* "INVITE, ACK, …" of a set of methods. */
void refuse_write_allow(struct buf *b, uint32_t methods);

#endif
