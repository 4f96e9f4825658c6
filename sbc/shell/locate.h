/*
 * Which addresses, in which order, over which transport (RFC 3263 §4, RFC 2782). Pure: it looks at
 * what is known of the DNS and says either what else must be asked, or the candidates. The shell
 * asks and calls again, from the start, until nothing is missing.
 */
#ifndef SALLYPORT_LOCATE_H
#define SALLYPORT_LOCATE_H

#include "sbc/core/event.h"
#include "sbc/core/ports.h"
#include "sbc/shell/dns_rr.h"

enum { LOCATE_NEEDS_MAX = 2 * DNS_RECORDS_MAX };

struct locate_need {
	struct dns_name name;
	enum dns_type type;
};

/* What is known of (name, type): an answer, perhaps without records, or NULL: not known yet. */
typedef const struct dns_answer *(*locate_find_fn)(void *ctx, const struct dns_name *name,
						   enum dns_type type);

struct locate_params {
	const struct resolve_query *query;
	locate_find_fn find;
	void *ctx;
	uint64_t random; /* of the choice by weight */
};

struct locate_result {
	size_t need_count; /* 0: candidates are final */
	struct locate_need needs[LOCATE_NEEDS_MAX];
	size_t count; /* 0: the name leads nowhere */
	struct candidate candidates[CANDIDATES_MAX];
};

void locate(const struct locate_params *p, struct locate_result *out);
/* Puts SRV records into the order in which to try them (RFC 2782): by priority, then by weight and
 * chance. */
void locate_order_srv(struct dns_srv *srv, size_t count, uint64_t random);

#endif
