/* First bytes → protocol (RFC 7983 §7; RTP and RTCP apart by RFC 5761 §4). Looks at two bytes,
 * checks no lengths. */
#ifndef SALLYPORT_CLASSIFY_H
#define SALLYPORT_CLASSIFY_H

#include <stddef.h>

#include "pkt.h"

/* An empty or one-byte packet is PKT_NOISE unless its first byte says more. */
enum pkt_kind classify(const uint8_t *p, size_t len);

#endif
