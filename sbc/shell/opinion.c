#include "opinion.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "policy/opinion.h"

/* One connection, and the question on it. */
struct opinion_line {
	struct opinion_client *client;
	struct evhttp_connection *connection;
	struct addr server;
	id_t64 id; /* ID_NONE: it is free */
	bool inside; /* of its own call, which still needs the connection: what is asked from there goes over another */
};

/* Never from within the core: then it comes later, and has no text that could be gone by then. */
static void tell(struct opinion_client *c, id_t64 id, uint16_t status, struct str body)
{
	struct event e;

	memset(&e, 0, sizeof(e));
	e.type = EVENT_OPINION;
	e.opinion.id = id;
	e.opinion.status = status;
	e.opinion.body = body;
	if (c->turn->running) {
		e.opinion.status = 0;
		e.opinion.body = STR_NONE;
		turn_post(c->turn, &e);
		return;
	}
	turn_begin(c->turn);
	turn_step(c->turn, &e);
}

static void on_done(struct evhttp_request *q, void *ctx)
{
	struct opinion_line *l = ctx;
	const id_t64 id = l->id;
	char mem[OPINION_ANSWER_MAX + 1];
	struct str body = STR_NONE;
	uint16_t status = 0;

	l->id = ID_NONE;
	if (id == ID_NONE)
		return;
	if (q && evhttp_request_get_response_code(q) == HTTP_OK) {
		/* One octet more than may be: who sent too much is to be seen. */
		ev_ssize_t n =
			evbuffer_copyout(evhttp_request_get_input_buffer(q), mem, sizeof(mem));
		status = n >= 0 ? HTTP_OK : 0;
		body = (struct str){mem, n > 0 ? (size_t)n : 0};
	}
	l->inside = true;
	tell(l->client, id, status, body);
	l->inside = false;
}

static void line_free(struct opinion_line **at)
{
	struct opinion_line *l = *at;

	if (!l)
		return;
	l->id = ID_NONE; /* its question comes back while it is freed: nobody is told */
	if (l->connection)
		evhttp_connection_free(l->connection);
	free(l);
	*at = NULL;
}

static struct opinion_line *line_new(struct opinion_client *c, const struct addr *server)
{
	struct opinion_line *l = calloc(1, sizeof(*l));
	char host[64];
	struct buf b;

	if (!l)
		return NULL;
	buf_init(&b, host, sizeof(host) - 1);
	addr_write_ip(&b, server);
	host[b.len] = '\0';
	l->client = c;
	l->server = *server;
	l->connection = evhttp_connection_base_new(watch_loop_base(c->turn->loop), NULL, host,
						   server->port);
	if (!l->connection) {
		free(l);
		return NULL;
	}
	evhttp_connection_set_max_body_size(l->connection, OPINION_ANSWER_MAX);
	evhttp_connection_set_max_headers_size(l->connection, OPINION_HEADERS_MAX);
	evhttp_connection_set_retries(l->connection, 0);
	return l;
}

/* A free one, or a new one. NULL: as many as there may be are busy. */
static struct opinion_line *line_get(struct opinion_client *c)
{
	for (size_t i = 0; i < OPINION_CONNECTIONS_MAX; i++) {
		struct opinion_line **at = &c->lines[i];
		if (*at && ((*at)->inside || (*at)->id != ID_NONE))
			continue;
		if (*at && !addr_eq(&(*at)->server, &c->server)) /* it was inside when we moved */
			line_free(at);
		if (!*at)
			*at = line_new(c, &c->server);
		return *at;
	}
	return NULL;
}

/* Another service: nothing goes to the old one any more, and what it was asked has no answer. */
static void move_to(struct opinion_client *c, const struct addr *server)
{
	if (addr_eq(&c->server, server))
		return;
	for (size_t i = 0; i < OPINION_CONNECTIONS_MAX; i++) {
		id_t64 id = c->lines[i] ? c->lines[i]->id : ID_NONE;
		if (c->lines[i] && c->lines[i]->inside)
			continue;
		line_free(&c->lines[i]);
		if (id != ID_NONE)
			tell(c, id, 0, STR_NONE);
	}
	c->server = *server;
}

static bool post(struct opinion_line *l, const struct opinion_query *q)
{
	struct evhttp_request *r = evhttp_request_new(on_done, l);
	char mem[64], path[1024];
	struct buf host;
	const uint32_t ms = q->timeout_ms + OPINION_GRACE_MS; /* the core gives up before us */
	struct timeval time = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	if (!r)
		return false;
	buf_init(&host, mem, sizeof(mem) - 1);
	addr_write(&host, &q->service->server);
	mem[host.len] = '\0';
	struct evkeyvalq *headers = evhttp_request_get_output_headers(r);
	if (str_copy(q->service->path, path, sizeof(path)) != OK ||
	    evhttp_add_header(headers, "Host", mem) != 0 ||
	    evhttp_add_header(headers, "Content-Type", "application/json") != 0 ||
	    evhttp_add_header(headers, "Accept", "application/json") != 0 ||
	    evbuffer_add(evhttp_request_get_output_buffer(r), q->json.p, q->json.len) != 0) {
		evhttp_request_free(r);
		return false;
	}
	evhttp_connection_set_timeout_tv(l->connection, &time);
	/* It owns r from here on, whatever comes of it. */
	return evhttp_make_request(l->connection, r, EVHTTP_REQ_POST, path) == 0;
}

void opinion_client_ask(struct opinion_client *c, const struct opinion_query *q, id_t64 id)
{
	move_to(c, &q->service->server);
	struct opinion_line *l = line_get(c);
	if (l)
		l->id = id;
	if (l && post(l, q))
		return;
	/* It may have come back already, from within. */
	if (!l || l->id != ID_NONE) {
		if (l)
			l->id = ID_NONE;
		tell(c, id, 0, STR_NONE);
	}
}

void opinion_client_init(struct opinion_client *c, struct turn *turn)
{
	*c = (struct opinion_client){.turn = turn};
}

void opinion_client_release(struct opinion_client *c)
{
	for (size_t i = 0; i < OPINION_CONNECTIONS_MAX; i++)
		line_free(&c->lines[i]);
}
