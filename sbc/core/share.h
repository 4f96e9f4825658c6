/*
 * Limits of trunks that several nodes keep together (docs/store.md). A node never asks before it answers a call: it holds a share of
 * each limit, which the store has given it for a few seconds, and judges by that.
 *
 *   calls   of each limit (sessions, inbound, outbound) it holds what it uses and an even part of what nobody uses; asks again each
 *           second, and at once when half of its reserve has gone. Who gets less than its part says so to the others,
 *           who then ask at once too, and so give back what they do not need. What a dead node held is free when its time is over, what one
 *           that ends in order held at once.
 *   rate    it takes a few at a time, as fast as calls come; what it has taken it keeps until calls come. More than the limit,
 *           the burst and these few at a time nobody gets.
 *
 * While the store is away: what it holds counts as long as it would have; then an even part of the limit for each node that was known, or
 * nothing at all where on_loss says `reject`. All in the state that policy/admit reads.
 */
#ifndef SALLYPORT_SHARE_H
#define SALLYPORT_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "sbc/core/alarm.h"
#include "sbc/core/store.h"

struct sbc;
struct admission;
struct settings;

enum {
	SHARE_EVERY_MS = 1000,
	SHARE_SOON_MS = 40, /* between two questions about one limit */
	SHARE_LIVES_MS = 5000,
	SHARE_LATE_MS = 1000, /* an answer that takes so long does not come any more */
	SHARE_LOOK_MS = 20,
	SHARE_TOKENS_MS = 100, /* so much of its rate a node takes at once */
	SHARE_WINDOW_MS = 500  /* over which the demand is measured */
};

/* Of one limit of calls. */
struct share_lease {
	uint32_t used_then, held;  /* with the last answer */
	uint64_t until_ms;         /* of that answer; 0: none so far */
	uint64_t asked_ms;         /* 0: not asked */
	uint64_t next_ms, last_ms; /* last: asked */
};

enum { SHARE_SESSIONS, SHARE_IN, SHARE_OUT, SHARE_LEASES, SHARE_RATE = SHARE_LEASES };

/* Of one trunk. */
struct share {
	struct share_lease leases[SHARE_LEASES];
	uint64_t rate_asked_ms, rate_next_ms, rate_until_ms;
	uint64_t window_ms;
	uint32_t demand, demand_before; /* new calls in this window, and in the last one */
	uint32_t nodes;                 /* that were known last */
	bool rate_broken;               /* the store is there and cannot grant */
};

struct shares {
	struct share *list; /* as policy.admissions.list; NULL: nothing is shared */
	struct alarm alarm;
	bool looks; /* at all of them, in one go */
	bool leaves; /* the node ends: what it does not use goes back, and nothing more is asked for */
	uint64_t lack_ms; /* said last that it has too little */
	uint64_t asked, late;
};

void share_release(struct sbc *s);
/* After new settings: which trunks share. */
enum err share_apply(struct sbc *s, const struct settings *settings) MUST_USE;
/* A call of that trunk is about to be judged, has begun, has ended. Cheap. */
void share_touch(struct sbc *s, struct admission *x, bool is_new);
void share_on_alarm(struct sbc *s);
/* The end of this node in order: others have its shares at once. */
void share_leave(struct sbc *s);
/* The store's words. */
void share_on_reply(struct sbc *s, const struct store_reply *r);
void share_on_told(struct sbc *s, const struct store_told *t);
void share_on_state(struct sbc *s);

#endif
