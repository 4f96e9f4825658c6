/* A month of honest telephoning, drawn anew from a seed: what must never be stopped. */
#ifndef SALLYPORT_TOWN_OFFICE_H
#define SALLYPORT_TOWN_OFFICE_H

#include "tests/town/town.h"

enum { OFFICE_EXTENSIONS = 30, OFFICE_FIRST = 100 };

/* The extension's address outside; its text lives until the next call. */
const char *office_address(uint32_t extension);
/*
 * Plans everything from day `first` to before day `end` (0: the day that the town begins on, a Monday at 00:00 UTC).
 * The calls are between *out_first and *out_end.
 */
void office_plan(struct town *t, uint32_t first, uint32_t end, uint32_t *out_first,
		 uint32_t *out_end);
/* How many of these calls were refused by us, or ended by us; the first few are printed. */
uint32_t office_stopped(const struct town *t, uint32_t first, uint32_t end);

#endif
