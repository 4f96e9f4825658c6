/* ICE in the relay's root: agents from their pool, the watch over consent, fragments. */
#include "rtpproxy/core/relay_work.h"
#include "rtpproxy/core/sdp_ice.h"

/* Agents looked at in a tick: all of 10,000 within two seconds. */
enum { WATCHED_A_TICK = 512 };

static bool give_agent(struct relay *r, const struct call *c, struct leg_media *m)
{
	id_t64 id;
	struct ice_local local;
	struct ice *i = m->ice.agent ? NULL : pool_new(&r->ices, &id);
	if (!i) {
		return m->ice.agent != NULL;
	}
	ice_local_make(&local, &r->rng);
	ice_init(i, &local);
	secret_wipe(&local, sizeof(local));
	i->id = id;
	i->call = c->id;
	i->user = m;
	m->ice.agent = i;
	return true;
}

enum refusal relay_ice_add(struct relay *r, const struct call *c, const struct sdp_relay *x)
{
	for (size_t k = 0; k < x->sdp->media_count; k++) {
		const unsigned needs = sdp_ice_needs(x, k);
		if ((needs & 1 && !give_agent(r, c, x->from->media[k])) ||
		    (needs & 2 && !give_agent(r, c, x->to->media[k]))) {
			return REFUSAL_CALLS;
		}
	}
	return REFUSAL_NONE;
}

void relay_ice_drop(struct relay *r, struct leg_media *m)
{
	struct ice *i = m->ice.agent;
	if (!i) {
		return;
	}
	/* First no stream knows it any more. */
	for (unsigned k = 0; k < LEG_STREAMS; k++) {
		stream_set_ice(&m->streams[k], NULL);
	}
	m->ice.agent = NULL;
	secret_wipe(i->local, sizeof(i->local));
	pool_free(&r->ices, i->id);
}

/* ---- consent */

static const struct leg *find_leg(const struct call *c, const struct leg_media *m,
				  const struct leg **out_other)
{
	for (unsigned d = 0; d < c->dialogue_count; d++) {
		for (unsigned s = 0; s < 2; s++) {
			const struct leg *l = &c->dialogues[d]->legs[s];
			for (unsigned i = 0; i < l->media_count; i++) {
				if (l->media[i] == m) {
					*out_other = &c->dialogues[d]->legs[1 - s];
					return l;
				}
			}
		}
	}
	return NULL;
}

static void tell_consent(struct relay *r, const struct ice *i, unsigned component, bool lost)
{
	const struct leg_media *m = i->user;
	const struct leg *other = NULL;
	struct call *c = pool_find(&r->calls, i->call);
	const struct leg *l = c ? find_leg(c, m, &other) : NULL;
	if (!l) {
		return;
	}
	struct relay_notice n = {.event = lost ? RELAY_CONSENT_LOST : RELAY_CONSENT_BACK,
				 .tag = str_from(l->tag),
				 .label = str_from(l->label),
				 .other_tag = str_from(other->tag),
				 .kind = str_from(m->kind),
				 .source = *ice_selected(i, component)};
	r->counters[RELAY_CONSENT_LOSSES] += lost;
	relay_tell(r, c, &n);
}

static void watch(struct relay *r, struct ice *i, uint64_t now_us)
{
	const struct leg_media *m = i->user;
	for (unsigned k = 0; k < ICE_COMPONENTS; k++) {
		bool lost = ice_selected(i, k) && m->streams[k].ice == i &&
			    !stream_has_consent(&m->streams[k], now_us);
		if (lost != i->component[k].lost) {
			i->component[k].lost = lost;
			tell_consent(r, i, k, lost);
		}
	}
}

/* Nothing depends on it: packets are held back by the clock, this only tells. So a few at a time are enough. */
void relay_ice_tick(struct relay *r, uint64_t now_us)
{
	for (unsigned n = 0; n < WATCHED_A_TICK; n++) {
		id_t64 id;
		struct ice *i = pool_next(&r->ices, &r->ice_cursor, &id);
		if (!i) {
			r->ice_cursor = 0;
			return;
		}
		watch(r, i, now_us);
	}
}

/* ---- fragments */

/* More candidates of the party with the from-tag (in an answer: of the other one). Nothing is returned: we have no more. */
enum refusal relay_ice_fragment(struct work *w)
{
	const struct call *c = relay_find_call(w->r, w->ng->call_id);
	const struct call_names *n = &w->ng->names;
	struct str tag = w->ng->command == NG_ANSWER ? n->to_tag : n->from_tag;
	for (unsigned d = 0; c && d < c->dialogue_count; d++) {
		for (unsigned s = 0; s < 2; s++) {
			struct leg *l = &c->dialogues[d]->legs[s];
			if (leg_has_tag(l, tag)) {
				(void)sdp_ice_take_fragment(l, w->ng->sdp);
				leg_connect_late(l, w->now->mono_us);
			}
		}
	}
	return REFUSAL_NONE;
}
