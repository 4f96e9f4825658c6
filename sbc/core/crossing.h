/*
 * All headers of a message that cross from one side to the other: what the rules copy, and what is written afresh of who
 * calls, by whom the call was diverted and which session it is (identity, history, session_id). Calls and requests outside
 * of calls come through here alike.
 */
#ifndef SALLYPORT_CROSSING_H
#define SALLYPORT_CROSSING_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "sbc/core/msg.h"
#include "sbc/core/session_id.h"
#include "sbc/core/settings.h"
#include "sbc/core/signature.h"

struct crossing {
	const struct settings *settings;
	uint16_t from_realm,
		to_realm; /* from: SETTINGS_NO_INDEX where we make the message ourselves */
	uint16_t from_trunk, to_trunk;     /* SETTINGS_NO_INDEX: none */
	struct str from_number, to_number; /* canonical */
	struct str call;                   /* its name, for ${call.id} */
	const struct addr *host;           /* ours, towards the side that it goes to */
	bool sips;
	bool body;
	bool hidden; /* who sends it is nobody to that side: known from before */
	const struct session_id *session; /* NULL: not a call */
	unsigned to;                      /* the side of it */
	/* Of the INVITE that begins a call alone: signatures of who calls cross, or are made. NULL: neither. */
	struct crossing_signature *signature;
	struct str verstat; /* for P-Asserted-Identity; empty: nothing is said */
};

/* What of signature_params the call knows, and what came of it. */
struct crossing_signature {
	struct str dialled, called;
	const struct es256_key *key;
	struct str url, origid;
	enum facts_attest attest;
	uint64_t wall_s;
	struct signature_made made;
};

/* Appends to lines; values lie in the arena until the turn ends. m may be NULL. ERR_LIMIT, ERR_NOMEM. */
enum err crossing_write(struct buf *lines, struct arena *a, const struct msg *m,
			const struct crossing *c) MUST_USE;
/* Must the sender of m be nobody to the other side? */
bool crossing_hides(const struct msg *m, const struct crossing *c);
/* A number as that trunk writes it: its `numbers.out`. A view into b, or the number itself. */
struct str crossing_number(const struct settings *s, uint16_t trunk, enum number_field f,
			   struct str number, struct buf *b);

#endif
