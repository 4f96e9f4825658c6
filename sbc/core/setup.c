#include "sbc/core/setup.h"

#include "policy/number.h"
#include "policy/route.h"
#include "sbc/core/call_media.h"
#include "sbc/core/crossing.h"
#include "sbc/core/identity.h"
#include "sbc/core/late_offer.h"
#include "sbc/core/refresh.h"
#include "sbc/core/reg.h"
#include "sbc/core/rules.h"
#include "sbc/core/transfer.h"
#include "sbc/core/uri.h"

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
	worker_stop_alarm(s, &u->alarm);
	worker_stop_alarm(s, &u->prack);
	fork_free_all(s, u);
	block_str_free(&s->blocks, &u->invite);
	forget_user(s, u);
	block_str_free(&s->blocks, &u->offer);
	id_t64 id = u->id;
	pool_free(&s->setups, id);
}

/* ---- towards the callee */

/* `"Bob" <sip:number@host>`: the number and the name cross, where they come from does not (design promise 3). */
static struct str write_from(struct buf *b, struct call *c, const struct msg *invite,
			     const struct addr *host, bool sips)
{
	char mem[256];
	struct buf number;
	struct crossing x;

	buf_init(&number, mem, sizeof(mem));
	call_crossing(c, 1, true, &x);
	c->hidden = crossing_hides(invite, &x);
	identity_write_from(b, invite->from, call_number_at(c, 1, CALL_FROM_NUMBER, &number), host,
			    sips, c->hidden);
	return buf_view(b);
}

/* The URI of the callee at a peer: the Request-URI, and in brackets the To. */
static void write_target(struct buf *b, struct str number, const struct peer *peer, bool sips,
			 enum transport t, bool for_to)
{
	buf_z(b, sips ? "sips:" : "sip:");
	if (number.len) {
		uri_write_user(b, number);
		buf_char(b, '@');
	}
	struct addr ip;
	if (addr_parse_ip(peer->host, &ip) == OK)
		addr_write_host(b, &ip);
	else
		buf_str(b, peer->host);
	if (for_to)
		return;
	if (peer->port) {
		buf_char(b, ':');
		buf_u64(b, peer->port);
	}
	if (!sips && t == TRANSPORT_TCP)
		buf_lit(b, ";transport=tcp");
	else if (!sips && t == TRANSPORT_TLS)
		buf_lit(b, ";transport=tls");
}

static const struct trunk *trunk_of(const struct call *c)
{
	return &c->settings->trunks[c->setup->target.trunk];
}

static const struct peer no_peer; /* of a user */

static const struct peer *peer_of(const struct call *c)
{
	if (c->setup->target.contact != ID_NONE)
		return &no_peer;
	return &trunk_of(c)->peers[c->setup->target.peer];
}

/* A fresh dialog for this attempt: own Call-ID, tag and CSeq (RFC 7092 §3.1). */
static enum err start_dialog(struct sbc *s, struct call *c, const struct msg *invite)
{
	struct setup *u = c->setup;
	struct leg *l = &c->leg[1];
	const struct peer *peer = peer_of(c);
	char from_mem[1024], to_mem[1024], target_mem[1024], tag[HIDE_BRANCH_LEN],
		id[HIDE_BRANCH_LEN];
	struct buf from, to, target;
	bool sips = u->sips || peer->sips;

	buf_init(&from, from_mem, sizeof(from_mem));
	buf_init(&to, to_mem, sizeof(to_mem));
	buf_init(&target, target_mem, sizeof(target_mem));
	char number_mem[256];
	struct buf number_buf;
	buf_init(&number_buf, number_mem, sizeof(number_mem));
	struct str number = call_number_at(c, 1, CALL_TO_NUMBER, &number_buf);
	if (u->target.contact != ID_NONE) {
		buf_str(&target, u->user_uri);
		buf_lit(&to, "<sip:");
		buf_str(&to, u->user_name);
	} else {
		write_target(&target, number, peer, sips, l->flow.transport, false);
		buf_char(&to, '<');
		write_target(&to, number, peer, sips, l->flow.transport, true);
	}
	buf_char(&to, '>');
	struct dialog_uac p = {
		.call_id = worker_token(s, HIDE_CALL_ID, c->id, id),
		.local_tag = worker_token(s, HIDE_TAG, c->id, tag),
		.local = write_from(&from, c, invite,
				    &c->settings->listeners[l->flow.listener].local, sips),
		.remote = buf_view(&to),
		.target = buf_view(&target),
		.cseq = 1 + rng_below(&s->rng, 1000),
		.routes = u->target.contact != ID_NONE
				  ? u->user_path
				  : enrol_routes(s, c->settings, u->target.trunk),
		.over_tls = transport_is_secure(l->flow.transport),
	};
	if (from.overflow || to.overflow || target.overflow)
		return ERR_LIMIT;
	u->cseq = p.cseq;
	leg_dialog_free(&s->blocks, &l->dialog);
	/* Room for the tag, the target and a short route set of the answer: mostly no growing. */
	enum err e = leg_dialog_new(&s->blocks, &l->dialog,
				    p.call_id.len + p.local_tag.len + p.local.len + p.remote.len +
					    p.target.len + p.routes.len + 192);
	if (e != OK)
		return e;
	e = dialog_start_uac(&l->dialog, &p);
	for (int i = 0; e == ERR_FULL && i < 4; i++) {
		e = leg_dialog_grow(&s->blocks, &l->dialog);
		if (e == OK)
			e = dialog_start_uac(&l->dialog, &p);
	}
	return e;
}

/* What we can do and the other side can do too: nothing is promised on its behalf. */
void setup_write_abilities(struct sbc *s, const struct call *c, unsigned to, const struct msg *m)
{
	uint32_t methods = worker_abilities.methods;

	if (m && msg_has(m, HDR_ALLOW)) {
		for (unsigned i = METHOD_OTHER + 1; i < METHOD_COUNT; i++)
			if ((methods & 1u << i) && i != METHOD_OPTIONS &&
			    !msg_has_token(m, HDR_ALLOW, method_name((enum method)i)))
				methods &= ~(1u << i);
		methods |= 1u << METHOD_INVITE | 1u << METHOD_ACK | 1u << METHOD_CANCEL |
			   1u << METHOD_BYE;
	}
	buf_lit(&s->lines, "Allow: ");
	refuse_write_allow(&s->lines, methods | transfer_allowed(c, to, m));
	buf_lit(&s->lines, "\r\n");
	if (transfer_replaces(c, to))
		buf_lit(&s->lines, "Supported: replaces\r\n");
}

/* Reliable 18x: those with an offer want an answer soon, which a caller without 100rel has only for the 200. */
static void write_reliable(struct sbc *s, const struct call *c, bool has_sdp)
{
	const struct setup *u = c->setup;

	if (!has_sdp && !u->rel100 && u->late != SETUP_LATE_KEPT)
		return;
	switch (trunk_of(c)->habits.reliable) {
	case RELIABLE_SUPPORTED: buf_lit(&s->lines, "Supported: 100rel\r\n"); break;
	case RELIABLE_REQUIRE: buf_lit(&s->lines, "Require: 100rel\r\n"); break;
	case RELIABLE_OFF:
	case RELIABLE_POLICY_COUNT: break;
	}
}

struct str setup_offer(const struct setup *u)
{
	return u->has_offer ? (struct str){u->invite.p + u->body_at, u->body_len} : STR_NONE;
}

/* Does the INVITE to the callee carry an offer? */
static bool begins_with_offer(const struct setup *u)
{
	return u->late == SETUP_LATE_WROTE || (u->has_offer && u->late != SETUP_LATE_KEPT);
}

static struct str offer_for(struct sbc *s, struct call *c, const struct msg *invite)
{
	if (!begins_with_offer(c->setup))
		return STR_NONE;
	return call_face(s, c, 1, c->media.anchored ? c->setup->offer : call_sdp_of(invite));
}

static void note_attempt(struct sbc *s, struct call *c)
{
	struct call_record *r = &c->record;

	if (r->attempt_count < CDR_ATTEMPTS_MAX) {
		r->attempts[r->attempt_count++] =
			(struct call_attempt){.start_ms = s->now_ms,
					      .trunk = c->setup->target.trunk,
					      .peer = c->setup->target.peer,
					      .number = c->setup->target.number};
	}
	char mem[320];
	struct buf name;
	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, NOTICE_CALL_ATTEMPT, &name);
	n.trunk = c->setup->target.trunk;
	n.peer = c->setup->target.peer;
	n.realm = call_realm(c, 1);
	worker_publish(s, &n);
}

/* False: this address cannot be tried; *out_fatal then says that no other can either. */
static bool send_invite(struct sbc *s, struct call *c, const struct candidate *to, bool *out_fatal)
{
	struct setup *u = c->setup;
	struct leg *l = &c->leg[1];
	const struct trunk *t = trunk_of(c);
	uint16_t listener = worker_listener(c->settings, t->realm, to->transport, to->addr.family);
	char contact[512];
	struct buf contact_buf;

	*out_fatal = false;
	if (listener == SETTINGS_NO_INDEX)
		return false;
	l->flow =
		(struct flow){.listener = listener, .transport = to->transport, .remote = to->addr};
	if (u->target.contact != ID_NONE)
		l->flow = u->user_flow;
	l->trunk = u->target.trunk;
	l->peer = u->target.peer;
	l->seen = ID_NONE;
	*out_fatal = true;
	if (msg_index(&s->held, u->invite, 0) != OK || start_dialog(s, c, &s->held) != OK)
		return false;
	buf_reset(&s->lines);
	setup_write_abilities(s, c, 1, &s->held);
	write_reliable(s, c, begins_with_offer(u));
	refresh_write_request(s, c, 1);
	if (msg_has_token(&s->held, HDR_REQUIRE, STR("siprec")))
		buf_lit(&s->lines, "Require: siprec\r\n");
	if (call_carry(s, c, 1, &s->held, false) != OK)
		return false;
	struct str sdp = offer_for(s, c, &s->held);
	if (begins_with_offer(u) && sdp.len == 0)
		return false;
	call_show(s, c, 1, sdp);
	struct str type, body = call_body(s, c, &s->held, sdp, &type);
	buf_init(&contact_buf, contact, sizeof(contact));
	struct build_request r = {
		.method = STR("INVITE"),
		.cseq = u->cseq,
		.relayed = true,
		.max_forwards = build_hops_left(&s->held),
		.contact = call_contact(c, 1, &contact_buf),
		.headers = buf_view(&s->lines),
		.content_type = type,
		.body = body,
	};
	u->txn = call_send_request(s, c, 1, &l->dialog, &r, c->id);
	if (u->txn == ID_NONE)
		return false;
	c->offer[1] = (struct offer){.state = OFFER_NONE};
	offer_step(&c->offer[1], sdp.len ? OFFER_SENT_REQUEST : OFFER_SENT_INVITE);
	u->stage = SETUP_TRYING;
	u->heard = false;
	note_attempt(s, c);
	const struct route_rule *route = &c->settings->policy.routes[c->record.route];
	uint32_t c_ms = c->settings->timers.c_ms;
	u->alarm_is_c = route->failure_after_ms == 0 || route->failure_after_ms >= c_ms;
	worker_alarm(s, &u->alarm, ALARM_SETUP,
		     s->now_ms + (u->alarm_is_c ? c_ms : route->failure_after_ms));
	return true;
}

/* ---- the hunt */

static enum transport default_transport(const struct peer *p)
{
	if (p->transport_given)
		return p->transport;
	return p->secure ? TRANSPORT_TLS : TRANSPORT_UDP;
}

static bool realm_has_family(const struct settings *s, uint16_t realm, uint8_t family)
{
	for (size_t i = 0; i < s->listener_count; i++)
		if (s->listeners[i].realm == realm && s->listeners[i].local.family == family)
			return true;
	return false;
}

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
	const struct peer *p = peer_of(c);
	struct addr ip;

	u->candidate_count = u->candidate_next = 0;
	if (addr_parse_ip(p->host, &ip) == OK) {
		enum transport t = u->sips ? TRANSPORT_TLS : default_transport(p);
		ip.port = p->port ? p->port : t == TRANSPORT_TLS ? 5061 : 5060;
		u->candidates[0] = (struct candidate){.transport = t, .addr = ip};
		u->candidate_count = 1;
		return true;
	}
	struct resolve_query q = {
		.host = p->host,
		.port = p->port,
		.transport_given = p->transport_given,
		.transport = p->transport,
		.secure = p->secure || u->sips,
		.ip4 = realm_has_family(c->settings, trunk_of(c)->realm, ADDR_IP4),
		.ip6 = realm_has_family(c->settings, trunk_of(c)->realm, ADDR_IP6),
	};
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
	c->media.relay = SETTINGS_NO_INDEX;
	block_str_free(&s->blocks, &c->setup->offer);
}

/* True: the offer is ready (or none is needed). False: asked for, or *out_failed. */
static bool offer_media(struct sbc *s, struct call *c, bool *out_failed)
{
	struct setup *u = c->setup;
	const struct settings *set = c->settings;
	uint16_t out = trunk_of(c)->realm, in = call_realm(c, 0);
	struct call_sdp sdp = {.mean = OFFER_NEW, .source = &u->flow.remote};

	*out_failed = false;
	forget_session(s, c);
	c->media.anchored = set->realms[in].anchor_media || set->realms[out].anchor_media;
	u->late = (uint8_t)late_offer_choose(s, c);
	if (!begins_with_offer(u) || !c->media.anchored)
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

static void relay_failed(struct sbc *s, struct call *c)
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
		if (send_invite(s, c, to, &fatal)) {
			u->tries++;
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

/* Goes on with the next address, else the next peer, until a question is open, an INVITE is out, or all is over. */
static void go_on(struct sbc *s, struct call *c)
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
		if (!route->emergency &&
		    peers_shed(s, c->settings, u->target.trunk, u->target.peer))
			continue; /* it asked us to (RFC 7339) */
		c->leg[1].trunk = u->target.trunk;
		refresh_init(c, 1);
		if (!offer_media(s, c, &failed)) {
			if (failed)
				relay_failed(s, c);
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
	char mem[320];
	struct buf name;
	buf_init(&name, mem, sizeof(mem));
	struct notice n = call_notice(s, c, NOTICE_ATTEMPT_ENDED, &name);
	n.trunk = u->target.trunk;
	n.peer = u->target.peer;
	n.status = cause == ROUTE_CAUSE_TIMEOUT ? 408 : cause ? 503 : status;
	worker_publish(s, &n);
}

/* Nothing of the attempt is left but its line in the record. */
static void leave_attempt(struct sbc *s, struct call *c, uint16_t status, unsigned cause)
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

void setup_moved(struct sbc *s, struct call *c, uint16_t status)
{
	struct setup *u = c->setup;

	leave_attempt(s, c, status, 0);
	u->candidate_next = u->candidate_count;
	if (u->tries) /* who sends us on has not failed */
		u->tries--;
	go_on(s, c);
}

void setup_failed(struct sbc *s, struct call *c, uint16_t status, unsigned cause)
{
	struct setup *u = c->setup;

	if (transfer_has_callee(s, c)) { /* there is no other */
		call_refuse(s, c, status ? status : 480, STR_NONE, STR_NONE,
			    &(struct call_ending){.by = CDR_CALLEE});
		return;
	}
	const struct route_rule *route = &c->settings->policy.routes[c->record.route];
	leave_attempt(s, c, status, cause);
	/* The other addresses of one name are the same peer (RFC 3263 §4.3): on_failure has no say in them. */
	if (tries_next_address(cause, status) && u->candidate_next < u->candidate_count) {
		go_on(s, c);
		return;
	}
	if (!route_is_retried(route, cause ? cause : status)) {
		give_up(s, c);
		return;
	}
	u->candidate_next = u->candidate_count;
	go_on(s, c);
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
	go_on(s, c);
}

/* The callee is a party of another call, that transfer.c asks. */
static void setup_reach(struct sbc *s, struct call *c)
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
			relay_failed(s, c);
		return;
	}
	if (transfer_has_callee(s, c)) {
		setup_reach(s, c);
		return;
	}
	resolve(s, c);
	if (u->ask == ID_NONE)
		go_on(s, c);
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
	go_on(s, c);
	return true;
}

void setup_on_response(struct sbc *s, struct call *c, const struct msg *m, const struct flow *f)
{
	struct setup *u = c->setup;

	if (u->stage == SETUP_ANSWERING) { /* its 2xx again: the ACK was lost */
		setup_on_answer(s, c, m, f);
		return;
	}
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

/* ---- the beginning */

/* The last eighth is for the calls that are there. */
static bool is_short_of_transactions(const struct sbc *s)
{
	const struct pool *p = &s->txns.pool;

	return p->used >= p->limit - p->limit / 8;
}

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
		buf_lit(&s->lines, "Retry-After: 10\r\n");
	if (str_eq(v->rule, STR("reliable")))
		buf_z(&s->lines,
		      v->status == 420 ? "Unsupported: 100rel\r\n" : "Require: 100rel\r\n");
	worker_refused(s, s->settings, f, m, trunk, v);
	if (v->outcome == VERDICT_REJECT) {
		if (is_short_of_transactions(s) ||
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

static const struct number_rules *numbers_in(const struct settings *s, uint16_t trunk)
{
	return trunk < s->trunk_count ? s->trunks[trunk].caller.numbers_in : NULL;
}

static void set_texts(struct sbc *s, struct call *c, const struct msg *m,
		      const struct tls_facts *tls, struct str number, struct str dialled)
{
	char mem[256], canonical_mem[256];
	struct buf from, canonical;
	struct name_addr a;
	struct uri u;
	struct str texts[CALL_TEXT_COUNT] = {[CALL_TO_NUMBER] = number,
					     [CALL_DIALLED] =
						     str_eq(number, dialled) ? STR_NONE : dialled,
					     [CALL_USER_AGENT] = msg_value(m, HDR_USER_AGENT)};

	buf_init(&from, mem, sizeof(mem));
	buf_init(&canonical, canonical_mem, sizeof(canonical_mem));
	if (name_addr_parse(m->from, &a) == OK) {
		texts[CALL_FROM_DISPLAY] = a.display;
		if (a.display.len >= 2 && a.display.p[0] == '"') /* its quotes are not part of it */
			texts[CALL_FROM_DISPLAY] = (struct str){a.display.p + 1, a.display.len - 2};
		if (uri_parse(a.uri, &u) == OK && uri_write_number(&from, &u) == OK)
			texts[CALL_FROM_NUMBER] =
				number_of(numbers_in(c->settings, c->leg[0].trunk), NUMBER_FROM,
					  buf_view(&from), &canonical);
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

static struct verdict verdict_of(enum verdict_stage stage, uint16_t status, struct str reason,
				 struct str rule)
{
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = stage,
				.status = status,
				.reason = reason,
				.rule = rule};
}

static bool begin_session(struct sbc *s, struct call *c, unsigned side, struct aor *a)
{
	if (c->leg[side].user != ID_NONE || !reg_session_begin(s, a))
		return false;
	c->leg[side].user = a->id;
	return true;
}

/* Where to: policy's word, and the order of the targets. ALLOW, or the refusal. */
static struct verdict find_targets(struct sbc *s, struct call *c, const struct facts *facts)
{
	struct setup *u = c->setup;
	struct verdict v = route_find(&c->settings->policy, facts, &c->record.route);

	if (v.outcome != VERDICT_ALLOW)
		return v;
	struct aor *user;
	struct hunt_params p = {
		.settings = c->settings,
		.route = &c->settings->policy.routes[c->record.route],
		.turn = peers_turn(&s->peers, c->settings, c->record.route),
		.secure_only = u->sips,
		.is_up = peers_is_up,
		.ctx = &s->peers,
	};
	enum hunt_result found = hunt_init(&u->hunt, &p, &s->rng);
	user = c->settings->users_count ? reg_fill_hunt(s, p.route, facts, u->sips, &u->hunt)
					: NULL;
	switch (u->hunt.count ? HUNT_OK : found) {
	case HUNT_OK:
		if (user && !begin_session(s, c, 1, user))
			v = verdict_of(VERDICT_STAGE_LIMIT, 486, STR_NONE, STR("sessions"));
		break;
	case HUNT_INSECURE: /* RFC 5630 §4 */
		v = verdict_of(VERDICT_STAGE_ROUTE, 480, STR_NONE, p.route->name);
		v.warn_code = 380;
		v.warn_text = STR("SIPS Not Allowed");
		break;
	case HUNT_DOWN:
	case HUNT_RESULT_COUNT:
		v = verdict_of(VERDICT_STAGE_ROUTE, 503, STR_NONE, STR("peers-down"));
		if (p.route->to_count && c->settings->trunks[p.route->to[0]].users)
			v = verdict_of(VERDICT_STAGE_ROUTE, 480, STR_NONE, STR("not-registered"));
		break;
	}
	return v;
}

/* A call to the contact that we gave a registrar: down that flow, whatever routes say. */
static struct verdict find_user(struct sbc *s, struct call *c, const struct contact *b)
{
	const struct users *g = reg_group(c->settings, b->aor);
	struct hunt_target t = {.trunk = g->trunk, .contact = b->id};

	c->record.route = g->route_to_users;
	c->setup->hunt = (struct hunt){.count = 0};
	if (c->setup->sips && !transport_is_secure(b->flow.transport))
		return verdict_of(VERDICT_STAGE_ROUTE, 480, STR_NONE, g->name);
	hunt_add(&c->setup->hunt, &t);
	if (!begin_session(s, c, 1, b->aor))
		return verdict_of(VERDICT_STAGE_LIMIT, 486, STR_NONE, STR("sessions"));
	return (struct verdict){.outcome = VERDICT_ALLOW};
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
		return verdict_of(VERDICT_STAGE_LIMIT, 403, STR_NONE, STR("sessions"));
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

/* Before anything is made of it. */
static struct verdict judge_invite(const struct settings *set, const struct msg *m,
				   const struct flow *f, const struct uri *uri, uint16_t trunk)
{
	struct verdict v = {.outcome = VERDICT_ALLOW};
	enum reliable_policy p =
		trunk < set->trunk_count ? set->trunks[trunk].habits.reliable : RELIABLE_SUPPORTED;
	bool requires = msg_has_token(m, HDR_REQUIRE, STR("100rel"));

	if (uri->scheme == URI_SIPS &&
	    !transport_is_secure(f->transport)) { /* RFC 5630 §3.1, §5.3 */
		v = verdict_of(VERDICT_STAGE_PARSE, 480, STR_NONE, STR("sips_transport"));
		v.warn_code = 380;
		v.warn_text = STR("SIPS Not Allowed");
	} else if (p == RELIABLE_OFF && requires) {
		v = verdict_of(VERDICT_STAGE_PARSE, 420, STR_NONE, STR("reliable"));
	} else if (p == RELIABLE_REQUIRE && !requires &&
		   !msg_has_token(m, HDR_SUPPORTED, STR("100rel"))) {
		v = verdict_of(VERDICT_STAGE_PARSE, 421, STR_NONE, STR("reliable"));
	}
	return v;
}

/* RFC 3323 §5: what is critical and cannot be done is not tried. */
static bool is_privacy_impossible(const struct call *c, const struct msg *m)
{
	uint16_t realm = call_realm(c, 0);

	return msg_has(m, HDR_PRIVACY) && realm < c->settings->realm_count &&
	       identity_is_impossible(identity_privacy(m, false),
				      c->settings->realms[realm].anchor_media);
}

/* The call has its caller and its texts: where to, by policy, and off it goes. m has an INVITE's headers. */
static void decide(struct sbc *s, struct call *c, const struct msg *m, const struct uri *uri,
		   struct facts *facts)
{
	struct setup *u = c->setup;
	struct call_sdp sdp = {.mean = OFFER_NEW};
	bool lent;

	facts->method = m->method_text;
	facts->domain = uri->host;
	facts->random = rng_u32(&s->rng);
	struct verdict v = transfer_on_replaces(s, c, m, &lent);
	struct contact *contact = NULL;
	if (v.outcome == VERDICT_ALLOW && !lent && c->settings->users_count) {
		v = judge_caller(s, c, m);
		(void)reg_find_token(s, c->leg[0].trunk, uri->user, &contact);
	}
	if (v.outcome == VERDICT_ALLOW && !lent)
		v = contact ? find_user(s, c, contact) : find_targets(s, c, facts);
	if (v.outcome == VERDICT_ALLOW && is_privacy_impossible(c, m))
		v = verdict_of(VERDICT_STAGE_MEDIA, 500, STR("Privacy Cannot Be Provided"),
			       STR("privacy"));
	if (v.outcome == VERDICT_ALLOW && u->has_offer)
		v = call_check_sdp(s, c, 0, call_sdp_of(m), &sdp);
	if (v.outcome != VERDICT_ALLOW) {
		call_refuse_by(s, c, m, &v);
		return;
	}
	offer_step(&c->offer[0], u->has_offer ? OFFER_GOT_REQUEST : OFFER_GOT_INVITE);
	if (!lent) {
		go_on(s, c);
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
		relay_failed(s, c);
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

void setup_begin(struct sbc *s, const struct msg *m, const struct flow *f,
		 const struct tls_facts *tls, uint16_t trunk)
{
	char number_mem[256], canonical_mem[256];
	struct buf number, canonical;
	struct uri uri, address;

	buf_init(&number, number_mem, sizeof(number_mem));
	if (uri_parse(m->uri, &uri) != OK ||
	    uri_parse(enrol_called(s->settings, trunk, m), &address) != OK ||
	    uri_write_number(&number, &address) != OK) {
		struct verdict v = verdict_of(VERDICT_STAGE_PARSE, 400, STR("Bad Request-URI"),
					      STR("request_uri"));
		setup_refuse_at_once(s, m, f, tls, trunk, &v);
		return;
	}
	/* A number that is cut, or none at all, would go another way than the one that was dialled. */
	if (number.overflow) {
		struct verdict v =
			verdict_of(VERDICT_STAGE_PARSE, 414, STR_NONE, STR("request_uri_long"));
		setup_refuse_at_once(s, m, f, tls, trunk, &v);
		return;
	}
	struct verdict first = judge_invite(s->settings, m, f, &uri, trunk);
	struct contact *contact = NULL;
	enum reg_token token = reg_find_token(s, trunk, uri.user, &contact);
	if (token == REG_TOKEN_FOUND) { /* who is called is the user, not the token */
		buf_reset(&number);
		buf_str(&number, reg_user_of(contact->aor));
	} else if (token == REG_TOKEN_GONE) { /* RFC 5626 §5.3 */
		first = verdict_of(VERDICT_STAGE_ROUTE, 430, STR("Flow Failed"), STR("flow"));
	}
	if (first.outcome != VERDICT_ALLOW) {
		setup_refuse_at_once(s, m, f, tls, trunk, &first);
		return;
	}
	struct call *c =
		s->draining || (is_short_of_transactions(s) &&
				!route_is_emergency(&s->settings->policy, buf_view(&number)))
			? NULL
			: call_new(s, s->settings);
	enum err e = c && attach(s, c) ? open_caller(s, c, m, f) : ERR_FULL;
	if (e != OK) {
		if (c) {
			s->counts.total--;
			call_free(s, &c);
		}
		struct verdict v = verdict_of(VERDICT_STAGE_LIMIT, 503, STR_NONE,
					      s->draining ? STR("draining") : STR("calls"));
		if (e == ERR_BAD)
			v = verdict_of(VERDICT_STAGE_PARSE, 400,
				       STR("Contact or Record-Route cannot be kept"),
				       STR("dialog"));
		setup_refuse_at_once(s, m, f, tls, trunk, &v);
		return;
	}
	struct setup *u = c->setup;
	c->leg[0].trunk = trunk;
	refresh_init(c, 0);
	buf_init(&canonical, canonical_mem, sizeof(canonical_mem));
	struct str called =
		number_of(numbers_in(c->settings, trunk), NUMBER_TO, buf_view(&number), &canonical);
	set_texts(s, c, m, tls, called, buf_view(&number));
	u->flow = *f;
	u->sips = uri.scheme == URI_SIPS;
	note_abilities(u, m, c->settings, trunk);
	u->has_offer = u->body_len > 0;
	c->media.face[0].sdp.labels = c->media.face[1].sdp.labels =
		msg_has_token(m, HDR_REQUIRE, STR("siprec"));
	call_tell(s, c, NOTICE_CALL_STARTED);

	struct facts facts = leg_facts(c->settings, f, tls);
	facts.trunk = trunk;
	facts.number = called;
	if (may_last(s, c, m))
		decide(s, c, m, &uri, &facts);
}

void setup_drop_lent(struct sbc *s, struct call **call)
{
	s->counts.total--;
	call_free(s, call);
}

struct call *setup_new_lent(struct sbc *s, struct str invite)
{
	struct call *c =
		s->draining || is_short_of_transactions(s) ? NULL : call_new(s, s->settings);

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

void setup_start_lent(struct sbc *s, struct call *c, struct facts *facts)
{
	char number_mem[256], canonical_mem[256];
	struct buf number, canonical;
	struct uri uri;
	struct setup *u = c->setup;
	struct verdict bad = verdict_of(VERDICT_STAGE_PARSE, 400, STR_NONE, STR("refer-to"));

	buf_init(&number, number_mem, sizeof(number_mem));
	u->flow = c->leg[0].flow;
	if (msg_index(&s->held, u->invite, 0) != OK || uri_parse(s->held.uri, &uri) != OK ||
	    uri_write_number(&number, &uri) != OK || number.overflow) {
		call_refuse_by(s, c, &s->held, &bad);
		return;
	}
	buf_init(&canonical, canonical_mem, sizeof(canonical_mem));
	struct str called = number_of(numbers_in(c->settings, facts->trunk), NUMBER_TO,
				      buf_view(&number), &canonical);
	set_texts(s, c, &s->held, NULL, called, buf_view(&number));
	u->sips = uri.scheme == URI_SIPS;
	call_tell(s, c, NOTICE_CALL_STARTED);
	facts->number = called;
	decide(s, c, &s->held, &uri, facts);
}
