#include "https_get.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { TEXT_MAX = 1024, PATH_TEXT_MAX = 4096 };

struct https_tls {
	SSL_CTX *ctx;
};

struct https_get {
	struct evhttp_connection *connection;
	https_get_fn done;
	void *ctx;
};

/* ---- whom we believe */

enum err https_tls_new(struct https_tls **out, struct str path, struct buf *why)
{
	char z[PATH_TEXT_MAX];
	struct https_tls *t = calloc(1, sizeof(*t));
	bool good = t && (t->ctx = SSL_CTX_new(TLS_client_method())) != NULL;

	if (good) {
		SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
		/* Many servers just close; half a certificate is none. */
		SSL_CTX_set_options(t->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
		good = SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) == 1;
	}
	if (good && path.len)
		good = str_copy(path, z, sizeof(z)) == OK &&
		       SSL_CTX_load_verify_file(t->ctx, z) == 1;
	else if (good)
		good = SSL_CTX_set_default_verify_paths(t->ctx) == 1;
	ERR_clear_error();
	if (!good) {
		buf_printf(why, "cannot read the authorities for HTTPS: %.*s", STR_ARG(path));
		https_tls_free(&t);
		return ERR_BAD;
	}
	*out = t;
	return OK;
}

void https_tls_free(struct https_tls **tls)
{
	struct https_tls *t = *tls;

	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
	*tls = NULL;
}

/* ---- the GET */

static void on_answer(struct evhttp_request *r, void *ctx)
{
	struct https_get *g = ctx;
	struct https_answer a = {.status = 0};
	https_get_fn done = g->done;

	g->done = NULL;
	if (!done)
		return;
	if (r)
		a.status = evhttp_request_get_response_code(r);
	if (a.status) {
		struct evbuffer *in = evhttp_request_get_input_buffer(r);
		size_t n = evbuffer_get_length(in);
		const char *p = n ? (const char *)evbuffer_pullup(in, -1) : NULL;
		a.body = p ? (struct str){p, n} : STR_NONE;
		a.location = str_from(
			evhttp_find_header(evhttp_request_get_input_headers(r), "Location"));
	}
	ERR_clear_error();
	done(g->ctx, &a);
}

static SSL *new_session(const struct https_get_params *p, const char *host)
{
	SSL *s = SSL_new(p->tls->ctx);
	struct addr ip;
	bool good = s != NULL;

	if (good && addr_parse_ip(p->host, &ip) == OK)
		good = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s), host) == 1;
	else if (good)
		good = SSL_set1_host(s, host) == 1 && SSL_set_tlsext_host_name(s, host) == 1;
	if (!good) {
		SSL_free(s);
		return NULL;
	}
	return s;
}

static bool add_headers(struct evhttp_request *r, const struct https_get_params *p)
{
	struct evkeyvalq *h = evhttp_request_get_output_headers(r);
	char text[TEXT_MAX];
	struct buf b;
	bool ip6 = str_has_char(p->host, ':');

	buf_init(&b, text, sizeof(text) - 1);
	buf_z(&b, ip6 ? "[" : "");
	buf_str(&b, p->host);
	buf_z(&b, ip6 ? "]" : "");
	if (p->url_port != 443)
		buf_printf(&b, ":%u", p->url_port);
	if (b.overflow)
		return false;
	text[b.len] = '\0';
	return evhttp_add_header(h, "Host", text) == 0 &&
	       evhttp_add_header(h, "Connection", "close") == 0;
}

/* On failure nothing is left: what belongs to the connection goes with it. */
static enum err start(struct https_get *g, const struct https_get_params *p, const char *host,
		      const char *path)
{
	char ip[64];
	struct buf b;
	SSL *ssl = new_session(p, host);

	if (!ssl)
		return ERR_NOMEM;
	struct bufferevent *bev =
		bufferevent_openssl_socket_new(p->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
					       BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!bev) {
		SSL_free(ssl);
		return ERR_NOMEM;
	}
	buf_init(&b, ip, sizeof(ip) - 1);
	addr_write_ip(&b, &p->to);
	ip[b.len] = '\0';
	g->connection = evhttp_connection_base_bufferevent_new(p->base, NULL, bev, ip, p->to.port);
	if (!g->connection) {
		bufferevent_free(bev);
		return ERR_NOMEM;
	}
	struct timeval tv = {.tv_sec = p->timeout_ms / 1000,
			     .tv_usec = (suseconds_t)(p->timeout_ms % 1000) * 1000};
	evhttp_connection_set_timeout_tv(g->connection, &tv);
	evhttp_connection_set_retries(g->connection, 0);
	evhttp_connection_set_max_headers_size(g->connection, HTTPS_HEADERS_MAX);
	evhttp_connection_set_max_body_size(g->connection, (ev_ssize_t)p->bytes_max);
	struct evhttp_request *r = evhttp_request_new(on_answer, g);
	if (!r)
		return ERR_NOMEM;
	if (!add_headers(r, p)) {
		evhttp_request_free(r);
		return ERR_NOMEM;
	}
	/* Frees the request where it fails. */
	return evhttp_make_request(g->connection, r, EVHTTP_REQ_GET, path) == 0 ? OK : ERR_NOMEM;
}

enum err https_get_new(struct https_get **out, const struct https_get_params *p)
{
	CHECK(out && p && p->done);
	char host[TEXT_MAX], path[TEXT_MAX];

	if (str_copy(p->host, host, sizeof(host)) != OK ||
	    str_copy(p->path.len ? p->path : STR("/"), path, sizeof(path)) != OK)
		return ERR_LIMIT;
	struct https_get *g = calloc(1, sizeof(*g));
	if (!g)
		return ERR_NOMEM;
	g->ctx = p->ctx;
	enum err e = start(g, p, host, path);
	ERR_clear_error();
	g->done = p->done; /* only now: what failed at once is told by the code */
	if (e != OK)
		https_get_free(&g);
	else
		*out = g;
	return e;
}

void https_get_free(struct https_get **get)
{
	struct https_get *g = *get;

	if (!g)
		return;
	g->done = NULL;
	if (g->connection)
		evhttp_connection_free(g->connection);
	ERR_clear_error();
	free(g);
	*get = NULL;
}
