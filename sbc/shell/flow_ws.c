/* The part of a connection's life that is WebSocket's (flow_impl.h): between the bytes and the messages. */
#include "flow_impl.h"

/* RFC 6455 §5.5.2. Browsers' NATs forget after 30 s; connections do not ping in step. */
enum { PING_MS = 25000, PING_SPREAD_MS = 5000, PINGS_UNANSWERED = 2 };

static void set_ping(struct flow_conn *c)
{
	uint64_t h = (c->flow.id ^ c->table->turn->now_ms) * 0x9e3779b97f4a7c15u;
	c->ws.ping_ms = c->table->turn->now_ms + PING_MS + (h >> 32) % PING_SPREAD_MS;
	turn_timer_set(c->table->turn, &c->timer, flow_conn_deadline(c));
}

static enum flow_end end_of(enum ws_end e)
{
	switch (e) {
	case WS_END_PEER: return FLOW_END_PEER;
	case WS_END_REFUSED: return FLOW_END_UPGRADE;
	case WS_END_NOT_HTTP: return FLOW_END_NOT_SIP;
	case WS_END_PROTOCOL: return FLOW_END_FRAMING;
	case WS_END_TOO_BIG: return FLOW_END_LIMIT;
	case WS_END_COUNT: break;
	}
	return FLOW_END_FRAMING;
}

/* One SIP message, or the keep-alive of RFC 5626 §3.5.1 as some clients send it. */
static void take_message(struct flow_conn *c, struct str message)
{
	struct turn *turn = c->table->turn;
	c->message_ms = 0;
	if (str_eq(message, STR("\r\n\r\n"))) {
		turn->stats.stream_keepalives++;
		flow_conn_queue(c, STR("\r\n"), ID_NONE);
	} else if (!str_eq(message, STR("\r\n"))) {
		turn_message(turn, &c->flow, c->facts, message);
	}
}

static void take_end(struct flow_conn *c, const struct ws_out *o)
{
	if (o->status)
		c->table->turn->stats.ws_refused++;
	if (o->end == WS_END_TOO_BIG)
		c->unseen = true;
	if (o->end == WS_END_NOT_HTTP)
		flow_conn_kill(c, FLOW_END_NOT_SIP);
	else
		flow_conn_drain(c, end_of(o->end));
}

size_t flow_ws_take(struct flow_conn *c, char *p, size_t n)
{
	struct flow_table *t = c->table;
	size_t done = 0;
	char mem[WS_REPLY_MAX];
	struct buf reply;
	struct ws_out o;
	do {
		bool was_open = c->ws.state == WS_OPEN;
		buf_init(&reply, mem, sizeof(mem));
		o = ws_step(&c->ws, &t->turn->store, &t->listeners[c->flow.listener].listener,
			    p + done, n - done, t->limits.message_bytes, &reply);
		done += o.consumed;
		if (reply.len > 0)
			flow_conn_queue_raw(c, buf_view(&reply));
		if (c->state != FLOW_OPEN)
			break;
		if (!was_open && c->ws.state == WS_OPEN) {
			t->turn->stats.ws_upgrades++;
			set_ping(c);
		}
		if (o.kind == WS_OUT_MESSAGE)
			take_message(c, o.message);
		else if (o.kind == WS_OUT_END)
			take_end(c, &o);
	} while (c->state == FLOW_OPEN && (o.kind == WS_OUT_MESSAGE || o.kind == WS_OUT_NEXT));
	c->ws.unanswered = 0;
	return done;
}

struct str flow_ws_head(uint8_t out[WS_HEAD_MAX], struct str message)
{
	enum ws_opcode op = ws_is_utf8(message) ? WS_TEXT : WS_BINARY;
	return (struct str){(const char *)out, ws_frame_head(out, op, message.len)};
}

void flow_ws_goodbye(struct flow_conn *c)
{
	char mem[WS_REPLY_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	ws_write_close(&c->ws, &b, WS_CLOSE_AWAY);
	if (b.len > 0)
		flow_conn_queue_raw(c, buf_view(&b));
}

bool flow_ws_tick(struct flow_conn *c)
{
	char mem[WS_REPLY_MAX];
	struct buf b;
	if (c->state != FLOW_OPEN || c->ws.state != WS_OPEN ||
	    c->table->turn->now_ms < c->ws.ping_ms)
		return false;
	if (c->ws.unanswered >= PINGS_UNANSWERED) {
		flow_conn_kill(c, FLOW_END_IDLE);
		return true;
	}
	c->ws.unanswered++;
	buf_init(&b, mem, sizeof(mem));
	ws_write_ping(&b);
	flow_conn_queue_raw(c, buf_view(&b));
	if (c->state == FLOW_OPEN)
		set_ping(c);
	return true;
}
