#include "sbc/core/refresh.h"

#include "sbc/core/call_media.h"
#include "sbc/core/exchange.h"
#include "sbc/core/own.h"
#include "sbc/core/reply.h"
#include "sbc/core/setup.h"

/*
 * Timers: session_alarm of each leg is the next that its session timer wants: a refresh of ours, or the end.
 */

static struct session_timer *timer_of(struct call *c, unsigned side)
{
	return &c->leg[side].session;
}

void refresh_init(struct call *c, unsigned side)
{
	static const struct session_timer_settings off = {.on = false};
	const struct settings *set = c->settings;
	uint16_t trunk = c->leg[side].trunk;

	session_timer_init(timer_of(c, side), trunk < set->trunk_count
						      ? &set->trunks[trunk].habits.session_timer
						      : &off);
}

void refresh_set_alarm(struct sbc *s, struct call *c, unsigned side)
{
	uint64_t at = session_timer_next_ms(timer_of(c, side));

	if (at == UINT64_MAX || c->state >= CALL_ENDING)
		worker_stop_alarm(s, &c->session_alarm[side]);
	else
		worker_alarm(s, &c->session_alarm[side],
			     side ? ALARM_CALLEE_SESSION : ALARM_CALLER_SESSION, at);
}

void refresh_write_request(struct sbc *s, const struct call *c, unsigned side)
{
	session_timer_write_request(&c->leg[side].session, &s->lines);
}

void refresh_on_answer(struct sbc *s, struct call *c, unsigned side, const struct msg *m)
{
	struct session_timer_seen seen;

	if (!timer_of(c, side)->on)
		return;
	session_timer_read(m, &seen);
	session_timer_on_answer(timer_of(c, side), &seen, s->now_ms);
	refresh_set_alarm(s, c, side);
}

bool refresh_on_refusal(struct sbc *s, struct call *c, unsigned side, const struct msg *m)
{
	struct session_timer_seen seen;

	if (!timer_of(c, side)->on)
		return false;
	session_timer_read(m, &seen);
	bool again = session_timer_on_refusal(timer_of(c, side), m->status, &seen, s->now_ms);
	refresh_set_alarm(s, c, side);
	return again;
}

bool refresh_take_request(struct call *c, unsigned side, const struct msg *m)
{
	struct session_timer_seen seen;

	if (!timer_of(c, side)->on)
		return true;
	session_timer_read(m, &seen);
	return session_timer_take_request(timer_of(c, side), &seen);
}

void refresh_write_min(struct sbc *s, const struct call *c, unsigned side)
{
	session_timer_write_min(&c->leg[side].session, &s->lines);
}

void refresh_write_answer(struct sbc *s, struct call *c, unsigned side)
{
	session_timer_write_answer(timer_of(c, side), &s->lines, s->now_ms);
	refresh_set_alarm(s, c, side);
}

/* ---- the peer refreshes */

/* Every medium on, both ways. */
static bool is_plain(struct str sdp)
{
	static const char *const turned[] = {"a=sendonly", "a=recvonly", "a=inactive"};
	struct str line, word;

	for (size_t i = 0; i < ARRAY_LEN(turned); i++)
		if (str_find(sdp, str_from(turned[i])) < sdp.len)
			return false;
	while (str_cut(&sdp, '\n', &line))
		if (str_has_prefix(line, STR("m=")) && str_cut_word(&line, &word) &&
		    str_cut_word(&line, &word) && str_eq(word, STR("0")))
			return false;
	return true;
}

/*
 * May what the peer was shown last answer what it says again? It was an answer to that; or it was an offer (that of a transfer,
 * too, after which the other side heard the peer's answer as an offer), and then only if the peer had left nothing out and
 * turned nothing off.
 */
static bool may_repeat(const struct call *c, unsigned side)
{
	const bool turned = !is_plain(c->agreed[side]), shows_it = !is_plain(c->shown[side]);

	return c->agreed_by == side ? shows_it || !turned : !shows_it && !turned;
}

/* Nothing in it is for the other side: no other SDP, no news about who speaks (RFC 3325, RFC 4916). */
static bool is_for_us(const struct call *c, const struct pair *p, const struct msg *m)
{
	struct str sdp = call_sdp_of(m);

	if (c->setup || !c->leg[p->side].session.on || !msg_has(m, HDR_SESSION_EXPIRES) ||
	    msg_has(m, HDR_P_ASSERTED_IDENTITY) || msg_has(m, HDR_REMOTE_PARTY_ID))
		return false;
	if (m->method == METHOD_UPDATE && m->body.len == 0)
		return true;
	/* What is shown now may not be what this side has just agreed to. */
	if (!list_is_empty(&c->exchanges))
		return false;
	return sdp.len && sdp.len == m->body.len && c->shown[p->side].len &&
	       may_repeat(c, p->side) && call_sdp_is_same(sdp, c->agreed[p->side]);
}

bool refresh_answer(struct sbc *s, struct call *c, const struct pair *p, const struct msg *m,
		    const struct flow *f)
{
	struct leg *l = &c->leg[p->side];
	struct offer *o = &c->offer[p->side];
	bool invite = m->method == METHOD_INVITE;
	char contact[512];
	struct buf contact_buf;
	struct asker a;

	if (!is_for_us(c, p, m) || (m->body.len && offer_check(o, OFFER_GOT_REQUEST) != OFFER_NEW))
		return false;
	if (asker_serve(s, &a, c->settings, m, f, invite ? c->id : ID_NONE) != OK) {
		worker_reply(s, m, f, 503, STR_NONE, STR("Retry-After: 5\r\n"));
		return true;
	}
	if (leg_refresh_target(&s->blocks, &l->dialog, m) != OK) {
		asker_answer(s, &a, 400, STR("Bad Contact"), STR_NONE);
		return true;
	}
	buf_init(&contact_buf, contact, sizeof(contact));
	buf_reset(&s->lines);
	setup_write_abilities(s, c, p->side, NULL);
	refresh_write_answer(s, c, p->side);
	if (call_carry(s, c, p->side, NULL, m->body.len > 0) != OK)
		buf_reset(&s->lines);
	struct build_response r = {.status = 200,
				   .contact = call_contact(c, p->side, &contact_buf),
				   .headers = buf_view(&s->lines)};
	if (m->body.len) {
		r.content_type = STR("application/sdp");
		/* With a version of its own if an offer of ours was refused in between. */
		r.body = call_face(s, c, p->side, c->shown[p->side]);
		call_show(s, c, p->side, r.body);
		offer_step(o, OFFER_GOT_REQUEST);
		offer_step(o, OFFER_SENT_RELIABLE);
	}
	if (invite)
		leg_set_invite(
			&s->blocks, l,
			(struct leg_invite){.txn = a.txn, .cseq = m->cseq, .wants_ack = true});
	asker_respond(s, &a, &r);
	return true;
}

/* ---- we refresh */

static void send(struct sbc *s, struct call *c, unsigned side)
{
	char mem[256];
	struct buf lines;
	/* Without SDP to say again a re-INVITE would change things: then UPDATE in any case. */
	bool update = timer_of(c, side)->peer_updates || c->shown[side].len == 0;
	struct own_params p = {.what = OWN_REFRESH,
			       .method = update ? METHOD_UPDATE : METHOD_INVITE};

	buf_init(&lines, mem, sizeof(mem));
	session_timer_write_request(timer_of(c, side), &lines);
	p.lines = buf_view(&lines);
	if (!update) {
		p.content_type = STR("application/sdp");
		p.body = c->shown[side];
	}
	own_send(s, c, side, &p);
}

void refresh_on_alarm(struct sbc *s, struct call *c, unsigned side)
{
	if (c->setup || c->state >= CALL_ENDING)
		return;
	switch (session_timer_tick(timer_of(c, side), s->now_ms)) {
	case SESSION_DUE_NOTHING:
	case SESSION_DUE_COUNT: break;
	case SESSION_DUE_REFRESH: send(s, c, side); break;
	case SESSION_DUE_END:
		call_end(s, c,
			 &(struct call_ending){
				 .by = CDR_US, .cause = STR("session_timer"), .sip_cause = 408});
		return;
	}
	refresh_set_alarm(s, c, side);
}

/* A peer that answers a refresh with another description than before: the relay hears of it, the other side need not. */
static void take_changed_answer(struct sbc *s, struct call *c, const struct own_outcome *x)
{
	struct call_sdp read;

	if (x->sdp.len == 0 || c->agreed[x->side].len == 0 ||
	    call_sdp_is_same(x->sdp, c->agreed[x->side]) ||
	    call_check_sdp(s, c, x->side, x->sdp, &read).outcome != VERDICT_ALLOW)
		return;
	block_str_free(&s->blocks, &c->agreed[x->side]);
	c->agreed[x->side] = block_str(&s->blocks, x->sdp);
	call_restore_media(s, c);
}

void refresh_on_own(struct sbc *s, struct call *c, const struct own_outcome *x)
{
	struct session_timer *t = timer_of(c, x->side);
	struct session_timer_seen seen = {.supported = false};

	if (x->status < 300) {
		take_changed_answer(s, c, x);
		refresh_on_answer(s, c, x->side, x->answer);
		return;
	}
	if (!x->answer && x->status == 408) {
		call_end(s, c,
			 &(struct call_ending){
				 .by = CDR_US, .cause = STR("session_timer"), .sip_cause = 408});
		return;
	}
	if (x->answer)
		session_timer_read(x->answer, &seen);
	if (session_timer_on_refusal(t, x->status, &seen, s->now_ms))
		send(s, c, x->side);
	refresh_set_alarm(s, c, x->side);
}

bool refresh_is_wanted(const struct call *c, unsigned side)
{
	return session_timer_is_wanted(&c->leg[side].session);
}

void refresh_stop(struct sbc *s, struct call *c)
{
	for (int i = 0; i < 2; i++) {
		c->leg[i].session.running = false;
		worker_stop_alarm(s, &c->session_alarm[i]);
	}
}
