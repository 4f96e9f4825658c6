/*
 * RTCP between two parties whose RTP is renumbered on the way (continuity): what each says about its own source is said of
 * ours, and what it says about ours is said of the other's (RFC 3550 §7.2, RFC 8079). Runs behind rtcp_hide, in place: what
 * that has written is whole, and nothing here makes it longer.
 *
 *   sender's SSRC   our SSRC of that direction, also for who only listens
 *   SR              the timestamp as ours; packets and octets as we sent them; of another source than the one that flows: an RR
 *   report blocks   about our SSRC alone: the source's SSRC and extended sequence number, losses since it began. From before
 *                   it began: left out. A round trip is told only by a sender report of this source (LSR)
 *   SDES, BYE       of the source that flows; others are left out: it is not we who leave
 *   feedback        media source, the numbers in NACK and RFC 8888, the SSRCs in FIR, TMMBR, TMMBN, TSTR, TSTN and REMB
 *   XR              blocks 1 to 3 and 6 with their ranges, 4, 5, 7; others are left out
 *
 * What is about nobody that we know is left out.
 */
#ifndef SALLYPORT_RTCP_MAP_H
#define SALLYPORT_RTCP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct continuity;
struct continuity_past;

/* The party that speaks is the source of `own`, and hears `heard`. */
struct rtcp_map {
	const struct continuity *own, *heard;
	struct continuity_past *own_past, *heard_past;
};

/* True if one of the two directions is renumbered: else there is nothing to do. */
bool rtcp_map_is_needed(const struct rtcp_map *m);
/* *len 0 afterwards: nothing of it may cross. */
void rtcp_map(uint8_t *p, size_t *len, const struct rtcp_map *m);

#endif
