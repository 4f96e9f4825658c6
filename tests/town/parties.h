/*
 * Who telephones in the town: callers, who register, answer challenges, hang up, give up and refer; the called, who answer,
 * are busy, send elsewhere. Each does what its call says (town.h) and writes down what became of it.
 */
#ifndef SALLYPORT_TOWN_PARTIES_H
#define SALLYPORT_TOWN_PARTIES_H

#include "sbc/core/msg.h"
#include "tests/town/town.h"

#define TOWN_DOMAIN "office.example"

/* Steps of a party's own, as HAPPEN_SCRIPT; conn is the call or the leg. */
enum town_step {
	STEP_CALL,
	STEP_CALLER_ENDS,
	STEP_GIVE_UP,
	STEP_REFER,
	STEP_RING,
	STEP_ANSWER,
	STEP_CALLEE_ENDS
};

/* The time of one of them has come. */
void town_party_step(struct town *t, enum town_step what, uint32_t who);
/* The core says this to one of them. */
void town_party_hear(struct town *t, const struct msg *m, const struct flow *f);

/* Their world (town.c): their own next step; a message to the core; whence they speak. */
void town_later(struct town *t, enum town_step what, uint32_t who, uint64_t in_ms);
void town_say(struct town *t, const struct flow *f, const struct buf *b);
struct flow town_flow(struct town *t, const struct town_source *s);

#endif
