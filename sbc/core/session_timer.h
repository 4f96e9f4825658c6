/*
 * The session timer of one leg (RFC 4028): who refreshes how often, when a refresh is due, when its absence means that the peer has
 * gone. Each leg has its own; what was agreed on one side says nothing about the other. A leaf: headers in, header
 * lines and times out; it sends nothing.
 *
 *   IDLE ── 2xx to or from the peer ─► RUNNING ── SE/2, if we refresh ─► a refresh is due
 *                                        │ 2xx again: from the start       │ refused: once more before the end
 *                                        └── SE - min(32 s, SE/3) without: EXPIRED: BYE
 *
 * A peer that knows no session timer is refreshed by us, and any answer of it proves that it lives.
 */
#ifndef SALLYPORT_SESSION_TIMER_H
#define SALLYPORT_SESSION_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "sbc/core/msg.h"
#include "sbc/core/settings.h"

enum { SESSION_TIMER_LEAST_S = 90, SESSION_TIMER_422_MAX = 3 };

enum session_refresher { REFRESHER_NOT_SAID, REFRESHER_UAC, REFRESHER_UAS, REFRESHER_COUNT };

/* What a message of the peer says of it. */
struct session_timer_seen {
	uint32_t expires_s, min_s; /* 0: not said */
	uint8_t refresher;         /* enum session_refresher */
	bool supported;            /* the sender knows the extension */
	bool allows_update, says_allow;
};

struct session_timer {
	bool on; /* by the settings of the trunk */
	bool running;
	bool we_refresh;
	bool peer_knows;
	bool peer_updates; /* the peer takes UPDATE */
	uint8_t refusals;  /* 422 in a row */
	uint32_t want_s;   /* that we ask for */
	uint32_t min_s;    /* the least that we take */
	uint32_t floor_s;  /* the least that the peer's side takes, as far as we know */
	uint32_t expires_s;
	uint64_t refresh_ms, expire_ms;    /* 0: none */
	struct session_timer_seen pending; /* of the peer's request that waits for our 2xx */
};

enum session_timer_due {
	SESSION_DUE_NOTHING,
	SESSION_DUE_REFRESH,
	SESSION_DUE_END,
	SESSION_DUE_COUNT
};

void session_timer_init(struct session_timer *t, const struct session_timer_settings *s);
void session_timer_read(const struct msg *m, struct session_timer_seen *out);

/* Lines of an INVITE or UPDATE of ours: Supported, Session-Expires, Min-SE. Nothing if off. */
void session_timer_write_request(const struct session_timer *t, struct buf *lines);
/* The peer's 2xx to it. */
void session_timer_on_answer(struct session_timer *t, const struct session_timer_seen *seen,
			     uint64_t now_ms);
/* Its refusal. True: 422, and it may go out again at once with what session_timer_write_request writes now. */
bool session_timer_on_refusal(struct session_timer *t, uint16_t status,
			      const struct session_timer_seen *seen, uint64_t now_ms);

/* An INVITE or UPDATE of the peer. False: its interval is too small: 422 with session_timer_write_min. */
bool session_timer_take_request(struct session_timer *t, const struct session_timer_seen *seen);
void session_timer_write_min(const struct session_timer *t, struct buf *lines);
/* We answer it with a 2xx: its lines, and the time begins. */
void session_timer_write_answer(struct session_timer *t, struct buf *lines, uint64_t now_ms);

/* UINT64_MAX: nothing will be due. */
uint64_t session_timer_next_ms(const struct session_timer *t);
/* REFRESH is told once; then the answer, or the end, is waited for. */
enum session_timer_due session_timer_tick(struct session_timer *t, uint64_t now_ms);
/* A refresh of ours was due, and nothing has happened since that makes it needless. */
bool session_timer_is_wanted(const struct session_timer *t);

#endif
