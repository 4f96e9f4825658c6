#include "sbc/core/setup.h"

#include "sbc/core/call_media.h"
#include "sbc/core/late_offer.h"
#include "sbc/core/fraud_watch.h"

/*
 * What the callee's side says before it answers: early dialogs, early media (RFC 3261 §13.2.2.1, RFC 3960), and who is sure
 * that it was heard (RFC 3262). The two sides are reliable each by itself: a reliable 18x of the callee gets our PRACK at
 * once, and what the caller gets is reliable if it wants that. Only an offer in an 18x binds them: its PRACK waits for the
 * caller's answer.
 *
 * Timers: `prack` is the next repetition, or the end, of the reliable 18x of all forks.
 */

/* ---- to the callee */

void setup_send_prack(struct sbc *s, struct call *c, struct fork *k, uint32_t rseq, struct str sdp)
{
	struct dialog *d = &k->dialog[1];
	char mem[64];
	struct buf lines;

	buf_init(&lines, mem, sizeof(mem));
	buf_printf(&lines, "RAck: %u %u INVITE\r\n", rseq, c->setup->cseq);
	struct build_request r = {.method = STR("PRACK"),
				  .cseq = dialog_next_cseq(d),
				  .headers = buf_view(&lines),
				  .content_type = sdp.len ? STR("application/sdp") : STR_NONE,
				  .body = sdp};
	if (sdp.len)
		offer_step(&k->offer[1], OFFER_SENT_PRACK);
	/* Should it get lost for good the callee gives up the INVITE, and says so. */
	call_send_request(s, c, 1, d, &r, ID_NONE);
}

/* False: as if it had not come. */
static bool take_reliable(struct sbc *s, struct call *c, struct fork *k, const struct msg *m)
{
	bool offers = call_sdp_of(m).len > 0 &&
		      offer_check(&k->offer[1], OFFER_GOT_RELIABLE) == OFFER_NEW;

	if (offers && !c->setup->rel100 && c->setup->late != SETUP_LATE_KEPT)
		return false; /* no one could answer it in time; we did not ask for it */
	if (prack_hear(&k->heard, msg_value(m, HDR_RSEQ)) != PRACK_HEARD_NEW)
		return false;
	if (offers)
		k->owed = k->heard.rseq;
	else
		setup_send_prack(s, c, k, k->heard.rseq, STR_NONE);
	return true;
}

/* ---- to the caller */

static void arm(struct sbc *s, struct setup *u)
{
	uint64_t next = UINT64_MAX;

	list_each (n, &u->forks) {
		uint64_t at = prack_next_ms(&LIST_OBJECT(n, struct fork, node)->told);
		next = at < next ? at : next;
	}
	if (next == UINT64_MAX)
		worker_stop_alarm(s, &u->prack);
	else
		worker_alarm(s, &u->prack, ALARM_PRACK, next);
}

/* An offer or answer that the caller has agreed to already is not said again in what it acknowledges. */
static struct str news(const struct fork *k, struct str sdp)
{
	bool old = offer_check(&k->offer[0], OFFER_SENT_RELIABLE) == OFFER_IGNORED;

	return old ? STR_NONE : sdp;
}

static void say_reliably(struct sbc *s, struct call *c, struct fork *k, const struct msg *m,
			 struct str sdp)
{
	struct setup *u = c->setup;

	sdp = news(k, sdp);
	uint32_t rseq = prack_send(&k->told, sdp.len > 0, rng_u32(&s->rng), s->now_ms,
				   &c->settings->timers);
	if (!setup_answer_caller(s, c, k, m, sdp, rseq))
		return;
	block_str_free(&s->blocks, &k->told_bytes);
	k->told_bytes = block_str(&s->blocks, buf_view(&s->out));
	k->told_status = m->status;
	arm(s, u);
}

static bool is_reliable(const struct msg *m)
{
	return msg_has_token(m, HDR_REQUIRE, STR("100rel"));
}

void setup_pass_ringing(struct sbc *s, struct call *c, struct fork *k, const struct msg *m,
			struct str sdp)
{
	struct setup *u = c->setup;
	struct call_record *r = &c->record;

	if (!r->ring_ms && (m->status == 180 || m->status == 182))
		r->ring_ms = s->now_ms;
	if (!r->early_ms && sdp.len) {
		r->early_ms = s->now_ms;
		fraud_watch_early(s, c);
	}
	if (!k || !u->rel100 || !(u->needs100 || is_reliable(m))) {
		setup_answer_caller(s, c, k, m, sdp, 0);
	} else if (prack_may_send(&k->told)) {
		say_reliably(s, c, k, m, sdp);
	} else { /* the latest says it all, but for the SDP */
		k->shows_sdp = k->shows_sdp || sdp.len > 0;
		block_str_free(&s->blocks, &k->queued);
		k->queued = block_str(&s->blocks, m->bytes);
	}
}

static void say_queued(struct sbc *s, struct call *c, struct fork *k)
{
	struct str queued = k->queued, sdp = k->shows_sdp ? k->sdp : STR_NONE;

	k->queued = STR_NONE;
	k->shows_sdp = false;
	if (queued.len && prack_may_send(&k->told) && msg_index(&s->held, queued, 0) == OK)
		say_reliably(s, c, k, &s->held, sdp);
	block_str_free(&s->blocks, &queued);
}

void setup_on_prack_alarm(struct sbc *s, struct setup *u)
{
	struct call *c = u->call;

	list_each (n, &u->forks) {
		struct fork *k = LIST_OBJECT(n, struct fork, node);
		switch (prack_tick(&k->told, s->now_ms)) {
		case PRACK_DUE_AGAIN:
			asker_repeat(s, &u->asker, k->told_status, k->told_bytes);
			break;
		case PRACK_DUE_GIVE_UP: /* RFC 3262 §3 */
			call_refuse(s, c, 504, STR_NONE, STR_NONE,
				    &(struct call_ending){.by = CDR_US,
							  .cause = STR("no_prack"),
							  .by_timeout = true});
			return;
		case PRACK_DUE_NOTHING:
		case PRACK_DUE_COUNT: break;
		}
	}
	arm(s, u);
}

/* ---- the caller's PRACK */

uint16_t setup_take_prack(struct call *c, struct fork *k, const struct msg *m)
{
	struct prack_server *p = k ? &k->told : &c->told;

	if (c->leg[0].invite.ours) /* the INVITE that it could mean is ours by now */
		return 481;
	return prack_take(p, msg_value(m, HDR_RACK), c->leg[0].invite.cseq);
}

void setup_acknowledged(struct sbc *s, struct call *c, uint8_t serial)
{
	struct setup *u = c->setup;
	struct fork *k = u ? fork_find_serial(u, serial) : NULL;

	if (!k)
		return;
	block_str_free(&s->blocks, &k->told_bytes);
	if (u->stage != SETUP_ANSWERING)
		say_queued(s, c, k);
	arm(s, u);
	if (u->answered == k)
		setup_acknowledged_answer(s, c, k);
}

/* ---- SDP of the callee's side */

static enum sdp_next ask(struct sbc *s, struct call *c, struct fork *k, struct call_sdp *sdp)
{
	struct setup *u = c->setup;

	k->asked = FORK_ASKED_FACE;
	if (u->late == SETUP_LATE_WROTE)
		k->asked = FORK_ASKED_TAKEN;
	else if (u->late == SETUP_LATE_KEPT)
		k->asked = FORK_ASKED_COUNTER;
	k->ask = call_ask_media(s, c, sdp);
	u->media_fork = k->serial;
	return k->ask == ID_NONE ? SDP_REFUSED : SDP_ASKED;
}

/* The relay has since heard of another fork: it must hear this one's again. */
enum sdp_next setup_ask_again(struct sbc *s, struct call *c, struct fork *k,
			      const struct flow *from, struct verdict *out)
{
	struct call_sdp read;

	*out = call_check_sdp(s, c, 1, k->raw, &read);
	if (out->outcome != VERDICT_ALLOW)
		return SDP_REFUSED;
	read.mean = OFFER_ANSWER;
	read.source = &from->remote;
	*out = (struct verdict){.status = 500, .rule = STR("relay")};
	return ask(s, c, k, &read);
}

enum sdp_next setup_take_sdp(struct sbc *s, struct call *c, struct fork *k, const struct msg *m,
			     const struct flow *from, struct verdict *out)
{
	struct setup *u = c->setup;
	struct str sdp = call_sdp_of(m);
	struct offer *o = &k->offer[1];
	bool final = m->status >= 200;
	enum offer_event event = final || is_reliable(m) ? OFFER_GOT_RELIABLE : OFFER_GOT_PREVIEW;
	struct call_sdp read;

	if (sdp.len == 0)
		return SDP_NONE;
	enum offer_mean mean = offer_check(o, event);
	/* RFC 6337 §3.1.1: said again after the agreement; nor does it answer an UPDATE that is open meanwhile. */
	if (final && (mean == OFFER_IGNORED || o->ever))
		return SDP_NONE;
	if ((k->sdp.len || k->ask != ID_NONE) && fork_has_sdp(k, sdp)) {
		offer_step(o, event);
		if (k->ask != ID_NONE)
			return SDP_ASKED;
		bool there = !c->media.anchored || u->media_fork == k->serial;
		return there || !final ? SDP_AGAIN : setup_ask_again(s, c, k, from, out);
	}
	/* An unreliable 18x cannot carry an offer; and of one of ours the caller knows nothing. */
	if (mean == OFFER_IGNORED || (mean == OFFER_PREVIEW && u->late == SETUP_LATE_WROTE))
		return SDP_NONE;
	*out = call_check_sdp(s, c, 1, sdp, &read);
	if (out->outcome != VERDICT_ALLOW)
		return SDP_REFUSED;
	media_note(&c->media, 1, sdp);
	fork_keep_sdp(s, k, sdp);
	offer_step(o, event);
	if (!c->media.anchored)
		return call_face(s, c, 0, sdp).len ? SDP_PLAIN : SDP_NONE;
	read.mean = mean == OFFER_NEW ? OFFER_NEW : OFFER_ANSWER;
	if (u->late == SETUP_LATE_KEPT)
		read.protocol = late_offer_protocol(s, c);
	read.source = &from->remote;
	*out = (struct verdict){.status = 500, .rule = STR("relay")};
	return ask(s, c, k, &read);
}

void setup_keep_face(struct sbc *s, struct call *c, struct fork *k, struct str sdp)
{
	media_note(&c->media, 0, sdp);
	block_str_free(&s->blocks, &k->sdp);
	k->sdp = block_str(&s->blocks, sdp);
}

void setup_hold(struct sbc *s, struct fork *k, const struct msg *m)
{
	block_str_free(&s->blocks, &k->held);
	k->held = block_str(&s->blocks, m->bytes);
}

/* The callee's side agreed to something that policy forbids: no leg of it stays (design promise 2). */
void setup_refuse_sdp(struct sbc *s, struct call *c, const struct msg *m, const struct verdict *v)
{
	if (v->outcome != VERDICT_REJECT) {
		struct call_ending why = {.by = CDR_US, .cause = v->rule};
		call_refuse(s, c, 500, STR_NONE, STR_NONE, &why);
		return;
	}
	call_refuse_by(s, c, m, v);
}

/* ---- 18x */

/* One branch has gone; others may answer (RFC 6228). Who can read it is told. */
static void on_gone(struct sbc *s, struct call *c, const struct msg *m)
{
	struct setup *u = c->setup;
	struct fork *k = m->to_tag.len ? fork_of_response(s, c, m) : NULL;

	if (!k)
		return;
	if (u->reads199)
		setup_answer_caller(s, c, k, m, STR_NONE, 0);
	fork_free(s, u, k);
	arm(s, u);
}

void setup_on_ringing(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	struct setup *u = c->setup;
	struct verdict v = {.outcome = VERDICT_ALLOW};

	if (m->status == 199) {
		on_gone(s, c, m);
		return;
	}
	struct fork *k = m->to_tag.len ? fork_of_response(s, c, m) : NULL;
	u->stage = SETUP_RINGING;
	if (!k && m->to_tag.len)
		return; /* too many forks: this one stays unheard */
	if (is_reliable(m) && !(k && take_reliable(s, c, k, m)))
		return;
	if (!k) {
		setup_pass_ringing(s, c, NULL, m, STR_NONE);
		return;
	}
	switch (setup_take_sdp(s, c, k, m, f, &v)) {
	case SDP_NONE: setup_pass_ringing(s, c, k, m, STR_NONE); break;
	case SDP_AGAIN: setup_pass_ringing(s, c, k, m, k->sdp); break;
	case SDP_PLAIN: {
		struct str sdp = buf_view(&s->text);
		setup_keep_face(s, c, k, sdp);
		setup_pass_ringing(s, c, k, m, sdp);
		break;
	}
	case SDP_ASKED: setup_hold(s, k, m); break;
	case SDP_REFUSED: setup_refuse_sdp(s, c, m, &v); break;
	}
}
