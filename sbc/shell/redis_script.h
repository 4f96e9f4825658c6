/*
 * What Redis does in one step, as Lua: the same arithmetic as sbc/core/share_math. Given to the server as scripts (EVALSHA,
 * and EVAL once where it does not know them yet), or as functions that its administrator has loaded (etc/redis/sallyport.lua), so that our
 * user need not be allowed to run any script at all (threats E3).
 */
#ifndef SALLYPORT_REDIS_SCRIPT_H
#define SALLYPORT_REDIS_SCRIPT_H

#include "common/buf.h"
#include "common/str.h"

enum redis_script {
	REDIS_SCRIPT_PUT, /* KEYS: key; ARGV: epoch in 16 digits, value (empty: delete), ms → 1, or 0: there is a newer one */
	REDIS_SCRIPT_RATE,  /* ARGV: count, ms, want, burst → {granted, ms} */
	REDIS_SCRIPT_LEASE, /* ARGV: node, limit, used, ms → {held, used, nodes} */
	REDIS_SCRIPT_COUNT
};

struct redis_sha {
	char hex[40];
};

struct str redis_script_text(enum redis_script s);
/* Of the text, as EVALSHA takes it. */
void redis_script_sha(enum redis_script s, struct redis_sha *out);
/* Of the function that is the same. */
struct str redis_script_function(enum redis_script s);
/* The library of all of them, for FUNCTION LOAD. */
void redis_script_library(struct buf *b);

#endif
