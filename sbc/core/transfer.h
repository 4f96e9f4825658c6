/*
 * Transfers: REFER and its NOTIFYs (RFC 3515), Replaces (RFC 3891), by the habit of the trunk that asks.
 *
 * What we carry out ourselves makes a new call, which has a record of its own, and of which each half may be one of two
 * kinds. Its caller is who sent us an INVITE, or a party that was referred: its leg is lent by the call that the REFER
 * came in, and a re-INVITE stands for the 200 that a caller would get. Its callee is found by the routes, or is the far
 * party of a dialog that is replaced: then a re-INVITE stands for the INVITE. The lent legs move into the new call when
 * their parties have agreed; what is left of the old calls ends. Whatever fails before gives them back.
 *
 *   REFER ─► CALLING ── 200 of the target ─► JOINING ── 200 of the one referred ─► done: both legs are the new call's
 *              │ refused                        │ refused
 *              └──────────────► NOTIFY says so; the old call goes on as if nothing had been
 *
 * A call whose leg has moved away remembers the heir: the tags of the leg name the old call for as long as it lives.
 */
#ifndef SALLYPORT_TRANSFER_H
#define SALLYPORT_TRANSFER_H

#include "sbc/core/call.h"
#include "sbc/core/own.h"
#include "sbc/core/replaces.h"
#include "sbc/core/worker.h"

/* Transfers that one party may go through; more is a loop. */
enum { TRANSFER_DEPTH_MAX = 8 };

enum transfer_stage {
	TRANSFER_CALLING,   /* the new call is on its way to its callee */
	TRANSFER_JOINING,   /* it has the callee's offer; the one who was referred is asked */
	TRANSFER_RETURNING, /* it has failed, but a re-INVITE to a lent leg is still out */
	TRANSFER_STAGE_COUNT
};

struct transfer {
	id_t64 id;
	id_t64 from;     /* the call that the REFER came in; ID_NONE: the caller sent an INVITE */
	id_t64 call;     /* the new one */
	id_t64 replaced; /* the call that lends its far party; ID_NONE: the routes say who is called */
	id_t64 own;      /* the re-INVITE that is out */
	uint32_t cseq;    /* of the REFER */
	uint16_t status;  /* of the failure */
	uint8_t stage;    /* enum transfer_stage */
	uint8_t referrer; /* side of `from` */
	uint8_t leaver;   /* side of `replaced` that gives its place up */
	bool notify;      /* the referrer wants to be told */
	bool numbered;    /* not the first of its dialog: NOTIFY says which (RFC 3515 §2.4.6) */
	bool closing;
	bool moved;                   /* the callee's leg is with the new call */
	struct str offer;             /* the callee's, while its ACK waits */
	struct session_id session[2]; /* of `from` and `replaced`, as they were */
	bool joined[2];               /* and are to be again, if it fails */
};

/* ---- requests */

/* REFER, SUBSCRIBE, NOTIFY in a dialog. True: it has its answer. False: it goes on to the other side. */
bool transfer_on_request(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
			 const struct flow *f);
/* The lines and the body of one that goes on to side `to`, behind those in s->lines; body in s->base. ERR_BAD, ERR_LIMIT. */
enum err transfer_pass(struct sbc *s, struct call *c, unsigned to, const struct msg *m,
		       struct str *out_type, struct str *out_body) MUST_USE;
/* The other side has answered what went on. */
void transfer_passed(struct call *c, unsigned from, uint8_t method, uint16_t status);
/* A party hangs up whose leg a transfer under way can do without. True: the call stays until that is done. */
bool transfer_on_bye(struct sbc *s, struct call *c, unsigned side);
/* Nobody is there to hear a request of `side`: its other side has hung up, or is lent. */
bool transfer_is_alone(const struct call *c, unsigned side);
/* The call of a message whose tag names c: its leg may have moved. */
struct call *transfer_heir(struct sbc *s, struct call *c, const struct msg *m);
/* Methods that are handled in dialogs alone: whoever sends them outside of one gets 405. */
extern const uint32_t transfer_methods;
/* Those of them that side `to` is told of; the sender of m (NULL: not known) has to do what goes on to it. */
uint32_t transfer_allowed(const struct call *c, unsigned to, const struct msg *m);
/* May that side send an INVITE with Replaces? */
bool transfer_replaces(const struct call *c, unsigned to);

/* ---- the new call */

/* An INVITE with Replaces: ALLOW with the callee lent, or the refusal. Without Replaces: ALLOW, *out_found false. */
struct verdict transfer_on_replaces(struct sbc *s, struct call *c, const struct msg *m,
				    bool *out_found);
/* Is the callee of this call a lent one? Then it is asked with transfer_reach, `sdp` as it is to see it; empty: asked for. */
bool transfer_has_callee(const struct sbc *s, const struct call *c);
bool transfer_reach(struct sbc *s, struct call *c, struct str sdp);
/* Is the caller a lent one? Then it gets `sdp`, where another would get a 200. */
bool transfer_has_caller(const struct sbc *s, const struct call *c);
void transfer_on_answer(struct sbc *s, struct call *c, struct str sdp);
/* An ordinary caller has its 200. */
void transfer_on_finish(struct sbc *s, struct call *c);
/* The call that the leg of `side` comes from or has come from, while the transfer lasts, and its side there; NULL: none. */
const struct call *transfer_lender(const struct sbc *s, const struct call *c, unsigned side,
				   unsigned *out_side);
/* Whose face a lent leg has. */
struct media_face *transfer_face(const struct sbc *s, struct call *c, unsigned side);
/* The call is about to end, nothing has been sent yet. */
void transfer_on_end(struct sbc *s, struct call *c, const struct call_ending *why);
void transfer_on_own(struct sbc *s, struct call *c, const struct own_outcome *x);
/* The memory of a call goes: those that it is heir of go with it. */
void transfer_forget(struct sbc *s, struct call *c);

#endif
