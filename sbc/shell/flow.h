/*
 * The stream connections of a worker: ids, the pool of connections that may be used again, limits
 * and deadlines, framing. A connection of the pool serves another message only if address, realm
 * (listener), verified name and trust are the same (RFC 5922, CVE-2020-15260).
 *
 * Deadlines, one timer each connection:
 *   half open  from the start until it is up (TCP, TLS) and, on those we accepted, its first byte
 *   message    from the first byte of a message until it is whole
 *   idle       since anything came or went
 *   drain      until what is queued has been taken, after which the connection closes
 *
 * A message counts as delivered once the peer has sent anything after it: when a connection goes
 * before that, its sender is told (EVENT_SEND_FAILED).
 */
#ifndef SALLYPORT_FLOW_H
#define SALLYPORT_FLOW_H

#include "common/list.h"
#include "common/pool.h"
#include "common/table.h"
#include "sbc/core/budget.h"
#include "sbc/core/ports.h"
#include "sbc/shell/tls.h"
#include "sbc/shell/turn.h"

enum {
	FLOW_QUEUE_MAX = 256 * 1024, /* bytes that may wait for a peer to read them */
	FLOW_HANDSHAKES_A_TURN = 8,  /* steps of TLS handshakes, each up to half a millisecond */
	FLOW_ACCEPTS_A_TURN = 64,
	FLOW_DESCRIPTOR_SHARE = 10, /* one tenth of the descriptors is kept for what runs */
	FLOW_DESCRIPTORS_MIN = 16,  /* of these at least so many */
	FLOW_DRAIN_MS = 5000,
	FLOW_LINGER_MS = 1000
};

/* Why a connection ended. X(name, label) */
#define FLOW_END_TABLE(X)                                                                          \
	X(PEER, "peer")           /* the peer closed */                                            \
	X(LOST, "lost")           /* reset, timed out in the kernel */                             \
	X(CONNECT, "connect")     /* did not come up */                                            \
	X(TLS, "tls")             /* the handshake failed */                                       \
	X(HALF_OPEN, "half_open") /* deadline */                                                   \
	X(SLOW, "slow_message")   /* deadline */                                                   \
	X(IDLE, "idle")           /* deadline */                                                   \
	X(QUEUE, "queue_full")    /* the peer does not read */                                     \
	X(NOT_SIP, "not_sip")                                                                      \
	X(FRAMING, "framing")                                                                      \
	X(LIMIT, "message_limit")                                                                  \
	X(HANDSHAKES, "handshake_limit") /* too many from there, or in all */                      \
	X(UPGRADE, "upgrade_refused")    /* no WebSocket for this client */                        \
	X(US, "us")                      /* the core or the end of the daemon */

enum flow_end {
#define X(name, label) FLOW_END_##name,
	FLOW_END_TABLE(X)
#undef X
		FLOW_END_COUNT
};

const char *flow_end_label(enum flow_end e);

enum flow_report_type {
	FLOW_REPORT_HANDSHAKE, /* a TLS handshake came to an end */
	FLOW_REPORT_UP,
	FLOW_REPORT_END
};

/* What is told of a connection, for the log and the counters. Views live until the function
 * returns. */
struct flow_report {
	enum flow_report_type type;
	const struct flow *flow;
	bool outbound;
	enum tls_result tls;           /* HANDSHAKE */
	struct str why;                /* HANDSHAKE that failed: a sentence */
	const struct tls_facts *facts; /* HANDSHAKE that came up */
	enum flow_end end;             /* END */
	bool unseen;                   /* END by LIMIT: nothing of the message went to the core */
};
typedef void (*flow_report_fn)(void *ctx, const struct flow_report *r);

struct flow_listener {
	struct flow_table *table;
	struct listener listener;
	uint16_t index;
	int fd; /* -1: not a stream */
	struct watch *watch;
	uint32_t connections; /* now, both directions */
};

struct geo;

struct flow_table {
	struct turn *turn;
	const struct tls_set *tls;
	const struct geo *geo; /* says where a new connection is from; NULL: nobody wants to know */
	struct limits limits;
	flow_report_fn report;
	void *report_ctx;
	struct flow_listener *listeners;
	size_t listener_count;
	struct pool conns, tags, sources;
	struct table keys, by_source;
	struct budget handshake_budget;
	struct budget_one all_handshakes;
	struct list dirty;      /* have bytes to go out this turn */
	struct list handshakes; /* wait for their turn of a handshake step */
	struct list dead;       /* freed at the end of the turn */
	unsigned handshakes_left;
	int fd_bound; /* descriptors from here on are kept for calls that are up */
	int spare_fd; /* given up to accept and close a connection when descriptors are out */
	char *scratch;
};

struct flow_params {
	struct turn *turn;
	const struct settings *settings; /* listeners and limits are copied */
	const struct tls_set *tls;
	uint8_t worker;
	flow_report_fn report;
	void *report_ctx;
};

/* ERR_NOMEM. No socket is open yet. */
enum err flow_table_init(struct flow_table *t, const struct flow_params *p) MUST_USE;
/* Closes everything at once. */
void flow_table_release(struct flow_table *t);
/* Binds and listens on listener `index` of the settings, a TCP or TLS one. ERR_IO with errno,
 * ERR_NOMEM. */
enum err flow_listen(struct flow_table *t, uint16_t index) MUST_USE;
/* New contexts, limits, paths and origins; connections stay. The old set may be freed when no handshake begun
 * before is under way any more (half_open_ms later). */
void flow_apply(struct flow_table *t, const struct tls_set *tls, const struct settings *settings);

/* ports.send for TCP and TLS, ports.close. */
void flow_send(struct flow_table *t, const struct dest *d, struct str bytes, id_t64 tag);
void flow_close(struct flow_table *t, id_t64 id);
/* The connection of that id as events name it; false: it has gone. */
bool flow_find(const struct flow_table *t, id_t64 id, struct flow *out);

/* The loop calls these: first thing in a turn; to send what is queued; last thing in a turn. */
void flow_handshakes(struct flow_table *t);
void flow_flush(struct flow_table *t);
void flow_reap(struct flow_table *t);
/* No new connections; those that are there close when their queue is empty. */
void flow_drain(struct flow_table *t);
uint32_t flow_count(const struct flow_table *t);

#endif
