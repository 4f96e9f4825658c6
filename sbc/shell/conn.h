/*
 * One stream socket, plain or with TLS on it: connect, handshake, read, write, each as a step that
 * never waits and says what it would wait for. No timers, no tables, no SIP: those are flow's.
 */
#ifndef SALLYPORT_CONN_H
#define SALLYPORT_CONN_H

#include <openssl/ssl.h>
#include <stddef.h>

#include "common/addr.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "sbc/shell/tls.h"

struct conn {
	int fd;
	SSL *ssl; /* NULL: plain TCP */
	unsigned
		want; /* WATCH_READ, WATCH_WRITE: what an ERR_MORE waits for; WATCH_READ after OK */
	bool is_sniffed; /* the first byte was looked at */
};

/* Takes over a connected descriptor and the SSL (may be NULL). */
void conn_init(struct conn *c, int fd, SSL *ssl);
/* Starts to connect from `local`'s address. OK also while it is under way: wait for WATCH_WRITE,
 * then conn_is_up. ERR_IO with errno; *c holds nothing then, and `ssl` is freed. */
enum err conn_open(struct conn *c, const struct addr *local, const struct addr *remote,
		   SSL *ssl) MUST_USE;
/* OK, ERR_MORE: not yet, ERR_IO. */
enum err conn_is_up(struct conn *c) MUST_USE;
/* The first byte of a client's handshake is there; nothing is answered yet. */
bool conn_has_hello(struct conn *c);
/* OK: done (at once for plain TCP). ERR_MORE. ERR_AUTH: it failed, *out_result says how, and a text
 * is in `why`. */
enum err conn_handshake(struct conn *c, enum tls_result *out_result, struct buf *why) MUST_USE;
/* OK: *out_n > 0 bytes. ERR_MORE, ERR_CLOSED, ERR_IO. */
enum err conn_read(struct conn *c, void *p, size_t cap, size_t *out_n) MUST_USE;
/* Is more there to read that the kernel does not know of? */
bool conn_has_more(const struct conn *c);
/* OK: *out_n > 0 of them were taken. ERR_MORE, ERR_CLOSED, ERR_IO. */
enum err conn_write(struct conn *c, const void *p, size_t n, size_t *out_n) MUST_USE;
/* Says goodbye (close_notify, FIN), as far as that needs no waiting; reading goes on. */
void conn_shutdown(struct conn *c);
void conn_close(struct conn *c);

#endif
