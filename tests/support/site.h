/*
 * A small site around the signalling core, with ports that write down: a carrier outside, a PBX of two peers inside, and
 * the messages that their user agents would send.
 */
#ifndef SALLYPORT_TESTS_SITE_H
#define SALLYPORT_TESTS_SITE_H

#include "sbc/core/sbc.h"
#include "tests/support/ports_rec.h"

enum { SITE_OUTSIDE, SITE_INSIDE, SITE_REALMS };
enum { SITE_CARRIER, SITE_PBX, SITE_TRUNKS };
enum {
	SITE_LISTEN_OUT_UDP,
	SITE_LISTEN_OUT_TLS,
	SITE_LISTEN_IN_UDP,
	SITE_LISTEN_IN_TLS,
	SITE_LISTENERS
};

struct site {
	struct settings set;
	struct realm realms[SITE_REALMS];
	struct realm_rule realm_rules[SITE_REALMS];
	struct listener listeners[SITE_LISTENERS];
	struct peer carrier[2], pbx[2];
	struct trunk trunks[SITE_TRUNKS];
	struct trunk_rule trunk_rules[SITE_TRUNKS];
	struct prefix sources[SITE_TRUNKS];
	struct media_rule media[2]; /* plain; SRTP only */
	struct route_rule routes[2];
	struct header_rules header_rules[1];
	struct sbc *sbc;
	struct ports_rec rec;
	uint64_t now_ms;
	uint8_t seed; /* of its randomness; 0: as ever */
	struct flow outside,
		inside; /* where the carrier and the first peer of the PBX speak from */
	struct tls_facts tls;
	char text[16384];
	uint64_t spent_ns; /* inside the core, if `timed`; the clock's own share is in it */
	uint64_t steps;
	bool timed;
};

#define SITE_SDP_OUT                                                                               \
	"v=0\r\no=carol 11 1 IN IP4 198.51.100.7\r\ns=call\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"  \
	"m=audio 20000 RTP/AVP 0\r\n"
#define SITE_SDP_IN                                                                                \
	"v=0\r\no=pbx 22 1 IN IP4 10.0.0.21\r\ns=call\r\nc=IN IP4 10.0.0.21\r\nt=0 0\r\n"          \
	"m=audio 30000 RTP/AVP 0\r\n"
#define SITE_SDP_RELAY                                                                             \
	"v=0\r\no=- 1 1 IN IP4 203.0.113.200\r\ns=-\r\nc=IN IP4 203.0.113.200\r\nt=0 0\r\n"        \
	"m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"

/* The settings alone; change them before site_start. Anchored media. */
void site_init(struct site *t);
void site_start(struct site *t);
void site_stop(struct site *t);

/* Gives the core a message. */
void site_message(struct site *t, const struct flow *f, const char *text);
void site_event(struct site *t, const struct event *e);
/* A request outside any dialog. `extra`: whole header lines. */
void site_request(struct site *t, const struct flow *f, const char *method, const char *extra);
/* The shell could not deliver it. */
void site_failed(struct site *t, const struct rec_send *sent, enum send_failure why);
void site_tick(struct site *t, uint64_t ms);
/* Answers the latest question to the relay. */
void site_relay(struct site *t, const char *sdp);
/* The same for a question of any age. */
void site_relay_to(struct site *t, id_t64 id, const char *sdp);
void site_relay_error(struct site *t, enum relay_result result);
/* Answers the latest question to the resolver with UDP candidates; NULL: no answer. */
void site_resolve(struct site *t, const char *const *ips);
/* Tells a question of any age that there is no such name. */
void site_resolve_to(struct site *t, id_t64 id);

/* The latest message sent, or the n-th before it; NULL: there is none. */
const struct rec_send *site_sent(const struct site *t, size_t before);
/* How many messages were sent since the record was cleared. */
size_t site_sent_count(const struct site *t);
/* Value of a header of a message, in a buffer of the site's own; "" if it is not there. */
const char *site_header(const struct rec_send *m, const char *name);
bool site_is(const struct rec_send *m, const char *start);
bool site_has(const struct rec_send *m, const char *piece);

/* An INVITE of the carrier, or of the PBX; `sdp` may be NULL. `extra`: whole header lines. */
void site_invite(struct site *t, unsigned trunk, const char *id, const char *extra,
		 const char *sdp);
/* An answer to a request that the core sent, from where it was sent to; with a Contact, if `extra` has none. */
void site_answer(struct site *t, const struct rec_send *request, int status, const char *tag,
		 const char *extra, const char *sdp);
/*
 * A request in a dialog: `last` is a message of the core in it, response or request; the To of the new request is its
 * To for a response, else its From. The branch is made of method and cseq.
 */
void site_in_dialog(struct site *t, const struct flow *f, const struct rec_send *last,
		    const char *method, unsigned cseq, const char *extra, const char *sdp);
/* The CANCEL of a re-INVITE that site_in_dialog made. */
void site_in_dialog_cancel(struct site *t, const struct flow *f, const struct rec_send *last,
			   unsigned cseq);
/* The CANCEL of the INVITE that site_invite made. */
void site_cancel(struct site *t, unsigned trunk, const char *id);

/* What the clock itself adds to one step's time. */
double site_clock_ns(void);
/* Prints what was sent, for whoever looks for a mistake. */
void site_dump(const struct site *t);

#endif
