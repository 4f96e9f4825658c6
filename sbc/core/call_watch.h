/*
 * What the relay says of its own accord about a call's media, and what comes of it: a party that is not heard is shown, and
 * ends the call when its side's policy says so (`timeout`); a session that the relay has ended ends the call.
 *
 * Timers: `media_alarm` of a call is when the first of its parties that are not heard has been so for too long.
 */
#ifndef SALLYPORT_CALL_WATCH_H
#define SALLYPORT_CALL_WATCH_H

#include "sbc/core/call.h"

enum { CALL_WATCH_LEN = HIDE_TOKEN_LEN };

/* The word in front of the events of this call: only who was told it can speak of the call. */
struct str call_watch_word(const struct sbc *s, const struct call *c, char out[HIDE_BRANCH_LEN]);
/* EVENT_RELAY_TOLD. What is of no call, of an older session, or said before, is dropped and counted. */
void call_watch_on_event(struct sbc *s, const struct event *e);
void call_watch_on_alarm(struct sbc *s, struct call *c);
void call_watch_stop(struct sbc *s, struct call *c);
/* Since when a party is not heard, monotonic; 0: it is heard, or nothing is known. */
uint64_t call_watch_silent_ms(const struct call *c, unsigned side);

#endif
