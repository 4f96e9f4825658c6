#include "rtpproxy/io/io_steered.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "rtpproxy/core/pkt.h"
#include "rtpproxy/core/stream.h"
#include "rtpproxy/io/io_kernel.h"
#include "rtpproxy/io/pins.h"
#include "rtpproxy/io/udp_frame.h"

enum {
	/* Room for RELAY_BPF_QUEUE datagrams as the kernel accounts them, and some. */
	RECEIVE_BUFFER = 16 * 1024 * 1024,
	SEND_BUFFER = 4 * 1024 * 1024,
	CONTROL_ROOM = 64,
	FAMILIES = 2,
	WAKE = FAMILIES, /* epoll's names of the others */
	ROUTES
};

/* A local port of this worker. */
struct port {
	struct stream *s;
	uint8_t tos;
};

struct io_steered {
	struct io io;
	const struct pins *pins;
	struct kernel *kernel;
	unsigned worker;
	int epoll_fd;
	int sock[FAMILIES];
	int raw[LIMIT_INTERFACES]; /* bound to the address of the pins' range */
	uint8_t first;             /* the family that is read first: they take turns */
	struct port *ports;        /* by slot */
	struct pkt pkts[IO_BATCH];
	struct pkt *list[IO_BATCH];
	size_t count;
	uint8_t *buffers;
	struct mmsghdr in[IO_BATCH];
	struct iovec in_iov[IO_BATCH];
	struct sockaddr_storage in_from[IO_BATCH];
	char in_control[IO_BATCH][CONTROL_ROOM];
	struct mmsghdr out[IO_BATCH];
	struct iovec out_iov[IO_BATCH][2];
	struct sockaddr_storage out_to[IO_BATCH];
	uint8_t out_head[IO_BATCH][UDP_FRAME_MAX];
};

/* s->user is the slot and 1. */
static uint32_t slot_of(const struct stream *s)
{
	return (uint32_t)(uintptr_t)s->user - 1;
}

static struct addr local_of(const struct io_steered *k, uint32_t slot)
{
	const struct pins_range *r = pins_range_of(k->pins, slot);
	struct addr a = r->addr;
	a.port = (uint16_t)(r->min + (slot - r->base));
	return a;
}

/* Does a socket of another program have the port? To bind it is the only honest way to ask. */
static enum err probe(const struct addr *local)
{
	struct sockaddr_storage sa;
	const socklen_t len = sockaddr_write(local, &sa);
	const int one = 1;
	const int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? ERR_FULL : ERR_IO;
	if (local->family == ADDR_IP6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	enum err e = OK;
	if (bind(fd, (struct sockaddr *)&sa, len) < 0)
		e = errno == EADDRINUSE ? ERR_EXISTS : ERR_IO;
	close(fd);
	return e;
}

static enum err steered_open(struct io *io, const struct addr *local, uint8_t tos, struct stream *s)
{
	struct io_steered *k = CONTAINER_OF(io, struct io_steered, io);
	uint32_t slot;
	if (!pins_find(k->pins, local, &slot))
		return ERR_IO;
	/* Also a flow of an earlier life of the relay, which the kernel still forwards. */
	if (k->ports[slot].s || k->pins->slots[slot].flags & RELAY_SLOT_OPEN)
		return ERR_EXISTS;
	const enum err e = probe(local);
	if (e != OK) {
		k->pins->slots[slot].flags = e == ERR_EXISTS ? RELAY_SLOT_FOREIGN : 0;
		return e;
	}
	k->ports[slot] = (struct port){s, tos};
	s->user = (void *)(uintptr_t)(slot + 1);
	kernel_open(k->kernel, slot, s, tos);
	return OK;
}

static void steered_close(struct io *io, struct stream *s)
{
	struct io_steered *k = CONTAINER_OF(io, struct io_steered, io);
	CHECK(s->user != NULL);
	kernel_close(k->kernel, slot_of(s));
	k->ports[slot_of(s)] = (struct port){0};
	s->user = NULL;
}

static void steered_set_tos(struct io *io, struct stream *s, uint8_t tos)
{
	struct io_steered *k = CONTAINER_OF(io, struct io_steered, io);
	k->ports[slot_of(s)].tos = tos;
	kernel_set_tos(k->kernel, slot_of(s), tos);
}

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000;
}

/* Where it was sent to; the socket itself is bound elsewhere. */
static bool read_local(const struct msghdr *h, struct addr *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR((struct msghdr *)h, c)) {
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_ORIGDSTADDR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_ORIGDSTADDR)) {
			sockaddr_read((const struct sockaddr *)(void *)CMSG_DATA(c), out);
			return true;
		}
	}
	return false;
}

static void take(struct io_steered *k, size_t i, uint64_t now)
{
	const struct mmsghdr *m = &k->in[i];
	struct pkt *p = &k->pkts[i];
	struct addr local;
	uint32_t slot;
	p->truncated = (m->msg_hdr.msg_flags & MSG_TRUNC) != 0;
	p->len = m->msg_len < PKT_LEN_MAX ? m->msg_len : PKT_LEN_MAX;
	p->cap = PKT_BUFFER;
	p->at_us = now;
	p->stream = NULL;
	sockaddr_read((const struct sockaddr *)&k->in_from[i], &p->from);
	if (read_local(&m->msg_hdr, &local) && pins_find(k->pins, &local, &slot))
		p->stream = k->ports[slot].s;
}

static void receive_some(struct io_steered *k, unsigned family, uint64_t now)
{
	const size_t room = IO_BATCH - k->count;
	if (room == 0)
		return;
	for (size_t i = k->count; i < IO_BATCH; i++) {
		k->in[i].msg_hdr.msg_namelen = sizeof(k->in_from[i]);
		k->in[i].msg_hdr.msg_controllen = CONTROL_ROOM;
	}
	/* What was counted as queued before an empty queue was seen has gone: taken or lost on its way. */
	const uint64_t queued = kernel_queued(k->kernel);
	const int n =
		recvmmsg(k->sock[family], &k->in[k->count], (unsigned)room, MSG_DONTWAIT, NULL);
	if (n < 0) {
		k->io.stats.receive_errors += errno != EAGAIN && errno != EINTR;
		return;
	}
	kernel_took(k->kernel, (size_t)n, (size_t)n < room, queued);
	for (int i = 0; i < n; i++)
		take(k, k->count + (size_t)i, now);
	k->count += (size_t)n;
}

static void steered_receive(struct io *io, int timeout_ms, struct pkt *const **out_pkts,
			    struct io_turn *out_turn)
{
	struct io_steered *k = CONTAINER_OF(io, struct io_steered, io);
	struct epoll_event ev[ROUTES + 1];
	bool readable[FAMILIES] = {false};
	const int n = epoll_wait(k->epoll_fd, ev, ROUTES + 1, timeout_ms);
	*out_turn = (struct io_turn){.now_us = now_us()};
	*out_pkts = k->list;
	k->count = 0;
	for (int i = 0; i < n; i++) {
		switch (ev[i].data.u32) {
		case WAKE: out_turn->woken = true; break;
		case ROUTES: kernel_routes_changed(k->kernel); break;
		default: readable[ev[i].data.u32] = true; break;
		}
	}
	io->stats.wakeups += n > 0;
	k->first ^= 1;
	for (unsigned i = 0; i < FAMILIES; i++)
		if (readable[k->first ^ i])
			receive_some(k, k->first ^ i, out_turn->now_us);
	kernel_before(k->kernel, k->list, k->count, out_turn->now_us);
	out_turn->count = k->count;
}

/* Larger than a frame of the way there: an ordinary socket cuts it into fragments. */
static bool send_large(const struct addr *from, const struct addr *to, const uint8_t *data,
		       size_t len)
{
	struct sockaddr_storage sa;
	const int one = 1, no = IP_PMTUDISC_DONT;
	socklen_t sa_len = sockaddr_write(from, &sa);
	const int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (from->family == ADDR_IP4)
		(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &no, sizeof(no));
	bool good = bind(fd, (struct sockaddr *)&sa, sa_len) == 0;
	sa_len = sockaddr_write(to, &sa);
	good = good && sendto(fd, data, len, MSG_DONTWAIT, (struct sockaddr *)&sa, sa_len) >= 0;
	close(fd);
	return good;
}

static bool send_one(struct io_steered *k, int fd, struct msghdr *h, const struct addr *from,
		     const struct addr *to)
{
	if (sendmsg(fd, h, MSG_DONTWAIT) >= 0)
		return true;
	const struct iovec *body = &h->msg_iov[1];
	if (errno == EMSGSIZE && send_large(from, to, body->iov_base, body->iov_len))
		return true;
	k->io.stats.send_errors++;
	return false;
}

/* False: it cannot leave from there. */
static bool fill(struct io_steered *k, size_t at, struct stream *from, const struct addr *to,
		 const uint8_t *data, size_t len, unsigned *out_range)
{
	const uint32_t slot = slot_of(from);
	const struct addr local = local_of(k, slot);
	if (local.family != to->family)
		return false;
	*out_range = (unsigned)(pins_range_of(k->pins, slot) - k->pins->ranges);
	struct addr host = *to;
	host.port = 0; /* in a raw socket's address it is a protocol */
	struct msghdr *h = &k->out[at].msg_hdr;
	k->out_iov[at][0] =
		(struct iovec){k->out_head[at], udp_frame_write(k->out_head[at], &local, to,
								k->ports[slot].tos, data, len)};
	k->out_iov[at][1] = (struct iovec){(void *)(uintptr_t)data, len};
	*h = (struct msghdr){.msg_name = &k->out_to[at],
			     .msg_namelen = sockaddr_write(&host, &k->out_to[at]),
			     .msg_iov = k->out_iov[at],
			     .msg_iovlen = 2};
	return true;
}

/* What the kernel refuses of a batch is tried once more alone, or lost: the rest goes on. */
static void flush(struct io_steered *k, int fd, size_t n)
{
	for (size_t at = 0; at < n;) {
		const int sent = sendmmsg(fd, &k->out[at], (unsigned)(n - at), MSG_DONTWAIT);
		if (sent > 0) {
			at += (size_t)sent;
			continue;
		}
		struct msghdr *h = &k->out[at].msg_hdr;
		const uint8_t *head = k->out_head[at];
		struct addr from = {.family = head[0] >> 4 == 6 ? ADDR_IP6 : ADDR_IP4}, to = from;
		const size_t ip_len = from.family == ADDR_IP6 ? 16 : 4;
		const uint8_t *ip = head + (from.family == ADDR_IP6 ? 8 : 12);
		const uint8_t *udp = head + h->msg_iov[0].iov_len - 8;
		memcpy(from.ip, ip, ip_len);
		memcpy(to.ip, ip + ip_len, ip_len);
		from.port = (uint16_t)(udp[0] << 8 | udp[1]);
		to.port = (uint16_t)(udp[2] << 8 | udp[3]);
		(void)send_one(k, fd, h, &from, &to);
		at++;
	}
}

/* Those of one range after the other, each in its order. */
static void steered_send(struct io *io)
{
	struct io_steered *k = CONTAINER_OF(io, struct io_steered, io);
	uint8_t range[IO_BATCH];
	uint32_t ranges = 0;
	for (size_t i = 0; i < k->count; i++) {
		const struct pkt *p = &k->pkts[i];
		range[i] = UINT8_MAX;
		if (p->fate != FATE_SENT)
			continue;
		range[i] = (uint8_t)(pins_range_of(k->pins, slot_of(p->out)) - k->pins->ranges);
		ranges |= 1u << range[i];
	}
	for (unsigned r = 0; ranges >> r != 0; r++) {
		size_t n = 0;
		unsigned same;
		for (size_t i = 0; ranges & 1u << r && i < k->count; i++) {
			const struct pkt *p = &k->pkts[i];
			if (range[i] != r)
				continue;
			if (fill(k, n, p->out, &p->to, p->data, p->len, &same))
				n++;
			else
				io->stats.send_errors++;
		}
		flush(k, k->raw[r], n);
	}
	kernel_after(k->kernel, k->list, k->count);
	k->count = 0;
}

static void steered_transmit(struct io *io, struct stream *s, const struct addr *to,
			     const uint8_t *data, size_t len)
{
	struct io_steered *k = CONTAINER_OF(io, struct io_steered, io);
	unsigned range;
	if (fill(k, 0, s, to, data, len, &range))
		flush(k, k->raw[range], 1);
	else
		io->stats.send_errors++;
}

static void steered_tick(struct io *io, uint64_t at_us)
{
	struct io_steered *k = CONTAINER_OF(io, struct io_steered, io);
	kernel_tick(k->kernel, at_us, &io->stats);
}

static void steered_recall(struct io *io, struct stream *s, bool only_figures)
{
	struct io_steered *k = CONTAINER_OF(io, struct io_steered, io);
	kernel_recall(k->kernel, slot_of(s), only_figures);
}

static void steered_leave(struct io *io)
{
	struct io_steered *k = CONTAINER_OF(io, struct io_steered, io);
	kernel_leave(k->kernel);
}

static void steered_free(struct io **io)
{
	struct io_steered *k = CONTAINER_OF(*io, struct io_steered, io);
	kernel_free(&k->kernel);
	for (unsigned i = 0; i < FAMILIES; i++)
		if (k->sock[i] >= 0)
			close(k->sock[i]);
	for (unsigned i = 0; i < LIMIT_INTERFACES; i++)
		if (k->raw[i] >= 0)
			close(k->raw[i]);
	if (k->epoll_fd >= 0)
		close(k->epoll_fd);
	free(k->ports);
	free(k->buffers);
	free(k);
	*io = NULL;
}

static const struct io_ops ops = {
	.open = steered_open,
	.close = steered_close,
	.set_tos = steered_set_tos,
	.receive = steered_receive,
	.send = steered_send,
	.transmit = steered_transmit,
	.tick = steered_tick,
	.recall = steered_recall,
	.leave = steered_leave,
	.free = steered_free,
};

static enum err watch(struct io_steered *k, int fd, uint32_t name)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = name};
	return epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? OK : ERR_IO;
}

static void set_buffer(int fd, int forced, int asked, int size)
{
	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, asked, &size, sizeof(size));
}

/* Bound to loopback, where nobody else sends to it: what it gets the program brings. */
static enum err make_socket(struct io_steered *k, unsigned family)
{
	const int one = 1;
	struct sockaddr_storage sa;
	const struct addr here[FAMILIES] = {{.family = ADDR_IP4, .ip = {127, 0, 0, 1}},
					    {.family = ADDR_IP6, .ip = {[15] = 1}}};
	const socklen_t len = sockaddr_write(&here[family], &sa);
	const int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	k->sock[family] = fd;
	if (fd < 0)
		return ERR_IO;
	if (here[family].family == ADDR_IP6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, &one, sizeof(one)) < 0)
			return ERR_IO;
	} else if (setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &one, sizeof(one)) < 0) {
		return ERR_IO;
	}
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BUFFER);
	if (bind(fd, (struct sockaddr *)&sa, len) < 0)
		return ERR_IO;
	const enum err e = pins_set_socket(k->pins, k->worker, here[family].family, fd);
	return e == OK ? watch(k, fd, family) : e;
}

static enum err make_raw(struct io_steered *k, unsigned range)
{
	const int one = 1;
	struct sockaddr_storage sa;
	const struct addr *local = &k->pins->ranges[range].addr;
	const socklen_t len = sockaddr_write(local, &sa);
	const int fd = socket(sa.ss_family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);
	k->raw[range] = fd;
	if (fd < 0)
		return ERR_IO;
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_BUFFER);
	if (local->family == ADDR_IP6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &one, sizeof(one)) < 0)
		return ERR_IO;
	/* The address that routes are asked with. */
	return bind(fd, (struct sockaddr *)&sa, len) == 0 ? OK : ERR_IO;
}

static enum err make_sockets(struct io_steered *k)
{
	bool wanted[FAMILIES] = {false};
	enum err e = OK;
	for (unsigned i = 0; i < k->pins->range_count; i++)
		wanted[k->pins->ranges[i].addr.family == ADDR_IP6] = true;
	for (unsigned f = 0; e == OK && f < FAMILIES; f++)
		if (wanted[f])
			e = make_socket(k, f);
	for (unsigned i = 0; e == OK && i < k->pins->range_count; i++)
		e = make_raw(k, i);
	return e;
}

static void aim_buffers(struct io_steered *k)
{
	for (size_t i = 0; i < IO_BATCH; i++) {
		k->pkts[i].data = k->buffers + i * PKT_BUFFER;
		k->list[i] = &k->pkts[i];
		k->in_iov[i] = (struct iovec){k->pkts[i].data, PKT_LEN_MAX};
		k->in[i].msg_hdr = (struct msghdr){.msg_name = &k->in_from[i],
						   .msg_iov = &k->in_iov[i],
						   .msg_iovlen = 1,
						   .msg_control = k->in_control[i]};
	}
}

enum err io_steered_new(const struct io_steered_params *p, struct io **out)
{
	struct io_steered *k = calloc(1, sizeof(*k));
	if (!k)
		return ERR_NOMEM;
	k->io.ops = &ops;
	k->pins = p->pins;
	k->worker = p->worker;
	k->sock[0] = k->sock[1] = -1;
	memset(k->raw, 0xff, sizeof(k->raw));
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	k->ports = calloc(p->pins->slot_count, sizeof(*k->ports));
	k->buffers = calloc(IO_BATCH, PKT_BUFFER);
	enum err e = k->ports && k->buffers && k->epoll_fd >= 0 ? OK : ERR_NOMEM;
	if (e == OK)
		e = kernel_new(p, &k->kernel);
	if (e == OK) {
		aim_buffers(k);
		e = make_sockets(k);
	}
	if (e == OK)
		e = watch(k, p->wake_fd, WAKE);
	if (e == OK && kernel_route_fd(k->kernel) >= 0)
		e = watch(k, kernel_route_fd(k->kernel), ROUTES);
	struct io *io = &k->io;
	if (e != OK)
		steered_free(&io);
	else
		*out = io;
	return e;
}
