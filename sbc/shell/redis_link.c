#include "sbc/shell/redis_link.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 32 * 1024, READS_MAX = 16, OUT_FIRST = 64 * 1024, OUT_KEPT = 1024 * 1024 };

/* ---- where ---- */

enum err redis_target_parse(struct str s, struct redis_target *out)
{
	struct redis_target t = {.path = ""};
	if (str_has_prefix(s, STR("unix:"))) {
		s = str_from_offset(s, 5);
		if (s.len == 0 || s.p[0] != '/' || str_copy(s, t.path, sizeof(t.path)) != OK)
			return ERR_BAD;
		*out = t;
		return OK;
	}
	if (str_has_prefix(s, STR("redis://")))
		s = str_from_offset(s, 8);
	if (addr_parse(s, &t.addr) != OK)
		return ERR_BAD;
	if (t.addr.port == 0)
		t.addr.port = 6379;
	*out = t;
	return OK;
}

bool redis_target_eq(const struct redis_target *a, const struct redis_target *b)
{
	return strcmp(a->path, b->path) == 0 && (a->path[0] || addr_eq(&a->addr, &b->addr));
}

void redis_target_write(struct buf *b, const struct redis_target *t)
{
	if (t->path[0])
		buf_printf(b, "unix:%s", t->path);
	else
		addr_write(b, &t->addr);
}

/* ---- TLS ---- */

static enum err bad_file(SSL_CTX *ctx, struct buf *why, const char *what, const char *path)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	buf_printf(why, "store.redis: cannot use %s %s: %s", what, path,
		   reason ? reason : "no reason is known");
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return ERR_BAD;
}

enum err redis_tls_new(SSL_CTX **out, const struct store_settings *s, struct buf *why)
{
	char ca[512], chain[512], key[512];
	*out = NULL;
	if (!s->tls)
		return OK;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		return ERR_NOMEM;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (str_copy(s->tls_ca, ca, sizeof(ca)) != OK ||
	    str_copy(s->tls_chain, chain, sizeof(chain)) != OK ||
	    str_copy(s->tls_key, key, sizeof(key)) != OK) {
		SSL_CTX_free(ctx);
		buf_lit(why, "store.redis: a path is too long");
		return ERR_BAD;
	}
	if (ca[0] ? SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1
		  : SSL_CTX_set_default_verify_paths(ctx) != 1)
		return bad_file(ctx, why, "ca", ca);
	if (chain[0] && SSL_CTX_use_certificate_chain_file(ctx, chain) != 1)
		return bad_file(ctx, why, "certificate", chain);
	if (key[0] && (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
		       SSL_CTX_check_private_key(ctx) != 1))
		return bad_file(ctx, why, "key", key);
	*out = ctx;
	return OK;
}

static SSL *new_ssl(SSL_CTX *ctx, const struct redis_target *t, struct str name)
{
	char text[256];
	struct buf b;
	SSL *ssl = SSL_new(ctx);
	if (!ssl)
		return NULL;
	buf_init(&b, text, sizeof(text) - 1);
	if (name.len > 0)
		buf_str(&b, name);
	else
		addr_write_ip(&b, &t->addr);
	text[buf_view(&b).len] = 0;
	struct addr ip;
	bool ok = !b.overflow && b.len > 0;
	if (ok && addr_parse_ip(buf_view(&b), &ip) == OK)
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), text) == 1;
	else if (ok)
		ok = SSL_set1_host(ssl, text) == 1 && SSL_set_tlsext_host_name(ssl, text) == 1;
	if (!ok) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

/* ---- life ---- */

void redis_link_init(struct redis_link *l, struct turn *turn, const struct redis_link_user *user)
{
	*l = (struct redis_link){.turn = turn, .user = *user};
}

void redis_link_close(struct redis_link *l)
{
	watch_free(&l->watch);
	if (l->has_conn)
		conn_close(&l->conn);
	l->has_conn = false;
	resp_reader_free(&l->reader);
	free(l->out.p);
	buf_init(&l->out, NULL, 0);
	l->out_at = 0;
	l->state = REDIS_CLOSED;
}

void redis_link_release(struct redis_link *l)
{
	redis_link_close(l);
}

static void fail(struct redis_link *l, const char *why)
{
	snprintf(l->why, sizeof(l->why), "%s", why);
	redis_link_close(l);
	l->user.down(l->user.ctx);
}

static void set_watch(struct redis_link *l)
{
	unsigned want = l->state == REDIS_OPEN ? WATCH_READ : l->conn.want;
	if (l->state == REDIS_OPEN && (l->out_at < l->out.len || l->conn.want == WATCH_WRITE))
		want |= WATCH_WRITE;
	if (watch_set(l->watch, want) != OK)
		fail(l, "out of memory");
}

static bool grow(struct redis_link *l, size_t more)
{
	if (l->out_at > 0 && l->out_at == l->out.len)
		l->out_at = l->out.len = 0;
	if (l->out.cap - l->out.len >= more)
		return true;
	if (l->out_at > 0) {
		memmove(l->out.p, l->out.p + l->out_at, l->out.len - l->out_at);
		l->out.len -= l->out_at;
		l->out_at = 0;
	}
	size_t cap = l->out.cap ? l->out.cap : OUT_FIRST;
	while (cap - l->out.len < more)
		cap *= 2;
	if (cap == l->out.cap)
		return true;
	/* Doubling, and kept afterwards: not for each command. */
	char *p = cap <= REDIS_OUT_MAX ? realloc(l->out.p, cap) : NULL;
	if (!p)
		return false;
	l->out.p = p;
	l->out.cap = cap;
	return true;
}

bool redis_link_write(struct redis_link *l, const struct str *words, size_t count)
{
	if (l->state != REDIS_OPEN || !grow(l, resp_size(words, count)))
		return false;
	resp_write(&l->out, words, count);
	return !NEVER(l->out.overflow);
}

void redis_link_flush(struct redis_link *l)
{
	if (l->state != REDIS_OPEN || l->out_at == l->out.len)
		return;
	while (l->out_at < l->out.len) {
		size_t n;
		enum err e = conn_write(&l->conn, l->out.p + l->out_at, l->out.len - l->out_at, &n);
		if (e == ERR_MORE)
			break;
		if (e) {
			fail(l, "the connection broke");
			return;
		}
		l->out_at += n;
	}
	if (l->out_at == l->out.len) {
		l->out_at = l->out.len = 0;
		if (l->out.cap > OUT_KEPT) {
			free(l->out.p);
			buf_init(&l->out, NULL, 0);
		}
	}
	set_watch(l);
}

/* ---- what comes in ---- */

/* False: the link is not the same any more. */
static bool hand_out(struct redis_link *l)
{
	const struct resp_value *v;
	for (;;) {
		struct resp_reader *r = l->reader;
		enum err e = resp_reader_next(r, &v);
		if (e == ERR_MORE)
			return true;
		if (e) {
			fail(l, "what it said is no reply, or larger than one may be");
			return false;
		}
		l->user.reply(l->user.ctx, v);
		if (l->state != REDIS_OPEN || l->reader != r)
			return false;
	}
}

static void on_readable(struct redis_link *l)
{
	char mem[READ_BYTES];
	for (unsigned i = 0; i < READS_MAX; i++) {
		size_t n;
		enum err e = conn_read(&l->conn, mem, sizeof(mem), &n);
		if (e == ERR_MORE)
			break;
		if (e) {
			fail(l, "the server closed the connection");
			return;
		}
		if (resp_reader_feed(l->reader, (struct str){mem, n}) != OK) {
			fail(l, "a reply is larger than one may be");
			return;
		}
		if (!hand_out(l))
			return;
		if (n < sizeof(mem) && !conn_has_more(&l->conn))
			break;
	}
	if (conn_has_more(&l->conn))
		watch_again(l->watch);
	set_watch(l);
}

static void shake(struct redis_link *l)
{
	char mem[REDIS_WHY_MAX];
	struct buf why;
	enum tls_result result;
	buf_init(&why, mem, sizeof(mem) - 1);
	enum err e = conn_handshake(&l->conn, &result, &why);
	if (e == ERR_MORE) {
		set_watch(l);
		return;
	}
	if (e) {
		mem[buf_view(&why).len] = 0;
		fail(l, why.len ? mem : "the TLS handshake failed");
		return;
	}
	l->state = REDIS_OPEN;
	set_watch(l);
	if (l->state == REDIS_OPEN)
		l->user.up(l->user.ctx);
}

static void on_ready(void *ctx, unsigned ready)
{
	struct redis_link *l = ctx;
	turn_begin(l->turn);
	if (l->state == REDIS_CONNECTING) {
		enum err e = conn_is_up(&l->conn);
		if (e == ERR_MORE)
			return;
		if (e) {
			fail(l, strerror(errno));
			return;
		}
		l->state = REDIS_SHAKING;
	}
	if (l->state == REDIS_SHAKING) {
		shake(l);
		return;
	}
	if (ready & WATCH_READ || l->conn.ssl)
		on_readable(l);
	if (l->state == REDIS_OPEN && ready & WATCH_WRITE)
		redis_link_flush(l);
}

/* ---- opening ---- */

static enum err open_unix(struct redis_link *l, const struct redis_target *t)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return ERR_IO;
	memcpy(sa.sun_path, t->path, sizeof(t->path));
	/* EAGAIN: its backlog is full: as bad as nobody there. */
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return ERR_IO;
	}
	conn_init(&l->conn, fd, NULL);
	l->conn.want = WATCH_WRITE;
	l->conn.is_sniffed = true;
	return OK;
}

static void fail_later(struct redis_link *l, const char *why)
{
	snprintf(l->why, sizeof(l->why), "%s", why);
	redis_link_close(l);
}

void redis_link_open(struct redis_link *l, const struct redis_target *t, SSL_CTX *tls,
		     struct str tls_name)
{
	struct addr any = {.family = t->addr.family};
	SSL *ssl = NULL;
	CHECK(l->state == REDIS_CLOSED);
	enum err e = resp_reader_new(&l->reader);
	if (!e && tls && !t->path[0]) {
		ssl = new_ssl(tls, t, tls_name);
		e = ssl ? OK : ERR_NOMEM;
	}
	if (e) {
		fail_later(l, err_text(e));
		return;
	}
	e = t->path[0] ? open_unix(l, t) : conn_open(&l->conn, &any, &t->addr, ssl);
	if (e) {
		fail_later(l, strerror(errno));
		return;
	}
	l->has_conn = true;
	l->state = REDIS_CONNECTING;
	e = watch_new(&l->watch, l->turn->loop, l->conn.fd, on_ready, l);
	if (!e)
		e = watch_set(l->watch, l->conn.want);
	if (e)
		fail_later(l, err_text(e));
}
