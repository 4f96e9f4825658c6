#include "common/check.h"
#include "tests/sim/ua_inside.h"

void ua_got_invite(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	if (u->plan.require && !ua_supports(m, u->plan.require)) {
		ua_refuse(u, x, 421);
		return;
	}
	if (sip_text_header(m, "Replaces", 0).len && !ua_replaced(u, m)) {
		ua_refuse(u, x, 481);
		return;
	}
	if (!ua_is_proved(u, m, x) || ua_timer_refuses(u, m, x))
		return;
	u->invited++;
	if (u->plan.step_count == 0 && !sip_text_header(m, "Replaces", 0).len) {
		ua_refuse(u, x, 480);
		return;
	}
	if (u->plan.wants_rel && !ua_supports(m, "100rel")) {
		ua_refuse(u, x, 421);
		return;
	}
	x->answer_ms = ua_now(u);
	ua_trigger(u, UA_AFTER_START);
}

void ua_got_cancel(struct ua *u, const struct sip_text *m, struct ua_txn *x)
{
	struct ua_txn *invite = NULL;
	for (int i = 0; i < UA_TXNS; i++) {
		struct ua_txn *o = &u->txns[i];
		if (o->state != UA_TXN_FREE && !o->client && o->invite &&
		    str_eq(o->branch, m->branch) && str_ieq(o->sent_by, m->sent_by))
			invite = o;
	}
	if (!invite) {
		ua_refuse(u, x, 481);
		return;
	}
	if (!invite->tags[0].len)
		invite->tags[0] = ua_make_token(u, "t");
	ua_respond(u, x, &(struct ua_response){.status = 200, .to_tag = invite->tags[0]});
	if (invite->state == UA_TXN_DONE || u->plan.deaf_to_cancel)
		return;
	invite->rel_pending = false;
	ua_respond(u, invite, &(struct ua_response){.status = 487, .to_tag = invite->tags[0]});
	if (invite->dialog != UA_NONE) { /* of a re-INVITE: what was offered is off */
		ua_talk_drop(&ua_dialog_of(u, invite)->talk, UA_TALK_THEIRS);
		invite->answer_ms = 0;
		return;
	}
	for (int i = 0; i < UA_DIALOGS; i++)
		if (u->dialogs[i].state == UA_DIALOG_EARLY &&
		    str_eq(u->dialogs[i].call_id, m->call_id))
			ua_end_dialog(u, &u->dialogs[i]);
}

/* ---- the plan's answers, one by one */

/* When the plan's next answer to this INVITE is due; 0: none. */
uint64_t ua_step_ms(const struct ua *u, const struct ua_txn *x)
{
	if (x->client || !x->invite || x->dialog != UA_NONE || !x->answer_ms ||
	    x->next_step >= u->plan.step_count || x->rel_pending)
		return 0;
	const struct ua_step *s = &u->plan.steps[x->next_step];
	/* Further forks' 2xx follow the first; all else ends with the final answer. */
	bool goes_on = s->status / 100 == 2 && (x->status / 100 == 2 || u->plan.late_fork);
	if (x->state == UA_TXN_DONE && !goes_on)
		return 0;
	return x->start_ms + s->after_ms;
}

static void ring(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct ua_step *s,
		 const struct sip_text *m)
{
	struct ua_talk *t = &d->talk;
	bool reliable = s->reliable && ua_supports(m, "100rel");
	struct ua_response r = {.status = s->status, .to_tag = d->local_tag, .contact = true};
	/* An offer of ours may stand in a reliable one only. */
	if (s->sdp && t->state == UA_TALK_THEIRS)
		r.sdp = ua_talk_say(u, t, !reliable);
	else if (s->sdp && reliable && !t->ever && t->state == UA_TALK_IDLE)
		r.sdp = ua_talk_say(u, t, false);
	if (reliable)
		r.rseq = x->rseq = x->rseq ? x->rseq + 1 : dice_range(u->dice, 1, 9999);
	ua_respond(u, x, &r);
	if (reliable) {
		x->rel_pending = true;
		x->offer_rel = t->state == UA_TALK_OURS;
		x->interval_ms = UA_T1;
		x->again_ms = ua_now(u) + UA_T1;
		x->deadline_ms = ua_now(u) + UA_LONG;
	}
	u->rang_ms = u->rang_ms ? u->rang_ms : ua_now(u);
	ua_trigger(u, UA_AFTER_RINGING);
}

static void pick_up(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct ua_step *s,
		    const struct sip_text *m)
{
	char mem[256];
	struct ua_talk *t = &d->talk;
	struct ua_response r = {.status = s->status, .to_tag = d->local_tag, .contact = true};
	if (!t->ever || t->state == UA_TALK_THEIRS)
		r.sdp = ua_talk_say(u, t, false);
	else if (s->sdp)
		r.sdp = t->text; /* repeated after a reliable answer (RFC 6337 §3.1.1) */
	r.extra = ua_timer_answer(u, d, m, mem, sizeof(mem));
	u->answered++;
	u->answered_ms = ua_now(u);
	ua_accept(u, x, d, &r);
	struct ua_dialog *old = sip_text_header(m, "Replaces", 0).len ? ua_replaced(u, m) : NULL;
	if (old && old->state == UA_DIALOG_CONFIRMED) {
		u->replaced++;
		d->second = true;
		ua_send_bye(u, old);
	}
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
	if (s->status >= 300) {
		if (!x->tags[s->fork].len)
			x->tags[s->fork] = ua_make_token(u, "t");
		ua_respond(u, x,
			   &(struct ua_response){.status = s->status,
						 .to_tag = x->tags[s->fork],
						 .moved = s->contact});
		if (!u->plan.late_fork)
			for (int i = 0; i < UA_DIALOGS; i++)
				if (u->dialogs[i].state == UA_DIALOG_EARLY &&
				    str_eq(u->dialogs[i].call_id, m.call_id))
					ua_end_dialog(u, &u->dialogs[i]);
		return;
	}
	struct ua_dialog *d = ua_fork(u, x, &m, s->fork);
	if (s->status < 200)
		ring(u, x, d, s, &m);
	else
		pick_up(u, x, d, s, &m);
}

/* ---- 2xx and its ACK */

void ua_accept(struct ua *u, struct ua_txn *x, struct ua_dialog *d, const struct ua_response *r)
{
	ua_respond(u, x, r);
	d->ok = x->last;
	d->ok_cseq = x->cseq;
	d->ok_offers = d->talk.state == UA_TALK_OURS;
	d->ok_path = x->path;
	d->ok_interval_ms = UA_T1;
	d->ok_copies = 1;
	d->ok_losses = ua_losses(u) - 1;
	d->ok_again_ms = ua_now(u) + UA_T1;
	d->ok_deadline_ms = ua_now(u) + UA_LONG;
	if (d->state == UA_DIALOG_EARLY)
		d->state = UA_DIALOG_CONFIRMED;
}

void ua_got_ack(struct ua *u, const struct sip_text *m)
{
	struct ua_dialog *d = ua_find_dialog(u, m);
	if (!d || !d->ok.len || d->ok_cseq != m->cseq)
		return;
	d->ok = STR_NONE;
	d->acked = true;
	/* One of a call that has ended may be empty-handed. */
	if (d->ok_offers && m->body.len)
		(void)ua_talk_hear(u, &d->talk, m->body, UA_SDP_ANSWER);
	else if (d->ok_offers && d->state == UA_DIALOG_CONFIRMED)
		d->talk.state = UA_TALK_OURS; /* a BYE must follow: ua_check_idle sees it */
	else if (m->body.len)
		ua_fault(u, INV_OFFER, "got SDP in an ACK that needs none");
	if (d->state == UA_DIALOG_CONFIRMED && !d->second)
		ua_trigger(u, UA_AFTER_ANSWER);
}

void ua_tick_ok(struct ua *u, struct ua_dialog *d)
{
	uint64_t now = ua_now(u);
	if (!d->ok.len)
		return;
	if (d->ok_deadline_ms <= now) {
		d->ok = STR_NONE;
		if (!ua_is_excused(u, d->ok_losses, d->ok_copies))
			ua_wants(u, INV_ACK, "never got the ACK of its 2xx");
		if (d->state == UA_DIALOG_CONFIRMED)
			ua_send_bye(u, d);
	} else if (d->ok_again_ms <= now) {
		d->ok_interval_ms = d->ok_interval_ms * 2 > UA_T2 ? UA_T2 : d->ok_interval_ms * 2;
		d->ok_again_ms = now + d->ok_interval_ms;
		d->ok_copies++;
		ua_send(u, &d->ok_path, d->ok);
	}
}
