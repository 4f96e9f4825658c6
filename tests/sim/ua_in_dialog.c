#include "common/check.h"
#include "tests/sim/ua_inside.h"

/* ---- what we ask */

void ua_offer(struct ua *u, struct ua_dialog *d, enum ua_act why, bool update, bool sdp)
{
	char mem[256];
	struct ua_request r = {
		.method = update ? STR("UPDATE") : STR("INVITE"), .uri = d->target, .why = why};
	if (sdp)
		r.sdp = ua_talk_say(u, &d->talk, false);
	r.extra = ua_timer_ask(u, d, mem, sizeof(mem));
	ua_start(u, d, &r)->offers = r.sdp.len > 0;
}

static uint32_t retry_after(const struct sip_text *m)
{
	struct str v = sip_text_header(m, "Retry-After", 0), word;
	uint32_t s;
	if (!str_cut_word(&v, &word) || str_to_u32(word, 3600, &s) != OK)
		return UINT32_MAX;
	return s;
}

/* RFC 3261 §14.1: who made the Call-ID waits longer, so that they do not meet again. */
static void again_after_glare(struct ua *u, struct ua_dialog *d, struct ua_txn *x,
			      const struct sip_text *m)
{
	uint32_t wait_ms;
	if (m->status == 491)
		wait_ms = 10 *
			  (d->caller ? dice_range(u->dice, 210, 400) : dice_range(u->dice, 0, 200));
	else if (m->status == 500 && retry_after(m) != UINT32_MAX)
		wait_ms = 1000 * retry_after(m);
	else
		return;
	u->glares++;
	d->again = x->why;
	d->again_ms = ua_now(u) + wait_ms;
}

static void refused_in_dialog(struct ua *u, struct ua_txn *x, struct ua_dialog *d,
			      const struct sip_text *m)
{
	u->refused++;
	if (x->offers)
		ua_talk_drop(&d->talk, UA_TALK_OURS);
	if (x->why != UA_ACT_COUNT && d->state == UA_DIALOG_CONFIRMED)
		again_after_glare(u, d, x, m);
}

void ua_in_dialog_answered(struct ua *u, struct ua_txn *x, const struct sip_text *m)
{
	struct ua_dialog *d = ua_dialog_of(u, x);
	bool sdp = str_eq(x->method, STR("UPDATE")) || str_eq(x->method, STR("PRACK"));
	if (d->state == UA_DIALOG_SUBSCRIPTION) {
		u->probe_status = (uint16_t)m->status;
		if (!d->remote_tag.len && m->status < 300) {
			d->remote_tag = ua_keep(u, m->to_tag);
			d->routes = ua_routes(u, m, true);
			if (m->contact.len)
				d->target = ua_keep(u, m->contact);
		}
		return;
	}
	if (str_eq(x->method, STR("REFER")))
		ua_refer_answered(u, x, m);
	if (m->status >= 300)
		refused_in_dialog(u, x, d, m);
	if (sdp && m->status < 300 && x->offers) {
		if (m->body.len)
			(void)ua_talk_hear(u, &d->talk, m->body, UA_SDP_ANSWER);
		else
			ua_fault(u, INV_OFFER, "got a 2xx to its %.*s without the answer",
				 STR_ARG(x->method));
		if (!m->body.len)
			ua_talk_drop(&d->talk, UA_TALK_OURS);
	} else if (sdp && m->status < 300 && m->body.len) {
		ua_fault(u, INV_OFFER, "got SDP that it had not asked for");
	}
	if (m->status < 300 && str_eq(x->method, STR("UPDATE"))) {
		ua_timer_agreed(u, d, m);
		if (m->contact.len)
			d->target = ua_keep(u, m->contact);
	}
	if ((m->status == 481 || m->status == 408) && d->state == UA_DIALOG_CONFIRMED &&
	    !str_eq(x->method, STR("CANCEL")))
		ua_send_bye(u, d);
}

/* ---- what we are asked */

bool ua_owes_answer(const struct ua *u, const struct ua_txn *not_this, const struct ua_dialog *d)
{
	for (int i = 0; i < UA_TXNS; i++) {
		const struct ua_txn *x = &u->txns[i];
		if (x != not_this && !x->client && x->invite &&
		    x->dialog == (int)(d - u->dialogs) &&
		    (x->state == UA_TXN_WAITING || x->state == UA_TXN_PROCEEDING))
			return true;
	}
	return false;
}

/* What a request may not do now; 0: it may. */
static uint16_t bars(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct sip_text *m)
{
	if (d->state == UA_DIALOG_ENDED)
		return 481;
	if (x->invite && (ua_invite_is_open(u, d) || d->talk.state == UA_TALK_OURS))
		return 491;
	if (x->invite && ua_owes_answer(u, x, d))
		return 500;
	if (!m->body.len || !str_eq(m->method, STR("UPDATE")))
		return 0;
	if (d->talk.state == UA_TALK_OURS)
		return 491;
	return d->talk.state == UA_TALK_THEIRS ? 500 : 0;
}

static uint16_t refusal_of_plan(struct ua *u)
{
	struct ua_plan *p = &u->plan;
	uint16_t status = p->in_dialog_status;
	if (p->in_dialog_times && --p->in_dialog_times == 0)
		p->in_dialog_status = 0;
	return status;
}

void ua_answer_in_dialog(struct ua *u, struct ua_txn *x)
{
	struct ua_dialog *d = ua_dialog_of(u, x);
	struct sip_text m;
	char mem[256];
	CHECK(sip_text_read(x->request, &m));
	bool update = str_eq(m.method, STR("UPDATE"));
	bool offered = d->talk.state == UA_TALK_THEIRS && m.body.len && (x->invite || update);
	uint16_t status = d->state == UA_DIALOG_ENDED ? 481 : refusal_of_plan(u);
	if (status >= 300) {
		if (offered)
			ua_talk_drop(&d->talk, UA_TALK_THEIRS);
		ua_refuse(u, x, status);
		return;
	}
	struct ua_response r = {.status = 200, .contact = x->invite || update};
	if (x->invite || offered)
		r.sdp = ua_talk_say(u, &d->talk, false);
	if (x->invite || update) {
		r.extra = ua_timer_answer(u, d, &m, mem, sizeof(mem));
		u->refreshed++;
	}
	if (m.contact.len)
		d->target = m.contact;
	if (x->invite)
		ua_accept(u, x, d, &r);
	else
		ua_respond(u, x, &r);
}

static void got_bye(struct ua *u, struct ua_txn *x, struct ua_dialog *d)
{
	if (d->state == UA_DIALOG_EARLY && !d->caller)
		ua_fault(u, INV_DIALOG, "got a BYE before it had answered");
	if (d->state == UA_DIALOG_EARLY && d->caller)
		ua_fault(u, INV_DIALOG, "got a BYE instead of a final answer");
	ua_respond(u, x, &(struct ua_response){.status = 200});
	d->bye_received = true;
	d->ok = STR_NONE;
	if (d->state != UA_DIALOG_ENDED)
		ua_end_dialog(u, d);
}

static void take_key(struct ua *u, const struct sip_text *m)
{
	static const struct str signal = {"Signal=", 7};
	size_t at = str_find(m->body, signal) + signal.len;
	if (at < m->body.len && u->key_count + 1 < sizeof(u->keys))
		u->keys[u->key_count++] = m->body.p[at];
}

static void count_request(struct ua *u, const struct sip_text *m)
{
	u->infos += str_eq(m->method, STR("INFO"));
	if (str_eq(m->method, STR("INFO")))
		take_key(u, m);
	u->messages += str_eq(m->method, STR("MESSAGE"));
	if (!str_eq(m->method, STR("INVITE")) && !str_eq(m->method, STR("UPDATE")) && m->body.len &&
	    str_find(m->body, STR("m=audio")) < m->body.len)
		ua_fault(u, INV_OFFER, "got SDP in a %.*s", STR_ARG(m->method));
}

void ua_got_in_dialog(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	struct ua_dialog *d = ua_find_dialog(u, m);
	bool prack = str_eq(m->method, STR("PRACK"));
	if (!d) {
		ua_refuse(u, x, 481);
		return;
	}
	x->dialog = (int)(d - u->dialogs);
	if (m->cseq <= d->remote_cseq && !prack) {
		/* A datagram that was overtaken by a later request is no fault of the sender. */
		ua_refuse(u, x, 500);
		return;
	}
	if (m->cseq > d->remote_cseq)
		d->remote_cseq = m->cseq;
	if (u->plan.mute)
		return;
	if (prack) {
		ua_got_prack(u, m, x, d);
		return;
	}
	if (str_eq(m->method, STR("BYE"))) {
		got_bye(u, x, d);
		return;
	}
	if (str_eq(m->method, STR("NOTIFY"))) {
		ua_got_notify(u, m, x, d);
		return;
	}
	if (str_eq(m->method, STR("REFER"))) {
		ua_got_refer(u, m, x, d);
		return;
	}
	count_request(u, m);
	uint16_t status = bars(u, x, d, m);
	if (status && m->body.len && d->state != UA_DIALOG_ENDED)
		ua_talk_ignore(u, &d->talk, m->body);
	if (status) {
		ua_refuse(u, x, status);
		return;
	}
	if (m->body.len && (x->invite || str_eq(m->method, STR("UPDATE"))))
		(void)ua_talk_hear(u, &d->talk, m->body, UA_SDP_OFFER);
	x->answer_ms = ua_now(u) + u->plan.in_dialog_ms;
	if (u->plan.in_dialog_ms == 0) {
		x->answer_ms = 0;
		ua_answer_in_dialog(u, x);
	} else if (x->invite) {
		ua_respond(u, x, &(struct ua_response){.status = 100});
	}
}
