#include "sbc/core/peer.h"

#include "sbc/core/call.h"
#include "sbc/core/setup.h"
#include "sbc/core/worker.h"

/* What peers do with our calls: how many they have now, and whether they are fit for more (health.h). */

static const struct health_rule *rule_of(const struct peers *p, const struct peer_health *h)
{
	return &p->settings->trunks[h->trunk].health;
}

/* Also for a call of an older generation, whose peer may have another place now, or none. */
static struct peer_health *find(struct peers *p, const struct settings *s, uint16_t trunk,
				uint16_t peer)
{
	if (trunk >= s->trunk_count || peer >= s->trunks[trunk].peer_count)
		return NULL;
	if (s == p->settings)
		return &p->list[p->first[trunk] + peer];
	for (size_t i = 0; i < p->count; i++) {
		const struct trunk *t = &p->settings->trunks[p->list[i].trunk];
		if (str_eq(t->name, s->trunks[trunk].name) &&
		    str_eq(t->peers[p->list[i].peer].uri, s->trunks[trunk].peers[peer].uri))
			return &p->list[i];
	}
	return NULL;
}

static const struct peer_health *look(const struct peers *p, const struct settings *s,
				      uint16_t trunk, uint16_t peer)
{
	if (s != p->settings || trunk >= s->trunk_count || peer >= s->trunks[trunk].peer_count)
		return NULL;
	return &p->list[p->first[trunk] + peer];
}

/* ---- how many */

void peers_call_begins(struct sbc *s, struct call *c)
{
	struct leg *l = &c->leg[1];
	struct peer_health *h;

	peers_call_ends(s, c, 1);
	h = find(&s->peers, c->settings, l->trunk, l->peer);
	if (!h)
		return;
	h->calls++;
	l->on_peer = true;
}

void peers_call_ends(struct sbc *s, struct call *c, unsigned side)
{
	struct leg *l = &c->leg[side];
	struct peer_health *h = l->on_peer ? find(&s->peers, c->settings, l->trunk, l->peer) : NULL;

	if (h && h->calls) /* a peer that a reload took away and brought back begins at none */
		h->calls--;
	l->on_peer = false;
}

uint32_t peers_calls(const struct peers *p, const struct settings *s, uint16_t trunk, uint16_t peer)
{
	const struct peer_health *h = look(p, s, trunk, peer);

	return h ? h->calls : 0;
}

/* ---- how well */

static void tell(struct sbc *s, const struct peer_health *h)
{
	static const enum notice_type types[HEALTH_STATE_COUNT] = {
		[HEALTH_GOOD] = NOTICE_PEER_GOOD,
		[HEALTH_RESTING] = NOTICE_PEER_RESTING,
		[HEALTH_RETURNING] = NOTICE_PEER_RETURNING,
	};
	struct notice n = worker_notice(s, types[h->health.state]);

	n.settings = s->peers.settings;
	n.realm = s->peers.settings->trunks[h->trunk].realm;
	n.trunk = h->trunk;
	n.peer = h->peer;
	n.why = str_from(health_why_name(h->health.why));
	if (h->health.until_ms > s->now_ms)
		n.seconds = (uint32_t)((h->health.until_ms - s->now_ms + 999) / 1000);
	worker_publish(s, &n);
}

static void wait(struct sbc *s, struct peer_health *h)
{
	if (h->health.state == HEALTH_GOOD)
		worker_stop_alarm(s, &h->rest);
	else
		worker_alarm(s, &h->rest, ALARM_PEER_REST, h->health.until_ms);
}

void peers_take_up_rest(struct sbc *s, struct peer_health *h)
{
	if (!rule_of(&s->peers, h)->on)
		h->health = (struct health){.state = HEALTH_GOOD};
	if (h->health.state != HEALTH_GOOD)
		wait(s, h);
}

void peers_on_rest_alarm(struct sbc *s, struct alarm *a)
{
	struct peer_health *h = CONTAINER_OF(a, struct peer_health, rest);

	if (health_tick(&h->health, rule_of(&s->peers, h), s->now_ms))
		tell(s, h);
	wait(s, h);
}

static uint32_t retry_after(const struct msg *m)
{
	uint32_t seconds;

	if (!m || m->status != 503 ||
	    hdr_delta_parse(msg_value(m, HDR_RETRY_AFTER), &seconds, NULL) != OK)
		return 0;
	return seconds;
}

void peers_call_judged(struct sbc *s, const struct call *c, uint16_t status, unsigned cause)
{
	const struct setup *u = c->setup;
	struct peer_health *h = find(&s->peers, c->settings, c->leg[1].trunk, c->leg[1].peer);

	if (!h || !rule_of(&s->peers, h)->on || (u && u->target.contact != ID_NONE))
		return;
	const bool rang = u && (u->stage == SETUP_RINGING || u->stage == SETUP_ANSWERING);
	const enum health_end end = health_end_of(status, cause, rang);
	if (!health_step(&h->health, rule_of(&s->peers, h), end,
			 cause || !u ? 0 : retry_after(u->refusal), s->now_ms))
		return;
	wait(s, h);
	tell(s, h);
}

bool peers_takes_calls(const struct peers *p, const struct settings *s, uint16_t trunk,
		       uint16_t peer)
{
	const struct peer_health *h = look(p, s, trunk, peer);

	return !h || (!h->down && !h->health.shut);
}

bool peers_is_last(const struct peers *p, const struct settings *s, uint16_t trunk, uint16_t peer,
		   uint64_t now_ms, uint32_t dice)
{
	const struct peer_health *h = look(p, s, trunk, peer);

	return h && health_is_last(&h->health, now_ms, dice);
}
