/*
 * Who says who calls: P-Asserted-Identity, P-Preferred-Identity (RFC 3325), Remote-Party-ID, Privacy (RFC 3323), and what
 * the other side is told of it. Asserted identities are believed from trusted sides alone and shown to trusted sides
 * alone; URIs are written afresh, with the number and our own host. A leaf: it knows of no call.
 */
#ifndef SALLYPORT_IDENTITY_H
#define SALLYPORT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/buf.h"
#include "sbc/core/msg.h"
#include "sbc/core/rules.h"
#include "sbc/core/settings.h"

enum {
	IDENTITY_LINES_MAX = 3, /* two identities and Privacy */
	IDENTITY_DISPLAY_MAX = 255
};

/* What Privacy asks for. */
enum {
	PRIVACY_ID = 1 << 0,
	PRIVACY_USER = 1 << 1,
	PRIVACY_HEADER = 1 << 2,
	PRIVACY_SESSION = 1 << 3,
	PRIVACY_HISTORY = 1 << 4,
	PRIVACY_CRITICAL = 1 << 5,
	PRIVACY_NONE = 1 << 6,
	PRIVACY_UNKNOWN = 1 << 7 /* something that we do not know how to do */
};

struct identity_params {
	bool from_trusted, to_trusted;
	enum caller_assert assert; /* of the side that it comes from */
	enum caller_form form;     /* of the side that it goes to */
	const struct number_rules *in, *out;
	const struct addr *host; /* ours, towards that side */
	bool sips;
	struct str verstat; /* of the caller's number; empty: nothing is said of it */
};

/* Is this trunk (NULL: none) of this realm in one trust domain with us? */
bool identity_is_trusted(const struct settings *s, const struct trunk *t, uint16_t realm);
/* PRIVACY_*; `none` stands alone. A trusted side's Remote-Party-ID may ask too. */
uint8_t identity_privacy(const struct msg *m, bool from_trusted);
/* Must the sender be nobody to that side? */
bool identity_hides(uint8_t privacy, bool to_trusted);
/*
 * It asks, with `critical`, for what we do not do (RFC 3323 §5): to be refused with 500. `anchored`: its media pass through
 * us, which is what `session` asks for.
 */
bool identity_is_impossible(uint8_t privacy, bool anchored);

/* Headers that say it to the other side, for rules_carry; values in `text`. How many. */
size_t identity_lines(struct buf *text, const struct msg *m, uint8_t privacy,
		      const struct identity_params *p, struct rules_line out[IDENTITY_LINES_MAX]);
/*
 * `"Bob" <sip:number@host>` from a From value, or `"Anonymous" <sip:anonymous@anonymous.invalid>` where it is hidden or was
 * anonymous already: the name and the number cross, where they come from does not.
 */
void identity_write_from(struct buf *b, struct str from, struct str number, const struct addr *host,
			 bool sips, bool hidden);
/* The same with a domain instead of our address. */
void identity_write_from_at(struct buf *b, struct str from, struct str number, struct str domain,
			    bool sips, bool hidden);
/*
 * Says in the URI at the end of what b holds from `at` on what became of the signature of its number (3GPP TS 24.229, verstat).
 * Nothing happens where `verstat` is empty or there is no number.
 */
void identity_add_verstat(struct buf *b, size_t at, struct str verstat);
/* `<sip:number@host>`, both ours to give; an empty number is left out. */
void identity_write_uri(struct buf *b, struct str number, const struct addr *host, bool sips);

#endif
