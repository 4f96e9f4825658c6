/*
 * Overload control between neighbours (RFC 7339), the loss algorithm: a peer that is loaded says in the Via of its
 * responses how many of a hundred new requests it does not want for a while; we say it to those who ask.
 */
#ifndef SALLYPORT_OC_H
#define SALLYPORT_OC_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

enum { OC_VALIDITY_MS = 500, OC_VALIDITY_MAX_MS = 3600 * 1000 };

/* The parameters of one Via. */
struct oc {
	bool asks;      /* "oc" without a value: its sender understands ours */
	bool has_value; /* "oc=20" */
	bool loss;      /* "loss" is among its algorithms */
	uint32_t value;
	uint32_t validity_ms;
	uint64_t seq; /* seconds and the first five digits behind the point, as one number */
};

/* What we know of a peer. Zeroed: it wants everything. */
struct oc_peer {
	uint8_t loss; /* of a hundred */
	uint64_t until_ms;
	uint64_t seq;
};

/* Does this Via speak of it at all? Cheap. */
bool oc_is_in(struct str via_params);
/* ERR_BAD: a value that is none; the response counts as without (RFC 7339 §5.3). */
enum err oc_parse(struct str via_params, struct oc *out) MUST_USE;
/* A response of the peer brought this. An old one, or one of another algorithm, changes nothing. */
void oc_step(struct oc_peer *p, const struct oc *o, uint64_t now_ms);
/* Is this new request one of those that the peer does not want? `random`: any. */
bool oc_sheds(const struct oc_peer *p, uint64_t now_ms, uint32_t random);
/* What we put into our own Via to be told. */
#define OC_ASK ";oc;oc-algo=\"loss\""
/* Parameters for the Via of a response: this percentage for OC_VALIDITY_MS, or none at all. */
void oc_write(struct buf *b, unsigned loss, uint64_t wall_ms);

#endif
