/*
 * Times of the day and of the week by the clock of one place: `at` of a route, `between` of a rule. Pure: the moment is an
 * argument. An hour that a clock leaves out in spring never comes; one that it repeats in autumn comes twice.
 */
#ifndef SALLYPORT_HOURS_H
#define SALLYPORT_HOURS_H

#include "policy/zone.h"

enum { HOURS_SPANS_MAX = 8, HOURS_DAY_MIN = 24 * 60, HOURS_WEEK_MIN = 7 * HOURS_DAY_MIN };

/* Minutes of a day, the second left out. From 22:00 to 06:00 belongs to the day on which it begins. */
struct hours_span {
	uint16_t from, to;
};

/* Zeroed: always. */
struct hours {
	uint8_t days; /* bit 0: Monday; none: every day */
	uint8_t span_count;
	struct hours_span spans[HOURS_SPANS_MAX]; /* none: the whole day */
	const struct zone *zone;                  /* NULL: UTC */
};

bool hours_is(const struct hours *h, uint64_t wall_ms);
/* The same of a minute of the local week, from Monday 00:00. */
bool hours_has_minute(const struct hours *h, unsigned minute);
/* Is every minute of `narrow` one of `wide`? False where their zones differ: no one can say. */
bool hours_covers(const struct hours *wide, const struct hours *narrow);

/* "mon", "mon-fri", "sat-mon": the bits of its days. ERR_BAD. */
enum err hours_parse_days(struct str s, uint8_t *out) MUST_USE;
/* "08:00-18:00", "22:00-06:00", "00:00-24:00". ERR_BAD; one that begins where it ends too. */
enum err hours_parse_span(struct str s, struct hours_span *out) MUST_USE;

#endif
