#include "sbc/core/setup.h"

#include "sbc/core/call_media.h"
#include "sbc/core/crossing.h"
#include "sbc/core/identity.h"
#include "sbc/core/refresh.h"
#include "sbc/core/reg.h"
#include "sbc/core/transfer.h"
#include "sbc/core/uri.h"

/* The INVITE to the callee: who calls, whom, with what (RFC 7092 §3.1: nothing of the caller's dialog is in it). */

/* `"Bob" <sip:number@host>`: the number and the name cross, where they come from does not (design promise 3). */
static struct str write_from(struct sbc *s, struct buf *b, struct call *c, const struct msg *invite,
			     const struct addr *host, bool sips)
{
	char mem[256];
	struct buf number;
	struct crossing x;

	buf_init(&number, mem, sizeof(mem));
	call_crossing(c, 1, true, &x);
	c->hidden = crossing_hides(invite, &x);
	struct str from = call_number_at(c, 1, CALL_FROM_NUMBER, &number);
	const struct aor *user =
		c->leg[0].user != ID_NONE ? bind_get_aor(&s->binds, c->leg[0].user) : NULL;
	struct str domain =
		user ? reg_shown_domain(c->settings, user, c->setup->target.trunk) : STR_NONE;
	if (domain.len)
		identity_write_from_at(b, invite->from, from, domain, sips, c->hidden);
	else
		identity_write_from(b, invite->from, from, host, sips, c->hidden);
	if (!c->hidden && setup_shows_verstat(c, VERSTAT_SHOWN_FROM))
		identity_add_verstat(b, 0, setup_verstat(c));
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

const struct trunk *setup_trunk(const struct call *c)
{
	return &c->settings->trunks[c->setup->target.trunk];
}

static const struct peer no_peer; /* of a user */

const struct peer *setup_peer(const struct call *c)
{
	if (c->setup->target.contact != ID_NONE)
		return &no_peer;
	return &setup_trunk(c)->peers[c->setup->target.peer];
}

/* A fresh dialog for this attempt: own Call-ID, tag and CSeq (RFC 7092 §3.1). */
static enum err start_dialog(struct sbc *s, struct call *c, const struct msg *invite)
{
	struct setup *u = c->setup;
	struct leg *l = &c->leg[1];
	const struct peer *peer = setup_peer(c);
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
		bind_write_name(&to, u->user_name);
	} else {
		write_target(&target, number, peer, sips, l->flow.transport, false);
		buf_char(&to, '<');
		write_target(&to, number, peer, sips, l->flow.transport, true);
	}
	buf_char(&to, '>');
	struct dialog_uac p = {
		.call_id = worker_token(s, HIDE_CALL_ID, c->id, id),
		.local_tag = worker_token(s, HIDE_TAG, c->id, tag),
		.local = write_from(s, &from, c, invite,
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
	switch (setup_trunk(c)->habits.reliable) {
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
bool setup_begins_with_offer(const struct setup *u)
{
	return u->late == SETUP_LATE_WROTE || (u->has_offer && u->late != SETUP_LATE_KEPT);
}

static struct str offer_for(struct sbc *s, struct call *c, const struct msg *invite)
{
	if (!setup_begins_with_offer(c->setup))
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
bool setup_send_invite(struct sbc *s, struct call *c, const struct candidate *to, bool *out_fatal)
{
	struct setup *u = c->setup;
	struct leg *l = &c->leg[1];
	const struct trunk *t = setup_trunk(c);
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
	write_reliable(s, c, setup_begins_with_offer(u));
	refresh_write_request(s, c, 1);
	if (msg_has_token(&s->held, HDR_REQUIRE, STR("siprec")))
		buf_lit(&s->lines, "Require: siprec\r\n");
	if (setup_carry_signed(s, c, &s->held) != OK)
		return false;
	struct str sdp = offer_for(s, c, &s->held);
	if (setup_begins_with_offer(u) && sdp.len == 0)
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
	peers_call_begins(s, c);
	const struct route_rule *route = &c->settings->policy.routes[c->record.route];
	uint32_t c_ms = c->settings->timers.c_ms;
	u->alarm_is_c = route->failure_after_ms == 0 || route->failure_after_ms >= c_ms;
	worker_alarm(s, &u->alarm, ALARM_SETUP,
		     s->now_ms + (u->alarm_is_c ? c_ms : route->failure_after_ms));
	return true;
}
