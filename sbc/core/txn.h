/*
 * All transactions of a worker in one table: keys (RFC 3261 §17.1.3, §17.2.3), look-up, limits,
 * timers, and the bytes that are sent again. It picks the machine (txn_client, txn_server) and
 * carries out what the machine wants, except the sending and the telling: those come back as effects
 * for the root to turn into ports.send and into steps of the owners.
 *
 * The root, for each message:
 *   request   txn_request(): ABSORBED → done; NEW → txn_serve (never for ACK) …
 *             txn_respond; MATCHED → an ACK of a 2xx for the owner; MERGED → 482
 *   response  txn_response(): ABSORBED → done; MATCHED → for the owner; NEW → stray
 * It carries out the effects of every call before the next call: their views live no longer.
 */
#ifndef SALLYPORT_TXN_H
#define SALLYPORT_TXN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/block.h"
#include "common/err.h"
#include "common/id.h"
#include "common/list.h"
#include "common/pool.h"
#include "common/str.h"
#include "common/table.h"
#include "common/wheel.h"
#include "sbc/core/large.h"
#include "sbc/core/msg.h"
#include "sbc/core/ports.h"
#include "sbc/core/txn_client.h"
#include "sbc/core/txn_server.h"

/* A request line and the headers that ACK and CANCEL repeat may be so long. */
enum { TXN_SCRATCH = 8 * 1024 };

struct txn_params {
	uint32_t limit;    /* transactions of both kinds */
	size_t keep_bytes; /* bound of all kept bytes, at least 1 MiB; 0: 1 KiB a transaction */
	uint8_t worker;
	struct siphash_key keys[2]; /* secret, random */
	struct sip_timers timers;
	uint64_t now_ms;
};

/*
 * A request of ours that a 401 or 407 has just ended, whole, so that it can go out once more with credentials. Kept only for
 * requests to trunks that have some (RFC 3261 §22.2); lives from txn_response to txn_forget_challenged.
 */
struct txn_challenged {
	id_t64 txn; /* ID_NONE: there is none */
	struct str request;
	struct dest dest;
	const struct settings *settings; /* that dest points into */
	uint8_t again;                   /* as given to txn_start */
};

enum { TXN_STRAYS = 16 };

struct txn_table {
	struct txn_challenged challenged;
	struct pool pool;
	struct table by_key;
	struct table merged;  /* server transactions outside a dialog, by From tag, Call-ID, CSeq */
	struct table by_flow; /* struct txn_flow */
	struct pool flows;
	struct siphash_key check_key;
	struct wheel wheel;
	struct block_pool kept;
	struct sip_timers timers;
	uint32_t clients, servers;
	uint32_t strays[TXN_STRAYS]; /* txn_ends_dialog, of INVITEs that left nothing */
	uint32_t stray_next;
	char scratch[TXN_SCRATCH]; /* an ACK or CANCEL being written */
	struct large_refusals no_tcp;
	char large[MSG_BYTES_MAX]; /* a request that goes by TCP, being written */
};

enum txn_found { TXN_NEW, TXN_ABSORBED, TXN_MATCHED, TXN_MERGED, TXN_FOUND_COUNT };

enum txn_report {
	TXN_REPORT_TIMEOUT, /* client: no final answer; treat as 408 (never sent on for a
			       non-INVITE, RFC 4320) */
	TXN_REPORT_FAILED,  /* client: treat as 503; server: a response was not delivered */
	TXN_REPORT_NO_ACK,  /* server INVITE: 64*T1 without an ACK; after a 2xx: BYE */
	TXN_REPORT_SLOW, /* server: say 100 now (INVITE: 200 ms, RFC 3261; else RFC 4320 §4.1) */
	TXN_REPORT_COUNT
};

enum txn_effect_type { TXN_EFFECT_SEND, TXN_EFFECT_REPORT, TXN_EFFECT_COUNT };

struct txn_effect {
	enum txn_effect_type type;
	id_t64 txn; /* SEND: the tag for ports.send. May be gone already for a REPORT. */
	id_t64 owner;
	/* SEND */
	const struct dest *dest;
	struct str bytes;
	bool again; /* a retransmission */
	/* REPORT */
	enum txn_report report;
	bool invite;
};

enum { TXN_EFFECTS_MAX = 2, TXN_TICK_BATCH = 64, TXN_FORKS_ENDED = 2 };

/* The effects of one call, at most one SEND and one REPORT. */
struct txn_effects {
	struct txn_effect list[TXN_EFFECTS_MAX];
	size_t count;
};

struct txn_match {
	enum txn_found found;
	id_t64 txn;
	id_t64 owner;
};

/* ERR_NOMEM. */
enum err txn_init(struct txn_table *t, const struct txn_params *p) MUST_USE;
void txn_release(struct txn_table *t);
/* New timers apply to what is set from now on. */
void txn_set_timers(struct txn_table *t, const struct sip_timers *timers);

struct txn_match txn_request(struct txn_table *t, const struct msg *m, uint64_t now_ms,
			     struct txn_effects *out);
/* `flow`: that it came on. */
struct txn_match txn_response(struct txn_table *t, const struct msg *m, const struct flow *flow,
			      uint64_t now_ms, struct txn_effects *out);
/* NULL: this transaction's request has not been challenged just now, or was not kept. */
const struct txn_challenged *txn_find_challenged(const struct txn_table *t, id_t64 txn);
void txn_forget_challenged(struct txn_table *t);
/*
 * After MERGED: the owner of the nth earlier request with the same identifiers. False: there are no more. Who knows where
 * both came from decides: two peers that use the same identifiers mean two things.
 */
bool txn_merged_with(const struct txn_table *t, const struct msg *m, size_t nth, id_t64 *out_owner);
/* The INVITE transaction that this CANCEL means, and its owner (§9.2); NEW: none, answer 481. */
struct txn_match txn_find_cancelled(const struct txn_table *t, const struct msg *cancel);

struct txn_serve_params {
	const struct msg *m;     /* read during the call only */
	const struct dest *dest; /* where its responses go (§18.2.2); copied */
	struct str head; /* copied and kept until the final response: what the owner needs to
				    write responses later; may be empty */
	id_t64 owner;
	uint64_t now_ms;
};
/* ERR_FULL: a limit; nothing is left. The caller has seen TXN_NEW; method is not ACK. */
enum err txn_serve(struct txn_table *t, const struct txn_serve_params *p, id_t64 *out_txn) MUST_USE;
/* The kept head; empty after the final response or for a stale id. */
struct str txn_head(const struct txn_table *t, id_t64 txn);
/*
 * Sends a response. A final one is sent again as the machine says. ERR_NOTFOUND: stale id.
 * ERR_WRONG_STATE: after a final response, or a 1xx but 100 to a non-INVITE (RFC 4320). A full store
 * is no error: the response goes out once and is not repeated by timer.
 */
enum err txn_respond(struct txn_table *t, id_t64 txn, uint16_t status, struct str bytes,
		     uint64_t now_ms, struct txn_effects *out) MUST_USE;
/* The ACK of this INVITE's 2xx has come: stops repeating it. A stale id is fine. */
void txn_acked(struct txn_table *t, id_t64 txn, uint64_t now_ms);

struct txn_start_params {
	struct str method;
	struct str branch;       /* of the top Via in bytes: unique for all time */
	const struct dest *dest; /* copied; retransmissions and the ACK of a refusal go there too */
	struct str bytes;        /* the request, copied */
	const struct settings *settings; /* that dest->tls_name points into */
	id_t64 owner;
	uint64_t now_ms;
	uint8_t again; /* what auth.c wants to know when this one is challenged in turn */
};
/* ERR_FULL: a limit; nothing was sent and nothing is left. The effect is the send. */
enum err txn_start(struct txn_table *t, const struct txn_start_params *p, id_t64 *out_txn,
		   struct txn_effects *out) MUST_USE;
/*
 * Sends a CANCEL for an INVITE transaction in Proceeding, as a transaction of its own that no one
 * owns; `extra` is whole header lines (Reason). If no final response follows in 64*T1 the INVITE
 * reports TIMEOUT (§9.1). ERR_WRONG_STATE: no 1xx has come yet (hold it: `extra` is kept, and goes with a later call that has
 * none) or a final one has.
 * ERR_NOTFOUND, ERR_EXISTS (cancelled already), ERR_FULL.
 */
enum err txn_cancel(struct txn_table *t, id_t64 txn, struct str extra, uint64_t now_ms,
		    struct txn_effects *out) MUST_USE;
/*
 * A 2xx of this INVITE has made a dialog that no one wants. True: its BYE is due now; false: it is on its way, and
 * this was the 2xx once more.
 */
bool txn_ends_dialog(struct txn_table *t, id_t64 txn, struct str to_tag);
/* NULL for a stale id or a server transaction. */
const struct txn_client *txn_find_client(const struct txn_table *t, id_t64 txn);
const struct txn_server *txn_find_server(const struct txn_table *t, id_t64 txn);

/* Gives the transaction up without a word: the owner has gone. A stale id is fine. */
void txn_abandon(struct txn_table *t, id_t64 txn);
/* From now on it belongs to another; ID_NONE: to no one. A stale id is fine. */
void txn_set_owner(struct txn_table *t, id_t64 txn, id_t64 owner);

/* EVENT_SEND_FAILED with a transaction's tag. A stale id is fine. */
void txn_failed(struct txn_table *t, id_t64 txn, uint64_t now_ms, struct txn_effects *out);
/*
 * EVENT_FLOW_CLOSED: requests that went down this connection and still wait fail. At most `cap`
 * effects, all of them reports; call again until 0.
 */
size_t txn_flow_closed(struct txn_table *t, id_t64 flow, uint64_t now_ms, struct txn_effect *out,
		       size_t cap);
/* Timers. Call until 0; cap >= TXN_EFFECTS_MAX. */
size_t txn_tick(struct txn_table *t, uint64_t now_ms, struct txn_effect *out, size_t cap);
uint64_t txn_next_ms(const struct txn_table *t);
/* Does any transaction still point into these settings? */
bool txn_uses_settings(const struct txn_table *t, const struct settings *s);
/* Does a request of ours, of an owner that `counts`, still wait for its final answer? */
bool txn_any_open(const struct txn_table *t, bool (*counts)(void *ctx, id_t64 owner), void *ctx);

#endif
