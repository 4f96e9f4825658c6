/*
 * Writes fresh requests and responses into a buf, in one pass. Values come from the call's own state; a value
 * with CR, LF or NUL makes the function fail, so none can become a header of its own (threats A5). Nothing of
 * the other side gets in but what the caller hands over.
 */
#ifndef SALLYPORT_BUILD_H
#define SALLYPORT_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/core/msg.h"
#include "sbc/core/settings.h"

/* From or To: `"Bob" <sip:bob@x>` and its tag, kept apart. */
struct build_party {
	struct str value; /* without tag */
	struct str tag;   /* empty: none */
};

struct build_request {
	struct str method;
	struct str uri;
	enum transport transport;
	const struct addr *sent_by; /* of the listener that it leaves from */
	struct str branch;          /* with the magic cookie */
	bool oc;                    /* asks for the peer's load (RFC 7339) */
	bool relayed;               /* of a request that is passed on: max_forwards may be 0 */
	uint8_t max_forwards;       /* else 70 */
	struct build_party from, to;
	struct str call_id;
	uint32_t cseq;
	struct str contact;    /* URI without brackets; empty: no Contact */
	struct str routes;     /* Route values, one after another, parted by '\n'; empty: none */
	struct str last_route; /* a URI to go behind them (strict routing); empty: none */
	struct str headers;    /* ready lines, each ended by CRLF (build_header, rules_carry) */
	struct str content_type, body;
};

/* ERR_BAD: a value that may not stand in a message; ERR_LIMIT: b is full. b is then of no use. */
enum err build_request(struct buf *b, const struct build_request *r) MUST_USE;

/*
 * What every response to one request repeats (RFC 3261 §8.2.6.2), rendered once: a server transaction keeps this
 * block instead of the request. Views into `store`'s memory.
 */
struct build_base {
	struct str
		head; /* Via lines with received and rport, From line, "To: …" without its line end */
	struct str tail;   /* Call-ID and CSeq lines */
	struct str routes; /* Record-Route lines; empty: none */
	bool to_has_tag;
};

/*
 * m must be answerable. `source`: where the request came from; the top Via gets received (always what we saw,
 * never what it claimed) and, where asked for, rport. ERR_LIMIT: store is full (header section + 384 bytes is enough).
 */
enum err build_base(struct buf *store, const struct msg *m, const struct addr *source,
		    struct build_base *out) MUST_USE;

/* The same with parameters of ours (RFC 7339) on the top Via, in place of any "oc" ones: ";oc=20;…". */
enum err build_base_oc(struct buf *store, const struct msg *m, const struct addr *source,
		       struct str oc, struct build_base *out) MUST_USE;

struct build_response {
	const struct build_base *base;
	uint16_t status;
	struct str reason;  /* empty: the standard phrase */
	struct str to_tag;  /* ours; used where the request had none; empty: none (100) */
	bool record_route;  /* repeats Record-Route: 18x and 2xx that make a dialog */
	struct str contact; /* URI without brackets; empty: none */
	struct str headers; /* ready lines */
	struct str content_type, body;
};

enum err build_response(struct buf *b, const struct build_response *r) MUST_USE;

/* ACK to a final answer other than 2xx: same branch, Request-URI and routes as the INVITE (RFC 3261 §17.1.1.3). */
enum err build_ack(struct buf *b, const struct msg *invite, struct str response_to) MUST_USE;
/* RFC 3261 §9.1. Reason lines and the like in `headers`. */
enum err build_cancel(struct buf *b, const struct msg *invite, struct str headers) MUST_USE;

/* "Name: value" CRLF into a block of lines. ERR_BAD: name is no token or value is not clean; ERR_LIMIT. */
enum err build_header(struct buf *lines, struct str name, struct str value) MUST_USE;
/* Standard phrase of a status ("Not Found"); "Unknown" for others. */
struct str build_reason(uint16_t status);
/* Max-Forwards of a request that is passed on: one less than it came with, 70 where it had none (RFC 3261 §16.6). */
uint8_t build_hops_left(const struct msg *m);
/* <sip:user@host:port;transport=tls> without the brackets, as our Contact; user may be empty. */
void build_contact(struct buf *b, bool sips, struct str user, const struct addr *host,
		   enum transport t);

#endif
