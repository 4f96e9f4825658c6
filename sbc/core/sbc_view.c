#include "sbc/core/sbc.h"

#include "sbc/core/call.h"
#include "sbc/core/sbc_policy.h"
#include "sbc/core/worker.h"

/* What the operator sees of the root, and what the shell asks it: nothing changes here. */

static struct sbc_shared_counts shared_counts(const struct sbc *s)
{
	const struct keep_counts *k = &s->keeps.counts;
	struct sbc_shared_counts c = {.written = k->written,
				      .failed = k->failed,
				      .adopted = k->adopted,
				      .let_go = k->let_go,
				      .handed_on = s->cluster.handed_on,
				      .handed_in = s->cluster.handed_in,
				      .late = s->handovers.late,
				      .lost = s->cluster.lost};

	if (s->keeps.on)
		c.nodes = 1 + cluster_living(s);
	return c;
}

void sbc_count(const struct sbc *s, struct sbc_counts *out)
{
	CHECK(s && out);
	*out = (struct sbc_counts){
		.calls = s->live,
		.calls_confirmed = s->counts.confirmed,
		.legs = 2 * s->live,
		.client_transactions = s->txns.clients,
		.server_transactions = s->txns.servers,
		.timers = s->wheel.count + s->txns.wheel.count,
		.resolving = s->counts.resolving,
		.relay_sessions = s->counts.relay_sessions,
		.calls_total = s->counts.total,
		.shed = s->gate.shed,
		.opinions = s->opine.in_flight,
		.opinion_rests = s->opine.breaker.state != BREAKER_CLOSED,
		.requests = s->errands.used,
		.subscriptions = s->subscriptions.used,
		.registrations = s->binds.contacts.used,
		.pooled_calls = s->calls.used,
		.pooled_setups = s->setups.used,
		.pooled_exchanges = s->exchanges.used,
		.pooled_asks = s->asks.used,
		.text_bytes = s->blocks.used,
		.shared = shared_counts(s),
		.admission_repaired = s->policy.admissions.repaired,
	};
	for (unsigned k = 0; k < SUBJECT_KIND_COUNT; k++)
		out->bans[k] = s->policy.bans.live[BAN_OUT][k] + s->policy.bans.live[BAN_SLOW][k];
	out->quarantines = s->policy.bans.live[BAN_QUARANTINE][SUBJECT_SOURCE];
	for (uint32_t i = 0; i < s->policy.admissions.count; i++)
		for (unsigned d = 0; d < ADMIT_DIRECTION_COUNT; d++)
			out->admitted += s->policy.admissions.list[i].state.live[d];
}

/* Pings end by themselves, and nobody waits for their answers. */
static bool waits_for_answer(void *ctx, id_t64 owner)
{
	(void)ctx;
	return owner_kind(owner) != OWNER_PEER;
}

bool sbc_is_quiet(const struct sbc *s)
{
	CHECK(s);
	uint32_t cursor = 0;
	id_t64 id;
	const struct call *c;

	while ((c = pool_next(&s->calls, &cursor, &id)) != NULL)
		if (c->state != CALL_OVER || c->leg[0].bye_wanted || c->leg[1].bye_wanted)
			return false;
	return !txn_any_open(&s->txns, waits_for_answer, NULL);
}

void sbc_each_call(const struct sbc *s, void (*fn)(void *ctx, const struct sbc_call_view *v),
		   void *ctx)
{
	CHECK(s && fn);
	uint32_t cursor = 0;
	id_t64 id;
	const struct call *c;

	while ((c = pool_next(&s->calls, &cursor, &id)) != NULL) {
		char mem[1024];
		struct buf scratch;
		struct sbc_call_view v;
		if (c->state == CALL_OVER)
			continue;
		buf_init(&scratch, mem, sizeof(mem));
		call_view(s, c, &v, &scratch);
		fn(ctx, &v);
	}
}

bool sbc_enrolment(const struct sbc *s, uint16_t trunk, struct sbc_enrol_view *out)
{
	CHECK(s && out);
	return enrol_view(s, trunk, out);
}

bool sbc_peer_is_up(const struct sbc *s, uint16_t trunk, uint16_t peer)
{
	CHECK(s);
	return peers_is_up(&s->peers, s->peers.settings, trunk, peer);
}

bool sbc_peer_look(const struct sbc *s, uint16_t trunk, uint16_t peer, struct sbc_peer_view *out)
{
	CHECK(s && out);
	const struct settings *set = s->peers.settings;

	if (trunk >= set->trunk_count || peer >= set->trunks[trunk].peer_count)
		return false;
	const struct peer_health *h = &s->peers.list[s->peers.first[trunk] + peer];
	const struct health *x = &h->health;
	*out = (struct sbc_peer_view){.up = !h->down,
				      .calls = h->calls,
				      .watched = set->trunks[trunk].health.on,
				      .state = health_state_name(x->state),
				      .why = health_why_name(x->why),
				      .shut = x->shut,
				      .is_good = x->state == HEALTH_GOOD,
				      .asr = health_asr(x),
				      .ner = health_ner(x),
				      .ended = x->count};
	if (x->until_ms > s->now_ms)
		out->left_s = (uint32_t)((x->until_ms - s->now_ms + 999) / 1000);
	return true;
}

bool sbc_uses_settings(const struct sbc *s, const struct settings *settings)
{
	CHECK(s);
	if (s->settings == settings || s->peers.settings == settings ||
	    s->auth.settings == settings || s->enrols.settings == settings ||
	    txn_uses_settings(&s->txns, settings))
		return true;
	for (size_t i = 0; i < SBC_GENERATIONS_MAX; i++)
		if (s->generations[i].calls && s->generations[i].settings == settings)
			return true;
	return false;
}

const struct policy_counts *sbc_policy_counts(const struct sbc *s)
{
	CHECK(s);
	return &s->policy.counts;
}
