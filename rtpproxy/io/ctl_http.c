/* Commands over HTTP and WebSocket: POST /ng and /ng-plain, and the two subprotocols of rtpengine. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/ws_key.h"
#include "rtpproxy/io/ctl_conn.h"
#include "rtpproxy/io/http_head.h"
#include "rtpproxy/io/metrics.h"

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_NG   "application/x-rtpengine-ng"
#define TYPE_JSON "application/json"

enum { HEAD_MAX = 512 };

/* ---- answers */

/* Head and body go out in one write: the loop sends what a turn has gathered. */
static void answer(struct ctl_conn *conn, unsigned status, const char *type, struct str body)
{
	char mem[HEAD_MAX];
	struct buf head;
	buf_init(&head, mem, sizeof(mem));
	http_head_write(&head, status, type, body.len, conn->http.close);
	ctl_conn_write(conn, buf_view(&head));
	if (body.len > 0) {
		ctl_conn_write(conn, body);
	}
	if (conn->http.close) {
		ctl_conn_end(conn);
	}
}

/* What cannot be told from the next request ends the connection. */
static void refuse(struct ctl_conn *conn, unsigned status)
{
	conn->http.close = true;
	answer(conn, status, NULL, STR_NONE);
	ctl_conn_break(conn);
}

static void answer_metrics(struct ctl_conn *conn)
{
	struct timespec t;
	struct buf b;
	char *page = malloc(METRICS_MAX);
	if (!page) {
		answer(conn, 503, NULL, STR_NONE);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &t);
	buf_init(&b, page, METRICS_MAX);
	metrics_write(&b, conn->ctl, (uint64_t)t.tv_sec);
	answer(conn, 200, "text/plain; version=0.0.4; charset=utf-8", buf_view(&b));
	free(page);
}

void ctl_http_reply(struct ctl_conn *conn, struct str reply)
{
	answer(conn, reply.len > 0 ? 200 : 503, conn->http.json ? TYPE_JSON : TYPE_NG, reply);
}

/* ---- requests */

static bool is_under(struct str path, struct str folder)
{
	return str_has_prefix(path, folder) &&
	       (path.len == folder.len || path.p[folder.len] == '/');
}

static void get(struct ctl_conn *conn, const struct http_head *h)
{
	if (str_eq(h->path, STR("/ping"))) {
		answer(conn, 200, TYPE_TEXT, STR("pong\n"));
	} else if (str_eq(h->path, STR("/metrics"))) {
		answer_metrics(conn);
	} else if (is_under(h->path, STR("/cli"))) {
		answer(conn, 501, TYPE_TEXT, STR("unsupported\n"));
	} else {
		answer(conn, 404, TYPE_TEXT, STR("not found\n"));
	}
}

static void post(struct ctl_conn *conn, const struct http_head *h, struct str body)
{
	bool ng = str_eq(h->path, STR("/ng")), plain = str_eq(h->path, STR("/ng-plain"));
	if (!ng && !plain) {
		answer(conn, is_under(h->path, STR("/cli")) ? 501 : 404, TYPE_TEXT,
		       STR("not found\n"));
		return;
	}
	if (conn->look_only) {
		answer(conn, 403, TYPE_TEXT, STR("no commands here\n"));
		return;
	}
	if (ng && (str_index(body, ' ') == 0 || str_index(body, ' ') == body.len)) {
		answer(conn, 400, TYPE_TEXT, STR("no cookie\n"));
		return;
	}
	conn->http.json = plain && body.len > 0 && body.p[0] == '{';
	ctl_conn_take(conn, body, plain);
}

static void upgrade(struct ctl_conn *conn, const struct http_head *h)
{
	bool ng = http_head_has(h->ws_protocols, STR("ng.rtpengine.com"));
	bool plain = http_head_has(h->ws_protocols, STR("ng-plain.rtpengine.com"));
	char mem[HEAD_MAX];
	struct buf b;
	if (!str_eq(h->ws_version, STR("13"))) {
		refuse(conn, 426);
		return;
	}
	if (conn->look_only || !ws_key_is(h->ws_key) || (!ng && !plain)) {
		refuse(conn, conn->look_only ? 403 : 400);
		return;
	}
	buf_init(&b, mem, sizeof(mem));
	buf_lit(&b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		    "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
	ws_key_write_accept(&b, h->ws_key);
	buf_printf(&b, "\r\nSec-WebSocket-Protocol: %s\r\n\r\n",
		   ng ? "ng.rtpengine.com" : "ng-plain.rtpengine.com");
	ctl_conn_write(conn, buf_view(&b));
	conn->kind = CTL_CONN_WS;
	conn->ws = (struct ctl_conn_ws){.plain = !ng};
}

/* The head is there: how much the request is, with its body. False: it was refused. */
static bool measure(struct ctl_conn *conn, const struct http_head *h, size_t head_len)
{
	conn->http.close = h->close;
	if (h->method == HTTP_OTHER) {
		refuse(conn, 405);
		return false;
	}
	if (!http_head_may_ask(h, conn->by_name)) {
		refuse(conn, 403);
		return false;
	}
	if (h->method == HTTP_POST && !h->has_length) {
		refuse(conn, 411);
		return false;
	}
	if (h->length > CTL_MESSAGE_MAX) {
		refuse(conn, 413);
		return false;
	}
	conn->http.need = head_len + (size_t)h->length;
	return true;
}

size_t ctl_http_step(struct ctl_conn *conn, char *in, size_t n)
{
	struct http_head h;
	bool fresh = conn->http.need == 0;
	if (!fresh && n < conn->http.need) {
		return 0;
	}
	ptrdiff_t head_len = http_head_parse((struct str){in, n}, &h);
	if (head_len == ERR_MORE) {
		return 0;
	}
	if (head_len < 0) {
		refuse(conn, head_len == ERR_LIMIT ? 431 : 400);
		return 0;
	}
	if (fresh && !measure(conn, &h, (size_t)head_len)) {
		return 0;
	}
	size_t need = conn->http.need;
	if (n < need) {
		if (h.expects) {
			ctl_conn_write(conn, STR("HTTP/1.1 100 Continue\r\n\r\n"));
		}
		return 0;
	}
	conn->http.need = 0;
	if (h.upgrade && h.method == HTTP_GET) {
		upgrade(conn, &h);
	} else if (h.method == HTTP_POST) {
		post(conn, &h, (struct str){in + head_len, need - (size_t)head_len});
	} else if (h.method == HTTP_HEAD) {
		answer(conn, str_eq(h.path, STR("/ping")) ? 200 : 404, NULL, STR_NONE);
	} else {
		get(conn, &h);
	}
	return need;
}

/* ---- WebSocket */

static void write_frame(struct ctl_conn *conn, enum ws_opcode op, struct str payload)
{
	uint8_t head[WS_HEAD_MAX];
	size_t n = ws_frame_head(head, op, payload.len);
	ctl_conn_write(conn, (struct str){(const char *)head, n});
	if (payload.len > 0) {
		ctl_conn_write(conn, payload);
	}
}

static void write_close(struct ctl_conn *conn, uint16_t code)
{
	const char text[2] = {(char)(code >> 8), (char)code};
	write_frame(conn, WS_CLOSE,
		    (struct str){text, code == WS_CLOSE_NO_CODE ? 0 : sizeof(text)});
	ctl_conn_end(conn);
}

void ctl_ws_ping(struct ctl_conn *conn)
{
	conn->ws.unanswered++;
	write_frame(conn, WS_PING, STR_NONE);
}

void ctl_ws_reply(struct ctl_conn *conn, struct str reply)
{
	/* Clients that send text want text back. SDP need not be UTF-8, and nobody has asked for that. */
	if (reply.len > 0) {
		write_frame(conn, conn->ws.opcode, reply);
	}
}

void ctl_ws_release(struct ctl_conn *conn)
{
	if (conn->ws.parts) {
		evbuffer_free(conn->ws.parts);
		conn->ws.parts = NULL;
	}
}

/* A part of a message: the last one gives the whole. */
static void take_part(struct ctl_conn *conn, const struct ws_frame_out *f)
{
	struct ctl_conn_ws *w = &conn->ws;
	struct str message = f->payload;
	if (!f->first || !f->last) {
		w->parts = w->parts ? w->parts : evbuffer_new();
		if (!w->parts || evbuffer_add(w->parts, f->payload.p, f->payload.len) < 0) {
			write_close(conn, WS_CLOSE_TOO_BIG);
			return;
		}
	}
	if (!f->last) {
		return;
	}
	if (!f->first) {
		message.len = evbuffer_get_length(w->parts);
		message.p = message.len > 0 ? (const char *)evbuffer_pullup(w->parts, -1) : "";
	}
	w->opcode = w->frame.is_text ? WS_TEXT : WS_BINARY;
	ctl_conn_take(conn, message, w->plain);
	if (!f->first) {
		evbuffer_drain(w->parts, message.len);
	}
}

size_t ctl_ws_step(struct ctl_conn *conn, char *in, size_t n)
{
	struct ws_frame_out f = ws_frame_step(&conn->ws.frame, in, n, CTL_MESSAGE_MAX);
	conn->ws.unanswered = f.kind == WS_FRAME_MORE ? conn->ws.unanswered : 0;
	switch (f.kind) {
	case WS_FRAME_MORE: return 0;
	case WS_FRAME_DATA: take_part(conn, &f); break;
	case WS_FRAME_PING: write_frame(conn, WS_PONG, f.payload); break;
	case WS_FRAME_PONG: break;
	case WS_FRAME_CLOSE: write_close(conn, f.code); break;
	case WS_FRAME_BAD:
		write_close(conn, f.code);
		conn->ctl->conns_broken++;
		break;
	case WS_FRAME_KIND_COUNT: break;
	}
	return f.consumed;
}
