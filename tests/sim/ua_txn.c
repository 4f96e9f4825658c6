#include "common/check.h"
#include "tests/sim/ua_inside.h"

void ua_send(struct ua *u, struct ua_path *path, struct str bytes)
{
	if (u->vanished)
		return;
	if (path->transport == TRANSPORT_UDP) {
		net_datagram(u->net, u->p.udp_end, &path->to, bytes);
		return;
	}
	const struct net_conn *c = path->conn == NET_NONE ? NULL : &u->net->conns[path->conn];
	if (!c || c->state == NET_CONN_CLOSED || c->closed[0] || c->closed[1]) {
		path->conn = NET_NONE;
		for (int i = 0; i < u->net->conn_count && path->conn == NET_NONE; i++) {
			const struct net_conn *o = &u->net->conns[i];
			if (o->node[0] == u->p.node && !o->closed[0] && !o->closed[1] &&
			    o->state != NET_CONN_CLOSED && o->transport == path->transport &&
			    addr_eq(&o->addr[1], &path->to))
				path->conn = i;
		}
		if (path->conn == NET_NONE)
			path->conn = net_connect(u->net, u->p.node, u->p.name, &u->p.addr,
						 &path->to, path->transport);
		c = &u->net->conns[path->conn];
	}
	net_stream(u->net, path->conn, c->node[0] == u->p.node ? 0 : 1, bytes);
}

struct ua_txn *ua_new_txn(struct ua *u, bool client)
{
	for (int i = 0; i < UA_TXNS; i++)
		if (u->txns[i].state == UA_TXN_FREE) {
			u->txns[i] = (struct ua_txn){.state = UA_TXN_WAITING,
						     .client = client,
						     .dialog = UA_NONE,
						     .why = UA_ACT_COUNT,
						     .path = {.conn = NET_NONE}};
			return &u->txns[i];
		}
	CHECK(!"a phone has run out of transactions");
	return NULL;
}

struct ua_txn *ua_start(struct ua *u, struct ua_dialog *d, struct ua_request *r)
{
	struct ua_txn *x = ua_new_txn(u, true);
	x->method = r->method;
	x->invite = str_eq(r->method, STR("INVITE"));
	if (!r->branch.len)
		r->branch = ua_make_token(u, "z9hG4bK");
	x->branch = r->branch;
	if (!r->cseq)
		r->cseq = ++d->cseq;
	x->cseq = r->cseq;
	x->why = r->why;
	if (r->sdp.len && d->talk.state == UA_TALK_OURS)
		d->talk.offer_cseq = r->cseq;
	x->dialog = (int)(d - u->dialogs);
	x->request = x->last = ua_write_request(u, d, r);
	x->path = (struct ua_path){NET_NONE, ua_hop(u, d), u->p.transport};
	x->start_ms = ua_now(u);
	x->copies = 1;
	x->losses = ua_losses(u);
	x->deadline_ms = ua_now(u) + UA_LONG;
	if (u->p.transport == TRANSPORT_UDP) {
		x->interval_ms = UA_T1;
		x->again_ms = ua_now(u) + UA_T1;
	}
	ua_send(u, &x->path, x->last);
	return x;
}

void ua_respond(struct ua *u, struct ua_txn *x, const struct ua_response *r)
{
	struct sip_text m;
	CHECK(sip_text_read(x->request, &m));
	x->last = ua_write_response(u, &m, r);
	ua_send(u, &x->path, x->last);
	x->copies = 1;
	x->losses = ua_losses(u) - 1; /* this one may be lost already */
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

void ua_refuse(struct ua *u, struct ua_txn *x, uint16_t status)
{
	struct sip_text m;
	CHECK(sip_text_read(x->request, &m));
	ua_respond(
		u, x,
		&(struct ua_response){.status = status,
				      .to_tag = m.to_tag.len ? STR_NONE : ua_make_token(u, "t")});
}

static void never_answered(struct ua *u, struct ua_txn *x, struct ua_dialog *d)
{
	if (!u->lenient && !ua_is_excused(u, x->losses, x->copies))
		ua_fault(u, INV_ONE_FINAL, "never got an answer to its %.*s", STR_ARG(x->method));
	if (x->invite && d->state == UA_DIALOG_EARLY && !x->elsewhere) {
		if (!d->second)
			u->status = 408;
		ua_end_dialog(u, d);
	} else if (d->state == UA_DIALOG_CONFIRMED) {
		ua_send_bye(u, d); /* RFC 5057: no answer in a dialog ends it */
	}
}

static void txn_deadline(struct ua *u, struct ua_txn *x)
{
	struct ua_dialog *d = ua_dialog_of(u, x);
	enum ua_txn_state was = x->state;
	x->state = UA_TXN_FREE;
	if (!x->client && x->invite && x->status >= 300 && !x->acked && !u->lenient &&
	    !ua_is_excused(u, x->losses, x->copies))
		ua_fault(u, INV_ACK, "said %u and never got an ACK", x->status);
	if (x->client && was != UA_TXN_DONE && d && !x->any)
		never_answered(u, x, d);
}

void ua_tick_txn(struct ua *u, struct ua_txn *x)
{
	uint64_t now = ua_now(u);
	if (x->deadline_ms && x->deadline_ms <= now) {
		if (x->rel_pending)
			ua_no_prack(u, x);
		else
			txn_deadline(u, x);
		return;
	}
	if (x->again_ms && x->again_ms <= now) {
		x->interval_ms *= 2;
		bool capped = !(x->client && x->invite);
		if (capped && x->interval_ms > UA_T2)
			x->interval_ms = UA_T2;
		x->again_ms = now + x->interval_ms;
		x->copies++;
		ua_send(u, &x->path, x->last);
	}
	if (x->answer_ms && x->dialog != UA_NONE && x->answer_ms <= now) {
		x->answer_ms = 0;
		ua_answer_in_dialog(u, x);
	}
}
