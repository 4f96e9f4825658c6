/* The halves of a transfer that lend and move legs (transfer_join.c), for transfer.c alone. */
#ifndef SALLYPORT_TRANSFER_JOIN_H
#define SALLYPORT_TRANSFER_JOIN_H

#include "sbc/core/transfer.h"

/* NOTIFY with this status; the last one of the subscription if `final`. */
void transfer_notify(struct sbc *s, struct transfer *x, uint16_t status, bool final);
/* The new call, with the party that the referrer of `from` speaks to as its caller. x ends with what comes of it. */
void transfer_begin(struct sbc *s, struct transfer *x, struct call *from, struct str invite,
		    const struct flow *f);

#endif
