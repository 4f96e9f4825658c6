/*
 * What the core tells the world of: the one record from which the shell makes the log line, the
 * metric, the page and the CDR, so that these cannot disagree (style §8). Views live until publish
 * returns.
 */
#ifndef SALLYPORT_NOTICE_H
#define SALLYPORT_NOTICE_H

#include <stdint.h>

#include "common/addr.h"
#include "common/id.h"
#include "common/str.h"
#include "policy/verdict.h"
#include "sbc/core/settings.h"

struct ban;
struct cdr;
struct consequence; /* policy/subject.h */

enum notice_type {
	NOTICE_REQUEST,    /* a request arrived and was understood: realm, transport, method */
	NOTICE_RESPONSE,   /* a final response was sent to a request: realm, method, status */
	NOTICE_RETRANSMIT, /* we sent again: realm, method */
	NOTICE_DUPLICATE,  /* a retransmission arrived and was absorbed: realm, method */
	NOTICE_DROPPED,    /* bytes were dropped: realm, transport, why, source */
	NOTICE_REFUSED, /* a request was refused by a verdict: realm, method, source, verdict; cdr where it has a record and is no call */
	NOTICE_CALL_STARTED,  /* call, trunk in, from, to */
	NOTICE_CALL_ATTEMPT,  /* one egress INVITE went out: call, trunk */
	NOTICE_ATTEMPT_ENDED, /* call, trunk, status */
	NOTICE_CALL_ANSWERED, /* call */
	NOTICE_CALL_ENDED,    /* call, cdr: exactly one for each attempted call */
	NOTICE_IDENTITY, /* the signature of a call's caller was looked at: call, trunk, why: passed, or the fault */
	NOTICE_SIGNED, /* we have signed a call: call, its trunk, why: A, B, C, div, or failed */
	NOTICE_TRANSFER_STARTED, /* call: of the party that asks */
	NOTICE_TRANSFER_ENDED,   /* call, status: 200, or why it failed */
	NOTICE_PEER_UP,          /* trunk, peer */
	NOTICE_PEER_DOWN,        /* trunk, peer, status or 0 */
	NOTICE_PEER_RESTING,     /* trunk, peer, why, seconds: tried behind all others so long */
	NOTICE_PEER_RETURNING, /* trunk, peer, why it rested, seconds: has a growing share of calls */
	NOTICE_PEER_GOOD,      /* trunk, peer, why it rested */
	NOTICE_ENROLLED,       /* we are registered at a trunk: trunk, peer, seconds */
	NOTICE_ENROL_FAILED, /* we are not: trunk, peer, status or 0, why, seconds until the next try */
	NOTICE_ENROL_ENDED, /* we have signed off: trunk, peer, status or 0 */
	NOTICE_CHALLENGED, /* a trunk wants credentials: trunk, method, status, why (answered, or why not) */
	NOTICE_CALL_ADOPTED, /* call: it was another node's, which has gone */
	NOTICE_CALL_LET_GO,  /* call: another node has it, it ends here without a CDR */
	NOTICE_BAN, /* what became of a ban: ban, why (banned, quarantined, longer, lifted, proven, ended, flood, spared, unproven, full), seconds */
	NOTICE_MEDIA,   /* what the relay has seen of a party's media: call, side, its trunk, why */
	NOTICE_FRAUD,   /* what a rule wants done to whom: todo, source where the subject is one */
	NOTICE_OPINION, /* somebody else was asked of a call: call, why: what came of it */
	NOTICE_OPINION_RESTS, /* it failed too often, and is left alone for `seconds`; 0: it answers again */
	NOTICE_COUNT
};

/* Why bytes were dropped without an answer; label `reason` of sallyport_dropped_total. X(name,
 * text, help) */
#define NOTICE_DROP_TABLE(X)                                                                       \
	X(NOT_SIP, "not_sip", "bytes that are not SIP")                                            \
	X(BAN, "ban", "the source is banned")                                                      \
	X(QUARANTINE, "quarantine", "over UDP from a source that may be a scanner")                \
	X(ACL, "acl", "the realm's access list denies the source")                                 \
	X(GEO, "geo", "a rule of geography says silence")                                          \
	X(MALFORMED, "malformed", "broken beyond an answer")                                       \
	X(TOO_BIG, "too_big", "larger than a limit")                                               \
	X(STRAY_RESPONSE, "stray_response", "a response to no transaction of ours")                \
	X(STRAY_ACK, "stray_ack", "an ACK for no call")                                            \
	X(RATE, "rate", "the source asks faster than it may")                                      \
	X(POLICY, "policy", "a rule says silence")                                                 \
	X(UNPROVEN, "unproven",                                                                    \
	  "an answer to a stranger over UDP that has been told as much as it sent")                \
	X(FULL, "full", "a table is full")                                                         \
	X(STALE, "stale", "a late answer for something that has ended")

enum notice_drop {
#define X(name, text, help) NOTICE_DROP_##name,
	NOTICE_DROP_TABLE(X)
#undef X
		NOTICE_DROP_COUNT
};

struct notice {
	enum notice_type type;
	uint64_t now_ms, wall_ms;
	uint16_t realm; /* SETTINGS_NO_INDEX where it does not apply; so with trunk and peer */
	uint16_t trunk;
	uint16_t peer;
	enum transport transport;
	struct addr source;
	char country[2]; /* of the source, where it is known; NULs: it is not */
	uint32_t asn;    /* likewise; 0 */
	struct str method;
	uint16_t status;
	struct str why; /* one word */
	uint32_t seconds;
	unsigned side; /* of a call: 0 who called us, 1 whom we called */
	enum notice_drop drop;
	const struct verdict *verdict;
	struct str call; /* our id of the call: node and number, the same in log, CDR and page */
	struct str from, to; /* numbers */
	const struct cdr *cdr;
	const struct ban *ban;
	const struct consequence *todo;
	const struct settings *settings;
};

#endif
