/* SDP as the simulated phones read it; apart from the core's own reader, as sip_text is. */
#ifndef SALLYPORT_SIM_SIP_SDP_H
#define SALLYPORT_SIM_SIP_SDP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/str.h"

enum { SDP_LINES = 6 };
enum sdp_kind { SDP_AUDIO, SDP_VIDEO, SDP_IMAGE, SDP_OTHER };
enum { SDP_SEND = 1, SDP_RECV = 2, SDP_BOTH = 3 };

/* One m= line. */
struct sdp_line {
	uint8_t kind; /* enum sdp_kind */
	bool on;      /* its port is not 0 */
	bool secure;  /* RTP/SAVP */
	uint8_t dir;  /* SDP_SEND | SDP_RECV, as its writer sees it */
};

struct sdp_text {
	struct sdp_line lines[SDP_LINES];
	uint8_t count;
	struct str session; /* of o= */
	uint64_t version;
	struct addr where; /* of the last c= */
	bool one_place;    /* all c= are the same */
};

/* False: no SDP, or without what it must have. */
bool sdp_text_read(struct str body, struct sdp_text *out);

#endif
