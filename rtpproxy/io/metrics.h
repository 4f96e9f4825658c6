/*
 * The page /metrics: the relay's own counters (sallyport_relay_…) and
 * those of rtpengine's exporter (rtpengine_…) that mean the same here, so that its dashboards work.
 */
#ifndef SALLYPORT_METRICS_H
#define SALLYPORT_METRICS_H

#include "common/buf.h"

struct ctl;

enum { METRICS_MAX = 256 * 1024 };

/* Prometheus text 0.0.4. */
void metrics_write(struct buf *b, const struct ctl *c, uint64_t now_s);

#endif
