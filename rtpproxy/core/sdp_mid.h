/*
 * What m= lines are called towards each party (a=mid, RFC 5888), and BUNDLE (RFC 8843).
 *
 * A name stays with a party as long as its dialogue, whatever the other party calls the line. A party that offers to bundle
 * gets a group of one: the first line of its group that is alive. The others go on with ports of their own, which the RFC
 * lets an answer do (§7.3.3) and which keeps streams apart by address, the one thing that no packet can lie about; those that
 * cannot live alone (a=bundle-only) are rejected. We offer a group ourselves where exactly one line is alive.
 */
#ifndef SALLYPORT_SDP_MID_H
#define SALLYPORT_SDP_MID_H

#include <stdbool.h>

#include "common/buf.h"
#include "rtpproxy/core/sdp_relay.h"

/* After all lines were taken: it counts which are alive. */
void sdp_mid_take_offer(const struct sdp_relay *x);
void sdp_mid_take_answer(const struct sdp_relay *x);
/* a=group:BUNDLE, if there is one. */
void sdp_mid_write_session(const struct sdp_relay *x, struct buf *b);
/* a=mid of line i; also of a rejected one. */
void sdp_mid_write(const struct sdp_relay *x, struct buf *b, size_t i);

#endif
