/*
 * Which dialog pair of a call a message or an exchange belongs to: the established one, or an early one while the call is being
 * set up.
 */
#ifndef SALLYPORT_PAIR_H
#define SALLYPORT_PAIR_H

#include "sbc/core/call.h"

struct fork;

struct pair {
	unsigned side; /* the side that speaks */
	uint8_t serial;
	struct fork *fork; /* NULL: the established one */
};

/* False: it is of no dialog of this call. */
bool pair_of_message(struct call *c, const struct msg *m, struct pair *out);
/* The pair that had this serial when `side` spoke. False: that early dialog has gone. */
bool pair_of_serial(struct call *c, unsigned side, uint8_t serial, struct pair *out);
struct dialog *pair_dialog(struct call *c, const struct pair *p, unsigned side);
struct offer *pair_offer(struct call *c, const struct pair *p, unsigned side);

#endif
