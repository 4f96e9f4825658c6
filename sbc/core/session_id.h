/*
 * Session-ID (RFC 7989): which UUID each side of a call goes by. A leaf: it takes what a side says of itself, and says what
 * the other side is told. The form of RFC 7329 (one identifier for both, no `remote`) is understood, and answered in kind.
 * Nothing but hexadecimal digits of it is ever repeated.
 */
#ifndef SALLYPORT_SESSION_ID_H
#define SALLYPORT_SESSION_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

enum { SESSION_ID_LEN = 32, SESSION_ID_BYTES = 16 };

/* One header value. */
struct session_id_value {
	char local[SESSION_ID_LEN], remote[SESSION_ID_LEN]; /* lower case */
	bool has_remote;                                    /* false: the form of RFC 7329 */
};
/* ERR_BAD: no UUID of 32 hexadecimal digits, or parameters that cannot be read. */
enum err session_id_parse(struct str value, struct session_id_value *out) MUST_USE;

struct session_id_side {
	char uuid[SESSION_ID_LEN];
	bool known;
	bool made; /* by us: gives way as soon as the side says one of its own */
	bool old;  /* speaks RFC 7329 */
};

/* Zeroed: nobody has said anything. */
struct session_id {
	struct session_id_side side[2];
};

/* A message of `side` came with this value (its first; empty: with none). True: it is new to us. */
bool session_id_take(struct session_id *s, unsigned side, struct str value);
/* The side has none: it goes by this one, of fresh random bytes (RFC 4122 §4.4). */
void session_id_make(struct session_id *s, unsigned side, const uint8_t random[SESSION_ID_BYTES]);
/* What messages to `side` say: the other side's, and its own. False: nothing is to be said. */
bool session_id_write(struct buf *b, const struct session_id *s, unsigned side);
/* `side` is from now on in a session with the party that is `other_side` of `other` (RFC 7989 §8: transfer). */
void session_id_join(struct session_id *s, unsigned side, const struct session_id *other,
		     unsigned other_side);

#endif
