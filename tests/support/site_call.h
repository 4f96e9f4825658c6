/* An established call through the small site, from the carrier to the first peer of the PBX, and what is said about it after. */
#ifndef SALLYPORT_TESTS_SITE_CALL_H
#define SALLYPORT_TESTS_SITE_CALL_H

#include "tests/support/site.h"

struct call;

/* One SDP with something changed; the m= line and what follows are the caller's. */
#define SITE_SDP(who, version, ip, rest)                                                           \
	"v=0\r\no=" who " 1 " version " IN IP4 " ip "\r\ns=call\r\nc=IN IP4 " ip                   \
	"\r\nt=0 0\r\n" rest

struct site_call {
	struct rec_send last[2]; /* a message of ours that each side has: its requests go by that */
	struct rec_send invite, ok;
	unsigned cseq[2]; /* of each side's next request */
};

/* Up to the ACK of the caller. `extra`: header lines of the INVITE, and of its 200; NULL: none. The record is cleared then. */
void site_establish(struct site *t, struct site_call *k, const char *invite_extra,
		    const char *ok_extra);
/* A request of side 0, the carrier, or 1, the PBX. */
void site_say(struct site *t, struct site_call *k, unsigned side, const char *method,
	      const char *extra, const char *sdp);
/* The ACK of the latest INVITE of that side. */
void site_ack(struct site *t, struct site_call *k, unsigned side, const char *sdp);
/* The relay's answer to the latest question: its own SDP, but for the address, as a relay would give it back. */
void site_relay_echo(struct site *t);
/*
 * A whole exchange: side `side` sends method with sdp, the other answers 200 with `answer`, the relay echoes both, ACKs go as they
 * must. out: what the other side saw; what the asker got.
 */
void site_exchange(struct site *t, struct site_call *k, unsigned side, const char *method,
		   const char *sdp, const char *answer, struct rec_send out[2]);
/* BYE of the caller, with all answers. */
void site_hang_up(struct site *t, struct site_call *k);
/* The only call of the core; NULL: none. */
struct call *site_the_call(struct site *t);
/* Was a message with this beginning sent since the record was cleared? How many, and the latest of them. */
size_t site_count(const struct site *t, const char *start);
const struct rec_send *site_find(const struct site *t, const char *start);
/* Dumps the record if it was not the last but `before`. */
bool site_sent_is(const struct site *t, size_t before, const char *start);
bool site_cdr_has(struct site *t, const char *piece);
/* Nothing is left after a while; so many CDRs were written. */
void site_expect_empty(struct site *t, size_t cdrs);

#define EXPECT_SENT(t, n, start)                                                                   \
	check_true(site_sent_is(t, n, start), "sent " #n ": " #start, __FILE__, __LINE__)

#endif
