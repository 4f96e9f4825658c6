/*
 * The portable back end: an ordinary UDP socket for each port, level-triggered epoll, one recvfrom
 * and one sendto a packet. At 50 packets a second a socket rarely holds two, so batching per socket
 * gains nothing (measured); the batch is over sockets. No privilege is needed.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "rtpproxy/core/pkt.h"
#include "rtpproxy/core/stream.h"
#include "rtpproxy/io/io.h"

/*
 * Half a second of one stream at twice the usual rate. The kernel's default of 208 KiB would let one
 * port hold a thousand packets of a flood while the worker is behind.
 */
enum { RECEIVE_BUFFER = 64 * 1024 };

struct io_sock {
	struct io io;
	int epoll_fd;
	struct pkt pkts[IO_BATCH];
	struct pkt *list[IO_BATCH];
	size_t count;
	uint8_t *buffers;
};

/* s->user holds the descriptor itself: an endpoint needs no memory here. */
static int fd_of(const struct stream *s)
{
	return (int)(intptr_t)s->user - 1;
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

static enum err sock_open(struct io *io, const struct addr *local, uint8_t tos, struct stream *s)
{
	struct io_sock *k = CONTAINER_OF(io, struct io_sock, io);
	struct sockaddr_storage sa;
	socklen_t sa_len = sockaddr_write(local, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return errno == EMFILE || errno == ENFILE ? ERR_FULL : ERR_IO;
	}
	int one = 1, size = RECEIVE_BUFFER;
	if (local->family == ADDR_IP6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (tos != 0) {
		apply_tos(fd, local->family, tos);
	}
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
	if (bind(fd, (struct sockaddr *)&sa, sa_len) < 0) {
		enum err e = errno == EADDRINUSE ? ERR_EXISTS : ERR_IO;
		close(fd);
		return e;
	}
	if (epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		close(fd);
		return ERR_IO;
	}
	s->user = (void *)(intptr_t)(fd + 1);
	return OK;
}

static void sock_close(struct io *io, struct stream *s)
{
	(void)io;
	CHECK(s->user != NULL);
	close(fd_of(s)); /* leaves the epoll set by itself: the descriptor was never duplicated */
	s->user = NULL;
}

static void sock_set_tos(struct io *io, struct stream *s, uint8_t tos)
{
	(void)io;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	if (getsockname(fd_of(s), (struct sockaddr *)&sa, &len) == 0) {
		apply_tos(fd_of(s), sa.ss_family == AF_INET6 ? ADDR_IP6 : ADDR_IP4, tos);
	}
}

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

static bool receive_one(struct io_sock *k, struct stream *s, struct pkt *p)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = sizeof(sa);
	ssize_t n = recvfrom(fd_of(s), p->data, PKT_LEN_MAX, MSG_DONTWAIT | MSG_TRUNC,
			     (struct sockaddr *)&sa, &sa_len);
	if (n < 0) {
		/* An ICMP error of an earlier send arrives here as well: nothing to do about it. */
		k->io.stats.receive_errors += errno != EAGAIN;
		return false;
	}
	p->truncated = n > PKT_LEN_MAX;
	p->len = p->truncated ? PKT_LEN_MAX : (uint32_t)n;
	p->cap = PKT_BUFFER;
	p->stream = s;
	sockaddr_read((struct sockaddr *)&sa, &p->from);
	return true;
}

static void sock_receive(struct io *io, int timeout_ms, struct pkt *const **out_pkts,
			 struct io_turn *out_turn)
{
	struct io_sock *k = CONTAINER_OF(io, struct io_sock, io);
	struct epoll_event ev[IO_BATCH];
	int n = epoll_wait(k->epoll_fd, ev, IO_BATCH, timeout_ms);
	*out_turn = (struct io_turn){.now_us = now_us()};
	*out_pkts = k->list;
	k->count = 0;
	io->stats.wakeups += n > 0;
	for (int i = 0; i < n; i++) {
		if (!ev[i].data.ptr) {
			out_turn->woken = true;
		} else if (receive_one(k, ev[i].data.ptr, &k->pkts[k->count])) {
			k->pkts[k->count++].at_us = out_turn->now_us;
		}
	}
	out_turn->count = k->count;
}

static void sock_transmit(struct io *io, struct stream *s, const struct addr *to,
			  const uint8_t *data, size_t len)
{
	struct sockaddr_storage sa;
	socklen_t sa_len = sockaddr_write(to, &sa);
	if (sendto(fd_of(s), data, len, MSG_DONTWAIT, (struct sockaddr *)&sa, sa_len) < 0) {
		io->stats.send_errors++;
	}
}

static void sock_send(struct io *io)
{
	struct io_sock *k = CONTAINER_OF(io, struct io_sock, io);
	for (size_t i = 0; i < k->count; i++) {
		const struct pkt *p = &k->pkts[i];
		if (p->fate == FATE_SENT) {
			sock_transmit(io, p->out, &p->to, p->data, p->len);
		}
	}
	k->count = 0;
}

static void sock_free(struct io **io)
{
	struct io_sock *k = CONTAINER_OF(*io, struct io_sock, io);
	close(k->epoll_fd);
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
		free(k);
		free(buffers);
		return ERR_IO;
	}
	*out = &k->io;
	return OK;
}
