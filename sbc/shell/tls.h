/*
 * All TLS contexts of one generation of the settings: certificates, keys, anchors; what is offered
 * and accepted; who the peer must be. A reload makes a new set; connections keep what they were
 * made with (OpenSSL counts references), so the old set may go at once.
 */
#ifndef SALLYPORT_TLS_H
#define SALLYPORT_TLS_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "sbc/core/event.h"
#include "sbc/core/settings.h"

/* X(name, label, help): how a handshake ended; label `result` of sallyport_tls_handshakes_total. */
#define TLS_RESULT_TABLE(X)                                                                        \
	X(OK, "ok", "came up")                                                                     \
	X(PLAIN, "plain", "the first bytes were not TLS")                                          \
	X(VERSION, "version", "no common version")                                                 \
	X(CIPHER, "cipher", "no common cipher or group")                                           \
	X(NO_CERTIFICATE, "no_certificate", "the client gave no certificate")                      \
	X(EXPIRED, "expired", "the peer's certificate is over or not yet valid")                   \
	X(UNTRUSTED, "untrusted", "the peer's certificate leads to no anchor of ours")             \
	X(NAME, "name", "the peer's certificate is for another name")                              \
	X(REFUSED, "refused", "the peer refused our certificate")                                  \
	X(TIMEOUT, "timeout", "it was not done in time")                                           \
	X(CLOSED, "closed", "the peer went away")                                                  \
	X(BROKEN, "broken", "the peer broke the protocol")

enum tls_result {
#define X(name, label, help) TLS_RESULT_##name,
	TLS_RESULT_TABLE(X)
#undef X
		TLS_RESULT_COUNT
};

const char *tls_result_label(enum tls_result r);

struct tls_set;

/* ERR_BAD: a file cannot be read or does not fit; what is wrong is written to `why`. ERR_NOMEM.
 * `s` need not outlive the set. */
enum err tls_set_new(struct tls_set **out, const struct settings *s, struct buf *why) MUST_USE;
void tls_set_free(struct tls_set **set);

/* For a connection accepted on a listener / to a peer of a trunk (SETTINGS_NO_INDEX: the system's
 * anchors, no certificate). `name`: whom the peer must prove to be; it is also the SNI, and must
 * stay where it is as long as the SSL. NULL: out of memory, or there is no such context. */
SSL *tls_new_server(const struct tls_set *set, uint16_t listener);
SSL *tls_new_client(const struct tls_set *set, uint16_t trunk, const struct str *name);

/* A number for all that decides what a connection to this trunk's peers proves: two connections
 * with the same one are interchangeable. */
uint64_t tls_trust(const struct tls_set *set, uint16_t trunk);
/* When the certificate ends, seconds since the epoch. */
int64_t tls_certificate_end(const struct tls_set *set, size_t certificate);

/* Why SSL_do_handshake failed; reads and clears OpenSSL's error queue. A text for the log in why. */
enum tls_result tls_failure(SSL *ssl, struct buf *why);

/*
 * What the handshake proved, in one allocation (free it with free()); NULL: out of memory. Names
 * are there only if the peer's certificate was verified, and a name by which a trunk of the realm
 * is identified only if the certificate leads to that trunk's own anchor.
 */
struct tls_facts *tls_facts_new(const struct tls_set *set, uint16_t realm, SSL *ssl);

#endif
