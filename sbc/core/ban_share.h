/*
 * Bans that all nodes keep: each that is laid here is told to the others at once and lies in the store until it ends; each that
 * is lifted likewise. Who starts, or may have missed something, reads them all. What another node says is checked as a stranger's
 * file is (ban_import); it is not passed on.
 */
#ifndef SALLYPORT_BAN_SHARE_H
#define SALLYPORT_BAN_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/ban.h"
#include "sbc/core/alarm.h"
#include "sbc/core/store.h"

struct sbc;

enum { BAN_SHARE_AT_ONCE = 200, BAN_SHARE_EVERY_MS = 20 };

struct ban_share {
	struct alarm alarm; /* all of ours are written again, some at a time */
	uint32_t cursor;
	bool hears; /* what is carried out is another's word */
	uint64_t heard, bad;
};

/* New, or longer than it was. */
void ban_share_laid(struct sbc *s, const struct ban *v);
void ban_share_lifted(struct sbc *s, const struct ban *v);
void ban_share_on_alarm(struct sbc *s);
void ban_share_on_reply(struct sbc *s, const struct store_reply *r);
void ban_share_on_told(struct sbc *s, const struct store_told *t);
void ban_share_on_state(struct sbc *s, const struct store_state *t);

#endif
