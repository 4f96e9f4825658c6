#include "sbc/core/transfer_join.h"

#include "policy/facts.h"
#include "sbc/core/call_media.h"
#include "sbc/core/in_dialog.h"
#include "sbc/core/keep.h"
#include "sbc/core/refresh.h"
#include "sbc/core/setup.h"
#include "sbc/core/fraud_watch.h"

static struct transfer *transfer_of(const struct sbc *s, const struct call *c)
{
	return pool_find(&s->transfers, c->transfer);
}

static void tell(struct sbc *s, const struct call *c, uint16_t status)
{
	char mem[320];
	struct buf name;

	buf_init(&name, mem, sizeof(mem));
	struct notice n =
		call_notice(s, c, status ? NOTICE_TRANSFER_ENDED : NOTICE_TRANSFER_STARTED, &name);
	n.status = status;
	worker_publish(s, &n);
}

/* ---- legs that are lent, and move */

static bool same_listener(const struct settings *a, uint16_t i, const struct settings *b,
			  uint16_t k)
{
	const struct listener *x = &a->listeners[i], *y = &b->listeners[k];

	return x->transport == y->transport && addr_eq(&x->local, &y->local) &&
	       str_eq(a->realms[x->realm].name, b->realms[y->realm].name);
}

/* The same listener and trunk in another generation of the configuration. False: it has them no more. */
static bool translate(struct leg *l, const struct settings *from, const struct settings *to)
{
	uint16_t listener = SETTINGS_NO_INDEX, trunk = SETTINGS_NO_INDEX;

	if (from == to)
		return true;
	if (l->flow.listener >= from->listener_count || l->trunk >= from->trunk_count)
		return false;
	for (size_t i = 0; i < to->listener_count; i++)
		if (same_listener(from, l->flow.listener, to, (uint16_t)i))
			listener = (uint16_t)i;
	for (size_t i = 0; i < to->trunk_count; i++)
		if (str_eq(from->trunks[l->trunk].name, to->trunks[i].name))
			trunk = (uint16_t)i;
	l->flow.listener = listener;
	l->trunk = trunk;
	l->peer = SETTINGS_NO_INDEX;
	return listener != SETTINGS_NO_INDEX && trunk != SETTINGS_NO_INDEX;
}

/* A stand-in for the leg: who it is and where it is, but nothing is said in its dialog. */
static bool lend(struct sbc *s, const struct call *from, unsigned a, struct call *to, unsigned b)
{
	const struct leg *src = &from->leg[a];
	struct leg l = {.flow = src->flow,
			.seen = src->seen,
			.trunk = src->trunk,
			.peer = src->peer,
			.ended = true};

	if (!translate(&l, from->settings, to->settings) ||
	    leg_dialog_copy(&s->blocks, &l.dialog, &src->dialog, 64) != OK)
		return false;
	leg_dialog_free(&s->blocks, &to->leg[b].dialog);
	to->leg[b] = l;
	to->session.side[b] = from->session.side[a];
	return true;
}

/* The dialog, its INVITE and its face are `to`'s from here; the stand-in takes the place that it leaves. */
static void move_leg(struct sbc *s, struct call *from, unsigned a, struct call *to, unsigned b)
{
	struct leg *src = &from->leg[a], *dst = &to->leg[b];
	struct leg stand_in = *dst, moved = *src;
	id_t64 home = moved.home != ID_NONE ? moved.home : from->id;
	struct call *named = call_find(s, home);

	moved.flow.listener = stand_in.flow.listener;
	moved.trunk = stand_in.trunk;
	moved.peer = stand_in.peer;
	moved.home = home == to->id ? ID_NONE : home;
	stand_in.flow.listener = src->flow.listener;
	stand_in.trunk = src->trunk;
	stand_in.peer = src->peer;
	stand_in.ended = true;
	*dst = moved;
	*src = stand_in;
	to->media.face[b] = from->media.face[a];
	block_str_free(&s->blocks, &to->shown[b]);
	to->shown[b] = from->shown[a];
	from->shown[a] = STR_NONE;
	fraud_watch_move(from, a, to, b);
	refresh_set_alarm(s, from, a);
	refresh_set_alarm(s, to, b);
	if (named)
		named->heir = home == to->id ? ID_NONE : to->id;
	txn_set_owner(&s->txns, dst->invite.txn, to->id);
}

struct call *transfer_heir(struct sbc *s, struct call *c, const struct msg *m)
{
	struct call *heir = c ? call_find(s, c->heir) : NULL;

	for (unsigned side = 0; heir && side < 2; side++) {
		const struct dialog *d = &heir->leg[side].dialog;
		if (d->text &&
		    (m->is_request ? dialog_has_request(d, m) : dialog_has_response(d, m)))
			return heir;
	}
	return c;
}

const struct call *transfer_lender(const struct sbc *s, const struct call *c, unsigned side,
				   unsigned *out_side)
{
	const struct transfer *x = c->transfer != ID_NONE ? transfer_of(s, c) : NULL;

	if (!x || x->call != c->id)
		return NULL;
	*out_side = 1u - (side == 0 ? x->referrer : x->leaver);
	return call_find(s, side == 0 ? x->from : x->replaced);
}

struct media_face *transfer_face(const struct sbc *s, struct call *c, unsigned side)
{
	const struct transfer *x = c->transfer != ID_NONE ? transfer_of(s, c) : NULL;
	struct call *lender = NULL;
	unsigned lent = 0;

	if (x && x->call == c->id && side == 0 && c->leg[0].ended) {
		lender = call_find(s, x->from);
		lent = 1u - x->referrer;
	} else if (x && x->call == c->id && side == 1 && c->leg[1].ended) {
		lender = call_find(s, x->replaced);
		lent = 1u - x->leaver;
	}
	return lender ? &lender->media.face[lent] : &c->media.face[side];
}

void transfer_forget(struct sbc *s, struct call *c)
{
	for (unsigned side = 0; side < 2; side++) {
		struct call *named = call_find(s, c->leg[side].home);
		c->leg[side].home = ID_NONE;
		if (!named || named->heir != c->id)
			continue;
		named->heir = ID_NONE;
		if (named->state == CALL_OVER && list_is_empty(&named->lingering))
			call_free(s, &named);
	}
}

/* A re-INVITE of ours, which is a session refresh, too (RFC 4028 §7.4); without SDP it asks for an offer. */
static id_t64 reinvite(struct sbc *s, struct call *c, unsigned side, id_t64 ref, struct str sdp)
{
	char mem[256];
	struct buf lines;

	buf_init(&lines, mem, sizeof(mem));
	session_timer_write_request(&c->leg[side].session, &lines);
	struct own_params p = {.what = OWN_TRANSFER,
			       .ref = ref,
			       .method = METHOD_INVITE,
			       .lines = buf_view(&lines),
			       .content_type = sdp.len ? STR("application/sdp") : STR_NONE,
			       .body = sdp};
	return own_send(s, c, side, &p);
}

/* The lent leg of `old` hears whom it is in a session with from now on (RFC 7989 §8). `which`: 0 `from`, 1 `replaced`. */
static void join_session(struct transfer *x, struct call *old, unsigned lent, const struct call *c,
			 unsigned which)
{
	x->session[which] = old->session;
	x->joined[which] = true;
	session_id_join(&old->session, lent, &c->session, 1 - which);
}

static void part_session(struct transfer *x, struct call *old, unsigned which)
{
	if (old && x->joined[which])
		old->session = x->session[which];
	x->joined[which] = false;
}

/* ---- the media of a leg that comes back */

/* A re-INVITE without SDP: its offer gets the answer that the old session has. */
static void bring_back(struct sbc *s, struct call *c, unsigned side)
{
	if (c->state < CALL_ENDING)
		reinvite(s, c, side, c->id, STR_NONE);
}

/* Without a relay: what the other side has said of itself. */
static bool answer_plainly(struct sbc *s, struct call *c, unsigned side, struct str offer)
{
	struct str face = call_face(s, c, side, c->agreed[1 - side]);

	if (c->agreed[1 - side].len == 0 || face.len == 0)
		return false;
	struct str kept = block_str(&s->blocks, offer);
	block_str_free(&s->blocks, &c->agreed[side]);
	c->agreed[side] = kept;
	c->agreed_by = (uint8_t)side;
	own_ack(s, c, side, face);
	return true;
}

static void answer_back(struct sbc *s, struct call *c, unsigned side, struct str offer)
{
	if (c->state >= CALL_ENDING)
		return;
	if (!c->media.anchored && answer_plainly(s, c, side, offer))
		return;
	c->ack_ask = call_ask_again(s, c, side, offer);
	c->ack_side = (uint8_t)side;
	if (c->ack_ask != ID_NONE)
		return;
	own_ack(s, c, side, STR_NONE);
	call_end(s, c, &(struct call_ending){.by = CDR_US, .cause = STR("transfer_failed")});
}

static void on_brought_back(struct sbc *s, struct call *c, const struct own_outcome *o)
{
	if (o->status < 300)
		refresh_on_answer(s, c, o->side, o->answer);
	if (o->status < 300 && o->is_offer)
		answer_back(s, c, o->side, o->sdp);
	else if (o->status >= 300)
		call_end(s, c,
			 &(struct call_ending){.by = CDR_US, .cause = STR("transfer_failed")});
}

/* ---- the end of a transfer */

static void release(struct sbc *s, struct transfer *x)
{
	id_t64 ids[] = {x->from, x->call, x->replaced};

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct call *c = call_find(s, ids[i]);
		if (c && c->transfer == x->id)
			c->transfer = ID_NONE;
	}
	block_str_free(&s->blocks, &x->offer);
	id_t64 id = x->id;
	pool_free(&s->transfers, id);
}

/* Who asked for it, or gave its place up, may have hung up meanwhile: then the other one is alone. */
static void end_if_alone(struct sbc *s, struct call *c, unsigned gone, struct str cause)
{
	if (!c || c->state >= CALL_ENDING || !c->leg[gone].ended)
		return;
	struct call_ending why = {.by = gone == 0 ? CDR_CALLER : CDR_CALLEE, .cause = cause};
	why.told[gone] = true;
	call_end(s, c, &why);
}

static void finish_failed(struct sbc *s, struct transfer *x)
{
	struct call *from = call_find(s, x->from), *replaced = call_find(s, x->replaced);
	unsigned referrer = x->referrer, leaver = x->leaver;

	release(s, x);
	end_if_alone(s, from, referrer, STR("transfer_failed"));
	end_if_alone(s, replaced, leaver, STR("transfer_failed"));
}

/* The callee goes back to the one who was to leave it. */
static void return_callee(struct sbc *s, struct transfer *x, struct call *c)
{
	struct call *old = call_find(s, x->replaced);
	unsigned side = 1u - x->leaver;

	if (!x->moved || !old)
		return;
	x->moved = false;
	move_leg(s, c, 1, old, side);
	old->leg[side].ended = false;
	old->offer[side] = (struct offer){.state = OFFER_AGREED, .ever = true};
	if (old->leg[side].invite.ours && old->leg[side].invite.wants_ack) {
		offer_step(&old->offer[side], OFFER_SENT_INVITE);
		offer_step(&old->offer[side], OFFER_GOT_RELIABLE);
		answer_back(s, old, side, x->offer);
	} else {
		bring_back(s, old, side);
	}
}

/* A re-INVITE to a leg that is lent: has it gone out? One that has not need not. */
static bool is_out(struct sbc *s, struct transfer *x)
{
	const struct own *o = pool_find(&s->owns, x->own);

	if (o && o->stage == OWN_SENT)
		return true;
	if (o)
		own_drop(s, x->own);
	x->own = ID_NONE;
	return false;
}

/* Everything goes back to where it was. `c`: the new call, if it is still to be ended. */
static void fail(struct sbc *s, struct transfer *x, uint16_t status)
{
	struct call *c = call_find(s, x->call), *from = call_find(s, x->from);

	if (x->closing)
		return;
	x->closing = true;
	x->status = status;
	if (from || c)
		tell(s, from ? from : c, status);
	transfer_notify(s, x, status, true);
	part_session(x, from, 0);
	part_session(x, call_find(s, x->replaced), 1);
	if (c)
		return_callee(s, x, c);
	x->call = ID_NONE;
	if (c && c->state < CALL_ENDING) {
		struct call_ending why = {.by = CDR_US, .cause = STR("transfer_failed")};
		c->transfer = ID_NONE;
		if (c->setup)
			call_refuse(s, c, status, STR_NONE, STR_NONE, &why);
		else
			call_end(s, c, &why);
	}
	if (is_out(s, x))
		x->stage = TRANSFER_RETURNING;
	else
		finish_failed(s, x);
}

/* The old call: one party has moved on, the other has nothing more to do here. */
static void end_old(struct sbc *s, struct call *old, unsigned leaver, struct call *next)
{
	struct call_ending why = {.by = CDR_US, .cause = STR("transferred")};

	if (!old || old->state >= CALL_ENDING)
		return;
	why.told[1 - leaver] = true;
	why.told[leaver] = old->leg[leaver].ended;
	if (why.told[leaver]) /* it has not waited for our BYE */
		why.by = leaver == 0 ? CDR_CALLER : CDR_CALLEE;
	old->record.next_call = next->number;
	call_end(s, old, &why);
}

static void complete(struct sbc *s, struct transfer *x, struct call *c)
{
	struct call *from = call_find(s, x->from), *replaced = call_find(s, x->replaced);
	unsigned referrer = x->referrer, leaver = x->leaver;

	x->closing = true;
	transfer_notify(s, x, 200, true);
	tell(s, from ? from : c, 200);
	c->record.last_call = from ? from->number : replaced ? replaced->number : 0;
	keep_changed_now(s, c);
	release(s, x);
	end_old(s, from, referrer, c);
	end_old(s, replaced, leaver, c);
}

void transfer_on_end(struct sbc *s, struct call *c, const struct call_ending *why)
{
	struct transfer *x = transfer_of(s, c);
	id_t64 id = c->id;

	c->transfer = ID_NONE;
	if (!x)
		return;
	const struct own *own = pool_find(&s->owns, x->own);
	if (own && own->call == id) { /* it goes with the call, and no one is told */
		own_drop(s, x->own);
		x->own = ID_NONE;
	}
	if (x->from == id) { /* the one who was referred has gone, or all is over */
		transfer_notify(s, x, 487, true);
		x->from = ID_NONE;
	}
	if (x->replaced == id)
		x->replaced = ID_NONE;
	if (x->call == id) {
		struct call *old = call_find(s, x->replaced);
		if (x->moved && why->told[1] && old) /* the callee itself hung up */
			old->leg[1u - x->leaver].ended = true;
		if (x->moved && why->told[1])
			x->moved = false;
		else
			return_callee(s, x, c);
	}
	if (x->closing) {
		if (x->stage == TRANSFER_RETURNING && x->own == ID_NONE)
			finish_failed(s, x);
		return;
	}
	uint16_t status =
		x->call == id && !c->record.answer_ms && why->status >= 300 ? why->status : 480;
	if (x->call == id) {
		x->call = ID_NONE;
		if (x->from == ID_NONE)
			tell(s, c, status);
	}
	fail(s, x, status);
}

/* ---- the caller's half */

void transfer_begin(struct sbc *s, struct transfer *x, struct call *from, struct str invite,
		    const struct flow *f)
{
	struct call *c = setup_new_lent(s, invite);
	struct facts facts = leg_facts(from->settings, f, NULL);

	tell(s, from, 0);
	if (!c || !lend(s, from, 1u - x->referrer, c, 0)) {
		if (c)
			setup_drop_lent(s, &c);
		fail(s, x, 503);
		return;
	}
	x->call = c->id;
	c->transfer = x->id;
	c->transfers = (uint8_t)(from->transfers + 1);
	/* Policy asks who wants the call: the trunk that refers, not the one that is referred. */
	struct leg referrer = {.flow = from->leg[x->referrer].flow,
			       .trunk = from->leg[x->referrer].trunk};
	if (!translate(&referrer, from->settings, c->settings)) {
		fail(s, x, 503);
		return;
	}
	facts.realm = worker_realm_of(c->settings, &referrer.flow);
	facts.trunk = referrer.trunk;
	const struct aor *user = from->leg[x->referrer].user != ID_NONE
					 ? bind_get_aor(&s->binds, from->leg[x->referrer].user)
					 : NULL;
	facts.user = user ? user->name : STR_NONE;
	setup_start_lent(s, c, &facts, &referrer.flow);
}

bool transfer_has_caller(const struct sbc *s, const struct call *c)
{
	const struct transfer *x = c->transfer != ID_NONE ? transfer_of(s, c) : NULL;

	return x && x->call == c->id && x->from != ID_NONE;
}

void transfer_on_answer(struct sbc *s, struct call *c, struct str sdp)
{
	struct transfer *x = transfer_of(s, c);
	struct call *from = x ? call_find(s, x->from) : NULL;

	if (NEVER(!from))
		return;
	join_session(x, from, 1u - x->referrer, c, 0);
	x->stage = TRANSFER_JOINING;
	x->own = sdp.len ? reinvite(s, from, 1u - x->referrer, x->id, sdp) : ID_NONE;
	if (x->own == ID_NONE)
		fail(s, x, sdp.len ? 500 : 488);
}

static void on_near(struct sbc *s, struct transfer *x, struct call *from,
		    const struct own_outcome *o)
{
	struct call *c = call_find(s, x->call);
	struct call_sdp sdp;

	if (NEVER(!c))
		return;
	bool agreed = o->status < 300 && o->sdp.len &&
		      call_check_sdp(s, c, 0, o->sdp, &sdp).outcome == VERDICT_ALLOW;
	if (!agreed) {
		fail(s, x, o->status < 300 ? 488 : call_map_status(o->status));
		if (o->status < 300 && from->state < CALL_ENDING)
			bring_back(s, from, o->side);
		return;
	}
	move_leg(s, from, o->side, c, 0);
	from->offer[o->side] = (struct offer){.state = OFFER_AGREED, .ever = true};
	c->leg[0].ended = false;
	refresh_on_answer(s, c, 0, o->answer);
	c->state = CALL_CONFIRMED;
	complete(s, x, c);
	in_dialog_take_answer(s, c, 0, o->answer, &c->leg[0].flow);
	own_look(s, c);
}

/* ---- the callee's half */

static struct verdict refused(uint16_t status, struct str rule)
{
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = VERDICT_STAGE_ROUTE,
				.status = status,
				.rule = rule};
}

/* The trunk that wants the place: of a party that was referred its referrer's. */
static struct str wanting_trunk(const struct sbc *s, const struct call *c, const struct transfer *x,
				enum refer_policy *out_policy)
{
	const struct call *by = x ? call_find(s, x->from) : c;
	unsigned side = x ? x->referrer : 0;

	*out_policy = REFER_REJECT;
	if (!by)
		return STR_NONE;
	if (by->leg[side].trunk < by->settings->trunk_count)
		*out_policy = by->settings->trunks[by->leg[side].trunk].habits.refer;
	return replaces_trunk(by, side);
}

static struct verdict find_callee(struct sbc *s, struct call *c, const struct msg *m,
				  const struct transfer *x, struct replaces_leg *out)
{
	struct refer_replaces r;
	enum refer_policy policy;

	if (refer_replaces_parse(msg_value(m, HDR_REPLACES), &r) != OK)
		return refused(400, STR("replaces-syntax"));
	uint16_t status = replaces_find(s, &r, wanting_trunk(s, c, x, &policy), out);
	if (status)
		return refused(status, STR("replaces"));
	if (policy == REFER_REJECT && !out->by_handle)
		return refused(403, STR("replaces-policy"));
	const struct call *old = out->call;
	if (x && x->from == old->id)
		return refused(481, STR("replaces"));
	if (old->transfer != ID_NONE || old->state != CALL_CONFIRMED)
		return refused(491, STR("replaces-pending"));
	if (old->transfers >= TRANSFER_DEPTH_MAX)
		return refused(603, STR("refer-depth"));
	return (struct verdict){.outcome = VERDICT_ALLOW};
}

struct verdict transfer_on_replaces(struct sbc *s, struct call *c, const struct msg *m,
				    bool *out_found)
{
	struct transfer *x = c->transfer != ID_NONE ? transfer_of(s, c) : NULL;
	struct replaces_leg leg = {.call = NULL};
	id_t64 id;

	*out_found = false;
	if (!msg_has(m, HDR_REPLACES))
		return (struct verdict){.outcome = VERDICT_ALLOW};
	struct verdict v = find_callee(s, c, m, x, &leg);
	if (v.outcome != VERDICT_ALLOW)
		return v;
	if (!lend(s, leg.call, 1 - leg.side, c, 1))
		return refused(503, STR("refer-limit"));
	if (!x) {
		x = pool_new(&s->transfers, &id);
		if (!x)
			return refused(503, STR("refer-limit"));
		*x = (struct transfer){.id = id, .call = c->id};
		c->transfer = id;
		tell(s, c, 0);
	}
	x->replaced = leg.call->id;
	x->leaver = (uint8_t)leg.side;
	leg.call->transfer = x->id;
	if (c->transfers <= leg.call->transfers)
		c->transfers = (uint8_t)(leg.call->transfers + 1);
	*out_found = true;
	return v;
}

bool transfer_has_callee(const struct sbc *s, const struct call *c)
{
	const struct transfer *x = c->transfer != ID_NONE ? transfer_of(s, c) : NULL;

	return x && x->call == c->id && x->replaced != ID_NONE;
}

bool transfer_reach(struct sbc *s, struct call *c, struct str sdp)
{
	struct transfer *x = transfer_of(s, c);
	struct call *old = x ? call_find(s, x->replaced) : NULL;

	if (!old)
		return false;
	join_session(x, old, 1u - x->leaver, c, 1);
	x->own = reinvite(s, old, 1u - x->leaver, x->id, sdp);
	return x->own != ID_NONE;
}

/* The far party of the replaced dialog has agreed: it is the callee now, and its SDP goes the way of any callee's. */
static void on_far(struct sbc *s, struct transfer *x, struct call *old, const struct own_outcome *o)
{
	struct call *c = call_find(s, x->call);

	if (NEVER(!c || !c->setup))
		return;
	if (o->status >= 300 || o->sdp.len == 0) {
		fail(s, x, o->status < 300 ? 488 : call_map_status(o->status));
		return;
	}
	move_leg(s, old, o->side, c, 1);
	x->moved = true;
	x->offer = block_str(&s->blocks, o->sdp);
	c->leg[1].ended = false;
	/* Of offer and answer the setting up has its own count: the INVITE is out, and this is what it got. */
	c->offer[1] = (struct offer){.state = OFFER_NONE};
	offer_step(&c->offer[1], c->setup->has_offer ? OFFER_SENT_REQUEST : OFFER_SENT_INVITE);
	c->setup->txn = c->leg[1].invite.txn;
	c->setup->cseq = c->leg[1].invite.cseq;
	c->setup->stage = SETUP_TRYING;
	setup_on_answer(s, c, o->answer, &c->leg[1].flow);
}

void transfer_on_finish(struct sbc *s, struct call *c)
{
	struct transfer *x = c->transfer != ID_NONE ? transfer_of(s, c) : NULL;

	if (x && x->call == c->id && x->from == ID_NONE)
		complete(s, x, c);
}

void transfer_on_own(struct sbc *s, struct call *c, const struct own_outcome *o)
{
	if (owner_kind(o->ref) == OWNER_CALL) {
		on_brought_back(s, c, o);
		return;
	}
	struct transfer *x = pool_find(&s->transfers, o->ref);
	if (!x || x->own != o->id)
		return;
	x->own = ID_NONE;
	if (x->stage == TRANSFER_RETURNING) {
		if (o->status < 300)
			refresh_on_answer(s, c, o->side, o->answer);
		if (o->is_offer)
			answer_back(s, c, o->side, o->sdp);
		else if (o->status < 300)
			bring_back(s, c, o->side);
		finish_failed(s, x);
	} else if (x->replaced == c->id) {
		on_far(s, x, c, o);
	} else {
		on_near(s, x, c, o);
	}
}
