#include "rtpproxy/io/ctl_dgram.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "rtpproxy/io/ctl.h"

enum {
	DATAGRAMS_A_TURN = 64,
	RECEIVE_BUFFER = 4 * 1024 * 1024 /* a burst of offers waits here, not at the client */
};

/* Our address that was asked; false: a Unix sender that may not. */
static bool read_control(const struct ctl *c, struct msghdr *m, struct addr *out)
{
	bool is_unix = ((const struct sockaddr *)m->msg_name)->sa_family == AF_UNIX, may = !is_unix;
	/* *out is all zero, its padding too: it is a part of what names the peer. */
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;
			memcpy(&info, CMSG_DATA(h), sizeof(info));
			out->family = ADDR_IP4;
			memcpy(out->ip, &info.ipi_spec_dst, 4);
		} else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;
			memcpy(&info, CMSG_DATA(h), sizeof(info));
			out->family = ADDR_IP6;
			memcpy(out->ip, &info.ipi6_addr, 16);
		} else if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;
			memcpy(&who, CMSG_DATA(h), sizeof(who));
			may = may || (is_unix && ctl_may_ask(c, who.uid, who.gid));
		}
	}
	return may;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_socket *s = arg;
	struct ctl *c = s->ctl;
	(void)what;
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		struct ask_peer peer;
		memset(&peer, 0, sizeof(peer));
		union {
			struct cmsghdr align;
			char bytes[256];
		} control;
		struct iovec iov = {c->datagram, sizeof(c->datagram)};
		struct msghdr m = {.msg_name = &peer.sa,
				   .msg_namelen = sizeof(peer.un),
				   .msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control.bytes,
				   .msg_controllen = sizeof(control.bytes)};
		ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
		if (n < 0) {
			return;
		}
		/* A Unix sender without a name of its own cannot be answered. */
		if (m.msg_flags & MSG_TRUNC || m.msg_namelen <= sizeof(sa_family_t)) {
			c->dropped++;
			continue;
		}
		peer.fd = fd;
		peer.sa_len = m.msg_namelen;
		if (!read_control(c, &m, &peer.local)) {
			c->dropped++;
			continue;
		}
		(void)ctl_take(c, &peer, (struct str){c->datagram, (size_t)n}, false);
	}
}

static int open_udp(const struct addr *a)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_write(a, &sa);
	int one = 1, size = RECEIVE_BUFFER;
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	int level = a->family == ADDR_IP6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int option = a->family == ADDR_IP6 ? IPV6_RECVPKTINFO : IP_PKTINFO;
	if (a->family == ADDR_IP6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, level, option, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&sa, len) < 0) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

static int open_unix(const struct ctl_listen *where)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;
	int one = 1;
	memcpy(sa.sun_path, where->path, sizeof(sa.sun_path));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	/* A socket left by a process that was killed; anything else there is not ours to remove. */
	if (lstat(where->path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		unlink(where->path);
	}
	mode_t before = umask(0777 & ~where->mode);
	int r = setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	r = r == 0 ? bind(fd, (struct sockaddr *)&sa, sizeof(sa)) : r;
	int e = errno;
	umask(before);
	if (r < 0) {
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

enum err ctl_dgram_listen(struct ctl *c, const struct ctl_listen *where)
{
	if (c->socket_count == CTL_SOCKETS_MAX) {
		return ERR_LIMIT;
	}
	struct ctl_socket *s = &c->sockets[c->socket_count];
	bool is_path = where->addr.family == ADDR_NONE;
	*s = (struct ctl_socket){.ctl = c, .kind = CTL_DATAGRAM};
	s->fd = is_path ? open_unix(where) : open_udp(&where->addr);
	if (s->fd < 0) {
		return ERR_IO;
	}
	if (is_path) {
		memcpy(s->path, where->path, sizeof(s->path));
	}
	s->event = event_new(c->base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
	if (!s->event || event_add(s->event, NULL) < 0) {
		close(s->fd);
		return ERR_NOMEM;
	}
	c->socket_count++;
	return OK;
}

void ctl_dgram_release(struct ctl *c)
{
	for (size_t i = 0; i < c->socket_count; i++) {
		struct ctl_socket *s = &c->sockets[i];
		event_free(s->event);
		close(s->fd);
		if (s->path[0] != '\0') {
			unlink(s->path);
		}
	}
	c->socket_count = 0;
}
