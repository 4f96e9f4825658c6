/*
 * An event as a client hears it: `COOKIE d4:datad…e6:notify6:onDTMFe` (ng-protocol §9), bencode, sent
 * without having been asked for. The cookie is the client's own word (key `notify` of its offer), so
 * that nobody else can speak in our name. Each event of a call has a number: a repeated one is seen.
 */
#ifndef SALLYPORT_NOTIFY_H
#define SALLYPORT_NOTIFY_H

#include "common/buf.h"
#include "rtpproxy/core/relay.h"

/* Bytes that one needs at most: names and tags are limited. */
enum { NOTIFY_MAX = 2048 };

/* "onDTMF"; NULL: clients are not told of this one. */
const char *notify_name(enum relay_event e);
/* Appends the datagram; wall_ms is the time of the event. Nothing for what has no name. */
void notify_write(struct buf *b, const struct relay_notice *n, uint64_t wall_ms);

#endif
