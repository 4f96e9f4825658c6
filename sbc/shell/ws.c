#include "ws.h"

#include "common/check.h"
#include "common/ws_key.h"

/* ---- the upgrade ---- */

/* What of the request counts. A header that may stand once and stands twice makes `broken`. */
struct request {
	struct str path, key, origin, version;
	bool broken, upgrade, connection, sip, has_origin, has_host;
};

/* Is `token` in a comma list? Names of protocols count case, the others do not. */
static bool has_token(struct str list, struct str token, bool exact)
{
	struct str one;
	while (str_cut(&list, ',', &one)) {
		one = str_trim(one);
		if (exact ? str_eq(one, token) : str_ieq(one, token))
			return true;
	}
	return false;
}

static void set_once(struct request *r, struct str *to, struct str value)
{
	if (to->p)
		r->broken = true;
	*to = value;
}

static void read_header(struct request *r, struct str line)
{
	struct str name;
	struct str value = line;
	if (!str_cut(&value, ':', &name) || !value.p || name.len == 0 ||
	    str_trim(name).len != name.len) {
		r->broken = true;
		return;
	}
	value = str_trim(value);
	if (str_ieq(name, STR("Upgrade")))
		r->upgrade = r->upgrade || has_token(value, STR("websocket"), false);
	else if (str_ieq(name, STR("Connection")))
		r->connection = r->connection || has_token(value, STR("upgrade"), false);
	else if (str_ieq(name, STR("Sec-WebSocket-Protocol")))
		r->sip = r->sip || has_token(value, STR("sip"), true);
	else if (str_ieq(name, STR("Sec-WebSocket-Key")))
		set_once(r, &r->key, value);
	else if (str_ieq(name, STR("Sec-WebSocket-Version")))
		set_once(r, &r->version, value);
	else if (str_ieq(name, STR("Origin"))) {
		r->broken = r->broken || r->has_origin;
		r->has_origin = true;
		r->origin = value;
	} else if (str_ieq(name, STR("Host"))) {
		r->broken = r->broken || r->has_host;
		r->has_host = true;
	} else if (str_ieq(name, STR("Content-Length")) && !str_eq(value, STR("0"))) {
		r->broken = true; /* a GET with a body: its octets would be taken for frames */
	} else if (str_ieq(name, STR("Transfer-Encoding"))) {
		r->broken = true;
	}
}

static bool is_clean(struct str line)
{
	for (size_t i = 0; i < line.len; i++)
		if (((uint8_t)line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
			return false;
	return true;
}

/* The next line without its end; false: none is left, or it does not end with CRLF. */
static bool cut_line(struct str *rest, struct str *out)
{
	size_t at = str_find(*rest, STR("\r\n"));
	if (at == rest->len)
		return false;
	*out = (struct str){rest->p, at};
	*rest = str_from_offset(*rest, at + 2);
	return true;
}

static struct request read_request(struct str text)
{
	struct request r = {.broken = true};
	struct str line, method;
	if (!cut_line(&text, &line) || !is_clean(line) || !str_cut(&line, ' ', &method) ||
	    !str_eq(method, STR("GET")) || !str_cut(&line, ' ', &r.path) ||
	    !str_eq(line, STR("HTTP/1.1")) || r.path.len == 0)
		return r;
	r.path.len = str_index(r.path, '?');
	r.broken = false;
	for (unsigned i = 0; cut_line(&text, &line) && line.len > 0; i++) {
		if (i == WS_HEADERS_MAX || !is_clean(line))
			r.broken = true;
		else
			read_header(&r, line);
		if (r.broken)
			return r;
	}
	r.broken = !r.has_host;
	return r;
}

static bool may_connect(const struct listener *l, const struct request *r)
{
	if (l->origin_count == 0)
		return true;
	for (size_t i = 0; r->has_origin && i < l->origin_count; i++)
		if (str_ieq(r->origin, l->origins[i]))
			return true;
	return false;
}

static uint16_t judge(const struct request *r, const struct listener *l)
{
	if (r->broken)
		return 400;
	if (!str_eq(r->path, l->path.len ? l->path : STR("/")))
		return 404;
	if (!may_connect(l, r))
		return 403;
	if (!r->upgrade || !r->connection || !str_eq(r->version, STR("13")))
		return 426;
	return ws_key_is(r->key) && r->sip ? 101 : 400;
}

static void write_refusal(struct buf *b, uint16_t status)
{
	buf_lit(b, "HTTP/1.1 ");
	buf_z(b, status == 403   ? "403 Forbidden"
		 : status == 404 ? "404 Not Found"
		 : status == 426 ? "426 Upgrade Required"
				 : "400 Bad Request");
	buf_lit(b, "\r\nConnection: close\r\nContent-Length: 0\r\n");
	if (status == 426)
		buf_lit(b, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
	buf_lit(b, "\r\n");
}

/* §4.2.2 step 5: proves to the client that we know what it asked for. */
static void write_welcome(struct buf *b, struct str key)
{
	buf_lit(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		   "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
	ws_key_write_accept(b, key);
	buf_lit(b, "\r\nSec-WebSocket-Protocol: sip\r\n\r\n");
}

uint16_t ws_answer(struct str request, const struct listener *l, struct buf *reply)
{
	struct request r = read_request(request);
	uint16_t status = judge(&r, l);
	if (status == 101)
		write_welcome(reply, r.key);
	else
		write_refusal(reply, status);
	return status;
}

static struct ws_out ended(struct ws *w, enum ws_end why)
{
	w->state = WS_OVER;
	return (struct ws_out){.kind = WS_OUT_END, .end = why};
}

static struct ws_out upgrade(struct ws *w, const struct listener *l, struct str in,
			     struct buf *reply)
{
	static const struct str get = STR("GET ");
	size_t shown = in.len < get.len ? in.len : get.len;
	if (!str_eq((struct str){in.p, shown}, (struct str){get.p, shown}))
		return ended(w, WS_END_NOT_HTTP);
	struct str head = {in.p, in.len < WS_REQUEST_MAX ? in.len : WS_REQUEST_MAX};
	size_t end = str_find(head, STR("\r\n\r\n"));
	struct ws_out o = {.kind = WS_OUT_MORE};
	if (end == head.len && in.len < WS_REQUEST_MAX)
		return o;
	if (end == head.len) {
		write_refusal(reply, 400);
		o.status = 400;
	} else {
		o.consumed = end + 4;
		o.status = ws_answer((struct str){in.p, o.consumed}, l, reply);
	}
	o.kind = o.status == 101 ? WS_OUT_NEXT : WS_OUT_END;
	o.end = WS_END_REFUSED;
	w->state = o.status == 101 ? WS_OPEN : WS_OVER;
	return o;
}

/* ---- messages ---- */

static void write_frame(struct buf *b, enum ws_opcode op, struct str payload)
{
	uint8_t head[WS_HEAD_MAX];
	buf_bytes(b, head, ws_frame_head(head, op, payload.len));
	buf_str(b, payload);
}

void ws_write_close(struct ws *w, struct buf *reply, uint16_t code)
{
	char text[2] = {(char)(code >> 8), (char)code};
	if (w->state == WS_OPEN)
		write_frame(reply, WS_CLOSE,
			    (struct str){text, code == WS_CLOSE_NO_CODE ? 0 : sizeof(text)});
	w->state = WS_OVER;
}

void ws_write_ping(struct buf *reply)
{
	write_frame(reply, WS_PING, STR_NONE);
}

static struct ws_out failed(struct ws *w, struct buf *reply, uint16_t code)
{
	ws_write_close(w, reply, code);
	return ended(w, code == WS_CLOSE_TOO_BIG ? WS_END_TOO_BIG : WS_END_PROTOCOL);
}

/* A part of a message: the last one gives the whole. */
static struct ws_out take_part(struct ws *w, struct bytes_store *store, struct ws_frame_out f,
			       size_t limit, struct buf *reply)
{
	struct ws_out o = {.kind = WS_OUT_NEXT, .consumed = f.consumed};
	if (!f.first || !f.last) {
		if (bytes_add(&w->parts, store, f.payload.p, f.payload.len, limit) != OK)
			return failed(w, reply, WS_CLOSE_TOO_BIG);
		f.payload = (struct str){w->parts.p ? w->parts.p + w->parts.start : "",
					 bytes_len(&w->parts)};
	}
	if (!f.last)
		return o;
	if (w->frame.is_text && !ws_is_utf8(f.payload))
		return failed(w, reply, WS_CLOSE_NOT_UTF8);
	o.kind = WS_OUT_MESSAGE;
	o.message = f.payload;
	return o;
}

struct ws_out ws_step(struct ws *w, struct bytes_store *store, const struct listener *l, char *p,
		      size_t n, size_t limit, struct buf *reply)
{
	if (w->state == WS_UPGRADE)
		return upgrade(w, l, (struct str){p, n}, reply);
	if (w->state == WS_OVER)
		return (struct ws_out){.kind = WS_OUT_MORE, .consumed = n};
	if (!w->frame.in_message)
		bytes_release(&w->parts, store); /* the last message was told */
	struct ws_frame_out f = ws_frame_step(&w->frame, p, n, limit);
	struct ws_out o = {.kind = WS_OUT_NEXT, .consumed = f.consumed};
	switch (f.kind) {
	case WS_FRAME_MORE: o.kind = WS_OUT_MORE; return o;
	case WS_FRAME_DATA: return take_part(w, store, f, limit, reply);
	case WS_FRAME_PING: write_frame(reply, WS_PONG, f.payload); return o;
	case WS_FRAME_PONG: return o;
	case WS_FRAME_CLOSE: {
		ws_write_close(w, reply, f.code);
		o = ended(w, WS_END_PEER);
		o.consumed = f.consumed;
		return o;
	}
	case WS_FRAME_BAD: return failed(w, reply, f.code);
	case WS_FRAME_KIND_COUNT: break;
	}
	return o;
}

void ws_release(struct ws *w, struct bytes_store *store)
{
	bytes_release(&w->parts, store);
}
