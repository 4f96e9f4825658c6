/*
 * A regular expression over a short text from a stranger (a dialled number). The only file with
 * PCRE2: bounded in backtracking and memory, no allocation while matching. No match is the answer
 * whenever a bound is met.
 */
#ifndef SALLYPORT_PATTERN_H
#define SALLYPORT_PATTERN_H

#include <stdbool.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "policy/policy_config.h"

enum {
	PATTERN_TEXT_MAX = 512,
	PATTERN_SUBJECT_MAX = 256, /* of pattern_matches */
	PATTERN_VALUE_MAX = 1024,  /* of pattern_find */
	PATTERN_GROUPS_MAX = 10    /* \0, the whole, to \9 */
};

enum pattern_found { PATTERN_NO, PATTERN_YES, PATTERN_UNKNOWN /* a bound was met */ };

/* What the groups of a match have caught; views into the subject. */
struct pattern_groups {
	struct str at[PATTERN_GROUPS_MAX]; /* STR_NONE: took no part */
};

/* The compiled pattern lives in the arena and ends with it. ERR_BAD with a reason in `why`; ERR_LIMIT, ERR_NOMEM. */
enum err pattern_compile(struct arena *a, struct str text, const struct route_pattern **out,
			 struct buf *why) MUST_USE;
/* Anywhere in the subject, unless the pattern is anchored; letters compare with case. */
bool pattern_matches(const struct route_pattern *p, struct str subject);
/*
 * Where a match keeps something from passing: true as well where a bound was met, so that nobody gets around it with a text that is
 * hard to match.
 */
bool pattern_may_match(const struct route_pattern *p, struct str subject);
/* As pattern_matches, with what was caught, and with a third answer. */
enum pattern_found pattern_find(const struct route_pattern *p, struct str subject,
				struct pattern_groups *out);
/* How many groups it has, the whole not counted. */
unsigned pattern_group_count(const struct route_pattern *p);
/* `with`, in which \0 to \9 stand for groups and \\ for itself. */
void pattern_fill(struct buf *b, struct str with, const struct pattern_groups *g);
/* The first \ of `with` that pattern_fill cannot follow, for so many groups; STR_NONE: it can follow all. */
struct str pattern_fill_fault(struct str with, unsigned groups);
struct str pattern_text(const struct route_pattern *p);

#endif
