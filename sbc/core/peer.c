#include "sbc/core/peer.h"

#include <stdlib.h>

#include "sbc/core/target.h"
#include "sbc/core/worker.h"

/*
 * Timers: `alarm` of a peer is its next ping; the answer or the silence to the last one comes from the transaction,
 * which gives up after 64*T1. Pings of a site are spread over their interval.
 */

static size_t count_peers(const struct settings *s)
{
	size_t n = 0;

	for (size_t t = 0; t < s->trunk_count; t++)
		n += s->trunks[t].peer_count;
	return n;
}

static const struct trunk *trunk_of(const struct peers *p, const struct peer_health *h)
{
	return &p->settings->trunks[h->trunk];
}

static const struct peer *peer_of(const struct peers *p, const struct peer_health *h)
{
	return &trunk_of(p, h)->peers[h->peer];
}

static const struct peer_health *find_named(const struct peers *p, const struct trunk *t,
					    const struct peer *peer)
{
	for (size_t i = 0; i < p->count; i++)
		if (str_eq(trunk_of(p, &p->list[i])->name, t->name) &&
		    str_eq(peer_of(p, &p->list[i])->uri, peer->uri))
			return &p->list[i];
	return NULL;
}

static void stop_all(struct sbc *s, struct peers *p)
{
	for (size_t i = 0; i < p->count; i++) {
		struct peer_health *h = &p->list[i];
		worker_stop_alarm(s, &h->alarm);
		worker_stop_alarm(s, &h->rest);
		if (h->txn != ID_NONE)
			txn_set_owner(&s->txns, h->txn, ID_NONE);
	}
}

static void fill(struct sbc *s, struct peers *p, const struct peers *before)
{
	size_t n = 0;

	for (size_t t = 0; t < p->settings->trunk_count; t++) {
		const struct trunk *trunk = &p->settings->trunks[t];
		p->first[t] = (uint32_t)n;
		for (size_t i = 0; i < trunk->peer_count; i++, n++) {
			struct peer_health *h = &p->list[n];
			const struct peer_health *was =
				before->count ? find_named(before, trunk, &trunk->peers[i]) : NULL;
			*h = (struct peer_health){.trunk = (uint16_t)t, .peer = (uint16_t)i};
			timer_init(&h->alarm.timer);
			timer_init(&h->rest.timer);
			p->any_health = p->any_health || trunk->health.on;
			if (was) {
				h->calls = was->calls;
				h->health = was->health;
			}
			if (!trunk->ping.on || trunk->ping.every_ms == 0)
				continue;
			if (was) {
				h->down = was->down;
				h->row = was->row;
			}
			worker_alarm(s, &h->alarm, ALARM_PEER,
				     s->now_ms + 1 + rng_below(&s->rng, trunk->ping.every_ms));
		}
	}
}

enum err peers_apply(struct sbc *s, const struct settings *settings)
{
	struct peers p = {.settings = settings, .count = count_peers(settings)};
	struct peers before = s->peers;

	p.list = calloc(p.count ? p.count : 1, sizeof(*p.list));
	p.first = calloc(settings->trunk_count ? settings->trunk_count : 1, sizeof(*p.first));
	p.next_turn = calloc(settings->policy.route_count ? settings->policy.route_count : 1,
			     sizeof(*p.next_turn));
	if (!p.list || !p.first || !p.next_turn) {
		peers_release(&p);
		return ERR_NOMEM;
	}
	stop_all(s, &before);
	fill(s, &p, &before);
	s->peers = p;
	for (size_t i = 0; i < p.count; i++)
		peers_take_up_rest(s, &s->peers.list[i]);
	peers_release(&before);
	return OK;
}

void peers_release(struct peers *p)
{
	free(p->list);
	free(p->first);
	free(p->next_turn);
	*p = (struct peers){.settings = NULL};
}

bool peers_is_up(const struct peers *p, const struct settings *settings, uint16_t trunk,
		 uint16_t peer)
{
	if (settings != p->settings || trunk >= settings->trunk_count ||
	    peer >= settings->trunks[trunk].peer_count)
		return true; /* of an older generation: nothing is known against it */
	return !p->list[p->first[trunk] + peer].down;
}

uint32_t peers_turn(struct peers *p, const struct settings *settings, uint16_t route)
{
	if (settings != p->settings || route >= settings->policy.route_count)
		return 0;
	return p->next_turn[route]++;
}

static struct peer_health *find(struct peers *p, const struct settings *settings, uint16_t trunk,
				uint16_t peer)
{
	if (settings != p->settings || trunk >= settings->trunk_count ||
	    peer >= settings->trunks[trunk].peer_count)
		return NULL;
	return &p->list[p->first[trunk] + peer];
}

void peers_hear(struct sbc *s, const struct settings *settings, uint16_t trunk, uint16_t peer,
		const struct msg *m)
{
	struct peer_health *h;
	struct oc oc;

	if (!oc_is_in(m->via.params))
		return;
	h = find(&s->peers, settings, trunk, peer);
	if (h && settings->trunks[trunk].habits.overload_control &&
	    oc_parse(m->via.params, &oc) == OK)
		oc_step(&h->oc, &oc, s->now_ms);
}

bool peers_shed(struct sbc *s, const struct settings *settings, uint16_t trunk, uint16_t peer)
{
	const struct peer_health *h = find(&s->peers, settings, trunk, peer);

	return h && h->oc.until_ms > s->now_ms && oc_sheds(&h->oc, s->now_ms, rng_u32(&s->rng));
}

/* ---- one peer */

static id_t64 owner_of(const struct sbc *s, const struct peer_health *h)
{
	return id_make((uint8_t)((unsigned)s->worker << OWNER_BITS | OWNER_PEER), 1,
		       (uint32_t)(h - s->peers.list));
}

static struct peer_health *health_of(struct sbc *s, id_t64 owner)
{
	uint32_t slot = id_slot(owner);

	return slot < s->peers.count ? &s->peers.list[slot] : NULL;
}

static void tell(struct sbc *s, const struct peer_health *h, uint16_t status)
{
	struct notice n = worker_notice(s, h->down ? NOTICE_PEER_DOWN : NOTICE_PEER_UP);

	n.settings = s->peers.settings;
	n.realm = trunk_of(&s->peers, h)->realm;
	n.trunk = h->trunk;
	n.peer = h->peer;
	n.status = status;
	worker_publish(s, &n);
}

/* One ping has been judged. */
static void judge(struct sbc *s, struct peer_health *h, bool alive, uint16_t status)
{
	const struct ping *ping = &trunk_of(&s->peers, h)->ping;
	uint16_t enough = h->down ? ping->up_after : ping->down_after;

	h->txn = h->ask = ID_NONE;
	worker_alarm(s, &h->alarm, ALARM_PEER, s->now_ms + ping->every_ms);
	if (alive != h->down) {
		h->row = 0;
		return;
	}
	if (++h->row < (enough ? enough : 1))
		return;
	h->row = 0;
	h->down = !h->down;
	tell(s, h, status);
}

static bool send_ping(struct sbc *s, struct peer_health *h, enum transport t, const struct addr *to)
{
	const struct settings *set = s->peers.settings;
	const struct trunk *trunk = trunk_of(&s->peers, h);
	const struct peer *peer = peer_of(&s->peers, h);
	uint16_t listener = worker_listener(set, trunk->realm, t, to->family);
	char branch[HIDE_BRANCH_LEN], tag[HIDE_BRANCH_LEN], call_id[HIDE_BRANCH_LEN], from_mem[512],
		to_mem[512];
	struct buf from, uri;

	if (listener == SETTINGS_NO_INDEX)
		return false;
	buf_init(&from, from_mem, sizeof(from_mem));
	buf_lit(&from, "<sip:");
	addr_write_host(&from, &set->listeners[listener].local);
	buf_char(&from, '>');
	buf_init(&uri, to_mem, sizeof(to_mem));
	buf_z(&uri, peer->sips ? "<sips:" : "<sip:");
	struct addr ip;
	if (addr_parse_ip(peer->host, &ip) == OK)
		addr_write_host(&uri, &ip);
	else
		buf_str(&uri, peer->host);
	buf_char(&uri, '>');
	struct str to_value = buf_view(&uri);
	struct build_request r = {
		.method = STR("OPTIONS"),
		.uri = to_value.len ? (struct str){to_value.p + 1, to_value.len - 2} : to_value,
		.transport = t,
		.sent_by = &set->listeners[listener].local,
		.branch = worker_token(s, HIDE_BRANCH, ID_NONE, branch),
		.max_forwards = 70,
		.oc = trunk->habits.overload_control,
		.from = {buf_view(&from), worker_token(s, HIDE_TAG, ID_NONE, tag)},
		.to = {to_value, STR_NONE},
		.call_id = worker_token(s, HIDE_CALL_ID, ID_NONE, call_id),
		.cseq = 1,
		.headers = STR("Accept: application/sdp\r\n"),
	};
	struct dest d = {.flow = {.listener = listener, .transport = t, .remote = *to},
			 .tls_name = trunk->tls_name.len ? trunk->tls_name : peer->host,
			 .trunk = h->trunk};
	buf_reset(&s->out);
	if (build_request(&s->out, &r) != OK)
		return false;
	struct txn_start_params p = {.method = r.method,
				     .branch = r.branch,
				     .dest = &d,
				     .bytes = auth_ahead(s, set, &d, buf_view(&s->out)),
				     .settings = set,
				     .owner = owner_of(s, h),
				     .now_ms = s->now_ms};
	struct txn_effects fx = {.count = 0};
	if (txn_start(&s->txns, &p, &h->txn, &fx) != OK)
		return false;
	worker_emit(s, &fx);
	return true;
}

void peers_on_alarm(struct sbc *s, struct alarm *a)
{
	struct peer_health *h = CONTAINER_OF(a, struct peer_health, alarm);
	const struct peer *peer = peer_of(&s->peers, h);
	struct candidate at;

	if (target_address(peer, false, &at)) {
		if (!send_ping(s, h, at.transport, &at.addr))
			judge(s, h, !h->down, 0); /* our fault: nothing is known */
		return;
	}
	struct resolve_query q =
		target_query(s->peers.settings, trunk_of(&s->peers, h)->realm, peer, false);
	h->ask = worker_ask_resolve(s, owner_of(s, h), &q);
	if (h->ask == ID_NONE)
		judge(s, h, !h->down, 0);
}

void peers_on_resolved(struct sbc *s, id_t64 owner, id_t64 ask, const struct event *e)
{
	struct peer_health *h = health_of(s, owner);

	if (!h || h->ask != ask)
		return;
	h->ask = ID_NONE;
	for (size_t i = 0; i < e->resolved.count && i < CANDIDATES_MAX; i++)
		if (send_ping(s, h, e->resolved.candidates[i].transport,
			      &e->resolved.candidates[i].addr))
			return;
	judge(s, h, false, 0);
}

void peers_on_response(struct sbc *s, id_t64 owner, id_t64 txn, const struct msg *m)
{
	struct peer_health *h = health_of(s, owner);

	if (h && h->txn == txn)
		peers_hear(s, s->peers.settings, h->trunk, h->peer, m);
	if (!h || h->txn != txn || m->status < 200)
		return;
	struct auth_again again = {.txn = txn,
				   .trunk = h->trunk,
				   .settings = s->peers.settings,
				   .answer = m,
				   .owner = owner};
	id_t64 next = auth_again(s, &again);
	if (next != ID_NONE)
		h->txn = next;
	else
		judge(s, h, m->status != 408 && m->status != 503, m->status);
}

void peers_on_silence(struct sbc *s, id_t64 owner, id_t64 txn)
{
	struct peer_health *h = health_of(s, owner);

	if (h && h->txn == txn)
		judge(s, h, false, 0);
}
