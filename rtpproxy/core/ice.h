/*
 * ICE-lite (RFC 8445 §2.5) of one media: who may be sent to, because it asked with the right words. The peer
 * checks and nominates, we answer; so we are controlled, always (a peer that thinks otherwise gets 487). A leaf
 * machine: a check in, its answer in the same bytes out, never longer than the check (threats D12).
 *
 *   no path ──check──► path proven ──USE-CANDIDATE──► selected ──30 s without a sign──► no consent ──check──► selected
 *
 * What fails here is dropped without a word, although RFC 8489 §9.1.3 has 400 and 401 for it: who does not know the
 * password gets nothing from us.
 * A peer that is lite too sends no checks, and nor do we (RFC 8445 §8.2): its leg is served without this.
 *
 * Time in it: ICE_CONSENT_US without a sign of the selected path and nothing is sent there any more (RFC 7675).
 * ICE_STALE_US after its last nomination a path gives way to one of lower priority.
 */
#ifndef SALLYPORT_ICE_H
#define SALLYPORT_ICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/id.h"
#include "common/rng.h"
#include "common/str.h"

enum {
	ICE_UFRAG_LEN = 8,
	ICE_PWD_LEN = 26, /* 134 bits */
	ICE_TEXT_MAX = 256,
	ICE_UFRAG_MIN = 4,
	ICE_PWD_MIN = 22,
	ICE_COMPONENTS = 2, /* RTP, RTCP */
	ICE_PATHS = 8,      /* proven addresses of a component; the one not heard of longest goes */
	ICE_CONSENT_US = 30000000,
	ICE_STALE_US = 3000000,
	/* A check on the selected path so long after its selection says that the peer asks for consent
	 * as RFC 7675 does; from then on nothing else counts. Others (RFC 5245) end their checks. */
	ICE_CONSENTS_US = 10000000,
	ICE_CHECKS_A_SECOND = 100 /* of one path, and of all unproven sources of a component */
};

struct ice_local {
	char ufrag[ICE_UFRAG_LEN], pwd[ICE_PWD_LEN]; /* not terminated */
};

/* An address of the peer that has proven that it knows our password. */
struct ice_path {
	struct addr addr;
	uint8_t generation; /* of our words that it used */
	bool nominated;
	uint32_t priority;
	uint64_t who;          /* hash of the peer's ufrag: which fork it is */
	uint64_t heard_us;     /* last right check */
	uint64_t nominated_us; /* last check that said USE-CANDIDATE; 0: the last one did not */
	uint64_t due_us;       /* when the next check is due (GCRA) */
};

struct ice_component {
	struct ice_path path[ICE_PATHS];
	uint8_t count;
	int8_t selected;               /* -1 */
	bool consents;                 /* the peer asks for consent: see ICE_CONSENTS_US */
	bool lost;                     /* told: no consent */
	uint64_t selected_us, kept_us; /* kept: last indication from the selected path */
	uint64_t due_us;
};

struct ice {
	struct ice_local local[2]; /* in force; before the last restart */
	struct ice_local next;     /* of a restart that is not agreed yet */
	bool has_previous, has_remote;
	bool signalled,
		restarts; /* what follows waits for the answer; it needs new words of ours */
	uint8_t generation;
	uint64_t remote_who, remote_words; /* hashes of ufrag, and of ufrag and password */
	uint64_t next_who, next_words;
	struct ice_component component[ICE_COMPONENTS];
	id_t64 id, call; /* the owner's */
	void *user;      /* the owner's */
};

void ice_local_make(struct ice_local *l, struct rng *rng);
void ice_init(struct ice *i, const struct ice_local *local);

/* Are these the words of an agent (RFC 8839 §5.4): lengths and characters? */
bool ice_words_check(struct str ufrag, struct str pwd);
/*
 * The words that the peer's SDP has: in force with ice_commit. `fresh`: our new words if the peer restarts, which is so
 * when they are others than before; NULL in an answer, which cannot restart. ice_words_check holds.
 */
void ice_signal(struct ice *i, struct str ufrag, struct str pwd, const struct ice_local *fresh);
/* Agreed. True: a restart. What was selected before is used until the new words have proven a path. */
bool ice_commit(struct ice *i, uint64_t now_us);

enum ice_verdict {
	ICE_ANSWER, /* data[0…len) is to go back to where it came from */
	ICE_TAKEN,  /* heard; there is nothing to say */
	ICE_SHAPE,  /* not STUN, or nothing that a lite agent is asked */
	ICE_AUTH,   /* unknown user name, wrong integrity, or an indication from no known path */
	ICE_RATE,
	ICE_SIZE, /* the answer would be longer than the request */
	ICE_VERDICT_COUNT
};

struct ice_out {
	enum ice_verdict verdict;
	size_t len;
	unsigned error; /* of the answer: 0, 400, 420, 487 */
	bool selected;  /* `from` is where to send from now on */
};

/* A STUN datagram that came for this component. Its bytes become the answer's. */
struct ice_out ice_step(struct ice *i, unsigned component, uint8_t *data, size_t len,
			const struct addr *from, uint64_t now_us);
/* May media come from there: has the peer proven this address with its present words? */
bool ice_has_path(const struct ice *i, unsigned component, const struct addr *from);
/* The same before the peer's words are known: by a check with ours alone. */
bool ice_is_proven(const struct ice *i, unsigned component, const struct addr *from);
/* Where to send; NULL: nothing is selected. */
const struct addr *ice_selected(const struct ice *i, unsigned component);
/* May it be sent to? media_us: when media last came from there (0: never). */
bool ice_has_consent(const struct ice *i, unsigned component, uint64_t media_us, uint64_t now_us);

#endif
