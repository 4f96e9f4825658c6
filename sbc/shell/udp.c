#include "udp.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "common/sockaddr.h"

/* A burst of 10,000 messages while another turn is long; the kernel cuts it to its own limit. */
enum { SOCKET_BYTES = 8 * 1024 * 1024, BATCHES_A_TURN = 4, KEEPALIVE_MAX = 4 };

/* CRLF (RFC 5626 on UDP by habit), NULs: phones keep their NAT binding open with these. */
static bool is_keepalive(struct str s)
{
	if (s.len > KEEPALIVE_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] != '\r' && s.p[i] != '\n' && s.p[i] != '\0')
			return false;
	return true;
}

static void take_batch(struct udp *u, size_t count)
{
	struct flow flow = {.id = ID_NONE, .listener = u->listener, .transport = TRANSPORT_UDP};
	for (size_t i = 0; i < count; i++) {
		struct str bytes;
		if (!dgram_get(u->in, i, &flow.remote, &bytes)) {
			u->turn->stats.udp_truncated++;
			continue;
		}
		if (is_keepalive(bytes)) {
			u->turn->stats.udp_keepalives++;
			continue;
		}
		turn_message(u->turn, &flow, NULL, bytes);
	}
}

static void on_ready(void *ctx, unsigned ready)
{
	struct udp *u = ctx;
	(void)ready;
	turn_begin(u->turn);
	/* A flood on one socket may not keep the others waiting: the rest comes next turn. */
	for (unsigned b = 0; b < BATCHES_A_TURN; b++) {
		size_t count = dgram_receive(u->in, u->fd);
		u->turn->stats.udp_received += count;
		take_batch(u, count);
		if (count < DGRAM_BATCH)
			break;
	}
}

enum err udp_open(struct udp *u, struct turn *turn, struct dgram_in *in, uint16_t listener,
		  const struct addr *local)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_write(local, &sa);
	int on = 1, size = SOCKET_BYTES;
	*u = (struct udp){.turn = turn, .in = in, .fd = -1, .listener = listener, .local = *local};
	enum err e = dgram_out_init(&u->out);
	if (e)
		return e;
	e = ERR_IO;
	u->fd = socket(local->family == ADDR_IP4 ? AF_INET : AF_INET6,
		       SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->fd < 0)
		goto out;
	if (local->family == ADDR_IP6)
		(void)setsockopt(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Beyond net.core.rmem_max only with CAP_NET_ADMIN. */
	if (setsockopt(u->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(u->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(u->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(u->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	/* No SO_REUSEADDR: a second process on the same port would steal half of the messages. */
	if (bind(u->fd, (struct sockaddr *)&sa, len) != 0)
		goto out;
	e = watch_new(&u->watch, turn->loop, u->fd, on_ready, u);
	if (!e)
		e = watch_set(u->watch, WATCH_READ);
out:
	if (e) {
		int saved = errno;
		udp_close(u);
		errno = saved;
	}
	return e;
}

void udp_close(struct udp *u)
{
	watch_free(&u->watch);
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
	dgram_out_release(&u->out);
}

static void on_failed(void *ctx, id_t64 tag, int error)
{
	struct udp *u = ctx;
	u->turn->stats.udp_unsent++;
	turn_post_failed(u->turn, tag,
			 error == EAGAIN || error == ENOBUFS ? SEND_FAILURE_FULL
							     : SEND_FAILURE_CONNECT);
}

void udp_send(struct udp *u, const struct addr *to, struct str bytes, id_t64 tag)
{
	if (to->family != u->local.family || to->port == 0) {
		on_failed(u, tag, EAFNOSUPPORT);
		return;
	}
	enum err e = dgram_add(&u->out, to, bytes, tag);
	if (e == ERR_FULL) {
		udp_flush(u);
		e = dgram_add(&u->out, to, bytes, tag);
	}
	if (e)
		on_failed(u, tag, EMSGSIZE);
}

uint64_t udp_overflow(const struct udp *u)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);
	return getsockopt(u->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 ? info[SK_MEMINFO_DROPS]
									  : 0;
}

void udp_flush(struct udp *u)
{
	if (u->out.count > 0)
		u->turn->stats.udp_sent += dgram_flush(&u->out, u->fd, on_failed, u);
}
