/*
 * By whom a call was diverted, and why: Diversion (RFC 5806) and History-Info (RFC 7044), read from either and written as
 * either (RFC 7544). Numbers cross; the hosts that they were at do not. A leaf.
 */
#ifndef SALLYPORT_HISTORY_H
#define SALLYPORT_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/buf.h"
#include "sbc/core/msg.h"
#include "sbc/core/rules.h"
#include "sbc/core/settings.h"

enum {
	HISTORY_MAX =
		10, /* diversions that are kept: the latest; what is behind them is only counted */
	HISTORY_COUNTER_MAX = 30,
	HISTORY_NUMBER_MAX = 128
};

enum history_reason {
	HISTORY_UNKNOWN,
	HISTORY_UNCONDITIONAL,
	HISTORY_USER_BUSY,
	HISTORY_NO_ANSWER,
	HISTORY_DEFLECTION,
	HISTORY_UNAVAILABLE,
	HISTORY_REASON_COUNT
};

/* One who diverted. Views into the message. */
struct history_entry {
	struct str uri;
	enum history_reason reason; /* why it went on from here */
	uint8_t counter;            /* diversions that this entry stands for, 1 or more */
	bool private;               /* not to be shown to who is called */
};

struct history {
	struct history_entry entry[HISTORY_MAX]; /* the first who diverted is first */
	uint8_t count;
	enum diversion_policy
		form; /* it was read from: DIVERSION_DIVERSION or _HISTORY_INFO; _NONE: nothing */
};

/* What m tells; from the header that tells more. What cannot be read is left out. */
void history_read(const struct msg *m, struct history *out);

struct history_params {
	enum diversion_policy policy; /* of the side that it goes to */
	bool from_trusted, to_trusted;
	bool hidden; /* the caller wants to be nobody: nothing is told (RFC 3323) */
	const struct number_rules *in, *out;
	struct str
		target; /* the number that is called now, as it is sent: the last entry of History-Info */
	const struct addr *host;
	bool sips;
};

/* Headers that say it to the other side, for rules_carry; values in `text`. How many. */
size_t history_lines(struct buf *text, const struct history *h, const struct history_params *p,
		     struct rules_line out[HISTORY_MAX]);

/* RFC 5806 and RFC 4458. Static texts. */
struct str history_reason_name(enum history_reason r);
enum history_reason history_reason_find(struct str name);
uint16_t history_cause(enum history_reason r);
enum history_reason history_reason_of_cause(uint16_t cause);

#endif
