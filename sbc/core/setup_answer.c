#include "sbc/core/setup.h"

#include "common/siphash.h"
#include "sbc/core/call_media.h"

/*
 * What the callee's side says to the INVITE: early dialogs, early media, the answer (RFC 3261 §12.1, §13.2.2; RFC 3262
 * §3-5; RFC 3960). Each To tag of the callee's side is a fork with its own SDP, and its own To tag of ours towards the
 * caller, so that the caller sees the same tree.
 */

static const struct siphash_key same_key = {{0}}; /* only to see that SDP is repeated */

static uint64_t hash_of(struct str sdp)
{
	return siphash(&same_key, sdp.p, sdp.len) | 1;
}

struct dialog *fork_dialog(struct call *c, struct fork *f, unsigned side)
{
	if (!f)
		return &c->leg[side].dialog;
	if (side == 0 && !f->own)
		return &c->leg[0].dialog;
	return &f->dialog[side];
}

static void fork_free(struct sbc *s, struct setup *u, struct fork *f)
{
	list_del(&f->node);
	if (u->fork_count)
		u->fork_count--;
	leg_dialog_free(&s->blocks, &f->dialog[0]);
	leg_dialog_free(&s->blocks, &f->dialog[1]);
	block_str_free(&s->blocks, &f->sdp);
	block_str_free(&s->blocks, &f->raw);
	block_free(&s->blocks, f, sizeof(*f));
}

void fork_free_all(struct sbc *s, struct setup *u)
{
	u->held_fork = NULL;
	list_each_safe (n, &u->forks)
		fork_free(s, u, LIST_OBJECT(n, struct fork, node));
}

static struct fork *fork_find(struct setup *u, struct str tag)
{
	list_each (n, &u->forks) {
		struct fork *f = LIST_OBJECT(n, struct fork, node);
		if (str_ieq(dialog_get(&f->dialog[1], DIALOG_REMOTE_TAG), tag))
			return f;
	}
	return NULL;
}

/* Our side towards the caller: the first fork of all has the tag that the call began with. */
static enum err fork_own_tag(struct sbc *s, struct call *c, struct fork *f)
{
	char tag[HIDE_BRANCH_LEN];

	if (!c->setup->tag_given) {
		c->setup->tag_given = true;
		return OK;
	}
	enum err e = leg_dialog_copy(&s->blocks, &f->dialog[0], &c->leg[0].dialog, 96);
	if (e != OK)
		return e;
	f->own = true;
	return dialog_set(&f->dialog[0], DIALOG_LOCAL_TAG, worker_token(s, HIDE_TAG, c->id, tag));
}

/* NULL: too many, or no room. */
static struct fork *fork_new(struct sbc *s, struct call *c, const struct msg *m)
{
	struct setup *u = c->setup;
	struct fork *f = u->fork_count < SETUP_FORKS_MAX ? block_new(&s->blocks, sizeof(*f)) : NULL;

	if (!f)
		return NULL;
	*f = (struct fork){.serial = ++u->serial, .offer = {c->offer[0], c->offer[1]}};
	list_add_tail(&u->forks, &f->node);
	u->fork_count++;
	if (leg_dialog_copy(&s->blocks, &f->dialog[1], &c->leg[1].dialog, 160) != OK ||
	    leg_on_response(&s->blocks, &f->dialog[1], m) != OK || fork_own_tag(s, c, f) != OK) {
		fork_free(s, u, f);
		return NULL;
	}
	return f;
}

static struct fork *fork_of(struct sbc *s, struct call *c, const struct msg *m)
{
	struct fork *f = m->to_tag.len ? fork_find(c->setup, m->to_tag) : NULL;

	if (f) { /* a later 18x or the 2xx may name another target */
		if (leg_on_response(&s->blocks, &f->dialog[1], m) != OK)
			return NULL;
		return f;
	}
	return m->to_tag.len ? fork_new(s, c, m) : NULL;
}

static uint32_t reliable_rseq(const struct setup *u, const struct msg *m)
{
	uint32_t rseq;

	if (!u->rel100 || !msg_has_token(m, HDR_REQUIRE, STR("100rel")) ||
	    str_to_u32(msg_value(m, HDR_RSEQ), UINT32_MAX, &rseq) != OK)
		return 0;
	return rseq;
}

/* Offer and answer of both legs, as this early dialog has them. */
static struct offer *offers_of(struct call *c, struct fork *f)
{
	return f ? f->offer : c->offer;
}

/* ---- to the caller */

/* The answer to A's INVITE, in its words; `sdp` as A is to see it. False: A's transaction has gone. */
static bool answer_caller(struct sbc *s, struct call *c, struct fork *f, const struct msg *m,
			  struct str sdp)
{
	struct setup *u = c->setup;
	char contact[512];
	struct buf contact_buf;
	uint32_t rseq = m->status < 200 ? reliable_rseq(u, m) : 0;

	buf_init(&contact_buf, contact, sizeof(contact));
	buf_reset(&s->lines);
	if (m->status >= 200 || rseq)
		setup_write_abilities(s, m, false);
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

static void pass_ringing(struct sbc *s, struct call *c, struct fork *f, const struct msg *m,
			 struct str sdp)
{
	struct call_record *r = &c->record;

	if (!r->ring_ms && (m->status == 180 || m->status == 182))
		r->ring_ms = s->now_ms;
	if (!r->early_ms && sdp.len)
		r->early_ms = s->now_ms;
	if (f && reliable_rseq(c->setup, m))
		f->rseq = reliable_rseq(c->setup, m);
	answer_caller(s, c, f, m, sdp);
}

/* ---- SDP of the callee's side */

enum sdp_next {
	SDP_NONE,    /* nothing to do for the relay */
	SDP_AGAIN,   /* what A has already: f->sdp */
	SDP_ASKED,   /* the relay's answer will bring us back */
	SDP_PLAIN,   /* no relay: s->text has it */
	SDP_REFUSED, /* policy or the offer/answer rules say no: *out says why */
};

static enum sdp_next take_sdp(struct sbc *s, struct call *c, struct fork *f, const struct msg *m,
			      const struct flow *from, struct verdict *out)
{
	struct setup *u = c->setup;
	struct str sdp = call_sdp_of(m);
	struct offer *o = &offers_of(c, f)[1];
	enum offer_event event =
		m->status >= 200 || reliable_rseq(u, m) ? OFFER_GOT_RELIABLE : OFFER_GOT_PREVIEW;
	struct call_sdp read;

	if (sdp.len == 0)
		return SDP_NONE;
	enum offer_mean mean = offer_check(o, event);
	if (m->status >= 200 && mean == OFFER_IGNORED)
		return SDP_NONE; /* RFC 6337 §3.1.1: said again after the agreement */
	if (f && f->sdp_hash == hash_of(sdp) && f->sdp.len) {
		offer_step(o, event);
		return SDP_AGAIN;
	}
	if (mean == OFFER_IGNORED)
		return SDP_NONE; /* an unreliable 18x cannot carry an offer */
	*out = call_check_sdp(s, c, 1, sdp, &read);
	if (out->outcome != VERDICT_ALLOW)
		return SDP_REFUSED;
	media_note(&c->media, 1, sdp);
	if (f) {
		f->sdp_hash = hash_of(sdp);
		block_str_free(&s->blocks, &f->raw);
		f->raw = block_str(&s->blocks, sdp);
	}
	offer_step(o, event);
	if (!c->media.anchored)
		return call_face(s, c, 0, sdp).len ? SDP_PLAIN : SDP_NONE;
	read.mean = mean == OFFER_NEW ? OFFER_NEW : OFFER_ANSWER;
	read.source = &from->remote;
	u->ask = call_ask_media(s, c, &read);
	*out = (struct verdict){.status = 500, .rule = STR("relay")};
	return u->ask == ID_NONE ? SDP_REFUSED : SDP_ASKED;
}

static void keep_face(struct sbc *s, struct call *c, struct fork *f, struct str sdp)
{
	media_note(&c->media, 0, sdp);
	if (!f)
		return;
	block_str_free(&s->blocks, &f->sdp);
	f->sdp = block_str(&s->blocks, sdp);
}

static void hold(struct sbc *s, struct setup *u, struct fork *f, const struct msg *m)
{
	block_str_free(&s->blocks, &u->held);
	u->held = block_str(&s->blocks, m->bytes);
	u->held_fork = f;
}

/* The callee's side agreed to something that policy forbids: no leg of it stays (design promise 2). */
static void refuse_sdp(struct sbc *s, struct call *c, const struct msg *m, const struct verdict *v)
{
	if (v->outcome != VERDICT_REJECT) {
		struct call_ending why = {.by = CDR_US, .cause = v->rule};
		call_refuse(s, c, 500, STR_NONE, STR_NONE, &why);
		return;
	}
	call_refuse_by(s, c, m, v);
}

/* ---- 18x */

void setup_on_ringing(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	struct setup *u = c->setup;
	struct verdict v = {.outcome = VERDICT_ALLOW};

	if (m->status == 199) /* RFC 6228: one branch has gone; others may answer */
		return;
	if (msg_has_token(m, HDR_REQUIRE, STR("100rel")) && !reliable_rseq(u, m))
		return; /* it may not be used without a PRACK that the caller cannot send */
	struct fork *k = fork_of(s, c, m);
	u->stage = SETUP_RINGING;
	if (!k && m->to_tag.len)
		return; /* too many forks: this one stays unheard */
	uint32_t rseq = reliable_rseq(u, m);
	if (rseq && k && u->held.len && u->held_fork == k)
		return; /* its SDP is with the relay; the peer repeats it until then */
	if (rseq && k && k->rseq && rseq != k->rseq && rseq != k->rseq + 1)
		return; /* RFC 3262 §4: out of order */
	switch (take_sdp(s, c, k, m, f, &v)) {
	case SDP_NONE: pass_ringing(s, c, k, m, STR_NONE); break;
	case SDP_AGAIN: pass_ringing(s, c, k, m, k->sdp); break;
	case SDP_PLAIN: {
		struct str sdp = buf_view(&s->text);
		keep_face(s, c, k, sdp);
		pass_ringing(s, c, k, m, sdp);
		break;
	}
	case SDP_ASKED: hold(s, u, k, m); break;
	case SDP_REFUSED: refuse_sdp(s, c, m, &v); break;
	}
}

/* ---- 2xx */

/* The winner's dialogs become the call's. */
static void take_winner(struct sbc *s, struct call *c, struct fork *f)
{
	if (!f)
		return;
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
	c->rseq = f->rseq;
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
	}
	char mem[320];
	struct buf name;
	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, NOTICE_ATTEMPT_ENDED, &name);
	n.trunk = c->leg[1].trunk;
	n.peer = c->leg[1].peer;
	n.status = 200;
	worker_publish(s, &n);
	call_tell(s, c, NOTICE_CALL_ANSWERED);
}

/* What is in force now, should a later offer be refused. */
static void note_agreed(struct sbc *s, struct call *c, const struct fork *f, const struct msg *m)
{
	const struct setup *u = c->setup;
	struct str answer = call_sdp_of(m);

	if (f && f->raw.len)
		answer = f->raw;
	if (u->has_offer)
		call_agree(s, c, 0, (struct str){u->invite.p + u->body_at, u->body_len}, answer);
	else /* its offer; the answer comes with the ACK */
		call_agree(s, c, 1, answer, STR_NONE);
}

/* All is there: 200 to the caller. */
static void finish(struct sbc *s, struct call *c, struct fork *f, const struct msg *m,
		   struct str sdp)
{
	struct setup *u = c->setup;
	struct asker asker = u->asker;
	bool sent = answer_caller(s, c, f, m, sdp);

	note_agreed(s, c, f, m);
	take_winner(s, c, f);
	c->leg[0].dialog.confirmed = true;
	c->leg[0].invite.open = false;
	c->leg[0].invite.wants_ack = true;
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
	}
}

/* The callee's INVITE transaction is the leg's from here: 2xx that come again find their ACK there. */
static void open_callee(struct call *c, bool ack_waits)
{
	struct setup *u = c->setup;

	c->leg[1].invite = (struct leg_invite){
		.txn = u->txn, .cseq = u->cseq, .ours = true, .wants_ack = ack_waits};
}

void setup_on_answer(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	struct setup *u = c->setup;
	struct verdict v = {.outcome = VERDICT_ALLOW};

	if (u->stage == SETUP_ANSWERING) {
		struct dialog *d = fork_dialog(c, u->held_fork, 1);
		if (!dialog_has_response(d, m))
			call_on_orphan(s, u->txn, m, f, u->stage == SETUP_ANSWERING);
		else if (!c->leg[1].invite.wants_ack)
			call_send_ack(s, c, 1, d, u->cseq, STR_NONE);
		return;
	}
	worker_stop_alarm(s, &u->alarm);
	struct fork *k = fork_of(s, c, m);
	if (!k && (m->to_tag.len == 0 || leg_on_response(&s->blocks, &c->leg[1].dialog, m) != OK)) {
		/* No dialog can be made of it: it is ended where it came from. */
		call_on_orphan(s, u->txn, m, f, u->stage == SETUP_ANSWERING);
		setup_failed(s, c, 502, 0);
		return;
	}
	u->stage = SETUP_ANSWERING;
	u->held_fork = k;
	struct offer *o = &offers_of(c, k)[1];
	bool late = o->state == OFFER_NONE; /* its SDP is an offer: the ACK has the answer */
	enum sdp_next next = take_sdp(s, c, k, m, f, &v);
	open_callee(c, late && next != SDP_NONE && next != SDP_REFUSED);
	if (!c->leg[1].invite.wants_ack)
		call_send_ack(s, c, 1, fork_dialog(c, k, 1), u->cseq, STR_NONE);
	switch (next) {
	case SDP_NONE:
		if (o->state != OFFER_OURS) {
			finish(s, c, k, m, STR_NONE);
			break;
		}
		/* An answer that only an unreliable 18x had: A gets it in the 200, where it must be. */
		offer_step(o, OFFER_GOT_RELIABLE);
		finish(s, c, k, m, k ? k->sdp : STR_NONE);
		break;
	case SDP_AGAIN: finish(s, c, k, m, k->sdp); break;
	case SDP_PLAIN: {
		struct str sdp = buf_view(&s->text);
		keep_face(s, c, NULL, sdp);
		finish(s, c, k, m, sdp);
		break;
	}
	case SDP_ASKED: hold(s, u, k, m); break;
	case SDP_REFUSED: refuse_sdp(s, c, m, &v); break;
	}
}

/* The relay has what was held: on with it. */
bool setup_on_answer_media(struct sbc *s, struct call *c, const struct event *e)
{
	struct setup *u = c->setup;
	struct fork *k = u->held_fork;
	struct str held = u->held, sdp = STR_NONE;

	u->held = STR_NONE;
	if (held.len == 0 || msg_index(&s->held, held, 0) != OK) { /* no memory to keep it */
		block_str_free(&s->blocks, &held);
		if (u->stage == SETUP_ANSWERING)
			call_refuse(s, c, 500, STR_NONE, STR_NONE,
				    &(struct call_ending){.by = CDR_US, .cause = STR("internal")});
		return false;
	}
	if (e->relay.result == RELAY_RESULT_OK)
		sdp = call_face(s, c, 0, dict_get_str(e->relay.reply, STR("sdp")));
	if (s->held.status < 200) {
		u->held_fork = NULL;
		if (sdp.len)
			keep_face(s, c, k, sdp);
		pass_ringing(s, c, k, &s->held, sdp);
	} else if (sdp.len) {
		keep_face(s, c, NULL, sdp);
		finish(s, c, k, &s->held, sdp);
	} else {
		struct verdict v = call_judge_relay(e);
		struct call_ending why = {.by = CDR_US, .cause = STR("relay")};
		if (v.status == 488)
			call_refuse_by(s, c, &s->held, &v);
		else
			call_refuse(s, c, 500, STR_NONE, STR_NONE, &why);
	}
	block_str_free(&s->blocks, &held);
	return true;
}
