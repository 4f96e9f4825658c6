/*
 * One side of a call: its dialog, the flow that its messages take, and the INVITE under way in it. Says where the
 * requests of the dialog go, and whose requests are believed (threats C3, C7).
 */
#ifndef SALLYPORT_LEG_H
#define SALLYPORT_LEG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/block.h"
#include "sbc/core/dialog.h"
#include "sbc/core/event.h"
#include "sbc/core/hide.h"
#include "sbc/core/ports.h"
#include "sbc/core/session_timer.h"
#include "sbc/core/settings.h"

/* The latest INVITE of the dialog, in either direction. */
struct leg_invite {
	id_t64 txn;
	uint32_t cseq;
	bool ours;      /* we sent it */
	bool open;      /* no final answer yet */
	bool wants_ack; /* theirs: our 2xx waits for its ACK; ours: the ACK waits for an answer in SDP */
	bool ack_made; /* ours: its ACK has this branch, so that it is the same when it comes again */
	char ack_branch[HIDE_BRANCH_LEN];
	struct str body; /* ours: the SDP of its ACK, to be sent again */
};

struct leg {
	struct dialog dialog;
	struct flow
		flow; /* listener, transport, the peer's address; id: the connection it came on */
	id_t64 seen;  /* the connection that its latest answer came on */
	struct leg_invite invite;
	struct session_timer session;
	id_t64 user; /* the address-of-record (bind.h) whose session this is; ID_NONE: a trunk's */
	uint16_t trunk, peer; /* peer: SETTINGS_NO_INDEX on the side that called us */
	bool ended;           /* BYE sent or received, or never answered */
	uint8_t admitted; /* a session of its trunk (admission.h): 1 + enum admit_direction; 0: not */
	bool on_peer;     /* it counts as a call of its peer (peer.h) */
	uint8_t refers;   /* passed on to it, whose NOTIFYs may still come */
	id_t64 home;      /* the call that our tag names, if not the one that it is in */
	bool bye_wanted; /* as soon as the ACK has come (RFC 3261 §15) */
};

/* A dialog over a block of its own. ERR_NOMEM. */
enum err leg_dialog_new(struct block_pool *b, struct dialog *d, size_t cap) MUST_USE;
void leg_dialog_free(struct block_pool *b, struct dialog *d);
/* Twice the room for the same texts. ERR_NOMEM: d unchanged. */
enum err leg_dialog_grow(struct block_pool *b, struct dialog *d) MUST_USE;
/* dst is new, over a block with `room` octets more than src needs. */
enum err leg_dialog_copy(struct block_pool *b, struct dialog *dst, const struct dialog *src,
			 size_t room) MUST_USE;
/* As the functions of dialog.h, but a full block grows. */
enum err leg_on_response(struct block_pool *b, struct dialog *d, const struct msg *m) MUST_USE;
enum err leg_refresh_target(struct block_pool *b, struct dialog *d, const struct msg *m) MUST_USE;

/* Another INVITE begins; what was kept of the one before it goes. */
void leg_set_invite(struct block_pool *b, struct leg *l, struct leg_invite i);
/*
 * Where a request in dialog d of this leg goes: to the address in its first Route or else its target, if that is the peer's own or
 * one that it may send us to; to where the peer speaks from if it is another, or a name. A name is not resolved on purpose: within a
 * dialog the address that we have is proven by its messages, a name of the peer's choice is not, and no request waits.
 */
struct dest leg_dest(const struct leg *l, const struct dialog *d, const struct settings *s);
/* May a request that came on `f` speak for this leg? */
bool leg_is_believed(const struct leg *l, const struct dialog *d, const struct settings *s,
		     const struct flow *f, const struct tls_facts *tls);
/* What policy may know of a message. */
struct facts leg_facts(const struct settings *s, const struct flow *f, const struct tls_facts *tls);

#endif
