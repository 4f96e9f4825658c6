#include "rtpproxy/core/relay_work.h"

#include "rtpproxy/core/recording.h"
#include "rtpproxy/core/tap.h"

/* What `play DTMF` plays when it is not told otherwise (ng-protocol §5). */
enum { DURATION_MS = 250, VOLUME = 8, PAUSE_MS = 100, PAUSE_MAX_MS = 5000 };

void relay_tap_signalled(struct work *w, struct call *c)
{
	const struct flags *f = &w->ng->flags;
	if (f->dtmf_dest.family != ADDR_NONE) {
		c->dtmf_dest = f->dtmf_dest;
	}
	if (f->words & FLAGS_DETECT_DTMF) {
		c->dtmf_detect = true;
	}
}

/* ---- which taps there are */

static bool is_listened_to(const struct relay *r, const struct call *c)
{
	/* Not for every client that hears of events: each packet of such a call is looked at. */
	return r->config->dtmf_detect || c->dtmf_detect || c->dtmf_dest.family != ADDR_NONE;
}

/* A party sends what it was told that the other one takes; some send as they take it themselves. */
static void fill_formats(struct dtmf_formats *f, const struct leg_media *m,
			 const struct leg_media *other)
{
	const struct dtmf_formats *both[2] = {&m->events, &other->events};
	f->count = 0;
	for (unsigned k = 0; k < 2; k++) {
		for (unsigned i = 0; i < both[k]->count; i++) {
			dtmf_formats_add(f, both[k]->at[i].payload_type, both[k]->at[i].rate);
		}
	}
}

static void fill_local(struct tap *t, const struct leg *l, const struct leg_media *m)
{
	for (unsigned k = 0; k < LEG_STREAMS; k++) {
		t->local[k] = l->local;
		t->local[k].port = (uint16_t)(m->port + k);
	}
}

static void tap_media(struct relay *r, struct call *c, struct dialogue *d, unsigned side,
		      unsigned i)
{
	const struct leg *l = &d->legs[side], *o = &d->legs[1 - side];
	struct leg_media *m = l->media[i];
	struct stream *s = &m->streams[LEG_RTP];
	unsigned wants = 0;
	bool has_events = m->events.count > 0 || o->media[i]->events.count > 0;
	if (!m->connected || !leg_is_rtp(m->proto)) {
		return;
	}
	if (has_events && (o->dtmf_bridge || is_listened_to(r, c))) {
		wants |= TAP_DETECT;
	}
	if (has_events && o->dtmf_bridge) {
		wants |= TAP_BRIDGE;
	}
	if (c->recording && c->recording->state == RECORDING_ON) {
		wants |= TAP_RECORD;
	}
	bool blocked = has_events && l->flow & STREAM_BLOCKED_DTMF;
	if (wants == 0 && !blocked && !s->tap) {
		return;
	}
	struct tap *t = tap_of(&r->taps, s);
	if (!t) {
		r->counters[RELAY_TAPS_REFUSED]++;
		return;
	}
	t->call = c;
	t->leg = l;
	t->other = o;
	t->wants = (uint8_t)wants;
	t->recording = c->recording ? c->recording->number : 0;
	fill_formats(&t->formats, m, o->media[i]);
	fill_local(t, l, m);
}

void relay_tap_dialogue(struct relay *r, struct call *c, struct dialogue *d)
{
	for (unsigned s = 0; s < 2; s++) {
		for (unsigned i = 0; i < d->legs[s].media_count; i++) {
			tap_media(r, c, d, s, i);
		}
	}
}

void relay_tap_call(struct relay *r, struct call *c)
{
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		relay_tap_dialogue(r, c, c->dialogues[i]);
	}
}

void relay_tap_drop(struct relay *r, struct dialogue *d)
{
	for (unsigned s = 0; s < 2; s++) {
		for (unsigned i = 0; i < d->legs[s].media_count; i++) {
			tap_drop(&r->taps, &d->legs[s].media[i]->streams[LEG_RTP]);
		}
	}
}

/* ---- what they found */

static void tell_keys(struct relay *r, struct tap *t)
{
	for (unsigned i = 0; i < t->said_count; i++) {
		const struct dtmf_key *k = &t->said[i];
		struct relay_notice n = {.event = RELAY_DTMF,
					 .tag = str_from(t->leg->tag),
					 .label = str_from(t->leg->label),
					 .other_tag = str_from(t->other->tag),
					 .kind = STR("audio"),
					 .source = t->source,
					 .digit = k->event,
					 .volume = k->volume,
					 .ms = k->duration_ms,
					 .dtmf_dest = t->call->dtmf_dest};
		r->counters[RELAY_KEYS]++;
		relay_tell(r, t->call, &n);
	}
	t->said_count = 0;
}

void relay_tap_after(struct relay *r)
{
	struct tap_set *set = &r->taps;
	while (!list_is_empty(&set->ready)) {
		struct tap *t = LIST_OBJECT(set->ready.next, struct tap, ready);
		list_del(&t->ready);
		tell_keys(r, t);
	}
	for (unsigned i = 0; i < set->spare_count; i++) {
		const struct pkt *p = &set->spares[i];
		if (p->fate == FATE_SENT) {
			r->ports.send(r->ports.ctx, p->out, &p->to, p->data, p->len);
		}
	}
	set->spare_count = 0;
}

/* ---- keys that are played */

static void play(struct relay *r, struct tap *t, uint64_t now_us)
{
	uint8_t bytes[TAP_PLAY_LEN + PKT_TAIL];
	while (tap_play_step(t, now_us, bytes)) {
		struct pkt p = {.data = bytes,
				.len = TAP_PLAY_LEN,
				.came_len = TAP_PLAY_LEN,
				.cap = sizeof(bytes),
				.stream = t->stream,
				.from = t->stream->latch.target,
				.kind = PKT_RTP,
				.at_us = now_us};
		if (forward_own(&r->forward, &p) == FATE_SENT) {
			r->ports.send(r->ports.ctx, p.out, &p.to, p.data, p.len);
		}
	}
}

void relay_pace(struct relay *r, uint64_t now_us)
{
	list_each_safe (n, &r->taps.busy) {
		struct tap *t = LIST_OBJECT(n, struct tap, busy);
		play(r, t, now_us);
		tap_tick(&r->taps, t, now_us);
	}
	relay_tap_after(r);
}

bool relay_is_paced(const struct relay *r)
{
	return !list_is_empty(&r->taps.busy);
}

/* "5", "#", 11, "11": one key. */
static bool read_code(const struct dict *root, uint8_t *out)
{
	const struct dict *v = dict_get(root, STR("code"));
	int64_t n;
	v = v ? v : dict_get(root, STR("digit"));
	if (v && v->type == DICT_STR && v->text.len == 1) {
		return dtmf_find_key(v->text.p[0], out) && *out < DTMF_KEYS;
	}
	if (!v || !dict_to_int(v, &n) || n < 0 || n >= DTMF_KEYS) {
		return false;
	}
	*out = (uint8_t)n;
	return true;
}

static uint16_t within(int64_t v, int64_t min, int64_t max)
{
	return (uint16_t)(v < min ? min : v > max ? max : v);
}

static bool read_press(const struct dict *root, struct dtmf_press *out)
{
	int64_t volume = dict_get_int(root, STR("volume"), VOLUME);
	out->duration_ms = within(dict_get_int(root, STR("duration"), DURATION_MS),
				  DTMF_DURATION_MIN, DTMF_DURATION_MAX);
	out->pause_ms =
		within(dict_get_int(root, STR("pause"), PAUSE_MS), DTMF_DURATION_MIN, PAUSE_MAX_MS);
	/* Given as dBm0, with or without its sign. */
	out->volume = (uint8_t)within(volume < 0 ? -volume : volume, 0, DTMF_VOLUME_MAX);
	return read_code(root, &out->event);
}

/* The number by which packets must come to be shown to the other party as `type`. */
static uint8_t type_before(const struct stream *out, uint8_t type)
{
	for (unsigned i = 0; out && out->types && i < ARRAY_LEN(out->types->to); i++) {
		if (out->types->to[i] == type) {
			return (uint8_t)i;
		}
	}
	return type;
}

/* The format that the other party takes keys in, best at the clock of this party's media. */
static bool choose_format(const struct leg_media *m, const struct leg_media *other, struct tap *t)
{
	const struct dtmf_formats *f = &other->events;
	if (f->count == 0) {
		return false;
	}
	unsigned best = 0;
	for (unsigned i = f->count; i-- > 0;) {
		best = f->at[i].rate == m->streams[LEG_RTP].quality.clock_rate ? i : best;
	}
	t->play_type = type_before(m->streams[LEG_RTP].peer[PKT_RTP], f->at[best].payload_type);
	t->play_rate = f->at[best].rate;
	return true;
}

static enum refusal play_party(struct work *w, struct call *c, const struct party *p,
			       const struct dtmf_press *k)
{
	struct leg *l = &p->d->legs[p->side], *o = &p->d->legs[1 - p->side];
	enum refusal refused = REFUSAL_NO_EVENTS;
	for (unsigned i = 0; i < l->media_count; i++) {
		struct leg_media *m = l->media[i];
		if (!m->connected || !m->active || o->media[i]->events.count == 0) {
			continue;
		}
		struct tap *t = tap_of(&w->r->taps, &m->streams[LEG_RTP]);
		if (!t) {
			return REFUSAL_MEMORY;
		}
		tap_media(w->r, c, p->d, p->side, i);
		if (!choose_format(m, o->media[i], t)) {
			continue;
		}
		switch ((int)tap_play(&w->r->taps, t, k, w->now->mono_us)) {
		case OK: return REFUSAL_NONE;
		case ERR_NOTFOUND: refused = REFUSAL_NO_SSRC; break;
		default: refused = REFUSAL_KEYS; break;
		}
	}
	return refused;
}

enum refusal relay_play_dtmf(struct work *w)
{
	struct call *c = relay_find_call(w->r, w->ng->call_id);
	struct party_set parties;
	struct dtmf_press k;
	if (!c) {
		return REFUSAL_UNKNOWN_CALL_ID;
	}
	const struct party_who *who = &w->ng->who;
	if (who->from_tag.len + who->label.len + who->address.len == 0) {
		return REFUSAL_NO_PARTY;
	}
	enum refusal refused = party_find(c, who, &parties);
	if (refused != REFUSAL_NONE) {
		return refused;
	}
	if (!read_press(w->ng->root, &k)) {
		return REFUSAL_CODE;
	}
	/* In a fork the branches that have no media yet do not matter. */
	refused = REFUSAL_NO_SSRC;
	bool played = false;
	for (unsigned i = 0; i < parties.count; i++) {
		enum refusal one = play_party(w, c, &parties.at[i], &k);
		played |= one == REFUSAL_NONE;
		refused = one == REFUSAL_NONE ? refused : one;
	}
	return played ? REFUSAL_NONE : refused;
}
