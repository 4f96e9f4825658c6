/*
 * Offer and answer on one leg (RFC 3264, RFC 6337): whose turn it is, what an SDP in a message means, what a glare is.
 * One machine for each leg, because each peer has its own dialog with us: what one of them may do now does not depend
 * on what the other has heard. A leaf: the place of an SDP in, its meaning out. Who relays an offer from leg to leg
 * steps both machines, and may look first with offer_check.
 *
 * The offer may stand in INVITE, 200, reliable 18x, PRACK, UPDATE; its answer in 200, reliable 18x, PRACK, ACK. An
 * unreliable 18x only shows what the answer is going to be: it is a preview, and nothing is agreed by it.
 */
#ifndef SALLYPORT_OFFER_H
#define SALLYPORT_OFFER_H

#include <stdbool.h>
#include <stdint.h>

/*
 *   NONE ─── offer of ours ───► OURS ──── their answer ──┐
 *     └───── offer of theirs ─► THEIRS ── our answer ────┴──► AGREED ─ a new offer ─► OURS, THEIRS
 *   OURS, THEIRS ── the request was refused, or accepted without an answer ─► NONE, AGREED: as it was before
 */
enum offer_state { OFFER_NONE, OFFER_OURS, OFFER_THEIRS, OFFER_AGREED, OFFER_STATE_COUNT };

/* An INVITE without SDP is open: its reliable answer is to bring the offer. */
enum offer_late { OFFER_LATE_NOT, OFFER_LATE_WE_ASK, OFFER_LATE_THEY_ASK, OFFER_LATE_COUNT };

struct offer {
	uint8_t state; /* enum offer_state */
	uint8_t late;  /* enum offer_late */
	bool ever;     /* a session has been agreed */
	bool preview;  /* the answer to the open offer was shown in an unreliable 18x */
};

/* Where an SDP stands, and whose it is. GOT: the peer's; SENT: ours. */
enum offer_event {
	OFFER_GOT_REQUEST, /* in an INVITE or UPDATE */
	OFFER_GOT_PRACK,
	OFFER_GOT_ACK,
	OFFER_GOT_RELIABLE, /* in a 2xx or a reliable 18x */
	OFFER_GOT_PREVIEW,  /* in an unreliable 18x */
	OFFER_GOT_INVITE,   /* an INVITE without SDP */
	OFFER_GOT_NOTHING,  /* their request came to no agreement: refused, or 2xx without SDP */
	OFFER_SENT_REQUEST,
	OFFER_SENT_PRACK,
	OFFER_SENT_ACK,
	OFFER_SENT_RELIABLE,
	OFFER_SENT_PREVIEW,
	OFFER_SENT_INVITE,
	OFFER_SENT_NOTHING, /* our request came to no agreement */
	OFFER_EVENT_COUNT
};

enum offer_mean {
	OFFER_NEW,     /* an offer */
	OFFER_ANSWER,  /* the answer to the open one */
	OFFER_PREVIEW, /* what the answer is going to be */
	OFFER_GLARE,   /* an offer while the other's is open: 491, or not to be sent now */
	OFFER_TOO_SOON, /* an offer while its own is open: 500 with Retry-After, or not to be sent now */
	OFFER_IGNORED, /* said again, or where none may stand: it changes nothing (RFC 6337 §3.1.1) */
	OFFER_MEAN_COUNT
};

/* What it would mean. */
enum offer_mean offer_check(const struct offer *o, enum offer_event e);
/* What it means; it has happened now. GLARE, TOO_SOON and IGNORED change nothing. */
enum offer_mean offer_step(struct offer *o, enum offer_event e);
/* Someone owes an answer, or an offer that was asked for. */
bool offer_is_open(const struct offer *o);

#endif
