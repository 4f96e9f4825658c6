/*
 * Certificates of signers (RFC 8226): bytes from the network → a key that we believe, or why not. PEM, leaf first, or one in
 * DER; a chain to an anchor of ours that holds at that time; P-256; TNAuthList read.
 */
#ifndef SALLYPORT_STIR_CERT_H
#define SALLYPORT_STIR_CERT_H

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "sbc/core/credential.h"

enum { STIR_CERT_BYTES_MAX = 64 * 1024, STIR_CERT_CHAIN_MAX = 6 };

struct stir_anchors;

/* Those of a PEM file. ERR_BAD: it has none, and `why` says so; ERR_NOMEM. */
enum err stir_anchors_new(struct stir_anchors **out, struct str path, struct buf *why) MUST_USE;
void stir_anchors_free(struct stir_anchors **a);

struct stir_cert {
	struct credential credential; /* points to what is below */
	struct es256_key *key;
	struct credential_list list;
};

/* At the time wall_s. Not CREDENTIAL_OK: nothing is left. */
enum credential_result stir_cert_init(struct stir_cert *out, const struct stir_anchors *a,
				      struct str bytes, uint64_t wall_s);
void stir_cert_release(struct stir_cert *c);

#endif
