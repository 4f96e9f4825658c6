#include "rtpproxy/io/ctl_conn.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "rtpproxy/io/statistics.h"

enum {
	BACKLOG = 128,
	ACCEPTS_A_TURN = 32,
	TIMER_MS = 1000,
	/* Input that waits while a request is worked on. */
	INPUT_MAX = CTL_MESSAGE_MAX + 16 * 1024,
	/* Who does not read is told nothing more. */
	OUTPUT_MAX = 256 * 1024
};

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void conn_free(struct ctl_conn *conn)
{
	struct ctl *c = conn->ctl;
	ctl_ws_release(conn);
	bufferevent_free(conn->bev);
	conn->bev = NULL;
	pool_free(&c->conns, conn->id);
}

void ctl_conn_end(struct ctl_conn *conn)
{
	conn->ending = true;
}

void ctl_conn_break(struct ctl_conn *conn)
{
	conn->ctl->conns_broken++;
	conn->ending = true;
}

void ctl_conn_write(struct ctl_conn *conn, struct str bytes)
{
	if (bufferevent_write(conn->bev, bytes.p, bytes.len) < 0) {
		conn->ending = true;
	} else if (conn->sent_ms == 0) {
		conn->sent_ms = now_ms();
	}
}

/* ---- requests out of bytes */

void ctl_conn_take(struct ctl_conn *conn, struct str request, bool plain)
{
	conn->waiting = true;
	conn->began_ms = 0;
	if (!ctl_take(conn->ctl, &conn->peer, request, plain)) {
		conn->waiting = false;
		ctl_conn_break(conn);
	}
}

static size_t stream_step(struct ctl_conn *conn, char *in, size_t n)
{
	/* Some end their lines. */
	if (conn->frame.at == 0 && (in[0] == '\r' || in[0] == '\n')) {
		return 1;
	}
	ptrdiff_t len = ng_frame_step(&conn->frame, (struct str){in, n}, CTL_MESSAGE_MAX);
	if (len == ERR_MORE) {
		return 0;
	}
	if (len < 0) {
		/* Where the next one would begin cannot be known. */
		ctl_conn_break(conn);
		return 0;
	}
	bool plain = conn->frame.plain;
	ng_frame_init(&conn->frame, conn->is_unix);
	ctl_conn_take(conn, (struct str){in, (size_t)len}, plain);
	return (size_t)len;
}

static size_t step(struct ctl_conn *conn, char *in, size_t n)
{
	switch (conn->kind) {
	case CTL_CONN_STREAM: return stream_step(conn, in, n);
	case CTL_CONN_HTTP: return ctl_http_step(conn, in, n);
	case CTL_CONN_WS: return ctl_ws_step(conn, in, n);
	case CTL_CONN_KIND_COUNT: break;
	}
	return 0;
}

/* Takes what is there; the connection may be gone afterwards. */
static void run(struct ctl_conn *conn)
{
	struct evbuffer *input = bufferevent_get_input(conn->bev);
	while (!conn->waiting && !conn->ending) {
		size_t n = evbuffer_get_length(input);
		char *in = n > 0 ? (char *)evbuffer_pullup(input, -1) : NULL;
		if (!in) {
			conn->began_ms = 0;
			break;
		}
		size_t taken = step(conn, in, n);
		if (taken == 0) {
			conn->began_ms = conn->began_ms ? conn->began_ms : now_ms();
			break;
		}
		evbuffer_drain(input, taken);
	}
	conn->ending = conn->ending || (conn->eof && !conn->waiting);
	if (conn->ending && evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0) {
		conn_free(conn);
	}
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct ctl_conn *conn = arg;
	(void)bev;
	conn->active_ms = now_ms();
	run(conn);
}

/* All was written. */
static void on_write(struct bufferevent *bev, void *arg)
{
	struct ctl_conn *conn = arg;
	(void)bev;
	conn->sent_ms = 0;
	if (conn->ending) {
		conn_free(conn);
	}
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct ctl_conn *conn = arg;
	(void)bev;
	if (what & BEV_EVENT_ERROR) {
		conn_free(conn);
	} else if (what & BEV_EVENT_EOF) {
		conn->eof = true;
		run(conn);
	}
}

void ctl_conn_reply(struct ctl *c, id_t64 id, struct str reply)
{
	struct ctl_conn *conn = pool_find(&c->conns, id);
	if (!conn || !conn->waiting) {
		return;
	}
	conn->waiting = false;
	conn->active_ms = now_ms();
	if (conn->kind == CTL_CONN_HTTP) {
		ctl_http_reply(conn, reply);
	} else if (conn->kind == CTL_CONN_WS) {
		ctl_ws_reply(conn, reply);
	} else if (reply.len > 0) {
		ctl_conn_write(conn, reply);
	}
	/* What came meanwhile; not from here: this may be inside of run. */
	bufferevent_trigger(conn->bev, EV_READ,
			    BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

void ctl_conn_tell(struct ctl *c, id_t64 id, struct str bytes)
{
	struct ctl_conn *conn = pool_find(&c->conns, id);
	if (!conn || conn->ending ||
	    evbuffer_get_length(bufferevent_get_output(conn->bev)) > OUTPUT_MAX) {
		return;
	}
	if (conn->kind == CTL_CONN_STREAM && !conn->is_unix) {
		ctl_conn_write(conn, bytes);
	} else if (conn->kind == CTL_CONN_WS && !conn->ws.plain) {
		ctl_ws_reply(conn, bytes);
	}
}

/* ---- their ends by time */

static bool is_late(const struct ctl_conn *conn, uint64_t now)
{
	if (conn->began_ms != 0 && now - conn->began_ms > CTL_MESSAGE_MS) {
		return true;
	}
	if (conn->sent_ms != 0 && now - conn->sent_ms > CTL_MESSAGE_MS) {
		return true;
	}
	if (conn->kind == CTL_CONN_WS) {
		return conn->ws.unanswered > 2;
	}
	return !conn->waiting && now - conn->active_ms > CTL_IDLE_MS;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ctl *c = arg;
	uint32_t cursor = 0;
	id_t64 id;
	struct ctl_conn *conn;
	uint64_t now = now_ms();
	(void)fd;
	(void)what;
	while ((conn = pool_next(&c->conns, &cursor, &id))) {
		if (is_late(conn, now)) {
			c->conns_timed_out++;
			conn_free(conn);
		} else if (conn->kind == CTL_CONN_WS && !conn->ending &&
			   now - conn->active_ms > (conn->ws.unanswered + 1u) * CTL_WS_PING_MS) {
			ctl_ws_ping(conn);
		}
	}
	statistics_tick(c, now);
	/* Descriptors may be free again. */
	for (size_t i = 0; i < c->socket_count; i++) {
		(void)event_add(c->sockets[i].event, NULL);
	}
}

/* ---- accepting */

static bool may_connect(const struct ctl *c, int fd, bool is_unix)
{
	struct ucred who;
	socklen_t len = sizeof(who);
	return !is_unix || (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
			    ctl_may_ask(c, who.uid, who.gid));
}

/* Takes fd, also on failure. */
static enum err conn_new(struct ctl_socket *s, int fd, const struct ask_peer *peer)
{
	struct ctl *c = s->ctl;
	id_t64 id;
	struct ctl_conn *conn = pool_new(&c->conns, &id);
	struct bufferevent *bev =
		conn ? bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;
	if (!bev) {
		if (conn) {
			pool_free(&c->conns, id);
		}
		close(fd);
		return ERR_LIMIT;
	}
	uint64_t now = now_ms();
	*conn = (struct ctl_conn){.id = id,
				  .ctl = c,
				  .bev = bev,
				  .peer = *peer,
				  .kind = s->kind == CTL_HTTP ? CTL_CONN_HTTP : CTL_CONN_STREAM,
				  .is_unix = s->path[0] != '\0',
				  .look_only = s->look_only,
				  .by_name = s->by_name,
				  .active_ms = now};
	conn->peer.conn = id;
	ng_frame_init(&conn->frame, conn->is_unix);
	bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX);
	bufferevent_setcb(bev, on_read, on_write, on_event, conn);
	if (bufferevent_enable(bev, EV_READ | EV_WRITE) < 0) {
		conn_free(conn);
		return ERR_NOMEM;
	}
	return OK;
}

static void accept_one(struct ctl_socket *s, int fd, const struct ask_peer *peer)
{
	struct ctl *c = s->ctl;
	bool is_unix = s->path[0] != '\0';
	int one = 1;
	if (!is_unix) {
		/* A reply is one write; it shall not wait for another. */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	if (!may_connect(c, fd, is_unix)) {
		c->conns_refused++;
		close(fd);
	} else if (conn_new(s, fd, peer) != OK) {
		c->conns_refused++;
	}
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct ctl_socket *s = arg;
	(void)what;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct ask_peer peer;
		memset(&peer, 0, sizeof(peer));
		peer.fd = -1;
		socklen_t len = sizeof(peer.un);
		int fd = accept4(listener, &peer.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
			/* It would be tried again at once and for ever: the timer takes it up. */
			(void)event_del(s->event);
		}
		if (fd < 0) {
			return;
		}
		peer.sa_len = len;
		accept_one(s, fd, &peer);
	}
}

static int open_listener(const struct ctl_listen *where)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct stat st;
	bool is_path = where->addr.family == ADDR_NONE;
	socklen_t len = is_path ? sizeof(un) : sockaddr_write(&where->addr, &sa);
	int one = 1;
	if (is_path) {
		memcpy(un.sun_path, where->path, sizeof(un.sun_path));
		memcpy(&sa, &un, sizeof(un));
		/* Left by a process that was killed; anything else there is not ours to remove. */
		if (lstat(where->path, &st) == 0 && S_ISSOCK(st.st_mode)) {
			unlink(where->path);
		}
	}
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (where->addr.family == ADDR_IP6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	}
	mode_t before = umask(0777 & ~where->mode);
	int r = bind(fd, (struct sockaddr *)&sa, len);
	int e = errno;
	umask(before);
	if (r == 0 && listen(fd, BACKLOG) == 0) {
		return fd;
	}
	e = r == 0 ? errno : e;
	close(fd);
	errno = e;
	return -1;
}

enum err ctl_conn_listen(struct ctl *c, const struct ctl_listen *where)
{
	if (c->socket_count == CTL_SOCKETS_MAX) {
		return ERR_LIMIT;
	}
	struct ctl_socket *s = &c->sockets[c->socket_count];
	*s = (struct ctl_socket){.ctl = c,
				 .kind = where->kind,
				 .look_only = where->look_only,
				 .by_name = where->by_name,
				 .fd = open_listener(where)};
	if (s->fd < 0) {
		return ERR_IO;
	}
	if (where->addr.family == ADDR_NONE) {
		memcpy(s->path, where->path, sizeof(s->path));
	}
	s->event = event_new(c->base, s->fd, EV_READ | EV_PERSIST, on_accept, s);
	if (!s->event || event_add(s->event, NULL) < 0) {
		close(s->fd);
		return ERR_NOMEM;
	}
	c->socket_count++;
	return OK;
}

enum err ctl_conn_init(struct ctl *c)
{
	const struct timeval every = {TIMER_MS / 1000, TIMER_MS % 1000 * 1000};
	enum err e = pool_init(&c->conns, sizeof(struct ctl_conn), CTL_CONNS_MAX, 0);
	if (e != OK) {
		return e;
	}
	c->conn_timer = event_new(c->base, -1, EV_PERSIST, on_timer, c);
	if (!c->conn_timer || event_add(c->conn_timer, &every) < 0) {
		ctl_conn_release(c);
		return ERR_NOMEM;
	}
	return OK;
}

void ctl_conn_release(struct ctl *c)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct ctl_conn *conn;
	while (c->conns.chunks && (conn = pool_next(&c->conns, &cursor, &id))) {
		conn_free(conn);
	}
	if (c->conn_timer) {
		event_free(c->conn_timer);
		c->conn_timer = NULL;
	}
	pool_release(&c->conns);
}
