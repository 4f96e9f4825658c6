#include "udp.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/sockaddr.h"
#include "sbc/core/gate.h"
#include "sbc/shell/geo.h"

/* A burst of 10,000 messages while another turn is long; the kernel cuts it to its own limit. */
enum {
	SOCKET_BYTES = 8 * 1024 * 1024,
	BATCHES_A_TURN = 4,
	KEEPALIVE_MAX = 4,
	LATE_MAX_MS = 60000, /* more than that is a clock that was set */
	ERRORS_A_TURN = 64,
	QUOTE_BYTES = 1024,
	BRANCH_MIN = 16 /* octets of a branch that a quote must show */
};

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

static void take_one(struct udp *u, size_t i, int new_work)
{
	struct flow flow = {.id = ID_NONE, .listener = u->listener, .transport = TRANSPORT_UDP};
	struct str bytes;
	bool whole = dgram_get(u->in, i, &flow.remote, &bytes);
	/* In two rounds: the second one counts what is not a message. */
	if (new_work >= 0 && (whole && gate_classify(bytes) >= GATE_NEW) != (bool)new_work)
		return;
	if (!whole)
		u->turn->stats.udp_truncated++;
	else if (is_keepalive(bytes))
		u->turn->stats.udp_keepalives++;
	else {
		if (u->geo)
			geo_mark(u->geo, &flow);
		turn_message(u->turn, &flow, NULL, bytes);
	}
}

/* Under load, answers and what belongs to calls before what begins something (style §13). */
static void take_batch(struct udp *u, size_t count)
{
	bool loaded = u->turn->late_ms >= UDP_LOADED_MS;
	for (int new_work = loaded ? 0 : -1; new_work <= (loaded ? 1 : -1); new_work++)
		for (size_t i = 0; i < count; i++)
			take_one(u, i, new_work);
}

/* How long the youngest of the datagrams just read had lain in the socket. */
static uint32_t wait_of_last(const struct udp *u)
{
	struct timespec ts;
	if (ioctl(u->fd, SIOCGSTAMPNS, &ts) != 0 || ts.tv_sec <= 0)
		return 0;
	uint64_t then = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	uint64_t late = u->turn->wall_ms > then ? u->turn->wall_ms - then : 0;
	return late < LATE_MAX_MS ? (uint32_t)late : 0;
}

/* ---- what ICMP says of what we sent ---- */

static void remember(struct udp *u, const struct addr *to, struct str bytes, id_t64 tag)
{
	if (tag == ID_NONE || str_has_prefix(bytes, STR("SIP/2.0 ")))
		return;
	struct udp_recent *r = &u->recent[u->recent_next];
	u->recent_next = (u->recent_next + 1) % UDP_RECENT;
	r->tag = tag;
	r->to = *to;
	r->len = (uint16_t)(bytes.len < UDP_RECENT_HEAD ? bytes.len : UDP_RECENT_HEAD);
	memcpy(r->head, bytes.p, r->len);
}

/* Does the quote show that request, its branch included? Anyone can send us ICMP; the branch only who saw the request. */
static bool is_about(const struct udp_recent *r, const struct addr *to, struct str quote)
{
	size_t n = quote.len < r->len ? quote.len : r->len;
	size_t branch = str_find((struct str){r->head, r->len}, STR(";branch="));
	return r->tag != ID_NONE && addr_eq(&r->to, to) && n >= branch + 8 + BRANCH_MIN &&
	       memcmp(r->head, quote.p, n) == 0;
}

static void on_unreachable(struct udp *u, const struct addr *to, struct str quote)
{
	id_t64 told = ID_NONE;
	for (size_t i = 0; i < UDP_RECENT; i++) {
		struct udp_recent *r = &u->recent[i];
		if (!is_about(r, to, quote))
			continue;
		if (r->tag != told) {
			u->turn->stats.udp_unreachable++;
			turn_post_failed(u->turn, r->tag, SEND_FAILURE_CONNECT);
		}
		told = r->tag;
		r->tag = ID_NONE;
	}
}

/* Nobody is there, or nothing leads there; not "too big" and the like, which fragments and routes may cure. */
static bool is_final(const struct sock_extended_err *e)
{
	if (e->ee_origin == SO_EE_ORIGIN_ICMP)
		return e->ee_type == ICMP_DEST_UNREACH && e->ee_code != ICMP_FRAG_NEEDED;
	return e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMP6_DST_UNREACH;
}

static bool read_error(struct udp *u)
{
	char quote[QUOTE_BYTES];
	char control[512] __attribute__((aligned(sizeof(size_t))));
	struct sockaddr_storage sa;
	struct iovec part = {quote, sizeof(quote)};
	struct msghdr h = {.msg_name = &sa,
			   .msg_namelen = sizeof(sa),
			   .msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct addr to;
	ssize_t n = recvmsg(u->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT);
	if (n < 0)
		return false;
	sockaddr_read((const struct sockaddr *)&sa, &to);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		bool is_error = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
				(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
		struct sock_extended_err e;
		if (!is_error)
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		if (is_final(&e))
			on_unreachable(u, &to, (struct str){quote, (size_t)n});
	}
	return true;
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
		/* Less than a batch: nothing waited longer than the last turn took. */
		if (count == DGRAM_BATCH) {
			uint32_t late = wait_of_last(u);
			if (late > u->turn->late_ms)
				u->turn->late_ms = late;
		}
		take_batch(u, count);
		for (unsigned i = 0; count == 0 && i < ERRORS_A_TURN && read_error(u); i++)
			;
		if (count < DGRAM_BATCH)
			break;
	}
	u->turn->late_ms = u->turn->busy_ms;
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
	e = ERR_NOMEM;
	u->recent = calloc(UDP_RECENT, sizeof(*u->recent));
	if (!u->recent)
		goto out;
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
	(void)setsockopt(u->fd, local->family == ADDR_IP4 ? IPPROTO_IP : IPPROTO_IPV6,
			 local->family == ADDR_IP4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof(on));
	/* The kernel begins to stamp with the first question. */
	struct timespec ts;
	(void)ioctl(u->fd, SIOCGSTAMPNS, &ts);
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
	free(u->recent);
	u->recent = NULL;
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
	/* Not to many at once, and not to ourselves (threats C2). */
	if (to->family != u->local.family || to->port == 0 || !addr_is_host(to) ||
	    addr_eq(to, &u->local)) {
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
	else
		remember(u, to, bytes, tag);
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
