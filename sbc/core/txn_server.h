/*
 * The two server transaction machines of SIP: INVITE (RFC 3261 §17.2.1 with RFC 6026 §7.1: Accepted,
 * timer L) and non-INVITE (§17.2.2 with RFC 4320). A leaf: event + now → outputs.
 * Beyond the RFC's machine it repeats a 2xx until its ACK (§13.3.1.4), so that the call need not.
 */
#ifndef SALLYPORT_TXN_SERVER_H
#define SALLYPORT_TXN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "sbc/core/settings.h"
#include "sbc/core/txn_out.h"

/*
 *  TRYING ── 1xx ─► PROCEEDING ── 2xx (INVITE) ─► ACCEPTED ────── L ──────► TERMINATED
 *    │                  │ final
 *    └─────────────────►└─► COMPLETED ── ACK ─► CONFIRMED ── I ─► TERMINATED
 *                               └──────────── H, J ─────────────► TERMINATED
 *  TRYING of an INVITE is the RFC's Proceeding before its 100.
 */
enum txn_server_state {
	TXN_SERVER_TRYING,
	TXN_SERVER_PROCEEDING,
	TXN_SERVER_COMPLETED,
	TXN_SERVER_CONFIRMED,
	TXN_SERVER_ACCEPTED,
	TXN_SERVER_TERMINATED,
	TXN_SERVER_STATE_COUNT
};

enum txn_server_event {
	TXN_SERVER_REQUEST, /* the request arrived again */
	TXN_SERVER_ACK,     /* its ACK arrived; of a 2xx: the owner says so */
	TXN_SERVER_SEND_1XX,
	TXN_SERVER_SEND_2XX,
	TXN_SERVER_SEND_REFUSAL, /* 3xx to 6xx */
	TXN_SERVER_SEND_SILENCE, /* 408 to a non-INVITE, which RFC 4320 forbids */
	TXN_SERVER_AGAIN,        /* timer G, the 2xx's, or a 100 is due */
	TXN_SERVER_DEADLINE,     /* timers H, I, J, L */
	TXN_SERVER_ERROR,        /* a response could not be delivered */
	TXN_SERVER_EVENT_COUNT
};

/* RFC 3261 §17.2.1: a 100 is due if the owner has said nothing for so long. */
enum { TXN_SERVER_TRYING_MS = 200 };

struct txn_server {
	uint8_t state; /* enum txn_server_state */
	bool invite;
	bool reliable;
	bool acked; /* ACCEPTED: the ACK has come */
	uint32_t interval_ms;
	uint64_t again_ms;
	uint64_t deadline_ms;
};

struct txn_out txn_server_init(struct txn_server *s, bool invite, bool reliable, uint64_t now_ms,
			       const struct sip_timers *timers);
struct txn_out txn_server_step(struct txn_server *s, enum txn_server_event e, uint64_t now_ms,
			       const struct sip_timers *timers);
struct txn_out txn_server_tick(struct txn_server *s, uint64_t now_ms,
			       const struct sip_timers *timers);
/* Which event it is to send this status in this transaction. */
enum txn_server_event txn_server_event_of(const struct txn_server *s, uint16_t status);
/* May this status be sent now? (Not after a final one; non-INVITE: of 1xx only 100, RFC 4320.) */
bool txn_server_may_send(const struct txn_server *s, uint16_t status);

#endif
