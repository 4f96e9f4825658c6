/*
 * The root of the signalling core: event in → acl → index → transaction → call → ports. Owns all
 * tables of one worker. No sockets, clock or randomness of its own (design §4).
 */
#ifndef SALLYPORT_SBC_H
#define SALLYPORT_SBC_H

#include "common/err.h"
#include "common/rng.h"
#include "policy/ban.h"
#include "sbc/core/event.h"
#include "sbc/core/ports.h"

struct sbc;

/* Configurations that calls may be using, the newest among them; who gives more gets new calls refused. */
enum { SBC_GENERATIONS_MAX = 17 };

struct sbc_params {
	const struct settings
		*settings; /* outlives the sbc or an EVENT_SETTINGS and all calls begun under it */
	struct ports ports;
	uint8_t worker;
	uint8_t seed[RNG_SEED_LEN]; /* random, secret */
	uint64_t now_ms, wall_ms;
};

/* What is shared with other nodes (keep.h, cluster.h, handover.h). */
struct sbc_shared_counts {
	uint32_t nodes; /* that live, ourselves included; 0: nothing is shared */
	uint64_t written,
		failed; /* calls put into the store; that could not be, or not be read back */
	uint64_t adopted,
		let_go; /* calls of nodes that had gone; of ours that others had taken over */
	uint64_t handed_on,
		handed_in; /* messages of others' calls that came to us; of ours that came to others */
	uint64_t late,
		lost; /* requests that the store had no answer for in time; messages on their way between nodes */
};

/* What `sallyport status`, /metrics and the tests read. */
struct sbc_counts {
	uint32_t calls, calls_confirmed, legs, client_transactions, server_transactions, timers,
		resolving, relay_sessions;
	uint32_t requests, subscriptions,
		registrations; /* outside of calls: on their way; in force */
	uint64_t calls_total;
	uint32_t admitted;                 /* sessions that count for the limits of trunks */
	uint64_t admission_repaired;       /* counts of them that were found wrong */
	uint32_t bans[SUBJECT_KIND_COUNT]; /* in force, of both modes */
	uint32_t quarantines;
	struct sbc_shared_counts shared;
	uint32_t shed;      /* of a thousand new requests, so many are refused for load now */
	uint32_t opinions;  /* questions to somebody else that are open */
	bool opinion_rests; /* it has failed too often */
	/* Memory in use, calls that linger among it. */
	uint32_t pooled_calls, pooled_setups, pooled_exchanges, pooled_asks;
	uint64_t text_bytes;
};

/* One live call as `sallyport calls` shows it. Views live until the function returns. */
struct sbc_call_view {
	struct str call, state, from, to;
	uint16_t ingress, egress; /* trunks; SETTINGS_NO_INDEX: not yet */
	enum transport in_transport, out_transport;
	uint64_t started_ms, answered_ms; /* monotonic; 0: not yet */
	struct str in_media, out_media;   /* "RTP/SAVP AEAD_AES_256_GCM", "RTP/AVP" */
	uint64_t in_silent_ms,
		out_silent_ms; /* since when that party is not heard, monotonic; 0: it is */
	struct str codec;
	const struct settings *settings;
};

/* A peer of a trunk, as `sallyport status` and /metrics show it. */
struct sbc_peer_view {
	bool up;                 /* it answers our pings, or is not asked */
	uint32_t calls;          /* of ours that it has */
	bool watched;            /* its trunk has `health`; nothing below is said otherwise */
	const char *state, *why; /* health.h; why it rests, or rested last */
	bool shut;               /* by Retry-After */
	bool is_good;
	uint32_t left_s;          /* of rest or return */
	unsigned asr, ner, ended; /* percent of the calls that have ended */
};

/* A registration of ours, as `sallyport status` shows it. */
struct sbc_enrol_view {
	bool registered;
	uint16_t peer;   /* where, or that was tried last */
	uint16_t status; /* of the last failure, 0: none, or no answer */
	struct str why;  /* of it, one word; empty: none */
	uint32_t left_s; /* of what the registrar granted */
};

/* ERR_NOMEM. */
enum err sbc_new(struct sbc **out, const struct sbc_params *params) MUST_USE;
/* Drops all state without a word to anyone. */
void sbc_free(struct sbc **sbc);
void sbc_step(struct sbc *sbc, const struct event *e);
/* When the next EVENT_TICK is due; UINT64_MAX: nothing waits. */
uint64_t sbc_next_ms(const struct sbc *sbc);
void sbc_count(const struct sbc *sbc, struct sbc_counts *out);
/* No call is left, and no request of ours waits for its answer: the time to leave. Looks at everything. */
bool sbc_is_quiet(const struct sbc *sbc);
/* Calls fn for each live call. fn may not call into the sbc. */
void sbc_each_call(const struct sbc *sbc, void (*fn)(void *ctx, const struct sbc_call_view *v),
		   void *ctx);
/* False: the trunk wants no registration of ours. */
bool sbc_enrolment(const struct sbc *sbc, uint16_t trunk, struct sbc_enrol_view *out);
bool sbc_peer_is_up(const struct sbc *sbc, uint16_t trunk, uint16_t peer);
/* False: there is no such peer. */
bool sbc_peer_look(const struct sbc *s, uint16_t trunk, uint16_t peer, struct sbc_peer_view *out);
/* Bans. Between turns, with the time of now; what changes is told as in a turn. */
enum ban_result sbc_ban(struct sbc *sbc, const struct ban_order *o, struct ban_time t,
			struct ban *out);
/* False: there was none. */
bool sbc_unban(struct sbc *sbc, const struct subject *who, struct ban_time t, struct ban *out);
/* A ban that was written down or made elsewhere; nothing in it is believed to be in its range. */
enum ban_result sbc_import_ban(struct sbc *sbc, const struct ban *v, struct ban_time t);
/* Those in force; with `ended` those too whose strikes are remembered. *cursor starts at 0. False: no more. */
bool sbc_next_ban(const struct sbc *sbc, struct ban_time t, bool ended, uint32_t *cursor,
		  struct ban *out);
/* Does any call still use this generation? If not, the shell may free it. */
bool sbc_uses_settings(const struct sbc *s, const struct settings *settings);

#endif
