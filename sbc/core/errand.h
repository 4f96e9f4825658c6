/*
 * A request outside of calls on its way: who asked, the targets that are tried one after another, and the one final
 * answer (RFC 3261 §16.6-16.8, RFC 3263 §4, RFC 4320). What the request says is its owner's to write: outside,
 * subscription, reg.
 *
 *   next target ─► resolving (names only) ─► SENT ── final answer ─► the owner
 *       ▲                                     │ refused, silent, unreachable
 *       └─────────────────────────────────────┘ and on_failure says so
 *
 * Timers: `alarm` is the route's failure_after while a target has said nothing, and always the deadline: before who asked
 * gives up, so that it hears 504 and not silence (RFC 4320 forbids a late 408).
 */
#ifndef SALLYPORT_ERRAND_H
#define SALLYPORT_ERRAND_H

#include "sbc/core/hunt.h"
#include "sbc/core/worker.h"

enum {
	ERRAND_BODY_MAX = 32 * 1024, /* more gets 413 */
	ERRAND_DEADLINE_T1 = 48,     /* times T1; who asked waits 64 */
	ERRAND_SOURCE_SHARE = 4      /* so many sources of REGISTERs take the table to fill it */
};

/* What it is for: who is told of its answer. */
enum errand_use {
	ERRAND_SINGLE,    /* MESSAGE, PUBLISH, OPTIONS, a NOTIFY that no one subscribed to */
	ERRAND_SUBSCRIBE, /* the first SUBSCRIBE: `of` is the subscription */
	ERRAND_TALK,      /* a SUBSCRIBE or NOTIFY within one */
	ERRAND_REGISTER,  /* `of` is the contact, or ID_NONE */
	ERRAND_USE_COUNT
};

struct errand {
	id_t64 id;
	const struct settings *settings;
	struct asker asker; /* asker.txn ID_NONE: nobody asked, it is our own */
	struct str request; /* as it came */
	struct flow flow;   /* that it came on */
	uint16_t trunk;     /* that it came from */
	uint16_t route;
	uint8_t use, method; /* enum errand_use, enum method */
	uint8_t side;        /* TALK: who speaks */
	bool secure;         /* TLS or nothing (sips:) */
	bool heard;          /* the target has said something */
	bool counted;        /* for its source, as a REGISTER under way */
	bool closing; /* TALK: with its end the subscription ends; REGISTER: its flow has gone */
	struct str contact;      /* the present target is a user: its contact's URI */
	struct str contact_name; /* and its address-of-record: user@domain */
	struct str contact_path; /* and the proxies before it */
	struct flow contact_flow;
	struct str note;  /* REGISTER: what the registrar is told of us, see reg.c */
	uint32_t least_s; /* REGISTER: the Min-Expires that the registrar asked for */
	id_t64 of;
	id_t64 ask, txn;
	uint32_t cseq;
	struct hunt hunt;
	struct hunt_target target;
	struct candidate candidates[CANDIDATES_MAX];
	uint8_t candidate_count, candidate_next, tries;
	uint16_t status; /* of the latest refusal; 0: none */
	uint8_t cause;   /* or a ROUTE_CAUSE_* */
	uint64_t deadline_ms;
	struct alarm alarm;
};

struct errand_params {
	const struct settings *settings;
	const struct msg *m;
	const struct flow *flow;
	uint16_t trunk;
	enum errand_use use;
	id_t64 of;
};

/* The server transaction is open and the request kept. NULL: a limit, nothing is left. */
struct errand *errand_new(struct sbc *s, const struct errand_params *p);
struct errand *errand_find(const struct sbc *s, id_t64 id);
/* Gives back all; a transaction still open is no one's from now on. */
void errand_free(struct sbc *s, struct errand **errand);
void errand_free_all(struct sbc *s);
/* New requests outside of calls find room only where calls have enough. */
bool errand_has_room(const struct sbc *s);

enum errand_next {
	ERRAND_WAITS, /* for a name */
	ERRAND_SENDS, /* to *out: the owner writes it, and errand_send takes it */
	ERRAND_OVER   /* no more targets: errand_give_up */
};
enum errand_next errand_go_on(struct sbc *s, struct errand *e, struct flow *out);
/* Route values of a first request to the present target, parted by '\n'; mostly empty. */
struct str errand_routes(const struct sbc *s, const struct errand *e);
/* Where a request to the present target goes. */
struct dest errand_dest(const struct errand *e, const struct flow *to);
/* A request of e over `d`; r->uri, from, to, call_id, cseq and the rest are there, Via is written here. */
bool errand_send(struct sbc *s, struct errand *e, const struct dest *d, struct build_request *r);
/* An attempt came to this: is there another to try (then errand_go_on), or is it the answer? */
bool errand_failed(struct sbc *s, struct errand *e, uint16_t status, unsigned cause);
/* The status that says why nothing came of it. */
uint16_t errand_end_status(const struct errand *e);
/* EVENT_RESOLVED; false: not what it waits for. */
bool errand_on_resolved(struct errand *e, id_t64 ask, const struct event *ev);
/* What has come of the alarm: nothing yet, this target is silent, or the time is over. */
enum errand_alarm { ERRAND_ALARM_EARLY, ERRAND_ALARM_SILENT, ERRAND_ALARM_OVER };
enum errand_alarm errand_on_alarm(struct sbc *s, struct errand *e);
/* The target has spoken: from now on only the deadline counts. */
void errand_on_heard(struct sbc *s, struct errand *e);

/* ---- names at the target */

/* sip:number@host of the present target: the Request-URI; `bare`: without port and transport, for To. */
void errand_write_uri(struct buf *b, const struct errand *e, struct str number, bool bare);
/* From where to where a message goes. */
struct errand_way {
	struct flow from, to; /* their listeners say the realms */
	uint16_t from_trunk, to_trunk;
	bool sips;
};
/* Of e's request to its present target over `to`; and of the answer to it. */
struct errand_way errand_there(const struct errand *e, const struct flow *to);
struct errand_way errand_back(const struct errand *e);
/* From as the other side may have it: name and number cross, if its sender may be known there; its host does not. */
void errand_write_from(const struct sbc *s, struct buf *b, const struct errand *e,
		       const struct msg *m, const struct errand_way *w);
/* The number that m's Request-URI calls, as that trunk writes it. False: there is none in it. */
bool errand_write_called(struct buf *b, const struct settings *s, const struct msg *m,
			 uint16_t from_trunk, uint16_t to_trunk);
/* A line that the rules have not carried already. */
void errand_write_once(struct buf *lines, struct str name, struct str value);
/* The same for seconds: the number alone, for a comment behind it may name hosts. Nothing where there is none. */
void errand_write_seconds(struct buf *lines, struct str name, struct str value);
/* Header lines of m that cross this way, behind those in s->lines. ERR_LIMIT. */
enum err errand_carry(struct sbc *s, const struct errand *e, const struct msg *m,
		      const struct errand_way *w, bool body) MUST_USE;
/* Our Contact at a listener, without a user. */
struct str errand_contact(struct buf *b, const struct settings *s, const struct flow *at,
			  bool sips);
/* The final answer that r is; then the errand is over. */
void errand_finish(struct sbc *s, struct errand **errand, struct build_response *r);
void errand_finish_with(struct sbc *s, struct errand **errand, uint16_t status, struct str lines);
/* A status of the other side as we repeat it; RFC 4320: no 408. */
uint16_t errand_map_status(uint16_t status);

#endif
