/* What flow.c (table, pool, sockets), flow_io.c (the life of one connection) and flow_ws.c (the WebSocket in it)
 * share. */
#ifndef SALLYPORT_FLOW_IMPL_H
#define SALLYPORT_FLOW_IMPL_H

#include "sbc/core/frame.h"
#include "sbc/shell/conn.h"
#include "sbc/shell/flow.h"
#include "sbc/shell/ws.h"

/*
 * CONNECTING → HANDSHAKE → OPEN → DRAIN → LINGER → DEAD; any state may go to DEAD at once. An
 * accepted connection begins in HANDSHAKE, a plain one passes through it without a step.
 */
enum flow_state {
	FLOW_CONNECTING,
	FLOW_HANDSHAKE,
	FLOW_OPEN,
	FLOW_DRAIN,  /* sends what is queued, reads no more */
	FLOW_LINGER, /* our end is shut; waits for the peer's, so that no reset overtakes the data */
	FLOW_DEAD,
	FLOW_STATE_COUNT
};

struct flow_source {
	struct table_node node;
	id_t64 id;
	uint8_t ip[16]; /* an IPv6 source is its /64 */
	uint32_t count;
};

/* A message whose sender wants to know if it was lost. */
struct flow_tag {
	struct list node;
	id_t64 id;
	id_t64 tag;
};

struct flow_conn {
	struct conn conn;
	struct flow_table *table;
	enum flow_state state;
	struct flow flow;
	bool outbound;
	bool has_spoken;  /* a byte has come since it is up */
	bool peer_closed; /* nothing more will come */
	bool is_keyed;
	bool may_shake; /* its handshake has been counted */
	struct watch *watch;
	struct tls_facts *facts;
	struct frame frame;
	struct bytes in, out;
	struct ws ws; /* WS and WSS only */
	struct list tags;
	struct turn_timer timer;
	uint64_t began_ms;   /* in this state, while not OPEN */
	uint64_t last_ms;    /* anything came or went */
	uint64_t message_ms; /* the first byte of the message under way; 0: none is */
	struct list dirty_node, handshake_node, dead_node;
	struct table_node key_node;
	id_t64 source; /* ID_NONE: we opened it */
	uint64_t trust;
	struct str name; /* what the peer must prove; memory of its own */
	enum flow_end end;
	bool unseen; /* what was too long never went to the core */
};

/* A new connection in `state` that owns `conn`; NULL: full, and conn is closed. */
struct flow_conn *flow_conn_new(struct flow_table *t, struct conn *conn, enum flow_state state,
				const struct flow *flow);
/* Watches for what the state needs and sets the deadline. */
void flow_conn_start(struct flow_conn *c);
/* Queues bytes; `tag` is told of their loss. */
void flow_conn_queue(struct flow_conn *c, struct str bytes, id_t64 tag);
/* The same without a WebSocket's frame around it, and nobody is told. */
void flow_conn_queue_raw(struct flow_conn *c, struct str bytes);
/* When it is over if nothing comes. */
uint64_t flow_conn_deadline(const struct flow_conn *c);
void flow_conn_drain(struct flow_conn *c, enum flow_end end);
/* Ends it now: tells the core and the report; its memory stays until flow_reap. */
void flow_conn_kill(struct flow_conn *c, enum flow_end end);
void flow_conn_handshake(struct flow_conn *c);
void flow_conn_flush(struct flow_conn *c);
/* flow_ws.c: takes what came; how many octets are done with. */
size_t flow_ws_take(struct flow_conn *c, char *p, size_t n);
/* What goes before a message of ours. */
struct str flow_ws_head(uint8_t out[WS_HEAD_MAX], struct str message);
/* Says that we close. */
void flow_ws_goodbye(struct flow_conn *c);
/* The timer went off. True: it was about a ping. */
bool flow_ws_tick(struct flow_conn *c);
/* Called by flow_conn_kill. */
void flow_unlist(struct flow_conn *c);

#endif
