/* A key as one JSON datagram, as rtpengine's --dtmf-log-dest tells it (ng-protocol §9). Never for a log (threats D15). */
#ifndef SALLYPORT_DTMF_JSON_H
#define SALLYPORT_DTMF_JSON_H

#include "common/buf.h"
#include "rtpproxy/core/relay.h"

enum { DTMF_JSON_MAX = 4096 };

/* n is a RELAY_DTMF. */
void dtmf_json_write(struct buf *b, const struct relay_notice *n, uint64_t wall_s);

#endif
