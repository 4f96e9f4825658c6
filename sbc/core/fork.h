/*
 * An early dialog of a call that is being set up: one To tag of the callee's side, one To tag of ours towards the caller, so
 * that the caller sees the same tree (RFC 3261 §12.1.2). Each has its own SDP, its own offer and answer, its own
 * reliable provisionals; the one that answers gives its dialogs to the call.
 */
#ifndef SALLYPORT_FORK_H
#define SALLYPORT_FORK_H

#include "common/id.h"
#include "common/list.h"
#include "sbc/core/dialog.h"
#include "sbc/core/offer.h"
#include "sbc/core/prack.h"

struct call;
struct sbc;
struct setup;

/* What the relay is asked about its SDP. */
enum fork_asked {
	FORK_ASKED_FACE,    /* as the caller is to see it */
	FORK_ASKED_TAKEN,   /* it is the answer to our own offer: nothing to be shown of it */
	FORK_ASKED_COUNTER, /* as an offer, which the caller's is to meet */
	FORK_ASKED_REPLY,   /* the answer to that, made of the caller's offer */
	FORK_ASKED_COUNT
};

struct fork {
	struct list node;
	uint8_t serial;
	bool own;             /* dialog[0] is its own, else it is the call's */
	bool updates;         /* the callee takes UPDATE */
	bool shows_sdp;       /* the queued 18x brings `sdp` to the caller */
	uint16_t told_status; /* of the reliable 18x that waits for its PRACK, and its bytes */
	uint32_t
		owed; /* RSeq of a reliable 18x with an offer: the caller's answer is to go in its PRACK */
	struct dialog dialog[2];
	struct offer offer[2]; /* of each leg, as this dialog sees it */
	struct prack_server told;
	struct prack_client heard;
	struct str told_bytes;
	struct str queued; /* an 18x that waits until the caller has acknowledged the one before */
	id_t64 ask;        /* its SDP is with the relay; `held`: the message that brought it */
	uint8_t asked;     /* enum fork_asked */
	struct str held;
	uint64_t sdp_hash; /* of the SDP that came; 0: none yet */
	struct str raw;    /* it; then what became of it, as the caller has it */
	struct str sdp;
};

enum { SETUP_FORKS_MAX = 12 };

/* The dialog of that side in this early dialog; NULL for f: the call's own. */
struct dialog *fork_dialog(struct call *c, struct fork *f, unsigned side);
/* That of a response to our INVITE; made if it is new, its target renewed if it is not. NULL: too many, or no room. */
struct fork *fork_of_response(struct sbc *s, struct call *c, const struct msg *m);
struct fork *fork_find_serial(struct setup *u, uint8_t serial);
void fork_free(struct sbc *s, struct setup *u, struct fork *f);
void fork_free_all(struct sbc *s, struct setup *u);
/* Its SDP, and whether it is this that came before: SDP is mostly said more than once. */
void fork_keep_sdp(struct sbc *s, struct fork *f, struct str sdp);
bool fork_has_sdp(const struct fork *f, struct str sdp);

#endif
