/*
 * The session of one dialog as a phone sees it: what it has described, what it was told, and who may
 * offer now (RFC 3264, RFC 6337 §2). Complains when its peer breaks a rule.
 */
#ifndef SALLYPORT_SIM_UA_TALK_H
#define SALLYPORT_SIM_UA_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "tests/sim/sip_sdp.h"

struct ua;

/*
 *   IDLE ── we offer ──► OURS ── their answer ──► IDLE
 *    │ └─── they offer ─► THEIRS ── our answer ──► IDLE
 */
enum ua_talk_state { UA_TALK_IDLE, UA_TALK_OURS, UA_TALK_THEIRS };

struct ua_talk {
	enum ua_talk_state state;
	bool ever;               /* a session has been agreed */
	bool holds, held_before; /* we do not want to hear them */
	bool previewed;          /* their answer came in an unreliable 1xx */
	bool forked;             /* its peer describes itself to other forks too, in one count */
	unsigned fork;
	struct sdp_line ours[SDP_LINES], before[SDP_LINES], theirs[SDP_LINES];
	struct sdp_line theirs_before[SDP_LINES];
	uint8_t count, before_count, theirs_count, theirs_count_before, agreed_count;
	uint32_t version;
	uint32_t offer_cseq; /* of the request with our last offer */
	struct str text;     /* what we described last */
	struct str seen;     /* what they described last */
	struct str session;
	uint64_t seen_version, skipped; /* `skipped`: of an offer that we refused at once */
};

enum ua_sdp_role { UA_SDP_OFFER, UA_SDP_ANSWER, UA_SDP_PREVIEW };

void ua_talk_init(struct ua_talk *t, unsigned fork);
/* Our SDP: an offer of what we have now, or the answer to theirs. The state moves unless `preview`. */
struct str ua_talk_say(struct ua *u, struct ua_talk *t, bool preview);
/* Their SDP. Complains; takes it over. False: nothing to go on with. */
bool ua_talk_hear(struct ua *u, struct ua_talk *t, struct str body, enum ua_sdp_role role);
/* Their offer came at the wrong time: it was said, and that is all. */
void ua_talk_ignore(struct ua *u, struct ua_talk *t, struct str body);
/* Our offer, or theirs, was refused: all is as it was. */
void ua_talk_drop(struct ua_talk *t, enum ua_talk_state whose);

/* What we have now is what a refusal leads back to. */
void ua_talk_keep(struct ua_talk *t);
/* What we have, changed: false: it is so already. */
bool ua_talk_turn(struct ua_talk *t, uint8_t dir);
bool ua_talk_video(struct ua_talk *t, bool on);
bool ua_talk_fax(struct ua_talk *t, bool on);

#endif
