#include "sbc/core/setup.h"

#include "policy/number.h"
#include "policy/route.h"
#include "sbc/core/call_media.h"
#include "sbc/core/identity.h"
#include "sbc/core/refresh.h"
#include "sbc/core/reg.h"
#include "sbc/core/setup_judge.h"
#include "sbc/core/transfer.h"
#include "sbc/core/uri.h"
#include "sbc/core/fraud_watch.h"

/* An INVITE outside any dialog becomes a call, or is refused: what is read of it, what policy says. */

enum { RETRY_AFTER_S = 10 };

void setup_refuse_at_once(struct sbc *s, const struct msg *m, const struct flow *f,
			  const struct tls_facts *tls, uint16_t trunk, const struct verdict *v)
{
	char tag[HIDE_BRANCH_LEN];
	struct asker a;

	buf_reset(&s->lines);
	struct refuse_params abilities =
		worker_abilities_in(s->settings, worker_realm_of(s->settings, f));
	if (refuse_write_headers(&s->lines, v, m, &abilities) != OK)
		buf_reset(&s->lines);
	if (v->status == 503)
		buf_printf(&s->lines, "Retry-After: %u\r\n",
			   v->retry_after_s ? v->retry_after_s : RETRY_AFTER_S);
	if (str_eq(v->rule, STR("reliable")))
		buf_z(&s->lines,
		      v->status == 420 ? "Unsupported: 100rel\r\n" : "Require: 100rel\r\n");
	worker_refused(s, s->settings, f, m, trunk, v);
	if (v->outcome == VERDICT_REJECT) {
		if (setup_is_short_of_transactions(s) ||
		    asker_serve(s, &a, s->settings, m, f, ID_NONE) != OK) {
			/* Overload: the INVITE may come again, and no one remembers that it came. */
			worker_reply(s, m, f, v->status, v->reason, buf_view(&s->lines));
			return;
		}
		struct build_response r = {.status = v->status,
					   .reason = v->reason,
					   .to_tag = worker_token(s, HIDE_TAG, ID_NONE, tag),
					   .headers = buf_view(&s->lines)};
		asker_respond(s, &a, &r);
	}
	/* A request that came by two ways (RFC 3261 §8.2.2.2) is one call, and has its record. */
	if (v->status != 482)
		call_refused_at_once(s, m, f, tls, trunk, v);
}

struct numbers {
	struct str called, dialled, caller, domain, user;
};

static void set_texts(struct sbc *s, struct call *c, const struct msg *m,
		      const struct tls_facts *tls, const struct numbers *n)
{
	struct name_addr a;
	struct str texts[CALL_TEXT_COUNT] = {
		[CALL_FROM_NUMBER] = n->caller,
		[CALL_TO_NUMBER] = n->called,
		[CALL_DIALLED] = str_eq(n->called, n->dialled) ? STR_NONE : n->dialled,
		[CALL_DOMAIN] = n->domain,
		[CALL_USER] = n->user,
		[CALL_USER_AGENT] = msg_value(m, HDR_USER_AGENT)};

	if (name_addr_parse(m->from, &a) == OK) {
		texts[CALL_FROM_DISPLAY] = a.display;
		if (a.display.len >= 2 && a.display.p[0] == '"') /* its quotes are not part of it */
			texts[CALL_FROM_DISPLAY] = (struct str){a.display.p + 1, a.display.len - 2};
	}
	if (tls) {
		texts[CALL_TLS_VERSION] = tls->version;
		texts[CALL_TLS_CIPHER] = tls->cipher;
		if (tls->verified && tls->name_count)
			texts[CALL_TLS_PEER] = tls->names[0];
	}
	/* Without room the record is poorer; the call is none the worse. */
	enum err e = call_set_texts(s, c, texts);
	(void)e;
}

/* Seconds; what else may stand there is of no use to anyone. */
static bool is_timestamp(struct str s)
{
	enum { STAMP_MAX = 32 };

	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] != '.' && (s.p[i] < '0' || s.p[i] > '9'))
			return false;
	return s.len > 0 && s.len <= STAMP_MAX;
}

/* At once, so that the caller stops repeating; its Timestamp tells it how far we are (RFC 3261 §8.2.6.1). */
static void answer_trying(struct sbc *s, const struct setup *u, const struct msg *m)
{
	struct str stamp = msg_value(m, HDR_TIMESTAMP);
	struct build_response r = {.status = 100};

	if (is_timestamp(stamp)) {
		buf_reset(&s->lines);
		buf_printf(&s->lines, "Timestamp: %.*s\r\n", STR_ARG(stamp));
		r.headers = buf_view(&s->lines);
	}
	asker_respond(s, &u->asker, &r);
}

/* Opens the caller's side. ERR_BAD: no dialog can be made of this INVITE; else a limit of ours. Nothing is left then. */
static enum err open_caller(struct sbc *s, struct call *c, const struct msg *m,
			    const struct flow *f)
{
	struct setup *u = c->setup;
	struct leg *l = &c->leg[0];
	char tag[HIDE_BRANCH_LEN];

	l->flow = *f;
	enum err e = asker_serve(s, &u->asker, c->settings, m, f, c->id);
	if (e != OK)
		return e;
	e = leg_dialog_new(&s->blocks, &l->dialog, dialog_text_for(m) + 64);
	/* There is room for all that a dialog may keep: what does not fit is too long. */
	if (e == OK && dialog_start_uas(&l->dialog, m, worker_token(s, HIDE_TAG, c->id, tag),
					transport_is_secure(f->transport)) != OK)
		e = ERR_BAD;
	if (e != OK) {
		txn_abandon(&s->txns, u->asker.txn);
		return e == ERR_LIMIT ? ERR_BAD : e;
	}
	l->invite = (struct leg_invite){.txn = u->asker.txn, .cseq = m->cseq, .open = true};
	u->invite = block_str(&s->blocks, m->bytes);
	struct str sdp = call_sdp_of(m);
	u->body_len = (uint32_t)sdp.len;
	u->body_at = sdp.len ? (uint32_t)(sdp.p - m->bytes.p) : 0;
	if (u->invite.len == 0) {
		txn_abandon(&s->txns, u->asker.txn);
		return ERR_NOMEM;
	}
	answer_trying(s, u, m);
	return OK;
}

static bool begin_session(struct sbc *s, struct call *c, unsigned side, struct aor *a)
{
	if (c->leg[side].user != ID_NONE || !reg_session_begin(s, a))
		return false;
	c->leg[side].user = a->id;
	return true;
}

/* Where to, by policy or by the contact that was called; whoever of ours that is has a session more. */
static struct verdict find_targets(struct sbc *s, struct call *c, const struct policy_ask *a,
				   const struct contact *contact)
{
	struct setup *u = c->setup;
	struct aor *user = contact ? contact->aor : NULL;
	struct verdict v;

	if (contact) {
		v = setup_route_user(c->settings, contact, u->sips, &u->hunt, &c->record.route);
	} else {
		v = setup_route(s, c->settings, a, u->sips, &u->hunt, &user);
		c->record.route = a->decision->route;
	}
	if (v.outcome == VERDICT_ALLOW && user && !begin_session(s, c, 1, user))
		v = setup_verdict(VERDICT_STAGE_ADMISSION, 486, STR_NONE, STR("sessions"));
	return v;
}

/* A user who calls has a session more. */
static struct verdict judge_caller(struct sbc *s, struct call *c, const struct msg *m)
{
	uint16_t trunk = c->leg[0].trunk;
	struct contact *b = NULL;

	if (trunk < c->settings->trunk_count && c->settings->trunks[trunk].users &&
	    c->leg[0].user == ID_NONE)
		b = reg_find_speaker(s, &c->setup->flow, m);
	if (b && !begin_session(s, c, 0, b->aor))
		return setup_verdict(VERDICT_STAGE_ADMISSION, 403, STR_NONE, STR("sessions"));
	return (struct verdict){.outcome = VERDICT_ALLOW};
}

/* What the caller can do, as far as its trunk's habits let it. */
static void note_abilities(struct setup *u, const struct msg *m, const struct settings *set,
			   uint16_t trunk)
{
	enum reliable_policy p =
		trunk < set->trunk_count ? set->trunks[trunk].habits.reliable : RELIABLE_SUPPORTED;
	bool requires = msg_has_token(m, HDR_REQUIRE, STR("100rel"));

	u->rel100 =
		p != RELIABLE_OFF && (requires || msg_has_token(m, HDR_SUPPORTED, STR("100rel")));
	u->needs100 = u->rel100 && (requires || p == RELIABLE_REQUIRE);
	u->reads199 = msg_has_token(m, HDR_SUPPORTED, STR("199"));
}

/* The call has its caller and its texts: where to, by policy, and off it goes. m has an INVITE's headers. */
static void decide(struct sbc *s, struct call *c, const struct msg *m, const struct uri *uri,
		   struct facts *facts)
{
	struct setup *u = c->setup;
	struct call_sdp sdp = {.mean = OFFER_NEW};
	bool lent;

	const struct policy_ask ask = judge_ask(s, c->settings, facts);

	facts->method = m->method_text;
	facts->domain = uri->host;
	facts->random = rng_u32(&s->rng);
	facts->now_ms = s->now_ms;
	facts->wall_ms = s->wall_ms;
	struct verdict v = transfer_on_replaces(s, c, m, &lent);
	struct contact *contact = NULL;
	if (v.outcome == VERDICT_ALLOW && !lent && c->settings->users_count) {
		if (!transfer_has_caller(s, c)) /* whose session is counted where it came from */
			v = judge_caller(s, c, m);
		(void)reg_find_token(s, facts->trunk, uri->user, &contact);
	}
	if (v.outcome == VERDICT_ALLOW && !lent)
		v = spiral_enter(s, c, m, facts);
	if (v.outcome == VERDICT_ALLOW && !lent)
		v = find_targets(s, c, &ask, contact);
	if (v.outcome == VERDICT_ALLOW)
		v = setup_privacy(c->settings, call_realm(c, 0), m);
	if (v.outcome == VERDICT_ALLOW && u->has_offer)
		v = call_check_sdp(s, c, 0, call_sdp_of(m), &sdp);
	if (s->decision.todo.count)
		fraud_watch_carry_out(s, &s->decision.todo);
	if (v.outcome != VERDICT_ALLOW) {
		call_refuse_by(s, c, m, &v);
		return;
	}
	if (c->settings->policy.fraud && !lent)
		fraud_watch_begin(s, c, facts);
	offer_step(&c->offer[0], u->has_offer ? OFFER_GOT_REQUEST : OFFER_GOT_INVITE);
	if (!lent) {
		if (!opine_begin(s, c, facts))
			setup_go_on(s, c);
		return;
	}
	const struct settings *set = c->settings;
	c->media.anchored = set->realms[call_realm(c, 0)].anchor_media ||
			    set->realms[call_realm(c, 1)].anchor_media;
	if (!u->has_offer) {
		setup_reach(s, c);
		return;
	}
	u->stage = SETUP_OFFERING;
	sdp.source = &u->flow.remote;
	if (c->media.anchored)
		u->ask = call_ask_media(s, c, &sdp);
	else
		u->offer = block_str(&s->blocks, sdp.text);
	if (!c->media.anchored)
		setup_reach(s, c);
	else if (u->ask == ID_NONE)
		setup_relay_failed(s, c);
}

/* False: no room. */
static bool attach(struct sbc *s, struct call *c)
{
	id_t64 id;
	struct setup *u = pool_new(&s->setups, &id);

	if (!u)
		return false;
	c->setup = u;
	u->id = id;
	u->call = c;
	list_init(&u->forks);
	timer_init(&u->alarm.timer);
	timer_init(&u->prack.timer);
	return true;
}

/* False: refused, for its session interval. */
static bool may_last(struct sbc *s, struct call *c, const struct msg *m)
{
	struct call_ending why = {.by = CDR_US};

	if (!c->leg[0].session.on && msg_has_token(m, HDR_REQUIRE, STR("timer"))) {
		call_refuse(s, c, 420, STR_NONE, STR("Unsupported: timer\r\n"), &why);
		return false;
	}
	if (refresh_take_request(c, 0, m))
		return true;
	buf_reset(&s->lines);
	refresh_write_min(s, c, 0);
	call_refuse(s, c, 422, STR_NONE, buf_view(&s->lines), &why);
	return false;
}

/* The call, with its caller's side open; NULL with the refusal: then nothing is left. */
static struct call *open_call(struct sbc *s, const struct msg *m, const struct flow *f,
			      bool emergency, struct verdict *out)
{
	*out = setup_room(s, s->settings, emergency);
	struct call *c = out->outcome == VERDICT_ALLOW ? call_new(s, s->settings) : NULL;
	enum err e = c && attach(s, c) ? open_caller(s, c, m, f) : ERR_FULL;

	if (e == OK)
		return c;
	if (c) {
		s->counts.total--;
		call_free(s, &c);
	}
	if (e == ERR_BAD)
		*out = setup_verdict(VERDICT_STAGE_PARSE, 400,
				     STR("Contact or Record-Route cannot be kept"), STR("dialog"));
	else if (out->outcome == VERDICT_ALLOW)
		*out = setup_verdict(VERDICT_STAGE_LIMIT, 503, STR_NONE, STR("calls"));
	return NULL;
}

void setup_begin(struct sbc *s, const struct msg *m, const struct flow *f,
		 const struct tls_facts *tls, uint16_t trunk)
{
	struct facts facts = leg_facts(s->settings, f, tls);
	const struct policy_ask ask = judge_ask(s, s->settings, &facts);
	struct setup_asked asked;

	facts.trunk = trunk;
	if (trunk < s->settings->trunk_count && s->settings->trunks[trunk].users)
		judge_user(s, f, m, &facts);
	struct verdict v = setup_read(s, &ask, m, f, &asked);
	if (v.outcome == VERDICT_ALLOW && !s->draining)
		v = judge_admission(s, &ask, s->settings, trunk, ADMIT_IN);
	struct call *c =
		v.outcome == VERDICT_ALLOW ? open_call(s, m, f, facts.emergency, &v) : NULL;
	if (!c) {
		setup_refuse_at_once(s, m, f, tls, trunk, &v);
		return;
	}
	struct setup *u = c->setup;
	c->leg[0].trunk = trunk;
	admission_begin(s, c, 0);
	admission_hold(s, c, &facts);
	refresh_init(c, 0);
	set_texts(s, c, m, tls,
		  &(struct numbers){asked.called, asked.dialled, asked.caller, asked.uri.host,
				    facts.user});
	c->record.diversions = facts.diversions;
	u->flow = u->asking_flow = *f;
	u->asking_trunk = trunk;
	u->sips = asked.uri.scheme == URI_SIPS;
	u->emergency = facts.emergency;
	note_abilities(u, m, c->settings, trunk);
	u->has_offer = u->body_len > 0;
	c->media.face[0].sdp.labels = c->media.face[1].sdp.labels =
		msg_has_token(m, HDR_REQUIRE, STR("siprec"));
	call_tell(s, c, NOTICE_CALL_STARTED);

	if (!may_last(s, c, m) || setup_identify(s, c, m, &facts))
		return;
	setup_identity_facts(c, &facts);
	decide(s, c, m, &asked.uri, &facts);
}

void setup_identified(struct sbc *s, struct call *c)
{
	struct setup *u = c->setup;
	struct facts facts;
	struct uri uri;

	if (NEVER(!setup_take_wait(s, u, &facts)) || msg_index(&s->held, u->invite, 0) != OK ||
	    uri_parse(s->held.uri, &uri) != OK) {
		struct verdict v = setup_verdict(VERDICT_STAGE_PARSE, 500, STR_NONE, STR("invite"));
		call_refuse_by(s, c, &s->in, &v);
		return;
	}
	facts.number = call_text(c, CALL_TO_NUMBER);
	facts.caller = call_text(c, CALL_FROM_NUMBER);
	if (facts.trunk < c->settings->trunk_count && c->settings->trunks[facts.trunk].users)
		judge_user(s, &u->flow, &s->held, &facts);
	setup_identity_facts(c, &facts);
	decide(s, c, &s->held, &uri, &facts);
}

void setup_drop_lent(struct sbc *s, struct call **call)
{
	s->counts.total--;
	call_free(s, call);
}

struct call *setup_new_lent(struct sbc *s, struct str invite)
{
	struct call *c =
		s->draining || setup_is_short_of_transactions(s) ? NULL : call_new(s, s->settings);

	if (!c)
		return NULL;
	if (attach(s, c)) {
		c->setup->invite = block_str(&s->blocks, invite);
		if (c->setup->invite.len)
			return c;
	}
	setup_drop_lent(s, &c);
	return NULL;
}

void setup_start_lent(struct sbc *s, struct call *c, struct facts *facts, const struct flow *asking)
{
	char number_mem[SETUP_NUMBER_MAX], canonical_mem[SETUP_NUMBER_MAX],
		caller_mem[SETUP_NUMBER_MAX];
	struct buf number, canonical;
	struct uri uri;
	struct setup *u = c->setup;
	struct verdict bad = setup_verdict(VERDICT_STAGE_PARSE, 400, STR_NONE, STR("refer-to"));

	buf_init(&number, number_mem, sizeof(number_mem));
	u->flow = c->leg[0].flow;
	u->asking_flow = *asking;
	u->asking_trunk = facts->trunk;
	if (msg_index(&s->held, u->invite, 0) != OK || uri_parse(s->held.uri, &uri) != OK ||
	    uri_write_number(&number, &uri) != OK || number.overflow) {
		call_refuse_by(s, c, &s->held, &bad);
		return;
	}
	buf_init(&canonical, canonical_mem, sizeof(canonical_mem));
	struct numbers n = {
		.called = number_of(facts->trunk < c->settings->trunk_count
					    ? c->settings->trunks[facts->trunk].caller.numbers_in
					    : NULL,
				    NUMBER_TO, buf_view(&number), &canonical),
		.dialled = buf_view(&number),
		.caller = setup_caller(c->settings, c->leg[0].trunk, &s->held, caller_mem),
		.domain = uri.host,
		.user = facts->user};
	set_texts(s, c, &s->held, NULL, &n);
	u->sips = uri.scheme == URI_SIPS;
	call_tell(s, c, NOTICE_CALL_STARTED);
	facts->number = n.called;
	facts->caller = n.caller;
	facts->emergency = route_is_emergency(&c->settings->policy, n.called);
	u->emergency = facts->emergency;
	facts->cause = FACTS_TRANSFERRED;
	/* Where a transfer leads is limited as where a call does; a dialog that is replaced is there already. */
	const struct policy_ask ask = judge_ask(s, c->settings, facts);
	struct verdict v = {.outcome = VERDICT_ALLOW};
	if (!msg_has(&s->held, HDR_REPLACES))
		v = policy_admit(&ask);
	if (v.outcome != VERDICT_ALLOW) {
		call_refuse_by(s, c, &s->held, &v);
		return;
	}
	if (!msg_has(&s->held, HDR_REPLACES))
		admission_hold(s, c, facts);
	decide(s, c, &s->held, &uri, facts);
}
