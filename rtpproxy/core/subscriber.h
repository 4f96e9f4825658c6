/*
 * A subscriber of a call: it gets copies of what one or several parties send, by an offer of ours and its answer
 * (ng-protocol §5), encrypted with keys of its own, as sources of our own. It is a dialogue that is none of the
 * call's: legs[0] stands for the parties and has no ports, legs[1] is the subscriber. Nothing that comes from the
 * subscriber reaches a party, moves its address or keeps the call alive.
 */
#ifndef SALLYPORT_SUBSCRIBER_H
#define SALLYPORT_SUBSCRIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/id.h"
#include "rtpproxy/core/call.h"
#include "rtpproxy/core/tap.h"

/* One m= line: whose. d NULL: that party has gone. */
struct subscriber_media {
	struct dialogue *d;
	uint8_t side, index;
	struct tap_copy copy; /* in the list of the party's tap while it flows */
};

struct subscriber {
	id_t64 id;
	struct subscriber *next; /* of the call */
	struct dialogue *d;
	struct subscriber_media media[LIMIT_MEDIAS];
	uint8_t count;
};

/* The subscriber with that tag. NULL: none. */
struct subscriber *subscriber_find(const struct call *c, struct str tag);
/* Puts it into the list of the call, or takes it out. */
void subscriber_add(struct call *c, struct subscriber *s);
void subscriber_del(struct call *c, struct subscriber *s);
unsigned subscriber_count(const struct call *c);

#endif
