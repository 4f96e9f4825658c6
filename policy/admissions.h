/*
 * What there is of each trunk with limits now (admit.h), by the trunk's name, so that a reload keeps the counts. Who counts
 * calls in and out, and counts them anew now and then, is sbc/core/admission.
 */
#ifndef SALLYPORT_ADMISSIONS_H
#define SALLYPORT_ADMISSIONS_H

#include <stdint.h>

#include "common/err.h"
#include "common/table.h"
#include "policy/admit.h"

enum { ADMISSION_NAME_MAX = 64, ADMISSION_MAX = 4096 };

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
enum err admissions_init(struct admissions *a, const struct siphash_key *key) MUST_USE;
void admissions_release(struct admissions *a);
/* That trunk has a count from now on. ERR_FULL: more names than are kept. */
enum err admissions_add(struct admissions *a, struct str trunk) MUST_USE;
/* NULL: it has no limits. */
struct admission *admissions_find(const struct admissions *a, struct str trunk);

#endif
