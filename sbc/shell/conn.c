#include "conn.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "sbc/shell/watch.h"

enum { TLS_HANDSHAKE_BYTE = 0x16, KEEPALIVE_IDLE_S = 60, USER_TIMEOUT_MS = 30000 };

void conn_init(struct conn *c, int fd, SSL *ssl)
{
	int on = 1, idle = KEEPALIVE_IDLE_S, lost = USER_TIMEOUT_MS;
	*c = (struct conn){.fd = fd, .ssl = ssl, .want = WATCH_READ};
	/* Messages go out whole, at the end of a turn: waiting for more only delays them. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost, sizeof(lost));
	if (ssl)
		SSL_set_fd(ssl, fd);
}

enum err conn_open(struct conn *c, const struct addr *local, const struct addr *remote, SSL *ssl)
{
	struct sockaddr_storage sa;
	struct addr from = *local;
	int on = 1;
	int fd = socket(remote->family == ADDR_IP4 ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		SSL_free(ssl);
		*c = (struct conn){.fd = -1};
		return ERR_IO;
	}
	/* From the realm's own address; the port is chosen when connecting, so that many
	 * connections to different peers may share it. */
	from.port = 0;
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	socklen_t len = sockaddr_write(&from, &sa);
	bool ok = bind(fd, (struct sockaddr *)&sa, len) == 0;
	len = sockaddr_write(remote, &sa);
	ok = ok && (connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS);
	if (!ok) {
		int saved = errno;
		close(fd);
		SSL_free(ssl);
		*c = (struct conn){.fd = -1};
		errno = saved;
		return ERR_IO;
	}
	conn_init(c, fd, ssl);
	c->want = WATCH_WRITE;
	c->is_sniffed = true; /* we speak first */
	return OK;
}

enum err conn_is_up(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return ERR_IO;
	errno = error;
	if (error == 0) {
		c->want = WATCH_READ;
		return OK;
	}
	return error == EINPROGRESS ? ERR_MORE : ERR_IO;
}

/* Is the first byte one of a TLS handshake? A stranger who speaks plain SIP or HTTP here gets no
 * byte in return, not even an alert. */
static enum err sniff(struct conn *c)
{
	unsigned char first;
	ssize_t n = recv(c->fd, &first, 1, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return ERR_MORE;
	if (n <= 0)
		return ERR_CLOSED;
	c->is_sniffed = first == TLS_HANDSHAKE_BYTE;
	return c->is_sniffed ? OK : ERR_BAD;
}

bool conn_has_hello(struct conn *c)
{
	return c->is_sniffed || sniff(c) == OK;
}

static enum err of_ssl(struct conn *c, int ret)
{
	switch (SSL_get_error(c->ssl, ret)) {
	case SSL_ERROR_WANT_READ: c->want = WATCH_READ; return ERR_MORE;
	case SSL_ERROR_WANT_WRITE: c->want = WATCH_WRITE; return ERR_MORE;
	case SSL_ERROR_ZERO_RETURN: return ERR_CLOSED;
	case SSL_ERROR_SYSCALL: return errno == 0 || errno == ECONNRESET ? ERR_CLOSED : ERR_IO;
	default: return ERR_IO;
	}
}

enum err conn_handshake(struct conn *c, enum tls_result *out_result, struct buf *why)
{
	*out_result = TLS_RESULT_OK;
	if (!c->ssl)
		return OK;
	enum err e = c->is_sniffed ? OK : sniff(c);
	if (e == ERR_MORE)
		return e;
	if (e) {
		*out_result = e == ERR_BAD ? TLS_RESULT_PLAIN : TLS_RESULT_CLOSED;
		buf_z(why,
		      e == ERR_BAD ? "the first byte is not TLS" : "closed before the first byte");
		return ERR_AUTH;
	}
	ERR_clear_error();
	int ret = SSL_do_handshake(c->ssl);
	if (ret == 1) {
		c->want = WATCH_READ;
		return OK;
	}
	e = of_ssl(c, ret);
	if (e == ERR_MORE)
		return e;
	*out_result = tls_failure(c->ssl, why);
	return ERR_AUTH;
}

enum err conn_read(struct conn *c, void *p, size_t cap, size_t *out_n)
{
	if (c->ssl) {
		ERR_clear_error();
		int ret = SSL_read(c->ssl, p, cap > INT_MAX ? INT_MAX : (int)cap);
		if (ret <= 0) {
			enum err e = of_ssl(c, ret);
			ERR_clear_error();
			return e;
		}
		*out_n = (size_t)ret;
		c->want = WATCH_READ;
		return OK;
	}
	ssize_t n;
	do {
		n = recv(c->fd, p, cap, 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		*out_n = (size_t)n;
		c->want = WATCH_READ;
		return OK;
	}
	if (n == 0 || errno == ECONNRESET)
		return ERR_CLOSED;
	c->want = WATCH_READ;
	return errno == EAGAIN ? ERR_MORE : ERR_IO;
}

bool conn_has_more(const struct conn *c)
{
	return c->ssl && SSL_has_pending(c->ssl);
}

enum err conn_write(struct conn *c, const void *p, size_t n, size_t *out_n)
{
	if (c->ssl) {
		ERR_clear_error();
		int ret = SSL_write(c->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
		if (ret <= 0) {
			enum err e = of_ssl(c, ret);
			ERR_clear_error();
			return e;
		}
		*out_n = (size_t)ret;
		c->want = WATCH_READ;
		return OK;
	}
	ssize_t sent;
	do {
		sent = send(c->fd, p, n, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent > 0) {
		*out_n = (size_t)sent;
		c->want = WATCH_READ;
		return OK;
	}
	if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
		return ERR_CLOSED;
	c->want = WATCH_WRITE;
	return sent < 0 && errno == EAGAIN ? ERR_MORE : ERR_IO;
}

void conn_shutdown(struct conn *c)
{
	if (c->ssl && SSL_is_init_finished(c->ssl)) {
		(void)SSL_shutdown(c->ssl);
		ERR_clear_error();
	}
	(void)shutdown(c->fd, SHUT_WR);
}

void conn_close(struct conn *c)
{
	if (c->ssl) {
		/* Without this the session could not be resumed. */
		if (SSL_is_init_finished(c->ssl))
			SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(c->ssl);
		c->ssl = NULL;
	}
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}
