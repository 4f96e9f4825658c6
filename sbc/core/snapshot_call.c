#include "sbc/core/snapshot.h"

#include <string.h>

#include "sbc/core/call_media.h"
#include "sbc/core/duration.h"
#include "sbc/core/keep.h"
#include "sbc/core/redirect.h"
#include "sbc/core/refresh.h"
#include "sbc/core/reg.h"
#include "sbc/core/worker.h"

/*
 * Our requests since the snapshot may have used further CSeqs; a gap is no error (RFC 3261 §12.2.2), a number that was there
 * before is one.
 */
enum { CSEQ_GAP = 1000, DIALOG_ROOM = 128 };

/* ---- taking */

static uint64_t wall_of(const struct sbc *s, uint64_t mono_ms)
{
	return mono_ms ? s->wall_ms + mono_ms - s->now_ms : 0;
}

static uint64_t record_wall(const struct call_record *r, uint64_t mono_ms)
{
	return mono_ms ? r->start_wall_ms + (mono_ms - r->start_ms) : 0;
}

static struct str trunk_name(const struct settings *s, uint16_t trunk)
{
	return trunk < s->trunk_count ? s->trunks[trunk].name : STR_NONE;
}

static struct str peer_uri(const struct settings *s, uint16_t trunk, uint16_t peer)
{
	return trunk < s->trunk_count && peer < s->trunks[trunk].peer_count
		       ? s->trunks[trunk].peers[peer].uri
		       : STR_NONE;
}

static void take_dialog(const struct leg *l, struct snapshot_leg *x)
{
	const struct dialog *d = &l->dialog;

	for (unsigned t = 0; t < DIALOG_TEXT_COUNT; t++)
		x->text[t] = dialog_get(d, (enum dialog_text)t);
	x->local_cseq = d->local_cseq;
	x->remote_cseq = d->remote_cseq;
	x->remote_cseq_known = d->remote_cseq_known;
	x->role = d->role;
	x->secure = d->secure;
	x->confirmed = d->confirmed;
	x->invite_cseq = l->invite.cseq;
	x->invite_ours = l->invite.ours;
}

static void take_leg(const struct sbc *s, const struct call *c, unsigned side,
		     struct snapshot_leg *x)
{
	const struct leg *l = &c->leg[side];
	const struct settings *set = c->settings;
	uint16_t realm = call_realm(c, side);
	const struct aor *user = l->user != ID_NONE ? bind_get_aor(&s->binds, l->user) : NULL;

	take_dialog(l, x);
	x->ended = l->ended;
	x->admitted = l->admitted != 0;
	x->refers = l->refers;
	x->stream = l->flow.id != ID_NONE;
	x->realm = realm < set->realm_count ? set->realms[realm].name : STR_NONE;
	x->trunk = trunk_name(set, l->trunk);
	x->peer = peer_uri(set, l->trunk, l->peer);
	x->user = user ? user->name : STR_NONE;
	x->transport = (uint8_t)l->flow.transport;
	if (l->flow.listener < set->listener_count)
		x->local = set->listeners[l->flow.listener].local;
	x->remote = l->flow.remote;
	x->home = keep_home(s, c, side);
	const struct call *h = call_find(s, l->home);
	x->home_epoch = h && h->keep ? h->keep->epoch : c->keep->home_epoch[side];
	x->session = l->session;
	x->session.pending = (struct session_timer_seen){.expires_s = 0};
	x->session.refresh_ms = wall_of(s, l->session.refresh_ms);
	x->session.expire_ms = wall_of(s, l->session.expire_ms);
	x->agreed_ever = c->offer[side].ever;
	x->keys_by = c->keys_by[side];
	x->keys_plain = c->keys_plain[side];
	x->silent_ms = wall_of(s, c->silent_ms[side]);
	x->face = c->media.face[side];
	x->shown = c->shown[side];
	x->agreed = c->agreed[side];
	const struct session_id_side *id = &c->session.side[side];
	x->uuid_known = id->known;
	x->uuid_made = id->made;
	x->uuid_old = id->old;
	memcpy(x->uuid, id->uuid, sizeof(x->uuid));
}

static void take_attempts(const struct call *c, struct snapshot *x)
{
	const struct redirects *sent_on = c->redirects;

	x->number_count = sent_on ? sent_on->count : 0;
	for (unsigned i = 0; i < x->number_count; i++)
		x->numbers[i] = sent_on->number[i];
	x->attempt_count = c->record.attempt_count;
	for (unsigned i = 0; i < x->attempt_count; i++) {
		const struct call_attempt *a = &c->record.attempts[i];
		x->attempts[i] = (struct snapshot_attempt){
			.trunk = trunk_name(c->settings, a->trunk),
			.peer = peer_uri(c->settings, a->trunk, a->peer),
			.start_ms = record_wall(&c->record, a->start_ms),
			.ms = a->ms,
			.status = a->status,
			.cause = a->cause,
			.number = a->number <= x->number_count ? a->number : 0};
	}
}

static void take_media(const struct call *c, struct snapshot *x)
{
	const struct media *m = &c->media;

	x->anchored = m->anchored;
	x->media_open = m->open;
	x->media_known = m->known;
	x->relay =
		m->relay < c->settings->relay_count ? c->settings->relays[m->relay].name : STR_NONE;
	x->session = m->session;
	memcpy(x->codec, m->codec, sizeof(x->codec));
	x->seen = m->seen;
	x->agreed_by = c->agreed_by;
}

/* In the arena: the texts outlive this function. */
static struct str call_name(struct sbc *s, const struct call *c, uint64_t number)
{
	char mem[2 * SNAPSHOT_NAME_MAX];
	struct buf b;

	buf_init(&b, mem, sizeof(mem));
	if (number)
		call_write_number(&b, s, c, number);
	else
		call_write_name(&b, s, c);
	return arena_str(&s->arena, buf_view(&b));
}

bool snapshot_take(struct sbc *s, const struct call *c, struct snapshot *x)
{
	const struct call_record *r = &c->record;
	const struct keep *k = c->keep;

	CHECK(c->keep && c->state == CALL_CONFIRMED && !c->setup);
	memset(x, 0, sizeof(*x));
	x->key = k->key.name;
	x->epoch = k->epoch;
	x->node = c->settings->node;
	x->boot = s->hide.boot;
	x->name = call_name(s, c, 0);
	x->last = r->last_call ? call_name(s, c, r->last_call) : k->last;
	x->next = r->next_call ? call_name(s, c, r->next_call) : k->next;
	x->start_ms = r->start_wall_ms;
	x->ring_ms = record_wall(r, r->ring_ms);
	x->early_ms = record_wall(r, r->early_ms);
	x->answer_ms = record_wall(r, r->answer_ms);
	if (r->route < c->settings->policy.route_count)
		x->route = c->settings->policy.routes[r->route].name;
	x->status = r->status;
	x->q850 = r->q850;
	for (unsigned i = 0; i < SNAPSHOT_TEXTS; i++)
		x->text[i] = call_text(c, (enum call_text)i);
	take_attempts(c, x);
	x->identity = c->identity;
	x->transfers = c->transfers;
	x->refers = c->refers;
	x->hidden = c->hidden;
	x->wrote_offer = c->wrote_offer;
	take_media(c, x);
	for (unsigned side = 0; side < 2; side++)
		take_leg(s, c, side, &x->leg[side]);
	return x->name.len > 0;
}

/* ---- restoring */

/* The same listener if we have it, as after a restart or with an address that has moved to us; else one like it. */
static uint16_t find_listener(const struct settings *set, const struct snapshot_leg *x)
{
	const uint16_t realm = worker_realm_named(set, x->realm);
	enum transport t = (enum transport)x->transport;

	if (realm == SETTINGS_NO_INDEX)
		return SETTINGS_NO_INDEX;
	for (size_t i = 0; i < set->listener_count; i++)
		if (set->listeners[i].realm == realm && set->listeners[i].transport == t &&
		    addr_eq(&set->listeners[i].local, &x->local))
			return (uint16_t)i;
	return worker_listener(set, realm, t, x->remote.family);
}

static uint16_t find_peer(const struct settings *set, uint16_t trunk, struct str uri)
{
	const struct trunk *t = trunk < set->trunk_count ? &set->trunks[trunk] : NULL;

	for (size_t i = 0; t && uri.len && i < t->peer_count; i++)
		if (str_eq(t->peers[i].uri, uri))
			return (uint16_t)i;
	return SETTINGS_NO_INDEX;
}

static uint32_t ahead(uint32_t cseq)
{
	return cseq < INT32_MAX - CSEQ_GAP ? cseq + CSEQ_GAP : cseq;
}

static enum err restore_dialog(struct sbc *s, struct dialog *d, const struct snapshot_leg *x)
{
	size_t room = DIALOG_ROOM;

	for (unsigned t = 0; t < DIALOG_TEXT_COUNT; t++)
		room += x->text[t].len;
	enum err e = leg_dialog_new(&s->blocks, d, room);
	for (unsigned t = 0; e == OK && t < DIALOG_TEXT_COUNT; t++)
		e = dialog_set(d, (enum dialog_text)t, x->text[t]);
	if (e != OK)
		return e;
	d->local_cseq = x->local_cseq ? ahead(x->local_cseq) : 0;
	d->remote_cseq = x->remote_cseq;
	d->remote_cseq_known = x->remote_cseq_known;
	d->role = x->role;
	d->secure = x->secure;
	d->confirmed = x->confirmed;
	return OK;
}

/* What should have happened while nobody had the call happens now. */
static uint64_t mono_ahead(const struct sbc *s, uint64_t wall_ms)
{
	if (wall_ms == 0)
		return 0;
	return wall_ms > s->wall_ms ? s->now_ms + (wall_ms - s->wall_ms) : s->now_ms;
}

/* May lie before the clock began: only differences count. Never 0, which means that it did not happen. */
static uint64_t mono_ago(const struct sbc *s, uint64_t wall_ms)
{
	uint64_t at = wall_ms ? s->now_ms + wall_ms - s->wall_ms : 0;

	return wall_ms && at == 0 ? 1 : at;
}

static void restore_session(struct sbc *s, struct call *c, unsigned side,
			    const struct session_timer *t)
{
	struct session_timer *to = &c->leg[side].session;

	*to = *t;
	to->refresh_ms = mono_ahead(s, t->refresh_ms);
	to->expire_ms = mono_ahead(s, t->expire_ms);
	/* No longer than it says of itself, whatever the clocks of the two nodes are. */
	uint64_t most = s->now_ms + 1000 * (uint64_t)t->expires_s;
	if (to->expire_ms > most)
		to->expire_ms = most;
	refresh_set_alarm(s, c, side);
}

static enum err restore_leg(struct sbc *s, struct call *c, unsigned side,
			    const struct snapshot_leg *x)
{
	const struct settings *set = c->settings;
	struct leg *l = &c->leg[side];

	l->flow = (struct flow){.listener = find_listener(set, x),
				.transport = (enum transport)x->transport,
				.remote = x->remote};
	if (l->flow.listener == SETTINGS_NO_INDEX)
		return ERR_NOTFOUND;
	/* The connection is another node's: ours goes to where its peer listens. */
	if (x->stream)
		l->flow.remote.port = transport_port(l->flow.transport);
	l->trunk = worker_trunk_named(set, x->trunk);
	l->peer = find_peer(set, l->trunk, x->peer);
	l->ended = x->ended;
	l->refers = x->refers;
	l->invite = (struct leg_invite){.cseq = x->invite_cseq, .ours = x->invite_ours};
	enum err e = restore_dialog(s, &l->dialog, x);
	if (e != OK)
		return e;
	struct aor *user = x->user.len ? bind_find_aor(&s->binds, x->user) : NULL;
	if (user && reg_session_begin(s, user))
		l->user = user->id;
	if (x->admitted)
		admission_begin(s, c, side);
	c->offer[side] = (struct offer){.state = x->agreed_ever ? OFFER_AGREED : OFFER_NONE,
					.ever = x->agreed_ever};
	c->keys_by[side] = x->keys_by;
	c->keys_plain[side] = x->keys_plain;
	c->silent_ms[side] = mono_ago(s, x->silent_ms);
	c->media.face[side] = x->face;
	c->shown[side] = block_str(&s->blocks, x->shown);
	c->agreed[side] = block_str(&s->blocks, x->agreed);
	struct session_id_side *id = &c->session.side[side];
	id->known = x->uuid_known;
	id->made = x->uuid_made;
	id->old = x->uuid_old;
	memcpy(id->uuid, x->uuid, sizeof(id->uuid));
	restore_session(s, c, side, &x->session);
	return OK;
}

static enum err restore_numbers(struct sbc *s, struct call *c, const struct snapshot *x)
{
	if (x->number_count == 0)
		return OK;
	c->redirects = block_new(&s->blocks, sizeof(*c->redirects));
	if (!c->redirects)
		return ERR_NOMEM;
	*c->redirects = (struct redirects){.count = x->number_count};
	for (unsigned i = 0; i < x->number_count; i++)
		c->redirects->number[i] = block_str(&s->blocks, x->numbers[i]);
	return OK;
}

static enum err restore_record(struct sbc *s, struct call *c, const struct snapshot *x)
{
	struct call_record *r = &c->record;
	const struct settings *set = c->settings;
	struct str texts[CALL_TEXT_COUNT] = {{NULL, 0}};

	memcpy(texts, x->text, sizeof(x->text));
	r->start_wall_ms = x->start_ms;
	r->start_ms = mono_ago(s, x->start_ms);
	r->ring_ms = mono_ago(s, x->ring_ms);
	r->early_ms = mono_ago(s, x->early_ms);
	r->answer_ms = mono_ago(s, x->answer_ms);
	r->status = x->status;
	r->q850 = x->q850;
	for (size_t i = 0; x->route.len && i < set->policy.route_count; i++)
		if (str_eq(set->policy.routes[i].name, x->route))
			r->route = (uint16_t)i;
	r->attempt_count = x->attempt_count;
	for (unsigned i = 0; i < x->attempt_count; i++) {
		const struct snapshot_attempt *a = &x->attempts[i];
		uint16_t trunk = worker_trunk_named(set, a->trunk);
		r->attempts[i] = (struct call_attempt){.start_ms = mono_ago(s, a->start_ms),
						       .ms = a->ms,
						       .trunk = trunk,
						       .peer = find_peer(set, trunk, a->peer),
						       .status = a->status,
						       .cause = a->cause,
						       .number = a->number};
	}
	enum err e = restore_numbers(s, c, x);
	return e == OK ? call_set_texts(s, c, texts) : e;
}

static void restore_media(struct sbc *s, struct call *c, const struct snapshot *x)
{
	struct media *m = &c->media;

	m->anchored = x->anchored;
	m->open = x->media_open;
	m->known = x->media_known;
	m->relay = SETTINGS_NO_INDEX;
	for (size_t i = 0; x->relay.len && i < c->settings->relay_count; i++)
		if (str_eq(c->settings->relays[i].name, x->relay))
			m->relay = (uint16_t)i;
	m->session = x->session;
	memcpy(m->codec, x->codec, sizeof(m->codec));
	m->seen = x->seen;
	c->agreed_by = x->agreed_by;
	if (m->open)
		s->counts.relay_sessions++;
}

enum err snapshot_restore(struct sbc *s, const struct snapshot *x, struct call **out)
{
	CHECK(s && x && out);
	struct call *c = call_new(s, s->settings);

	if (!c)
		return ERR_FULL;
	s->counts.total--; /* it is no new one */
	c->number = 0;
	c->state = CALL_CONFIRMED;
	s->counts.confirmed++;
	restore_media(s, c, x);
	c->identity = x->identity;
	c->identity.origid = block_str(&s->blocks, x->identity.origid);
	c->transfers = x->transfers;
	c->refers = x->refers;
	c->hidden = x->hidden;
	c->wrote_offer = x->wrote_offer;
	enum err e = restore_record(s, c, x);
	for (unsigned side = 0; e == OK && side < 2; side++)
		e = restore_leg(s, c, side, &x->leg[side]);
	if (e == OK)
		e = keep_adopt(s, c, x);
	if (e != OK) {
		s->counts.confirmed--;
		s->counts.relay_sessions -= c->media.open;
		call_free(s, &c);
		return e;
	}
	duration_begin(s, c);
	admission_hold_again(s, c);
	*out = c;
	return OK;
}
