/*
 * What the SBC tells sallyport-ban over a Unix socket of whole records (SOCK_SEQPACKET): one line each, nothing comes back.
 *
 *   fresh                          our listeners follow; those of before are over
 *   listen udp 192.0.2.1:5060      what comes to it from who is banned is dropped (tcp for TLS and WebSocket too)
 *   ban 198.51.100.7/32 3600       for so many seconds, from now on
 *   lift 198.51.100.7/32
 */
#ifndef SALLYPORT_BAN_WIRE_H
#define SALLYPORT_BAN_WIRE_H

#include <stdbool.h>

#include "common/addr.h"
#include "common/err.h"

enum { BAN_WIRE_MAX = 128, BAN_WIRE_SECONDS_MAX = 400 * 86400 };

enum ban_wire_type {
	BAN_WIRE_FRESH,
	BAN_WIRE_LISTEN,
	BAN_WIRE_BAN,
	BAN_WIRE_LIFT,
	BAN_WIRE_TYPE_COUNT
};

struct ban_wire {
	enum ban_wire_type type;
	bool tcp;             /* LISTEN */
	struct addr listen;   /* LISTEN */
	struct prefix source; /* BAN, LIFT */
	uint32_t seconds;     /* BAN */
};

void ban_wire_write(struct buf *b, const struct ban_wire *w);
/* Exactly one record. ERR_BAD; *out untouched then. */
enum err ban_wire_read(struct str s, struct ban_wire *out) MUST_USE;

#endif
