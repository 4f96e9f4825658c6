#include "sbc/core/in_dialog.h"

#include "sbc/core/call_media.h"

/*
 * Timers: `alarm` of a re-INVITE is Timer C (RFC 3261 §16.6), so that nobody holds the call in a change for ever.
 */

/* A dialog pair of a call: the established one, or an early one. */
struct pair {
	unsigned side; /* the side that speaks */
	uint8_t serial;
	struct fork *fork; /* NULL: the established one */
};

static struct dialog *pair_dialog(struct call *c, const struct pair *p, unsigned side)
{
	return fork_dialog(c, p->fork, side);
}

static struct offer *pair_offer(struct call *c, const struct pair *p, unsigned side)
{
	return p->fork ? &p->fork->offer[side] : &c->offer[side];
}

static bool pair_of_message(struct call *c, const struct msg *m, struct pair *out)
{
	for (unsigned side = 0; side < 2 && !c->setup; side++)
		if (c->leg[side].dialog.text && dialog_has_request(&c->leg[side].dialog, m)) {
			*out = (struct pair){.side = side, .serial = c->winner};
			return true;
		}
	if (!c->setup)
		return false;
	list_each (n, &c->setup->forks) {
		struct fork *f = LIST_OBJECT(n, struct fork, node);
		for (unsigned side = 0; side < 2; side++)
			if (dialog_has_request(fork_dialog(c, f, side), m)) {
				*out = (struct pair){.side = side, .serial = f->serial, .fork = f};
				return true;
			}
	}
	/* An answer that came without a provisional: its dialog is not a fork's. */
	if (c->setup->stage == SETUP_ANSWERING && dialog_has_request(&c->leg[1].dialog, m)) {
		*out = (struct pair){.side = 1, .serial = 0};
		return true;
	}
	return false;
}

/* False: that early dialog has gone. */
static bool pair_of_exchange(struct call *c, const struct exchange *x, struct pair *out)
{
	*out = (struct pair){.side = x->from, .serial = x->fork};
	if (!c->setup)
		return x->fork == c->winner;
	list_each (n, &c->setup->forks) {
		struct fork *f = LIST_OBJECT(n, struct fork, node);
		if (f->serial == x->fork) {
			out->fork = f;
			return true;
		}
	}
	return false;
}

static void set_invite(struct sbc *s, struct leg *l, struct leg_invite i)
{
	block_str_free(&s->blocks, &l->invite.body);
	l->invite = i;
}

static bool refreshes_target(uint8_t method)
{
	return method == METHOD_INVITE || method == METHOD_UPDATE;
}

static void exchange_free(struct sbc *s, struct exchange *x)
{
	struct call *c = call_find(s, x->call);

	if (c)
		c->exchange_count--;
	worker_stop_alarm(s, &x->alarm);
	list_del(&x->node);
	block_str_free(&s->blocks, &x->held);
	block_str_free(&s->blocks, &x->offer);
	block_str_free(&s->blocks, &x->old_target);
	id_t64 id = x->id;
	pool_free(&s->exchanges, id);
}

/* A refresh of the target that is refused has not happened (RFC 6141 §4): what was is kept until then. */
static void refresh_target(struct sbc *s, struct exchange *x, struct dialog *d, const struct msg *m)
{
	if (!refreshes_target(x->method))
		return;
	x->old_target = block_str(&s->blocks, dialog_get(d, DIALOG_TARGET));
	if (leg_refresh_target(&s->blocks, d, m) != OK ||
	    str_eq(x->old_target, dialog_get(d, DIALOG_TARGET)))
		block_str_free(&s->blocks, &x->old_target);
}

static void restore_target(struct sbc *s, struct exchange *x, struct dialog *d)
{
	while (x->old_target.len && dialog_set(d, DIALOG_TARGET, x->old_target) == ERR_FULL)
		if (leg_dialog_grow(&s->blocks, d) != OK)
			break;
	block_str_free(&s->blocks, &x->old_target);
}

/* Media stay as they were (RFC 3261 §14.1): the relay, which has taken the offer, is told so. */
static void take_back_offer(struct sbc *s, struct call *c, const struct exchange *x,
			    const struct pair *p)
{
	if (!x->offered)
		return;
	offer_step(pair_offer(c, p, x->from), OFFER_GOT_NOTHING);
	offer_step(pair_offer(c, p, 1 - x->from), OFFER_SENT_NOTHING);
	if (x->offer.len && !c->setup && c->state < CALL_ENDING)
		call_restore_media(s, c);
}

/* ---- answers to who asked */

/* A final answer at once, in a server transaction of its own, so that the request repeated gets the same. */
static void answer_now(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f,
		       uint16_t status, struct str lines)
{
	struct asker a;

	if (asker_serve(s, &a, c->settings, m, f, ID_NONE) != OK) {
		worker_reply(s, m, f, 503, STR_NONE, STR("Retry-After: 5\r\n"));
		return;
	}
	struct build_response r = {.status = status, .headers = lines};
	asker_respond(s, &a, &r);
}

static void refuse_now(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f,
		       const struct verdict *v, unsigned side)
{
	buf_reset(&s->lines);
	struct refuse_params abilities = worker_abilities_in(c->settings, call_realm(c, side));
	if (refuse_write_headers(&s->lines, v, m, &abilities) != OK)
		buf_reset(&s->lines);
	worker_refused(s, c->settings, f, m, c->leg[side].trunk, v);
	answer_now(s, c, m, f, v->status, buf_view(&s->lines));
}

/* RFC 3261 §14.2, RFC 3311 §5.2. */
static void answer_too_soon(struct sbc *s, struct call *c, const struct msg *m,
			    const struct flow *f)
{
	buf_reset(&s->lines);
	buf_printf(&s->lines, "Retry-After: %u\r\n", rng_below(&s->rng, 11));
	answer_now(s, c, m, f, 500, buf_view(&s->lines));
}

/* The final answer of an exchange that the other side did not give; it is over then. */
static void exchange_refuse(struct sbc *s, struct call *c, struct exchange *x, uint16_t status,
			    struct str lines)
{
	struct pair p;
	struct build_response r = {.status = status, .headers = lines};

	if (pair_of_exchange(c, x, &p)) {
		take_back_offer(s, c, x, &p);
		restore_target(s, x, pair_dialog(c, &p, x->from));
	}
	if (x->method == METHOD_INVITE) {
		c->leg[x->from].invite.open = false;
		c->leg[1 - x->from].invite.open = false;
	}
	asker_respond(s, &x->asker, &r);
	exchange_free(s, x);
}

/* ---- BYE */

static void on_bye(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
		   const struct flow *f)
{
	char mem[2048];
	struct call_ending why = {.by = p->side == 0 ? CDR_CALLER : CDR_CALLEE,
				  .q850 = call_q850(m)};

	answer_now(s, c, m, f, 200, STR_NONE);
	buf_reset(&s->lines);
	if (call_carry(s, c, 1 - p->side, m, false) == OK && s->lines.len <= sizeof(mem)) {
		memcpy(mem, s->lines.p, s->lines.len);
		why.reason_lines[1 - p->side] = (struct str){mem, s->lines.len};
	}
	struct leg *l = &c->leg[p->side];
	/* No ACK is waited for any more; but the 2xx is sent again until it comes: this BYE may have left before
	 * the 2xx arrived (in an early dialog, or with a re-INVITE under way), and that INVITE wants an answer. */
	if (!l->invite.ours)
		l->invite.wants_ack = false;
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

	answer_now(s, c, m, f, bye ? 200 : 481, STR_NONE);
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

/* ---- passing a request on */

/* RFC 3262 §7.2: the sequence number is the same on both sides, the INVITE's CSeq is not. */
static bool write_rack(struct sbc *s, const struct call *c, const struct msg *m)
{
	struct hdr_rack rack;

	if (hdr_rack_parse(msg_value(m, HDR_RACK), &rack) != OK)
		return false;
	buf_printf(&s->lines, "RAck: %u %u INVITE\r\n", rack.rseq,
		   c->setup ? c->setup->cseq : c->leg[1].invite.cseq);
	return true;
}

/*
 * A body that goes on as it is. Never where a session description may stand: without its type, or wrapped in a multipart, one
 * would cross with the addresses of its side. Nor a message within the message (sipfrag): it has Via and Contact.
 */
static bool has_own_body(uint8_t method, const struct msg *m)
{
	return m->body.len > 0 && m->content_type.len > 0 && call_sdp_of(m).len == 0 &&
	       !refreshes_target(method) && method != METHOD_PRACK &&
	       !str_has_iprefix(m->content_type, STR("multipart/")) &&
	       !str_has_iprefix(m->content_type, STR("message/"));
}

/* Sends the request of x on; `sdp`: its session description as the other side is to see it. */
static void pass_request(struct sbc *s, struct call *c, struct exchange *x, const struct pair *p,
			 const struct msg *m, struct str sdp)
{
	unsigned to = 1 - x->from;
	struct dialog *d = pair_dialog(c, p, to);
	char contact[512];
	struct buf contact_buf;
	bool own_body = has_own_body(x->method, m);

	buf_init(&contact_buf, contact, sizeof(contact));
	buf_reset(&s->lines);
	if (refreshes_target(x->method))
		setup_write_abilities(s, m, x->method == METHOD_INVITE);
	bool ok = x->method != METHOD_PRACK || write_rack(s, c, m);
	ok = ok && call_carry(s, c, to, m, own_body) == OK;
	x->cseq = dialog_next_cseq(d);
	struct str type = m->content_type, body = m->body;
	if (!own_body)
		body = call_body(s, c, m, sdp, &type);
	int hops = m->max_forwards;
	struct build_request r = {
		.method = m->method_text,
		.cseq = x->cseq,
		.max_forwards = (uint8_t)(hops < 0   ? 70
					  : hops > 0 ? hops - 1
						     : 0),
		.contact =
			refreshes_target(x->method) ? call_contact(c, to, &contact_buf) : STR_NONE,
		.headers = buf_view(&s->lines),
		.content_type = type,
		.body = body,
	};
	x->stage = EXCHANGE_RELAYED;
	x->txn = ok ? call_send_request(s, c, to, d, &r, x->id) : ID_NONE;
	if (x->txn == ID_NONE) {
		exchange_refuse(s, c, x, 500, STR_NONE);
		return;
	}
	if (x->method == METHOD_INVITE) {
		set_invite(s, &c->leg[to],
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
		answer_too_soon(s, c, m, f);
		return false;
	}
	if (c->setup || own->open || own->wants_ack || other->open || other->wants_ack) {
		answer_now(s, c, m, f, 491, STR_NONE);
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
	if (mean == OFFER_NEW && offer_check(pair_offer(c, p, 1 - p->side),
					     prack ? OFFER_SENT_PRACK : OFFER_SENT_REQUEST) != mean)
		mean = OFFER_GLARE;
	switch (mean) {
	case OFFER_NEW:
	case OFFER_ANSWER: break;
	case OFFER_GLARE: answer_now(s, c, m, f, 491, STR_NONE); return false;
	case OFFER_TOO_SOON:
	case OFFER_PREVIEW:
	case OFFER_IGNORED:
	case OFFER_MEAN_COUNT: answer_too_soon(s, c, m, f); return false;
	}
	struct verdict v = call_check_sdp(s, c, p->side, call_sdp_of(m), out);
	out->mean = mean;
	out->source = &f->remote;
	if (v.outcome == VERDICT_ALLOW)
		return true;
	refuse_now(s, c, m, f, &v, p->side);
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
	offer_step(pair_offer(c, p, 1 - p->side), prack ? OFFER_SENT_PRACK : OFFER_SENT_REQUEST);
	x->offered = sdp->mean == OFFER_NEW;
	if (!c->media.anchored) {
		struct str face = call_face(s, c, 1 - p->side, sdp->text);
		if (face.len)
			pass_request(s, c, x, p, m, face);
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

static void relay_request(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
			  const struct flow *f)
{
	struct call_sdp sdp;
	bool has_sdp = call_sdp_of(m).len &&
		       (refreshes_target((uint8_t)m->method) || m->method == METHOD_PRACK);

	if (m->method == METHOD_INVITE && !may_reinvite(s, c, p, m, f))
		return;
	if (has_sdp && !take_offer(s, c, p, m, f, &sdp))
		return;
	struct exchange *x = exchange_new(s, c, p, m, f);
	if (!x) {
		worker_reply(s, m, f, 503, STR_NONE, STR("Retry-After: 5\r\n"));
		return;
	}
	refresh_target(s, x, pair_dialog(c, p, p->side), m);
	if (m->method == METHOD_INVITE) {
		asker_answer(s, &x->asker, 100, STR_NONE, STR_NONE);
		set_invite(s, &c->leg[p->side],
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
		pass_request(s, c, x, p, m, STR_NONE);
}

static bool prack_matches(const struct call *c, const struct pair *p, const struct msg *m,
			  uint16_t *status)
{
	struct hdr_rack rack;

	*status = 400;
	if (hdr_rack_parse(msg_value(m, HDR_RACK), &rack) != OK)
		return false;
	*status = 481;
	uint32_t rseq = p->fork ? p->fork->rseq : c->rseq;
	return p->side == 0 && rack.method == METHOD_INVITE && rseq && rack.rseq == rseq &&
	       !c->leg[0].invite.ours && rack.cseq == c->leg[0].invite.cseq;
}

void in_dialog_on_request(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f,
			  const struct tls_facts *tls)
{
	struct pair p;
	uint16_t status;

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
	if (dialog_take_cseq(d, m) != OK) {
		answer_now(s, c, m, f, 500, STR_NONE);
		return;
	}
	if (c->state >= CALL_ENDING) {
		on_straggler(s, c, &p, m, f);
		return;
	}
	struct refuse_params abilities = worker_abilities_in(c->settings, call_realm(c, p.side));
	struct verdict v = refuse_request(m, &abilities);
	if (v.outcome != VERDICT_ALLOW) {
		refuse_now(s, c, m, f, &v, p.side);
		return;
	}
	if (m->method == METHOD_BYE)
		on_bye(s, c, &p, m, f);
	else if (m->method == METHOD_PRACK && !prack_matches(c, &p, m, &status))
		answer_now(s, c, m, f, status, STR_NONE);
	else
		relay_request(s, c, &p, m, f);
}

/* ---- the answer comes back */

/* 481 and 408 in a dialog end it (RFC 5057 §5.1); the rest is between the two of them. */
static uint16_t map_status(uint16_t status)
{
	return status == 481 || status == 400 ? status : call_map_status(status);
}

static void pass_answer(struct sbc *s, struct call *c, struct exchange *x, const struct msg *m,
			struct str sdp)
{
	bool accepted = m->status < 300;
	char contact[512];
	struct buf contact_buf;
	struct pair p;
	bool own_body = accepted && has_own_body(x->method, m);

	buf_init(&contact_buf, contact, sizeof(contact));
	buf_reset(&s->lines);
	if (accepted && (refreshes_target(x->method) || x->method == METHOD_OPTIONS))
		setup_write_abilities(s, m, false);
	if (call_carry(s, c, x->from, m, own_body) != OK)
		buf_reset(&s->lines);
	struct str type = m->content_type, body = m->body;
	if (!own_body)
		body = call_body(s, c, accepted ? m : NULL, sdp, &type);
	struct build_response r = {
		.status = accepted ? m->status : map_status(m->status),
		.contact = accepted && refreshes_target(x->method)
				   ? call_contact(c, x->from, &contact_buf)
				   : STR_NONE,
		.headers = buf_view(&s->lines),
		.content_type = type,
		.body = body,
	};
	asker_respond(s, &x->asker, &r);
	bool there = pair_of_exchange(c, x, &p);
	if (there && sdp.len)
		offer_step(pair_offer(c, &p, x->from), OFFER_SENT_RELIABLE);
	if (there && !accepted)
		restore_target(s, x, pair_dialog(c, &p, x->from));
	if (x->method == METHOD_INVITE) {
		struct leg_invite *i = &c->leg[x->from].invite;
		i->open = false;
		i->wants_ack = accepted;
		txn_set_owner(&s->txns, x->asker.txn, c->id);
	}
	exchange_free(s, x);
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
	exchange_refuse(s, c, x, status, STR_NONE);
	call_end(s, c, &(struct call_ending){.by = CDR_US, .rule = rule});
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
	if (pair_of_exchange(c, x, &p))
		offer_step(pair_offer(c, &p, side), OFFER_GOT_RELIABLE);
	media_note(&c->media, side, sdp.text);
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
		       (refreshes_target(x->method) || x->method == METHOD_PRACK) &&
		       (mean == OFFER_ANSWER || (mean == OFFER_NEW && invite));

	if (refreshes_target(x->method) && leg_refresh_target(&s->blocks, d, m) != OK)
		carries = false; /* a broken answer; what it agrees to is not known */
	if (invite)
		close_invite(s, c, x, d, carries && mean == OFFER_NEW);
	if (carries) {
		pass_answer_sdp(s, c, x, m, f, mean);
		return;
	}
	take_back_offer(s, c, x, p); /* accepted without an answer: nothing was agreed */
	pass_answer(s, c, x, m, STR_NONE);
}

void in_dialog_on_response(struct sbc *s, struct exchange *x, id_t64 txn, const struct msg *m,
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
		if (m->status < 300 && x->method == METHOD_INVITE && pair_of_exchange(c, x, &p) &&
		    !c->leg[1 - x->from].invite.wants_ack)
			call_send_ack(s, c, 1 - x->from, pair_dialog(c, &p, 1 - x->from), x->cseq,
				      STR_NONE);
		return;
	}
	if (!pair_of_exchange(c, x, &p)) {
		exchange_refuse(s, c, x, 481, STR_NONE);
		return;
	}
	if (m->status < 300) {
		on_accepted(s, c, x, &p, m, f);
		return;
	}
	bool ends = (m->status == 481 || m->status == 408) && !c->setup;
	take_back_offer(s, c, x, &p);
	if (x->method == METHOD_INVITE)
		c->leg[1 - x->from].invite.open = false;
	pass_answer(s, c, x, m, STR_NONE);
	if (ends)
		call_end(s, c,
			 &(struct call_ending){
				 .by = CDR_US, .cause = STR("dialog_lost"), .sip_cause = 481});
}

void in_dialog_on_report(struct sbc *s, struct exchange *x, id_t64 txn, enum txn_report report)
{
	struct call *c = call_find(s, x->call);

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
		if (!c->setup)
			call_end(s, c,
				 &(struct call_ending){.by = CDR_US,
						       .cause = STR("dialog_lost"),
						       .sip_cause = 481});
		return;
	case TXN_REPORT_SLOW: asker_answer(s, &x->asker, 100, STR_NONE, STR_NONE); return;
	case TXN_REPORT_NO_ACK: /* of a refusal: the machine has given up, nothing is to be done */
	case TXN_REPORT_COUNT: return;
	}
}

void in_dialog_on_cancel(struct sbc *s, struct exchange *x, const struct msg *cancel)
{
	struct call *c = call_find(s, x->call);
	struct txn_effects fx = {.count = 0};

	(void)cancel;
	if (NEVER(!c) || x->method != METHOD_INVITE)
		return;
	if (x->stage == EXCHANGE_OFFERING) {
		exchange_refuse(s, c, x, 487, STR_NONE);
		return;
	}
	/* Held until a provisional has come (RFC 3261 §9.1); then the other side's answer is passed on. */
	x->cancelled = true;
	if (x->stage == EXCHANGE_RELAYED &&
	    txn_cancel(&s->txns, x->txn, STR_NONE, s->now_ms, &fx) == OK)
		worker_emit(s, &fx);
}

void in_dialog_on_alarm(struct sbc *s, struct exchange *x)
{
	struct txn_effects fx = {.count = 0};

	x->cancelled = true;
	if (x->stage == EXCHANGE_RELAYED &&
	    txn_cancel(&s->txns, x->txn, STR_NONE, s->now_ms, &fx) == OK)
		worker_emit(s, &fx);
}

/* ---- ACK of a 2xx */

static void ack_on(struct sbc *s, struct call *c, unsigned side, struct str sdp)
{
	struct leg *l = &c->leg[side];

	l->invite.wants_ack = false;
	block_str_free(&s->blocks, &l->invite.body);
	l->invite.body = block_str(&s->blocks, sdp);
	if (sdp.len)
		offer_step(&c->offer[side], OFFER_SENT_ACK);
	call_send_ack(s, c, side, &l->dialog, l->invite.cseq, sdp);
}

static void ack_without_answer(struct sbc *s, struct call *c, unsigned side, struct str rule)
{
	ack_on(s, c, side, STR_NONE);
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
		ack_without_answer(s, c, 1 - side, STR_NONE);
		return;
	}
	struct verdict v = call_check_sdp(s, c, side, text, &sdp);
	sdp.mean = OFFER_ANSWER;
	sdp.source = &f->remote;
	if (v.outcome != VERDICT_ALLOW) {
		worker_refused(s, c->settings, f, m, c->leg[side].trunk, &v);
		ack_without_answer(s, c, 1 - side, v.rule);
		return;
	}
	offer_step(&c->offer[side], OFFER_GOT_ACK);
	media_note(&c->media, side, text);
	block_str_free(&s->blocks, &c->agreed[side]);
	c->agreed[side] = block_str(&s->blocks, text);
	if (!c->media.anchored) {
		ack_on(s, c, 1 - side, call_face(s, c, 1 - side, text));
		return;
	}
	c->ack_ask = call_ask_media(s, c, &sdp);
	c->ack_side = (uint8_t)(1 - side);
	if (c->ack_ask == ID_NONE)
		ack_without_answer(s, c, 1 - side, STR_NONE);
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
	const struct leg_invite *other = &c->leg[1 - p.side].invite;
	if (c->state == CALL_CONFIRMED && other->ours && other->wants_ack)
		take_late_answer(s, c, p.side, m, f);
	call_after_ack(s, c, p.side);
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
	bool ok = sdp.len && pair_of_exchange(c, x, &p) && known;
	bool offering = x->stage == EXCHANGE_OFFERING;
	struct str face = ok ? call_face(s, c, offering ? 1 - x->from : x->from, sdp) : STR_NONE;
	if (face.len && offering) {
		pass_request(s, c, x, &p, &s->held, face);
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

bool in_dialog_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e)
{
	struct str sdp = e->relay.result == RELAY_RESULT_OK
				 ? dict_get_str(e->relay.reply, STR("sdp"))
				 : STR_NONE;

	if (c->ack_ask == ask && ask != ID_NONE) {
		c->ack_ask = ID_NONE;
		struct str face = sdp.len ? call_face(s, c, c->ack_side, sdp) : STR_NONE;
		if (face.len) {
			media_note(&c->media, c->ack_side, face);
			ack_on(s, c, c->ack_side, face);
		} else {
			ack_without_answer(s, c, c->ack_side, STR_NONE);
		}
		return true;
	}
	list_each (n, &c->exchanges) {
		struct exchange *x = LIST_OBJECT(n, struct exchange, node);
		if (x->ask == ask) {
			on_exchange_media(s, c, x, e, sdp);
			return true;
		}
	}
	return false;
}

/* ---- the end */

void in_dialog_refuse_all(struct sbc *s, struct call *c)
{
	while (!list_is_empty(&c->exchanges)) {
		struct exchange *x = LIST_OBJECT(c->exchanges.next, struct exchange, node);
		struct leg *l = &c->leg[1 - x->from];
		if (x->method == METHOD_INVITE && x->txn != ID_NONE && l->invite.txn == x->txn) {
			/* Its 2xx may still come: the call has the ACK for it while it lingers. */
			l->invite.open = false;
			txn_set_owner(&s->txns, x->txn, c->id);
		} else if (x->txn != ID_NONE) {
			txn_set_owner(&s->txns, x->txn, ID_NONE);
		}
		exchange_refuse(s, c, x, 487, STR_NONE); /* RFC 3261 §15.1.2 */
	}
}

void in_dialog_free_all(struct sbc *s, struct call *c)
{
	while (!list_is_empty(&c->exchanges))
		exchange_free(s, LIST_OBJECT(c->exchanges.next, struct exchange, node));
}
