/*
 * Who may offer now, and what a glare is (RFC 3264, RFC 6337 §2): one exchange of SDP at a time between the two
 * sides of a dialog pair. Both sides stand in one machine, because every offer is relayed to the other side and
 * every answer back. A leaf: SDP seen → what it means.
 */
#ifndef SALLYPORT_OFFER_H
#define SALLYPORT_OFFER_H

#include <stdbool.h>
#include <stdint.h>

/*
 *   IDLE ── SDP from side s ──► OFFERED(s) ── SDP from the other side, final or reliable ──► IDLE
 *                                   │ SDP from the other side, unreliable 18x: a preview, stays
 *                                   └ refusal of the request that carried the offer ─────────► IDLE
 */
enum offer_state { OFFER_IDLE, OFFER_OFFERED, OFFER_STATE_COUNT };

struct offer {
	uint8_t state; /* enum offer_state */
	uint8_t side;  /* OFFERED: who offered */
	bool ever;     /* a session has been agreed */
};

enum offer_mean {
	OFFER_NEW,      /* an offer */
	OFFER_ANSWER,   /* the answer to the other side's */
	OFFER_PREVIEW,  /* the answer, but in an unreliable 18x: it will come again */
	OFFER_GLARE,    /* an offer while the other side's is open: 491 */
	OFFER_TOO_SOON, /* an offer while its own is open: 500 with Retry-After */
	OFFER_MEAN_COUNT
};

/* SDP in a request of `side`: new offer, glare, too soon; ANSWER where a request carries one (ACK, PRACK). */
enum offer_mean offer_in_request(const struct offer *o, unsigned side, bool may_answer);
/* SDP in a response of `side`; `final`: 2xx or a reliable 18x. */
enum offer_mean offer_in_response(const struct offer *o, unsigned side, bool final);
/* What the message meant has gone on to the other side. */
void offer_step(struct offer *o, enum offer_mean m, unsigned side);
/* The request that carried the open offer of `side` was refused. */
void offer_drop(struct offer *o, unsigned side);

#endif
