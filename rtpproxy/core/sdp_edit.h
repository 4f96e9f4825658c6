/*
 * The last hand on an SDP that goes out: lines that `sdp-attr` adds, removes or replaces (ng-protocol §6.8), and the
 * mark of `loop protect`. It knows lines and sections, not what they mean: whoever asks for an edit answers for it.
 */
#ifndef SALLYPORT_SDP_EDIT_H
#define SALLYPORT_SDP_EDIT_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/check.h"
#include "rtpproxy/core/flags.h"

/* Is there anything to do? */
bool sdp_edit_is_wanted(const struct flags *f);
/* `sdp` with all edits; the mark is a=rtpengine:INSTANCE. Overflow shows in b. */
void sdp_edit_write(const struct flags *f, struct str instance, struct str sdp, struct buf *b);
/* Does this description carry the mark of this instance? */
bool sdp_edit_is_ours(struct str sdp, struct str instance);

#endif
