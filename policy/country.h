/* Countries by their two letters (ISO 3166-1 alpha-2, and XK, that databases have for Kosovo), and sets of them. */
#ifndef SALLYPORT_COUNTRY_H
#define SALLYPORT_COUNTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

/* Of the letter pairs from AA on; 0: unknown, a country like any other to a set. */
enum {
	COUNTRY_UNKNOWN = 0,
	COUNTRY_CODES = 1 + 26 * 26,
	COUNTRY_SET_WORDS = COUNTRY_CODES / 64 + 1
};

struct country_set {
	uint64_t bits[COUNTRY_SET_WORDS];
};

/* Two capital letters, whether or not there is such a country; anything else, "" too: COUNTRY_UNKNOWN. */
uint16_t country_code(struct str letters);
/* Is it one that there is? */
bool country_is_known(struct str letters);
/* A word that people write for it by mistake ("UK") → the right one ("GB"); empty: none comes to mind. */
struct str country_meant(struct str word);

void country_set_add(struct country_set *s, uint16_t code);
void country_set_del(struct country_set *s, uint16_t code);
void country_set_fill(struct country_set *s);
bool country_set_has(const struct country_set *s, uint16_t code);
bool country_set_is_empty(const struct country_set *s);

#endif
