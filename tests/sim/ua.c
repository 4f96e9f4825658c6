#include "ua.h"

#include <string.h>

#include "common/check.h"

enum { T1 = 500, T2 = 4000, T4 = 5000, LONG = 64 * T1, TEXT_MAX = 4096 };

static uint64_t now_of(const struct ua *u)
{
	return u->clock->now_ms;
}

static struct str keep(struct ua *u, struct str s)
{
	struct str copy = arena_str(u->net->arena, s);
	CHECK(copy.len == s.len);
	return copy;
}

/* ---- sending */

static struct addr own_addr(const struct ua *u)
{
	return u->p.addr;
}

static void send_path(struct ua *u, struct ua_path *path, struct str bytes)
{
	if (u->vanished)
		return;
	if (path->transport == TRANSPORT_UDP) {
		net_datagram(u->net, u->udp_end, &path->to, bytes);
		return;
	}
	const struct net_conn *c = path->conn == NET_NONE ? NULL : &u->net->conns[path->conn];
	if (!c || c->state == NET_CONN_CLOSED || c->closed[0] || c->closed[1]) {
		struct addr from = own_addr(u);
		path->conn = NET_NONE;
		for (int i = 0; i < u->net->conn_count && path->conn == NET_NONE; i++) {
			const struct net_conn *o = &u->net->conns[i];
			if (o->node[0] == u->p.node && !o->closed[0] && !o->closed[1] &&
			    o->state != NET_CONN_CLOSED && o->transport == path->transport &&
			    addr_eq(&o->addr[1], &path->to))
				path->conn = i;
		}
		if (path->conn == NET_NONE)
			path->conn = net_connect(u->net, u->p.node, u->p.name, &from, &path->to,
						 path->transport);
		c = &u->net->conns[path->conn];
	}
	net_stream(u->net, path->conn, c->node[0] == u->p.node ? 0 : 1, bytes);
}

static const char *transport_text(enum transport t)
{
	static const char *const names[] = {"UDP", "TCP", "TLS"};
	return names[t];
}

static struct str make_token(struct ua *u, const char *prefix)
{
	char mem[96];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_z(&b, prefix);
	buf_z(&b, u->p.mark);
	buf_printf(&b, "%u%08x", ++u->made, (unsigned)dice_u64(u->dice));
	return keep(u, buf_view(&b));
}

static void write_contact(struct ua *u, struct buf *b)
{
	buf_printf(b, "Contact: <sip:%s-%s@", u->p.user, u->p.mark);
	struct addr a = own_addr(u);
	addr_write(b, &a);
	if (u->p.transport == TRANSPORT_TCP)
		buf_lit(b, ";transport=tcp");
	if (u->p.transport == TRANSPORT_TLS)
		buf_lit(b, ";transport=tls");
	buf_lit(b, ">\r\n");
}

static void write_sdp(struct ua *u, struct buf *b, uint32_t version, unsigned fork)
{
	struct addr a = own_addr(u);
	buf_printf(b, "v=0\r\no=%s 77%u %u IN IP4 ", u->p.mark, fork, version);
	addr_write_ip(b, &a);
	buf_printf(b, "\r\ns=%s session\r\nc=IN IP4 ", u->p.mark);
	addr_write_ip(b, &a);
	buf_printf(b,
		   "\r\nt=0 0\r\nm=audio %u RTP/AVP 8 0 101\r\n"
		   "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
		   "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n",
		   20000 + 2 * fork);
}

static void write_body(struct ua *u, struct buf *b, bool sdp, uint32_t version, unsigned fork)
{
	char mem[1024];
	struct buf body;
	buf_init(&body, mem, sizeof(mem));
	if (sdp) {
		write_sdp(u, &body, version, fork);
		buf_lit(b, "Content-Type: application/sdp\r\n");
	}
	buf_printf(b, "Content-Length: %zu\r\n\r\n", body.len);
	buf_str(b, buf_view(&body));
}

/* SDP that reaches us must lead our media to the relay, and nowhere else. */
static void check_sdp(struct ua *u, const struct sip_text *m)
{
	if (m->body.len == 0 || u->p.media_relay.family == ADDR_NONE)
		return;
	size_t at = str_find(m->body, STR("c=IN IP4 "));
	struct str rest = str_from_offset(m->body, at), word;
	struct addr a;
	if (!str_cut_word(&rest, &word) || !str_cut_word(&rest, &word) ||
	    addr_parse_ip(str_trim((struct str){rest.p, str_index(rest, '\r')}), &a) != OK ||
	    !addr_eq_ip(&a, &u->p.media_relay))
		faults_add(u->faults, "%s got SDP that does not lead to the relay", u->p.name);
}

struct request {
	struct str method, uri, branch;
	uint32_t cseq;
	bool sdp;
	const char *extra;
};

static struct str write_request(struct ua *u, const struct ua_dialog *d, const struct request *r)
{
	char mem[TEXT_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "%.*s %.*s SIP/2.0\r\nVia: SIP/2.0/%s ", STR_ARG(r->method), STR_ARG(r->uri),
		   transport_text(u->p.transport));
	struct addr a = own_addr(u);
	addr_write(&b, &a);
	buf_printf(&b, ";branch=%.*s;rport\r\nMax-Forwards: 70\r\n", STR_ARG(r->branch));
	buf_str(&b, d->routes);
	buf_printf(&b, "From: %.*s;tag=%.*s\r\nTo: %.*s", STR_ARG(d->local), STR_ARG(d->local_tag),
		   STR_ARG(d->remote));
	if (d->remote_tag.len && !str_eq(r->method, STR("CANCEL")))
		buf_printf(&b, ";tag=%.*s", STR_ARG(d->remote_tag));
	buf_printf(&b, "\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n", STR_ARG(d->call_id), r->cseq,
		   STR_ARG(r->method));
	if (!str_eq(r->method, STR("ACK")) && !str_eq(r->method, STR("CANCEL")) &&
	    !str_eq(r->method, STR("BYE")))
		write_contact(u, &b);
	buf_printf(&b, "User-Agent: Phone-%s/1.2.3\r\nX-%s: %s\r\n", u->p.mark, u->p.mark,
		   u->p.mark);
	if (r->extra)
		buf_z(&b, r->extra);
	write_body(u, &b, r->sdp, d->version, 0);
	CHECK(!b.overflow);
	return keep(u, buf_view(&b));
}

static struct ua_txn *new_txn(struct ua *u, bool client)
{
	for (int i = 0; i < UA_TXNS; i++)
		if (u->txns[i].state == UA_TXN_FREE) {
			u->txns[i] = (struct ua_txn){.state = UA_TXN_WAITING,
						     .client = client,
						     .dialog = UA_NONE,
						     .path = {.conn = NET_NONE}};
			return &u->txns[i];
		}
	CHECK(!"a phone has run out of transactions");
	return NULL;
}

static struct ua_dialog *new_dialog(struct ua *u)
{
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state == UA_DIALOG_FREE) {
			u->dialogs[i] = (struct ua_dialog){.state = UA_DIALOG_EARLY, .version = 1};
			return &u->dialogs[i];
		}
	CHECK(!"a phone has run out of dialogs");
	return NULL;
}

/* Where requests in a dialog go: the first route, else the target. */
static struct addr hop_of(struct ua *u, const struct ua_dialog *d)
{
	struct addr a = u->p.next_hop;
	struct str uri = d->target;
	if (d->routes.len) {
		struct str line = {d->routes.p, str_index(d->routes, '\r')};
		uri = sip_text_uri(line);
	}
	if (!d->remote_tag.len || !uri.len)
		return a;
	if (!sip_text_uri_addr(uri, &a))
		faults_add(u->faults, "%s was given an unusable Contact: %.*s", u->p.name,
			   STR_ARG(uri));
	else if (!addr_eq_ip(&a, &u->p.next_hop))
		faults_add(u->faults, "%s was given a Contact that leads past its peer: %.*s",
			   u->p.name, STR_ARG(uri));
	return a;
}

static struct ua_txn *start(struct ua *u, int dialog, struct request *r)
{
	struct ua_dialog *d = &u->dialogs[dialog];
	struct ua_txn *x = new_txn(u, true);
	x->method = r->method;
	x->invite = str_eq(r->method, STR("INVITE"));
	x->branch = r->branch = make_token(u, "z9hG4bK");
	x->cseq = r->cseq = ++d->cseq;
	x->dialog = dialog;
	x->request = x->last = write_request(u, d, r);
	x->path = (struct ua_path){NET_NONE, hop_of(u, d), u->p.transport};
	x->start_ms = now_of(u);
	x->deadline_ms = now_of(u) + LONG;
	if (u->p.transport == TRANSPORT_UDP) {
		x->interval_ms = T1;
		x->again_ms = now_of(u) + T1;
	}
	send_path(u, &x->path, x->last);
	return x;
}

static void trigger(struct ua *u, enum ua_when when)
{
	for (size_t i = 0; i < u->plan.todo_count; i++)
		if (u->plan.todos[i].when == when && u->plan.todos[i].at_ms == 0)
			u->plan.todos[i].at_ms = now_of(u) + u->plan.todos[i].after_ms;
}

void ua_call(struct ua *u, const char *user, const char *host)
{
	struct ua_dialog *d = new_dialog(u);
	char mem[256];
	struct buf b;
	d->caller = true;
	d->cseq = dice_range(u->dice, 1, 1000);
	d->call_id = make_token(u, "call-");
	d->local_tag = make_token(u, "t");
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "\"Desk %s\" <sip:%s@", u->p.user, u->p.user);
	struct addr a = own_addr(u);
	addr_write_ip(&b, &a);
	buf_char(&b, '>');
	d->local = keep(u, buf_view(&b));
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "<sip:%s@%s>", user, host);
	d->remote = keep(u, buf_view(&b));
	d->target = sip_text_uri(d->remote);
	struct request r = {.method = STR("INVITE"), .uri = d->target, .sdp = !u->plan.offerless};
	u->placed = true;
	start(u, (int)(d - u->dialogs), &r);
	trigger(u, UA_AFTER_START);
}

/* ---- responses to others' requests */

static struct str reason_of(uint16_t status)
{
	switch (status) {
	case 100: return STR("Trying");
	case 180: return STR("Ringing");
	case 183: return STR("Session Progress");
	case 200: return STR("OK");
	case 481: return STR("Call/Transaction Does Not Exist");
	case 486: return STR("Busy Here");
	case 487: return STR("Request Terminated");
	case 491: return STR("Request Pending");
	case 503: return STR("Service Unavailable");
	default: return STR("Refused");
	}
}

struct response {
	uint16_t status;
	struct str to_tag;
	bool sdp, contact;
	uint32_t version;
	unsigned fork;
};

static struct str write_response(struct ua *u, const struct sip_text *m, const struct response *r)
{
	char mem[TEXT_MAX];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "SIP/2.0 %u %.*s\r\n", r->status, STR_ARG(reason_of(r->status)));
	struct str v;
	for (unsigned i = 0; (v = sip_text_header(m, "Via", i)).len; i++)
		buf_printf(&b, "Via: %.*s\r\n", STR_ARG(v));
	for (unsigned i = 0; (v = sip_text_header(m, "Record-Route", i)).len; i++)
		buf_printf(&b, "Record-Route: %.*s\r\n", STR_ARG(v));
	buf_printf(&b, "From: %.*s\r\nTo: %.*s", STR_ARG(m->from), STR_ARG(m->to));
	if (r->to_tag.len && !m->to_tag.len)
		buf_printf(&b, ";tag=%.*s", STR_ARG(r->to_tag));
	buf_printf(&b, "\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n", STR_ARG(m->call_id), m->cseq,
		   STR_ARG(m->cseq_method));
	if (r->contact)
		write_contact(u, &b);
	buf_printf(&b, "Server: Phone-%s/1.2.3\r\n", u->p.mark);
	if (r->status >= 300)
		buf_printf(&b, "Warning: 399 %s \"%s is not here\"\r\n", u->p.mark, u->p.mark);
	write_body(u, &b, r->sdp, r->version, r->fork);
	CHECK(!b.overflow);
	return keep(u, buf_view(&b));
}

static void respond(struct ua *u, struct ua_txn *x, const struct response *r)
{
	struct sip_text m;
	CHECK(sip_text_read(x->request, &m));
	x->last = write_response(u, &m, r);
	send_path(u, &x->path, x->last);
	if (r->status < 200) {
		x->state = UA_TXN_PROCEEDING;
		return;
	}
	x->state = UA_TXN_DONE;
	x->status = r->status;
	x->deadline_ms = now_of(u) + LONG;
	x->again_ms = 0;
	if (x->invite && r->status >= 300 && x->path.transport == TRANSPORT_UDP) {
		x->interval_ms = T1;
		x->again_ms = now_of(u) + T1;
	}
}

/* A 2xx to INVITE is repeated until its ACK comes. */
static void accept(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct response *r)
{
	respond(u, x, r);
	d->ok = x->last;
	d->ok_cseq = x->cseq;
	d->ok_path = x->path;
	d->ok_interval_ms = T1;
	d->ok_again_ms = now_of(u) + T1;
	d->ok_deadline_ms = now_of(u) + LONG;
	if (d->state == UA_DIALOG_EARLY)
		d->state = UA_DIALOG_CONFIRMED;
}

static struct ua_dialog *find_dialog(struct ua *u, const struct sip_text *m)
{
	struct str local = m->request ? m->to_tag : m->from_tag;
	struct str remote = m->request ? m->from_tag : m->to_tag;
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_FREE && str_eq(d->call_id, m->call_id) &&
		    str_eq(d->local_tag, local) && str_eq(d->remote_tag, remote))
			return d;
	}
	return NULL;
}

/* The part of a From or To value before ;tag. */
static struct str without_tag(struct str value)
{
	size_t at = str_find(value, STR(";tag="));
	return (struct str){value.p, at};
}

/* Route lines from Record-Route: in order for the callee, reversed for the caller. */
static struct str routes_of(struct ua *u, const struct sip_text *m, bool reversed)
{
	char mem[1024];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	unsigned n = 0;
	while (sip_text_header(m, "Record-Route", n).len)
		n++;
	for (unsigned i = 0; i < n; i++)
		buf_printf(&b, "Route: %.*s\r\n",
			   STR_ARG(sip_text_header(m, "Record-Route", reversed ? n - 1 - i : i)));
	return keep(u, buf_view(&b));
}

static void end_dialog(struct ua *u, struct ua_dialog *d)
{
	d->state = UA_DIALOG_ENDED;
	u->ended_ms = now_of(u);
}

/* The dialog of one fork of an INVITE that we were sent. */
static struct ua_dialog *dialog_of_fork(struct ua *u, struct ua_txn *x, const struct sip_text *m,
					unsigned fork)
{
	if (!x->tags[fork].len)
		x->tags[fork] = make_token(u, "t");
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_FREE && str_eq(d->call_id, m->call_id) &&
		    str_eq(d->local_tag, x->tags[fork]) && str_eq(d->remote_tag, m->from_tag))
			return d;
	}
	struct ua_dialog *d = new_dialog(u);
	d->call_id = m->call_id;
	d->local = m->to;
	d->remote = without_tag(m->from);
	d->local_tag = x->tags[fork];
	d->remote_tag = m->from_tag;
	d->target = m->contact;
	d->routes = routes_of(u, m, false);
	d->cseq = dice_range(u->dice, 1, 1000);
	d->remote_cseq = m->cseq;
	return d;
}

static void take_step(struct ua *u, struct ua_txn *x)
{
	const struct ua_step *s = &u->plan.steps[x->next_step++];
	struct sip_text m;
	CHECK(sip_text_read(x->request, &m));
	if (s->status == 100) {
		respond(u, x, &(struct response){.status = 100});
		return;
	}
	struct response r = {.status = s->status, .sdp = s->sdp, .fork = s->fork, .version = 1};
	if (s->status >= 300) {
		if (!x->tags[s->fork].len)
			x->tags[s->fork] = make_token(u, "t");
		r.to_tag = x->tags[s->fork];
		respond(u, x, &r);
		return;
	}
	struct ua_dialog *d = dialog_of_fork(u, x, &m, s->fork);
	r.to_tag = d->local_tag;
	r.contact = true;
	if (s->status < 200) {
		respond(u, x, &r);
		trigger(u, UA_AFTER_RINGING);
		return;
	}
	u->answered++;
	accept(u, x, d, &r);
}

static void got_cancel(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	struct ua_txn *invite = NULL;
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *o = &u->txns[i];
		if (o->state != UA_TXN_FREE && !o->client && o->invite &&
		    str_eq(o->branch, m->branch) && str_ieq(o->sent_by, m->sent_by))
			invite = o;
	}
	if (!invite) {
		respond(u, x, &(struct response){.status = 481, .to_tag = make_token(u, "t")});
		return;
	}
	if (!invite->tags[0].len)
		invite->tags[0] = make_token(u, "t");
	respond(u, x, &(struct response){.status = 200, .to_tag = invite->tags[0]});
	if (invite->state == UA_TXN_DONE || u->plan.deaf_to_cancel)
		return;
	respond(u, invite, &(struct response){.status = 487, .to_tag = invite->tags[0]});
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state == UA_DIALOG_EARLY &&
		    str_eq(u->dialogs[i].call_id, m->call_id))
			end_dialog(u, &u->dialogs[i]);
}

static bool invite_is_open(const struct ua *u, const struct ua_dialog *d)
{
	for (int i = 0; i < UA_TXNS; i++) {
		const struct ua_txn *x = &u->txns[i];
		bool open = x->state == UA_TXN_WAITING || x->state == UA_TXN_PROCEEDING;
		if (open && x->client && x->invite && x->dialog == (int)(d - u->dialogs))
			return true;
	}
	return false;
}

static void answer_in_dialog(struct ua *u, struct ua_txn *x)
{
	struct ua_dialog *d = &u->dialogs[x->dialog];
	struct sip_text m;
	CHECK(sip_text_read(x->request, &m));
	uint16_t status = u->plan.in_dialog_status ? u->plan.in_dialog_status : 200;
	struct response r = {.status = status, .version = d->version};
	if (d->state == UA_DIALOG_ENDED)
		r.status = 481;
	else if (x->invite && invite_is_open(u, d))
		r.status = 491;
	if (r.status >= 300) {
		respond(u, x, &r);
		return;
	}
	r.contact = x->invite || str_eq(m.method, STR("UPDATE"));
	r.sdp = x->invite || (m.body.len && str_eq(m.method, STR("UPDATE")));
	if (m.contact.len)
		d->target = m.contact;
	if (x->invite)
		accept(u, x, d, &r);
	else
		respond(u, x, &r);
}

static void got_in_dialog(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	struct ua_dialog *d = find_dialog(u, m);
	if (!d) {
		respond(u, x, &(struct response){.status = 481});
		return;
	}
	x->dialog = (int)(d - u->dialogs);
	if (m->cseq <= d->remote_cseq) {
		/* A datagram that was overtaken by a later request is no fault of the sender. */
		respond(u, x, &(struct response){.status = 500});
		return;
	}
	d->remote_cseq = m->cseq;
	if (str_eq(m->method, STR("BYE"))) {
		if (d->state == UA_DIALOG_EARLY)
			faults_add(u->faults, "%s got a BYE in an early dialog", u->p.name);
		respond(u, x, &(struct response){.status = 200});
		d->bye_received = true;
		d->ok = STR_NONE;
		end_dialog(u, d);
		return;
	}
	x->answer_ms = now_of(u) + u->plan.in_dialog_ms;
	if (u->plan.in_dialog_ms == 0) {
		x->answer_ms = 0;
		answer_in_dialog(u, x);
	}
}

static void got_ack(struct ua *u, const struct sip_text *m)
{
	struct ua_dialog *d = find_dialog(u, m);
	if (!d || !d->ok.len || d->ok_cseq != m->cseq)
		return;
	d->ok = STR_NONE;
	d->acked = true;
	if (d->state == UA_DIALOG_CONFIRMED)
		trigger(u, UA_AFTER_ANSWER);
}

/* A request that is no retransmission. */
static void got_request(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	if (str_eq(m->method, STR("CANCEL"))) {
		got_cancel(u, m, x);
	} else if (m->to_tag.len) {
		got_in_dialog(u, m, x);
	} else if (x->invite) {
		u->invited++;
		if (u->plan.step_count == 0) {
			respond(u, x,
				&(struct response){.status = 480, .to_tag = make_token(u, "t")});
			return;
		}
		x->answer_ms = now_of(u);
		trigger(u, UA_AFTER_START);
	} else {
		respond(u, x, &(struct response){.status = 200, .to_tag = make_token(u, "t")});
	}
}

static void receive_request(struct ua *u, const struct sip_text *m, const struct ua_path *from)
{
	check_sdp(u, m);
	bool ack = str_eq(m->method, STR("ACK"));
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (x->state == UA_TXN_FREE || x->client || !str_eq(x->branch, m->branch) ||
		    !str_ieq(x->sent_by, m->sent_by))
			continue;
		if (ack && x->invite) {
			x->again_ms = 0;
			x->acked = true;
			return;
		}
		if (!str_eq(x->method, m->method))
			continue;
		/* Retransmission: the 2xx of an INVITE goes by its own timer. */
		if (x->last.len && !(x->invite && x->status / 100 == 2))
			send_path(u, &x->path, x->last);
		return;
	}
	if (ack) {
		got_ack(u, m);
		return;
	}
	struct ua_txn *x = new_txn(u, false);
	struct sip_text own;
	x->request = keep(u, m->all);
	CHECK(sip_text_read(x->request, &own));
	x->method = own.method;
	x->invite = str_eq(own.method, STR("INVITE"));
	x->branch = own.branch;
	x->sent_by = own.sent_by;
	x->cseq = own.cseq;
	x->path = *from;
	/* Should the connection go, the answer takes a new one to the sent-by (§18.2.2). */
	struct addr sent_by;
	if (from->transport != TRANSPORT_UDP && addr_parse(own.sent_by, &sent_by) == OK)
		x->path.to = sent_by;
	x->start_ms = now_of(u);
	got_request(u, &own, x);
}

/* ---- responses to our requests */

static void send_bye(struct ua *u, struct ua_dialog *d)
{
	struct request r = {.method = STR("BYE"), .uri = d->target};
	d->bye_sent = true;
	start(u, (int)(d - u->dialogs), &r);
	end_dialog(u, d);
	/* Whatever else is open in the dialog may never be answered now. */
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (x->client && x->state == UA_TXN_PROCEEDING && !x->deadline_ms &&
		    x->dialog == (int)(d - u->dialogs))
			x->deadline_ms = now_of(u) + LONG;
	}
}

static void send_cancel(struct ua *u, struct ua_txn *invite)
{
	struct ua_dialog *d = &u->dialogs[invite->dialog];
	struct ua_txn *x = new_txn(u, true);
	struct sip_text m;
	CHECK(sip_text_read(invite->request, &m));
	struct request r = {.method = STR("CANCEL"),
			    .uri = keep(u, m.uri),
			    .branch = invite->branch,
			    .cseq = invite->cseq};
	x->method = r.method;
	x->branch = r.branch;
	x->cseq = r.cseq;
	x->dialog = invite->dialog;
	struct ua_dialog plain = *d;
	plain.routes = STR_NONE;
	x->request = x->last = write_request(u, &plain, &r);
	x->path = invite->path;
	x->start_ms = now_of(u);
	x->deadline_ms = now_of(u) + LONG;
	if (x->path.transport == TRANSPORT_UDP) {
		x->interval_ms = T1;
		x->again_ms = now_of(u) + T1;
	}
	invite->cancelled = false;
	invite->deadline_ms = now_of(u) + LONG;
	send_path(u, &x->path, x->last);
}

/* The ACK of a refusal: same branch, same place. */
static void ack_refusal(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog plain = u->dialogs[x->dialog];
	struct sip_text invite;
	CHECK(sip_text_read(x->request, &invite));
	plain.remote_tag = m->to_tag;
	struct request r = {
		.method = STR("ACK"), .uri = invite.uri, .branch = x->branch, .cseq = x->cseq};
	x->last = write_request(u, &plain, &r);
	send_path(u, &x->path, x->last);
}

/* The ACK of a 2xx: a branch of its own, the dialog's route; kept for repeated 2xx. */
static void ack_answer(struct ua *u, struct ua_dialog *d, struct ua_txn *x, bool offered)
{
	struct request r = {.method = STR("ACK"),
			    .uri = d->target,
			    .branch = make_token(u, "z9hG4bK"),
			    .cseq = x->cseq,
			    .sdp = !offered};
	d->ack = write_request(u, d, &r);
	d->ack_cseq = x->cseq;
}

static void send_ack(struct ua *u, struct ua_dialog *d)
{
	struct ua_path path = {NET_NONE, hop_of(u, d), u->p.transport};
	send_path(u, &path, d->ack);
}

static void invite_answered(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog *d = &u->dialogs[x->dialog];
	bool initial = d->state == UA_DIALOG_EARLY;
	if (x->state == UA_TXN_DONE) {
		if (x->status / 100 != 2)
			faults_add(u->faults, "%s got %u after %u", u->p.name, m->status,
				   x->status);
		else if (!str_eq(d->remote_tag, m->to_tag))
			faults_add(u->faults, "%s got two dialogs for one INVITE", u->p.name);
		else
			send_ack(u, d);
		return;
	}
	if (!m->contact.len)
		faults_add(u->faults, "%s got a 2xx without Contact", u->p.name);
	struct sip_text own;
	CHECK(sip_text_read(x->request, &own));
	if (!m->body.len)
		faults_add(u->faults, "%s got a 2xx to INVITE without SDP", u->p.name);
	x->state = UA_TXN_DONE;
	x->status = (uint16_t)m->status;
	x->again_ms = 0;
	x->deadline_ms = now_of(u) + LONG;
	if (initial) {
		d->remote_tag = keep(u, m->to_tag);
		d->routes = routes_of(u, m, true);
		d->state = UA_DIALOG_CONFIRMED;
		u->status = (uint16_t)m->status;
	}
	d->target = keep(u, m->contact);
	ack_answer(u, d, x, own.body.len > 0);
	send_ack(u, d);
	if (initial && u->cancelled)
		send_bye(u, d);
	else if (initial)
		trigger(u, UA_AFTER_ANSWER);
}

static void invite_refused(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog *d = &u->dialogs[x->dialog];
	if (x->state == UA_TXN_DONE) {
		if (x->status != m->status)
			faults_add(u->faults, "%s got %u after %u", u->p.name, m->status,
				   x->status);
		else
			send_path(u, &x->path, x->last);
		return;
	}
	x->state = UA_TXN_DONE;
	x->status = (uint16_t)m->status;
	x->again_ms = 0;
	x->deadline_ms = now_of(u) + LONG;
	if (d->state == UA_DIALOG_EARLY) {
		u->status = (uint16_t)m->status;
		end_dialog(u, d);
	}
	ack_refusal(u, x, m);
}

static void got_provisional(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	if (x->state == UA_TXN_DONE)
		return;
	x->state = UA_TXN_PROCEEDING;
	if (x->invite) {
		x->again_ms = 0;
		if (!x->cancelled && !u->cancelled)
			x->deadline_ms = 0;
	}
	if (m->status > 100 && x->invite && u->dialogs[x->dialog].state == UA_DIALOG_EARLY) {
		if (!m->to_tag.len)
			faults_add(u->faults, "%s got a %u without To tag", u->p.name, m->status);
		u->early_media |= m->body.len > 0;
		if (!u->rang)
			trigger(u, UA_AFTER_RINGING);
		u->rang = true;
	}
	if (x->cancelled)
		send_cancel(u, x);
}

static void receive_response(struct ua *u, const struct sip_text *m)
{
	struct ua_txn *x = NULL;
	for (int i = 0; i < UA_TXNS && !x; i++)
		if (u->txns[i].state != UA_TXN_FREE && u->txns[i].client &&
		    str_eq(u->txns[i].branch, m->branch) &&
		    str_eq(u->txns[i].method, m->cseq_method))
			x = &u->txns[i];
	if (!x)
		return;
	struct ua_dialog *d = &u->dialogs[x->dialog];
	if (!str_eq(m->call_id, d->call_id) || !str_eq(m->from_tag, d->local_tag) ||
	    m->cseq != x->cseq)
		faults_add(u->faults, "%s got a response with identifiers of another", u->p.name);
	check_sdp(u, m);
	if (m->status < 200) {
		got_provisional(u, x, m);
		return;
	}
	if (x->invite && m->status < 300) {
		invite_answered(u, x, m);
		return;
	}
	if (x->invite) {
		invite_refused(u, x, m);
		return;
	}
	if (x->state == UA_TXN_DONE) {
		if (x->status != m->status)
			faults_add(u->faults, "%s got %u after %u to %.*s", u->p.name, m->status,
				   x->status, STR_ARG(x->method));
		return;
	}
	if (m->status == 408)
		faults_add(u->faults, "%s got a 408 to %.*s (RFC 4320)", u->p.name,
			   STR_ARG(x->method));
	x->state = UA_TXN_DONE;
	x->status = (uint16_t)m->status;
	x->again_ms = 0;
	x->deadline_ms = now_of(u) + T4;
	if (m->status == 481 && d->state == UA_DIALOG_CONFIRMED &&
	    !str_eq(x->method, STR("CANCEL")))
		send_bye(u, d);
}

void ua_receive(struct ua *u, struct str bytes, const struct ua_path *from)
{
	struct sip_text m;
	if (u->vanished)
		return;
	if (!sip_text_read(bytes, &m)) {
		faults_add(u->faults, "%s got what is not SIP: %.*s", u->p.name,
			   (int)(bytes.len < 60 ? bytes.len : 60), bytes.p);
		return;
	}
	if (m.request)
		receive_request(u, &m, from);
	else
		receive_response(u, &m);
}

/* A request whose connection has gone is lost (RFC 3261 §17.1.4 treats it as 503). */
void ua_conn_closed(struct ua *u, int conn)
{
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (x->state != UA_TXN_FREE && x->path.conn == conn)
			x->path.conn = NET_NONE;
	}
}

/* ---- time */

static struct ua_dialog *talking(struct ua *u)
{
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state == UA_DIALOG_CONFIRMED && (d->caller || d->acked))
			return d;
	}
	return NULL;
}

static void cancel(struct ua *u)
{
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (!x->client || !x->invite || x->state == UA_TXN_FREE ||
		    x->state == UA_TXN_DONE || u->dialogs[x->dialog].state != UA_DIALOG_EARLY)
			continue;
		u->cancelled = true;
		x->cancelled = true;
		if (x->state == UA_TXN_PROCEEDING)
			send_cancel(u, x);
	}
}

static void close_all(struct ua *u)
{
	for (int i = 0; i < u->net->conn_count; i++)
		for (int side = 0; side < 2; side++)
			if (u->net->conns[i].node[side] == u->p.node)
				net_close(u->net, i, side);
}

static void act(struct ua *u, enum ua_act what)
{
	struct ua_dialog *d = talking(u);
	struct request r = {0};
	switch (what) {
	case UA_CANCEL: cancel(u); return;
	case UA_CLOSE: close_all(u); return;
	case UA_VANISH:
		close_all(u);
		u->vanished = true;
		net_set_up(u->net, u->p.node, false);
		return;
	case UA_BYE:
		if (d)
			send_bye(u, d);
		return;
	case UA_REINVITE:
		/* §14.1: not while an INVITE is under way in either direction. */
		if (!d || invite_is_open(u, d) || d->ok.len)
			return;
		d->version++;
		r = (struct request){.method = STR("INVITE"), .sdp = true};
		break;
	case UA_UPDATE:
		if (!d)
			return;
		d->version++;
		r = (struct request){.method = STR("UPDATE"), .sdp = true};
		break;
	case UA_INFO: r = (struct request){.method = STR("INFO")}; break;
	case UA_OPTIONS: r = (struct request){.method = STR("OPTIONS")}; break;
	case UA_ACT_COUNT: break;
	}
	if (!d)
		return;
	r.uri = d->target;
	start(u, (int)(d - u->dialogs), &r);
}

static void txn_deadline(struct ua *u, struct ua_txn *x)
{
	struct ua_dialog *d = x->dialog == UA_NONE ? NULL : &u->dialogs[x->dialog];
	enum ua_txn_state was = x->state;
	x->state = UA_TXN_FREE;
	if (!x->client && x->invite && x->status >= 300 && !x->acked && !u->lenient)
		faults_add(u->faults, "%s said %u and never got an ACK", u->p.name, x->status);
	if (!x->client || was == UA_TXN_DONE || !d)
		return;
	if (!u->lenient)
		faults_add(u->faults, "%s never got an answer to its %.*s", u->p.name,
			   STR_ARG(x->method));
	if (x->invite && d->state == UA_DIALOG_EARLY) {
		u->status = 408;
		end_dialog(u, d);
	} else if (d->state == UA_DIALOG_CONFIRMED) {
		/* RFC 5057: no answer in a dialog ends it. */
		send_bye(u, d);
	}
}

static void tick_txn(struct ua *u, struct ua_txn *x)
{
	uint64_t now = now_of(u);
	if (x->deadline_ms && x->deadline_ms <= now) {
		txn_deadline(u, x);
		return;
	}
	if (x->again_ms && x->again_ms <= now) {
		x->interval_ms *= 2;
		bool capped = !(x->client && x->invite);
		if (capped && x->interval_ms > T2)
			x->interval_ms = T2;
		x->again_ms = now + x->interval_ms;
		send_path(u, &x->path, x->last);
	}
	if (x->answer_ms && x->dialog != UA_NONE && x->answer_ms <= now) {
		x->answer_ms = 0;
		answer_in_dialog(u, x);
	}
}

/* When the plan's next answer to this INVITE is due; 0: none. */
static uint64_t step_ms(const struct ua *u, const struct ua_txn *x)
{
	if (x->client || !x->invite || x->dialog != UA_NONE || !x->answer_ms ||
	    x->next_step >= u->plan.step_count)
		return 0;
	const struct ua_step *s = &u->plan.steps[x->next_step];
	/* Further forks' 2xx follow the first; all else ends with the final answer. */
	if (x->state == UA_TXN_DONE && (x->status / 100 != 2 || s->status / 100 != 2))
		return 0;
	return x->start_ms + s->after_ms;
}

static void tick_ok(struct ua *u, struct ua_dialog *d)
{
	uint64_t now = now_of(u);
	if (!d->ok.len)
		return;
	if (d->ok_deadline_ms <= now) {
		d->ok = STR_NONE;
		if (!u->lenient)
			faults_add(u->faults, "%s never got the ACK of its 2xx", u->p.name);
		if (d->state == UA_DIALOG_CONFIRMED)
			send_bye(u, d);
	} else if (d->ok_again_ms <= now) {
		d->ok_interval_ms = d->ok_interval_ms * 2 > T2 ? T2 : d->ok_interval_ms * 2;
		d->ok_again_ms = now + d->ok_interval_ms;
		send_path(u, &d->ok_path, d->ok);
	}
}

void ua_tick(struct ua *u)
{
	uint64_t now = now_of(u);
	if (u->vanished)
		return;
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		uint64_t at;
		while (x->state != UA_TXN_FREE && (at = step_ms(u, x)) != 0 && at <= now)
			take_step(u, x);
		if (x->state != UA_TXN_FREE)
			tick_txn(u, x);
	}
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state != UA_DIALOG_FREE)
			tick_ok(u, &u->dialogs[i]);
	for (size_t i = 0; i < u->plan.todo_count; i++) {
		struct ua_todo *t = &u->plan.todos[i];
		if (t->at_ms && !t->done && t->at_ms <= now) {
			t->done = true;
			act(u, t->act);
		}
	}
}

static void sooner(uint64_t *least, uint64_t at)
{
	if (at && at < *least)
		*least = at;
}

uint64_t ua_next_ms(const struct ua *u)
{
	uint64_t least = UINT64_MAX;
	if (u->vanished)
		return least;
	for (int i = 0; i < UA_TXNS; i++) {
		const struct ua_txn *x = &u->txns[i];
		if (x->state == UA_TXN_FREE)
			continue;
		sooner(&least, x->again_ms);
		sooner(&least, x->deadline_ms);
		sooner(&least, step_ms(u, x));
		if (x->dialog != UA_NONE)
			sooner(&least, x->answer_ms);
	}
	for (int i = 0; i < UA_DIALOGS; i++) {
		const struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_FREE && d->ok.len) {
			sooner(&least, d->ok_again_ms);
			sooner(&least, d->ok_deadline_ms);
		}
	}
	for (size_t i = 0; i < u->plan.todo_count; i++)
		if (!u->plan.todos[i].done)
			sooner(&least, u->plan.todos[i].at_ms);
	return least;
}

void ua_init(struct ua *u, const struct ua_params *p, struct net *net, struct faults *faults)
{
	memset(u, 0, sizeof(*u));
	u->p = *p;
	u->net = net;
	u->clock = net->clock;
	u->dice = net->dice;
	u->faults = faults;
	u->udp_end = net_listen(net, p->name, p->node, 0, &p->addr, TRANSPORT_UDP);
	u->stream_end = net_listen(net, p->name, p->node, 0, &p->addr, TRANSPORT_TCP);
	(void)net_listen(net, p->name, p->node, 0, &p->addr, TRANSPORT_TLS);
}

void ua_check_idle(const struct ua *u)
{
	if (u->vanished)
		return;
	for (int i = 0; i < UA_TXNS; i++) {
		const struct ua_txn *x = &u->txns[i];
		/* A server INVITE that was never answered has no timer. */
		if (x->state != UA_TXN_FREE && x->state != UA_TXN_DONE)
			faults_add(u->faults, "%s is left with an open %s %.*s", u->p.name,
				   x->client ? "client" : "server", STR_ARG(x->method));
	}
	for (int i = 0; i < UA_DIALOGS; i++) {
		const struct ua_dialog *d = &u->dialogs[i];
		if (d->state == UA_DIALOG_CONFIRMED)
			faults_add(u->faults, "%s still talks to no one", u->p.name);
	}
	if (u->placed && u->status == 0)
		faults_add(u->faults, "%s has no final answer to its INVITE", u->p.name);
}
