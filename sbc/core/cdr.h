/*
 * The record of one attempted call, from first INVITE to last word (noc.md §4 names). What is not
 * known stays out of the line; nothing is invented.
 */
#ifndef SALLYPORT_CDR_H
#define SALLYPORT_CDR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/buf.h"
#include "common/str.h"
#include "sbc/core/settings.h"

enum { CDR_ATTEMPTS_MAX = 8, CDR_MEDIA_MAX = 8 };

struct cdr_attempt {
	struct str trunk, peer, number;
	uint64_t start_ms; /* wall */
	uint16_t status;
	uint32_t ms;
	struct str cause; /* "timeout", "tls", "connect", or empty */
};

/* One direction of one medium of one leg, as the relay counted it. */
struct cdr_media {
	struct str leg, kind, codec, suite,
		keying; /* "ingress"/"egress", "audio", "PCMU", "AEAD_AES_256_GCM", "sdes" */
	struct str local, remote;
	uint64_t packets, bytes, lost;
	bool has_loss, has_jitter, has_mos, has_rtt;
	double loss_pct, jitter_ms, jitter_max_ms, mos_lq, mos_cq, rtt_ms;
	bool one_way;
};

enum cdr_side { CDR_CALLER, CDR_CALLEE, CDR_US, CDR_SIDE_COUNT };

/* Views: valid while the call lives; the line is written before it goes. Wall times in ms; 0: did
 * not happen. */
struct cdr {
	struct str call, call_id_in, call_id_out, node;
	uint32_t taken_over; /* how often the call has changed nodes */
	struct str ingress_trunk, ingress_realm, egress_trunk, egress_realm;
	enum transport ingress_transport, egress_transport;
	struct addr ingress_address, egress_address;
	struct str ingress_country; /* of the address, where it was asked for; "DE" */
	uint32_t ingress_asn;
	struct str from_number, from_display, to_number, number_as_dialled, number_as_sent;
	struct str user_agent;
	struct str domain;  /* that was called: host of the Request-URI */
	struct str user;    /* of ours, who calls */
	uint8_t diversions; /* that the call came with, as far as rules count them */
	uint64_t start, ring, early_media, answer, end;
	uint32_t setup_ms, ring_ms, duration_ms, billable_ms;
	uint16_t status;
	struct str reason;
	uint16_t q850;
	enum cdr_side ended_by;
	struct str cause; /* outcome of noc.md §1, or policy:RULE */
	struct str route;
	struct str transferred_from, transferred_to; /* calls: where a party came from, went to */
	struct cdr_attempt attempts[CDR_ATTEMPTS_MAX];
	size_t attempt_count;
	struct cdr_media media[CDR_MEDIA_MAX];
	size_t media_count;
	struct str tls_version, tls_cipher, tls_peer;
	/* Signatures of who calls: "passed" or "failed" or "none", why, as what; as what we have signed. */
	struct str verstat, identity_fault, attest, origid, signed_as;
};

/* One JSON object and a newline. */
void cdr_write(struct buf *b, const struct cdr *c);
/* The outcome label of noc.md §1 for a final status. */
struct str cdr_outcome(uint16_t status, bool rang, bool by_timeout);

#endif
