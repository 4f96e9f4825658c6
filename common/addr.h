/* An IP address with a port, and a prefix: read, write, compare, classify (threats C4: one such
 * function for all). */
#ifndef SALLYPORT_ADDR_H
#define SALLYPORT_ADDR_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "str.h"

enum addr_family { ADDR_NONE, ADDR_IP4, ADDR_IP6 };

enum addr_class {
	ADDR_CLASS_PUBLIC,
	ADDR_CLASS_PRIVATE, /* RFC 1918, RFC 6598, RFC 4193 */
	ADDR_CLASS_LOOPBACK,
	ADDR_CLASS_LINK_LOCAL,
	ADDR_CLASS_MULTICAST,
	ADDR_CLASS_UNSPECIFIED, /* 0.0.0.0/8 and :: */
	ADDR_CLASS_BROADCAST,
	ADDR_CLASS_COUNT
};

struct addr {
	uint8_t ip[16]; /* network order; IPv4 in the first four bytes */
	uint16_t port;  /* host order */
	uint8_t family; /* enum addr_family */
};

struct prefix {
	struct addr addr; /* host bits are zero, port is 0 */
	uint8_t bits;
};

/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]"; exactly, no port; mapped IPv6 (::ffff:a.b.c.d)
 * becomes IPv4. ERR_BAD. */
enum err addr_parse_ip(struct str s, struct addr *out) MUST_USE;
/* "192.0.2.1:5060", "[2001:db8::1]:5060", or without a port (port 0). ERR_BAD. */
enum err addr_parse(struct str s, struct addr *out) MUST_USE;
/* Without port; IPv6 without brackets. */
void addr_write_ip(struct buf *b, const struct addr *a);
/* As a SIP host: IPv6 in brackets, no port. */
void addr_write_host(struct buf *b, const struct addr *a);
/* host:port, IPv6 in brackets. */
void addr_write(struct buf *b, const struct addr *a);
bool addr_eq(const struct addr *a, const struct addr *b);    /* address and port */
bool addr_eq_ip(const struct addr *a, const struct addr *b); /* address alone */
enum addr_class addr_class(const struct addr *a);
/* May one host be there: neither multicast nor broadcast nor unspecified? Cheap. */
bool addr_is_host(const struct addr *a);

/* "192.0.2.0/24", "2001:db8::/32" or one address. ERR_BAD also when host bits are set. */
enum err prefix_parse(struct str s, struct prefix *out) MUST_USE;
void prefix_write(struct buf *b, const struct prefix *p);
bool prefix_has(const struct prefix *p, const struct addr *a);

#endif
