#include "txn.h"

#include <string.h>

#include "sbc/core/build.h"
#include "sbc/core/hide.h"
#include "sbc/core/octet.h"

enum { MIX_BYTES = 512, FLOWS_MIN = 64, KEEP_MIN = 1024 * 1024, KEEP_EACH = 1024 };

/* One transaction of either side. Owner: the table. */
struct txn {
	struct table_node by_key;
	struct table_node merged; /* linked: has_merged */
	struct list on_flow;      /* clients over a known connection */
	struct timer timer;
	id_t64 id, owner;
	uint64_t check;    /* second half of the key's hash */
	id_t64 flow_entry; /* struct txn_flow */
	const struct settings *settings;
	struct dest dest;
	struct str bytes; /* the last message, to be sent again; blocks of the table */
	struct str
		head; /* server: what the owner answers with; client: lines of a CANCEL that is held */
	struct str
		udp; /* client, sent by TCP for its size: as it goes by UDP, until an answer comes */
	uint16_t udp_listener;
	struct str
		request; /* client: whole, while it may be challenged and we have an answer to that */
	uint8_t again;
	uint32_t ended[TXN_FORKS_ENDED]; /* client INVITE: To tags whose dialog has had our BYE */
	union {
		struct txn_client client;
		struct txn_server server;
	} machine;
	bool is_client, has_merged, cancelled;
};

/* The client transactions whose requests went down one connection. */
struct txn_flow {
	struct table_node node;
	struct list clients;
	id_t64 flow;
};

/*
 * Keys are never stored: 128 bits of keyed hash stand for them. Nobody without the two secret keys can
 * make two messages collide, and by chance it happens to no one.
 */
struct key {
	uint64_t hash, check;
};

struct mixer {
	const struct txn_table *t;
	size_t n;
	uint8_t bytes[MIX_BYTES];
};

static struct key mix_end(const struct mixer *m)
{
	return (struct key){table_hash(&m->t->by_key, m->bytes, m->n),
			    siphash(&m->t->check_key, m->bytes, m->n)};
}

/* What is longer than the buffer is folded into its own hash. */
static void mix_byte(struct mixer *m, uint8_t b)
{
	if (m->n == sizeof(m->bytes)) {
		struct key k = mix_end(m);
		memcpy(m->bytes, &k, sizeof(k));
		m->n = sizeof(k);
	}
	m->bytes[m->n++] = b;
}

/* The length before each part keeps "ab"+"c" and "a"+"bc" apart. */
static void mix_length(struct mixer *m, size_t n)
{
	if (m->n + 3 <= sizeof(m->bytes)) {
		m->bytes[m->n++] = (uint8_t)n;
		m->bytes[m->n++] = (uint8_t)(n >> 8);
		m->bytes[m->n++] = (uint8_t)(n >> 16);
		return;
	}
	mix_byte(m, (uint8_t)n);
	mix_byte(m, (uint8_t)(n >> 8));
	mix_byte(m, (uint8_t)(n >> 16));
}

static void mix(struct mixer *m, struct str s)
{
	mix_length(m, s.len);
	if (s.len && m->n + s.len <= sizeof(m->bytes)) {
		memcpy(m->bytes + m->n, s.p, s.len);
		m->n += s.len;
		return;
	}
	for (size_t i = 0; i < s.len; i++)
		mix_byte(m, (uint8_t)s.p[i]);
}

/* Host names compare without case. */
static void mix_lower(struct mixer *m, struct str s)
{
	mix_length(m, s.len);
	for (size_t i = 0; i < s.len; i++)
		mix_byte(m, (uint8_t)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]));
}

static void mix_u32(struct mixer *m, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		mix_byte(m, (uint8_t)(v >> (8 * i)));
}

static struct key client_key(const struct txn_table *t, struct str branch, struct str method)
{
	struct mixer m;
	m.t = t;
	m.n = 0;
	mix_byte(&m, 'C');
	mix(&m, branch);
	mix(&m, method);
	return mix_end(&m);
}

/* §17.2.3. `method` is INVITE for an ACK and for what a CANCEL looks for. */
static struct key server_key(const struct txn_table *t, const struct msg *msg, struct str method)
{
	struct mixer m;
	m.t = t;
	m.n = 0;
	if (hide_is_rfc3261_branch(msg->via.branch)) {
		mix_byte(&m, 'S');
		mix(&m, msg->via.branch);
		mix_lower(&m, msg->via.sent_by);
		mix(&m, method);
		return mix_end(&m);
	}
	/* RFC 2543: the ACK has the To tag of our response and the INVITE has none, so To is left
	 * out; Via and CSeq say enough. */
	mix_byte(&m, '2');
	mix(&m, msg->uri);
	mix(&m, msg->from_tag);
	mix(&m, msg->call_id);
	mix_u32(&m, msg->cseq);
	mix(&m, msg->via.all);
	mix(&m, method);
	return mix_end(&m);
}

/* §8.2.2.2. Only requests outside a dialog can be merged ones. */
static bool can_be_merged(const struct msg *m)
{
	return m->to_tag.len == 0 && m->method != METHOD_ACK && m->method != METHOD_CANCEL;
}

static uint64_t merged_hash(const struct txn_table *t, const struct msg *msg)
{
	struct mixer m;
	m.t = t;
	m.n = 0;
	mix_byte(&m, 'M');
	mix(&m, msg->from_tag);
	mix(&m, msg->call_id);
	mix_u32(&m, msg->cseq);
	mix(&m, msg->method_text);
	return table_hash(&t->merged, m.bytes, m.n);
}

static struct txn *find_key(const struct txn_table *t, struct key k)
{
	for (struct table_node *n = table_first(&t->by_key, k.hash); n; n = table_next(n)) {
		struct txn *x = TABLE_OBJECT(n, struct txn, by_key);
		if (x->check == k.check)
			return x;
	}
	return NULL;
}

static struct txn_flow *find_flow(const struct txn_table *t, id_t64 flow, uint64_t *out_hash)
{
	*out_hash = table_hash(&t->by_flow, &flow, sizeof(flow));
	for (struct table_node *n = table_first(&t->by_flow, *out_hash); n; n = table_next(n)) {
		struct txn_flow *f = TABLE_OBJECT(n, struct txn_flow, node);
		if (f->flow == flow)
			return f;
	}
	return NULL;
}

static void leave_flow(struct txn_table *t, struct txn *x)
{
	if (x->flow_entry == ID_NONE)
		return;
	struct txn_flow *f = pool_find(&t->flows, x->flow_entry);
	CHECK(f != NULL);
	list_del(&x->on_flow);
	if (list_is_empty(&f->clients)) {
		table_del(&t->by_flow, &f->node);
		pool_free(&t->flows, x->flow_entry);
	}
	x->flow_entry = ID_NONE;
}

/* A full table is no harm: the client then learns of the closed connection by its own timer. */
static void join_flow(struct txn_table *t, struct txn *x, id_t64 flow)
{
	if (flow == ID_NONE || x->flow_entry != ID_NONE)
		return;
	uint64_t hash;
	struct txn_flow *f = find_flow(t, flow, &hash);
	id_t64 entry = ID_NONE;
	if (f) {
		struct txn *other = LIST_OBJECT(f->clients.next, struct txn, on_flow);
		entry = other->flow_entry;
	} else {
		f = pool_new(&t->flows, &entry);
		if (!f)
			return;
		f->flow = flow;
		list_init(&f->clients);
		if (table_add(&t->by_flow, &f->node, hash) != OK) {
			pool_free(&t->flows, entry);
			return;
		}
	}
	list_add_tail(&f->clients, &x->on_flow);
	x->flow_entry = entry;
}

static void leave_merged(struct txn_table *t, struct txn *x)
{
	if (x->has_merged)
		table_del(&t->merged, &x->merged);
	x->has_merged = false;
}

/* Everything that points at it, then what it owns, then itself. */
static void free_txn(struct txn_table *t, struct txn *x)
{
	wheel_stop(&t->wheel, &x->timer);
	leave_flow(t, x);
	leave_merged(t, x);
	table_del(&t->by_key, &x->by_key);
	block_str_free(&t->kept, &x->bytes);
	block_str_free(&t->kept, &x->head);
	block_str_free(&t->kept, &x->request);
	block_str_free(&t->kept, &x->udp);
	if (x->is_client)
		t->clients--;
	else
		t->servers--;
	pool_free(&t->pool, x->id);
}

/* NULL: a limit. */
static struct txn *new_txn(struct txn_table *t, struct key k, const struct dest *dest, id_t64 owner)
{
	id_t64 id;
	struct txn *x = pool_new(&t->pool, &id);
	if (!x)
		return NULL;
	x->id = id;
	x->check = k.check;
	x->owner = owner;
	x->dest = *dest;
	list_init(&x->on_flow);
	timer_init(&x->timer);
	if (table_add(&t->by_key, &x->by_key, k.hash) != OK) {
		pool_free(&t->pool, id);
		return NULL;
	}
	return x;
}

static void arm(struct txn_table *t, struct txn *x, uint64_t wake_ms)
{
	if (wake_ms == 0)
		wheel_stop(&t->wheel, &x->timer);
	else if (x->timer.at_ms != wake_ms)
		wheel_set(&t->wheel, &x->timer, wake_ms);
}

static void effect_send(const struct txn *x, struct str bytes, bool again, struct txn_effect *out,
			size_t *count)
{
	/* Nothing kept: the store was full when it was first sent. */
	if (bytes.len == 0)
		return;
	out[(*count)++] = (struct txn_effect){.type = TXN_EFFECT_SEND,
					      .txn = x->id,
					      .owner = x->owner,
					      .dest = &x->dest,
					      .bytes = bytes,
					      .again = again,
					      .invite = x->is_client ? x->machine.client.invite
								     : x->machine.server.invite};
}

static void effect_report(const struct txn *x, enum txn_report report, struct txn_effect *out,
			  size_t *count)
{
	if (x->owner == ID_NONE)
		return;
	out[(*count)++] = (struct txn_effect){.type = TXN_EFFECT_REPORT,
					      .txn = x->id,
					      .owner = x->owner,
					      .report = report,
					      .invite = x->is_client ? x->machine.client.invite
								     : x->machine.server.invite};
}

/* Keeps bytes, or nothing if there is no room: an older message must not go out in their place. */
static void keep(struct txn_table *t, struct txn *x, struct str bytes)
{
	struct str fresh = block_str(&t->kept, bytes);
	block_str_free(&t->kept, &x->bytes);
	x->bytes = fresh;
}

/* Of our own INVITE the lines that build_ack and build_cancel read. */
static void keep_trimmed(struct txn_table *t, struct txn *x, struct str invite)
{
	static const struct str wanted[] = {STR("Via:"), STR("Route:"),   STR("From:"),
					    STR("To:"),  STR("Call-ID:"), STR("CSeq:")};
	struct buf b;
	buf_init(&b, t->scratch, sizeof(t->scratch));
	bool first = true;
	while (invite.len) {
		/* We wrote it: each line ends with CR LF, and neither stands alone. */
		size_t n = str_index(invite, '\r');
		struct str line = {invite.p, n};
		if (n == 0)
			break;
		bool take = first;
		for (size_t i = 0; i < ARRAY_LEN(wanted) && !take; i++)
			take = octet_lower(line.p[0]) == octet_lower(wanted[i].p[0]) &&
			       str_has_iprefix(line, wanted[i]);
		if (take) {
			buf_str(&b, line);
			buf_lit(&b, "\r\n");
		}
		first = false;
		invite = str_from_offset(invite, n + 2);
	}
	buf_lit(&b, "\r\n");
	keep(t, x, buf_view(&b));
}

/* The ACK of a refusal takes the place of the INVITE (§17.1.1.3). */
static void ack(struct txn_table *t, struct txn *x, const struct msg *response)
{
	struct buf b;
	buf_init(&b, t->scratch, sizeof(t->scratch));
	struct msg invite;
	if (msg_index(&invite, x->bytes, 0) != OK || build_ack(&b, &invite, response->to) != OK)
		buf_reset(&b);
	keep(t, x, buf_view(&b));
}

/* What a step was about. */
struct occasion {
	struct str bytes;           /* being sent for the first time */
	const struct msg *response; /* that arrived */
};

/* Carries out what the machine wants. The transaction may be gone afterwards. */
static void carry_out(struct txn_table *t, struct txn *x, struct txn_out o,
		      const struct occasion *why, struct txn_effect *out, size_t *count)
{
	bool again = why->bytes.len == 0;
	if (o.actions & TXN_DO_KEEP)
		keep(t, x, why->bytes);
	if (o.actions & TXN_DO_TRIM)
		keep_trimmed(t, x, x->bytes);
	if (o.actions & TXN_DO_ACK) {
		ack(t, x, why->response);
		effect_send(x, x->bytes, false, out, count);
	}
	if (o.actions & TXN_DO_SEND)
		effect_send(x, again ? x->bytes : why->bytes, again, out, count);
	if (o.actions & TXN_DO_DROP)
		block_str_free(&t->kept, &x->bytes);
	if (o.actions & TXN_DO_TIMEOUT)
		effect_report(x, TXN_REPORT_TIMEOUT, out, count);
	if (o.actions & TXN_DO_FAIL)
		effect_report(x, TXN_REPORT_FAILED, out, count);
	if (o.actions & TXN_DO_NO_ACK)
		effect_report(x, TXN_REPORT_NO_ACK, out, count);
	if (o.actions & TXN_DO_SLOW)
		effect_report(x, TXN_REPORT_SLOW, out, count);
	if (o.actions & TXN_DO_END)
		free_txn(t, x);
	else
		arm(t, x, o.wake_ms);
}

enum err txn_init(struct txn_table *t, const struct txn_params *p)
{
	CHECK(p->limit > 0);
	*t = (struct txn_table){.timers = p->timers, .check_key = p->keys[1]};
	uint32_t flows = p->limit < FLOWS_MIN ? FLOWS_MIN : p->limit;
	if (pool_init(&t->pool, sizeof(struct txn), p->limit, p->worker) != OK ||
	    pool_init(&t->flows, sizeof(struct txn_flow), flows, p->worker) != OK ||
	    table_init(&t->by_key, p->limit, &p->keys[0]) != OK ||
	    table_init(&t->merged, p->limit, &p->keys[0]) != OK ||
	    table_init(&t->by_flow, flows, &p->keys[0]) != OK) {
		txn_release(t);
		return ERR_NOMEM;
	}
	size_t keep_bytes = p->keep_bytes ? p->keep_bytes : (size_t)p->limit * KEEP_EACH;
	block_init(&t->kept, keep_bytes < KEEP_MIN ? KEEP_MIN : keep_bytes);
	wheel_init(&t->wheel, p->now_ms);
	return OK;
}

void txn_release(struct txn_table *t)
{
	block_release(&t->kept);
	table_release(&t->by_flow);
	table_release(&t->merged);
	table_release(&t->by_key);
	pool_release(&t->flows);
	pool_release(&t->pool);
	*t = (struct txn_table){0};
}

void txn_set_timers(struct txn_table *t, const struct sip_timers *timers)
{
	t->timers = *timers;
}

static struct txn_match no_match(enum txn_found found)
{
	return (struct txn_match){found, ID_NONE, ID_NONE};
}

struct txn_match txn_request(struct txn_table *t, const struct msg *m, uint64_t now_ms,
			     struct txn_effects *out)
{
	CHECK(m->is_request);
	out->count = 0;
	bool is_ack = m->method == METHOD_ACK;
	struct txn *x = find_key(t, server_key(t, m, is_ack ? STR("INVITE") : m->method_text));
	if (!x) {
		if (can_be_merged(m) && table_first(&t->merged, merged_hash(t, m)))
			return no_match(TXN_MERGED);
		return no_match(TXN_NEW);
	}
	struct txn_match match = {TXN_ABSORBED, x->id, x->owner};
	struct txn_out o =
		txn_server_step(&x->machine.server, is_ack ? TXN_SERVER_ACK : TXN_SERVER_REQUEST,
				now_ms, &t->timers);
	if (o.actions & TXN_DO_PASS)
		match.found = TXN_MATCHED;
	carry_out(t, x, o, &(struct occasion){0}, out->list, &out->count);
	return match;
}

/* The final answer is there: the whole request is of use only if it was a challenge. */
static void settle_request(struct txn_table *t, struct txn *x, uint16_t status)
{
	if (x->request.len == 0 || status < 200)
		return;
	if (status == 401 || status == 407) {
		txn_forget_challenged(t);
		t->challenged = (struct txn_challenged){.txn = x->id,
							.request = x->request,
							.dest = x->dest,
							.settings = x->settings,
							.again = x->again};
		x->request = STR_NONE;
	}
	block_str_free(&t->kept, &x->request);
}

const struct txn_challenged *txn_find_challenged(const struct txn_table *t, id_t64 txn)
{
	return txn != ID_NONE && t->challenged.txn == txn ? &t->challenged : NULL;
}

void txn_forget_challenged(struct txn_table *t)
{
	block_str_free(&t->kept, &t->challenged.request);
	t->challenged = (struct txn_challenged){.txn = ID_NONE};
}

struct txn_match txn_response(struct txn_table *t, const struct msg *m, const struct flow *flow,
			      uint64_t now_ms, struct txn_effects *out)
{
	CHECK(!m->is_request);
	out->count = 0;
	struct txn *x = find_key(t, client_key(t, m->via.branch, m->method_text));
	if (!x)
		return no_match(TXN_NEW);
	block_str_free(&t->kept, &x->udp);
	/* The answer shows which connection the request took. */
	if (x->machine.client.reliable)
		join_flow(t, x, flow->id);
	struct txn_match match = {TXN_ABSORBED, x->id, x->owner};
	settle_request(t, x, m->status);
	struct txn_out o = txn_client_step(&x->machine.client, txn_client_event_of(m->status),
					   now_ms, &t->timers);
	if (o.actions & TXN_DO_PASS && x->owner != ID_NONE)
		match.found = TXN_MATCHED;
	struct occasion why = {.response = m};
	carry_out(t, x, o, &why, out->list, &out->count);
	return match;
}

bool txn_merged_with(const struct txn_table *t, const struct msg *m, size_t nth, id_t64 *out_owner)
{
	CHECK(t && m && out_owner);
	const struct table_node *n = table_first(&t->merged, merged_hash(t, m));

	while (n && nth-- > 0)
		n = table_next(n);
	if (!n)
		return false;
	*out_owner = TABLE_OBJECT(n, struct txn, merged)->owner;
	return true;
}

struct txn_match txn_find_cancelled(const struct txn_table *t, const struct msg *cancel)
{
	const struct txn *x = find_key(t, server_key(t, cancel, STR("INVITE")));
	if (!x)
		return no_match(TXN_NEW);
	return (struct txn_match){TXN_MATCHED, x->id, x->owner};
}

enum err txn_serve(struct txn_table *t, const struct txn_serve_params *p, id_t64 *out_txn)
{
	CHECK(p->m->is_request && p->m->method != METHOD_ACK);
	struct txn *x = new_txn(t, server_key(t, p->m, p->m->method_text), p->dest, p->owner);
	if (!x)
		return ERR_FULL;
	t->servers++;
	x->head = block_str(&t->kept, p->head);
	if (p->head.len && !x->head.len) {
		free_txn(t, x);
		return ERR_FULL;
	}
	if (can_be_merged(p->m))
		x->has_merged = table_add(&t->merged, &x->merged, merged_hash(t, p->m)) == OK;
	struct txn_out o = txn_server_init(&x->machine.server, p->m->method == METHOD_INVITE,
					   transport_is_reliable(p->dest->flow.transport),
					   p->now_ms, &t->timers);
	arm(t, x, o.wake_ms);
	*out_txn = x->id;
	return OK;
}

static struct txn *find_kind(const struct txn_table *t, id_t64 txn, bool is_client)
{
	struct txn *x = pool_find(&t->pool, txn);
	return x && x->is_client == is_client ? x : NULL;
}

struct str txn_head(const struct txn_table *t, id_t64 txn)
{
	const struct txn *x = find_kind(t, txn, false);
	return x ? x->head : STR_NONE;
}

enum err txn_respond(struct txn_table *t, id_t64 txn, uint16_t status, struct str bytes,
		     uint64_t now_ms, struct txn_effects *out)
{
	out->count = 0;
	struct txn *x = find_kind(t, txn, false);
	if (!x)
		return ERR_NOTFOUND;
	struct txn_server *s = &x->machine.server;
	if (!txn_server_may_send(s, status))
		return ERR_WRONG_STATE;
	struct txn_out o = txn_server_step(s, txn_server_event_of(s, status), now_ms, &t->timers);
	struct occasion why = {.bytes = bytes};
	carry_out(t, x, o, &why, out->list, &out->count);
	if (status < 200)
		return OK;
	block_str_free(&t->kept, &x->head);
	/* A refused request may come again by another way: a proxy that tries us as its next target.
	 * An accepted INVITE may not: it would be a second call. */
	if (s->state != TXN_SERVER_ACCEPTED)
		leave_merged(t, x);
	return OK;
}

void txn_acked(struct txn_table *t, id_t64 txn, uint64_t now_ms)
{
	struct txn *x = find_kind(t, txn, false);
	if (!x || x->machine.server.state != TXN_SERVER_ACCEPTED)
		return;
	struct txn_effect none[TXN_EFFECTS_MAX];
	size_t count = 0;
	struct txn_out o = txn_server_step(&x->machine.server, TXN_SERVER_ACK, now_ms, &t->timers);
	carry_out(t, x, o, &(struct occasion){0}, none, &count);
}

bool txn_ends_dialog(struct txn_table *t, id_t64 txn, struct str to_tag)
{
	struct txn *x = find_kind(t, txn, true);
	uint32_t mark = (uint32_t)table_hash(&t->merged, to_tag.p, to_tag.len) | 1;
	size_t i = 0;

	if (!x) { /* nothing is left of its INVITE: the latest of such are remembered here */
		for (; i < TXN_STRAYS; i++)
			if (t->strays[i] == mark)
				return false;
		t->strays[t->stray_next++ % TXN_STRAYS] = mark;
		return true;
	}
	while (i < TXN_FORKS_ENDED && x->ended[i] != 0 && x->ended[i] != mark)
		i++;
	if (i == TXN_FORKS_ENDED || x->ended[i] == mark)
		return i == TXN_FORKS_ENDED;
	x->ended[i] = mark;
	return true;
}

/* What of the request must be there later: all of it over UDP; for an INVITE over a stream only what
 * its ACK and CANCEL repeat. */
static enum err keep_request(struct txn_table *t, struct txn *x, struct str bytes)
{
	if (!x->machine.client.reliable)
		keep(t, x, bytes);
	else if (x->machine.client.invite)
		keep_trimmed(t, x, bytes);
	else
		return OK;
	return x->bytes.len ? OK : ERR_FULL;
}

/* Could a challenge of this request be answered? A CANCEL may not be challenged (RFC 3261 §22.1). */
static bool has_answer(const struct txn_start_params *p)
{
	uint16_t trunk = p->dest->trunk;

	return p->settings && trunk < p->settings->trunk_count &&
	       p->settings->trunks[trunk].credentials.on && !str_eq(p->method, STR("CANCEL"));
}

/* How long a request by TCP may be without any answer before it goes by UDP as well: a firewall that swallows the
 * connection must not cost the call. */
enum { LARGE_WAIT_T1 = 4 };

/* Too large for UDP: *out is where it goes by TCP, *bytes how it is written for that. */
static bool move_to_tcp(struct txn_table *t, const struct txn_start_params *p, struct dest *out,
			struct str *bytes)
{
	struct buf b;
	if (!large_find(p->settings, &t->no_tcp, p->dest, p->bytes.len, p->now_ms, out))
		return false;
	buf_init(&b, t->large, sizeof(t->large));
	if (large_write(&b, p->bytes, TRANSPORT_TCP,
			&p->settings->listeners[out->flow.listener].local) != OK)
		return false;
	*bytes = buf_view(&b);
	return true;
}

/* Without room for it there is no way back to UDP, and the request has TCP alone. */
static struct txn_out keep_udp(struct txn_table *t, struct txn *x, const struct txn_start_params *p,
			       struct txn_out o)
{
	x->udp = block_str(&t->kept, p->bytes);
	x->udp_listener = p->dest->flow.listener;
	if (x->udp.len == 0)
		return o;
	o.wake_ms = txn_client_watch(&x->machine.client,
				     p->now_ms + (uint64_t)LARGE_WAIT_T1 * t->timers.t1_ms)
			    .wake_ms;
	return o;
}

/* RFC 3261 §18.1.1: TCP was refused. The same transaction goes by UDP, from its beginning. */
static void fall_back(struct txn_table *t, struct txn *x, uint64_t now_ms, struct txn_effect *out,
		      size_t *count)
{
	large_refused(&t->no_tcp, &x->dest.flow.remote, now_ms);
	leave_flow(t, x);
	x->dest.flow.transport = TRANSPORT_UDP;
	x->dest.flow.listener = x->udp_listener;
	x->dest.flow.id = ID_NONE;
	x->dest.reconnect = false;
	block_str_free(&t->kept, &x->bytes);
	x->bytes = x->udp;
	x->udp = STR_NONE;
	if (x->request.len) { /* what may be challenged is what goes out */
		block_str_free(&t->kept, &x->request);
		x->request = block_str(&t->kept, x->bytes);
	}
	struct txn_out o = txn_client_init(&x->machine.client, x->machine.client.invite, false,
					   now_ms, &t->timers);
	carry_out(t, x, o, &(struct occasion){0}, out, count);
}

enum err txn_start(struct txn_table *t, const struct txn_start_params *p, id_t64 *out_txn,
		   struct txn_effects *out)
{
	out->count = 0;
	struct dest moved;
	struct str bytes = p->bytes;
	bool by_tcp = move_to_tcp(t, p, &moved, &bytes);
	const struct dest *dest = by_tcp ? &moved : p->dest;
	struct txn *x = new_txn(t, client_key(t, p->branch, p->method), dest, p->owner);
	if (!x)
		return ERR_FULL;
	x->is_client = true;
	x->settings = p->settings;
	x->again = p->again;
	t->clients++;
	struct txn_out o =
		txn_client_init(&x->machine.client, str_eq(p->method, STR("INVITE")),
				transport_is_reliable(dest->flow.transport), p->now_ms, &t->timers);
	if (keep_request(t, x, bytes) != OK) {
		free_txn(t, x);
		return ERR_FULL;
	}
	if (by_tcp)
		o = keep_udp(t, x, p, o);
	/* Without room for it a challenge stands as it is. */
	if (has_answer(p))
		x->request = block_str(&t->kept, bytes);
	if (x->machine.client.reliable)
		join_flow(t, x, dest->flow.id);
	struct occasion why = {.bytes = bytes};
	carry_out(t, x, o, &why, out->list, &out->count);
	*out_txn = x->id;
	return OK;
}

/* No final answer in 64*T1 from now: that is the end of it, whether or not a CANCEL could be sent. */
static void give_up(struct txn_table *t, struct txn *x, uint64_t now_ms)
{
	struct txn_effect none[TXN_EFFECTS_MAX];
	size_t count = 0;
	struct txn_out o =
		txn_client_step(&x->machine.client, TXN_CLIENT_CANCEL, now_ms, &t->timers);

	carry_out(t, x, o, &(struct occasion){0}, none, &count);
}

enum err txn_cancel(struct txn_table *t, id_t64 txn, struct str extra, uint64_t now_ms,
		    struct txn_effects *out)
{
	out->count = 0;
	struct txn *x = find_kind(t, txn, true);
	if (!x)
		return ERR_NOTFOUND;
	if (x->cancelled)
		return ERR_EXISTS;
	if (!x->machine.client.invite || x->machine.client.state != TXN_CLIENT_PROCEEDING) {
		if (x->machine.client.invite && x->head.len == 0)
			x->head = block_str(&t->kept, extra);
		return ERR_WRONG_STATE;
	}
	if (extra.len == 0)
		extra = x->head;
	struct buf b;
	buf_init(&b, t->scratch, sizeof(t->scratch));
	struct msg invite;
	/* An INVITE that could not be kept (store full) cannot be cancelled either: time ends it. */
	if (msg_index(&invite, x->bytes, 0) != OK || build_cancel(&b, &invite, extra) != OK) {
		give_up(t, x, now_ms);
		return ERR_FULL;
	}
	struct txn_start_params p = {.method = STR("CANCEL"),
				     .branch = invite.via.branch,
				     .dest = &x->dest,
				     .bytes = buf_view(&b),
				     .settings = x->settings,
				     .now_ms = now_ms};
	id_t64 id;
	enum err e = txn_start(t, &p, &id, out);
	give_up(t, x, now_ms);
	x->cancelled = e == OK;
	return e;
}

const struct txn_client *txn_find_client(const struct txn_table *t, id_t64 txn)
{
	const struct txn *x = find_kind(t, txn, true);
	return x ? &x->machine.client : NULL;
}

const struct txn_server *txn_find_server(const struct txn_table *t, id_t64 txn)
{
	const struct txn *x = find_kind(t, txn, false);
	return x ? &x->machine.server : NULL;
}

void txn_abandon(struct txn_table *t, id_t64 txn)
{
	struct txn *x = pool_find(&t->pool, txn);
	if (x)
		free_txn(t, x);
}

void txn_set_owner(struct txn_table *t, id_t64 txn, id_t64 owner)
{
	struct txn *x = pool_find(&t->pool, txn);
	if (x)
		x->owner = owner;
}

static void step_error(struct txn_table *t, struct txn *x, uint64_t now_ms, struct txn_effect *out,
		       size_t *count)
{
	if (x->udp.len) {
		fall_back(t, x, now_ms, out, count);
		return;
	}
	struct txn_out o =
		x->is_client
			? txn_client_step(&x->machine.client, TXN_CLIENT_ERROR, now_ms, &t->timers)
			: txn_server_step(&x->machine.server, TXN_SERVER_ERROR, now_ms, &t->timers);
	carry_out(t, x, o, &(struct occasion){0}, out, count);
}

void txn_failed(struct txn_table *t, id_t64 txn, uint64_t now_ms, struct txn_effects *out)
{
	out->count = 0;
	struct txn *x = pool_find(&t->pool, txn);
	if (x)
		step_error(t, x, now_ms, out->list, &out->count);
}

size_t txn_flow_closed(struct txn_table *t, id_t64 flow, uint64_t now_ms, struct txn_effect *out,
		       size_t cap)
{
	CHECK(cap > 0);
	size_t count = 0;
	uint64_t hash;
	struct txn_flow *f;
	while (count < cap && (f = find_flow(t, flow, &hash))) {
		struct txn *x = LIST_OBJECT(f->clients.next, struct txn, on_flow);
		leave_flow(t, x);
		/* What follows (an ACK, a CANCEL) takes a connection of its own. */
		if (x->dest.flow.id == flow)
			x->dest.flow.id = ID_NONE;
		step_error(t, x, now_ms, out, &count);
	}
	return count;
}

size_t txn_tick(struct txn_table *t, uint64_t now_ms, struct txn_effect *out, size_t cap)
{
	CHECK(cap >= TXN_EFFECTS_MAX);
	size_t count = 0;
	while (count + TXN_EFFECTS_MAX <= cap) {
		struct timer *timer = wheel_expire(&t->wheel, now_ms);
		if (!timer)
			break;
		struct txn *x = CONTAINER_OF(timer, struct txn, timer);
		if (x->udp.len && x->machine.client.deadline_ms > now_ms) {
			fall_back(t, x, now_ms, out, &count);
			continue;
		}
		struct txn_out o =
			x->is_client ? txn_client_tick(&x->machine.client, now_ms, &t->timers)
				     : txn_server_tick(&x->machine.server, now_ms, &t->timers);
		carry_out(t, x, o, &(struct occasion){0}, out, &count);
	}
	return count;
}

uint64_t txn_next_ms(const struct txn_table *t)
{
	return wheel_next_ms(&t->wheel);
}

bool txn_uses_settings(const struct txn_table *t, const struct settings *s)
{
	uint32_t cursor = 0;
	id_t64 id;
	for (;;) {
		const struct txn *x = pool_next(&t->pool, &cursor, &id);
		if (!x)
			return false;
		if (x->settings == s)
			return true;
	}
}

bool txn_any_open(const struct txn_table *t, bool (*counts)(void *ctx, id_t64 owner), void *ctx)
{
	uint32_t cursor = 0;
	id_t64 id;
	for (;;) {
		const struct txn *x = pool_next(&t->pool, &cursor, &id);
		if (!x)
			return false;
		if (x->is_client && x->machine.client.state <= TXN_CLIENT_PROCEEDING &&
		    counts(ctx, x->owner))
			return true;
	}
}
