/*
 * What a clock on the wall shows, in one place of the world: the transitions of its TZif file (RFC 8536), read once when the
 * configuration is, and the rule behind the last of them (POSIX TZ). The C library's own zone is a global of the process;
 * this is a table, and looking into it is pure.
 */
#ifndef SALLYPORT_ZONE_H
#define SALLYPORT_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/check.h"
#include "common/err.h"
#include "common/str.h"

enum { ZONE_BYTES_MAX = 64 * 1024, ZONE_TRANSITIONS_MAX = 2048, ZONE_TYPES_MAX = 256 };

enum zone_day { ZONE_DAY_JULIAN, ZONE_DAY_OF_YEAR, ZONE_DAY_OF_MONTH, ZONE_DAY_COUNT };

/* When a rule changes over: a day of each year, and seconds of that day by the clock that is in force before. */
struct zone_switch {
	enum zone_day kind;
	uint16_t day;                 /* JULIAN 1 to 365, never 29 February; OF_YEAR 0 to 365 */
	uint8_t month, week, weekday; /* OF_MONTH: 1-12, 1-5 (the last), 0-6 from Sunday */
	int32_t at_s;
};

struct zone_rule {
	int32_t standard_s, summer_s; /* east of Greenwich */
	bool has_summer;
	struct zone_switch begin, end;
};

struct zone {
	struct str name;
	const int64_t *at;       /* seconds since the epoch, rising */
	const int32_t *offset_s; /* in force from there on */
	size_t count;
	int32_t before_s; /* before the first */
	bool has_rule;
	struct zone_rule rule; /* behind the last */
};

/* Arrays lie in the arena. ERR_BAD: no TZif, or one that contradicts itself; ERR_LIMIT; ERR_NOMEM. The name is the caller's. */
enum err zone_decode(struct zone *z, struct arena *a, const void *bytes, size_t n) MUST_USE;
/* "CET-1CEST,M3.5.0,M10.5.0/3". ERR_BAD. */
enum err zone_rule_parse(struct str s, struct zone_rule *out) MUST_USE;
/* Seconds east of Greenwich at that moment. NULL is UTC. */
int32_t zone_offset(const struct zone *z, int64_t unix_s);
/* "Europe/Berlin": may it be looked for below a folder of zones? No step out of it. */
bool zone_name_is_good(struct str name);

#endif
