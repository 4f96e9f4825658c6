/*
 * A breaker: who has failed so often in a row is left alone for a while, then asked once; that one trial says whether it is
 * asked again. A leaf: no clock.
 *
 *   CLOSED ── n failures in a row ──► RESTING ── its time is over, someone asks ──► TRIAL ── works ──► CLOSED
 *                                        ▲─────────────────── fails ──────────────────┘
 */
#ifndef SALLYPORT_BREAKER_H
#define SALLYPORT_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

struct breaker_rule {
	uint32_t failures, rest_ms; /* failures 0: never opens */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_RESTING, BREAKER_TRIAL, BREAKER_STATE_COUNT };

/* Zeroed: closed. */
struct breaker {
	enum breaker_state state;
	uint32_t failures;
	uint64_t until_ms; /* RESTING */
};

/* May it be asked now? True where the rest is over: that is the trial, whose outcome has to be told. */
bool breaker_ask(struct breaker *b, uint64_t now_ms);
/* What breaker_ask would say. */
bool breaker_would_ask(const struct breaker *b, uint64_t now_ms);
/* The outcome of one that was let through. True: it opened, or closed, with this. */
bool breaker_failed(struct breaker *b, const struct breaker_rule *r, uint64_t now_ms);
bool breaker_worked(struct breaker *b);
/* It will have no outcome: nobody waits for it any more. */
void breaker_dropped(struct breaker *b, uint64_t now_ms);

#endif
