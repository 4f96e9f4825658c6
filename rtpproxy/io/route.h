/*
 * Which way the kernel would send: asked of its routing tables over netlink and kept until they
 * change. The programs in the kernel cannot ask for themselves where the host is no router
 * (bpf_fib_lookup wants forwarding to be on, and an SBC's host does not forward).
 */
#ifndef SALLYPORT_ROUTE_H
#define SALLYPORT_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/check.h"
#include "common/err.h"

enum { ROUTE_KEPT = 256 };

/* How one address is reached. */
struct route_way {
	unsigned ifindex; /* of an Ethernet device */
	struct addr next; /* gateway, or the address itself; port 0 */
	uint16_t mtu;
};

struct route_entry {
	struct addr from, to;
	uint32_t generation; /* 0: empty */
	bool found;
	struct route_way way;
};

struct route {
	int ask_fd;
	int news_fd; /* readable when something has changed */
	uint32_t sequence, generation;
	struct route_entry kept[ROUTE_KEPT];
};

/* ERR_IO. On failure nothing is left. */
enum err route_init(struct route *r) MUST_USE;
void route_release(struct route *r);
/* news_fd was readable: true if what was kept is void. */
bool route_read_news(struct route *r);
/* False: there is none, it ends at this host, or is no plain Ethernet. */
bool route_find(struct route *r, const struct addr *from, const struct addr *to,
		struct route_way *out);

#endif
