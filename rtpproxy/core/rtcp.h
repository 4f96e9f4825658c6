/*
 * Compound RTCP (RFC 3550 §6): walk with bounds, and the fields of SR and RR that quality needs.
 * Reduced-size RTCP (RFC 5506) is accepted. What may cross to the other side: rtcp_hide.
 */
#ifndef SALLYPORT_RTCP_H
#define SALLYPORT_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"

enum {
	RTCP_HEADER_LEN = 8,
	RTCP_SR = 200,
	RTCP_RR = 201,
	RTCP_SDES = 202,
	RTCP_BYE = 203,
	RTCP_APP = 204
};
enum { RTCP_BLOCKS_MAX = 31, RTCP_PARTS_MAX = 32 };

/* One report block of an SR or RR. */
struct rtcp_block {
	uint32_t ssrc; /* whom it is about */
	uint8_t fraction_lost;
	int32_t lost; /* cumulative, 24 bits signed */
	uint32_t highest_seq;
	uint32_t jitter; /* timestamp units */
	uint32_t lsr;    /* middle 32 bits of the NTP time of the last SR; 0: none */
	uint32_t dlsr;   /* 1/65536 s */
};

/* One packet of a compound. */
struct rtcp_part {
	const uint8_t *p;
	size_t len; /* whole words, with header */
	uint32_t ssrc;
	uint8_t type;
	uint8_t count;
	uint32_t ntp_mid;   /* SR: middle 32 bits of its NTP time */
	uint32_t timestamp; /* SR */
};

struct rtcp_walk {
	const uint8_t *p;
	size_t left;
	unsigned parts;
};

/* The whole of a plain compound: versions, lengths, padding only at the end, report blocks inside.
 * ERR_BAD; ERR_LIMIT: more than RTCP_PARTS_MAX. */
enum err rtcp_check(const uint8_t *p, size_t len) MUST_USE;
/* Only for bytes that rtcp_check passed. */
void rtcp_walk_init(struct rtcp_walk *w, const uint8_t *p, size_t len);
/* False when there is no further part. */
bool rtcp_walk_next(struct rtcp_walk *w, struct rtcp_part *out);
/* Report block i of an SR or RR; false when there is none. */
bool rtcp_part_block(const struct rtcp_part *part, unsigned i, struct rtcp_block *out);

#endif
