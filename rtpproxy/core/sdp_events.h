/*
 * Telephone events (RFC 4733) between two sides of which one speaks of keys in its signalling: offered to a side
 * although the other never named them (`codec: {transcode: [telephone-event]}`), taken from an offerer although the
 * answerer does not (`accept`, `consume`). Nothing else can be added here: it is all that needs no transcoder.
 */
#ifndef SALLYPORT_SDP_EVENTS_H
#define SALLYPORT_SDP_EVENTS_H

#include "rtpproxy/core/codecs.h"
#include "rtpproxy/core/dtmf.h"
#include "rtpproxy/core/sdp_relay.h"

/* Formats that the description does not have and its rewriting gets. */
struct sdp_events {
	struct {
		char text[4];
		uint32_t rate;
	} at[DTMF_FORMATS];
	uint8_t count;
};

/* Puts into `formats` of line i what is missing, and takes out what its receiver never offered. Views of *out. */
void sdp_events_choose(const struct sdp_relay *x, size_t i, struct codecs *formats,
		       struct sdp_events *out);
/* The rtpmap and fmtp of an added format. False: it is none. */
bool sdp_events_write(struct buf *b, const struct sdp_events *e, struct str format);

#endif
