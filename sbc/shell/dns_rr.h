/*
 * Reads the resource records that we ask for out of a DNS answer (RFC 1035, 2782, 3403, 3596): the
 * library's own readers leave out the TTL. Pure; the bytes come from a stranger, so every length is
 * checked, pointers may only go backwards, and the work per message is bounded.
 */
#ifndef SALLYPORT_DNS_RR_H
#define SALLYPORT_DNS_RR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/check.h"
#include "common/err.h"
#include "common/rd.h"
#include "common/str.h"

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_NAPTR = 35
};

enum {
	DNS_NAME_MAX = 253,    /* characters of a name as text, without the last dot */
	DNS_RECORDS_MAX = 32,  /* of one answer; more are left out */
	DNS_SCAN_MAX = 256,    /* records looked at in one message */
	DNS_CHAIN_MAX = 8,     /* CNAMEs followed */
	DNS_SERVICE_MAX = 15,  /* of a NAPTR: "SIPS+D2T" and its like */
	DNS_NEGATIVE_TTL_S = 5 /* of an answer that says "none" without an SOA */
};

/* Lower case, without the last dot; only letters, digits, '-', '_' and '.'. */
struct dns_name {
	uint8_t len;
	char text[DNS_NAME_MAX];
};

struct dns_srv {
	uint16_t priority, weight, port;
	struct dns_name target; /* empty: "." (no such service here, RFC 2782) */
};

struct dns_naptr {
	uint16_t order, preference;
	char flag; /* lower case; 0: none or longer than one */
	bool has_regexp;
	uint8_t service_len;
	char service[DNS_SERVICE_MAX]; /* lower case */
	struct dns_name replacement;
};

struct dns_record {
	union {
		struct addr addr; /* A, AAAA: port 0 */
		struct dns_srv srv;
		struct dns_naptr naptr;
	};
};

struct dns_answer {
	uint32_t ttl_s; /* the smallest of all records used */
	uint16_t count;
	struct dns_record records[DNS_RECORDS_MAX];
};

struct str dns_name_view(const struct dns_name *n);
/* Lower case; one dot at the end is cut. ERR_BAD: empty, too long, an empty label or one of more
 * than 63 characters, other characters. */
enum err dns_name_init(struct dns_name *n, struct str text) MUST_USE;
/* "_sips._tcp." + domain. ERR_LIMIT. */
enum err dns_name_join(struct dns_name *n, struct str prefix, struct str domain) MUST_USE;
bool dns_name_eq(const struct dns_name *a, const struct dns_name *b);

/*
 * The records of `type` (A, AAAA, SRV, NAPTR) that `name` has, CNAMEs followed. OK with count 0:
 * the answer says that there are none. Records that are broken in themselves are left out. ERR_BAD:
 * not a DNS answer, or to another question; ERR_IO: the server failed (SERVFAIL and its like).
 */
enum err dns_answer_decode(const void *msg, size_t len, const struct dns_name *name,
			   enum dns_type type, struct dns_answer *out) MUST_USE;

#endif
