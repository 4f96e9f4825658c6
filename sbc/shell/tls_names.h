/*
 * Who a certificate says its owner is, by RFC 5922 §7.1: the hosts of sip: URIs among the subject's
 * alternative names; if there are none, its DNS names; only where there is no such extension at
 * all, the common name. No wildcards (§7.2). Computes only; the certificate was verified before.
 */
#ifndef SALLYPORT_TLS_NAMES_H
#define SALLYPORT_TLS_NAMES_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "common/addr.h"
#include "common/err.h"
#include "common/str.h"
#include "sbc/core/event.h"

enum { TLS_NAME_LEN_MAX = 253, TLS_NAMES_TEXT_MAX = TLS_NAMES_MAX * (TLS_NAME_LEN_MAX + 1) };

struct tls_names {
	struct str names[TLS_NAMES_MAX]; /* lower case; point into text */
	uint8_t count;
	size_t text_len;
	char text[TLS_NAMES_TEXT_MAX];
};

/* More names than TLS_NAMES_MAX are left out. */
void tls_names_init(struct tls_names *n, X509 *cert);
/* Exactly the same, letters without case, one dot at the end ignored. */
bool tls_names_has(const struct tls_names *n, struct str host);
/* Is the certificate one for `host` in the sense of RFC 5922? Where host is an IP address, an
 * iPAddress alternative name counts as well. */
bool tls_names_is_for(X509 *cert, struct str host);
/* Extended key usage (RFC 5924): absent, any, SIP domain, TLS server or TLS client. A certificate
 * for mail or code is not one of a SIP peer. */
bool tls_names_usage_ok(X509 *cert);
/* For choosing a certificate by SNI: like tls_names_has over all DNS names, and "*." covers one
 * label, because here nobody's identity is being believed. */
bool tls_names_serves(X509 *cert, struct str host);

#endif
