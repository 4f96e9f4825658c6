/*
 * Which peers of the trunks are up, by OPTIONS of our own (`ping`). A peer without ping is always up. Any
 * answer but 408 and 503 shows life: a 404 to OPTIONS still comes from a running system.
 */
#ifndef SALLYPORT_PEER_H
#define SALLYPORT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/id.h"
#include "sbc/core/alarm.h"
#include "sbc/core/event.h"
#include "sbc/core/health.h"
#include "sbc/core/oc.h"

struct sbc;
struct call;
struct msg;
struct settings;

/*
 *        down_after failures in a row
 *   UP ────────────────────────────────► DOWN
 *      ◄────────────────────────────────
 *        up_after answers in a row
 */
struct peer_health {
	struct alarm alarm; /* the next ping */
	id_t64 ask, txn;    /* the ping under way */
	uint16_t trunk, peer;
	uint16_t row; /* answers in a row that speak against the present state */
	bool down;
	struct oc_peer oc; /* what it said of its load */
	uint32_t calls;    /* of ours that it has now */
	struct health health;
	struct alarm rest; /* the end of its rest, or of its return */
};

struct peers {
	const struct settings *settings;
	struct peer_health *list;
	size_t count;
	uint32_t *first;     /* index of a trunk's first peer */
	uint32_t *next_turn; /* of each route: where round-robin goes on */
	bool any_health;     /* of a trunk with `health` */
};

/* Takes over the health of peers that the new settings name as the old did. ERR_NOMEM: all as it was. */
enum err peers_apply(struct sbc *s, const struct settings *settings) MUST_USE;
void peers_release(struct peers *p);
bool peers_is_up(const struct peers *p, const struct settings *settings, uint16_t trunk,
		 uint16_t peer);
/* How often a round-robin route has been asked; counts on. */
uint32_t peers_turn(struct peers *p, const struct settings *settings, uint16_t route);

/* A response of this peer has come: it may speak of its load. */
void peers_hear(struct sbc *s, const struct settings *settings, uint16_t trunk, uint16_t peer,
		const struct msg *m);
/* Is a new call to this peer one of those that it has asked us to keep from it? */
bool peers_shed(struct sbc *s, const struct settings *settings, uint16_t trunk, uint16_t peer);

/* ---- peer_calls.c: what peers do with our calls */

/* An INVITE to the peer of leg 1 has gone out. */
void peers_call_begins(struct sbc *s, struct call *c);
/* That leg is no call of its peer any more; once or often. */
void peers_call_ends(struct sbc *s, struct call *c, unsigned side);
uint32_t peers_calls(const struct peers *p, const struct settings *s, uint16_t trunk,
		     uint16_t peer);
/* What became of the INVITE under way: its final status, or 0 and a ROUTE_CAUSE_*. */
void peers_call_judged(struct sbc *s, const struct call *c, uint16_t status, unsigned cause);
/* Up, and not shut by a Retry-After of its own. */
bool peers_takes_calls(const struct peers *p, const struct settings *s, uint16_t trunk,
		       uint16_t peer);
/* Is it to be tried behind all others? */
bool peers_is_last(const struct peers *p, const struct settings *s, uint16_t trunk, uint16_t peer,
		   uint64_t now_ms, uint32_t dice);
void peers_on_rest_alarm(struct sbc *s, struct alarm *a);
/* After a reload: what its health was goes on. */
void peers_take_up_rest(struct sbc *s, struct peer_health *h);

void peers_on_alarm(struct sbc *s, struct alarm *a);
void peers_on_resolved(struct sbc *s, id_t64 owner, id_t64 ask, const struct event *e);
void peers_on_response(struct sbc *s, id_t64 owner, id_t64 txn, const struct msg *m);
/* No answer came. */
void peers_on_silence(struct sbc *s, id_t64 owner, id_t64 txn);

#endif
