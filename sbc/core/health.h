/*
 * How well a peer carries calls, by what became of ours (`health` of a trunk). A leaf: outcomes and time in, state out.
 *
 *            too many in a row that reached nobody, or too few that were answered, or 503 with Retry-After
 *   GOOD ─────────────────────────────────────────────────────────────► RESTING: tried behind all others
 *    ▲                                                                    │ its rest is over       ▲
 *    └───────────── the time of return is over ◄── RETURNING ◄────────────┘                        │
 *                                                  a growing share of calls ── as above ───────────┘
 *
 * Two ratios (ITU-T E.411, E.425): ASR is of all calls that ended those that were answered; NER those that were answered, or whose
 * end was the user's own doing: busy, no answer, refused, no such number. A call that its caller gave up before it rang counts in
 * neither. min_asr also finds a peer that rings and never answers; min_ner does not punish one whose users are out.
 *
 * Retry-After shuts a peer (RFC 3261 §21.5.4): no call goes there until then, but for those of emergency routes.
 */
#ifndef SALLYPORT_HEALTH_H
#define SALLYPORT_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum { HEALTH_CALLS_MAX = 1000, HEALTH_SHUT_S_MAX = 3600, HEALTH_SHARE_MIN = 10 /* percent */ };

/* 0 where a rule does not ask. */
struct health_rule {
	bool on;
	uint8_t min_asr, min_ner; /* percent */
	uint16_t over;            /* calls that a ratio is of */
	uint16_t failures;        /* in a row, that reached nobody */
	uint32_t rest_ms, return_ms;
};

enum health_state { HEALTH_GOOD, HEALTH_RESTING, HEALTH_RETURNING, HEALTH_STATE_COUNT };
enum health_why {
	HEALTH_WHY_NONE,
	HEALTH_WHY_ASR,
	HEALTH_WHY_NER,
	HEALTH_WHY_FAILURES,
	HEALTH_WHY_RETRY_AFTER,
	HEALTH_WHY_COUNT
};

/* What became of one call. */
enum health_end {
	HEALTH_END_ANSWERED,
	HEALTH_END_USER,      /* the user's doing */
	HEALTH_END_REFUSED,   /* the network's */
	HEALTH_END_UNREACHED, /* no answer at all, no connection, no handshake, 503 */
	HEALTH_END_NOTHING,   /* says nothing of the peer */
	HEALTH_END_COUNT
};

struct health {
	uint8_t state, why; /* enum health_state; enum health_why of the latest rest */
	bool shut;          /* RESTING: no call at all */
	uint16_t row;       /* that reached nobody, one after another */
	uint16_t over;      /* calls that the ring is of */
	uint16_t count, next, answered, effective;
	uint64_t until_ms;                  /* RESTING, RETURNING */
	uint64_t returns_ms;                /* RETURNING: since when */
	uint8_t ends[HEALTH_CALLS_MAX / 4]; /* two bits each, a ring */
};

/* Of a final status, 0 with a cause of ROUTE_CAUSE_*; `rang`: it had said 18x. */
enum health_end health_end_of(uint16_t status, unsigned cause, bool rang);
/* True: the state is another now. `retry_after_s` of a 503, 0: none. */
bool health_step(struct health *h, const struct health_rule *r, enum health_end e,
		 uint32_t retry_after_s, uint64_t now_ms);
/* The time of until_ms has come. True: the state is another now. */
bool health_tick(struct health *h, const struct health_rule *r, uint64_t now_ms);
/* Is this call one of those that it is not to have, unless all others fail? `dice` is random. */
bool health_is_last(const struct health *h, uint64_t now_ms, uint32_t dice);
/* Percent; 100 where no call has ended yet. */
unsigned health_asr(const struct health *h);
unsigned health_ner(const struct health *h);

/* "good", "resting", "returning"; "asr", "ner", "failures", "retry-after", "". */
const char *health_state_name(uint8_t state);
const char *health_why_name(uint8_t why);

#endif
