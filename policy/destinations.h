/*
 * What a dialled number is: its class, its country, what a minute costs at most. From a table of prefixes
 * (prefix,name,class,cost a minute,country), the longest prefix decides. Read once, then only looked up; a table with one
 * broken row is none.
 */
#ifndef SALLYPORT_DESTINATIONS_H
#define SALLYPORT_DESTINATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/str.h"
#include "policy/dialcode.h"

enum {
	DESTINATION_BYTES_MAX = 32 * 1024 * 1024, /* of the file */
	DESTINATION_ROWS_MAX = 500 * 1000,
	DESTINATION_NAME_MAX = 80,
	DESTINATION_CODE_MAX = 15,    /* digits: E.164 */
	DESTINATION_MONEY = 100000,   /* a unit of money has so many parts; `cost` is in these */
	DESTINATION_COST_MAX = 10000, /* units of money a minute */
};

/* X(name, word, what it is). Kept short and closed, so that a rule can be checked before there is a table. */
#define DESTINATION_CLASS_TABLE(X)                                                                 \
	X(FIXED, "fixed", "a line that is bound to a place")                                       \
	X(MOBILE, "mobile", "a mobile telephone")                                                  \
	X(PREMIUM, "premium", "the called party earns: 0900 and its like")                         \
	X(INTERNATIONAL_PREMIUM, "international-premium",                                          \
	  "+979, and ranges known to be rented "                                                   \
	  "out for revenue")                                                                       \
	X(SHARED_COST, "shared-cost", "both pay: 0180, 084x")                                      \
	X(TOLL_FREE, "toll-free", "the called party pays")                                         \
	X(SATELLITE, "satellite", "+870, +881, +8818, and their like")                             \
	X(CARIBBEAN, "caribbean", "an area code of +1 that looks like home and is not")            \
	X(HIGH_RISK, "high-risk", "small countries and islands that fraud is known for")           \
	X(PERSONAL, "personal", "numbers that follow a person: 070, 0700")                         \
	X(NOMADIC, "nomadic", "telephony over the Internet, without a place")                      \
	X(SPECIAL, "special", "short codes, data, paging, networks without a place")

enum destination_class {
#define X(name, word, what) DESTINATION_##name,
	DESTINATION_CLASS_TABLE(X)
#undef X
		DESTINATION_CLASS_COUNT
};

struct destination {
	uint32_t cost; /* a minute, in parts of DESTINATION_MONEY */
	uint32_t name_at;
	uint8_t name_len;
	uint8_t class_;   /* enum destination_class */
	uint16_t country; /* ISO 3166 alpha-2, as destination_country gives it; 0: none */
};

/* Zeroed: empty. */
struct destinations {
	struct str path; /* the owner's */
	struct dialcodes codes;
	struct destination *rows;
	size_t count;
	char *text; /* names */
};

/* What is wrong, and with which line of the file. */
struct destinations_fault {
	uint32_t line;
	char why[160];
};

const char *destination_class_name(enum destination_class c);
/* False: there is no such class. */
bool destination_class_of(struct str word, enum destination_class *out);
/* Two letters as a number; 0: these are no two letters. */
uint16_t destination_country(struct str alpha2);

/* What was there goes; its path stays. ERR_BAD, ERR_LIMIT with *fault; ERR_NOMEM. On failure t is as it was. */
enum err destinations_parse(struct destinations *t, struct str text,
			    struct destinations_fault *fault) MUST_USE;
/* Gives back what destinations_parse made. */
void destinations_release(struct destinations *t);
/* Digits alone, an international number; NULL: no prefix of it is known. *out_len (may be NULL): of that prefix. */
const struct destination *destinations_find(const struct destinations *t, struct str digits,
					    size_t *out_len);
struct str destination_name(const struct destinations *t, const struct destination *d);

/* "1.25" in parts of DESTINATION_MONEY, rounded up; `most` in units. ERR_BAD, ERR_LIMIT. */
enum err destination_money_parse(struct str s, uint64_t most, uint64_t *out) MUST_USE;
/* As few decimals as say it, two at least. */
void destination_money_write(struct buf *b, uint64_t parts);

#endif
