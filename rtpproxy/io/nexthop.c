#include "rtpproxy/io/nexthop.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER = 4096 };

struct question {
	struct nlmsghdr head;
	struct rtmsg route;
	char attributes[2 * (sizeof(struct rtattr) + 16)];
};

static int open_netlink(uint32_t groups)
{
	const struct sockaddr_nl sa = {.nl_family = AF_NETLINK, .nl_groups = groups};
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0),
			      NETLINK_ROUTE);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

enum err nexthop_init(struct nexthop *r)
{
	const uint32_t groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
				RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE;
	*r = (struct nexthop){.generation = 1};
	r->ask_fd = open_netlink(0);
	r->news_fd = open_netlink(groups);
	if (r->ask_fd >= 0 && r->news_fd >= 0)
		return OK;
	nexthop_release(r);
	return ERR_IO;
}

void nexthop_release(struct nexthop *r)
{
	if (r->ask_fd >= 0)
		close(r->ask_fd);
	if (r->news_fd >= 0)
		close(r->news_fd);
	r->ask_fd = r->news_fd = -1;
}

bool nexthop_read_news(struct nexthop *r)
{
	char buffer[ANSWER];
	bool any = false;
	/* What it says does not matter; an overrun says enough as well. */
	while (recv(r->news_fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		any = true;
	r->generation += r->generation == UINT32_MAX ? 2 : 1; /* never 0 */
	return any;
}

static void add(struct question *q, unsigned short type, const uint8_t *ip, size_t len)
{
	struct rtattr *a = (void *)((char *)q + NLMSG_ALIGN(q->head.nlmsg_len));
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), ip, len);
	q->head.nlmsg_len = (uint32_t)(NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

static bool ask(struct nexthop *r, const struct addr *from, const struct addr *to)
{
	const size_t len = to->family == ADDR_IP6 ? 16 : 4;
	struct question q = {
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
			 .nlmsg_type = RTM_GETROUTE,
			 .nlmsg_flags = NLM_F_REQUEST,
			 .nlmsg_seq = ++r->sequence},
		.route = {.rtm_family = to->family == ADDR_IP6 ? AF_INET6 : AF_INET,
			  .rtm_src_len = (unsigned char)(8 * len),
			  .rtm_dst_len = (unsigned char)(8 * len)},
	};
	add(&q, RTA_DST, to->ip, len);
	add(&q, RTA_SRC, from->ip, len);
	return send(r->ask_fd, &q, q.head.nlmsg_len, 0) == (ssize_t)q.head.nlmsg_len;
}

static void read_attributes(const struct nlmsghdr *h, const struct addr *to,
			    struct nexthop_way *out)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	size_t left = RTM_PAYLOAD(h);
	out->next = *to;
	out->next.port = 0;
	const struct rtattr *a = RTM_RTA(m);
	while (left >= sizeof(*a) && a->rta_len >= sizeof(*a) && a->rta_len <= left) {
		const size_t len = RTA_PAYLOAD(a);
		if (a->rta_type == RTA_OIF && len >= 4) {
			memcpy(&out->ifindex, RTA_DATA(a), 4);
		} else if (a->rta_type == RTA_GATEWAY && (len == 4 || len == 16)) {
			out->next = (struct addr){.family = len == 16 ? ADDR_IP6 : ADDR_IP4};
			memcpy(out->next.ip, RTA_DATA(a), len);
		} else if (a->rta_type == RTA_VIA && len == 2 + 16) {
			out->next = (struct addr){.family = ADDR_IP6};
			memcpy(out->next.ip, (const char *)RTA_DATA(a) + 2, 16);
		}
		const size_t step = RTA_ALIGN(a->rta_len);
		left -= step < left ? step : left;
		a = (const void *)((const char *)a + step);
	}
}

/* The one answer to what was just asked; the kernel has it ready when send returns. */
static bool read_answer(const struct nexthop *r, const struct addr *to, struct nexthop_way *out)
{
	char buffer[ANSWER] __attribute__((aligned(NLMSG_ALIGNTO)));
	for (;;) {
		const ssize_t n = recv(r->ask_fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		const struct nlmsghdr *h = (const void *)buffer;
		if (n <= 0 || !NLMSG_OK(h, (size_t)n))
			return false;
		if (h->nlmsg_seq != r->sequence)
			continue;
		if (h->nlmsg_type != RTM_NEWROUTE ||
		    ((const struct rtmsg *)NLMSG_DATA(h))->rtm_type != RTN_UNICAST)
			return false;
		read_attributes(h, to, out);
		return out->ifindex != 0;
	}
}

static bool read_device(const struct nexthop *r, struct nexthop_way *w)
{
	struct ifreq f = {0};
	(void)r;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool good = fd >= 0 && if_indextoname(w->ifindex, f.ifr_name) != NULL &&
		    ioctl(fd, SIOCGIFHWADDR, &f) == 0 && f.ifr_hwaddr.sa_family == ARPHRD_ETHER &&
		    ioctl(fd, SIOCGIFMTU, &f) == 0;
	if (good)
		w->mtu = (uint16_t)(f.ifr_mtu < UINT16_MAX ? f.ifr_mtu : UINT16_MAX);
	if (fd >= 0)
		close(fd);
	return good;
}

static struct nexthop_entry *place(struct nexthop *r, const struct addr *from,
				   const struct addr *to)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < 16; i++)
		h = (h ^ to->ip[i] ^ (uint32_t)from->ip[i] << 8) * 16777619u;
	return &r->kept[(h ^ h >> 16) % NEXTHOP_KEPT];
}

bool nexthop_find(struct nexthop *r, const struct addr *from, const struct addr *to,
		  struct nexthop_way *out)
{
	struct nexthop_entry *e = place(r, from, to);
	if (e->generation != r->generation || !addr_eq_ip(&e->from, from) ||
	    !addr_eq_ip(&e->to, to)) {
		*e = (struct nexthop_entry){.from = *from, .to = *to, .generation = r->generation};
		e->found =
			ask(r, from, to) && read_answer(r, to, &e->way) && read_device(r, &e->way);
	}
	if (e->found)
		*out = e->way;
	return e->found;
}
