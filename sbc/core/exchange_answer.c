#include "sbc/core/call_media.h"
#include "sbc/core/exchange.h"
#include "sbc/core/refresh.h"
#include "sbc/core/setup.h"
#include "sbc/core/transfer.h"

/* ---- the answer comes back */

/* 481 and 408 in a dialog end it (RFC 5057 §5.1); the rest is between the two of them. */
static uint16_t map_status(uint16_t status, uint8_t method)
{
	if (status == 408 && method != METHOD_INVITE) /* RFC 4320 §4.2 */
		return 481;
	return status == 481 || status == 400 ? status : call_map_status(status);
}

static void pass_answer(struct sbc *s, struct call *c, struct exchange *x, const struct msg *m,
			struct str sdp)
{
	bool accepted = m->status < 300;
	char contact[512];
	struct buf contact_buf;
	struct pair p;
	bool own_body = accepted && exchange_has_own_body(x->method, m);

	buf_init(&contact_buf, contact, sizeof(contact));
	buf_reset(&s->lines);
	if (accepted && (exchange_refreshes(x->method) || x->method == METHOD_OPTIONS))
		setup_write_abilities(s, c, x->from, m);
	if (accepted && exchange_refreshes(x->method) && !c->setup)
		refresh_write_answer(s, c, x->from);
	if (call_carry(s, c, x->from, m, own_body) != OK)
		buf_reset(&s->lines);
	struct str type = m->content_type, body = m->body;
	if (!own_body)
		body = call_body(s, c, accepted ? m : NULL, sdp, &type);
	struct build_response r = {
		.status = accepted ? m->status : map_status(m->status, x->method),
		.contact = accepted && (exchange_refreshes(x->method) ||
					(transfer_methods & 1u << x->method))
				   ? call_contact(c, x->from, &contact_buf)
				   : STR_NONE,
		.headers = buf_view(&s->lines),
		.content_type = type,
		.body = body,
	};
	bool invite = x->method == METHOD_INVITE, said = asker_respond(s, &x->asker, &r);
	transfer_passed(c, x->from, x->method, m->status);
	bool there = pair_of_serial(c, x->from, x->fork, &p);
	if (accepted && sdp.len) {
		call_show(s, c, x->from, sdp);
		if (x->shown.len)
			call_show(s, c, 1 - x->from, x->shown);
	}
	if (there && sdp.len)
		offer_step(pair_offer(c, &p, x->from), OFFER_SENT_RELIABLE);
	if (there && !accepted)
		exchange_restore_target(s, x, pair_dialog(c, &p, x->from));
	if (invite) {
		struct leg_invite *i = &c->leg[x->from].invite;
		i->open = false;
		i->wants_ack = accepted && said;
		txn_set_owner(&s->txns, x->asker.txn, c->id);
	}
	exchange_free(s, x);
	if (invite && accepted && !said) /* one side has agreed, the other cannot know */
		call_end(s, c, &(struct call_ending){.by = CDR_US, .cause = STR("internal")});
}

/* The relay cannot follow an SDP, or cannot be had: who asked is told which. */
static void refuse_media(struct sbc *s, struct call *c, struct exchange *x, const struct event *e,
			 const struct msg *m)
{
	struct verdict v = call_judge_relay(e);

	buf_reset(&s->lines);
	if (v.status == 488) {
		worker_refused(s, c->settings, &c->leg[x->from].flow, m, c->leg[x->from].trunk, &v);
		if (refuse_write_headers(&s->lines, &v, m, &worker_abilities) != OK)
			buf_reset(&s->lines);
	}
	exchange_refuse(s, c, x, v.status == 488 ? 488 : 500, buf_view(&s->lines));
}

/* What the other side agreed to cannot stand: the one who asked is told, and the call ends. */
static void break_off(struct sbc *s, struct call *c, struct exchange *x, uint16_t status,
		      struct str rule)
{
	struct call_ending why = {.by = CDR_US, .rule = rule};

	exchange_refuse(s, c, x, status, STR_NONE);
	if (c->setup) /* the INVITE wants its answer, too */
		call_refuse(s, c, status, STR_NONE, STR_NONE, &why);
	else
		call_end(s, c, &why);
}

/* The SDP of a 2xx: the answer to the asker's offer, or an offer that its ACK will answer. */
static void pass_answer_sdp(struct sbc *s, struct call *c, struct exchange *x, const struct msg *m,
			    const struct flow *f, enum offer_mean mean)
{
	unsigned side = 1 - x->from;
	struct call_sdp sdp;
	struct pair p;
	struct verdict v = call_check_sdp(s, c, side, call_sdp_of(m), &sdp);

	sdp.mean = mean;
	sdp.source = &f->remote;
	if (v.outcome != VERDICT_ALLOW) {
		worker_refused(s, c->settings, f, m, c->leg[side].trunk, &v);
		break_off(s, c, x, 488, v.rule);
		return;
	}
	if (pair_of_serial(c, x->from, x->fork, &p))
		offer_step(pair_offer(c, &p, side), OFFER_GOT_RELIABLE);
	media_note(&c->media, side, sdp.text);
	if (c->setup)
		c->setup->renewed = x->fork;
	if (mean == OFFER_ANSWER)
		call_agree(s, c, x->from, x->offer, sdp.text);
	else
		call_agree(s, c, side, sdp.text, STR_NONE);
	if (!c->media.anchored) {
		pass_answer(s, c, x, m, call_face(s, c, x->from, sdp.text));
		return;
	}
	x->stage = EXCHANGE_ANSWERING;
	block_str_free(&s->blocks, &x->held);
	x->held = block_str(&s->blocks, m->bytes);
	x->ask = x->held.len ? call_ask_media(s, c, &sdp) : ID_NONE;
	if (x->ask == ID_NONE)
		break_off(s, c, x, 500, STR("relay"));
}

/* The INVITE to the other side has its 2xx: ACK at once, unless the asker's ACK will bring the answer. */
static void close_invite(struct sbc *s, struct call *c, struct exchange *x, struct dialog *d,
			 bool ack_waits)
{
	struct leg_invite *i = &c->leg[1 - x->from].invite;

	worker_stop_alarm(s, &x->alarm);
	i->open = false;
	i->wants_ack = ack_waits;
	txn_set_owner(&s->txns, x->txn, c->id);
	if (!ack_waits)
		call_send_ack(s, c, 1 - x->from, d, x->cseq, STR_NONE);
}

static void on_accepted(struct sbc *s, struct call *c, struct exchange *x, const struct pair *p,
			const struct msg *m, const struct flow *f)
{
	unsigned side = 1 - x->from;
	struct dialog *d = pair_dialog(c, p, side);
	enum offer_mean mean = offer_check(pair_offer(c, p, side), OFFER_GOT_RELIABLE);
	bool invite = x->method == METHOD_INVITE;
	bool carries = call_sdp_of(m).len &&
		       (exchange_refreshes(x->method) || x->method == METHOD_PRACK) &&
		       (mean == OFFER_ANSWER || (mean == OFFER_NEW && invite));

	if (exchange_refreshes(x->method) && leg_refresh_target(&s->blocks, d, m) != OK)
		carries = false; /* a broken answer; what it agrees to is not known */
	if (exchange_refreshes(x->method) && !c->setup)
		refresh_on_answer(s, c, side, m);
	if (invite)
		close_invite(s, c, x, d, carries && mean == OFFER_NEW);
	if (carries) {
		pass_answer_sdp(s, c, x, m, f, mean);
		return;
	}
	if (invite || x->offered) /* accepted without the SDP that it owes: nothing was agreed */
		exchange_refuse(s, c, x, 500, STR_NONE);
	else
		pass_answer(s, c, x, m, STR_NONE);
}

/* That side wants credentials: the same request, once more. False: it stays a refusal. */
static bool authenticate(struct sbc *s, struct call *c, struct exchange *x, const struct pair *p,
			 const struct msg *m)
{
	unsigned to = 1 - x->from;
	id_t64 txn = ID_NONE;

	if (!x->cancelled)
		txn = auth_again(s, &(struct auth_again){.txn = x->txn,
							 .trunk = c->leg[to].trunk,
							 .settings = c->settings,
							 .answer = m,
							 .dialog = pair_dialog(c, p, to),
							 .cseq = &x->cseq,
							 .owner = x->id});
	if (txn == ID_NONE)
		return false;
	x->txn = txn;
	if (x->method == METHOD_INVITE) {
		c->leg[to].invite.txn = txn;
		c->leg[to].invite.cseq = x->cseq;
	}
	return true;
}

void exchange_on_response(struct sbc *s, struct exchange *x, id_t64 txn, const struct msg *m,
			  const struct flow *f)
{
	struct call *c = call_find(s, x->call);
	struct pair p;

	if (NEVER(!c) || x->txn != txn)
		return;
	if (m->status < 200) {
		if (x->method == METHOD_INVITE) {
			struct txn_effects fx = {.count = 0};
			worker_alarm(s, &x->alarm, ALARM_EXCHANGE,
				     s->now_ms + c->settings->timers.c_ms);
			if (x->cancelled &&
			    txn_cancel(&s->txns, txn, STR_NONE, s->now_ms, &fx) == OK)
				worker_emit(s, &fx);
		}
		return;
	}
	if (x->stage != EXCHANGE_RELAYED) { /* a 2xx again, while the relay thinks */
		if (m->status < 300 && x->method == METHOD_INVITE &&
		    pair_of_serial(c, x->from, x->fork, &p) &&
		    !c->leg[1 - x->from].invite.wants_ack)
			call_send_ack(s, c, 1 - x->from, pair_dialog(c, &p, 1 - x->from), x->cseq,
				      STR_NONE);
		return;
	}
	if (!pair_of_serial(c, x->from, x->fork, &p)) {
		exchange_refuse(s, c, x, 481, STR_NONE);
		return;
	}
	if (m->status < 300) {
		on_accepted(s, c, x, &p, m, f);
		return;
	}
	if (authenticate(s, c, x, &p, m))
		return;
	bool lost = dialog_is_lost(m->status, (enum method)x->method);
	if (m->status == 422) { /* it learns from it; who asked comes again, and then it fits */
		refresh_on_refusal(s, c, 1 - x->from, m);
		exchange_refuse(s, c, x, 500, STR("Retry-After: 0\r\n"));
		return;
	}
	exchange_take_back(s, c, x, &p);
	if (x->method == METHOD_INVITE)
		c->leg[1 - x->from].invite.open = false;
	pass_answer(s, c, x, m, STR_NONE);
	if (lost)
		call_lost(s, c);
}

void exchange_on_report(struct sbc *s, struct exchange *x, id_t64 txn, enum txn_report report)
{
	struct call *c = call_find(s, x->call);
	enum method method = (enum method)x->method;

	if (NEVER(!c))
		return;
	switch (report) {
	case TXN_REPORT_TIMEOUT:
	case TXN_REPORT_FAILED:
		if (x->txn != txn || x->stage != EXCHANGE_RELAYED)
			return;
		if (report == TXN_REPORT_FAILED) {
			exchange_refuse(s, c, x, 500, STR_NONE);
			return;
		}
		exchange_refuse(s, c, x, 408, STR_NONE);
		if (dialog_is_lost(408, method))
			call_lost(s, c);
		return;
	case TXN_REPORT_SLOW: asker_answer(s, &x->asker, 100, STR_NONE, STR_NONE); return;
	case TXN_REPORT_NO_ACK: /* of a refusal: the machine has given up, nothing is to be done */
	case TXN_REPORT_COUNT: return;
	}
}

/* ---- the relay's word */

static void on_exchange_media(struct sbc *s, struct call *c, struct exchange *x,
			      const struct event *e, struct str sdp)
{
	struct pair p;
	struct str held = x->held;

	x->held = STR_NONE;
	x->ask = ID_NONE;
	bool known = msg_index(&s->held, held, 0) == OK;
	bool ok = sdp.len && pair_of_serial(c, x->from, x->fork, &p) && known;
	bool offering = x->stage == EXCHANGE_OFFERING;
	struct str face = ok ? call_face(s, c, offering ? 1 - x->from : x->from, sdp) : STR_NONE;
	if (face.len && offering) {
		exchange_pass(s, c, x, &p, &s->held, face);
	} else if (face.len) {
		media_note(&c->media, x->from, face);
		pass_answer(s, c, x, &s->held, face);
	} else if (offering && known && sdp.len == 0) {
		refuse_media(s, c, x, e, &s->held);
	} else if (offering) {
		exchange_refuse(s, c, x, 500, STR_NONE);
	} else {
		struct verdict v = call_judge_relay(e);
		break_off(s, c, x, v.status == 488 ? 488 : 500, v.rule);
	}
	block_str_free(&s->blocks, &held);
}

bool exchange_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e)
{
	struct str sdp = e->relay.result == RELAY_RESULT_OK
				 ? dict_get_str(e->relay.reply, STR("sdp"))
				 : STR_NONE;

	list_each (n, &c->exchanges) {
		struct exchange *x = LIST_OBJECT(n, struct exchange, node);
		if (x->ask == ask) {
			on_exchange_media(s, c, x, e, sdp);
			return true;
		}
	}
	return false;
}
