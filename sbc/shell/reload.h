/* What of a new configuration cannot be taken up without a restart. Pure. */
#ifndef SALLYPORT_RELOAD_H
#define SALLYPORT_RELOAD_H

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "sbc/core/settings.h"

/* ERR_UNSUPPORTED: a line for each such change is in `why`. */
enum err reload_check(const struct settings *from, const struct settings *to,
		      struct buf *why) MUST_USE;

#endif
