/*
 * Which formats of an m= line cross to the other side, and in which order (ng-protocol §6.8): strip, except,
 * offer, ignore. Nothing is transcoded, so this only leaves out and reorders.
 */
#ifndef SALLYPORT_CODECS_H
#define SALLYPORT_CODECS_H

#include "common/sdp.h"
#include "rtpproxy/core/flags.h"

struct codecs {
	struct str at[SDP_FORMATS_MAX]; /* views of the description */
	size_t count;
};

/* Nothing left: all stay, unless the flag `allow no codec media` was given; then count is 0. */
void codecs_choose(const struct flags *f, const struct sdp_media *m, struct codecs *out);

#endif
