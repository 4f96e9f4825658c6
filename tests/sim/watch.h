/*
 * What crosses the core's border, seen from outside: each request that reached it and what it answered, each request
 * that it sent, when it sent again, and whether anything of the one side got to the other. Most invariants are checked
 * here, on the bytes; watch_*.c, one concern each.
 */
#ifndef SALLYPORT_SIM_WATCH_H
#define SALLYPORT_SIM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "tests/sim/faults.h"
#include "tests/sim/lookup.h"
#include "tests/sim/sip_text.h"

enum {
	WATCH_TICK_MS = 4,
	WATCH_TRYING = 200,
	WATCH_PROMPT = 50 + 2 * WATCH_TICK_MS, /* HANDOVER_WAIT_MS */
	WATCH_T1 = 500,
	WATCH_T2 = 4000,
	WATCH_LONG = 64 * WATCH_T1
};
enum { WATCH_FORKS = 6, WATCH_WINDOWS = 512, WATCH_BLOOM_BITS = 1 << 14 };

/* The reliable provisionals of one early dialog. */
struct watch_reliable {
	uint64_t tag; /* a hash; 0: none */
	uint32_t rseq, interval_ms;
	bool open, sdp; /* no PRACK yet; it has SDP */
	uint64_t last_ms;
};

/* A request that reached the core, known by branch, sent-by and method. */
struct watch_request {
	struct str method, call_id, from_tag;
	uint32_t cseq, copies;
	bool initial;           /* the first INVITE of its Call-ID */
	bool trusted;           /* came from the trusted side */
	bool udp, acked, heard; /* heard: something was answered */
	uint16_t final;         /* that the core gave; 0: none */
	unsigned sent;          /* final responses, repeated ones too */
	uint64_t arrived_ms, copy_ms, final_ms, last_ms;
	uint32_t interval_ms;                        /* until the final answer is due again */
	struct watch_reliable reliable[WATCH_FORKS]; /* of each early dialog */
	uint64_t ring_ms;                            /* the first 18x */
};

/* A request of the core's. */
struct watch_sent {
	struct str method;
	bool trusted, udp, invite, cancel, off;
	bool ringing; /* a provisional has come */
	uint16_t final;
	uint32_t copies, interval_ms;
	uint64_t start_ms, last_ms, answered_ms, final_ms, cancel_ms; /* 0: not */
};

/* All requests of one Call-ID on one side. */
struct watch_call {
	uint64_t bye_ms;    /* the first BYE that reached the core; 0: none */
	uint64_t answer_ms; /* the first 2xx of an INVITE that reached it */
	uint32_t initial;   /* the last one, of `in`; LOOKUP_NONE: the core called */
};

/* A final answer to an INVITE of ours, and whether it got its ACK. */
struct watch_final {
	uint16_t status;
	bool acked;
};

struct watch {
	struct arena *arena;
	struct faults *faults;
	uint64_t now_ms;
	/* What this world expects. */
	uint32_t hops; /* of the INVITEs that come */
	bool srtp[2];  /* no plaintext to the untrusted, trusted side */
	bool drains;   /* the operator has asked for it */
	bool rogue;    /* a phone breaks rules */
	/*
	 * Two nodes: a 503 because of the store leaves no transaction where it is given, and a BYE that comes again by the other
	 * node when its call is over finds no call there.
	 */
	bool shared;
	bool prompt;           /* nothing that the store does may keep an answer waiting */
	bool stalls;           /* the core gets no CPU at times: no schedule can be held */
	bool stops;            /* the operator ends calls: what is not answered is dropped */
	bool closes;           /* connections go: what was answered over one may never be heard */
	bool gives_up;         /* routes that do not wait for 64*T1 */
	struct lookup index;   /* requests, sent, calls, finals by hash with a prefix */
	struct lookup names;   /* identifiers → sides that have them, one bit each */
	struct lookup numbers; /* CSeq by dialog and direction */
	struct watch_request *in;
	struct watch_sent *out;
	struct watch_call *calls;
	struct watch_final *finals;
	uint32_t in_count, in_cap, out_count, out_cap, call_count, call_cap, final_count, final_cap;
	/* The ends of the trusted side's identifiers, to find them anywhere in a message. */
	struct str windows[WATCH_WINDOWS];
	unsigned window_count;
	uint64_t bloom[WATCH_BLOOM_BITS / 64];
	uint64_t messages_in, messages_out;
};

void watch_reset(struct watch *w, struct arena *arena, struct faults *faults);
void watch_release(struct watch *w);
void watch_in(struct watch *w, bool trusted, bool udp, struct str bytes, uint64_t now_ms);
void watch_out(struct watch *w, bool trusted, bool udp, struct str bytes, uint64_t now_ms);
/* The core is idle: each request has its one answer, each answer its ACK. `silent_ok`: a non-INVITE may have none (its
 * answer never came from the other side, RFC 4320). */
void watch_check(struct watch *w, bool silent_ok);
/* The initial INVITE of this Call-ID; NULL: none. */
const struct watch_request *watch_find_call(const struct watch *w, struct str call_id);
const struct watch_call *watch_call_of(const struct watch *w, struct str call_id);

/* ---- shared by watch_*.c */

enum watch_key { KEY_IN = 1, KEY_OUT, KEY_CALL, KEY_FINAL, KEY_INVITE, KEY_DIALOG, KEY_SERVED };

struct watch_request *watch_find_in(struct watch *w, const struct sip_text *m);
struct watch_sent *watch_find_out(struct watch *w, struct str branch, struct str method);
struct watch_call *watch_call(struct watch *w, struct str call_id);

/* watch_hide.c */
void watch_learn(struct watch *w, const struct sip_text *m, bool trusted);
void watch_hidden(struct watch *w, const struct sip_text *m, bool trusted);

/* watch_answer.c: what the core answers */
void watch_request_came(struct watch *w, const struct sip_text *m, bool trusted, bool udp);
void watch_answer_went(struct watch *w, const struct sip_text *m, bool udp);
void watch_ack_came(struct watch *w, const struct sip_text *m);
void watch_prack_came(struct watch *w, const struct sip_text *m);

/* watch_sent.c: what the core asks */
void watch_request_went(struct watch *w, const struct sip_text *m, bool trusted, bool udp);
void watch_answer_came(struct watch *w, const struct sip_text *m);
void watch_check_sent(struct watch *w);

#endif
