/*
 * Everything that can happen to the signalling core, as one tagged struct (design §4). The shell
 * makes one for each thing that happened and calls sbc_step; views in it live until sbc_step
 * returns.
 */
#ifndef SALLYPORT_EVENT_H
#define SALLYPORT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/dict.h"
#include "common/id.h"
#include "common/str.h"
#include "sbc/core/credential.h"
#include "sbc/core/settings.h"
#include "sbc/core/store.h"

/* A path to a peer. UDP has no connection: id is 0 and listener + remote say it all. */
struct flow {
	id_t64 id;         /* a stream connection; never used twice; 0 for UDP */
	uint16_t listener; /* the listener it belongs to: its realm, transport and sent-by */
	char country[2];   /* where `remote` is, as far as anyone has asked; NULs: not known */
	enum transport transport;
	struct addr remote;
	uint32_t asn; /* its autonomous system; 0: not known */
};
_Static_assert(sizeof(struct flow) == 40, "where a peer is lies in what would be padding");

enum { TLS_NAMES_MAX = 8 };

/* What the handshake of a flow proved. Lives as long as the flow. */
struct tls_facts {
	struct str version; /* "TLSv1.3" */
	struct str cipher;  /* "TLS_AES_256_GCM_SHA384" */
	bool verified;      /* the peer's certificate chains to an anchor of ours */
	/* RFC 5922 §7.1: hosts of SAN sip: URIs, else SAN DNS names, else the CN; lower case. */
	struct str names[TLS_NAMES_MAX];
	uint8_t name_count;
};

enum send_failure {
	SEND_FAILURE_CONNECT, /* refused, unreachable, reset before the first byte */
	SEND_FAILURE_TLS,     /* handshake or peer identity */
	SEND_FAILURE_TIMEOUT, /* the connection did not come up in time */
	SEND_FAILURE_CLOSED,  /* the flow has gone and may not be opened anew (a response) */
	SEND_FAILURE_FULL,    /* queue or table full */
	SEND_FAILURE_COUNT
};

/* One address to try, in order (RFC 3263). */
struct candidate {
	enum transport transport;
	struct addr addr;
};
enum { CANDIDATES_MAX = 16 };

enum relay_result { RELAY_RESULT_OK, RELAY_RESULT_ERROR, RELAY_RESULT_TIMEOUT, RELAY_RESULT_COUNT };

enum event_type {
	EVENT_MESSAGE,     /* one whole message (datagram or cut from a stream) arrived */
	EVENT_FLOW_CLOSED, /* a stream connection has gone */
	EVENT_SEND_FAILED, /* a ports.send could not be delivered */
	EVENT_RESOLVED,    /* the answer to ports.resolve */
	EVENT_RELAY_REPLY, /* the answer to ports.relay */
	EVENT_RELAY_TOLD,  /* a relay says something of its own accord */
	EVENT_CREDENTIAL,  /* the answer to ports.credential */
	EVENT_STORE_REPLY, /* the answer to ports.store */
	EVENT_STORE_TOLD,  /* another node has published something */
	EVENT_STORE_STATE, /* the store has come or gone */
	EVENT_OPINION,     /* the answer to ports.opine */
	EVENT_TICK,        /* time has come (sbc_next_ms) */
	EVENT_SETTINGS,    /* a new generation of the configuration applies to new work */
	EVENT_DRAIN,       /* no new calls from now on */
	EVENT_STOP, /* neither, and those that are there end now, in order; again: CDRs now */
	EVENT_COUNT
};

struct event {
	enum event_type type;
	uint64_t now_ms;  /* monotonic; the same for a whole turn */
	uint64_t wall_ms; /* since the epoch, for records only */
	union {
		struct {
			struct flow flow;
			const struct tls_facts *tls; /* NULL: not TLS */
			struct str bytes;
			uint32_t late_ms; /* how long it has waited before we came to it */
		} message;
		struct {
			id_t64 flow;
		} closed;
		struct {
			id_t64 tag; /* as given to ports.send */
			enum send_failure why;
		} failed;
		struct {
			id_t64 id; /* as given to ports.resolve */
			struct candidate candidates[CANDIDATES_MAX];
			size_t count; /* 0: no such name, or no answer */
		} resolved;
		struct {
			id_t64 id; /* as given to ports.relay */
			enum relay_result result;
			uint16_t relay; /* index in settings->relays of the one that answered */
			const struct dict *reply; /* RESULT_OK: the reply's dictionary */
			struct str error;         /* RESULT_ERROR: error-reason */
		} relay;
		struct {
			uint16_t relay;  /* index in settings->relays of the one that says it */
			struct str word; /* that stood in front */
			const struct dict *body; /* anything at all: nobody has looked at it */
		} told;
		struct {
			id_t64 id; /* as given to ports.credential */
			enum credential_result result;
			const struct credential *credential; /* CREDENTIAL_OK */
		} credential;
		struct store_reply stored;
		struct store_told store_told;
		struct store_state store_state;
		struct {
			id_t64 id; /* as given to ports.opine */
			/* 200 and what it said, which nobody has looked at; else 0, and nothing. */
			uint16_t status;
			struct str body;
		} opinion;
		const struct settings *settings;
	};
};

#endif
