/* The words that scenarios are made of. */
#ifndef SALLYPORT_SIM_WORDS_H
#define SALLYPORT_SIM_WORDS_H

#include "tests/sim/scenario.h"

uint32_t draw(struct world *w, uint32_t least, uint32_t most);
struct ua_plan *caller(struct world *w);
struct ua_plan *callee(struct world *w);
/* One of the two. */
struct ua_plan *either(struct world *w);
struct ua_plan *other(struct world *w, const struct ua_plan *p);
struct ua *calling(struct world *w);
struct ua *called(struct world *w);

void answer(struct ua_plan *p, uint16_t status, uint32_t after_ms, bool sdp);
void answer_fork(struct ua_plan *p, uint16_t status, uint32_t after_ms, bool sdp, uint8_t fork);
void answer_reliable(struct ua_plan *p, uint16_t status, uint32_t after_ms, bool sdp);
void later(struct ua_plan *p, enum ua_when when, uint32_t after_ms, enum ua_act act);
/* The end of the call, by one of the two. */
void hang_up(struct world *w, uint32_t least_ms, uint32_t most_ms);
/* Rings for a while and answers; 100 first, mostly. */
void ring_and_answer(struct world *w, struct ua_plan *p);
/* Inward calls alone have failover and a choice of peers. */
void inward(struct world *w);
void outward(struct world *w);
void reliable_sites(struct world *w, bool outside, bool inside);
void datagrams(struct world *w);
void relay_turn(struct world *w, const char *command, unsigned from, enum relay_mood mood);

void expect(struct world *w, bool true_, const char *what);
void expect_status(struct world *w, uint16_t status);
void expect_200(struct world *w);
/* Both ends have the same media, with directions that fit. */
void expect_same_media(struct world *w);

#endif
