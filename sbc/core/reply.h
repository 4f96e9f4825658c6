/*
 * Final answers that we give ourselves to requests in a dialog, in a server transaction of their own, so that the request
 * repeated gets the same again.
 */
#ifndef SALLYPORT_REPLY_H
#define SALLYPORT_REPLY_H

#include "sbc/core/call.h"
#include "sbc/core/worker.h"

/* `lines`: ready header lines; may be those of s->lines. */
void reply_now(struct sbc *s, const struct call *c, const struct msg *m, const struct flow *f,
	       uint16_t status, struct str lines);
/* As the verdict says, and counted; `side` spoke. */
void reply_refused(struct sbc *s, const struct call *c, const struct msg *m, const struct flow *f,
		   const struct verdict *v, unsigned side);
/* 500 and when to come again (RFC 3261 §14.2, RFC 3311 §5.2). */
void reply_too_soon(struct sbc *s, const struct call *c, const struct msg *m, const struct flow *f);

#endif
