/* A timer of the core and whose it is: the root finds the object from it. */
#ifndef SALLYPORT_ALARM_H
#define SALLYPORT_ALARM_H

#include <stdint.h>

#include "common/wheel.h"

enum alarm_kind {
	ALARM_SETUP,
	ALARM_PRACK,
	ALARM_EXCHANGE,
	ALARM_OWN,
	ALARM_CALLER_SESSION,
	ALARM_CALLEE_SESSION,
	ALARM_MEDIA,
	ALARM_DURATION,
	ALARM_PEER,
	ALARM_PEER_REST,
	ALARM_ENROL,
	ALARM_ERRAND,
	ALARM_SUBSCRIPTION,
	ALARM_CONTACT,
	ALARM_BEAT, /* of this node, to the others */
	ALARM_KEEP, /* what has changed of calls is to be written */
	ALARM_HANDOVER,
	ALARM_ORPHANS,
	ALARM_FRAUD,     /* a pulse of what a call costs, or its end by a rule */
	ALARM_SHARE,     /* limits that are shared: what this node holds */
	ALARM_BANS,      /* those that are shared are written again */
	ALARM_FRAUD_END, /* calls that a rule wants ended are looked for */
	ALARM_KIND_COUNT
};
struct alarm {
	struct timer timer;
	uint8_t kind; /* enum alarm_kind */
};

#endif
