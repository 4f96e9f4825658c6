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

enum { PATTERN_TEXT_MAX = 512, PATTERN_SUBJECT_MAX = 256 };

/* The compiled pattern lives in the arena and ends with it. ERR_BAD with a reason in `why`; ERR_LIMIT, ERR_NOMEM. */
enum err pattern_compile(struct arena *a, struct str text, const struct route_pattern **out,
			 struct buf *why) MUST_USE;
/* Anywhere in the subject, unless the pattern is anchored; letters compare with case. */
bool pattern_matches(const struct route_pattern *p, struct str subject);
struct str pattern_text(const struct route_pattern *p);

#endif
