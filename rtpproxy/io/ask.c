#include "rtpproxy/io/ask.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

struct str ask_peer_key(const struct ask_peer *p)
{
	if (p->conn != 0) {
		return (struct str){(const char *)&p->conn, sizeof(p->conn)};
	}
	/* From fd to the end of the address, as one run of bytes. */
	const char *from = (const char *)&p->fd;
	size_t sa_at = offsetof(struct ask_peer, sa) - offsetof(struct ask_peer, fd);
	return (struct str){from, sa_at + p->sa_len};
}

bool ask_peer_of(struct str key, struct ask_peer *out)
{
	size_t sa_at = offsetof(struct ask_peer, sa) - offsetof(struct ask_peer, fd);
	memset(out, 0, sizeof(*out));
	if (key.len == sizeof(out->conn)) {
		out->fd = -1;
		memcpy(&out->conn, key.p, key.len);
		return true;
	}
	if (key.len <= sa_at || key.len > sizeof(*out) - offsetof(struct ask_peer, fd)) {
		return false;
	}
	memcpy(&out->fd, key.p, key.len);
	return out->sa_len == key.len - sa_at;
}

static bool reply_datagram(const struct ask_peer *p, struct str reply)
{
	struct iovec iov = {(void *)(uintptr_t)reply.p, reply.len};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = {0};
	struct msghdr m = {.msg_name = (void *)(uintptr_t)&p->sa,
			   .msg_namelen = p->sa_len,
			   .msg_iov = &iov,
			   .msg_iovlen = 1};
	if (p->local.family != ADDR_NONE) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		if (p->local.family == ADDR_IP4) {
			struct in_pktinfo info = {0};
			memcpy(&info.ipi_spec_dst, p->local.ip, 4);
			*c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO};
			memcpy(CMSG_DATA(c), &info, sizeof(info));
			m.msg_controllen = CMSG_SPACE(sizeof(info));
		} else {
			struct in6_pktinfo info = {0};
			memcpy(&info.ipi6_addr, p->local.ip, 16);
			*c = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IPV6, IPV6_PKTINFO};
			memcpy(CMSG_DATA(c), &info, sizeof(info));
			m.msg_controllen = CMSG_SPACE(sizeof(info));
		}
	}
	return sendmsg(p->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool give_back(const struct ask_peer *p, struct queue *back, struct str bytes, bool unasked)
{
	const struct ask_back head = {.conn = p->conn, .unasked = unasked};
	return queue_push(back, &head, sizeof(head), bytes.p, bytes.len) == OK;
}

bool ask_reply(const struct ask_peer *p, struct queue *back, struct str reply)
{
	if (p->conn != 0) {
		return give_back(p, back, reply, false);
	}
	return reply.len == 0 || reply_datagram(p, reply);
}

bool ask_tell(const struct ask_peer *p, struct queue *back, struct str bytes)
{
	return p->conn != 0 ? give_back(p, back, bytes, true) : reply_datagram(p, bytes);
}
