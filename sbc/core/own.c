#include "sbc/core/own.h"

#include "sbc/core/auth.h"
#include "sbc/core/call_media.h"
#include "sbc/core/keys.h"
#include "sbc/core/late_offer.h"
#include "sbc/core/refresh.h"
#include "sbc/core/setup.h"
#include "sbc/core/transfer.h"

/* ---- life */

static void own_free(struct sbc *s, struct own *o)
{
	struct call *c = call_find(s, o->call);

	if (c)
		c->own_count--;
	worker_stop_alarm(s, &o->alarm);
	list_del(&o->node);
	block_str_free(&s->blocks, &o->lines);
	block_str_free(&s->blocks, &o->content_type);
	block_str_free(&s->blocks, &o->body);
	id_t64 id = o->id;
	pool_free(&s->owns, id);
}

/* An INVITE that is out leaves its transaction to the call: the 2xx may come, and wants an ACK. */
static void leave_txn(struct sbc *s, struct call *c, struct own *o)
{
	struct leg_invite *i = &c->leg[o->side].invite;

	if (o->stage != OWN_SENT)
		return;
	if (o->method == METHOD_INVITE && i->txn == o->txn) {
		i->open = false;
		call_leave_invite(s, c, o->txn);
	} else {
		txn_set_owner(&s->txns, o->txn, ID_NONE);
	}
}

void own_free_all(struct sbc *s, struct call *c)
{
	while (!list_is_empty(&c->owns)) {
		struct own *o = LIST_OBJECT(c->owns.next, struct own, node);
		leave_txn(s, c, o);
		own_free(s, o);
	}
}

/* ---- who asked is told */

static void tell(struct sbc *s, struct call *c, const struct own_outcome *x)
{
	switch (x->what) {
	case OWN_REFRESH: refresh_on_own(s, c, x); break;
	case OWN_WHAT_COUNT: break;
	case OWN_REPAIR: late_offer_on_own(s, c, x); break;
	case OWN_TRANSFER: transfer_on_own(s, c, x); break;
	case OWN_KEY: keys_on_own(s, c, x); break;
	}
}

/* Does the need still stand, after a back-off? */
static bool is_wanted(const struct call *c, const struct own *o)
{
	switch ((enum own_what)o->what) {
	case OWN_REFRESH: return refresh_is_wanted(c, o->side);
	case OWN_REPAIR:
	case OWN_TRANSFER:
	case OWN_KEY: return true;
	case OWN_WHAT_COUNT: break;
	}
	return false;
}

/* It is over: out of the table first, so that the one who is told may ask again. */
static void finish(struct sbc *s, struct call *c, struct own *o, struct own_outcome x)
{
	unsigned side = o->side;
	bool lost = dialog_is_lost(x.status, (enum method)o->method);

	x.what = (enum own_what)o->what;
	x.method = (enum method)o->method;
	x.side = side;
	x.id = o->id;
	x.ref = o->ref;
	if (x.status >= 300 && o->has_sdp)
		offer_step(&c->offer[side], OFFER_SENT_NOTHING);
	if (o->method == METHOD_INVITE) {
		if (x.status >= 300)
			offer_step(&c->offer[side], OFFER_SENT_NOTHING);
		c->leg[side].invite.open = false;
	}
	if (x.status < 300 && o->has_sdp && x.sdp.len)
		call_show(s, c, side, o->body);
	own_free(s, o);
	tell(s, c, &x);
	if (lost)
		call_lost(s, c);
	else
		own_look(s, c);
}

/* ---- sending */

static bool is_session(uint8_t method)
{
	return method == METHOD_INVITE || method == METHOD_UPDATE;
}

static bool is_free(const struct call *c, const struct own *o)
{
	const struct leg_invite *i = &c->leg[o->side].invite;
	const struct offer *f = &c->offer[o->side];

	if (o->method == METHOD_INVITE)
		return c->state == CALL_CONFIRMED && !i->open && !i->wants_ack && !offer_is_open(f);
	return !o->has_sdp || offer_check(f, OFFER_SENT_REQUEST) == OFFER_NEW;
}

/* It may have waited while the session changed: a refresh says what is in force now, and o= never goes back (RFC 3264 §8). */
static void renew_body(struct sbc *s, struct call *c, struct own *o)
{
	struct str now =
		call_face(s, c, o->side, o->what == OWN_REFRESH ? c->shown[o->side] : o->body);
	struct str kept = block_str(&s->blocks, now);

	if (!kept.len)
		return;
	block_str_free(&s->blocks, &o->body);
	o->body = kept;
}

static void go(struct sbc *s, struct call *c, struct own *o)
{
	struct dialog *d = &c->leg[o->side].dialog;
	char contact[512];
	struct buf contact_buf;

	buf_init(&contact_buf, contact, sizeof(contact));
	buf_reset(&s->lines);
	if (is_session(o->method))
		setup_write_abilities(s, c, o->side, NULL);
	buf_str(&s->lines, o->lines);
	if (o->has_sdp)
		renew_body(s, c, o);
	bool ok = call_carry(s, c, o->side, NULL, o->body.len > 0) == OK;
	o->cseq = dialog_next_cseq(d);
	struct build_request r = {
		.method = method_name((enum method)o->method),
		.cseq = o->cseq,
		.contact = o->method == METHOD_INFO ? STR_NONE
						    : call_contact(c, o->side, &contact_buf),
		.headers = buf_view(&s->lines),
		.content_type = o->content_type,
		.body = o->body,
	};
	o->stage = OWN_SENT;
	o->tries++;
	worker_stop_alarm(s, &o->alarm);
	o->txn = ok ? call_send_request(s, c, o->side, d, &r, o->id) : ID_NONE;
	if (o->txn == ID_NONE) {
		finish(s, c, o, (struct own_outcome){.status = 503});
		return;
	}
	if (o->has_sdp)
		offer_step(&c->offer[o->side], OFFER_SENT_REQUEST);
	if (o->method != METHOD_INVITE)
		return;
	if (!o->has_sdp)
		offer_step(&c->offer[o->side], OFFER_SENT_INVITE);
	leg_set_invite(
		&s->blocks, &c->leg[o->side],
		(struct leg_invite){.txn = o->txn, .cseq = o->cseq, .ours = true, .open = true});
	worker_alarm(s, &o->alarm, ALARM_OWN, s->now_ms + c->settings->timers.c_ms);
}

id_t64 own_send(struct sbc *s, struct call *c, unsigned side, const struct own_params *p)
{
	CHECK(s && c && side < 2 && p && p->what < OWN_WHAT_COUNT && p->method != METHOD_OTHER);
	id_t64 id;

	if (c->setup || c->state >= CALL_ENDING || c->own_count >= OWNS_MAX)
		return ID_NONE;
	struct own *o = pool_new(&s->owns, &id);
	if (!o)
		return ID_NONE;
	*o = (struct own){.id = id,
			  .call = c->id,
			  .ref = p->ref,
			  .what = (uint8_t)p->what,
			  .side = (uint8_t)side,
			  .method = (uint8_t)p->method,
			  .has_sdp = p->body.len && is_session((uint8_t)p->method)};
	o->lines = block_str(&s->blocks, p->lines);
	o->body = block_str(&s->blocks, p->body);
	o->content_type = block_str(&s->blocks, p->content_type);
	c->own_count++;
	list_add_tail(&c->owns, &o->node);
	timer_init(&o->alarm.timer);
	if (o->lines.len < p->lines.len || o->body.len < p->body.len ||
	    o->content_type.len < p->content_type.len) {
		own_free(s, o);
		return ID_NONE;
	}
	/* In the next turn even when it could go now: who asks may still be writing to s->lines. */
	worker_alarm(s, &o->alarm, ALARM_OWN, s->now_ms);
	return id;
}

void own_drop(struct sbc *s, id_t64 id)
{
	struct own *o = pool_find(&s->owns, id);
	struct call *c = o ? call_find(s, o->call) : NULL;

	if (!c)
		return;
	leave_txn(s, c, o);
	if (o->stage == OWN_SENT && (o->has_sdp || o->method == METHOD_INVITE))
		offer_step(&c->offer[o->side], OFFER_SENT_NOTHING);
	own_free(s, o);
	own_look(s, c);
}

void own_look(struct sbc *s, struct call *c)
{
	list_each (n, &c->owns) {
		struct own *o = LIST_OBJECT(n, struct own, node);
		if (o->stage == OWN_WAITING && !timer_is_set(&o->alarm.timer))
			worker_alarm(s, &o->alarm, ALARM_OWN, s->now_ms);
	}
}

void own_on_alarm(struct sbc *s, struct own *o)
{
	struct call *c = call_find(s, o->call);
	struct txn_effects fx = {.count = 0};

	if (NEVER(!c))
		return;
	if (o->stage == OWN_SENT) { /* Timer C: nobody holds the leg in a change for ever */
		if (txn_cancel(&s->txns, o->txn, STR_NONE, s->now_ms, &fx) == OK)
			worker_emit(s, &fx);
		return;
	}
	if (o->tries && !is_wanted(c, o)) {
		own_free(s, o);
		return;
	}
	if (is_free(c, o))
		go(s, c, o);
}

/* ---- the answer */

/* RFC 3261 §14.1: who owns the Call-ID waits longer, in steps of 10 ms. */
static uint64_t back_off_ms(struct sbc *s, const struct call *c, unsigned side)
{
	bool owner = c->leg[side].dialog.role == DIALOG_UAC;

	return owner ? 2100 + 10 * (uint64_t)rng_below(&s->rng, 191)
		     : 10 * (uint64_t)rng_below(&s->rng, 201);
}

/* True: it goes out once more, now or later. */
static bool try_again(struct sbc *s, struct call *c, struct own *o, const struct msg *m)
{
	uint64_t wait;
	uint32_t seconds;

	if (m->status == 401 || m->status == 407) {
		id_t64 txn = auth_again(s, &(struct auth_again){.txn = o->txn,
								.trunk = c->leg[o->side].trunk,
								.settings = c->settings,
								.answer = m,
								.dialog = &c->leg[o->side].dialog,
								.cseq = &o->cseq,
								.owner = o->id});
		if (txn == ID_NONE)
			return false;
		o->txn = txn;
		if (o->method == METHOD_INVITE) {
			c->leg[o->side].invite.txn = txn;
			c->leg[o->side].invite.cseq = o->cseq;
		}
		return true;
	}
	if (o->tries >= OWN_TRIES_MAX)
		return false;
	if (m->status == 491)
		wait = back_off_ms(s, c, o->side);
	else if (m->status == 500 &&
		 hdr_delta_parse(msg_value(m, HDR_RETRY_AFTER), &seconds, NULL) == OK &&
		 seconds <= 10)
		wait = 1000 * (uint64_t)seconds;
	else
		return false;
	if (o->method == METHOD_INVITE)
		c->leg[o->side].invite.open = false;
	if (o->method == METHOD_INVITE || o->has_sdp)
		offer_step(&c->offer[o->side], OFFER_SENT_NOTHING);
	o->stage = OWN_WAITING;
	o->txn = ID_NONE;
	worker_alarm(s, &o->alarm, ALARM_OWN, s->now_ms + wait);
	return true;
}

static void on_accepted(struct sbc *s, struct call *c, struct own *o, const struct msg *m)
{
	struct dialog *d = &c->leg[o->side].dialog;
	struct leg_invite *i = &c->leg[o->side].invite;
	struct offer *f = &c->offer[o->side];
	struct own_outcome x = {.status = m->status, .answer = m};
	bool broken = is_session(o->method) && leg_refresh_target(&s->blocks, d, m) != OK;

	if (is_session(o->method) && !broken)
		x.sdp = call_sdp_of(m);
	enum offer_mean mean = x.sdp.len ? offer_step(f, OFFER_GOT_RELIABLE) : OFFER_IGNORED;
	x.is_offer = mean == OFFER_NEW;
	if (mean == OFFER_IGNORED) {
		x.sdp = STR_NONE;
		if (o->has_sdp || o->method == METHOD_INVITE)
			offer_step(f, OFFER_SENT_NOTHING);
	}
	if (o->method == METHOD_INVITE) {
		i->open = false;
		i->wants_ack = x.is_offer;
		txn_set_owner(&s->txns, o->txn, c->id);
		if (!x.is_offer)
			call_send_ack(s, c, o->side, d, o->cseq, STR_NONE);
	}
	finish(s, c, o, x);
}

void own_on_response(struct sbc *s, struct own *o, id_t64 txn, const struct msg *m,
		     const struct flow *f)
{
	struct call *c = call_find(s, o->call);

	(void)f;
	if (NEVER(!c) || o->txn != txn || o->stage != OWN_SENT)
		return;
	if (m->status < 200) {
		if (o->method == METHOD_INVITE)
			worker_alarm(s, &o->alarm, ALARM_OWN, s->now_ms + c->settings->timers.c_ms);
		return;
	}
	if (m->status < 300)
		on_accepted(s, c, o, m);
	else if (!try_again(s, c, o, m))
		finish(s, c, o, (struct own_outcome){.status = m->status, .answer = m});
}

void own_on_report(struct sbc *s, struct own *o, id_t64 txn, enum txn_report report)
{
	struct call *c = call_find(s, o->call);

	if (NEVER(!c) || o->txn != txn || o->stage != OWN_SENT)
		return;
	switch (report) {
	case TXN_REPORT_TIMEOUT: finish(s, c, o, (struct own_outcome){.status = 408}); break;
	case TXN_REPORT_FAILED: finish(s, c, o, (struct own_outcome){.status = 503}); break;
	case TXN_REPORT_NO_ACK:
	case TXN_REPORT_SLOW:
	case TXN_REPORT_COUNT: break;
	}
}

void own_ack(struct sbc *s, struct call *c, unsigned side, struct str sdp)
{
	struct leg_invite *i = &c->leg[side].invite;

	if (c->state >= CALL_ENDING || !i->ours || !i->wants_ack)
		return;
	call_ack(s, c, side, sdp);
	if (sdp.len == 0)
		offer_step(&c->offer[side], OFFER_SENT_NOTHING);
	own_look(s, c);
}
