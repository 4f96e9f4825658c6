/*
 * Payload types of two parties that number the same codec differently. SDP passes with the numbers of whoever wrote it,
 * so each is told what the other one wants; but an answerer may choose numbers of its own (RFC 3264 §6.1), and not
 * everybody then sends with the right ones. A number that its receiver has not named itself becomes the one that it has
 * for that codec; what both know stays as it is. Audio alone: elsewhere numbers stand in parameters, too.
 */
#ifndef SALLYPORT_PAYLOAD_H
#define SALLYPORT_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/sdp.h"

enum { PAYLOAD_LIST = 16, PAYLOAD_TYPES = 128 };

/* What one party has named; what is above the limit is not translated. */
struct payload_list {
	struct {
		uint32_t codec; /* hash of name, rate and channels */
		uint8_t type;
	} at[PAYLOAD_LIST];
	uint8_t count;
};

void payload_list_set(struct payload_list *l, const struct sdp_media *m);
/* False: nothing has to be translated; then `out` is not filled. */
bool payload_map(const struct payload_list *from, const struct payload_list *to,
		 uint8_t out[PAYLOAD_TYPES]);

#endif
