#include "sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "check.h"

socklen_t sockaddr_write(const struct addr *a, struct sockaddr_storage *out)
{
	CHECK(a->family == ADDR_IP4 || a->family == ADDR_IP6);
	if (a->family == ADDR_IP4) {
		struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(a->port)};
		memcpy(&sin.sin_addr, a->ip, sizeof(sin.sin_addr));
		memcpy(out, &sin, sizeof(sin));
		return sizeof(sin);
	}
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
	memcpy(&sin6.sin6_addr, a->ip, sizeof(sin6.sin6_addr));
	memcpy(out, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

void sockaddr_read(const struct sockaddr *sa, struct addr *out)
{
	*out = (struct addr){.family = ADDR_NONE};
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in sin;
		memcpy(&sin, sa, sizeof(sin));
		memcpy(out->ip, &sin.sin_addr, sizeof(sin.sin_addr));
		out->port = ntohs(sin.sin_port);
		out->family = ADDR_IP4;
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;
		memcpy(&sin6, sa, sizeof(sin6));
		out->port = ntohs(sin6.sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr)) {
			memcpy(out->ip, (const uint8_t *)&sin6.sin6_addr + 12, 4);
			out->family = ADDR_IP4;
		} else {
			memcpy(out->ip, &sin6.sin6_addr, sizeof(sin6.sin6_addr));
			out->family = ADDR_IP6;
		}
	}
}

void sockaddr_set_dscp(int fd, uint8_t family, uint8_t dscp)
{
	int tos = dscp << 2;
	if (dscp == 0)
		return;
	(void)setsockopt(fd, family == ADDR_IP6 ? IPPROTO_IPV6 : IPPROTO_IP,
			 family == ADDR_IP6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof(tos));
}
