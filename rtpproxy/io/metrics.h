/*
 * GET /metrics and GET /ping in the control thread: the relay's own counters (sallyport_relay_…) and
 * those of rtpengine's exporter (rtpengine_…) that mean the same here, so that its dashboards work.
 */
#ifndef SALLYPORT_METRICS_H
#define SALLYPORT_METRICS_H

#include "common/addr.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/check.h"

struct ctl;
struct evhttp;
struct event_base;

/* Prometheus text 0.0.4. */
void metrics_write(struct buf *b, const struct ctl *c, uint64_t now_s);
/* ERR_IO: cannot listen there; ERR_NOMEM. */
enum err metrics_listen(struct event_base *base, const struct addr *where, const struct ctl *c,
			struct evhttp **out) MUST_USE;
void metrics_release(struct evhttp **h);

#endif
