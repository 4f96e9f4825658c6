#include "sbc/core/exchange.h"

#include "sbc/core/call_media.h"
#include "sbc/core/own.h"
#include "sbc/core/refresh.h"
#include "sbc/core/reply.h"
#include "sbc/core/setup.h"
#include "sbc/core/transfer.h"

bool exchange_refreshes(uint8_t method)
{
	return method == METHOD_INVITE || method == METHOD_UPDATE;
}

void exchange_free(struct sbc *s, struct exchange *x)
{
	struct call *c = call_find(s, x->call);

	if (c)
		c->exchange_count--;
	worker_stop_alarm(s, &x->alarm);
	list_del(&x->node);
	block_str_free(&s->blocks, &x->held);
	block_str_free(&s->blocks, &x->offer);
	block_str_free(&s->blocks, &x->shown);
	block_str_free(&s->blocks, &x->old_target);
	id_t64 id = x->id;
	pool_free(&s->exchanges, id);
	if (c)
		own_look(s, c);
}

/* A refresh of the target that is refused has not happened (RFC 6141 §4): what was is kept until then. */
static void refresh_target(struct sbc *s, struct exchange *x, struct dialog *d, const struct msg *m)
{
	if (!exchange_refreshes(x->method))
		return;
	x->old_target = block_str(&s->blocks, dialog_get(d, DIALOG_TARGET));
	if (leg_refresh_target(&s->blocks, d, m) != OK ||
	    str_eq(x->old_target, dialog_get(d, DIALOG_TARGET)))
		block_str_free(&s->blocks, &x->old_target);
}

void exchange_restore_target(struct sbc *s, struct exchange *x, struct dialog *d)
{
	while (x->old_target.len && dialog_set(d, DIALOG_TARGET, x->old_target) == ERR_FULL)
		if (leg_dialog_grow(&s->blocks, d) != OK)
			break;
	block_str_free(&s->blocks, &x->old_target);
}

/* Media stay as they were (RFC 3261 §14.1): the relay, which has taken the offer, is told so. */
void exchange_take_back(struct sbc *s, struct call *c, const struct exchange *x,
			const struct pair *p)
{
	if (!x->offered)
		return;
	offer_step(pair_offer(c, p, x->from), OFFER_GOT_NOTHING);
	offer_step(pair_offer(c, p, 1 - x->from), OFFER_SENT_NOTHING);
	if (x->offer.len && !c->setup && c->state < CALL_ENDING)
		call_restore_media(s, c);
}

/* The final answer of an exchange that the other side did not give; it is over then. */
void exchange_refuse(struct sbc *s, struct call *c, struct exchange *x, uint16_t status,
		     struct str lines)
{
	struct pair p;
	struct build_response r = {.status = status, .headers = lines};

	if (pair_of_serial(c, x->from, x->fork, &p)) {
		exchange_take_back(s, c, x, &p);
		exchange_restore_target(s, x, pair_dialog(c, &p, x->from));
	}
	if (x->method == METHOD_INVITE) {
		c->leg[x->from].invite.open = false;
		c->leg[1 - x->from].invite.open = false;
	}
	transfer_passed(c, x->from, x->method, status);
	asker_respond(s, &x->asker, &r);
	exchange_free(s, x);
}

/* ---- passing a request on */

/* RFC 3262 §7.2, in the numbers of the other side. */
static void write_rack(struct sbc *s, const struct call *c, uint32_t rseq)
{
	buf_printf(&s->lines, "RAck: %u %u INVITE\r\n", rseq,
		   c->setup ? c->setup->cseq : c->leg[1].invite.cseq);
}

/* An offer in a PRACK that ended here goes on by itself. */
static bool becomes_update(const struct exchange *x)
{
	return x->method == METHOD_PRACK && x->rack == 0;
}

/*
 * A body that goes on as it is. Never where a session description may stand: without its type, or wrapped in a multipart, one
 * would cross with the addresses of its side. Nor a message within the message (sipfrag): it has Via and Contact.
 */
bool exchange_has_own_body(uint8_t method, const struct msg *m)
{
	return m->body.len > 0 && m->content_type.len > 0 && call_sdp_of(m).len == 0 &&
	       !exchange_refreshes(method) && method != METHOD_PRACK &&
	       !str_has_iprefix(m->content_type, STR("multipart/")) &&
	       !str_has_iprefix(m->content_type, STR("message/"));
}

/* Sends the request of x on; `sdp`: its session description as the other side is to see it. */
void exchange_pass(struct sbc *s, struct call *c, struct exchange *x, const struct pair *p,
		   const struct msg *m, struct str sdp)
{
	unsigned to = 1 - x->from;
	struct dialog *d = pair_dialog(c, p, to);
	char contact[512];
	struct buf contact_buf;
	bool own_body = exchange_has_own_body(x->method, m);
	bool refreshes = exchange_refreshes(x->method) || becomes_update(x);

	buf_init(&contact_buf, contact, sizeof(contact));
	buf_reset(&s->lines);
	if (refreshes) /* no 100rel: the 18x of a re-INVITE end here */
		setup_write_abilities(s, c, to, m);
	if (refreshes && !c->setup)
		refresh_write_request(s, c, to);
	if (x->rack)
		write_rack(s, c, x->rack);
	bool ok = call_carry(s, c, to, m, own_body) == OK;
	x->cseq = dialog_next_cseq(d);
	struct str type = m->content_type, body = m->body;
	bool refers = (transfer_methods & 1u << x->method) != 0;
	if (refers)
		ok = ok && transfer_pass(s, c, to, m, &type, &body) == OK;
	else if (!own_body)
		body = call_body(s, c, m, sdp, &type);
	struct build_request r = {
		.method = becomes_update(x) ? STR("UPDATE") : m->method_text,
		.cseq = x->cseq,
		.relayed = true,
		.max_forwards = build_hops_left(m),
		.contact = refreshes || refers ? call_contact(c, to, &contact_buf) : STR_NONE,
		.headers = buf_view(&s->lines),
		.content_type = type,
		.body = body,
	};
	block_str_free(&s->blocks, &x->shown);
	x->shown = block_str(&s->blocks, sdp);
	x->stage = EXCHANGE_RELAYED;
	x->txn = ok ? call_send_request(s, c, to, d, &r, x->id) : ID_NONE;
	if (x->txn == ID_NONE) {
		exchange_refuse(s, c, x, 500, STR_NONE);
		return;
	}
	if (x->method == METHOD_INVITE) {
		leg_set_invite(&s->blocks, &c->leg[to],
			       (struct leg_invite){
				       .txn = x->txn, .cseq = x->cseq, .ours = true, .open = true});
		worker_alarm(s, &x->alarm, ALARM_EXCHANGE, s->now_ms + c->settings->timers.c_ms);
	}
}

/* May this re-INVITE go on now? Answers it itself where it may not. */
static bool may_reinvite(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
			 const struct flow *f)
{
	const struct leg_invite *own = &c->leg[p->side].invite;
	const struct leg_invite *other = &c->leg[1 - p->side].invite;

	if (c->setup ? p->side == 0 : !own->ours && (own->open || own->wants_ack)) {
		reply_too_soon(s, c, m, f);
		return false;
	}
	if (c->setup || own->open || own->wants_ack || other->open || other->wants_ack) {
		reply_now(s, c, m, f, 491, STR_NONE);
		return false;
	}
	return true;
}

/* The SDP of a request, if it may come now. False: the request has been answered. */
static bool take_offer(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
		       const struct flow *f, struct call_sdp *out)
{
	bool prack = m->method == METHOD_PRACK;
	enum offer_mean mean =
		offer_check(pair_offer(c, p, p->side), prack ? OFFER_GOT_PRACK : OFFER_GOT_REQUEST);

	/* What may not be sent on now may not be taken. */
	bool goes_as_prack = prack && p->fork && p->fork->owed;
	if (mean == OFFER_NEW &&
	    offer_check(pair_offer(c, p, 1 - p->side),
			goes_as_prack ? OFFER_SENT_PRACK : OFFER_SENT_REQUEST) != mean)
		mean = OFFER_GLARE;
	switch (mean) {
	case OFFER_NEW:
	case OFFER_ANSWER: break;
	case OFFER_GLARE: reply_now(s, c, m, f, 491, STR_NONE); return false;
	case OFFER_TOO_SOON:
	case OFFER_PREVIEW:
	case OFFER_IGNORED:
	case OFFER_MEAN_COUNT: reply_too_soon(s, c, m, f); return false;
	}
	struct verdict v = call_check_sdp(s, c, p->side, call_sdp_of(m), out);
	out->mean = mean;
	out->source = &f->remote;
	if (v.outcome == VERDICT_ALLOW)
		return true;
	reply_refused(s, c, m, f, &v, p->side);
	return false;
}

/* May an INVITE without SDP ask for an offer now? False: it has been answered. */
static bool may_ask(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
		    const struct flow *f)
{
	enum offer_mean here = offer_check(pair_offer(c, p, p->side), OFFER_GOT_INVITE);

	if (here == OFFER_TOO_SOON)
		reply_too_soon(s, c, m, f);
	else if (here == OFFER_GLARE ||
		 offer_check(pair_offer(c, p, 1 - p->side), OFFER_SENT_INVITE) != OFFER_IGNORED)
		reply_now(s, c, m, f, 491, STR_NONE);
	else
		return true;
	return false;
}

static struct exchange *exchange_new(struct sbc *s, struct call *c, const struct pair *p,
				     const struct msg *m, const struct flow *f)
{
	id_t64 id;
	struct exchange *x =
		c->exchange_count < EXCHANGES_MAX ? pool_new(&s->exchanges, &id) : NULL;

	if (!x)
		return NULL;
	c->exchange_count++;
	*x = (struct exchange){.id = id,
			       .call = c->id,
			       .from = (uint8_t)p->side,
			       .method = (uint8_t)m->method,
			       .fork = p->serial,
			       .flow = *f};
	if (m->method == METHOD_PRACK && p->fork) {
		x->rack = p->fork->owed;
		p->fork->owed = 0;
	}
	list_add_tail(&c->exchanges, &x->node);
	timer_init(&x->alarm.timer);
	if (asker_serve(s, &x->asker, c->settings, m, f, id) != OK) {
		exchange_free(s, x);
		return NULL;
	}
	return x;
}

/* Its SDP goes on: by way of the relay, if that has the media. */
static void pass_offer(struct sbc *s, struct call *c, struct exchange *x, const struct pair *p,
		       const struct msg *m, const struct call_sdp *sdp)
{
	bool prack = x->method == METHOD_PRACK;

	offer_step(pair_offer(c, p, p->side), prack ? OFFER_GOT_PRACK : OFFER_GOT_REQUEST);
	offer_step(pair_offer(c, p, 1 - p->side), x->rack ? OFFER_SENT_PRACK : OFFER_SENT_REQUEST);
	x->offered = sdp->mean == OFFER_NEW;
	if (!c->media.anchored) {
		struct str face = call_face(s, c, 1 - p->side, sdp->text);
		if (face.len)
			exchange_pass(s, c, x, p, m, face);
		else
			exchange_refuse(s, c, x, 488, STR_NONE);
		return;
	}
	x->stage = EXCHANGE_OFFERING;
	x->held = block_str(&s->blocks, m->bytes);
	x->offer = block_str(&s->blocks, sdp->text);
	x->ask = x->held.len && x->offer.len ? call_ask_media(s, c, sdp) : ID_NONE;
	if (x->ask == ID_NONE)
		exchange_refuse(s, c, x, 500, STR_NONE);
}

void exchange_begin(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
		    const struct flow *f)
{
	struct call_sdp sdp;
	bool has_sdp = call_sdp_of(m).len &&
		       (exchange_refreshes((uint8_t)m->method) || m->method == METHOD_PRACK);

	if (exchange_refreshes((uint8_t)m->method) && !c->setup &&
	    !refresh_take_request(c, p->side, m)) {
		buf_reset(&s->lines);
		refresh_write_min(s, c, p->side);
		reply_now(s, c, m, f, 422, buf_view(&s->lines));
		return;
	}
	if (m->method == METHOD_INVITE && !may_reinvite(s, c, p, m, f))
		return;
	if (exchange_refreshes((uint8_t)m->method) && refresh_answer(s, c, p, m, f))
		return;
	if (has_sdp && !take_offer(s, c, p, m, f, &sdp))
		return;
	if (!has_sdp && m->method == METHOD_INVITE && !may_ask(s, c, p, m, f))
		return;
	struct exchange *x = exchange_new(s, c, p, m, f);
	if (!x) {
		transfer_passed(c, p->side, (uint8_t)m->method, 503);
		worker_reply(s, m, f, 503, STR_NONE, STR("Retry-After: 5\r\n"));
		return;
	}
	refresh_target(s, x, pair_dialog(c, p, p->side), m);
	if (m->method == METHOD_INVITE) {
		asker_answer(s, &x->asker, 100, STR_NONE, STR_NONE);
		leg_set_invite(
			&s->blocks, &c->leg[p->side],
			(struct leg_invite){.txn = x->asker.txn, .cseq = m->cseq, .open = true});
	}
	if (m->method == METHOD_INVITE && !has_sdp) {
		offer_step(pair_offer(c, p, p->side), OFFER_GOT_INVITE);
		offer_step(pair_offer(c, p, 1 - p->side), OFFER_SENT_INVITE);
		x->offered = true;
	}
	if (has_sdp)
		pass_offer(s, c, x, p, m, &sdp);
	else
		exchange_pass(s, c, x, p, m, STR_NONE);
}

void exchange_on_cancel(struct sbc *s, struct exchange *x, const struct msg *cancel)
{
	struct call *c = call_find(s, x->call);
	struct txn_effects fx = {.count = 0};

	if (NEVER(!c) || x->method != METHOD_INVITE)
		return;
	if (x->stage == EXCHANGE_OFFERING) {
		exchange_refuse(s, c, x, 487, STR_NONE);
		return;
	}
	/* Held until a provisional has come (RFC 3261 §9.1); then the other side's answer is passed on. */
	x->cancelled = true;
	buf_reset(&s->lines);
	if (call_carry(s, c, 1 - x->from, cancel, false) != OK)
		buf_reset(&s->lines);
	if (x->stage == EXCHANGE_RELAYED &&
	    txn_cancel(&s->txns, x->txn, buf_view(&s->lines), s->now_ms, &fx) == OK)
		worker_emit(s, &fx);
}

void exchange_on_alarm(struct sbc *s, struct exchange *x)
{
	struct txn_effects fx = {.count = 0};

	x->cancelled = true;
	if (x->stage == EXCHANGE_RELAYED &&
	    txn_cancel(&s->txns, x->txn, STR_NONE, s->now_ms, &fx) == OK)
		worker_emit(s, &fx);
}

/* ---- the end */

void exchange_refuse_all(struct sbc *s, struct call *c)
{
	while (!list_is_empty(&c->exchanges)) {
		struct exchange *x = LIST_OBJECT(c->exchanges.next, struct exchange, node);
		struct leg *l = &c->leg[1 - x->from];
		if (x->method == METHOD_INVITE && x->txn != ID_NONE && l->invite.txn == x->txn) {
			/* Its 2xx may still come: the call has the ACK for it while it lingers. */
			l->invite.open = false;
			call_leave_invite(s, c, x->txn);
		} else if (x->txn != ID_NONE) {
			txn_set_owner(&s->txns, x->txn, ID_NONE);
		}
		exchange_refuse(s, c, x, 487, STR_NONE); /* RFC 3261 §15.1.2 */
	}
}

void exchange_free_all(struct sbc *s, struct call *c)
{
	while (!list_is_empty(&c->exchanges))
		exchange_free(s, LIST_OBJECT(c->exchanges.next, struct exchange, node));
}
