/*
 * What a transfer is made of on the wire, as leaf readers and writers: Refer-To (RFC 3515 §2.1), Replaces (RFC 3891
 * §6.1), Refer-Sub (RFC 4488 §4), Subscription-State (RFC 6665 §8.2.3) and message/sipfrag (RFC 3420). Linear in their
 * input; nothing is allocated.
 */
#ifndef SALLYPORT_REFER_H
#define SALLYPORT_REFER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/core/msg.h"
#include "sbc/core/uri.h"

/* Octets of a Replaces value that a Refer-To may hold, unescaped. */
enum { REFER_REPLACES_MAX = 768 };

/* A dialog as the one who is to be asked knows it: to_tag is its own tag, from_tag the far end's. Views. */
struct refer_replaces {
	struct str call_id, to_tag, from_tag;
	bool early_only;
};
/* The value of a Replaces header. ERR_BAD: no Call-ID, a tag missing or given twice. */
enum err refer_replaces_parse(struct str value, struct refer_replaces *out) MUST_USE;
void refer_replaces_write(struct buf *b, const struct refer_replaces *r);
/* "Replaces=…" as a header of a URI, escaped. */
void refer_replaces_write_escaped(struct buf *b, const struct refer_replaces *r);

/* Where a REFER points. Views into the value, but `replaces` into `mem`. */
struct refer_to {
	struct uri uri;    /* of what it names; its headers are not to be believed */
	struct str method; /* of the URI; empty: INVITE */
	bool has_replaces;
	struct refer_replaces replaces;
};
/*
 * The value of Refer-To. Of the headers inside the URI only Replaces is looked at; the rest is as if it were not there
 * (threats A6). ERR_BAD: no address, or a Replaces that cannot be read or stands twice; ERR_LIMIT: Replaces is too long.
 */
enum err refer_to_parse(struct str value, char mem[REFER_REPLACES_MAX],
			struct refer_to *out) MUST_USE;
/* The one Refer-To of a REFER: ERR_BAD where there is none, or more. */
enum err refer_to_of(const struct msg *m, char mem[REFER_REPLACES_MAX],
		     struct refer_to *out) MUST_USE;

/* Does the referrer want to be told? Not with Refer-Sub: false, where that is read as RFC 4488 has it. */
bool refer_wants_notify(const struct msg *m);

enum refer_state { REFER_ACTIVE, REFER_PENDING, REFER_TERMINATED, REFER_STATE_COUNT };
/* ERR_BAD: a state that we do not know. *out_expires_s: 0 where not given. */
enum err refer_state_parse(struct str value, enum refer_state *out,
			   uint32_t *out_expires_s) MUST_USE;
/* "active;expires=60" or "terminated;reason=noresource", and CRLF, behind the header's name. */
void refer_state_write(struct buf *b, enum refer_state state, uint32_t expires_s);

/* The status of the first line of a message/sipfrag body. ERR_BAD. */
enum err refer_frag_parse(struct str body, uint16_t *out_status) MUST_USE;
/* The status line alone, afresh: what else a fragment may hold says where it comes from. */
void refer_frag_write(struct buf *b, uint16_t status);

#endif
