/*
 * Signatures of who calls, as an INVITE crosses (RFC 8224 §4.1, RFC 8946): those that came and still say the truth of what we
 * write, where lists let them; a `div` of ours beside them where we have led the call to another number; else one of ours. What no
 * longer fits stays behind: the other side could only take it for forged. A leaf.
 */
#ifndef SALLYPORT_SIGNATURE_H
#define SALLYPORT_SIGNATURE_H

#include "common/buf.h"
#include "common/es256.h"
#include "policy/facts.h"
#include "sbc/core/msg.h"
#include "sbc/core/passport.h"
#include "sbc/core/rules.h"

enum {
	SIGNATURE_LINES_MAX = PASSPORT_MAX + 2, /* those that came, one of ours, Date */
	SIGNATURE_BYTES = (PASSPORT_MAX + 1) * PASSPORT_VALUE_MAX
};

struct signature_params {
	/* Numbers of the caller and the called as the other side gets them, and canonical. */
	struct str from, from_canonical, to, to_canonical;
	/* The called one as it came, and canonical. */
	struct str dialled, called;
	bool may_cross;              /* the lists name Identity */
	const struct es256_key *key; /* NULL: we sign nothing */
	struct str url, origid;
	enum facts_attest attest;
	uint64_t wall_s;
};

struct signature_made {
	uint8_t kept;
	bool div;                    /* we have added one */
	enum facts_attest signed_as; /* UNKNOWN: there is none of ours */
	bool failed;                 /* there should be one, and could not be */
};

/*
 * The number that both sides of a signature mean: what is written, where it says that it is whole (with +), else the canonical
 * one if that does, else what is written. False: it is no number.
 */
bool signature_write_tn(struct buf *b, struct str written, struct str canonical);
/* Header lines for rules_carry; values in `text`, of SIGNATURE_BYTES. How many. */
size_t signature_lines(struct buf *text, const struct msg *m, const struct signature_params *p,
		       struct rules_line out[SIGNATURE_LINES_MAX], struct signature_made *made);

#endif
