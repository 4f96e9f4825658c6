#include "sbc/core/call.h"

#include "sbc/core/call_media.h"
#include "sbc/core/call_watch.h"
#include "sbc/core/duration.h"
#include "sbc/core/exchange.h"
#include "sbc/core/crossing.h"
#include "sbc/core/in_dialog.h"
#include "sbc/core/keep.h"
#include "sbc/core/keys.h"
#include "sbc/core/late_offer.h"
#include "sbc/core/own.h"
#include "sbc/core/refresh.h"
#include "sbc/core/reg.h"
#include "sbc/core/rules.h"
#include "sbc/core/setup.h"
#include "sbc/core/transfer.h"
#include "sbc/core/worker.h"
#include "sbc/core/fraud_watch.h"

/* ---- life */

struct call *call_find(const struct sbc *s, id_t64 id)
{
	return pool_find(&s->calls, id);
}

struct call *call_new(struct sbc *s, const struct settings *settings)
{
	id_t64 id;

	if (s->live >= settings->limits.calls)
		return NULL;
	if (s->calls.used == s->calls.limit) { /* those that only linger make room */
		if (list_is_empty(&s->lingering))
			return NULL;
		struct call *oldest = LIST_OBJECT(s->lingering.next, struct call, lingering);
		call_free(s, &oldest);
	}
	if (!worker_hold_settings(s, settings))
		return NULL;
	struct call *c = pool_new(&s->calls, &id);
	if (!c) {
		worker_let_settings(s, settings);
		return NULL;
	}
	c->id = id;
	c->settings = settings;
	c->number = ++s->counts.total;
	c->state = CALL_SETUP;
	for (int i = 0; i < 2; i++) {
		c->leg[i].trunk = c->leg[i].peer = SETTINGS_NO_INDEX;
		c->leg[i].flow.listener = SETTINGS_NO_INDEX;
	}
	media_init(&c->media, rng_u32(&s->rng), rng_u32(&s->rng));
	list_init(&c->exchanges);
	list_init(&c->owns);
	timer_init(&c->session_alarm[0].timer);
	timer_init(&c->session_alarm[1].timer);
	timer_init(&c->media_alarm.timer);
	timer_init(&c->duration_alarm.timer);
	list_init(&c->lingering);
	c->record.start_ms = s->now_ms;
	c->record.start_wall_ms = s->wall_ms;
	c->record.route = SETTINGS_NO_INDEX;
	c->record.ended_by = CDR_US;
	s->live++;
	return c;
}

void call_free(struct sbc *s, struct call **call)
{
	CHECK(call && *call);
	struct call *c = *call;
	id_t64 id = c->id;

	*call = NULL;
	keep_free(s, c);
	transfer_forget(s, c);
	if (c->state != CALL_OVER)
		s->live--;
	admission_drop(s, c);
	for (unsigned side = 0; side < 2; side++) { /* unless its end has done so */
		admission_end(s, c, side);
		peers_call_ends(s, c, side);
		reg_session_end(s, c->leg[side].user);
	}
	if (c->setup)
		setup_free(s, &c->setup);
	exchange_free_all(s, c);
	own_free_all(s, c);
	refresh_stop(s, c);
	call_watch_stop(s, c);
	fraud_watch_free(s, c);
	duration_stop(s, c);
	keys_free(s, c);
	for (int i = 0; i < 2; i++) {
		leg_dialog_free(&s->blocks, &c->leg[i].dialog);
		block_str_free(&s->blocks, &c->leg[i].invite.body);
		block_str_free(&s->blocks, &c->agreed[i]);
		block_str_free(&s->blocks, &c->shown[i]);
	}
	call_free_redirects(s, c);
	block_str_free(&s->blocks, &c->identity.origid);
	block_free(&s->blocks, c->record.text, c->record.text_len);
	list_del(&c->lingering);
	worker_let_settings(s, c->settings);
	pool_free(&s->calls, id);
}

/* A 2xx of ours is still being sent: who knows the call alone can stop that when the ACK comes. */
static bool waits_for_ack(const struct sbc *s, const struct call *c)
{
	for (unsigned side = 0; side < 2; side++) {
		const struct leg_invite *i = &c->leg[side].invite;
		const struct txn_server *t = i->ours ? NULL : txn_find_server(&s->txns, i->txn);
		if (t && t->state == TXN_SERVER_ACCEPTED && !t->acked)
			return true;
	}
	return false;
}

void call_sweep(struct sbc *s, bool all)
{
	while (!list_is_empty(&s->lingering)) {
		struct call *c = LIST_OBJECT(s->lingering.next, struct call, lingering);
		if (!all && c->linger_until_ms > s->now_ms)
			return;
		if (all || !waits_for_ack(s, c)) {
			call_free(s, &c);
			continue;
		}
		/* At most until the transaction gives up. */
		list_del(&c->lingering);
		c->linger_until_ms = s->now_ms + CALL_LINGER_MS;
		list_add_tail(&s->lingering, &c->lingering);
	}
}

uint64_t call_sweep_next_ms(const struct sbc *s)
{
	if (list_is_empty(&s->lingering))
		return UINT64_MAX;
	return LIST_OBJECT(s->lingering.next, struct call, lingering)->linger_until_ms;
}

/* ---- names and notices */

void call_write_number(struct buf *b, const struct sbc *s, const struct call *c, uint64_t number)
{
	buf_str(b, c->settings->node);
	buf_char(b, '-');
	buf_bytes(b, s->boot, s->boot_len);
	buf_char(b, '-');
	buf_u64(b, number);
}

void call_write_name(struct buf *b, const struct sbc *s, const struct call *c)
{
	if (c->keep && c->keep->name.len)
		buf_str(b, c->keep->name);
	else
		call_write_number(b, s, c, c->number);
}

struct str call_text(const struct call *c, enum call_text t)
{
	const struct call_record *r = &c->record;

	return r->slot[t].len ? (struct str){r->text + r->slot[t].at, r->slot[t].len} : STR_NONE;
}

enum err call_set_texts(struct sbc *s, struct call *c, const struct str texts[CALL_TEXT_COUNT])
{
	enum { TEXT_MAX = 256 }; /* of one: what is longer is cut */
	struct call_record *r = &c->record;
	char all[CALL_TEXT_COUNT * TEXT_MAX];
	struct buf b;

	CHECK(!r->text);
	buf_init(&b, all, sizeof(all));
	for (int i = 0; i < CALL_TEXT_COUNT; i++) {
		size_t n = texts[i].len < TEXT_MAX ? texts[i].len : TEXT_MAX;
		r->slot[i].at = (uint16_t)b.len;
		r->slot[i].len = (uint16_t)n;
		buf_bytes(&b, texts[i].p, n);
	}
	if (b.len == 0)
		return OK;
	struct str kept = block_str(&s->blocks, buf_view(&b));
	if (!kept.p) {
		memset(r->slot, 0, sizeof(r->slot));
		return ERR_NOMEM;
	}
	r->text = (char *)(uintptr_t)kept.p;
	r->text_len = (uint16_t)kept.len;
	return OK;
}

uint16_t call_realm(const struct call *c, unsigned side)
{
	return worker_realm_of(c->settings, &c->leg[side].flow);
}

struct notice call_notice(struct sbc *s, const struct call *c, enum notice_type type,
			  struct buf *name)
{
	struct notice n = worker_notice(s, type);

	call_write_name(name, s, c);
	n.call = buf_view(name);
	n.settings = c->settings;
	n.from = call_text(c, CALL_FROM_NUMBER);
	n.to = call_text(c, CALL_TO_NUMBER);
	n.realm = call_realm(c, 0);
	n.trunk = c->leg[0].trunk;
	n.transport = c->leg[0].flow.transport;
	n.source = c->leg[0].flow.remote;
	return n;
}

void call_tell(struct sbc *s, const struct call *c, enum notice_type type)
{
	char mem[320];
	struct buf name;

	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, type, &name);
	worker_publish(s, &n);
}

static struct str state_name(const struct call *c)
{
	switch ((enum call_state)c->state) {
	case CALL_SETUP:
		return c->setup && c->setup->stage == SETUP_RINGING ? STR("ringing") : STR("setup");
	case CALL_ANSWERED: return STR("answered");
	case CALL_CONFIRMED: return STR("confirmed");
	case CALL_ENDING: return STR("ending");
	case CALL_OVER: return STR("over");
	case CALL_STATE_COUNT: break;
	}
	return STR_NONE;
}

static struct str cut_view(struct buf *b, size_t from)
{
	return b->overflow ? STR_NONE : (struct str){b->p + from, b->len - from};
}

void call_view(const struct sbc *s, const struct call *c, struct sbc_call_view *out,
	       struct buf *scratch)
{
	size_t at = scratch->len;

	*out = (struct sbc_call_view){
		.state = state_name(c),
		.from = call_text(c, CALL_FROM_NUMBER),
		.to = call_text(c, CALL_TO_NUMBER),
		.ingress = c->leg[0].trunk,
		.egress = c->leg[1].trunk,
		.in_transport = c->leg[0].flow.transport,
		.out_transport = c->leg[1].flow.transport,
		.started_ms = c->record.start_ms,
		.answered_ms = c->record.answer_ms,
		.codec = str_from(c->media.codec),
		.in_silent_ms = c->silent_ms[0],
		.out_silent_ms = c->silent_ms[1],
		.settings = c->settings,
	};
	call_write_name(scratch, s, c);
	out->call = cut_view(scratch, at);
	if (c->record.answer_ms) {
		at = scratch->len;
		media_write_state(scratch, &c->media.face[0]);
		out->in_media = cut_view(scratch, at);
		at = scratch->len;
		media_write_state(scratch, &c->media.face[1]);
		out->out_media = cut_view(scratch, at);
	}
}

/* ---- what both setting up and talking need */

/* Into s->out. */
static bool write_request(struct sbc *s, struct call *c, unsigned side, struct dialog *d,
			  struct build_request *r)
{
	const struct leg *l = &c->leg[side];

	if (l->flow.listener >= c->settings->listener_count)
		return false;
	r->transport = l->flow.transport;
	r->sent_by = &c->settings->listeners[l->flow.listener].local;
	r->oc = l->trunk < c->settings->trunk_count &&
		c->settings->trunks[l->trunk].habits.overload_control;
	if (!r->relayed)
		r->max_forwards = 70;
	buf_reset(&s->out);
	return dialog_fill(d, r->cseq, r) == OK && build_request(&s->out, r) == OK;
}

id_t64 call_send_request(struct sbc *s, struct call *c, unsigned side, struct dialog *d,
			 struct build_request *r, id_t64 owner)
{
	char branch[HIDE_BRANCH_LEN];
	struct dest dest = leg_dest(&c->leg[side], d, c->settings);

	r->branch = worker_token(s, HIDE_BRANCH, c->id, branch);
	if (!write_request(s, c, side, d, r))
		return ID_NONE;
	struct txn_start_params p = {.method = r->method,
				     .branch = r->branch,
				     .dest = &dest,
				     .bytes = auth_ahead(s, c->settings, &dest, buf_view(&s->out)),
				     .settings = c->settings,
				     .owner = owner,
				     .now_ms = s->now_ms};
	struct txn_effects fx = {.count = 0};
	id_t64 txn;
	if (txn_start(&s->txns, &p, &txn, &fx) != OK)
		return ID_NONE;
	worker_emit(s, &fx);
	return txn;
}

struct str call_number_at(const struct call *c, unsigned side, enum call_text t, struct buf *b)
{
	struct str number = t == CALL_TO_NUMBER ? call_number(c) : call_text(c, t);

	if (side == 0 && t == CALL_TO_NUMBER && call_text(c, CALL_DIALLED).len)
		return call_text(c, CALL_DIALLED);
	return crossing_number(c->settings, c->leg[side].trunk,
			       t == CALL_TO_NUMBER ? NUMBER_TO : NUMBER_FROM, number, b);
}

struct str call_contact(const struct call *c, unsigned side, struct buf *b)
{
	const struct leg *l = &c->leg[side];
	char mem[256];
	struct buf number;

	buf_init(&number, mem, sizeof(mem));
	if (l->flow.listener >= c->settings->listener_count)
		return STR_NONE;
	struct str user =
		call_number_at(c, side, side == 0 ? CALL_TO_NUMBER : CALL_FROM_NUMBER, &number);
	build_contact(b, l->dialog.secure, side == 1 && c->hidden ? STR_NONE : user,
		      &c->settings->listeners[l->flow.listener].local, l->flow.transport);
	return buf_view(b);
}

void call_crossing(const struct call *c, unsigned to, bool from_other, struct crossing *out)
{
	const struct leg *l = &c->leg[to];

	*out = (struct crossing){
		.settings = c->settings,
		.from_realm = from_other ? call_realm(c, 1 - to) : SETTINGS_NO_INDEX,
		.to_realm = call_realm(c, to),
		.from_trunk = from_other ? c->leg[1 - to].trunk : SETTINGS_NO_INDEX,
		.to_trunk = l->trunk,
		.from_number = call_text(c, CALL_FROM_NUMBER),
		.to_number = call_number(c),
		.host = l->flow.listener < c->settings->listener_count
				? &c->settings->listeners[l->flow.listener].local
				: NULL,
		.sips = l->dialog.secure,
		.hidden = to == 1 && c->hidden,
		.to = to,
	};
}

static enum session_id_policy session_policy(const struct call *c, unsigned side)
{
	uint16_t t = c->leg[side].trunk;

	return t < c->settings->trunk_count ? c->settings->trunks[t].caller.session_id
					    : SESSION_ID_PASS;
}

/* A side that has none goes by one of ours, as soon as the other has one, or wants one (RFC 7989 §6). */
static void make_session(struct sbc *s, struct call *c, unsigned side)
{
	uint8_t random[SESSION_ID_BYTES];

	rng_bytes(&s->rng, random, sizeof(random));
	session_id_make(&c->session, side, random);
}

static void note_session(struct sbc *s, struct call *c, unsigned to, const struct msg *m)
{
	struct session_id *x = &c->session;
	unsigned from = 1 - to;

	if (session_policy(c, from) != SESSION_ID_OFF && msg_has(m, HDR_SESSION_ID))
		session_id_take(x, from, msg_value(m, HDR_SESSION_ID));
	if (x->side[from].known)
		return;
	bool heard = !m->is_request && m->status > 100 && x->side[to].known;
	if (heard || session_policy(c, to) == SESSION_ID_MAKE)
		make_session(s, c, from);
}

void call_write_session(struct buf *lines, const struct call *c, unsigned to)
{
	size_t at = lines->len;

	if (session_policy(c, to) == SESSION_ID_OFF)
		return;
	buf_lit(lines, "Session-ID: ");
	if (session_id_write(lines, &c->session, to))
		buf_lit(lines, "\r\n");
	else if (!lines->overflow)
		lines->len = at;
}

static enum err carry(struct sbc *s, struct call *c, unsigned to, const struct msg *m, bool body,
		      struct crossing_signature *g)
{
	char mem[320];
	struct buf name;
	struct crossing x;

	buf_init(&name, mem, sizeof(mem));
	if (c->settings->header_rules_count > 0) /* nobody else asks for ${call.id} */
		call_write_name(&name, s, c);
	call_crossing(c, to, m != NULL, &x);
	x.call = buf_view(&name);
	x.body = body;
	x.signature = g;
	if (g && setup_shows_verstat(c, VERSTAT_SHOWN_PAI))
		x.verstat = setup_verstat(c);
	if (m)
		note_session(s, c, to, m);
	if (session_policy(c, to) != SESSION_ID_OFF)
		x.session = &c->session;
	return crossing_write(&s->lines, &s->arena, m, &x);
}

enum err call_carry(struct sbc *s, struct call *c, unsigned to, const struct msg *m, bool body)
{
	return carry(s, c, to, m, body, NULL);
}

enum err call_carry_signed(struct sbc *s, struct call *c, const struct msg *m,
			   struct crossing_signature *g)
{
	return carry(s, c, 1, m, false, g);
}

void call_send_ack(struct sbc *s, struct call *c, unsigned side, struct dialog *d, uint32_t cseq,
		   struct str body)
{
	char fresh[HIDE_BRANCH_LEN];
	struct leg_invite *i = &c->leg[side].invite;
	bool latest = i->ours && i->cseq == cseq;
	char *branch = latest ? i->ack_branch : fresh;
	struct dest dest = leg_dest(&c->leg[side], d, c->settings);

	if (!latest || !i->ack_made)
		worker_token(s, HIDE_BRANCH, c->id, branch);
	i->ack_made = i->ack_made || latest;
	char mem[128];
	struct buf lines;
	buf_init(&lines, mem, sizeof(mem));
	if (c->session.side[0].known || c->session.side[1].known)
		call_write_session(&lines, c, side);
	struct build_request r = {.method = STR("ACK"),
				  .branch = {branch, HIDE_BRANCH_LEN},
				  .cseq = cseq,
				  .headers = buf_view(&lines),
				  .body = body,
				  .content_type = body.len ? STR("application/sdp") : STR_NONE};

	if (write_request(s, c, side, d, &r))
		worker_send(s, &dest, buf_view(&s->out));
}

void call_ack(struct sbc *s, struct call *c, unsigned side, struct str sdp)
{
	struct leg *l = &c->leg[side];

	l->invite.wants_ack = false;
	block_str_free(&s->blocks, &l->invite.body);
	l->invite.body = block_str(&s->blocks, sdp);
	if (sdp.len)
		offer_step(&c->offer[side], OFFER_SENT_ACK);
	if (sdp.len)
		call_show(s, c, side, l->invite.body);
	call_send_ack(s, c, side, &l->dialog, l->invite.cseq, l->invite.body);
}

/*
 * What crosses of a refusal is its number alone. What speaks of us to the callee, not of the callee to the caller, is
 * turned into "bad gateway": the callee's wish for credentials, extensions, another target.
 */
uint16_t call_map_status(uint16_t status)
{
	if (status < 400)
		return 480; /* redirected: we follow no one (threats C15) */
	switch (status) {
	case 401:
	case 407:
	case 400:
	case 481:
	case 482:
	case 505: return 502;
	case 503: return 500; /* RFC 3261 §16.7: not the caller's reason to shun us */
	default: return status < 700 ? status : 500;
	}
}

/* ---- events */

void call_on_relay(struct sbc *s, struct call *c, const struct ask *asked, const struct event *e)
{
	id_t64 ask = e->relay.id;
	uint8_t what = asked->what;
	bool ok = e->relay.result == RELAY_RESULT_OK && asked->session == c->media.session;

	if (what == ASK_DELETE) {
		c->media.open = false;
		s->counts.relay_sessions--;
		call_end_step(s, c, e->relay.result == RELAY_RESULT_OK ? e->relay.reply : NULL);
		return;
	}
	if (what == ASK_PLAY) {
		keys_on_played(s, c, e);
		return;
	}
	if (!NEVER(c->relay_asks == 0))
		c->relay_asks--;
	if (ok) /* not of a target that was given up meanwhile */
		c->media.relay = e->relay.relay;
	if (ok && what == ASK_ANSWER)
		c->media.known = true;
	if (c->state == CALL_ENDING) {
		call_end_step(s, c, NULL);
		return;
	}
	if (what == ASK_RESTORE || (c->setup && setup_on_relay(s, c, ask, e)))
		return;
	if (in_dialog_on_relay(s, c, ask, e) || late_offer_on_relay(s, c, ask, e))
		return;
	struct flow none = {.listener = SETTINGS_NO_INDEX};
	worker_dropped(s, &none, NOTICE_DROP_STALE);
}

/* A 2xx of B that came again, or from another branch of a fork after the first had won (RFC 3261 §13.2.2.4). */
static void on_late_answer(struct sbc *s, struct call *c, id_t64 txn, const struct msg *m,
			   const struct flow *f)
{
	for (unsigned side = 0; side < 2; side++) {
		struct leg *l = &c->leg[side];
		if (!l->invite.ours || l->invite.txn != txn || l->invite.open)
			continue;
		if (!dialog_has_response(&l->dialog, m))
			break;
		if (!l->invite.wants_ack)
			call_send_ack(s, c, side, &l->dialog, l->invite.cseq, l->invite.body);
		return;
	}
	/* An earlier INVITE of a living dialog whose ACK was lost, after a later one began. */
	for (unsigned side = 0; side < 2; side++) {
		struct leg *l = &c->leg[side];
		if (l->dialog.text && dialog_has_response(&l->dialog, m)) {
			call_send_ack(s, c, side, &l->dialog, m->cseq, STR_NONE);
			return;
		}
	}
	call_on_orphan(s, txn, m, f, true);
}

void call_stop_waiting(struct sbc *s, struct call *c, unsigned side)
{
	struct leg *l = &c->leg[side];

	/* No ACK is waited for any more; but the 2xx is sent again until it comes: their BYE may have left before
	 * the 2xx arrived (in an early dialog, or with a re-INVITE under way), and that INVITE wants an answer. */
	if (!l->invite.ours)
		l->invite.wants_ack = false;
	else if (l->invite.wants_ack && !c->setup) { /* a late offer that gets no answer any more */
		l->invite.wants_ack = false;
		call_send_ack(s, c, side, &l->dialog, l->invite.cseq, STR_NONE);
	}
}

void call_on_stray_answer(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	on_late_answer(s, c, ID_NONE, m, f);
}

void call_on_response(struct sbc *s, struct call *c, id_t64 txn, const struct msg *m,
		      const struct flow *f, const struct tls_facts *tls)
{
	(void)tls;
	if (m->method != METHOD_INVITE)
		return; /* what a BYE got changes nothing any more */
	if (c->setup && c->setup->txn == txn) {
		c->leg[1].seen = f->id;
		setup_on_response(s, c, m, f);
		return;
	}
	if (m->status < 200 && c->state >= CALL_ENDING)
		call_leave_invite(s, c, txn);
	else if (m->status >= 200 && m->status < 300)
		on_late_answer(s, c, txn, m, f);
}

void call_on_report(struct sbc *s, struct call *c, id_t64 txn, enum txn_report report,
		    unsigned cause)
{
	switch (report) {
	case TXN_REPORT_TIMEOUT:
		if (c->setup && c->setup->txn == txn)
			setup_failed(s, c, 0, ROUTE_CAUSE_TIMEOUT);
		break;
	case TXN_REPORT_FAILED:
		if (c->setup && c->setup->txn == txn)
			setup_failed(s, c, 0, cause);
		break;
	case TXN_REPORT_NO_ACK:
		for (unsigned side = 0; side < 2; side++)
			if (!c->leg[side].invite.ours && c->leg[side].invite.txn == txn &&
			    c->leg[side].invite.wants_ack) {
				c->leg[side].invite.wants_ack = false;
				if (c->state < CALL_ENDING)
					call_end(s, c,
						 &(struct call_ending){.by = CDR_US,
								       .cause = STR("no_ack"),
								       .sip_cause = 408});
				call_after_ack(s, c, side);
				break;
			}
		break;
	case TXN_REPORT_SLOW:
	case TXN_REPORT_COUNT: break;
	}
}
