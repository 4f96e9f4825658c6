#include "sbc/core/in_dialog.h"

#include "sbc/core/call_media.h"
#include "sbc/core/exchange.h"
#include "sbc/core/keep.h"
#include "sbc/core/keys.h"
#include "sbc/core/late_offer.h"
#include "sbc/core/own.h"
#include "sbc/core/pair.h"
#include "sbc/core/reply.h"
#include "sbc/core/setup.h"
#include "sbc/core/transfer.h"

/* ---- BYE */

static void on_bye(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
		   const struct flow *f)
{
	char mem[2048];
	struct call_ending why = {.by = p->side == 0 ? CDR_CALLER : CDR_CALLEE,
				  .q850 = call_q850(m)};

	reply_now(s, c, m, f, 200, STR_NONE);
	if (c->transfer != ID_NONE && transfer_on_bye(s, c, p->side))
		return;
	buf_reset(&s->lines);
	if (call_carry(s, c, 1 - p->side, m, false) == OK && s->lines.len <= sizeof(mem)) {
		memcpy(mem, s->lines.p, s->lines.len);
		why.reason_lines[1 - p->side] = (struct str){mem, s->lines.len};
	}
	call_stop_waiting(s, c, p->side);
	why.told[p->side] = true;
	if (!c->setup)
		call_end(s, c, &why);
	else if (p->side == 0)
		call_refuse(s, c, 487, STR_NONE, STR_NONE, &why);
	else if (c->setup->stage == SETUP_ANSWERING)
		call_refuse(s, c, 480, STR_NONE, STR_NONE, &why);
}

/* A BYE that crossed ours. */
static void on_straggler(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
			 const struct flow *f)
{
	bool bye = m->method == METHOD_BYE;

	reply_now(s, c, m, f, bye ? 200 : 481, STR_NONE);
	if (!bye)
		return;
	struct leg *l = &c->leg[p->side];
	l->ended = true;
	if (l->bye_wanted) {
		l->bye_wanted = false;
		l->invite.wants_ack = false;
		call_after_ack(s, c, p->side);
	}
}

/*
 * Each side is reliable by itself (setup_ringing.c): a PRACK ends here, unless its SDP is for the other side. An answer goes
 * on in the PRACK that the other side waits for, an offer in an UPDATE.
 */
static void on_prack(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
		     const struct flow *f)
{
	const struct fork *k = p->fork;
	/* The callee's offer waits for its answer in this PRACK, if this is the PRACK of the 18x that showed it. */
	const bool answers = k && k->owed && k->told.sdp;
	uint16_t status = p->side == 0 ? setup_take_prack(c, p->fork, m) : 481;
	bool goes_on = call_sdp_of(m).len > 0 || answers;

	if (status == 200 && goes_on && k && !k->owed && !k->updates)
		reply_now(s, c, m, f, 488, STR_NONE); /* acknowledged for all that */
	else if (status == 200 && goes_on)
		exchange_begin(s, c, p, m, f);
	else
		reply_now(s, c, m, f, status, STR_NONE);
	if (status == 200)
		setup_acknowledged(s, c, p->serial);
}

void in_dialog_on_request(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f,
			  const struct tls_facts *tls)
{
	struct pair p;

	if (!pair_of_message(c, m, &p)) {
		worker_reply(s, m, f, 481, STR_NONE, STR_NONE);
		return;
	}
	struct dialog *d = pair_dialog(c, &p, p.side);
	if (!leg_is_believed(&c->leg[p.side], d, c->settings, f, tls)) {
		struct verdict v = {.outcome = VERDICT_REJECT,
				    .stage = VERDICT_STAGE_IDENTIFY,
				    .status = 403,
				    .rule = STR("dialog-source")};
		worker_refused(s, c->settings, f, m, c->leg[p.side].trunk, &v);
		worker_reply(s, m, f, 403, STR_NONE, STR_NONE);
		return;
	}
	if (c->keep)
		keep_learn_flow(c, p.side, f);
	/* A PRACK that an UPDATE has overtaken still counts, by its RAck: else the call would end for want of it. And who has
	 * hung up has, whatever he said after it that came before it. */
	if (dialog_take_cseq(d, m) != OK && m->method != METHOD_PRACK && m->method != METHOD_BYE) {
		reply_now(s, c, m, f, 500, STR_NONE);
		return;
	}
	if (c->state >= CALL_ENDING) {
		on_straggler(s, c, &p, m, f);
		return;
	}
	/* It has hung up while a transfer goes on; its subscription lives as long as that does (RFC 5057 §5.2). */
	if (c->leg[p.side].ended && m->method != METHOD_BYE && m->method != METHOD_SUBSCRIBE) {
		reply_now(s, c, m, f, 481, STR_NONE);
		return;
	}
	struct refuse_params abilities = worker_abilities_in(c->settings, call_realm(c, p.side));
	abilities.methods |= transfer_methods;
	struct verdict v = refuse_request(m, &abilities);
	if (v.outcome != VERDICT_ALLOW) {
		reply_refused(s, c, m, f, &v, p.side);
		return;
	}
	if (m->method == METHOD_BYE)
		on_bye(s, c, &p, m, f);
	else if (m->method == METHOD_PRACK)
		on_prack(s, c, &p, m, f);
	else if (transfer_on_request(s, c, p.side, m, f))
		return;
	else if (transfer_is_alone(c, p.side))
		reply_too_soon(s, c, m, f);
	else if (m->method == METHOD_INFO && keys_on_info(s, c, p.side, m, f))
		return;
	else
		exchange_begin(s, c, &p, m, f);
}

static void without_answer(struct sbc *s, struct call *c, unsigned side, struct str rule)
{
	call_ack(s, c, side, STR_NONE);
	call_end(s, c,
		 &(struct call_ending){.by = CDR_US, .rule = rule, .cause = STR("no_answer_sdp")});
}

/* The answer to the offer in our 2xx: to the relay, then on in the ACK (RFC 3264 §4). */
static void take_late_answer(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
			     const struct flow *f)
{
	struct str text = call_sdp_of(m);
	struct call_sdp sdp;

	if (text.len == 0 || offer_check(&c->offer[side], OFFER_GOT_ACK) != OFFER_ANSWER) {
		without_answer(s, c, 1 - side, STR_NONE);
		return;
	}
	struct verdict v = call_check_sdp(s, c, side, text, &sdp);
	sdp.mean = OFFER_ANSWER;
	sdp.source = &f->remote;
	if (v.outcome != VERDICT_ALLOW) {
		worker_refused(s, c->settings, f, m, c->leg[side].trunk, &v);
		without_answer(s, c, 1 - side, v.rule);
		return;
	}
	offer_step(&c->offer[side], OFFER_GOT_ACK);
	media_note(&c->media, side, text);
	block_str_free(&s->blocks, &c->agreed[side]);
	c->agreed[side] = block_str(&s->blocks, text);
	c->agreed_by = (uint8_t)(1 - side);
	if (!c->media.anchored) {
		call_ack(s, c, 1 - side, call_face(s, c, 1 - side, text));
		return;
	}
	c->ack_ask = call_ask_media(s, c, &sdp);
	c->ack_side = (uint8_t)(1 - side);
	if (c->ack_ask == ID_NONE)
		without_answer(s, c, 1 - side, STR_NONE);
}

void in_dialog_take_answer(struct sbc *s, struct call *c, unsigned side, const struct msg *m,
			   const struct flow *f)
{
	const struct leg_invite *other = &c->leg[1 - side].invite;

	if (c->state == CALL_CONFIRMED && other->ours && other->wants_ack)
		take_late_answer(s, c, side, m, f);
	else if (c->state == CALL_CONFIRMED && side == 0 && c->wrote_offer)
		late_offer_on_ack(s, c, m, f);
}

void in_dialog_on_ack(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f,
		      const struct tls_facts *tls)
{
	struct pair p;

	if (!pair_of_message(c, m, &p) ||
	    !leg_is_believed(&c->leg[p.side], &c->leg[p.side].dialog, c->settings, f, tls)) {
		worker_dropped(s, f, NOTICE_DROP_STRAY_ACK);
		return;
	}
	struct leg *l = &c->leg[p.side];
	if (p.fork || l->invite.ours || l->invite.open || l->invite.cseq != m->cseq)
		return; /* of an INVITE before the last */
	txn_acked(&s->txns, l->invite.txn, s->now_ms);
	if (!l->invite.wants_ack)
		return; /* again */
	l->invite.wants_ack = false;
	if (c->state == CALL_ANSWERED)
		c->state = CALL_CONFIRMED;
	in_dialog_take_answer(s, c, p.side, m, f);
	call_after_ack(s, c, p.side);
	own_look(s, c);
}

/* ---- the relay's word */

/* The answer to a late offer, for the ACK that waits for it. */
static bool on_late_media(struct sbc *s, struct call *c, id_t64 ask, const struct event *e)
{
	if (c->ack_ask != ask || ask == ID_NONE)
		return false;
	c->ack_ask = ID_NONE;
	struct str sdp = e->relay.result == RELAY_RESULT_OK
				 ? dict_get_str(e->relay.reply, STR("sdp"))
				 : STR_NONE;
	struct str face = sdp.len ? call_face(s, c, c->ack_side, sdp) : STR_NONE;
	if (face.len) {
		media_note(&c->media, c->ack_side, face);
		call_ack(s, c, c->ack_side, face);
	} else {
		without_answer(s, c, c->ack_side, STR_NONE);
	}
	own_look(s, c);
	return true;
}

bool in_dialog_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e)
{
	return on_late_media(s, c, ask, e) || exchange_on_relay(s, c, ask, e);
}
