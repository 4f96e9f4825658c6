#include "ua.h"

#include <string.h>

#include "common/check.h"
#include "tests/sim/ua_inside.h"

uint64_t ua_now(const struct ua *u)
{
	return u->clock->now_ms;
}

struct str ua_keep(struct ua *u, struct str s)
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

void ua_send(struct ua *u, struct ua_path *path, struct str bytes)
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

struct ua_dialog *ua_new_dialog(struct ua *u)
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

struct ua_txn *ua_start(struct ua *u, int dialog, struct ua_request *r)
{
	struct ua_dialog *d = &u->dialogs[dialog];
	struct ua_txn *x = new_txn(u, true);
	x->method = r->method;
	x->invite = str_eq(r->method, STR("INVITE"));
	x->branch = r->branch = ua_make_token(u, "z9hG4bK");
	x->cseq = r->cseq = ++d->cseq;
	x->dialog = dialog;
	x->request = x->last = ua_write_request(u, d, r);
	x->path = (struct ua_path){NET_NONE, hop_of(u, d), u->p.transport};
	x->start_ms = ua_now(u);
	x->deadline_ms = ua_now(u) + UA_LONG;
	if (u->p.transport == TRANSPORT_UDP) {
		x->interval_ms = UA_T1;
		x->again_ms = ua_now(u) + UA_T1;
	}
	ua_send(u, &x->path, x->last);
	return x;
}

void ua_probe(struct ua *u, const char *method, const char *uri)
{
	struct ua_dialog *d = ua_new_dialog(u);
	d->state = UA_DIALOG_ENDED;
	d->call_id = ua_make_token(u, "probe-");
	d->local_tag = ua_make_token(u, "t");
	d->local = d->remote = d->target = ua_keep(u, str_from(uri));
	struct ua_request r = {.method = ua_keep(u, str_from(method)), .uri = d->target};
	ua_start(u, (int)(d - u->dialogs), &r);
}

void ua_call(struct ua *u, const char *user, const char *host)
{
	struct ua_dialog *d = ua_new_dialog(u);
	char mem[256];
	struct buf b;
	d->caller = true;
	d->cseq = dice_range(u->dice, 1, 1000);
	d->call_id = ua_make_token(u, "call-");
	d->local_tag = ua_make_token(u, "t");
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "\"Desk %s\" <sip:%s@", u->p.user, u->p.user);
	struct addr a = own_addr(u);
	addr_write_ip(&b, &a);
	buf_char(&b, '>');
	d->local = ua_keep(u, buf_view(&b));
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "<sip:%s@%s>", user, host);
	d->remote = ua_keep(u, buf_view(&b));
	d->target = sip_text_uri(d->remote);
	struct ua_request r = {.method = STR("INVITE"),
			       .uri = d->target,
			       .sdp = !u->plan.offerless,
			       .extra = u->plan.rel100 ? "Supported: 100rel\r\n" : NULL};
	u->placed = true;
	ua_start(u, (int)(d - u->dialogs), &r);
	ua_trigger(u, UA_AFTER_START);
}

/* ---- responses to others' requests */

void ua_respond(struct ua *u, struct ua_txn *x, const struct ua_response *r)
{
	struct sip_text m;
	CHECK(sip_text_read(x->request, &m));
	x->last = ua_write_response(u, &m, r);
	ua_send(u, &x->path, x->last);
	if (r->status < 200) {
		x->state = UA_TXN_PROCEEDING;
		return;
	}
	x->state = UA_TXN_DONE;
	x->status = r->status;
	x->deadline_ms = ua_now(u) + UA_LONG;
	x->again_ms = 0;
	if (x->invite && r->status >= 300 && x->path.transport == TRANSPORT_UDP) {
		x->interval_ms = UA_T1;
		x->again_ms = ua_now(u) + UA_T1;
	}
}

/* A 2xx to INVITE is repeated until its ACK comes. */
void ua_accept(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct ua_response *r)
{
	ua_respond(u, x, r);
	d->ok = x->last;
	d->ok_cseq = x->cseq;
	d->ok_path = x->path;
	d->ok_interval_ms = UA_T1;
	d->ok_again_ms = ua_now(u) + UA_T1;
	d->ok_deadline_ms = ua_now(u) + UA_LONG;
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
	return ua_keep(u, buf_view(&b));
}

void ua_end_dialog(struct ua *u, struct ua_dialog *d)
{
	d->state = UA_DIALOG_ENDED;
	u->ended_ms = ua_now(u);
}

/* The dialog of one fork of an INVITE that we were sent. */
static struct ua_dialog *dialog_of_fork(struct ua *u, struct ua_txn *x, const struct sip_text *m,
					unsigned fork)
{
	if (!x->tags[fork].len)
		x->tags[fork] = ua_make_token(u, "t");
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d->state != UA_DIALOG_FREE && str_eq(d->call_id, m->call_id) &&
		    str_eq(d->local_tag, x->tags[fork]) && str_eq(d->remote_tag, m->from_tag))
			return d;
	}
	struct ua_dialog *d = ua_new_dialog(u);
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

static bool supports_rel100(const struct sip_text *m)
{
	struct str v;
	for (unsigned i = 0; (v = sip_text_header(m, "Supported", i)).len; i++)
		if (str_find(v, STR("100rel")) < v.len)
			return true;
	v = sip_text_header(m, "Require", 0);
	return str_find(v, STR("100rel")) < v.len;
}

void ua_take_step(struct ua *u, struct ua_txn *x)
{
	const struct ua_step *s = &u->plan.steps[x->next_step++];
	struct sip_text m;
	CHECK(sip_text_read(x->request, &m));
	if (s->status == 100) {
		ua_respond(u, x, &(struct ua_response){.status = 100});
		return;
	}
	struct ua_response r = {.status = s->status, .sdp = s->sdp, .fork = s->fork, .version = 1};
	if (s->status >= 300) {
		if (!x->tags[s->fork].len)
			x->tags[s->fork] = ua_make_token(u, "t");
		r.to_tag = x->tags[s->fork];
		ua_respond(u, x, &r);
		return;
	}
	struct ua_dialog *d = dialog_of_fork(u, x, &m, s->fork);
	r.to_tag = d->local_tag;
	r.contact = true;
	if (s->status < 200) {
		bool reliable = s->reliable && supports_rel100(&m);
		if (reliable)
			r.rseq = x->rseq = x->rseq ? x->rseq + 1 : dice_range(u->dice, 1, 9999);
		ua_respond(u, x, &r);
		if (reliable) {
			x->rel_pending = true;
			x->interval_ms = UA_T1;
			x->again_ms = ua_now(u) + UA_T1;
			x->deadline_ms = ua_now(u) + UA_LONG;
		}
		ua_trigger(u, UA_AFTER_RINGING);
		return;
	}
	u->answered++;
	ua_accept(u, x, d, &r);
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
		ua_respond(u, x,
			   &(struct ua_response){.status = 481, .to_tag = ua_make_token(u, "t")});
		return;
	}
	if (!invite->tags[0].len)
		invite->tags[0] = ua_make_token(u, "t");
	ua_respond(u, x, &(struct ua_response){.status = 200, .to_tag = invite->tags[0]});
	if (invite->state == UA_TXN_DONE || u->plan.deaf_to_cancel)
		return;
	ua_respond(u, invite, &(struct ua_response){.status = 487, .to_tag = invite->tags[0]});
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state == UA_DIALOG_EARLY &&
		    str_eq(u->dialogs[i].call_id, m->call_id))
			ua_end_dialog(u, &u->dialogs[i]);
}

bool ua_invite_is_open(const struct ua *u, const struct ua_dialog *d)
{
	for (int i = 0; i < UA_TXNS; i++) {
		const struct ua_txn *x = &u->txns[i];
		bool open = x->state == UA_TXN_WAITING || x->state == UA_TXN_PROCEEDING;
		if (open && x->client && x->invite && x->dialog == (int)(d - u->dialogs))
			return true;
	}
	return false;
}

void ua_answer_in_dialog(struct ua *u, struct ua_txn *x)
{
	struct ua_dialog *d = &u->dialogs[x->dialog];
	struct sip_text m;
	CHECK(sip_text_read(x->request, &m));
	uint16_t status = u->plan.in_dialog_status ? u->plan.in_dialog_status : 200;
	struct ua_response r = {.status = status, .version = d->version};
	if (d->state == UA_DIALOG_ENDED)
		r.status = 481;
	else if (x->invite && ua_invite_is_open(u, d))
		r.status = 491;
	if (r.status >= 300) {
		ua_respond(u, x, &r);
		return;
	}
	r.contact = x->invite || str_eq(m.method, STR("UPDATE"));
	r.sdp = x->invite || (m.body.len && str_eq(m.method, STR("UPDATE")));
	if (m.contact.len)
		d->target = m.contact;
	if (x->invite)
		ua_accept(u, x, d, &r);
	else
		ua_respond(u, x, &r);
}

static void got_prack(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	struct str rack = sip_text_header(m, "RAck", 0), rseq, cseq;
	uint32_t n, c;
	if (!str_cut_word(&rack, &rseq) || !str_cut_word(&rack, &cseq) ||
	    str_to_u32(rseq, UINT32_MAX, &n) != OK || str_to_u32(cseq, UINT32_MAX, &c) != OK) {
		faults_add(u->faults, "%s got a PRACK without RAck", u->p.name);
		ua_respond(u, x, &(struct ua_response){.status = 400});
		return;
	}
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *o = &u->txns[i];
		if (o->state == UA_TXN_FREE || o->client || !o->invite || o->cseq != c ||
		    o->rseq != n || !o->rel_pending)
			continue;
		o->rel_pending = false;
		o->again_ms = 0;
		u->pracks++;
		ua_respond(u, x, &(struct ua_response){.status = 200});
		return;
	}
	faults_add(u->faults, "%s got a PRACK for nothing", u->p.name);
	ua_respond(u, x, &(struct ua_response){.status = 481});
}

static void got_in_dialog(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	struct ua_dialog *d = find_dialog(u, m);
	if (!d) {
		ua_respond(u, x, &(struct ua_response){.status = 481});
		return;
	}
	x->dialog = (int)(d - u->dialogs);
	if (m->cseq <= d->remote_cseq) {
		/* A datagram that was overtaken by a later request is no fault of the sender. */
		ua_respond(u, x, &(struct ua_response){.status = 500});
		return;
	}
	d->remote_cseq = m->cseq;
	if (str_eq(m->method, STR("PRACK"))) {
		got_prack(u, m, x);
		return;
	}
	if (str_eq(m->method, STR("BYE"))) {
		if (d->state == UA_DIALOG_EARLY)
			faults_add(u->faults, "%s got a BYE in an early dialog", u->p.name);
		ua_respond(u, x, &(struct ua_response){.status = 200});
		d->bye_received = true;
		d->ok = STR_NONE;
		ua_end_dialog(u, d);
		return;
	}
	x->answer_ms = ua_now(u) + u->plan.in_dialog_ms;
	if (u->plan.in_dialog_ms == 0) {
		x->answer_ms = 0;
		ua_answer_in_dialog(u, x);
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
		ua_trigger(u, UA_AFTER_ANSWER);
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
			ua_respond(u, x,
				   &(struct ua_response){.status = 480,
							 .to_tag = ua_make_token(u, "t")});
			return;
		}
		x->answer_ms = ua_now(u);
		ua_trigger(u, UA_AFTER_START);
	} else {
		ua_respond(u, x,
			   &(struct ua_response){.status = 200, .to_tag = ua_make_token(u, "t")});
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
			ua_send(u, &x->path, x->last);
		return;
	}
	if (ack) {
		got_ack(u, m);
		return;
	}
	struct ua_txn *x = new_txn(u, false);
	struct sip_text own;
	x->request = ua_keep(u, m->all);
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
	x->start_ms = ua_now(u);
	got_request(u, &own, x);
}

/* ---- responses to our requests */

void ua_send_bye(struct ua *u, struct ua_dialog *d)
{
	struct ua_request r = {.method = STR("BYE"), .uri = d->target};
	d->bye_sent = true;
	ua_start(u, (int)(d - u->dialogs), &r);
	ua_end_dialog(u, d);
	/* Whatever else is open in the dialog may never be answered now. */
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (x->client && x->state == UA_TXN_PROCEEDING && !x->deadline_ms &&
		    x->dialog == (int)(d - u->dialogs))
			x->deadline_ms = ua_now(u) + UA_LONG;
	}
}

void ua_send_cancel(struct ua *u, struct ua_txn *invite)
{
	struct ua_dialog *d = &u->dialogs[invite->dialog];
	struct ua_txn *x = new_txn(u, true);
	struct sip_text m;
	CHECK(sip_text_read(invite->request, &m));
	struct ua_request r = {.method = STR("CANCEL"),
			       .uri = ua_keep(u, m.uri),
			       .branch = invite->branch,
			       .cseq = invite->cseq};
	x->method = r.method;
	x->branch = r.branch;
	x->cseq = r.cseq;
	x->dialog = invite->dialog;
	struct ua_dialog plain = *d;
	plain.routes = STR_NONE;
	x->request = x->last = ua_write_request(u, &plain, &r);
	x->path = invite->path;
	x->start_ms = ua_now(u);
	x->deadline_ms = ua_now(u) + UA_LONG;
	if (x->path.transport == TRANSPORT_UDP) {
		x->interval_ms = UA_T1;
		x->again_ms = ua_now(u) + UA_T1;
	}
	invite->cancelled = false;
	invite->deadline_ms = ua_now(u) + UA_LONG;
	ua_send(u, &x->path, x->last);
}

void ua_send_elsewhere(struct ua *u, const struct ua_txn *invite)
{
	struct ua_dialog *d = &u->dialogs[invite->dialog], early = *d;
	d->target = sip_text_uri(d->remote);
	d->remote_tag = d->routes = STR_NONE;
	d->cseq--;
	struct ua_request r = {.method = STR("INVITE"), .uri = d->target, .sdp = true};
	ua_start(u, invite->dialog, &r)->elsewhere = true;
	*d = early;
}

/* The ACK of a refusal: same branch, same place. */
static void ack_refusal(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog plain = u->dialogs[x->dialog];
	struct sip_text invite;
	CHECK(sip_text_read(x->request, &invite));
	plain.remote_tag = m->to_tag;
	struct ua_request r = {
		.method = STR("ACK"), .uri = invite.uri, .branch = x->branch, .cseq = x->cseq};
	x->last = ua_write_request(u, &plain, &r);
	ua_send(u, &x->path, x->last);
}

/* The ACK of a 2xx: a branch of its own, the dialog's route; kept for repeated 2xx. */
static void ack_answer(struct ua *u, struct ua_dialog *d, struct ua_txn *x, bool offered)
{
	struct ua_request r = {.method = STR("ACK"),
			       .uri = d->target,
			       .branch = ua_make_token(u, "z9hG4bK"),
			       .cseq = x->cseq,
			       .sdp = !offered};
	d->ack = ua_write_request(u, d, &r);
	d->ack_cseq = x->cseq;
}

static void send_ack(struct ua *u, struct ua_dialog *d)
{
	struct ua_path path = {NET_NONE, hop_of(u, d), u->p.transport};
	ua_send(u, &path, d->ack);
}

static void invite_answered(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	if (x->elsewhere) {
		faults_add(u->faults, "%s was answered twice for one call", u->p.name);
		return;
	}
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
	if (!m->body.len && !d->early_sdp)
		faults_add(u->faults, "%s got a 2xx to INVITE without SDP", u->p.name);
	x->state = UA_TXN_DONE;
	x->status = (uint16_t)m->status;
	x->again_ms = 0;
	x->deadline_ms = ua_now(u) + UA_LONG;
	if (initial) {
		d->remote_tag = ua_keep(u, m->to_tag);
		d->routes = routes_of(u, m, true);
		d->state = UA_DIALOG_CONFIRMED;
		u->status = (uint16_t)m->status;
	}
	d->target = ua_keep(u, m->contact);
	ack_answer(u, d, x, own.body.len > 0);
	send_ack(u, d);
	if (initial && u->cancelled)
		ua_send_bye(u, d);
	else if (initial)
		ua_trigger(u, UA_AFTER_ANSWER);
}

static void invite_refused(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog *d = &u->dialogs[x->dialog];
	if (x->elsewhere && m->status != 482)
		faults_add(u->faults, "%s got %u to an INVITE that came twice", u->p.name,
			   m->status);
	if (x->state == UA_TXN_DONE) {
		if (x->status != m->status)
			faults_add(u->faults, "%s got %u after %u", u->p.name, m->status,
				   x->status);
		else
			ua_send(u, &x->path, x->last);
		return;
	}
	x->state = UA_TXN_DONE;
	x->status = (uint16_t)m->status;
	x->again_ms = 0;
	x->deadline_ms = ua_now(u) + UA_LONG;
	if (d->state == UA_DIALOG_EARLY && !x->elsewhere) {
		u->status = (uint16_t)m->status;
		ua_end_dialog(u, d);
	}
	ack_refusal(u, x, m);
}

/* A request in the early dialog can now be sent. */
static void learn_early(struct ua *u, struct ua_dialog *d, const struct sip_text *m)
{
	d->remote_tag = ua_keep(u, m->to_tag);
	d->routes = routes_of(u, m, true);
	if (m->contact.len)
		d->target = ua_keep(u, m->contact);
}

/* RFC 3262: acknowledged by a PRACK; the next number only, and each once. */
static void got_reliable(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog *d = &u->dialogs[x->dialog];
	struct str rseq = sip_text_header(m, "RSeq", 0);
	char mem[64];
	struct buf b;
	uint32_t n;
	if (!u->plan.rel100)
		faults_add(u->faults, "%s got a reliable %u that it cannot take", u->p.name,
			   m->status);
	if (!m->contact.len)
		faults_add(u->faults, "%s got a reliable %u without Contact", u->p.name, m->status);
	if (str_to_u32(rseq, UINT32_MAX, &n) != OK || n == 0) {
		faults_add(u->faults, "%s got RSeq %.*s", u->p.name, STR_ARG(rseq));
		return;
	}
	if (d->rseq && n != d->rseq + 1)
		return;
	d->rseq = n;
	d->early_sdp |= m->body.len > 0;
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "RAck: %u %u INVITE\r\n", n, x->cseq);
	buf_char(&b, 0);
	struct ua_request r = {.method = STR("PRACK"), .uri = d->target, .extra = mem};
	ua_start(u, x->dialog, &r);
	u->pracks++;
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
		learn_early(u, &u->dialogs[x->dialog], m);
		if (sip_text_header(m, "RSeq", 0).len)
			got_reliable(u, x, m);
		if (!u->rang)
			ua_trigger(u, UA_AFTER_RINGING);
		u->rang = true;
	}
	if (x->cancelled)
		ua_send_cancel(u, x);
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
	x->deadline_ms = ua_now(u) + UA_T4;
	if (m->status == 481 && d->state == UA_DIALOG_CONFIRMED &&
	    !str_eq(x->method, STR("CANCEL")))
		ua_send_bye(u, d);
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
