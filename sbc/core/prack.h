/*
 * Reliable provisional responses (RFC 3262), each side of a call by itself: prack_server is where we answer an INVITE
 * and want each reliable 18x acknowledged, prack_client where we sent one and acknowledge. Leafs: numbers and times,
 * no messages. One of each for each early dialog: with a forked INVITE each has a numbering of its own.
 *
 *   server:  IDLE ── send ──► WAITING ── PRACK that fits ──► IDLE
 *                               │ T1, 2*T1, 4*T1 …: again
 *                               │ 64*T1: given up ──────────► OVER
 *                               └ final answer sent: STILL, no more repeated, but its PRACK may yet come
 */
#ifndef SALLYPORT_PRACK_H
#define SALLYPORT_PRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"
#include "sbc/core/settings.h"

enum prack_state { PRACK_IDLE, PRACK_WAITING, PRACK_STILL, PRACK_OVER, PRACK_STATE_COUNT };

struct prack_server {
	uint64_t again_ms, deadline_ms; /* 0: not set */
	uint32_t rseq;                  /* of the latest; 0: none yet */
	uint32_t interval_ms;
	uint8_t state; /* enum prack_state */
	bool sdp;      /* the latest has a session description */
};

/* The first RSeq is below 2^31 (RFC 3262 §3); `random` chooses it. */
enum { PRACK_FIRST_MAX = 0x3fffffff };

/* May a reliable one be sent now? Not while the one before waits (RFC 3262 §3), and not after the final answer. */
bool prack_may_send(const struct prack_server *p);
/* Its RSeq. Only if prack_may_send. */
uint32_t prack_send(struct prack_server *p, bool sdp, uint32_t random, uint64_t now_ms,
		    const struct sip_timers *t);
/* A PRACK has come for the INVITE with that CSeq: 200, 481 (fits nothing), 400 (cannot be read). */
uint16_t prack_take(struct prack_server *p, struct str rack, uint32_t invite_cseq);
/* The final answer goes out. */
void prack_stop(struct prack_server *p);
/* Must the 2xx wait? (RFC 3262 §3: while a reliable one with SDP is unacknowledged.) */
bool prack_holds_answer(const struct prack_server *p);

enum prack_due { PRACK_DUE_NOTHING, PRACK_DUE_AGAIN, PRACK_DUE_GIVE_UP, PRACK_DUE_COUNT };
enum prack_due prack_tick(struct prack_server *p, uint64_t now_ms);
/* When to tick; UINT64_MAX: never. */
uint64_t prack_next_ms(const struct prack_server *p);

struct prack_client {
	uint32_t rseq; /* of the latest in order; 0: none yet */
};

enum prack_heard {
	PRACK_HEARD_NEW,   /* acknowledge it */
	PRACK_HEARD_AGAIN, /* the same once more: its PRACK is on the way */
	PRACK_HEARD_ODD, /* out of order, or without a number: as if it had not come (RFC 3262 §4) */
	PRACK_HEARD_COUNT
};
/* A reliable 18x with this RSeq header value. */
enum prack_heard prack_hear(struct prack_client *p, struct str rseq);

#endif
