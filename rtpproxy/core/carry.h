/*
 * What a party hears goes on in another dialogue: its numbers (continuity.h) are carried from the dialogue that it was in to
 * the one that it is in now. Either the client says so, with the party's name there (`from-continues`, `to-continues`), or it
 * is a fork of one call whose other branch has fallen silent. The other call may live on another worker: letters fetch
 * the numbers from there.
 *
 *   offer    INTENDED ─► the other call remembers who its heir will be
 *   answer   WANTED   ─► it gives the numbers: GIVEN. Or it has ended before, and has given them then
 *
 * Until they are there, packets go out with numbers of their own: a few milliseconds at most. A transfer that fails before
 * its answer takes nothing.
 */
#ifndef SALLYPORT_CARRY_H
#define SALLYPORT_CARRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/id.h"
#include "common/pool.h"
#include "rtpproxy/core/call.h"

struct flags_party;

/* The party of a leg in the call that it comes from. Lives in a pool until its dialogue is answered or ends. */
struct carry {
	id_t64 id;
	char call_id[LIMIT_CALL_ID + 1];
	char tag[LIMIT_TAG + 1];
};

enum carry_kind { CARRY_INTENDED, CARRY_WANTED, CARRY_GIVEN, CARRY_KIND_COUNT };

struct carry_numbers {
	bool there;
	struct continuity continuity;
	struct continuity_past past;
};

struct carry_letter {
	enum carry_kind kind;
	struct carry_heir heir;          /* who wants them */
	char call_id[LIMIT_CALL_ID + 1]; /* INTENDED, WANTED: of whom; for all other workers */
	char tag[LIMIT_TAG + 1];
	struct carry_numbers numbers[LIMIT_MEDIAS]; /* GIVEN */
};

/* Remembers what a command says of a leg; names nobody: nothing changes. At the limit it is forgotten. */
void carry_note(struct pool *pool, struct leg *l, const struct flags_party *from);
void carry_forget(struct pool *pool, struct leg *l);
/* Directions that were given away and are agreed anew: they begin again. `random` for each of the leg's lines. */
void carry_revive(struct leg *l, const uint64_t random[LIMIT_MEDIAS]);
/* Takes the numbers that the party has in a dialogue of the same call that is silent, unless it has begun in `d`. */
void carry_from_fork(struct leg *l, struct call *c, const struct dialogue *d, uint64_t now_us);
/* The legs of that party in a call of this worker have an heir. False: it does not know the party. */
bool carry_intend(struct call *c, const struct carry_letter *intended);
/* Answers WANTED from a call of this worker. False: it does not know the party. */
bool carry_answer(struct call *c, const struct carry_letter *wanted, struct carry_letter *out);
/* The leg is about to end, and has an heir. */
void carry_bequeath(struct leg *l, struct carry_letter *out);
void carry_take(struct leg *l, const struct carry_letter *given);

#endif
