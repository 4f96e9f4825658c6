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
#include "sbc/core/oc.h"

struct sbc;
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
};

struct peers {
	const struct settings *settings;
	struct peer_health *list;
	size_t count;
	uint32_t *first;     /* index of a trunk's first peer */
	uint32_t *next_turn; /* of each route: where round-robin goes on */
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

void peers_on_alarm(struct sbc *s, struct alarm *a);
void peers_on_resolved(struct sbc *s, id_t64 owner, id_t64 ask, const struct event *e);
void peers_on_response(struct sbc *s, id_t64 owner, id_t64 txn, const struct msg *m);
/* No answer came. */
void peers_on_silence(struct sbc *s, id_t64 owner, id_t64 txn);

#endif
