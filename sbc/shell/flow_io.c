#include "flow_impl.h"

#include <stdlib.h>
#include <string.h>

#include "sbc/core/msg.h"

enum { READ_SIZE = 65536, READS_A_TURN = 4 };

static void set_watch(struct flow_conn *c, unsigned what)
{
	if (c->watch && watch_set(c->watch, what) != OK)
		flow_conn_kill(c, FLOW_END_LOST);
}

static void report(const struct flow_conn *c, struct flow_report *r)
{
	r->flow = &c->flow;
	r->outbound = c->outbound;
	if (c->table->report)
		c->table->report(c->table->report_ctx, r);
}

static bool is_web(const struct flow_conn *c)
{
	return transport_is_web(c->flow.transport);
}

static uint64_t open_deadline(const struct flow_conn *c)
{
	const struct limits *l = &c->table->limits;
	if (c->message_ms)
		return c->message_ms + l->message_ms;
	if (!c->outbound && !c->has_spoken)
		return c->began_ms + l->half_open_ms;
	uint64_t idle = c->last_ms + l->idle_ms;
	bool pings = is_web(c) && c->ws.state == WS_OPEN;
	return pings && c->ws.ping_ms < idle ? c->ws.ping_ms : idle;
}

uint64_t flow_conn_deadline(const struct flow_conn *c)
{
	const struct limits *l = &c->table->limits;
	switch (c->state) {
	case FLOW_CONNECTING:
	case FLOW_HANDSHAKE: return c->began_ms + l->half_open_ms;
	case FLOW_OPEN: return open_deadline(c);
	case FLOW_DRAIN: return c->began_ms + FLOW_DRAIN_MS;
	case FLOW_LINGER: return c->began_ms + FLOW_LINGER_MS;
	case FLOW_DEAD:
	case FLOW_STATE_COUNT: break;
	}
	return UINT64_MAX;
}

static void set_state(struct flow_conn *c, enum flow_state state)
{
	c->state = state;
	c->began_ms = c->table->turn->now_ms;
	turn_timer_set(c->table->turn, &c->timer, flow_conn_deadline(c));
}

/* The peer is there: what was sent before has arrived. */
static void forget_tags(struct flow_conn *c)
{
	list_each_safe (it, &c->tags) {
		struct flow_tag *t = LIST_OBJECT(it, struct flow_tag, node);
		list_del(it);
		pool_free(&c->table->tags, t->id);
	}
}

static enum send_failure failure_of(enum flow_end end)
{
	switch (end) {
	case FLOW_END_CONNECT: return SEND_FAILURE_CONNECT;
	case FLOW_END_TLS: return SEND_FAILURE_TLS;
	case FLOW_END_HALF_OPEN: return SEND_FAILURE_TIMEOUT;
	case FLOW_END_QUEUE: return SEND_FAILURE_FULL;
	case FLOW_END_PEER:
	case FLOW_END_LOST:
	case FLOW_END_SLOW:
	case FLOW_END_IDLE:
	case FLOW_END_NOT_SIP:
	case FLOW_END_FRAMING:
	case FLOW_END_LIMIT:
	case FLOW_END_UPGRADE:
	case FLOW_END_HANDSHAKES:
	case FLOW_END_US:
	case FLOW_END_COUNT: break;
	}
	return SEND_FAILURE_CLOSED;
}

static void count_end(struct shell_stats *s, const struct flow_conn *c, enum flow_end end)
{
	switch (end) {
	case FLOW_END_HALF_OPEN: s->closed_half_open++; break;
	case FLOW_END_SLOW: s->closed_slow_message++; break;
	case FLOW_END_IDLE: s->closed_idle++; break;
	case FLOW_END_QUEUE: s->closed_queue++; break;
	case FLOW_END_NOT_SIP:
	case FLOW_END_FRAMING: s->closed_framing++; break;
	case FLOW_END_LIMIT: s->closed_limit++; break;
	case FLOW_END_PEER:
	case FLOW_END_LOST:
	case FLOW_END_CONNECT:
	case FLOW_END_TLS:
	case FLOW_END_UPGRADE:
	case FLOW_END_HANDSHAKES:
	case FLOW_END_US:
	case FLOW_END_COUNT: break;
	}
	if (c->outbound && (c->state == FLOW_CONNECTING || c->state == FLOW_HANDSHAKE))
		s->connections_failed++;
}

void flow_conn_kill(struct flow_conn *c, enum flow_end end)
{
	struct turn *turn = c->table->turn;
	if (c->state == FLOW_DEAD)
		return;
	count_end(&turn->stats, c, end);
	/* A connection that drained was told about when it began to. */
	bool was_open = c->state == FLOW_OPEN || c->state == FLOW_DRAIN || c->state == FLOW_LINGER;
	enum flow_end why = c->state == FLOW_DRAIN || c->state == FLOW_LINGER ? c->end : end;
	c->state = FLOW_DEAD;
	/* Nobody may find it any more. */
	flow_unlist(c);
	turn_timer_stop(turn, &c->timer);
	/* The watch before the descriptor: epoll forgets what is closed, libevent does not. */
	watch_free(&c->watch);
	conn_close(&c->conn);
	/* The senders of what is not known to have arrived. */
	list_each_safe (it, &c->tags) {
		struct flow_tag *t = LIST_OBJECT(it, struct flow_tag, node);
		list_del(it);
		turn_post_failed(turn, t->tag, failure_of(why));
		pool_free(&c->table->tags, t->id);
	}
	if (was_open) {
		struct event e = {.type = EVENT_FLOW_CLOSED, .closed = {.flow = c->flow.id}};
		turn_post(turn, &e);
	}
	struct flow_report r = {.type = FLOW_REPORT_END, .end = why, .unseen = c->unseen};
	report(c, &r);
	/* The memory stays until the end of the turn: a caller up the stack may look at the state,
	 * and the core may be reading a message that lies in `in`. */
	list_add_tail(&c->table->dead, &c->dead_node);
}

void flow_conn_drain(struct flow_conn *c, enum flow_end end)
{
	if (c->state != FLOW_OPEN) {
		if (c->state == FLOW_CONNECTING || c->state == FLOW_HANDSHAKE)
			flow_conn_kill(c, end);
		return;
	}
	if (is_web(c) && !c->peer_closed)
		flow_ws_goodbye(c);
	if (c->state != FLOW_OPEN)
		return;
	c->end = end;
	count_end(&c->table->turn->stats, c, end);
	set_state(c, FLOW_DRAIN);
	if (list_is_empty(&c->dirty_node))
		list_add_tail(&c->table->dirty, &c->dirty_node);
}

/* ---- in ---- */

/* False: the stream has ended, in one way or another. */
static bool take_frame(struct flow_conn *c, const struct frame_out *f)
{
	struct turn *turn = c->table->turn;
	switch (f->kind) {
	case FRAME_MESSAGE:
		c->message_ms = 0;
		turn_message(turn, &c->flow, c->facts, f->message);
		break;
	case FRAME_PING:
		c->message_ms = 0;
		turn->stats.stream_keepalives++;
		flow_conn_queue(c, STR("\r\n"), ID_NONE);
		break;
	case FRAME_PONG: c->message_ms = 0; break;
	case FRAME_BAD:
	case FRAME_LIMIT:
		/* The core may answer what it can read of it; then the stream is of no more use. */
		c->unseen = f->message.len == 0;
		if (!c->unseen)
			turn_message(turn, &c->flow, c->facts, f->message);
		flow_conn_drain(c, f->kind == FRAME_BAD ? FLOW_END_FRAMING : FLOW_END_LIMIT);
		break;
	case FRAME_NOT_SIP:
		/* Nothing is said to it; but what came before it has its answers. */
		if (bytes_len(&c->out) > 0)
			flow_conn_drain(c, FLOW_END_NOT_SIP);
		else
			flow_conn_kill(c, FLOW_END_NOT_SIP);
		break;
	case FRAME_MORE:
	case FRAME_KIND_COUNT: break;
	}
	return c->state == FLOW_OPEN;
}

/* Takes all whole messages; how many bytes are done with. */
static size_t take_frames(struct flow_conn *c, struct str all)
{
	size_t message_bytes = c->table->limits.message_bytes;
	struct frame_limits limits = {message_bytes < MSG_HEADER_BYTES_MAX ? message_bytes
									   : MSG_HEADER_BYTES_MAX,
				      message_bytes};
	size_t done = 0;
	struct frame_out f;
	do {
		f = frame_step(&c->frame, str_from_offset(all, done), &limits);
		done += f.consumed;
	} while (f.kind != FRAME_MORE && take_frame(c, &f) && done < all.len);
	return done;
}

static void take_bytes(struct flow_conn *c, char *fresh, size_t n)
{
	struct bytes_store *store = &c->table->turn->store;
	size_t limit = c->table->limits.message_bytes + 2 * READ_SIZE;
	bool in_scratch = bytes_len(&c->in) == 0;
	char *all = in_scratch ? fresh : c->in.p + c->in.start;
	size_t len = in_scratch ? n : bytes_len(&c->in);
	size_t done =
		is_web(c) ? flow_ws_take(c, all, len) : take_frames(c, (struct str){all, len});
	if (c->state != FLOW_OPEN)
		return;
	if (!in_scratch)
		bytes_take(&c->in, store, done);
	else if (done < n && bytes_add(&c->in, store, fresh + done, n - done, limit) != OK) {
		c->unseen = true;
		flow_conn_kill(c, FLOW_END_LIMIT);
	}
	if (c->state != FLOW_OPEN)
		return;
	bool under_way = bytes_len(&c->in) > 0 || (is_web(c) && c->ws.frame.in_message);
	if (!under_way)
		c->message_ms = 0;
	if (!under_way || c->message_ms)
		return;
	c->message_ms = c->table->turn->now_ms;
	turn_timer_set(c->table->turn, &c->timer, flow_conn_deadline(c));
}

/* One read into the scratch, or behind what waits already. */
static enum err read_once(struct flow_conn *c, size_t *out_n)
{
	struct flow_table *t = c->table;
	if (bytes_len(&c->in) == 0)
		return conn_read(&c->conn, t->scratch, READ_SIZE, out_n);
	enum err e = bytes_reserve(&c->in, &t->turn->store, BYTES_BLOCK,
				   t->limits.message_bytes + 2 * READ_SIZE);
	if (e)
		return e;
	e = conn_read(&c->conn, c->in.p + c->in.end, c->in.cap - c->in.end, out_n);
	if (!e)
		c->in.end += *out_n;
	return e;
}

static void read_some(struct flow_conn *c)
{
	struct turn *turn = c->table->turn;
	for (unsigned i = 0; i < READS_A_TURN; i++) {
		size_t n = 0;
		enum err e = read_once(c, &n);
		if (e == ERR_MORE)
			return;
		if (e) {
			c->peer_closed = true;
			if (e == ERR_CLOSED)
				flow_conn_drain(c, FLOW_END_PEER);
			else
				flow_conn_kill(c, FLOW_END_LOST);
			return;
		}
		c->has_spoken = true;
		c->last_ms = turn->now_ms;
		forget_tags(c);
		take_bytes(c, c->table->scratch, n);
		if (c->state != FLOW_OPEN)
			return;
	}
	/* The rest next turn: what the kernel holds wakes us by itself, what TLS holds does not. */
	if (conn_has_more(&c->conn))
		watch_again(c->watch);
}

/* Reads and forgets, until the peer has closed its end too. */
static void read_linger(struct flow_conn *c)
{
	size_t n;
	enum err e = OK;
	for (unsigned i = 0; i < READS_A_TURN && !e; i++)
		e = conn_read(&c->conn, c->table->scratch, READ_SIZE, &n);
	if (e && e != ERR_MORE)
		flow_conn_kill(c, c->end);
}

/* ---- coming up ---- */

static void on_up(struct flow_conn *c)
{
	struct flow_report r = {.type = FLOW_REPORT_UP, .facts = c->facts};
	c->last_ms = c->table->turn->now_ms;
	if (c->outbound)
		c->table->turn->stats.connections_opened++;
	set_state(c, FLOW_OPEN);
	report(c, &r);
	set_watch(c, WATCH_READ);
	if (c->state == FLOW_OPEN && bytes_len(&c->out) > 0 && list_is_empty(&c->dirty_node))
		list_add_tail(&c->table->dirty, &c->dirty_node);
	/* The first message may have come with the last of the handshake. */
	if (c->state == FLOW_OPEN && c->conn.ssl)
		read_some(c);
}

static void on_handshake_done(struct flow_conn *c)
{
	struct flow_table *t = c->table;
	if (c->conn.ssl) {
		c->facts = tls_facts_new(t->tls, t->listeners[c->flow.listener].listener.realm,
					 c->conn.ssl);
		if (!c->facts) {
			flow_conn_kill(c, FLOW_END_LOST);
			return;
		}
		struct flow_report r = {.type = FLOW_REPORT_HANDSHAKE, .facts = c->facts};
		report(c, &r);
	}
	on_up(c);
}

static struct budget_rule rule_of(const struct rate_limit *l)
{
	return (struct budget_rule){l->count, l->per_ms};
}

/* May this stranger have our private key at work for it? Asked once a connection, when its first byte is there. */
static bool may_shake(struct flow_conn *c)
{
	struct flow_table *t = c->table;
	struct shell_stats *stats = &t->turn->stats;
	const struct budget_rule source = rule_of(&t->limits.handshakes.per_source);
	const struct budget_rule all = rule_of(&t->limits.handshakes.all);
	/* The source first: what is over its own limit takes nothing from the others. */
	if (!budget_take(&t->handshake_budget, &source, &c->flow.remote, 0, 1, t->turn->now_ms)) {
		stats->handshakes_refused_source++;
		return false;
	}
	if (!budget_take_one(&t->all_handshakes, &all, 1, t->turn->now_ms)) {
		stats->handshakes_refused_all++;
		return false;
	}
	c->may_shake = true;
	return true;
}

void flow_conn_handshake(struct flow_conn *c)
{
	struct flow_table *t = c->table;
	char text[256];
	struct buf why;
	buf_init(&why, text, sizeof(text));
	if (c->conn.ssl && t->handshakes_left == 0) {
		/* Not now: the connections that are up come first. */
		set_watch(c, 0);
		if (c->state != FLOW_DEAD && list_is_empty(&c->handshake_node))
			list_add_tail(&t->handshakes, &c->handshake_node);
		return;
	}
	if (c->conn.ssl && !c->outbound && !c->may_shake && conn_has_hello(&c->conn) &&
	    !may_shake(c)) {
		flow_conn_kill(c, FLOW_END_HANDSHAKES);
		return;
	}
	if (c->conn.ssl)
		t->handshakes_left--;
	struct flow_report r = {.type = FLOW_REPORT_HANDSHAKE};
	enum err e = conn_handshake(&c->conn, &r.tls, &why);
	if (e == OK) {
		on_handshake_done(c);
	} else if (e == ERR_MORE) {
		set_watch(c, c->conn.want);
	} else {
		r.why = buf_view(&why);
		report(c, &r);
		flow_conn_kill(c, FLOW_END_TLS);
	}
}

static void on_connected(struct flow_conn *c)
{
	enum err e = conn_is_up(&c->conn);
	if (e == ERR_MORE)
		return;
	if (e) {
		flow_conn_kill(c, FLOW_END_CONNECT);
		return;
	}
	/* The deadline of the connect covers the handshake as well. */
	c->state = FLOW_HANDSHAKE;
	flow_conn_handshake(c);
}

static void on_ready(void *ctx, unsigned ready)
{
	struct flow_conn *c = ctx;
	turn_begin(c->table->turn);
	switch (c->state) {
	case FLOW_CONNECTING: on_connected(c); break;
	case FLOW_HANDSHAKE: flow_conn_handshake(c); break;
	case FLOW_OPEN:
		if (ready & WATCH_READ)
			read_some(c);
		if (ready & WATCH_WRITE && c->state != FLOW_DEAD)
			flow_conn_flush(c);
		break;
	case FLOW_DRAIN: flow_conn_flush(c); break;
	case FLOW_LINGER: read_linger(c); break;
	case FLOW_DEAD:
	case FLOW_STATE_COUNT: break;
	}
}

static void on_timer(void *ctx)
{
	struct flow_conn *c = ctx;
	struct turn *turn = c->table->turn;
	if (turn->now_ms < flow_conn_deadline(c)) {
		turn_timer_set(turn, &c->timer, flow_conn_deadline(c));
		return;
	}
	if (is_web(c) && !c->message_ms && flow_ws_tick(c))
		return;
	enum flow_end end = FLOW_END_IDLE;
	if (c->state != FLOW_OPEN || (!c->outbound && !c->has_spoken))
		end = FLOW_END_HALF_OPEN;
	else if (c->message_ms)
		end = FLOW_END_SLOW;
	if (c->state == FLOW_HANDSHAKE && c->conn.ssl) {
		struct flow_report r = {.type = FLOW_REPORT_HANDSHAKE,
					.tls = TLS_RESULT_TIMEOUT,
					.why = STR("not done in time")};
		report(c, &r);
	}
	flow_conn_kill(c, end);
}

/* ---- out ---- */

static void linger(struct flow_conn *c)
{
	conn_shutdown(&c->conn);
	if (c->peer_closed) {
		flow_conn_kill(c, c->end);
		return;
	}
	set_state(c, FLOW_LINGER);
	set_watch(c, WATCH_READ);
}

void flow_conn_flush(struct flow_conn *c)
{
	struct flow_table *t = c->table;
	while (bytes_len(&c->out) > 0) {
		size_t n = 0;
		enum err e = conn_write(&c->conn, c->out.p + c->out.start, bytes_len(&c->out), &n);
		if (e == ERR_MORE) {
			set_watch(c, c->conn.want | (c->state == FLOW_OPEN ? WATCH_READ : 0u));
			return;
		}
		if (e) {
			flow_conn_kill(c, e == ERR_CLOSED ? FLOW_END_PEER : FLOW_END_LOST);
			return;
		}
		c->last_ms = t->turn->now_ms;
		bytes_take(&c->out, &t->turn->store, n);
	}
	if (c->state == FLOW_DRAIN)
		linger(c);
	else
		set_watch(c, WATCH_READ);
}

/* Both or neither. */
static enum err add_both(struct flow_conn *c, struct str head, struct str bytes)
{
	struct bytes_store *store = &c->table->turn->store;
	enum err e = bytes_reserve(&c->out, store, head.len + bytes.len, FLOW_QUEUE_MAX);
	if (!e && head.len > 0)
		e = bytes_add(&c->out, store, head.p, head.len, FLOW_QUEUE_MAX);
	return e ? e : bytes_add(&c->out, store, bytes.p, bytes.len, FLOW_QUEUE_MAX);
}

static enum err add_out(struct flow_conn *c, struct str head, struct str bytes)
{
	enum err e = add_both(c, head, bytes);
	if (e != ERR_LIMIT || c->state != FLOW_OPEN)
		return e;
	/* So much in one turn may be our doing rather than the peer's: let the kernel have it. */
	flow_conn_flush(c);
	if (c->state != FLOW_OPEN)
		return ERR_CLOSED;
	return add_both(c, head, bytes);
}

static bool queue(struct flow_conn *c, struct str head, struct str bytes, id_t64 tag)
{
	struct flow_table *t = c->table;
	enum err e = add_out(c, head, bytes);
	if (e) {
		turn_post_failed(t->turn, tag,
				 e == ERR_CLOSED ? SEND_FAILURE_CLOSED : SEND_FAILURE_FULL);
		if (e == ERR_LIMIT && c->state == FLOW_OPEN)
			flow_conn_kill(c, FLOW_END_QUEUE);
		return false;
	}
	if (c->state == FLOW_OPEN && list_is_empty(&c->dirty_node))
		list_add_tail(&t->dirty, &c->dirty_node);
	return true;
}

void flow_conn_queue_raw(struct flow_conn *c, struct str bytes)
{
	(void)queue(c, STR_NONE, bytes, ID_NONE);
}

void flow_conn_queue(struct flow_conn *c, struct str bytes, id_t64 tag)
{
	struct flow_table *t = c->table;
	uint8_t mem[WS_HEAD_MAX];
	if (!queue(c, is_web(c) ? flow_ws_head(mem, bytes) : STR_NONE, bytes, tag))
		return;
	id_t64 id;
	struct flow_tag *ft = tag == ID_NONE ? NULL : pool_new(&t->tags, &id);
	if (ft) {
		ft->id = id;
		ft->tag = tag;
		list_init(&ft->node);
		list_add_tail(&c->tags, &ft->node);
	}
}

/* ---- birth ---- */

struct flow_conn *flow_conn_new(struct flow_table *t, struct conn *conn, enum flow_state state,
				const struct flow *flow)
{
	id_t64 id;
	struct flow_conn *c = pool_new(&t->conns, &id);
	struct watch *watch = NULL;
	if (c && watch_new(&watch, t->turn->loop, conn->fd, on_ready, c) != OK) {
		pool_free(&t->conns, id);
		c = NULL;
	}
	if (!c) {
		conn_close(conn);
		return NULL;
	}
	*c = (struct flow_conn){.conn = *conn, .table = t, .state = state, .flow = *flow};
	c->flow.id = id;
	c->watch = watch;
	frame_init(&c->frame);
	list_init(&c->tags);
	list_init(&c->dirty_node);
	list_init(&c->handshake_node);
	list_init(&c->dead_node);
	turn_timer_init(&c->timer, on_timer, c);
	c->last_ms = t->turn->now_ms;
	t->listeners[flow->listener].connections++;
	return c;
}

void flow_conn_start(struct flow_conn *c)
{
	set_state(c, c->state);
	if (c->state == FLOW_HANDSHAKE && !c->conn.ssl)
		on_up(c);
	else
		set_watch(c, c->conn.want);
}
