/*
 * The portable back end: an ordinary UDP socket for each port, level-triggered epoll, one recv and one send a packet. At 50
 * packets a second a socket rarely holds two, so batching per socket gains nothing (measured); the batch is over sockets.
 * No privilege is needed.
 *
 * Once nobody but the party may send to an endpoint (offload.h), its socket is connected to the party: the kernel
 * then knows the way out, packets carry no address that must be copied and compared, and a stranger's packets die in the
 * kernel. It is given up again before a command touches the call, when a packet goes elsewhere, and when the party of an
 * encrypted side falls silent and so another address may prove itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "common/pool.h"
#include "common/sockaddr.h"
#include "rtpproxy/core/latch.h"
#include "rtpproxy/core/limits.h"
#include "rtpproxy/core/pkt.h"
#include "rtpproxy/core/stream.h"
#include "rtpproxy/io/io.h"
#include "rtpproxy/io/offload.h"

/*
 * Half a second of one stream at twice the usual rate. The kernel's default of 208 KiB would let one
 * port hold a thousand packets of a flood while the worker is behind.
 */
enum {
	RECEIVE_BUFFER = 64 * 1024,
	/* Packets between two questions whether the party is settled: half a second of one stream, and rare enough to
	 * cost nothing where the answer stays no. */
	SETTLE_EVERY = 32,
	SPARE = 64 /* descriptors that are no media ports */
};

/* One open endpoint. */
struct sock {
	struct stream *stream;
	id_t64 id;
	uint64_t last_us; /* connected: the last packet */
	int fd;
	struct addr peer; /* connected to; family ADDR_NONE: it is not */
	uint8_t family;
	uint8_t asked; /* packets until the next question */
	bool sure;     /* connected, and nothing from before is in its queue */
	bool held;     /* the party has to go on sending to keep it */
	bool fixed;    /* bound to one address of ours; else connecting would choose one */
};

struct io_sock {
	struct io io;
	int epoll_fd;
	struct pool socks;
	struct pkt pkts[IO_BATCH];
	struct pkt *list[IO_BATCH];
	size_t count;
	uint8_t *buffers;
};

static struct sock *sock_of(const struct stream *s)
{
	return s->user;
}

static void apply_tos(int fd, uint8_t family, uint8_t tos)
{
	int value = tos;
	if (family == ADDR_IP6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
	} else {
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &value, sizeof(value));
	}
}

static int open_socket(const struct addr *local, uint8_t tos)
{
	struct sockaddr_storage sa;
	const socklen_t sa_len = sockaddr_write(local, &sa);
	const int one = 1, size = RECEIVE_BUFFER;
	const int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	if (local->family == ADDR_IP6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (tos != 0) {
		apply_tos(fd, local->family, tos);
	}
	if (bind(fd, (struct sockaddr *)&sa, sa_len) < 0) {
		const int why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

static enum err open_error(void)
{
	switch (errno) {
	case EMFILE:
	case ENFILE: return ERR_FULL;
	case EADDRINUSE: return ERR_EXISTS;
	default: return ERR_IO;
	}
}

static enum err sock_open(struct io *io, const struct addr *local, uint8_t tos, struct stream *s)
{
	struct io_sock *k = CONTAINER_OF(io, struct io_sock, io);
	id_t64 id;
	struct sock *one = pool_new(&k->socks, &id);
	if (!one) {
		return ERR_FULL;
	}
	*one = (struct sock){.stream = s,
			     .id = id,
			     .family = local->family,
			     .asked = SETTLE_EVERY,
			     .fixed = addr_class(local) != ADDR_CLASS_UNSPECIFIED};
	one->fd = open_socket(local, tos);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = one};
	if (one->fd < 0 || epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, one->fd, &ev) < 0) {
		const enum err e = open_error();
		if (one->fd >= 0) {
			close(one->fd);
		}
		pool_free(&k->socks, id);
		return e;
	}
	s->user = one;
	return OK;
}

static void sock_close(struct io *io, struct stream *s)
{
	struct io_sock *k = CONTAINER_OF(io, struct io_sock, io);
	struct sock *one = sock_of(s);
	CHECK(one != NULL);
	close(one->fd); /* leaves the epoll set by itself: the descriptor was never duplicated */
	s->user = NULL;
	pool_free(&k->socks, one->id);
}

static void sock_set_tos(struct io *io, struct stream *s, uint8_t tos)
{
	(void)io;
	apply_tos(sock_of(s)->fd, sock_of(s)->family, tos);
}

/* ---- connecting */

static bool is_connected(const struct sock *one)
{
	return one->peer.family != ADDR_NONE;
}

static void let_go(struct sock *one)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	if (!is_connected(one)) {
		return;
	}
	(void)connect(one->fd, &nobody, sizeof(nobody));
	one->peer.family = ADDR_NONE;
	one->sure = false;
	one->asked = SETTLE_EVERY;
}

/* What came before the connection may be from anybody, and is in the queue still: then each packet is asked for its sender. */
static bool is_queue_empty(const struct sock *one)
{
	char byte;
	return recv(one->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Packets that come in the party's name and prove nothing do not keep its place. */
static bool is_silent(const struct sock *one, uint64_t now_us)
{
	return now_us >= one->stream->latch.last_us + LATCH_SILENT_US;
}

static void settle(struct sock *one, uint64_t now_us)
{
	struct offload o;
	struct sockaddr_storage sa;
	one->asked = SETTLE_EVERY;
	if (!one->fixed || one->stream->latch.state != LATCH_HELD) {
		return;
	}
	offload_decide(one->stream, now_us, &o);
	if (o.source == OFFLOAD_ANY || o.checks || o.from.family != one->family ||
	    (o.source == OFFLOAD_HELD && is_silent(one, now_us))) {
		return;
	}
	const socklen_t sa_len = sockaddr_write(&o.from, &sa);
	if (connect(one->fd, (struct sockaddr *)&sa, sa_len) < 0) {
		return;
	}
	one->peer = o.from;
	one->held = o.source == OFFLOAD_HELD;
	one->last_us = now_us;
	one->sure = is_queue_empty(one);
}

static void check_held(struct sock *one, uint64_t now_us)
{
	one->asked = SETTLE_EVERY;
	if (one->held && is_silent(one, now_us)) {
		let_go(one);
	}
}

/* Also when it was connected to somebody else: the packet goes where the core says, and the party is found anew. */
static void send_one(struct io_sock *k, struct sock *one, const struct addr *to,
		     const uint8_t *data, size_t len)
{
	if (is_connected(one) && addr_eq(&one->peer, to)) {
		/* An ICMP error of an earlier packet comes as the answer to this one, which was not sent. */
		if (send(one->fd, data, len, MSG_DONTWAIT) < 0 &&
		    send(one->fd, data, len, MSG_DONTWAIT) < 0) {
			k->io.stats.send_errors++;
		}
		return;
	}
	struct sockaddr_storage sa;
	const socklen_t sa_len = sockaddr_write(to, &sa);
	let_go(one);
	if (sendto(one->fd, data, len, MSG_DONTWAIT, (struct sockaddr *)&sa, sa_len) < 0) {
		k->io.stats.send_errors++;
	}
}

static void sock_recall(struct io *io, struct stream *s, bool only_figures)
{
	(void)io;
	if (!only_figures) {
		let_go(sock_of(s));
	}
}

static void sock_tick(struct io *io, uint64_t now_us)
{
	struct io_sock *k = CONTAINER_OF(io, struct io_sock, io);
	uint32_t cursor = 0;
	id_t64 id;
	struct sock *one;
	while ((one = pool_next(&k->socks, &cursor, &id))) {
		if (is_connected(one) && one->held && now_us >= one->last_us + LATCH_SILENT_US) {
			let_go(one);
		}
	}
}

/* ---- packets */

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

/* Of a connected socket: all that arrives is the peer's. */
static ssize_t receive_sure(struct sock *one, struct pkt *p, uint64_t now_us)
{
	p->from = one->peer;
	one->last_us = now_us;
	if (--one->asked == 0) {
		check_held(one, now_us);
	}
	return recv(one->fd, p->data, PKT_LEN_MAX, MSG_DONTWAIT | MSG_TRUNC);
}

static ssize_t receive_from(struct sock *one, struct pkt *p, uint64_t now_us)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = sizeof(sa);
	const ssize_t n = recvfrom(one->fd, p->data, PKT_LEN_MAX, MSG_DONTWAIT | MSG_TRUNC,
				   (struct sockaddr *)&sa, &sa_len);
	if (n < 0) {
		return n;
	}
	sockaddr_read((struct sockaddr *)&sa, &p->from);
	if (is_connected(one)) {
		one->last_us = now_us;
		one->sure = is_queue_empty(one);
	} else if (--one->asked == 0) {
		settle(one, now_us);
	}
	return n;
}

static bool receive_one(struct io_sock *k, struct sock *one, struct pkt *p, uint64_t now_us)
{
	const ssize_t n = one->sure ? receive_sure(one, p, now_us) : receive_from(one, p, now_us);
	if (n < 0) {
		/* An ICMP error of an earlier send arrives here as well: nothing to do about it. */
		k->io.stats.receive_errors += errno != EAGAIN;
		return false;
	}
	p->truncated = n > PKT_LEN_MAX;
	p->len = p->truncated ? PKT_LEN_MAX : (uint32_t)n;
	p->cap = PKT_BUFFER;
	p->stream = one->stream;
	p->at_us = now_us;
	return true;
}

static void sock_receive(struct io *io, int timeout_ms, struct pkt *const **out_pkts,
			 struct io_turn *out_turn)
{
	struct io_sock *k = CONTAINER_OF(io, struct io_sock, io);
	struct epoll_event ev[IO_BATCH];
	const int n = epoll_wait(k->epoll_fd, ev, IO_BATCH, timeout_ms);
	*out_turn = (struct io_turn){.now_us = now_us()};
	*out_pkts = k->list;
	k->count = 0;
	io->stats.wakeups += n > 0;
	for (int i = 0; i < n; i++) {
		if (ev[i].data.ptr) {
			__builtin_prefetch(ev[i].data.ptr, 1);
		}
	}
	for (int i = 0; i < n; i++) {
		if (!ev[i].data.ptr) {
			out_turn->woken = true;
		} else if (receive_one(k, ev[i].data.ptr, &k->pkts[k->count], out_turn->now_us)) {
			k->count++;
		}
	}
	out_turn->count = k->count;
}

static void sock_transmit(struct io *io, struct stream *s, const struct addr *to,
			  const uint8_t *data, size_t len)
{
	send_one(CONTAINER_OF(io, struct io_sock, io), sock_of(s), to, data, len);
}

static void sock_send(struct io *io)
{
	struct io_sock *k = CONTAINER_OF(io, struct io_sock, io);
	for (size_t i = 0; i < k->count; i++) {
		const struct pkt *p = &k->pkts[i];
		if (p->fate == FATE_SENT) {
			send_one(k, sock_of(p->out), &p->to, p->data, p->len);
		}
	}
	k->count = 0;
}

static void sock_free(struct io **io)
{
	struct io_sock *k = CONTAINER_OF(*io, struct io_sock, io);
	close(k->epoll_fd);
	pool_release(&k->socks);
	free(k->buffers);
	free(k);
	*io = NULL;
}

static const struct io_ops ops = {
	.open = sock_open,
	.close = sock_close,
	.set_tos = sock_set_tos,
	.receive = sock_receive,
	.send = sock_send,
	.transmit = sock_transmit,
	.tick = sock_tick,
	.recall = sock_recall,
	.free = sock_free,
};

enum err io_sock_new(int wake_fd, struct io **out)
{
	struct io_sock *k = calloc(1, sizeof(*k));
	uint8_t *buffers = calloc(IO_BATCH, PKT_BUFFER);
	if (!k || !buffers) {
		free(k);
		free(buffers);
		return ERR_NOMEM;
	}
	const enum err e = pool_init(&k->socks, sizeof(struct sock), LIMIT_DESCRIPTORS - SPARE, 0);
	if (e != OK) {
		free(k);
		free(buffers);
		return e;
	}
	k->io.ops = &ops;
	k->buffers = buffers;
	for (size_t i = 0; i < IO_BATCH; i++) {
		k->pkts[i].data = buffers + i * PKT_BUFFER;
		k->list[i] = &k->pkts[i];
	}
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll_fd < 0 || epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, wake_fd, &ev) < 0) {
		if (k->epoll_fd >= 0) {
			close(k->epoll_fd);
		}
		pool_release(&k->socks);
		free(k);
		free(buffers);
		return ERR_IO;
	}
	*out = &k->io;
	return OK;
}
