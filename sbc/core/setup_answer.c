#include "sbc/core/setup.h"

#include "sbc/core/call_media.h"
#include "sbc/core/duration.h"
#include "sbc/core/late_offer.h"
#include "sbc/core/refresh.h"
#include "sbc/core/transfer.h"
#include "sbc/core/fraud_watch.h"

/*
 * The callee's answer (RFC 3261 §13.2.2.4): its ACK, its SDP through the relay, the 200 to the caller. The fork that it is of
 * gives its dialogs to the call.
 */

/* Offer and answer of both legs, as this early dialog has them. */
static struct offer *offers_of(struct call *c, struct fork *f)
{
	return f ? f->offer : c->offer;
}

/* ---- to the caller */

/* The answer to A's INVITE, in its words; `sdp` as A is to see it. False: A's transaction has gone. */
bool setup_answer_caller(struct sbc *s, struct call *c, struct fork *f, const struct msg *m,
			 struct str sdp, uint32_t rseq)
{
	struct setup *u = c->setup;
	char contact[512];
	struct buf contact_buf;

	buf_init(&contact_buf, contact, sizeof(contact));
	buf_reset(&s->lines);
	if (m->status >= 200 || rseq)
		setup_write_abilities(s, c, 0, m);
	if (m->status >= 200)
		refresh_write_answer(s, c, 0);
	if (rseq)
		buf_printf(&s->lines, "Require: 100rel\r\nRSeq: %u\r\n", rseq);
	if (call_carry(s, c, 0, m, false) != OK)
		buf_reset(&s->lines);
	struct str type, body = call_body(s, c, m, sdp, &type);
	struct build_response r = {
		.status = m->status,
		.to_tag = dialog_get(fork_dialog(c, f, 0), DIALOG_LOCAL_TAG),
		.record_route = true,
		.contact = call_contact(c, 0, &contact_buf),
		.headers = buf_view(&s->lines),
		.content_type = type,
		.body = body,
	};
	if (sdp.len)
		offer_step(&offers_of(c, f)[0],
			   m->status >= 200 || rseq ? OFFER_SENT_RELIABLE : OFFER_SENT_PREVIEW);
	return asker_respond(s, &u->asker, &r);
}

/* ---- 2xx */

/* The winner's dialogs become the call's. */
static void take_winner(struct sbc *s, struct call *c, struct fork *f)
{
	leg_dialog_free(&s->blocks, &c->leg[1].dialog);
	c->leg[1].dialog = f->dialog[1];
	f->dialog[1] = (struct dialog){.text = NULL};
	if (f->own) {
		leg_dialog_free(&s->blocks, &c->leg[0].dialog);
		c->leg[0].dialog = f->dialog[0];
		f->dialog[0] = (struct dialog){.text = NULL};
		f->own = false;
	}
	c->offer[0] = f->offer[0];
	c->offer[1] = f->offer[1];
	c->winner = f->serial;
	prack_stop(&f->told);
	c->told = f->told;
}

static void note_answer(struct sbc *s, struct call *c)
{
	struct call_record *r = &c->record;

	r->answer_ms = s->now_ms;
	r->status = 200;
	if (r->attempt_count) {
		struct call_attempt *a = &r->attempts[r->attempt_count - 1];
		a->status = 200;
		a->ms = (uint32_t)(s->now_ms - a->start_ms);
		peers_call_judged(s, c, 200, 0);
	}
	if (r->attempt_count) { /* a callee that another call lent was not tried */
		char mem[320];
		struct buf name;
		buf_init(&name, mem, sizeof(mem));
		struct notice n = call_notice(s, c, NOTICE_ATTEMPT_ENDED, &name);
		n.trunk = c->leg[1].trunk;
		n.peer = c->leg[1].peer;
		n.status = 200;
		worker_publish(s, &n);
	}
	call_tell(s, c, NOTICE_CALL_ANSWERED);
	fraud_watch_answered(s, c);
	duration_begin(s, c);
}

/* What is in force now, should a later offer be refused. */
static void note_agreed(struct sbc *s, struct call *c, const struct fork *f, const struct msg *m)
{
	const struct setup *u = c->setup;
	struct str sdp = f->raw.len ? f->raw : call_sdp_of(m), offer = setup_offer(u);

	if (u->renewed && u->renewed == f->serial)
		return; /* an UPDATE has said it since */
	switch ((enum setup_late)u->late) {
	case SETUP_LATE_NOT:
		if (u->has_offer)
			call_agree(s, c, 0, offer, sdp);
		else /* its offer; the answer comes with the ACK */
			call_agree(s, c, 1, sdp, STR_NONE);
		break;
	case SETUP_LATE_WROTE: call_agree(s, c, 1, sdp, STR_NONE); break;
	case SETUP_LATE_KEPT: call_agree(s, c, 1, sdp, offer); break;
	case SETUP_LATE_COUNT: break;
	}
}

/* All is there: 200 to the caller. */
static void finish(struct sbc *s, struct call *c, struct fork *f, const struct msg *m,
		   struct str sdp)
{
	struct setup *u = c->setup;
	struct asker asker = u->asker;
	bool lent = transfer_has_caller(s, c);

	/* The answer that the caller has only been shown, or not even that, must be in the 200. */
	if (sdp.len == 0 && f->offer[0].state == OFFER_THEIRS)
		sdp = f->sdp;
	if (offer_check(&f->offer[0], OFFER_SENT_RELIABLE) == OFFER_IGNORED)
		sdp = STR_NONE; /* agreed before: RFC 6337 §3.1.1 */
	struct str kept = lent ? block_str(&s->blocks, sdp) : STR_NONE;
	bool sent = setup_answer_caller(s, c, f, m, sdp, 0) || lent;

	note_agreed(s, c, f, m);
	if (!u->renewed || u->renewed != f->serial)
		call_show(s, c, 0, sdp.len ? sdp : f->sdp);
	take_winner(s, c, f);
	c->wrote_offer = u->late == SETUP_LATE_WROTE;
	c->leg[0].dialog.confirmed = true;
	c->leg[0].invite.open = false;
	c->leg[0].invite.wants_ack = !lent;
	c->leg[0].invite.txn = asker.txn;
	c->state = CALL_ANSWERED;
	s->counts.confirmed++;
	note_answer(s, c);
	setup_free(s, &c->setup);
	if (!sent) {
		c->leg[0].invite.wants_ack = false;
		call_end(s, c,
			 &(struct call_ending){
				 .by = CDR_US, .cause = STR("internal"), .told = {true, false}});
	} else if (lent) {
		transfer_on_answer(s, c, kept);
	} else {
		transfer_on_finish(s, c);
	}
	block_str_free(&s->blocks, &kept);
}

/* RFC 3262 §3: the caller has not acknowledged yet what an 18x told it of the session. */
static void finish_or_wait(struct sbc *s, struct call *c, struct fork *f, const struct msg *m,
			   struct str sdp)
{
	if (!prack_holds_answer(&f->told)) {
		finish(s, c, f, m, sdp);
		return;
	}
	struct str kept = block_str(&s->blocks, m->bytes);
	block_str_free(&s->blocks, &f->held);
	f->held = kept;
}

void setup_acknowledged_answer(struct sbc *s, struct call *c, struct fork *f)
{
	struct str held = f->held;

	if (f->ask != ID_NONE || held.len == 0 || prack_holds_answer(&f->told))
		return;
	f->held = STR_NONE;
	if (msg_index(&s->held, held, 0) == OK)
		finish(s, c, f, &s->held, STR_NONE);
	block_str_free(&s->blocks, &held);
}

/* The callee's INVITE transaction is the leg's from here: 2xx that come again find their ACK there. */
static void open_callee(struct call *c, bool ack_waits)
{
	struct setup *u = c->setup;

	c->leg[1].invite = (struct leg_invite){
		.txn = u->txn, .cseq = u->cseq, .ours = true, .wants_ack = ack_waits};
}

/* Its 2xx again, or one of another branch. */
static void on_another(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	struct setup *u = c->setup;
	struct dialog *d = fork_dialog(c, u->answered, 1);

	if (!dialog_has_response(d, m))
		call_on_orphan(s, u->txn, m, f, true);
	else if (!c->leg[1].invite.wants_ack)
		call_send_ack(s, c, 1, d, u->cseq, STR_NONE);
}

/* No (new) SDP in the 2xx: what did its 18x say? */
static enum sdp_next take_shown(struct sbc *s, struct call *c, struct fork *k,
				const struct flow *from, struct verdict *out)
{
	struct setup *u = c->setup;

	if (k->offer[1].state == OFFER_OURS && k->offer[1].preview)
		offer_step(&k->offer[1], OFFER_GOT_RELIABLE);
	if (k->ask != ID_NONE)
		return SDP_ASKED; /* the relay has it still */
	if (k->raw.len == 0 || !c->media.anchored)
		return SDP_NONE;
	if (u->late == SETUP_LATE_WROTE)
		return late_offer_ask_caller(s, c, k, out);
	if (u->media_fork != k->serial && k->offer[1].state == OFFER_AGREED)
		return setup_ask_again(s, c, k, from, out);
	return SDP_NONE;
}

void setup_on_answer(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	struct setup *u = c->setup;
	struct verdict v = {.outcome = VERDICT_ALLOW};

	if (u->stage == SETUP_ANSWERING) {
		on_another(s, c, m, f);
		return;
	}
	worker_stop_alarm(s, &u->alarm);
	struct fork *k = fork_of_response(s, c, m);
	if (!k) { /* no dialog can be made of it: it is ended where it came from */
		call_on_orphan(s, u->txn, m, f, false);
		setup_failed(s, c, 502, 0);
		return;
	}
	u->stage = SETUP_ANSWERING;
	u->answered = k;
	refresh_on_answer(s, c, 1, m);
	/* Its SDP is an offer: the ACK has the answer. */
	bool late = k->offer[1].state == OFFER_NONE;
	enum sdp_next next = setup_take_sdp(s, c, k, m, f, &v);
	if (next == SDP_NONE)
		next = take_shown(s, c, k, f, &v);
	open_callee(c, late && next != SDP_NONE && next != SDP_REFUSED);
	if (!c->leg[1].invite.wants_ack && !transfer_has_callee(s, c))
		call_send_ack(s, c, 1, &k->dialog[1], u->cseq, STR_NONE);
	switch (next) {
	case SDP_NONE:
		if (k->offer[1].ever || k->offer[1].state == OFFER_AGREED)
			finish_or_wait(s, c, k, m, STR_NONE);
		else /* it has agreed to nothing: what would the caller be told? */
			call_refuse(
				s, c, 502, STR_NONE, STR_NONE,
				&(struct call_ending){.by = CDR_US, .cause = STR("no_answer_sdp")});
		break;
	case SDP_AGAIN: finish_or_wait(s, c, k, m, k->sdp); break;
	case SDP_PLAIN: {
		struct str sdp = call_face(s, c, 0, k->raw);
		setup_keep_face(s, c, k, sdp);
		finish_or_wait(s, c, k, m, k->sdp);
		break;
	}
	case SDP_ASKED: setup_hold(s, k, m); break;
	case SDP_REFUSED: setup_refuse_sdp(s, c, m, &v); break;
	}
}

/* ---- the relay's word */

/* It has no SDP for us. In an 18x that is a pity, in the answer it is the end. */
static void no_media(struct sbc *s, struct call *c, struct fork *k, const struct msg *m,
		     const struct event *e)
{
	if (m->status < 200) {
		setup_pass_ringing(s, c, k, m, STR_NONE);
		return;
	}
	struct verdict v = call_judge_relay(e);
	struct call_ending why = {.by = CDR_US, .cause = STR("relay")};
	if (v.status == 488)
		call_refuse_by(s, c, m, &v);
	else
		call_refuse(s, c, 500, STR_NONE, STR_NONE, &why);
}

static void on_face(struct sbc *s, struct call *c, struct fork *k, const struct msg *m,
		    const struct event *e, struct str reply)
{
	struct str sdp = call_face(s, c, 0, reply);

	if (sdp.len == 0) {
		no_media(s, c, k, m, e);
		return;
	}
	setup_keep_face(s, c, k, sdp);
	if (m->status < 200)
		setup_pass_ringing(s, c, k, m, sdp);
	else
		finish_or_wait(s, c, k, m, sdp);
}

/* The step after this one; the message is held until the last. */
static void go_on(struct sbc *s, struct call *c, struct fork *k, const struct msg *m,
		  enum sdp_next next, const struct verdict *v)
{
	if (next == SDP_ASKED)
		setup_hold(s, k, m);
	else
		setup_refuse_sdp(s, c, m, v);
}

/* Our own answer to the callee's late offer is there, and what the caller gets. */
static void on_late_answer(struct sbc *s, struct call *c, struct fork *k, const struct msg *m,
			   struct str reply)
{
	struct str ack = block_str(&s->blocks, call_face(s, c, 1, reply));

	media_note(&c->media, 1, ack);
	if (m->status < 200) { /* it is a reliable one: PRACK has the answer */
		setup_send_prack(s, c, k, k->owed, ack);
		k->owed = 0;
		setup_pass_ringing(s, c, k, m, k->sdp);
	} else {
		finish(s, c, k, m, k->sdp);
		if (c->leg[1].invite.wants_ack)
			call_ack(s, c, 1, ack);
	}
	block_str_free(&s->blocks, &ack);
}

void setup_on_fork_media(struct sbc *s, struct call *c, struct fork *k, const struct event *e)
{
	struct setup *u = c->setup;
	struct str held = k->held, reply = STR_NONE;
	struct verdict v = {.outcome = VERDICT_ALLOW};

	k->held = STR_NONE;
	k->ask = ID_NONE;
	if (held.len == 0 || msg_index(&s->held, held, 0) != OK) { /* no memory to keep it */
		block_str_free(&s->blocks, &held);
		if (u->answered == k)
			call_refuse(s, c, 500, STR_NONE, STR_NONE,
				    &(struct call_ending){.by = CDR_US, .cause = STR("internal")});
		return;
	}
	const struct msg *m = &s->held;
	if (e->relay.result == RELAY_RESULT_OK)
		reply = dict_get_str(e->relay.reply, STR("sdp"));
	if (u->stage == SETUP_ANSWERING && u->answered != k) {
		/* another branch has answered meanwhile: this one is not heard any more */
	} else if (reply.len == 0) {
		no_media(s, c, k, m, e);
	} else if (k->asked == FORK_ASKED_FACE) {
		on_face(s, c, k, m, e, reply);
	} else if (k->asked == FORK_ASKED_TAKEN && m->status < 200) {
		setup_pass_ringing(s, c, k, m, STR_NONE);
	} else if (k->asked == FORK_ASKED_TAKEN) {
		go_on(s, c, k, m, late_offer_ask_caller(s, c, k, &v), &v);
	} else if (k->asked == FORK_ASKED_COUNTER) {
		go_on(s, c, k, m, late_offer_ask_answer(s, c, k, reply, &v), &v);
	} else {
		on_late_answer(s, c, k, m, reply);
	}
	block_str_free(&s->blocks, &held);
}
