/*
 * The limits of trunks (policy/admit.h) and what there is of each now, by the trunk's name, so that a reload keeps the
 * counts. A leg that counts says so itself; before a decision the counts are made anew from the calls if that was not done
 * for a minute, so that a mistake cannot last.
 */
#ifndef SALLYPORT_ADMISSION_H
#define SALLYPORT_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "policy/admissions.h"

struct sbc;
struct call;
struct settings;

enum { ADMISSION_RECOUNT_MS = 60 * 1000 };

/* Trunks with limits have a count from now on, with the calls that there are. ERR_FULL: more names than are kept. */
enum err admission_apply(struct sbc *s, const struct settings *settings) MUST_USE;
/* Counts anew if that was not done for a minute: before a decision. */
void admission_settle(struct sbc *s);
/* A new call of that trunk is about to be judged: is there enough of what it shares with other nodes? */
void admission_ask(struct sbc *s, const struct settings *settings, uint16_t trunk);
/* This leg is a session of its trunk, in the direction of its side, until admission_end; counts once. */
void admission_begin(struct sbc *s, struct call *c, unsigned side);
void admission_end(struct sbc *s, struct call *c, unsigned side);
/* The call holds its part of what its user, its caller and its destination may have, until admission_drop. */
void admission_hold(struct sbc *s, struct call *c, const struct facts *facts);
/* The same for one that was taken up again: of what is known of it. */
void admission_hold_again(struct sbc *s, struct call *c);
void admission_drop(struct sbc *s, struct call *c);
/* What there is of that trunk now; NULL: it has no limits. */
const struct admit_state *admission_of(const struct sbc *s, struct str trunk);

#endif
