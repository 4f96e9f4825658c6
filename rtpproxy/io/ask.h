/*
 * What the control thread hands to a worker: one NG request and where its reply goes. Whoever executes a
 * datagram replies by itself: such a socket may be sent on by any thread. A connection is the control
 * thread's alone: the reply goes back to it through a queue.
 */
#ifndef SALLYPORT_ASK_H
#define SALLYPORT_ASK_H

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/addr.h"
#include "common/str.h"
#include "rtpproxy/io/queue.h"

enum ask_kind { ASK_NG, ASK_LIST, ASK_STOP, ASK_KIND_COUNT };

/* Who asked, and on which of our addresses: the reply leaves from there. */
struct ask_peer {
	int fd;
	struct addr local; /* family ADDR_NONE: a Unix socket */
	socklen_t sa_len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	uint64_t conn; /* id of a connection (ctl_conn.h); 0: a datagram */
};

struct ask {
	enum ask_kind kind;
	uint32_t limit;     /* LIST */
	uint32_t reply_max; /* NG: longer ones the asker cannot read */
	bool plain;         /* NG: no cookie, neither here nor in the reply */
	struct ask_peer peer;
};

/* What a worker puts in its queue to the control thread; the bytes follow. None: nothing is to be said. */
struct ask_back {
	uint64_t conn;
	bool unasked; /* it answers nothing */
};

/* The bytes that name the peer among all: socket, our address, its address; or the connection. */
struct str ask_peer_key(const struct ask_peer *p);
/* The peer of these bytes, for what it has not asked for. False: they name none. */
bool ask_peer_of(struct str key, struct ask_peer *out);
/* By a worker, with its queue to the control thread. False: the kernel refused, or the queue is full. */
bool ask_reply(const struct ask_peer *p, struct queue *back, struct str reply);
/* The same for what was not asked for. */
bool ask_tell(const struct ask_peer *p, struct queue *back, struct str bytes);

#endif
