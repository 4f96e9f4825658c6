/*
 * Which way the kernel would send: asked of its routing tables over netlink and kept until they
 * change. The programs in the kernel cannot ask for themselves where the host is no router
 * (bpf_fib_lookup wants forwarding to be on, and an SBC's host does not forward).
 */
#ifndef SALLYPORT_NEXTHOP_H
#define SALLYPORT_NEXTHOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/check.h"
#include "common/err.h"

enum { NEXTHOP_KEPT = 256 };

/* How one address is reached. */
struct nexthop_way {
	unsigned ifindex; /* of an Ethernet device */
	struct addr next; /* gateway, or the address itself; port 0 */
	uint16_t mtu;
};

struct nexthop_entry {
	struct addr from, to;
	uint32_t generation; /* 0: empty */
	bool found;
	struct nexthop_way way;
};

struct nexthop {
	int ask_fd;
	int news_fd; /* readable when something has changed */
	uint32_t sequence, generation;
	struct nexthop_entry kept[NEXTHOP_KEPT];
};

/* ERR_IO. On failure nothing is left. */
enum err nexthop_init(struct nexthop *r) MUST_USE;
void nexthop_release(struct nexthop *r);
/* news_fd was readable: true if what was kept is void. */
bool nexthop_read_news(struct nexthop *r);
/* False: there is none, it ends at this host, or is no plain Ethernet. */
bool nexthop_find(struct nexthop *r, const struct addr *from, const struct addr *to,
		  struct nexthop_way *out);

#endif
