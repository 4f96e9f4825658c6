/* One known packet of each suite and kind, run through an engine before it is trusted with calls. */
#ifndef SALLYPORT_SRTP_KNOWN_H
#define SALLYPORT_SRTP_KNOWN_H

#include "common/check.h"
#include "common/err.h"

struct srtp_worker;

/* Protects and unprotects each of them, alone and in batches. ERR_UNSUPPORTED: a wrong answer; ERR_NOMEM. */
enum err srtp_known_check(struct srtp_worker *w) MUST_USE;

#endif
