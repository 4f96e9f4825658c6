/*
 * The session descriptions of a call on their way: read and judged where they arrive, handed to the relay, given our
 * face where they leave, and remembered once they are in force.
 */
#ifndef SALLYPORT_CALL_MEDIA_H
#define SALLYPORT_CALL_MEDIA_H

#include "policy/verdict.h"
#include "sbc/core/call.h"

/* One SDP of one side. Views; `parsed` is in the arena of the turn. */
struct call_sdp {
	enum offer_mean mean;
	unsigned from; /* the side that sent it */
	struct str text;
	struct sdp parsed;
	const struct addr *source; /* where its message came from; NULL: of no interest */
	struct str protocol; /* that the other side is to be offered; empty: as its policy wants */
};

/* More open questions of one call than this are no call but an attack. */
enum { CALL_ASKS_MAX = 32 };

/* The SDP of a message; empty: it has none. */
struct str call_sdp_of(const struct msg *m);
/*
 * The body that goes on with `sdp` (the other side's face of it; may be empty) in the place of m's: with it, in one multipart, the
 * parts of m that both realms name (`bodies`). *out_type: its Content-Type. In the turn's arena, or sdp itself.
 */
struct str call_body(struct sbc *s, const struct call *c, const struct msg *m, struct str sdp,
		     struct str *out_type);
/* Reads `text` of side `from` into *out. May it pass? 488 also when it cannot be read. */
struct verdict call_check_sdp(struct sbc *s, const struct call *c, unsigned from, struct str text,
			      struct call_sdp *out);
/* The same of an offer that no call has yet. */
struct verdict call_check_text(struct sbc *s, const struct policy_config *p, uint16_t realm,
			       const struct flow *f, struct str text, struct sdp *out);
/* Gives it to the relay (media.open from now on). ID_NONE: the relay cannot be asked. */
id_t64 call_ask_media(struct sbc *s, struct call *c, const struct call_sdp *sdp);
/* SDP for `to` as we send it, in s->text; empty: it cannot be used. */
struct str call_face(struct sbc *s, struct call *c, unsigned to, struct str sdp);

/*
 * What it means that the relay gave no SDP: 488 where it says that it cannot follow the description, whoever's that is;
 * else 503, it could not do it. `rule`: "sdp" or "relay".
 */
struct verdict call_judge_relay(const struct event *e);

/* These two are in force now: `by` has offered. The answer may be empty: it comes with an ACK. */
void call_agree(struct sbc *s, struct call *c, unsigned by, struct str offer, struct str answer);
/* The answer that is in force, once more, to a new offer of `side` that is the same to the other side. ID_NONE: there is none. */
id_t64 call_ask_again(struct sbc *s, struct call *c, unsigned side, struct str offer);
/* This is what `side` was told, now that it is in force. */
void call_show(struct sbc *s, struct call *c, unsigned side, struct str sdp);
/* The same but for the origin: nothing has changed between them. */
bool call_sdp_is_same(struct str a, struct str b);
/* An offer that the relay has taken was refused: the relay hears again what is in force (RFC 3261 §14.1). */
void call_restore_media(struct sbc *s, struct call *c);

#endif
