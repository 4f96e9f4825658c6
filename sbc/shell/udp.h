/*
 * One UDP listener: batches in, batches out. What is longer than the message limit is dropped and
 * counted, never cut short.
 */
#ifndef SALLYPORT_UDP_H
#define SALLYPORT_UDP_H

#include "sbc/shell/dgram.h"
#include "sbc/shell/turn.h"

enum {
	UDP_RECENT = 256, /* requests that an ICMP error may still be about */
	UDP_RECENT_HEAD =
		256, /* of each so many octets: with the branch, which no stranger knows */
	UDP_LOADED_MS =
		20 /* messages that waited longer are taken by what they are, not as they came */
};

struct udp_recent {
	id_t64 tag;
	struct addr to;
	uint16_t len;
	char head[UDP_RECENT_HEAD];
};

struct geo;

struct udp {
	struct turn *turn;
	struct dgram_in *in; /* the worker's, shared by its sockets */
	int fd;
	struct watch *watch;
	uint16_t listener;
	struct addr local;
	struct dgram_out out;
	const struct geo *geo; /* says where each datagram is from; NULL: nobody wants to know */
	struct udp_recent *recent; /* UDP_RECENT, in turn */
	unsigned recent_next;
};

/* Binds. ERR_IO with errno set (in use, no such address); ERR_NOMEM. `in` and `turn` outlive it. */
enum err udp_open(struct udp *u, struct turn *turn, struct dgram_in *in, uint16_t listener,
		  const struct addr *local) MUST_USE;
void udp_close(struct udp *u);
/* Queues; goes out with udp_flush. A failure is posted as EVENT_SEND_FAILED with `tag`. */
void udp_send(struct udp *u, const struct addr *to, struct str bytes, id_t64 tag);
void udp_flush(struct udp *u);
/* Datagrams that the kernel dropped because we did not read them in time. */
uint64_t udp_overflow(const struct udp *u);

#endif
