/*
 * The two client transaction machines of SIP: INVITE (RFC 3261 §17.1.1 with RFC 6026 §7.2: Accepted,
 * timer M) and non-INVITE (§17.1.2). A leaf: event + now → outputs; no bytes, no tables, no clock.
 * Timer C, the ACK of a 2xx and the choice of the next target are the call's.
 */
#ifndef SALLYPORT_TXN_CLIENT_H
#define SALLYPORT_TXN_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "sbc/core/settings.h"
#include "sbc/core/txn_out.h"

/*
 *            1xx               2xx (INVITE)          M
 *  CALLING ───────► PROCEEDING ──────────► ACCEPTED ───► TERMINATED
 *     │                 │ final
 *     └────────────────►└────────► COMPLETED ── D, K ──► TERMINATED
 *  CALLING is Trying for a non-INVITE. B, F and transport errors lead to TERMINATED; but an INVITE in PROCEEDING
 *  stays there after an error, as after a CANCEL, for 64*T1.
 */
enum txn_client_state {
	TXN_CLIENT_CALLING,
	TXN_CLIENT_PROCEEDING,
	TXN_CLIENT_COMPLETED,
	TXN_CLIENT_ACCEPTED,
	TXN_CLIENT_TERMINATED,
	TXN_CLIENT_STATE_COUNT
};

enum txn_client_event {
	TXN_CLIENT_1XX,
	TXN_CLIENT_2XX,
	TXN_CLIENT_REFUSED,  /* 3xx to 6xx */
	TXN_CLIENT_CANCEL,   /* the owner has sent a CANCEL for this INVITE */
	TXN_CLIENT_AGAIN,    /* timers A, E */
	TXN_CLIENT_DEADLINE, /* timers B, F, D, K, M */
	TXN_CLIENT_ERROR,    /* the transport could not deliver, or its connection has gone */
	TXN_CLIENT_EVENT_COUNT
};

struct txn_client {
	uint8_t state; /* enum txn_client_state */
	bool invite;
	bool reliable;
	uint32_t interval_ms; /* of the last A or E */
	uint64_t again_ms;    /* when A or E fires; 0: not set */
	uint64_t deadline_ms; /* when B, F, D, K or M fires; 0: not set */
};

/* The request is on its way: outputs say TXN_DO_SEND. */
struct txn_out txn_client_init(struct txn_client *c, bool invite, bool reliable, uint64_t now_ms,
			       const struct sip_timers *timers);
struct txn_out txn_client_step(struct txn_client *c, enum txn_client_event e, uint64_t now_ms,
			       const struct sip_timers *timers);
/* Steps with the timer that is due at now; nothing if none is. */
struct txn_out txn_client_tick(struct txn_client *c, uint64_t now_ms,
			       const struct sip_timers *timers);
/* Over a stream: says at when that AGAIN is due, once, while no answer has come. */
struct txn_out txn_client_watch(struct txn_client *c, uint64_t at_ms);
enum txn_client_event txn_client_event_of(uint16_t status);

#endif
