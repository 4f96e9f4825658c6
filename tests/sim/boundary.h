/*
 * What crosses the core's border, seen from outside: which requests reached it and what it answered,
 * which identifiers it gave each side, and whether anything of the trusted side got out.
 */
#ifndef SALLYPORT_SIM_BOUNDARY_H
#define SALLYPORT_SIM_BOUNDARY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/str.h"
#include "tests/sim/faults.h"
#include "tests/sim/sip_text.h"

enum { BOUNDARY_REQUESTS = 256, BOUNDARY_TOKENS = 128 };

/* A request that reached the core, known by branch, sent-by and method. */
struct boundary_request {
	struct str method, branch, sent_by, call_id, from_tag;
	uint32_t cseq;
	bool initial; /* INVITE without To tag */
	bool trusted; /* came from the trusted side */
	unsigned copies;
	uint16_t final; /* that the core gave; 0: none */
	unsigned sent;  /* responses, repeated ones too */
};

struct boundary {
	struct arena *arena;
	struct faults *faults;
	struct boundary_request requests[BOUNDARY_REQUESTS];
	unsigned request_count;
	/* Identifiers that belong to the trusted side. */
	struct str tokens[BOUNDARY_TOKENS];
	unsigned token_count;
	uint64_t bye_ms[2]; /* the first BYE that reached the core from each side; 0: none */
	uint64_t in, out;
};

void boundary_in(struct boundary *b, bool trusted, struct str bytes, uint64_t now_ms);
void boundary_out(struct boundary *b, bool trusted, struct str bytes);
/* The core is idle: each request has its one answer. `silent_ok`: a non-INVITE may have none (its
 * answer never came from the other side, RFC 4320). */
void boundary_check(const struct boundary *b, bool silent_ok);
/* The initial INVITE of this Call-ID; NULL: none. */
const struct boundary_request *boundary_find_call(const struct boundary *b, struct str call_id);

#endif
