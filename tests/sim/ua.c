#include "ua.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "tests/sim/ua_inside.h"

uint64_t ua_now(const struct ua *u)
{
	return u->clock->now_ms;
}

struct str ua_keep(struct ua *u, struct str s)
{
	struct str copy = arena_str(u->arena, s);
	CHECK(copy.len == s.len);
	return copy;
}

void ua_fault(struct ua *u, enum invariant of, const char *fmt, ...)
{
	char text[FAULTS_TEXT];
	va_list ap;
	if (u->plan.rogue)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	faults_add(u->faults, of, "%s %s", u->p.name, text);
}

void ua_wants(struct ua *u, enum invariant of, const char *what)
{
	if (!u->lenient)
		ua_fault(u, of, "%s", what);
}

uint32_t ua_losses(const struct ua *u)
{
	return u->net->ends[u->p.udp_end].losses;
}

bool ua_is_excused(const struct ua *u, uint32_t losses, uint32_t copies)
{
	return ua_losses(u) - losses >= copies;
}

/* ---- requests that arrive */

/* A request that is no retransmission. */
static void got_request(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	if (str_eq(m->method, STR("CANCEL")))
		ua_got_cancel(u, m, x);
	else if (m->to_tag.len)
		ua_got_in_dialog(u, m, x);
	else if (x->invite)
		ua_got_invite(u, m, x);
	else
		ua_got_outside(u, m, x);
}

/* The server transaction that m is a copy of, or the ACK of; NULL: it is new. */
static struct ua_txn *known_request(struct ua *u, const struct sip_text *m, bool ack)
{
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (x->state == UA_TXN_FREE || x->client || !str_eq(x->branch, m->branch) ||
		    !str_ieq(x->sent_by, m->sent_by))
			continue;
		if (ack ? x->invite : str_eq(x->method, m->method))
			return x;
	}
	return NULL;
}

static void receive_request(struct ua *u, const struct sip_text *m, const struct ua_path *from)
{
	bool ack = str_eq(m->method, STR("ACK"));
	struct ua_txn *x = known_request(u, m, ack);
	if (x && ack) {
		x->again_ms = 0;
		x->acked = true;
		return;
	}
	if (x) {
		/* Retransmission: the 2xx of an INVITE goes by its own timer. */
		if (x->last.len && !(x->invite && x->status / 100 == 2))
			ua_send(u, &x->path, x->last);
		return;
	}
	if (ack) {
		ua_got_ack(u, m);
		return;
	}
	x = ua_new_txn(u, false);
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
	struct ua_dialog *d = ua_dialog_of(u, x);
	if (!x->any && (!str_eq(m->call_id, d->call_id) || !str_eq(m->from_tag, d->local_tag) ||
			m->cseq != x->cseq))
		ua_fault(u, INV_FORM, "got a response with identifiers of another");
	if (x->any) {
		x->state = m->status < 200 ? UA_TXN_PROCEEDING : UA_TXN_DONE;
		x->again_ms = 0;
		x->status = (uint16_t)m->status;
		return;
	}
	if (x->invite) {
		ua_invite_response(u, x, m);
		return;
	}
	if (m->status < 200) {
		if (x->state == UA_TXN_WAITING)
			x->state = UA_TXN_PROCEEDING;
		return;
	}
	if (x->state == UA_TXN_DONE) {
		const bool other = u->two_nodes && (m->status == 503 || m->status == 481 ||
						    x->status == 503 || x->status == 481);
		if (x->status != m->status && !other)
			ua_fault(u, INV_ONE_FINAL, "got %u after %u to %.*s", m->status, x->status,
				 STR_ARG(x->method));
		return;
	}
	if (m->status == 408)
		ua_fault(u, INV_ONE_FINAL, "got a 408 to %.*s (RFC 4320)", STR_ARG(x->method));
	x->state = UA_TXN_DONE;
	x->status = (uint16_t)m->status;
	x->again_ms = 0;
	x->deadline_ms = ua_now(u) + UA_T4;
	ua_in_dialog_answered(u, x, m);
}

void ua_receive(struct ua *u, struct str bytes, const struct ua_path *from)
{
	struct sip_text m;
	if (u->vanished)
		return;
	if (!sip_text_read(bytes, &m)) {
		ua_fault(u, INV_FORM, "got what is not SIP: %.*s",
			 (int)(bytes.len < 60 ? bytes.len : 60), bytes.p);
		return;
	}
	if (m.request)
		receive_request(u, &m, from);
	else
		receive_response(u, &m);
	u->due_ms = ua_next_ms(u);
}

/* A request whose connection has gone is lost (RFC 3261 §17.1.4 treats it as 503). */
void ua_conn_closed(struct ua *u, int conn)
{
	u->torn = true;
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *x = &u->txns[i];
		if (x->state != UA_TXN_FREE && x->path.conn == conn)
			x->path.conn = NET_NONE;
	}
}

/* ---- life */

void ua_init(struct ua *u, const struct ua_params *p, struct net *net, struct faults *faults,
	     struct arena *arena)
{
	memset(u, 0, sizeof(*u));
	u->p = *p;
	u->net = net;
	u->clock = net->clock;
	u->dice = net->dice;
	u->ladder = net->ladder;
	u->faults = faults;
	u->arena = arena;
	u->due_ms = u->planned_ms = UINT64_MAX;
}

const struct ua_dialog *ua_talking(const struct ua *u)
{
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].talk.ever && !u->dialogs[i].second)
			return &u->dialogs[i];
	return NULL;
}

bool ua_is_idle(const struct ua *u)
{
	for (int i = 0; i < UA_TXNS; i++)
		if (u->txns[i].state != UA_TXN_FREE)
			return false;
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state == UA_DIALOG_CONFIRMED || u->dialogs[i].ok.len)
			return false;
	return true;
}

void ua_check_idle(const struct ua *u)
{
	if (u->vanished || u->plan.rogue)
		return;
	for (int i = 0; i < UA_TXNS; i++) {
		const struct ua_txn *x = &u->txns[i];
		/* A server INVITE that was never answered has no timer. */
		if (x->state != UA_TXN_FREE && x->state != UA_TXN_DONE)
			faults_add(u->faults, INV_LEGS_END, "%s is left with an open %s %.*s",
				   u->p.name, x->client ? "client" : "server", STR_ARG(x->method));
	}
	for (int i = 0; i < UA_DIALOGS; i++) {
		const struct ua_dialog *d = &u->dialogs[i];
		if (d->state == UA_DIALOG_CONFIRMED && !u->torn)
			faults_add(u->faults, INV_LEGS_END, "%s still talks to no one", u->p.name);
		if (d->talk.state != UA_TALK_IDLE && d->state == UA_DIALOG_CONFIRMED)
			faults_add(u->faults, INV_OFFER, "%s is left with an open offer",
				   u->p.name);
		if (d->refer_open && !u->lenient)
			faults_add(u->faults, INV_ONE_FINAL, "%s never heard how its REFER ended",
				   u->p.name);
	}
	if (u->placed && u->status == 0)
		faults_add(u->faults, INV_ONE_FINAL, "%s has no final answer to its INVITE",
			   u->p.name);
}
