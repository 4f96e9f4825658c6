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
#include "common/table.h"
#include "policy/admit.h"

struct sbc;
struct call;
struct settings;

enum { ADMISSION_NAME_MAX = 64, ADMISSION_RECOUNT_MS = 60 * 1000 };

struct admission {
	struct table_node node;
	char name[ADMISSION_NAME_MAX]; /* of the trunk, as far as it goes */
	struct admit_state state;
	uint32_t counted[ADMIT_DIRECTION_COUNT]; /* in a recount */
};

struct admissions {
	struct table by_name;
	struct admission *list; /* ADMISSION_MAX of them, made with the table */
	uint32_t count;
	uint64_t recount_ms; /* when the next recount is due */
	uint64_t repaired;   /* counts that a recount found wrong */
};

/* `key` is secret and random. ERR_NOMEM. */
enum err admission_init(struct admissions *a, const struct siphash_key *key) MUST_USE;
void admission_release(struct admissions *a);
/* Trunks with limits have a count from now on, with the calls that there are. ERR_FULL: more names than are kept. */
enum err admission_apply(struct sbc *s, const struct settings *settings) MUST_USE;
/* May the trunk begin a call, or we one to it? As admit_call. */
struct verdict admission_ask(struct sbc *s, const struct settings *settings, uint16_t trunk,
			     enum admit_direction d);
/* This leg is a session of its trunk, in the direction of its side, until admission_end; counts once. */
void admission_begin(struct sbc *s, struct call *c, unsigned side);
void admission_end(struct sbc *s, struct call *c, unsigned side);
/* What there is of that trunk now; NULL: it has no limits. */
const struct admit_state *admission_of(const struct sbc *s, struct str trunk);

#endif
