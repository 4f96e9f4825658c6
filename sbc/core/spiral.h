/*
 * Calls that come back to us (threats B11, RFC 5393): a call that we sent out and that somebody sends to us again is a child of
 * the first. That is no fault: a proxy that screens, a PBX that forwards to another number are legitimate. It is a loop when a
 * child asks what one of its ancestors asked: from the same trunk, the same caller for the same number. Only calls that wait for
 * their answer are looked at: a call in a loop never gets one.
 *
 * Who is a child is known from, in this order:
 *   our Call-ID        the very request that we sent: its second time is one too many
 *   Session-ID         the same session (RFC 7989), through whatever changes all else: likewise
 *   Max-Forwards       less than we sent, from where we sent it, the same caller and number: may be chance; the third time
 *   nothing            but the same caller and number, from where we sent it: ten of one company's phones may call one number of
 *                      its own through us; the tenth time
 * The latter two only within ten seconds, and never of callers who are no one: those are many.
 * With another number each round the first two hold, and a chain of ten is as long as one may be; else Max-Forwards ends it.
 */
#ifndef SALLYPORT_SPIRAL_H
#define SALLYPORT_SPIRAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/id.h"
#include "common/list.h"
#include "common/siphash.h"
#include "policy/verdict.h"

struct sbc;
struct call;
struct msg;
struct setup;
struct facts;

enum {
	SPIRAL_BY_HOPS_MAX = 3,
	SPIRAL_BY_NUMBERS_MAX = 10,
	SPIRAL_DEPTH_MAX = 10,
	SPIRAL_ROUND_MS_MAX = 10000, /* a round takes no longer, where numbers are all the proof */
	SPIRAL_LOOK_MAX = 64         /* the latest calls of one caller to one number */
};

enum spiral_link {
	SPIRAL_NO_LINK,
	SPIRAL_BY_NUMBERS,
	SPIRAL_BY_HOPS,
	SPIRAL_BY_SESSION,
	SPIRAL_BY_CALL_ID,
	SPIRAL_LINK_COUNT
};

/* Of a call that waits for its answer. */
struct spiral_mark {
	struct list node; /* in its bucket; of itself alone: not remembered */
	uint64_t key;     /* of caller and number */
	uint16_t trunk;   /* that it came from */
	uint8_t link;     /* enum spiral_link: how its parent is known */
	uint8_t depth;    /* parents by Call-ID or Session-ID */
	int16_t hops;     /* Max-Forwards that it goes on with */
	id_t64 parent;    /* call */
};

struct spirals {
	struct list *buckets;
	size_t mask;
	struct siphash_key key;
};

/* `key` is secret and random. ERR_NOMEM. */
enum err spirals_init(struct spirals *t, uint32_t calls, const struct siphash_key *key) MUST_USE;
void spirals_release(struct spirals *t);
/*
 * The INVITE m of call c, whose facts are known: ALLOW, and it is remembered until spiral_leave; or REJECT 482 with the rule
 * "loop", or "spiral" where the chain is too long.
 */
struct verdict spiral_enter(struct sbc *s, struct call *c, const struct msg *m,
			    const struct facts *f);
void spiral_leave(struct setup *u);

#endif
