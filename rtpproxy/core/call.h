/*
 * A call: its Call-ID, and its dialogues. A dialogue is two legs and one branch; a parallel fork is
 * a further dialogue with ports of its own, so that each answerer's media stays apart. Here are the
 * rules by which a command finds its dialogue (ng-protocol §7) and what a delete takes with it (§5).
 * Not here: ports, SDP, time-outs.
 */
#ifndef SALLYPORT_CALL_H
#define SALLYPORT_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/id.h"
#include "common/str.h"
#include "common/table.h"
#include "common/wheel.h"
#include "rtpproxy/core/leg.h"

struct recording;
struct subscriber;

struct dialogue {
	id_t64 id;
	char branch[LIMIT_BRANCH + 1]; /* Via branch of the offer that made it; may be empty */
	bool answered;
	uint8_t offerer;  /* leg of the last offer */
	uint64_t dies_ms; /* 0: lives; else when it goes, and no command finds it any more */
	uint64_t created_ms;
	struct leg legs[2]; /* [0] made the first offer */
};

struct call {
	struct table_node node;
	id_t64 id;
	struct timer timer;
	char call_id[LIMIT_CALL_ID + 1];
	uint64_t created_ms, signal_ms; /* monotonic */
	uint64_t created_wall_us, signal_wall_us;
	uint64_t media_us; /* last packet of any leg seen by the time-out */
	struct dialogue *dialogues[LIMIT_DIALOGUES];
	uint8_t dialogue_count;
	bool dying; /* all its dialogues are */
	bool has_media_ms;
	uint64_t media_ms; /* its own time-out (`media timeout`): 0 is never */
	/* Who hears of its events (owner.h); 0: nobody. In front of each stands the cookie. */
	uint8_t owner;
	uint32_t told; /* number of its latest event */
	char notify[LIMIT_NOTIFY + 1];
	struct subscriber *subscribers;
	struct recording *recording; /* NULL: none */
	struct addr
		dtmf_dest; /* where its keys are told as JSON; family ADDR_NONE: nowhere of its own */
	bool dtmf_detect; /* its keys are told in any case */
};

/* Who a command is about; views. */
struct call_names {
	struct str from_tag, to_tag, branch;
};

/* A dialogue and which of its legs sends the message. d NULL: none. */
struct call_place {
	struct dialogue *d;
	unsigned side;
};

/* The dialogue that an offer belongs to; none: a new one. Changes nothing. REFUSAL_DIALOGUE. */
enum refusal call_find_offer(const struct call *c, const struct call_names *n,
			     struct call_place *out) MUST_USE;
/* The dialogue that an answer ends an offer of. REFUSAL_DIALOGUE. */
enum refusal call_find_answer(const struct call *c, const struct call_names *n,
			      struct call_place *out) MUST_USE;
/* After an answer: the other leg is the one with this tag; another tag before stays as an alias. */
void call_set_to_tag(const struct call_place *p, struct str to_tag);

/*
 * Marks what a delete takes (bit i: dialogues[i]). with_to_tag: the flag `to-tag` was given.
 * REFUSAL_DELETE_TAGS: nothing matches.
 */
enum refusal call_find_delete(const struct call *c, const struct call_names *n, bool with_to_tag,
			      unsigned *out_mask) MUST_USE;

/* How long a call may go on like that, in ms; 0: for ever. */
struct call_timeouts {
	uint64_t media; /* without a packet */
	uint64_t held;  /* the same while some of its media is on hold */
	uint64_t offer; /* without an answer */
	uint64_t total;
	uint64_t lost; /* of one party, until it is told as lost; the call goes on */
};

enum call_end { CALL_END_MEDIA, CALL_END_HELD, CALL_END_OFFER, CALL_END_TOTAL, CALL_END_COUNT };

struct call_deadline {
	uint64_t at_ms; /* UINT64_MAX: never */
	enum call_end why;
};

/* When the call ends if nothing more happens. Notes the last packet in c->media_us. */
struct call_deadline call_find_deadline(struct call *c, const struct call_timeouts *t);

/* A leg of the call with that tag. NULL: none. */
const struct leg *call_find_leg(const struct call *c, struct str tag);
/* Takes the pointer out of the call. */
void call_drop_dialogue(struct call *c, unsigned i);

#endif
