/*
 * Keys between two sides that tell them in different ways (media_policies.X.dtmf): events in the media on one, INFO on the
 * other. Each press goes on exactly once:
 *
 *   told in the media ──► the relay hears it, keeps it back, says so (MEDIA_EVENT_KEY) ──► one INFO, one after the other
 *   told in INFO      ──► 200 at once, `play DTMF` at the relay; where both sides have INFO, the INFO itself goes on
 *
 * A phone that tells each key in both ways is heard by the one that it used first.
 */
#ifndef SALLYPORT_KEYS_H
#define SALLYPORT_KEYS_H

#include "sbc/core/call.h"
#include "sbc/core/media_event.h"
#include "sbc/core/own.h"

/* Presses that wait for the answer to the INFO before theirs; further ones are lost, and counted. */
enum { KEYS_MAX = 32 };

struct keys {
	id_t64 own; /* the INFO that is out */
	uint8_t count;
	struct {
		uint8_t key;
		uint16_t ms;
	} at[KEYS_MAX]; /* [0] is what the INFO that is out says */
};

/* How the side with this SDP (its latest; may be empty) tells its keys. */
bool keys_in_info(const struct media_rule *rule, struct str sdp);
/* The relay has heard a key of that side. */
void keys_on_event(struct sbc *s, struct call *c, unsigned side, uint8_t key, uint32_t ms);
/* An INFO of that side, in order. True: it has its answer. False: it goes on to the other side. */
bool keys_on_info(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
		  const struct flow *f);
void keys_on_own(struct sbc *s, struct call *c, const struct own_outcome *x);
/* The relay's word on a `play DTMF`. */
void keys_on_played(struct sbc *s, struct call *c, const struct event *e);
void keys_free(struct sbc *s, struct call *c);

#endif
