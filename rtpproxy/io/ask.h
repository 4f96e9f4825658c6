/*
 * What the control thread hands to a worker: one NG datagram and where its reply goes. Whoever
 * executes it replies by itself: a datagram socket may be sent on by any thread.
 */
#ifndef SALLYPORT_ASK_H
#define SALLYPORT_ASK_H

#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/addr.h"
#include "common/str.h"

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
};

struct ask {
	enum ask_kind kind;
	uint32_t limit; /* LIST */
	struct ask_peer peer;
};

/* The bytes that name the peer among all: socket, our address, its address. */
struct str ask_peer_key(const struct ask_peer *p);
/* The peer of these bytes, for what it has not asked for. False: they name none. */
bool ask_peer_of(struct str key, struct ask_peer *out);
/* False: the kernel refused; the asker will repeat. */
bool ask_reply(const struct ask_peer *p, struct str reply);

#endif
