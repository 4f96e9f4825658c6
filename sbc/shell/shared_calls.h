/* Calls that nodes share (docs/store.md, "Calls"), as the operator sees them: metrics and a part of `sallyport status`. */
#ifndef SALLYPORT_SHARED_CALLS_H
#define SALLYPORT_SHARED_CALLS_H

#include "common/buf.h"
#include "sbc/core/sbc.h"

/* Prometheus text; nothing where nobody shares them. */
void shared_calls_write_metrics(const struct sbc *sbc, struct buf *b);
/* `[{…}]`, or `[]`. */
void shared_calls_write_status(const struct sbc *sbc, struct buf *b);

#endif
