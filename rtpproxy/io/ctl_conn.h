/*
 * Connections of the control thread: NG over TCP and a Unix stream (here), over HTTP and WebSocket
 * (ctl_http.c). One request at a time is taken from a connection, so that replies keep their order and what
 * a client may have under way is bounded; what it sends meanwhile waits in the kernel.
 *
 *   a request whole ──► ctl_take ──► (a worker) ──► ctl_conn_reply ──► the next request
 *
 * A connection ends when its client closes it, says something that is no request, takes longer than
 * CTL_MESSAGE_MS for one or for taking a reply, or is idle for CTL_IDLE_MS.
 */
#ifndef SALLYPORT_CTL_CONN_H
#define SALLYPORT_CTL_CONN_H

#include "common/id.h"
#include "common/ws_frame.h"
#include "rtpproxy/core/ng_frame.h"
#include "rtpproxy/io/ctl.h"

struct bufferevent;
struct evbuffer;

enum ctl_conn_kind { CTL_CONN_STREAM, CTL_CONN_HTTP, CTL_CONN_WS, CTL_CONN_KIND_COUNT };

/* Of the HTTP request that is being answered. */
struct ctl_conn_http {
	size_t need; /* octets of head and body; 0: the head is not known */
	bool close, plain, json;
};

struct ctl_conn_ws {
	struct ws_frame frame;
	struct evbuffer *parts; /* of a message in fragments; NULL: none yet */
	enum ws_opcode opcode;  /* of the request: the reply's */
	bool plain;
	uint8_t unanswered; /* pings in a row that nothing followed */
};

struct ctl_conn {
	id_t64 id;
	struct ctl *ctl;
	struct bufferevent *bev;
	struct ask_peer peer;
	enum ctl_conn_kind kind;
	bool is_unix, look_only, by_name;
	bool waiting;       /* for a reply: nothing further is read */
	bool ending;        /* closed as soon as all is written */
	bool eof;           /* it sends nothing more, and may still want the reply */
	uint64_t active_ms; /* the last octet or reply */
	uint64_t began_ms;  /* when the request under way began; 0: none */
	uint64_t sent_ms;   /* when output began to wait; 0: none does */
	struct ng_frame frame;
	struct ctl_conn_http http;
	struct ctl_conn_ws ws;
};

enum err ctl_conn_init(struct ctl *c) MUST_USE;
/* ERR_IO (errno says why), ERR_LIMIT, ERR_NOMEM. */
enum err ctl_conn_listen(struct ctl *c, const struct ctl_listen *where) MUST_USE;
void ctl_conn_release(struct ctl *c);
/* The reply to the request under way; empty: there is none. An id whose connection has gone is nothing. */
void ctl_conn_reply(struct ctl *c, id_t64 id, struct str reply);
/* What it has not asked for: to NG connections with cookies alone, the others could not tell it from a reply. */
void ctl_conn_tell(struct ctl *c, id_t64 id, struct str bytes);

/* ---- between the two files */

/* Takes one request off the front of `in`. Octets consumed; 0: more are needed, or it is ending. */
size_t ctl_http_step(struct ctl_conn *conn, char *in, size_t n);
size_t ctl_ws_step(struct ctl_conn *conn, char *in, size_t n);
void ctl_http_reply(struct ctl_conn *conn, struct str reply);
void ctl_ws_reply(struct ctl_conn *conn, struct str reply);
void ctl_ws_ping(struct ctl_conn *conn);
void ctl_ws_release(struct ctl_conn *conn);
void ctl_conn_write(struct ctl_conn *conn, struct str bytes);
/* No further request is taken. */
void ctl_conn_end(struct ctl_conn *conn);
/* The same, for what it sent. */
void ctl_conn_break(struct ctl_conn *conn);
/* Gives a request on; conn->waiting until the reply. */
void ctl_conn_take(struct ctl_conn *conn, struct str request, bool plain);

#endif
