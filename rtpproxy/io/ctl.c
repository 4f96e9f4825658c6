#include "rtpproxy/io/ctl.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "rtpproxy/io/statistics.h"

enum {
	ARENA_SIZE = 1024 * 1024,
	DATAGRAMS_A_TURN = 64,
	RECEIVE_BUFFER = 4 * 1024 * 1024 /* a burst of offers waits here, not at the client */
};

uint64_t ctl_sum(const struct relay_published *p, unsigned workers, unsigned counter)
{
	uint64_t n = 0;
	for (unsigned w = 0; w < workers; w++) {
		n += atomic_load_explicit(&p[w].v[counter], memory_order_relaxed);
	}
	return n;
}

static void reply_dict(struct ctl *c, const struct ask_peer *peer, const struct ng *ng,
		       const struct dict *d)
{
	struct buf b;
	buf_init(&b, c->reply, sizeof(c->reply));
	ng_write(&b, ng, d);
	if (b.overflow || !d || c->arena.failed) {
		arena_reset(&c->arena);
		buf_reset(&b);
		ng_write(&b, ng, ng_error(&c->arena, REFUSAL_MEMORY));
	}
	/* Refused by the kernel: the asker repeats. */
	(void)ask_reply(peer, buf_view(&b));
}

static struct ctl_proxy *find_proxy(struct ctl *c, const struct ask_peer *peer)
{
	struct addr a = {.family = ADDR_NONE};
	if (peer->sa.sa_family != AF_UNIX) {
		sockaddr_read(&peer->sa, &a);
		a.port = 0;
	}
	for (size_t i = 0; i < c->proxy_count; i++) {
		if (addr_eq(&c->proxies[i].addr, &a)) {
			return &c->proxies[i];
		}
	}
	if (c->proxy_count == CTL_PROXIES_MAX) {
		return &c->proxies[CTL_PROXIES_MAX - 1]; /* the last one stands for all others */
	}
	c->proxies[c->proxy_count] = (struct ctl_proxy){.addr = a};
	return &c->proxies[c->proxy_count++];
}

/* ---- list */

static void begin_list(struct ctl *c, const struct ask_peer *peer, const struct ng *ng)
{
	/* One at a time: a second one is repeated by its client. */
	if (c->list_busy || ng->cookie.len >= sizeof(c->list_cookie)) {
		c->dropped++;
		return;
	}
	c->list_limit = ng->limit > 0 && ng->limit < LIMIT_LIST ? (uint32_t)ng->limit : LIMIT_LIST;
	c->list_peer = *peer;
	c->list_ng = (struct ng){.json = ng->json, .cookie = {c->list_cookie, ng->cookie.len}};
	memcpy(c->list_cookie, ng->cookie.p, ng->cookie.len);
	atomic_store_explicit(&c->list->left, c->loop_count, memory_order_relaxed);
	const struct ask a = {.kind = ASK_LIST, .limit = c->list_limit};
	c->list_busy = true;
	for (unsigned w = 0; w < c->loop_count; w++) {
		buf_reset(&c->list->parts[w]);
		/* A worker that cannot take the question gives nothing to the list. */
		if (queue_push(&c->loops[w].queue, &a, sizeof(a), NULL, 0) != OK &&
		    atomic_fetch_sub(&c->list->left, 1) == 1) {
			c->list_busy = false;
		}
	}
}

/* The parts are bencode strings, one behind the other. */
static void add_part(struct ctl *c, struct dict *calls, struct str part, uint32_t *left)
{
	while (part.len > 0 && *left > 0) {
		uint32_t n;
		size_t colon = str_index(part, ':');
		if (str_to_u32((struct str){part.p, colon}, LIMIT_CALL_ID, &n) != OK) {
			return;
		}
		dict_add_str(&c->arena, calls, STR_NONE, (struct str){part.p + colon + 1, n});
		part = str_from_offset(part, colon + 1 + n);
		(*left)--;
	}
}

static void on_list_done(evutil_socket_t fd, short what, void *arg)
{
	struct ctl *c = arg;
	uint64_t count;
	(void)what;
	ssize_t n = read(fd, &count, sizeof(count));
	if (n < 0 || !c->list_busy) {
		return;
	}
	arena_reset(&c->arena);
	struct dict *d = ng_reply(&c->arena, STR("ok"));
	struct dict *calls = dict_add_list(&c->arena, d, STR("calls"));
	uint32_t left = c->list_limit;
	for (unsigned w = 0; w < c->loop_count; w++) {
		add_part(c, calls, buf_view(&c->list->parts[w]), &left);
	}
	reply_dict(c, &c->list_peer, &c->list_ng, d);
	c->list_busy = false;
}

/* ---- what is answered here */

static uint64_t wall_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec;
}

static void answer_here(struct ctl *c, const struct ask_peer *peer, const struct ng *ng,
			enum refusal r)
{
	struct ctl_proxy *proxy = find_proxy(c, peer);
	struct dict *d = NULL;
	if (r == REFUSAL_NONE) {
		proxy->requests[ng->command]++;
		if (ng->command == NG_LIST) {
			begin_list(c, peer, ng);
			return;
		}
		if (ng->command == NG_STATISTICS) {
			d = ng_reply(&c->arena, STR("ok"));
			statistics_add(&c->arena, d, c, wall_s());
		} else if (ng->command == NG_PING) {
			d = ng_reply(&c->arena, STR("pong"));
		} else {
			r = REFUSAL_NO_CALL_ID; /* all others are about a call */
		}
	}
	if (r != REFUSAL_NONE) {
		proxy->errors++;
		c->refused[r]++;
		d = ng_error(&c->arena, r);
	}
	reply_dict(c, peer, ng, d);
}

static void pass_on(struct ctl *c, const struct ask_peer *peer, struct str call_id,
		    struct str datagram)
{
	uint64_t hash = siphash(&c->key, call_id.p, call_id.len);
	const struct ask a = {.kind = ASK_NG, .peer = *peer};
	if (queue_push(&c->loops[hash % c->loop_count].queue, &a, sizeof(a), datagram.p,
		       datagram.len) != OK) {
		c->dropped++; /* the client repeats */
	}
}

static void on_datagram(struct ctl *c, const struct ask_peer *peer, struct str datagram)
{
	struct str cookie, body, word, call_id;
	enum ng_command command;
	struct ng ng;
	if (!ng_split(datagram, &cookie, &body)) {
		c->dropped++;
		return;
	}
	/* The cheap way: most datagrams are bencode, and the worker parses them anyway. */
	if (ng_peek(body, &word, &call_id) && call_id.len > 0 && ng_command_find(word, &command) &&
	    ng_is_about_call(command)) {
		find_proxy(c, peer)->requests[command]++;
		pass_on(c, peer, call_id, datagram);
		return;
	}
	arena_reset(&c->arena);
	enum refusal r = ng_parse(cookie, body, &c->arena, &ng);
	if (r == REFUSAL_NONE && ng.call_id.len > 0 && ng_is_about_call(ng.command)) {
		find_proxy(c, peer)->requests[ng.command]++;
		pass_on(c, peer, ng.call_id, datagram);
		return;
	}
	answer_here(c, peer, &ng, r);
}

/* ---- sockets */

static void read_local(struct msghdr *m, struct addr *out)
{
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
		}
	}
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
		read_local(&m, &peer.local);
		on_datagram(c, &peer, (struct str){c->datagram, (size_t)n});
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

static int open_unix(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;
	memcpy(sa.sun_path, path, sizeof(sa.sun_path));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	/* A socket left by a process that was killed; anything else there is not ours to remove. */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		unlink(path);
	}
	/* The group may ask: the signalling process runs as another user of the same group. */
	mode_t before = umask(0117);
	int r = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	int e = errno;
	umask(before);
	if (r < 0) {
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

enum err ctl_listen(struct ctl *c, const struct ctl_listen *where)
{
	if (c->socket_count == CTL_SOCKETS_MAX) {
		return ERR_LIMIT;
	}
	struct ctl_socket *s = &c->sockets[c->socket_count];
	bool is_path = where->addr.family == ADDR_NONE;
	*s = (struct ctl_socket){.ctl = c};
	s->fd = is_path ? open_unix(where->path) : open_udp(&where->addr);
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

enum err ctl_init(struct ctl *c, const struct ctl_params *p)
{
	*c = (struct ctl){.base = p->base,
			  .loops = p->loops,
			  .loop_count = p->loop_count,
			  .config = p->config,
			  .published = p->published,
			  .list = p->list,
			  .started_s = p->started_s};
	if (getrandom(&c->key, sizeof(c->key), 0) != sizeof(c->key)) {
		return ERR_IO;
	}
	enum err e = arena_init_sized(&c->arena, ARENA_SIZE);
	if (e != OK) {
		return e;
	}
	c->list_done = event_new(c->base, c->list->done_fd, EV_READ | EV_PERSIST, on_list_done, c);
	if (!c->list_done || event_add(c->list_done, NULL) < 0) {
		arena_release(&c->arena);
		return ERR_NOMEM;
	}
	return OK;
}

void ctl_release(struct ctl *c)
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
	event_free(c->list_done);
	arena_release(&c->arena);
}
