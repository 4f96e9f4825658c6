#include "sbc/core/setup.h"

#include "policy/opinion.h"
#include "policy/route.h"
#include "sbc/core/call_media.h"
#include "sbc/core/judge.h"
#include "sbc/core/late_offer.h"
#include "sbc/core/refresh.h"
#include "sbc/core/target.h"
#include "sbc/core/transfer.h"

/* ---- memory */

static void forget_user(struct sbc *s, struct setup *u)
{
	block_str_free(&s->blocks, &u->user_uri);
	block_str_free(&s->blocks, &u->user_name);
	block_str_free(&s->blocks, &u->user_path);
}

void setup_free(struct sbc *s, struct setup **setup)
{
	CHECK(setup && *setup);
	struct setup *u = *setup;

	*setup = NULL;
	spiral_leave(u);
	opine_forget(s, u);
	worker_stop_alarm(s, &u->alarm);
	worker_stop_alarm(s, &u->prack);
	fork_free_all(s, u);
	setup_drop_wait(s, u);
	block_str_free(&s->blocks, &u->invite);
	forget_user(s, u);
	block_str_free(&s->blocks, &u->offer);
	id_t64 id = u->id;
	pool_free(&s->setups, id);
}

/* ---- the hunt */

/* A user's phone is where it registered from, and nowhere else. */
static void take_contact(struct sbc *s, struct setup *u)
{
	const struct contact *b = bind_get(&s->binds, u->target.contact);

	forget_user(s, u);
	u->candidate_count = u->candidate_next = 0;
	if (!b)
		return;
	u->user_uri = block_str(&s->blocks, b->uri);
	u->user_name = block_str(&s->blocks, b->aor->name);
	u->user_path = block_str(&s->blocks, b->path);
	u->user_flow = b->flow;
	if (u->user_uri.len && u->user_name.len && u->user_path.len == b->path.len)
		u->candidates[u->candidate_count++] =
			(struct candidate){.transport = b->flow.transport, .addr = b->flow.remote};
}

/* True: candidates are there. False: a question is open. */
static bool resolve(struct sbc *s, struct call *c)
{
	struct setup *u = c->setup;
	if (u->target.contact != ID_NONE) {
		take_contact(s, u);
		return true;
	}
	const struct peer *p = setup_peer(c);

	u->candidate_count = u->candidate_next = 0;
	if (target_address(p, u->sips, &u->candidates[0])) {
		u->candidate_count = 1;
		return true;
	}
	struct resolve_query q = target_query(c->settings, setup_trunk(c)->realm, p, u->sips);
	u->stage = SETUP_RESOLVING;
	u->ask = worker_ask_resolve(s, c->id, &q);
	if (u->ask != ID_NONE)
		return false;
	return true; /* no candidates: the target fails */
}

/* A target of its own session: two peers never see the same keys. */
static void forget_session(struct sbc *s, struct call *c)
{
	char mem[320];
	struct buf name;

	if (!c->media.open)
		return;
	buf_init(&name, mem, sizeof(mem));
	call_write_name(&name, s, c);
	media_write_delete(&s->text, &s->arena, &c->media, buf_view(&name));
	worker_ask_relay(s, ID_NONE, ASK_FORGET, c->media.relay, STR("delete"), buf_view(&s->text));
	c->media.open = c->media.known = false;
	s->counts.relay_sessions--;
	c->media.session++;
	c->media.seen = (struct media_seen){.any = false};
	c->media.relay = SETTINGS_NO_INDEX;
	block_str_free(&s->blocks, &c->setup->offer);
}

/* True: the offer is ready (or none is needed). False: asked for, or *out_failed. */
static bool offer_media(struct sbc *s, struct call *c, bool *out_failed)
{
	struct setup *u = c->setup;
	const struct settings *set = c->settings;
	uint16_t out = setup_trunk(c)->realm, in = call_realm(c, 0);
	struct call_sdp sdp = {.mean = OFFER_NEW, .source = &u->flow.remote};

	*out_failed = false;
	forget_session(s, c);
	c->media.anchored = set->realms[in].anchor_media || set->realms[out].anchor_media;
	u->late = (uint8_t)late_offer_choose(c);
	if (!setup_begins_with_offer(u) || !c->media.anchored)
		return true;
	/* The relay is asked before an address is known: any listener of the realm stands for it. */
	for (size_t i = 0; i < set->listener_count; i++)
		if (set->listeners[i].realm == out) {
			c->leg[1].flow = (struct flow){.listener = (uint16_t)i,
						       .transport = set->listeners[i].transport};
			c->leg[1].trunk = u->target.trunk;
			c->leg[1].peer = u->target.peer;
			break;
		}
	u->stage = SETUP_OFFERING;
	*out_failed = true;
	sdp.text = u->late == SETUP_LATE_WROTE ? late_offer_write(s, c) : setup_offer(u);
	if (sdp_parse(sdp.text, &s->arena, &sdp.parsed) != OK)
		return false;
	u->ask = call_ask_media(s, c, &sdp);
	*out_failed = u->ask == ID_NONE;
	return false;
}

static void give_up(struct sbc *s, struct call *c)
{
	const struct call_record *r = &c->record;
	const struct call_attempt *a = r->attempt_count ? &r->attempts[r->attempt_count - 1] : NULL;
	struct call_ending why = {.by = CDR_CALLEE};
	uint16_t status = 503;

	if (!a && c->setup->limit.outcome == VERDICT_REJECT &&
	    msg_index(&s->held, c->setup->invite, 0) == OK) {
		call_refuse_by(s, c, &s->held, &c->setup->limit);
		return;
	}
	if (!a) {
		why.by = CDR_US;
		why.cause = STR("no_target");
	} else if (a->cause == ROUTE_CAUSE_TIMEOUT) {
		why.by = CDR_US;
		why.by_timeout = true;
		status = 408;
	} else if (a->cause) {
		why.by = CDR_US;
		why.cause = a->cause == ROUTE_CAUSE_TLS ? STR("tls") : STR("connect");
		status = 502;
	} else {
		status = call_map_status(a->status);
		why.answer = c->setup->refusal;
		why.q850 = why.answer ? call_q850(why.answer) : 0;
	}
	/* RFC 3261 §21.4.15; nothing else is ever required of a callee. */
	call_refuse(s, c, status, STR_NONE,
		    status == 420 ? STR("Unsupported: 100rel\r\n") : STR_NONE, &why);
}

void setup_relay_failed(struct sbc *s, struct call *c)
{
	struct call_ending why = {.by = CDR_US, .cause = STR("relay")};

	call_refuse(s, c, 503, STR_NONE, STR("Retry-After: 10\r\n"), &why);
}

static void try_candidates(struct sbc *s, struct call *c)
{
	struct setup *u = c->setup;
	const struct route_rule *route = &c->settings->policy.routes[c->record.route];
	bool fatal = false;

	while (u->candidate_next < u->candidate_count) {
		if (route->tries && u->tries >= route->tries)
			break;
		const struct candidate *to = &u->candidates[u->candidate_next++];
		if (u->sips && to->transport != TRANSPORT_TLS)
			continue;
		if (setup_send_invite(s, c, to, &fatal)) {
			u->tries++;
			if (u->target.opinion)
				worker_alarm(s, &u->alarm, ALARM_SETUP,
					     s->now_ms + c->settings->policy.opinion->timeout_ms);
			return;
		}
		if (fatal) {
			call_refuse(s, c, 500, STR_NONE, STR_NONE,
				    &(struct call_ending){.by = CDR_US, .cause = STR("internal")});
			return;
		}
	}
	u->candidate_next = u->candidate_count;
	u->txn = ID_NONE;
}

/* May we call one more time to the trunk of the target? */
static struct verdict ask_target(struct sbc *s, const struct call *c)
{
	struct facts facts = {.trunk = c->leg[0].trunk};
	const struct policy_ask ask = judge_ask(s, c->settings, &facts);

	return judge_admission(s, &ask, c->settings, c->setup->target.trunk, ADMIT_OUT);
}

/* Goes on with the next address, else the next peer, until a question is open, an INVITE is out, or all is over. */
void setup_go_on(struct sbc *s, struct call *c)
{
	while (c->setup && c->state == CALL_SETUP) {
		struct setup *u = c->setup;
		const struct route_rule *route = &c->settings->policy.routes[c->record.route];
		bool failed;

		if (u->candidate_next < u->candidate_count) {
			try_candidates(s, c);
			if (!c->setup || c->setup->txn != ID_NONE)
				return;
			continue;
		}
		if ((route->tries && u->tries >= route->tries) ||
		    !hunt_next(&u->hunt, &u->target)) {
			give_up(s, c);
			return;
		}
		/* One of a service that has spoken; and one behind a service that could not be asked. */
		if (u->opine == OPINE_GIVEN && u->target.opinion)
			continue;
		if (u->opine == OPINE_CALLED && !u->target.opinion && !opine_pass_over(s, c))
			return;
		const bool spared = u->emergency || route->emergency;
		if (!spared && peers_shed(s, c->settings, u->target.trunk, u->target.peer))
			continue;       /* it asked us to (RFC 7339) */
		admission_end(s, c, 1); /* of the trunk before */
		if (!spared) {
			struct verdict v = ask_target(s, c);
			if (v.outcome != VERDICT_ALLOW) {
				if (u->limit.outcome == VERDICT_ALLOW ||
				    u->target.trunk < u->limit_trunk) {
					u->limit = v;
					u->limit_trunk = u->target.trunk;
				}
				continue;
			}
		}
		c->leg[1].trunk = u->target.trunk;
		admission_begin(s, c, 1);
		refresh_init(c, 1);
		if (!offer_media(s, c, &failed)) {
			if (failed)
				setup_relay_failed(s, c);
			return;
		}
		if (!resolve(s, c))
			return;
	}
}

static bool tries_next_address(unsigned cause, uint16_t status)
{
	return cause != 0 || status == 503; /* RFC 3263 §4.3 */
}

void setup_attempt_ended(struct sbc *s, struct call *c, uint16_t status, unsigned cause)
{
	const struct setup *u = c->setup;
	struct call_record *r = &c->record;

	if (u->txn == ID_NONE || !r->attempt_count)
		return;
	struct call_attempt *a = &r->attempts[r->attempt_count - 1];
	a->status = status;
	a->cause = (uint8_t)cause;
	a->ms = (uint32_t)(s->now_ms - a->start_ms);
	peers_call_judged(s, c, status, cause);
	peers_call_ends(s, c, 1);
	char mem[320];
	struct buf name;
	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, NOTICE_ATTEMPT_ENDED, &name);
	n.trunk = u->target.trunk;
	n.peer = u->target.peer;
	n.status = cause == ROUTE_CAUSE_TIMEOUT ? 408 : cause ? 503 : status;
	worker_publish(s, &n);
}

void setup_leave(struct sbc *s, struct call *c, uint16_t status, unsigned cause)
{
	struct setup *u = c->setup;

	worker_stop_alarm(s, &u->alarm);
	setup_attempt_ended(s, c, status, cause);
	/* Whatever it still says, it says to no one: a late 2xx gets ACK and BYE. */
	if (u->txn != ID_NONE)
		call_orphan_because(s, u->txn,
				    cause == ROUTE_CAUSE_TIMEOUT
					    ? STR("Reason: SIP;cause=408, Q.850;cause=102\r\n")
					    : STR_NONE);
	u->txn = ID_NONE;
	u->ask = ID_NONE;
	worker_stop_alarm(s, &u->prack);
	fork_free_all(s, u);
}

void setup_moved(struct sbc *s, struct call *c, uint16_t status, unsigned cause)
{
	struct setup *u = c->setup;

	setup_leave(s, c, status, cause);
	u->candidate_next = u->candidate_count;
	if (u->tries) /* who sends us on has not failed */
		u->tries--;
	setup_go_on(s, c);
}

void setup_failed(struct sbc *s, struct call *c, uint16_t status, unsigned cause)
{
	struct setup *u = c->setup;

	if (transfer_has_callee(s, c)) { /* there is no other */
		call_refuse(s, c, status ? status : 480, STR_NONE, STR_NONE,
			    &(struct call_ending){.by = CDR_CALLEE});
		return;
	}
	if (u->target.opinion) {
		opine_on_failure(s, c, status, cause);
		return;
	}
	const struct route_rule *route = &c->settings->policy.routes[c->record.route];
	setup_leave(s, c, status, cause);
	/* The other addresses of one name are the same peer (RFC 3263 §4.3): on_failure has no say in them. */
	if (tries_next_address(cause, status) && u->candidate_next < u->candidate_count) {
		setup_go_on(s, c);
		return;
	}
	if (!route_is_retried(route, cause ? cause : status)) {
		give_up(s, c);
		return;
	}
	u->candidate_next = u->candidate_count;
	setup_go_on(s, c);
}

/* ---- events */

void setup_on_resolved(struct sbc *s, struct call *c, id_t64 ask, const struct event *e)
{
	struct setup *u = c->setup;

	if (u->ask != ask || u->stage != SETUP_RESOLVING)
		return;
	u->ask = ID_NONE;
	u->candidate_count = u->candidate_next = 0;
	for (size_t i = 0; i < e->resolved.count && i < CANDIDATES_MAX; i++)
		u->candidates[u->candidate_count++] = e->resolved.candidates[i];
	setup_go_on(s, c);
}

/* The callee is a party of another call, that transfer.c asks. */
void setup_reach(struct sbc *s, struct call *c)
{
	struct setup *u = c->setup;
	struct str sdp = u->has_offer ? call_face(s, c, 1, u->offer) : STR_NONE;

	u->stage = SETUP_TRYING;
	if ((u->has_offer && sdp.len == 0) || !transfer_reach(s, c, sdp))
		call_refuse(s, c, 500, STR_NONE, STR_NONE,
			    &(struct call_ending){.by = CDR_US, .cause = STR("internal")});
}

static void on_offer(struct sbc *s, struct call *c, const struct event *e)
{
	struct setup *u = c->setup;
	struct str sdp = e->relay.result == RELAY_RESULT_OK
				 ? dict_get_str(e->relay.reply, STR("sdp"))
				 : STR_NONE;

	u->offer = block_str(&s->blocks, sdp);
	if (u->offer.len == 0) {
		struct verdict v = call_judge_relay(e);
		if (v.status == 488 && msg_index(&s->held, u->invite, 0) == OK)
			call_refuse_by(s, c, &s->held, &v);
		else
			setup_relay_failed(s, c);
		return;
	}
	if (transfer_has_callee(s, c)) {
		setup_reach(s, c);
		return;
	}
	resolve(s, c);
	if (u->ask == ID_NONE)
		setup_go_on(s, c);
}

bool setup_on_relay(struct sbc *s, struct call *c, id_t64 ask, const struct event *e)
{
	struct setup *u = c->setup;

	if (u->ask == ask && u->stage == SETUP_OFFERING) {
		u->ask = ID_NONE;
		on_offer(s, c, e);
		return true;
	}
	list_each (n, &u->forks) {
		struct fork *k = LIST_OBJECT(n, struct fork, node);
		if (k->ask != ask)
			continue;
		setup_on_fork_media(s, c, k, e);
		return true;
	}
	return false;
}

/* The callee's side wants credentials: the same attempt, once more. False: it stays a refusal. */
static bool authenticate(struct sbc *s, struct call *c, const struct msg *m)
{
	struct setup *u = c->setup;
	id_t64 txn = auth_again(s, &(struct auth_again){.txn = u->txn,
							.trunk = c->leg[1].trunk,
							.settings = c->settings,
							.answer = m,
							.dialog = &c->leg[1].dialog,
							.cseq = &u->cseq,
							.owner = c->id});

	if (txn == ID_NONE)
		return false;
	u->txn = txn;
	u->stage = SETUP_TRYING;
	u->heard = false;
	worker_stop_alarm(s, &u->prack);
	fork_free_all(s, u); /* the dialogs that it refused are no more */
	return true;
}

/* The callee's side wants a longer session interval (RFC 4028 §7.4): the same INVITE with that, to the same address. */
static bool try_longer(struct sbc *s, struct call *c, const struct msg *m)
{
	struct setup *u = c->setup;

	if (m->status != 422 || !refresh_on_refusal(s, c, 1, m))
		return false;
	worker_stop_alarm(s, &u->alarm);
	setup_attempt_ended(s, c, m->status, 0);
	u->txn = ID_NONE;
	fork_free_all(s, u);
	u->candidate_next--;
	u->tries--;
	setup_go_on(s, c);
	return true;
}

void setup_on_response(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	struct setup *u = c->setup;

	if (u->stage == SETUP_ANSWERING) { /* its 2xx again: the ACK was lost */
		setup_on_answer(s, c, m, f);
		return;
	}
	if (u->target.opinion && opine_on_response(s, c, m, f))
		return;
	if (!u->heard || (m->status > 100 && m->status < 200)) {
		u->heard = true;
		u->alarm_is_c = true;
		worker_alarm(s, &u->alarm, ALARM_SETUP, s->now_ms + c->settings->timers.c_ms);
	}
	if (m->status <= 100)
		return;
	if (m->status < 200)
		setup_on_ringing(s, c, m, f);
	else if (m->status < 300)
		setup_on_answer(s, c, m, f);
	else if (!setup_redirect(s, c, m) && !authenticate(s, c, m) && !try_longer(s, c, m)) {
		u->refusal = m;
		setup_failed(s, c, m->status, 0);
		if (c->setup)
			c->setup->refusal = NULL;
	}
}

void setup_on_alarm(struct sbc *s, struct setup *u)
{
	struct call *c = u->call;

	if (u->stage == SETUP_IDENTIFYING) {
		setup_identity_late(s, c);
		return;
	}
	if (u->stage == SETUP_OPINION) {
		opine_on_alarm(s, c);
		return;
	}
	if (u->stage != SETUP_RINGING && u->stage != SETUP_TRYING)
		return;
	if (u->alarm_is_c &&
	    u->stage == SETUP_RINGING) { /* nobody takes it: no reason to ring elsewhere */
		struct call_ending why = {.by = CDR_US, .by_timeout = true};
		call_refuse(s, c, 408, STR_NONE, STR_NONE, &why);
		return;
	}
	setup_failed(s, c, 0, ROUTE_CAUSE_TIMEOUT);
}
