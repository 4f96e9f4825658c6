/*
 * The parts of a message's body: the body itself, or what a multipart holds (RFC 2046 §5.1, RFC 5621), found in place and
 * bounded (threats A1); and a multipart written afresh. What a part means is not known here, but for the session
 * description. Views into the message.
 */
#ifndef SALLYPORT_BODY_H
#define SALLYPORT_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/core/msg.h"

enum {
	BODY_PARTS_MAX = 16,
	BODY_DEPTH_MAX = 2, /* a multipart within a multipart */
	BODY_BOUNDARY_MAX = 70,
	BODY_PART_HEADERS_MAX = 16
};

struct body_part {
	struct str type;        /* of Content-Type, the whole value */
	struct str disposition; /* "session", without its parameters; empty: not given */
	struct str bytes;
	bool optional;    /* handling=optional, its own or of the multipart around it */
	bool encoded;     /* in an encoding that we do not undo */
	bool alternative; /* one of several that say the same (RFC 2046 §5.1.4) */
};

struct body {
	struct body_part parts[BODY_PARTS_MAX]; /* leaves only, in order */
	uint8_t count;
	uint8_t seen; /* multiparts too: all count against the limit */
};

/* Is the type of a Content-Type value this one (parameters ignored, without case)? */
bool body_is(struct str content_type, struct str type);
bool body_is_multipart(struct str content_type);

/* ERR_BAD: no multipart of RFC 2046; ERR_LIMIT: a bound of ours. A message without a body has no parts. */
enum err body_read(const struct msg *m, struct body *out) MUST_USE;
/* The same for one body: its Content-Type, Content-Disposition and Content-Encoding. */
enum err body_parse(struct str bytes, struct str type, struct str disposition, struct str encoding,
		    struct body *out) MUST_USE;
/* The part that describes the session; NULL: none does. */
const struct body_part *body_session(const struct body *b);

/* Types that are understood or named. */
struct body_types {
	const struct str *list;
	size_t count;
};
bool body_has_type(const struct body_types *t, struct str content_type);
/* Nothing that must be understood (handling=required, the default) is of another type (RFC 5621 §5). */
bool body_is_understood(const struct body *b, const struct body_types *understood,
			const struct body_types *named);

/*
 * A multipart/mixed of sdp (may be empty) and those parts of `from` that are named, afresh: their type, disposition and
 * bytes alone. How many parts it has; 0: nothing was written. `boundary`: a token that stands in none of them.
 */
size_t body_write(struct buf *b, struct str boundary, struct str sdp, const struct body *from,
		  const struct body_types *named);

#endif
