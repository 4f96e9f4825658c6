/*
 * All that one worker of the SBC owns, and the few doors to the world: what the root (sbc.c) and the
 * machines that it steps (call, setup, in_dialog, peer) share. Nothing here decides.
 *
 * Ids: every pool has its own kind in the top byte of its ids (worker << OWNER_BITS | kind), so that the
 * owner of a transaction or of a question is known from its id alone.
 */
#ifndef SALLYPORT_WORKER_H
#define SALLYPORT_WORKER_H

#include "common/arena.h"
#include "common/block.h"
#include "common/pool.h"
#include "common/rng.h"
#include "common/wheel.h"
#include "policy/policy.h"
#include "sbc/core/admission.h"
#include "sbc/core/alarm.h"
#include "sbc/core/auth.h"
#include "sbc/core/ban_share.h"
#include "sbc/core/bind.h"
#include "sbc/core/build.h"
#include "sbc/core/budget.h"
#include "sbc/core/challenge.h"
#include "sbc/core/cluster.h"
#include "sbc/core/gate.h"
#include "sbc/core/enrol.h"
#include "sbc/core/fraud_end.h"
#include "sbc/core/handover.h"
#include "sbc/core/hide.h"
#include "sbc/core/keep.h"
#include "sbc/core/keepout.h"
#include "sbc/core/msg.h"
#include "sbc/core/opine.h"
#include "sbc/core/peer.h"
#include "sbc/core/refused.h"
#include "sbc/core/ports.h"
#include "sbc/core/quarantine.h"
#include "sbc/core/refuse.h"
#include "sbc/core/sbc.h"
#include "sbc/core/spiral.h"
#include "sbc/core/share.h"
#include "sbc/core/tally.h"
#include "sbc/core/txn.h"

enum owner_kind {
	OWNER_NONE,
	OWNER_CALL,     /* struct call: its INVITEs and BYEs */
	OWNER_EXCHANGE, /* struct exchange: a request that is relayed in a dialog */
	OWNER_PEER,     /* the index of a peer: its pings */
	OWNER_ORPHAN, /* an INVITE that no one waits for: CANCEL it, or ACK and BYE what it made */
	OWNER_SETUP,
	OWNER_ASK,
	OWNER_TXN,
	OWNER_OWN,          /* struct own: a request of our own in a dialog of a call */
	OWNER_TRANSFER,     /* struct transfer: a REFER that we carry out */
	OWNER_OUTSIDE,      /* struct errand: a request outside of calls on its way */
	OWNER_BINDING,      /* struct contact: what a user has registered through us */
	OWNER_ENROL,        /* a registration of our own at a trunk */
	OWNER_SUBSCRIPTION, /* struct subscription: its two dialogs */
	OWNER_HANDOVER,     /* struct handover, and as a flow struct hop */
	OWNER_KIND_COUNT
};
enum { OWNER_BITS = 4, WORKER_MAX = 15 };
_Static_assert(OWNER_KIND_COUNT <= 1 << OWNER_BITS, "a kind fits into an id");

enum owner_kind owner_kind(id_t64 id);

/* What was asked of the relay or the resolver; its id goes out, the answer comes back with it. */
enum ask_what {
	ASK_RESOLVE,
	ASK_OFFER,
	ASK_ANSWER,
	ASK_RESTORE, /* an offer or answer said again, to undo a refused one */
	ASK_PLAY,    /* a key */
	ASK_DELETE,
	ASK_CREDENTIAL,
	ASK_FORGET, /* a delete whose answer no one waits for */
	ASK_OPINION,
	ASK_WHAT_COUNT
};
struct ask {
	id_t64 owner;
	uint8_t what;
	uint8_t session; /* of the call's media, that was asked for */
};

enum {
	WORKER_OUT = MSG_BYTES_MAX, /* one message that we write */
	WORKER_LINES = 32 * 1024,   /* ready header lines */
	WORKER_BASE = MSG_HEADER_BYTES_MAX + 4096,
	WORKER_ARENA = 1024 * 1024
};

/* How many calls still hold a generation of the configuration. */
struct generation {
	const struct settings *settings;
	uint32_t calls;
};

/* What an unproven source over UDP may be told: seven eighths of what came from there, and 2 KiB a minute. */
enum {
	WORKER_TOLD_OCTETS = 2048,
	WORKER_TOLD_PER_MS = 60000,
	WORKER_TOLD_PART = 7,
	WORKER_TOLD_WHOLE = 8
};

struct worker_counts {
	uint32_t confirmed, relay_sessions, resolving;
	uint64_t total; /* calls ever begun; also their number */
};

struct sbc {
	struct ports ports;
	const struct settings *settings; /* for new work */
	uint64_t now_ms, wall_ms;        /* of this turn */
	bool draining;
	uint8_t worker;
	char boot[16]; /* tells our calls from those of earlier runs */
	uint8_t boot_len;
	struct rng rng;
	struct hide hide;
	struct siphash_key reply_key; /* tags of answers that leave no state */
	struct siphash_key watch_key; /* words in front of the relay's events */
	struct txn_table txns;
	struct pool calls, setups, exchanges, owns, transfers, asks;
	struct pool errands, subscriptions;
	struct binds binds;       /* who has registered through us */
	struct tally subscribers; /* subscriptions by the source that asked */
	struct tally registering; /* REGISTERs under way, likewise: anyone may send them */
	/* Texts of what is no call: a flood of it leaves calls theirs. */
	struct block_pool outside_blocks;
	uint32_t live;         /* calls that are not over yet; the rest of the pool lingers */
	struct list lingering; /* calls, oldest first */
	struct block_pool blocks;
	struct wheel wheel;
	struct peers peers;
	struct spirals spirals; /* calls that wait for their answer, by who calls whom */
	struct policy_state policy;
	struct decision decision; /* of what came in this turn */
	struct gate gate;
	struct refused_records refused;
	struct budget answers; /* octets that strangers may be told over UDP (threats C1) */
	bool unproven; /* this message may come from anywhere: nothing in it is only ours or a trunk's */
	struct auth auth;
	struct es256_key *sign_key; /* of `settings`; NULL: we sign nothing */
	struct enrols enrols;
	struct ban_share ban_share;
	struct fraud_ends fraud_ends;
	struct shares shares; /* of limits, with other nodes */
	struct opine opine;
	struct store_state store; /* what nodes share: is it there */
	struct keeps keeps;       /* our calls in it */
	struct cluster cluster;   /* who else is behind it */
	struct handovers handovers;
	bool handed;                /* this message has been looked for among the calls of others */
	struct challenge challenge; /* nonces of ours */
	struct keepout keepout;     /* what earns a ban */
	struct quarantine quarantine; /* who may be a scanner */
	struct generation generations[SBC_GENERATIONS_MAX];
	struct worker_counts counts;
	struct arena arena; /* of this turn */
	struct buf out, lines, base, text;
	struct msg in;   /* the message of this turn */
	struct msg held; /* one that was kept, read again */
};

/* ---- words to the world */

void worker_send(struct sbc *s, const struct dest *d, struct str bytes);
/* Sends what a step of the transaction table wants sent; reports are for the root. */
void worker_emit(struct sbc *s, const struct txn_effects *e);
/* A notice of this turn; the caller fills the rest. */
struct notice worker_notice(const struct sbc *s, enum notice_type type);
void worker_publish(struct sbc *s, const struct notice *n);
void worker_dropped(struct sbc *s, const struct flow *f, enum notice_drop why);
/* The request of m on f was refused by v. `settings` is what v speaks of. */
void worker_refused(struct sbc *s, const struct settings *settings, const struct flow *f,
		    const struct msg *m, uint16_t trunk, const struct verdict *v);
/* The same, with its record; NULL: it has none, or gets one as a call. */
void worker_refused_with(struct sbc *s, const struct settings *settings, const struct flow *f,
			 const struct msg *m, uint16_t trunk, const struct verdict *v,
			 const struct cdr *record);

/* ID_NONE: too many questions are open. */
id_t64 worker_ask_relay(struct sbc *s, id_t64 owner, enum ask_what what, uint16_t relay,
			struct str command, struct str bencode);
id_t64 worker_ask_resolve(struct sbc *s, id_t64 owner, const struct resolve_query *q);
id_t64 worker_ask_credential(struct sbc *s, id_t64 owner, struct str url);
id_t64 worker_ask_opinion(struct sbc *s, id_t64 owner, const struct opinion_query *q);

/* ---- names and texts */

/* A new token; `out` holds HIDE_BRANCH_LEN octets. */
struct str worker_token(struct sbc *s, enum hide_kind kind, id_t64 id, char out[HIDE_BRANCH_LEN]);
void worker_alarm(struct sbc *s, struct alarm *a, enum alarm_kind kind, uint64_t at_ms);
void worker_stop_alarm(struct sbc *s, struct alarm *a);
/* SETTINGS_NO_INDEX: there is none of that name. */
uint16_t worker_realm_named(const struct settings *s, struct str name);
uint16_t worker_trunk_named(const struct settings *s, struct str name);
/* The listener of a realm to send from; SETTINGS_NO_INDEX: it has none of that transport and family. */
uint16_t worker_listener(const struct settings *s, uint16_t realm, enum transport t,
			 uint8_t family);
uint16_t worker_realm_of(const struct settings *s, const struct flow *f);

/* ---- requests that await our answer */

/* What of a request an answer needs; the texts are with the server transaction. */
struct asker {
	id_t64 txn;
	uint16_t head_len, tail_len, routes_len, realm;
	uint8_t method; /* enum method */
	bool to_has_tag;
	const struct settings *settings;
};

/* Opens the server transaction. ERR_FULL, ERR_LIMIT: nothing is left. */
enum err asker_serve(struct sbc *s, struct asker *a, const struct settings *settings,
		     const struct msg *m, const struct flow *f, id_t64 owner) MUST_USE;
/*
 * Sends r (base is filled in here) and publishes a final one. False: the transaction has gone, or r was too large: in place of a
 * final one 500 has gone out then.
 */
bool asker_respond(struct sbc *s, const struct asker *a, struct build_response *r);
/* A provisional response once more, byte for byte. */
void asker_repeat(struct sbc *s, const struct asker *a, uint16_t status, struct str bytes);
/* The same without a body or header. `tag` may be empty for 100. */
bool asker_answer(struct sbc *s, const struct asker *a, uint16_t status, struct str reason,
		  struct str tag);
/* One answer that leaves no state (RFC 3261 §8.2.7). `lines`: ready header lines. */
void worker_reply(struct sbc *s, const struct msg *m, const struct flow *f, uint16_t status,
		  struct str reason, struct str lines);

/* So much came unread from a source that is not proven: it may be told as much more. */
void worker_heard(struct sbc *s, const struct flow *f, size_t octets);
/* Is the To tag of this ACK the one of such an answer, to who sends it now? */
bool worker_is_reply_tag(struct sbc *s, const struct msg *ack, const struct flow *f);

/* What we handle ourselves, in and out of dialogs. */
extern const struct refuse_params worker_abilities;
/* The same with what the realm lets in beside it: bodies, and with recordings' metadata the extension siprec (RFC 7866). */
struct refuse_params worker_abilities_in(const struct settings *s, uint16_t realm);

/* ---- generations of the configuration */

/* False: too many are in use. */
bool worker_hold_settings(struct sbc *s, const struct settings *settings);
void worker_let_settings(struct sbc *s, const struct settings *settings);

#endif
