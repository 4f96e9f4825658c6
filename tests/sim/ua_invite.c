#include <string.h>

#include "common/check.h"
#include "tests/sim/signer.h"
#include "tests/sim/ua_inside.h"

enum { WALL_START_S = 1700000000 }; /* of core_node */

/* ---- the INVITE */

/* Its INVITE, the first or one more with what was asked of it (422). */
void ua_invite(struct ua *u, struct ua_dialog *d, uint32_t expires_s, uint32_t min_s)
{
	static const char *const rels[] = {"", "Supported: 100rel\r\n", "Require: 100rel\r\n"};
	char mem[2048];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	if (u->plan.is_signed)
		signer_write(&b, u->p.user, u->plan.dials ? u->plan.dials : "",
			     WALL_START_S + u->net->clock->now_ms / 1000, !u->plan.forged);
	buf_z(&b, rels[u->plan.rel]);
	if (u->plan.require)
		buf_printf(&b, "Require: %s\r\n", u->plan.require);
	if (expires_s) {
		buf_lit(&b, "Supported: timer\r\n");
		buf_printf(&b, "Session-Expires: %u", expires_s);
		if (u->plan.timer.refresher)
			buf_printf(&b, ";refresher=ua%c", u->plan.timer.refresher);
		buf_lit(&b, "\r\n");
	}
	if (min_s)
		buf_printf(&b, "Min-SE: %u\r\n", min_s);
	buf_z(&b, "Supported: replaces\r\n");
	buf_char(&b, 0);
	d->talk.state = UA_TALK_IDLE;
	struct ua_request r = {
		.method = STR("INVITE"), .uri = d->target, .extra = mem, .why = UA_ACT_COUNT};
	if (!u->plan.offerless)
		r.sdp = ua_talk_say(u, &d->talk, false);
	ua_start(u, d, &r)->offers = r.sdp.len > 0;
}

void ua_call_as(struct ua *u, const char *user, const char *host, bool second, const char *extra)
{
	struct ua_dialog *d = ua_new_dialog(u);
	char mem[256];
	struct buf b;
	d->caller = true;
	d->second = second;
	d->cseq = dice_range(u->dice, 1, 1000);
	d->call_id = ua_make_token(u, "call-");
	d->local_tag = ua_make_token(u, "t");
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "\"Desk %s\" <sip:%s@", u->p.user, u->p.user);
	addr_write_ip(&b, &u->p.addr);
	buf_char(&b, '>');
	d->local = ua_keep(u, buf_view(&b));
	buf_init(&b, mem, sizeof(mem));
	buf_printf(&b, "<sip:%s@%s>", user, host);
	d->remote = ua_keep(u, buf_view(&b));
	d->target = sip_text_uri(d->remote);
	if (extra) { /* Replaces: no timers, nothing else */
		struct ua_request r = {.method = STR("INVITE"),
				       .uri = d->target,
				       .sdp = ua_talk_say(u, &d->talk, false),
				       .extra = extra,
				       .why = UA_ACT_COUNT};
		ua_start(u, d, &r)->offers = true;
	} else {
		ua_invite(u, d, u->plan.timer.expires_s, 0);
	}
}

void ua_call(struct ua *u, const char *user, const char *host)
{
	u->placed = true;
	ua_call_as(u, user, host, false, NULL);
	ua_trigger(u, UA_AFTER_START);
	u->due_ms = ua_next_ms(u);
}

/* ---- what ends it */

void ua_send_bye(struct ua *u, struct ua_dialog *d)
{
	struct ua_request r = {.method = STR("BYE"), .uri = d->target, .why = UA_ACT_COUNT};
	d->bye_sent = true;
	ua_start(u, d, &r);
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
	struct ua_dialog plain = *ua_dialog_of(u, invite);
	struct ua_txn *x = ua_new_txn(u, true);
	struct sip_text m;
	CHECK(sip_text_read(invite->request, &m));
	struct ua_request r = {.method = STR("CANCEL"),
			       .uri = m.uri,
			       .branch = invite->branch,
			       .cseq = invite->cseq};
	x->method = r.method;
	x->branch = r.branch;
	x->cseq = r.cseq;
	x->dialog = invite->dialog;
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
	struct ua_dialog *d = ua_dialog_of(u, invite), early = *d;
	struct sip_text own;
	CHECK(sip_text_read(invite->request, &own));
	d->target = sip_text_uri(d->remote);
	d->remote_tag = d->routes = STR_NONE;
	struct ua_request r = {.method = STR("INVITE"),
			       .uri = d->target,
			       .cseq = invite->cseq,
			       .sdp = own.body,
			       .why = UA_ACT_COUNT};
	ua_start(u, d, &r)->elsewhere = true;
	*d = early;
}

/* Of the INVITE's early dialogs one has been chosen, or none. */
static void end_other_forks(struct ua *u, const struct ua_dialog *kept, struct str call_id)
{
	for (int i = 0; i < UA_DIALOGS; i++) {
		struct ua_dialog *d = &u->dialogs[i];
		if (d != kept && d->state == UA_DIALOG_EARLY && d->caller &&
		    str_eq(d->call_id, call_id))
			ua_end_dialog(u, d);
	}
}

/* ---- final answers */

/* The ACK of a refusal: same branch, same place. */
static void ack_refusal(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog plain = *ua_dialog_of(u, x);
	struct sip_text invite;
	CHECK(sip_text_read(x->request, &invite));
	plain.remote_tag = m->to_tag;
	struct ua_request r = {
		.method = STR("ACK"), .uri = invite.uri, .branch = x->branch, .cseq = x->cseq};
	x->last = ua_write_request(u, &plain, &r);
	if (!u->plan.no_ack)
		ua_send(u, &x->path, x->last);
}

/* The ACK of a 2xx: a branch of its own, the dialog's route; kept for repeated 2xx. */
static void write_ack(struct ua *u, struct ua_dialog *d, struct ua_txn *x, bool answers)
{
	struct ua_request r = {.method = STR("ACK"),
			       .uri = d->target,
			       .branch = ua_make_token(u, "z9hG4bK"),
			       .cseq = x->cseq};
	/* Their offer in the 2xx; one in an UPDATE that came meanwhile has its own answer. */
	if (answers && d->talk.state == UA_TALK_THEIRS)
		r.sdp = ua_talk_say(u, &d->talk, false);
	d->ack = ua_write_request(u, d, &r);
	d->ack_cseq = x->cseq;
}

static void send_ack(struct ua *u, struct ua_dialog *d)
{
	struct ua_path path = {NET_NONE, ua_hop(u, d), u->p.transport};
	if (!u->plan.no_ack)
		ua_send(u, &path, d->ack);
}

/* SDP of a 2xx to INVITE: the answer, an offer for the ACK, or what a reliable 1xx has said already. */
static void take_final_sdp(struct ua *u, struct ua_txn *x, struct ua_dialog *d,
			   const struct sip_text *m)
{
	struct ua_talk *t = &d->talk;
	if (t->state == UA_TALK_OURS && t->offer_cseq == x->cseq) {
		if (m->body.len)
			(void)ua_talk_hear(u, t, m->body, UA_SDP_ANSWER);
		else
			ua_fault(u, INV_OFFER, "got a 2xx to its offer without an answer");
		if (!m->body.len)
			t->state = UA_TALK_IDLE;
	} else if (!x->offers && (d->state == UA_DIALOG_CONFIRMED || !t->ever)) {
		if (m->body.len)
			(void)ua_talk_hear(u, t, m->body, UA_SDP_OFFER);
		else
			ua_fault(u, INV_OFFER, "got no offer in the 2xx to an INVITE without one");
	} else if (m->body.len && !str_eq(m->body, t->seen)) {
		ua_fault(u, INV_OFFER, "got a 2xx with other SDP than what was agreed");
	}
}

static void answered_again(struct ua *u, struct ua_txn *x, struct ua_dialog *d,
			   const struct sip_text *m)
{
	if (x->status / 100 != 2)
		ua_fault(u, INV_ONE_FINAL, "got %u after %u", m->status, x->status);
	else if (!str_eq(d->remote_tag, m->to_tag))
		ua_fault(u, INV_ONE_FINAL, "got two dialogs for one INVITE");
	else if (d->ack_cseq == x->cseq)
		send_ack(u, d);
}

static void invite_answered(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	if (x->elsewhere) {
		ua_fault(u, INV_ONE_FINAL, "was answered twice for one call");
		return;
	}
	struct ua_dialog *d = ua_dialog_of(u, x);
	if (x->state == UA_TXN_DONE) {
		answered_again(u, x, d, m);
		return;
	}
	if (d->state == UA_DIALOG_EARLY)
		d = ua_early(u, x, m);
	x->dialog = (int)(d - u->dialogs);
	bool initial = d->state == UA_DIALOG_EARLY;
	if (!m->contact.len || !m->to_tag.len)
		ua_fault(u, INV_FORM, "got a 2xx without Contact or tag");
	x->state = UA_TXN_DONE;
	x->status = (uint16_t)m->status;
	x->again_ms = 0;
	x->deadline_ms = ua_now(u) + UA_LONG;
	take_final_sdp(u, x, d, m);
	if (initial) {
		d->routes = ua_routes(u, m, true);
		d->state = UA_DIALOG_CONFIRMED;
		end_other_forks(u, d, d->call_id);
		if (!d->second)
			u->status = (uint16_t)m->status;
	}
	if (m->contact.len)
		d->target = ua_keep(u, m->contact);
	ua_timer_agreed(u, d, m);
	write_ack(u, d, x, m->body.len > 0);
	send_ack(u, d);
	if (d->second)
		ua_tell_referrer(u, (uint16_t)m->status);
	if (initial && u->cancelled && !d->second)
		ua_send_bye(u, d);
	else if (initial && !d->second) {
		u->answered_ms = ua_now(u);
		ua_trigger(u, UA_AFTER_ANSWER);
	}
}

/* It asked for too short a session: once more, with what the peer wants (RFC 4028 §7.3). */
static bool asks_again(struct ua *u, struct ua_dialog *d, const struct sip_text *m)
{
	uint32_t least;
	if (m->status != 422 || u->cancelled ||
	    str_to_u32(sip_text_header(m, "Min-SE", 0), 86400, &least) != OK)
		return false;
	if (least <= u->plan.timer.expires_s) {
		ua_fault(u, INV_FORM, "was told Min-SE %u when it had asked for %u", least,
			 u->plan.timer.expires_s);
		return false;
	}
	d->remote_tag = d->routes = STR_NONE;
	ua_invite(u, d, least, least);
	return true;
}

static void invite_refused(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog *d = ua_dialog_of(u, x);
	if (x->elsewhere && m->status != 482)
		ua_fault(u, INV_ONE_FINAL, "got %u to an INVITE that came twice", m->status);
	if (x->state == UA_TXN_DONE) {
		if (x->status != m->status)
			ua_fault(u, INV_ONE_FINAL, "got %u after %u", m->status, x->status);
		else if (!u->plan.no_ack)
			ua_send(u, &x->path, x->last);
		return;
	}
	x->state = UA_TXN_DONE;
	x->status = (uint16_t)m->status;
	x->again_ms = 0;
	x->deadline_ms = ua_now(u) + UA_LONG;
	ack_refusal(u, x, m);
	if (x->elsewhere)
		return;
	if (d->state == UA_DIALOG_CONFIRMED) {
		ua_in_dialog_answered(u, x, m);
		return;
	}
	if (d->state != UA_DIALOG_EARLY)
		return;
	end_other_forks(u, d, d->call_id);
	if (asks_again(u, d, m))
		return;
	if (!d->second)
		u->status = (uint16_t)m->status;
	ua_end_dialog(u, d);
	if (d->second)
		ua_tell_referrer(u, (uint16_t)m->status);
}

/* ---- 1xx */

static void take_early_sdp(struct ua *u, struct ua_txn *x, struct ua_dialog *d,
			   const struct sip_text *m)
{
	struct ua_talk *t = &d->talk;
	if (!m->body.len)
		return;
	u->early_media = true;
	if (t->state == UA_TALK_OURS && t->offer_cseq == x->cseq)
		(void)ua_talk_hear(u, t, m->body, UA_SDP_PREVIEW);
	else if (!t->ever)
		ua_fault(u, INV_OFFER, "got SDP in an unreliable %u to an INVITE without any",
			 m->status);
}

static void got_provisional(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	if (x->state == UA_TXN_DONE)
		return;
	x->state = UA_TXN_PROCEEDING;
	x->again_ms = 0;
	if (!x->cancelled && !u->cancelled)
		x->deadline_ms = 0;
	if (m->status > 100 && ua_dialog_of(u, x)->state == UA_DIALOG_EARLY && !x->elsewhere) {
		if (!m->to_tag.len) {
			ua_fault(u, INV_FORM, "got a %u without To tag", m->status);
			return;
		}
		struct ua_dialog *d = ua_early(u, x, m);
		if (sip_text_header(m, "RSeq", 0).len)
			ua_got_reliable(u, x, d, m);
		else
			take_early_sdp(u, x, d, m);
		if (m->contact.len)
			d->target = ua_keep(u, m->contact);
		if (!u->rang) {
			u->rang_ms = ua_now(u);
			ua_trigger(u, UA_AFTER_RINGING);
		}
		u->rang = true;
	}
	if (x->cancelled)
		ua_send_cancel(u, x);
}

void ua_invite_response(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	if (m->status < 200)
		got_provisional(u, x, m);
	else if (m->status < 300)
		invite_answered(u, x, m);
	else
		invite_refused(u, x, m);
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
