#include "http.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>

struct http {
	struct evhttp *server;
	struct http_pages pages;
	bool metrics, health;
	char *page;
	size_t page_cap;
};

static void send_page(struct evhttp_request *q, int status, const char *type, struct str body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(q);
	struct evbuffer *out = evbuffer_new();
	if (!out || evbuffer_add(out, body.p ? body.p : "", body.len) != 0) {
		evhttp_send_error(q, HTTP_INTERNAL, NULL);
	} else {
		evhttp_add_header(headers, "Content-Type", type);
		evhttp_add_header(headers, "Cache-Control", "no-store");
		evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
		evhttp_send_reply(q, status, NULL, out);
	}
	if (out)
		evbuffer_free(out);
}

static void on_metrics(struct evhttp_request *q, void *ctx)
{
	struct http *h = ctx;
	struct buf b;
	for (;;) {
		buf_init(&b, h->page, h->page_cap);
		h->pages.metrics(h->pages.ctx, &b);
		if (!b.overflow || h->page_cap >= HTTP_PAGE_MAX)
			break;
		char *more = realloc(h->page, 2 * h->page_cap);
		if (!more)
			break;
		h->page = more;
		h->page_cap *= 2;
	}
	send_page(q, b.overflow ? HTTP_INTERNAL : HTTP_OK,
		  "text/plain; version=0.0.4; charset=utf-8", buf_view(&b));
}

static void on_health(struct evhttp_request *q, void *ctx)
{
	struct http *h = ctx;
	char mem[512];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	bool well = h->pages.health(h->pages.ctx, &b);
	send_page(q, well ? HTTP_OK : HTTP_SERVUNAVAIL, "application/json", buf_view(&b));
}

static void on_other(struct evhttp_request *q, void *ctx)
{
	(void)ctx;
	send_page(q, HTTP_NOTFOUND, "text/plain; charset=utf-8", STR("not here\n"));
}

static enum err start(struct http *h, struct event_base *base, const struct http_listener *l)
{
	char host[64];
	struct buf b;
	buf_init(&b, host, sizeof(host) - 1);
	addr_write_ip(&b, &l->local);
	host[b.len] = '\0';
	h->page = malloc(HTTP_PAGE_FIRST);
	h->page_cap = HTTP_PAGE_FIRST;
	h->server = evhttp_new(base);
	if (!h->page || !h->server)
		return ERR_NOMEM;
	evhttp_set_max_headers_size(h->server, HTTP_HEADERS_MAX);
	evhttp_set_max_body_size(h->server, HTTP_BODY_MAX);
	evhttp_set_timeout(h->server, HTTP_TIMEOUT_S);
	evhttp_set_allowed_methods(h->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_gencb(h->server, on_other, h);
	if (h->metrics && evhttp_set_cb(h->server, "/metrics", on_metrics, h) != 0)
		return ERR_NOMEM;
	if (h->health && evhttp_set_cb(h->server, "/health", on_health, h) != 0)
		return ERR_NOMEM;
	return evhttp_bind_socket_with_handle(h->server, host, l->local.port) ? OK : ERR_IO;
}

enum err http_new(struct http **out, struct event_base *base, const struct http_listener *l,
		  const struct http_pages *pages)
{
	struct http *h = calloc(1, sizeof(*h));
	if (!h)
		return ERR_NOMEM;
	h->pages = *pages;
	h->metrics = l->metrics;
	h->health = l->health;
	enum err e = start(h, base, l);
	if (e)
		http_free(&h);
	else
		*out = h;
	return e;
}

void http_free(struct http **http)
{
	struct http *h = *http;
	if (!h)
		return;
	if (h->server)
		evhttp_free(h->server);
	free(h->page);
	free(h);
	*http = NULL;
}
