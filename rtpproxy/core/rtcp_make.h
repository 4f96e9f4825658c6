/*
 * RTCP of our own making (flag `generate RTCP`; RFC 3550 §6): what a party is told about the source that it hears from
 * us and about what we hear from it, and what of the other party's RTCP still crosses then. A leaf machine for one
 * party's m= line: bytes out, time and randomness in.
 */
#ifndef SALLYPORT_RTCP_MAKE_H
#define SALLYPORT_RTCP_MAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "continuity.h"
#include "quality.h"
#include "rtcp.h"
#include "rtcp_hide.h"

enum {
	RTCP_MAKE_MAX = 28 + 24 + 28, /* SR, one block, a chunk with its name */
	RTCP_MAKE_INTERVAL_MS = 5000
};

/* What is remembered from one report to the next. All zero: nothing was reported yet. */
struct rtcp_make {
	uint32_t packets[2]; /* ours, when the last two reports went out */
	/* The party's source, and what it had come to, in the last block. */
	uint32_t ssrc, expected, received;
	/* Its last sender report; sr_us 0: none. */
	uint32_t sr_ssrc, sr_mid;
	uint64_t sr_us;
};

struct rtcp_make_facts {
	const struct continuity *sends; /* to the party; not OFF, not GIVEN */
	const struct quality *hears;    /* what comes from it */
	uint64_t mono_us, wall_us;
	char name[RTCP_HIDE_CNAME_LEN]; /* CNAME of our source */
};

/* A sender report came from the party. */
void rtcp_make_heard(struct rtcp_make *k, const struct rtcp_part *sr, uint64_t at_us);
/*
 * The compound that is due now, RTCP_MAKE_MAX bytes at most; returns its length. SR if our source has sent since the
 * report before the last one, else RR; a block only about a source of which something came since the last one.
 */
size_t rtcp_make(struct rtcp_make *k, const struct rtcp_make_facts *f, uint8_t *out);
/* Until the next report, or the first (§6.3.1: half of it): 0.5 to 1.5 of the interval. */
uint32_t rtcp_make_wait_ms(bool first, uint32_t random);
/*
 * Of a compound that rtcp_hide wrote, in place, what crosses although reports are ours: feedback, and in front of it, as
 * far as it was there, an empty report and the name that our own reports have. *len 0: there was no feedback.
 */
void rtcp_make_keep(uint8_t *p, size_t *len, const char name[RTCP_HIDE_CNAME_LEN]);

#endif
