/*
 * Everything that the signalling core may want of the world (design §4, style §1). A port posts: it
 * copies what it is given, gives back nothing that depends on the outside, and never calls into the
 * core before it returns. Answers are later events that carry the id given here. Only sbc.c, call.c
 * and the files that these name hold a `const struct ports *`.
 */
#ifndef SALLYPORT_PORTS_H
#define SALLYPORT_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "sbc/core/event.h"
#include "sbc/core/notice.h"

/*
 * Where a message goes. With flow.id: down that connection. Without, for TCP and TLS: over a
 * connection to flow.remote from the realm of flow.listener that was opened with the same trust
 * (pooled by address, verified name, certificate), else a new one. UDP: from the socket of
 * flow.listener.
 */
struct dest {
	struct flow flow;
	/* For a new TLS connection: */
	struct str tls_name; /* the name the peer must prove (pre-SRV domain, RFC 5922); settings
				memory */
	uint16_t trunk; /* certificate, anchor and verify of this trunk; SETTINGS_NO_INDEX: none */
	bool reconnect; /* a response whose flow has gone may open a connection to flow.remote (RFC
			   3261 §18.2.2) */
};

struct resolve_query {
	struct str host; /* name; addresses never come here */
	uint16_t port;   /* 0: NAPTR/SRV apply (RFC 3263 §4) */
	bool transport_given;
	enum transport transport;
	bool secure;   /* only TLS candidates */
	bool ip4, ip6; /* families that the realm can send from */
};

struct relay_query {
	struct str command; /* "offer", … for counters */
	struct str bencode; /* the request's dictionary, without cookie */
	uint16_t relay;     /* index in settings->relays, or SETTINGS_NO_INDEX: choose one */
};

struct opinion_query {
	const struct opinion_settings *service;
	struct str json; /* the question */
	uint32_t timeout_ms;
};

struct ports {
	void *ctx;
	/* tag: names the sender in EVENT_SEND_FAILED; ID_NONE: do not tell. */
	void (*send)(void *ctx, const struct dest *d, struct str bytes, id_t64 tag);
	void (*resolve)(void *ctx, const struct resolve_query *q, id_t64 id);
	void (*relay)(void *ctx, const struct relay_query *q, id_t64 id);
	void (*publish)(void *ctx, const struct notice *n);
	/* Closes a connection after what is queued has been sent: its peer broke the rules. */
	void (*close)(void *ctx, id_t64 flow);
	/* Bounds as in store.h. Goes out with the others of the turn. */
	void (*store)(void *ctx, const struct store_op *op);
	/* The certificate of a signer, from where its signature says (RFC 8224 §4). */
	void (*credential)(void *ctx, struct str url, id_t64 id);
	/* Exactly one EVENT_OPINION comes of it, at the latest a second after its time. */
	void (*opine)(void *ctx, const struct opinion_query *q, id_t64 id);
};

#endif
