/*
 * A SIP message as an index over its bytes: what stands where, in original order; nothing is copied or
 * allocated (design §6, stage 1). msg_full is stage 2: the syntax of what creates state. All views point into
 * the bytes given to msg_index and live as long as these.
 */
#ifndef SALLYPORT_MSG_H
#define SALLYPORT_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/core/hdr.h"
#include "sbc/core/method.h"

/* Why more would be refused: threats A10, A11. Above them ERR_LIMIT. */
enum {
	MSG_BYTES_MAX = 128 * 1024,
	MSG_HEADER_BYTES_MAX = 64 * 1024, /* start line and headers */
	MSG_HEADERS_MAX = 200,
	MSG_VIAS_MAX = 64,
	/* libosip2 is quadratic in these; only msg_full asks (measured: 0.9 s for 30,000). */
	MSG_FULL_COMMAS_MAX = 256, /* in one header */
	MSG_FULL_PARAMS_MAX =
		128, /* semicolons in one header or in the Request-URI; & counts too */
	MSG_FULL_ITEMS_MAX = 2048,  /* of both in the whole message */
	MSG_FULL_ARENA = 128 * 1024 /* what msg_full would like to find in its arena */
};

/* What is wrong with a message. X(name, status to answer with or 0 for silence, reason phrase). */
#define MSG_FAULT_TABLE(X)                                                                         \
	X(NONE, 0, "")                                                                             \
	X(EMPTY, 0, "Keep-alive")                                                                  \
	X(NOT_SIP, 0, "Not SIP")                                                                   \
	X(START_LINE, 400, "Bad start line")                                                       \
	X(VERSION, 505, "Version Not Supported")                                                   \
	X(STATUS_CODE, 0, "Bad status code")                                                       \
	X(REQUEST_URI, 400, "Bad Request-URI")                                                     \
	X(UNFINISHED, 400, "Header section not ended")                                             \
	X(HEADER_LINE, 400, "Bad header line")                                                     \
	X(CONTROL_OCTET, 400, "Control octet in header")                                           \
	X(TOO_LONG, 513, "Message Too Large")                                                      \
	X(TOO_MANY_HEADERS, 513, "Too many headers")                                               \
	X(TOO_MANY_VIAS, 513, "Too many Vias")                                                     \
	X(TOO_MANY_ITEMS, 513, "Too many items in a header")                                       \
	X(NO_VIA, 0, "Missing Via")                                                                \
	X(NO_FROM, 400, "Missing From")                                                            \
	X(NO_TO, 400, "Missing To")                                                                \
	X(NO_CALL_ID, 400, "Missing Call-ID")                                                      \
	X(NO_CSEQ, 400, "Missing CSeq")                                                            \
	X(NO_CONTENT_LENGTH, 400, "Missing Content-Length")                                        \
	X(DUPLICATE, 400, "Header given twice")                                                    \
	X(VIA, 400, "Bad Via")                                                                     \
	X(FROM, 400, "Bad From")                                                                   \
	X(TO, 400, "Bad To")                                                                       \
	X(CONTACT, 400, "Bad Contact")                                                             \
	X(ROUTE, 400, "Bad Route or Record-Route")                                                 \
	X(CALL_ID, 400, "Bad Call-ID")                                                             \
	X(CSEQ, 400, "Bad CSeq")                                                                   \
	X(CSEQ_METHOD, 400, "CSeq method differs")                                                 \
	X(MAX_FORWARDS, 400, "Bad Max-Forwards")                                                   \
	X(CONTENT_LENGTH, 400, "Bad Content-Length")                                               \
	X(BODY_SHORT, 400, "Body shorter than Content-Length")                                     \
	X(NO_CONTACT, 400, "Missing Contact")                                                      \
	X(CONTENT_TYPE, 400, "Bad Content-Type")                                                   \
	X(SYNTAX, 400, "Bad header syntax")                                                        \
	X(NO_MEMORY, 500, "Server Internal Error")

enum msg_fault {
#define X(name, status, text) MSG_FAULT_##name,
	MSG_FAULT_TABLE(X)
#undef X
		MSG_FAULT_COUNT
};

/* "cseq_method": for logs, metrics and tests. Static. */
const char *msg_fault_name(enum msg_fault f);
struct str msg_fault_text(enum msg_fault f);
uint16_t msg_fault_status(enum msg_fault f); /* 0: silence */

enum msg_transport {
	MSG_TRANSPORT_OTHER,
	MSG_TRANSPORT_UDP,
	MSG_TRANSPORT_TCP,
	MSG_TRANSPORT_TLS,
	MSG_TRANSPORT_SCTP,
	MSG_TRANSPORT_WS,
	MSG_TRANSPORT_WSS,
	MSG_TRANSPORT_COUNT
};

/* The top Via. */
struct msg_via {
	struct str
		all; /* the first value: from "SIP/2.0/…" to before the comma or the line's end */
	struct str params; /* from the first ';', trimmed */
	enum msg_transport transport;
	struct str sent_by; /* host and port as written */
	struct str host;    /* IPv6 with its brackets */
	uint16_t port;      /* 0: not given */
	struct str branch;  /* whole, magic cookie included; empty: none */
	struct str received, maddr;
	struct str rport; /* the value; empty also when the parameter stands alone */
	bool has_rport;
	bool has_more; /* a comma follows: further Vias in the same line */
};

struct msg_header {
	uint32_t name_at, value_at; /* offsets in msg.bytes */
	uint32_t value_len;         /* trimmed at both ends; folding still inside */
	uint16_t name_len;
	uint8_t id; /* enum hdr */
	uint8_t next; /* index + 1 of the next header of the same id, 0: none (not kept for HDR_OTHER) */
	bool folded;
};

struct msg {
	struct str bytes; /* this message alone: octets after the body are cut off */
	enum msg_fault fault;
	uint32_t fault_at; /* offset in bytes where it showed */
	/* Request, with Via, From, To, Call-ID and CSeq that can be copied: a response can be built, also
	 * where msg_index did not return OK. False for ACK. */
	bool answerable;
	bool is_request;
	enum method method;     /* of the request line; of CSeq in a response */
	struct str method_text; /* the same as written */
	struct str uri;         /* Request-URI; & counts too */
	uint16_t status;        /* 100 … 699 in a response */
	struct str reason;      /* reason phrase */
	struct msg_via via;
	struct str from, to; /* whole values */
	struct str from_tag, to_tag;
	struct str call_id;
	uint32_t cseq;
	int16_t max_forwards; /* -1: not given, or above 255 (RFC 4475 §3.1.2.4: as if absent) */
	struct str content_type; /* whole value */
	struct str body;
	uint8_t header_count;
	uint8_t via_lines;
	uint8_t first[HDR_COUNT]; /* index + 1 of the first header of an id, 0: none */
	uint8_t last[HDR_COUNT];
	struct msg_header headers[MSG_HEADERS_MAX];
};

enum msg_flag {
	MSG_STREAM =
		1, /* TCP, TLS: Content-Length is mandatory (RFC 3261 §18.3). Else one datagram. */
};

/*
 * Fills m. ERR_MORE: the header section or the body is not complete; over a datagram it never will be. ERR_BAD,
 * ERR_LIMIT: m->fault says why. Departure from the house rule on failures: m is filled as far as the bytes could
 * be read, because a 400 has to repeat them; trust only `answerable`, and build_reply_base then.
 */
enum err msg_index(struct msg *m, struct str bytes, unsigned flags) MUST_USE;

/*
 * The whole syntax of a message that msg_index accepted: our own reading of URIs and addresses, then libosip2 over
 * the header section for everything else. Memory comes from `a` and is given back before the return.
 * ERR_BAD, ERR_LIMIT, ERR_NOMEM with m->fault set.
 */
enum err msg_full(struct msg *m, struct arena *a) MUST_USE;
/* Its first half: what creates a dialog must have Contact, tags and URIs that can be used. */
enum err msg_check(struct msg *m) MUST_USE;

/* Value of the first header of this id; STR_NONE: none. */
struct str msg_value(const struct msg *m, enum hdr id);
bool msg_has(const struct msg *m, enum hdr id);
/* Walks the headers of one id: *cursor starts at 0. False at the end. */
bool msg_next(const struct msg *m, enum hdr id, size_t *cursor, struct str *out_value);
/* Name and value of the i-th header (i < header_count). */
struct str msg_name_at(const struct msg *m, size_t i);
struct str msg_value_at(const struct msg *m, size_t i);
/* First header of this name, without case; unknown names too. */
struct str msg_value_of(const struct msg *m, struct str name);
/* Is `token` in any of the comma lists of this header (Require, Supported, Allow, …)? */
bool msg_has_token(const struct msg *m, enum hdr id, struct str token);
/* Is the body of this type ("application/sdp"; parameters ignored, without case)? */
bool msg_body_is(const struct msg *m, struct str type);

#endif
