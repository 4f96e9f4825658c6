#include "rtpproxy/core/relay_work.h"

/* Before the call is touched: its packets and their figures, or these alone, come back from where they were given. */
void relay_recall(struct relay *r, const struct call *c, bool only_figures)
{
	for (unsigned i = 0; r->ports.recall && c && i < c->dialogue_count; i++) {
		const struct dialogue *d = c->dialogues[i];
		for (unsigned at = 0; at < 2u * LIMIT_MEDIAS; at++) {
			const struct leg *l = &d->legs[at % 2];
			struct leg_media *m = at / 2 < l->media_count ? l->media[at / 2] : NULL;
			for (unsigned k = 0; m && k < LEG_STREAMS; k++) {
				if (m->opened & 1u << k) {
					r->ports.recall(r->ports.ctx, &m->streams[k], only_figures);
				}
			}
		}
	}
}

/* ---- who is not heard */

static enum silence_event look_at(const struct leg *l, const struct leg *other, unsigned i,
				  uint64_t now_us, uint64_t limit_us, uint64_t *next_us,
				  uint32_t *out_ms)
{
	struct leg_media *m = l->media[i];
	const struct stream *rtp = &m->streams[LEG_RTP];
	const struct silence_facts f = {
		.heard_us = rtp->rtp_us,
		.other_us = i < other->media_count ? other->media[i]->streams[LEG_RTP].rtp_us : 0,
		.now_us = now_us,
		.limit_us = limit_us,
		.is_expected = m->connected && rtp->peer[PKT_RTP] && !(rtp->flow & STREAM_HOLD)};
	uint64_t at_us;
	const enum silence_event e = silence_step(&m->silence, &f, &at_us);
	*next_us = at_us < *next_us ? at_us : *next_us;
	*out_ms = silence_ms(&m->silence, &f);
	return e;
}

/* Tells who is not heard any more, or again; when to look next, in ms. */
uint64_t relay_look_for_silence(struct relay *r, struct call *c, uint64_t now_us)
{
	static const enum relay_event events[SILENCE_EVENT_COUNT] = {
		[SILENCE_IS_LOST] = RELAY_MEDIA_LOST,
		[SILENCE_IS_BACK] = RELAY_MEDIA_BACK,
		[SILENCE_IS_ONE_WAY] = RELAY_MEDIA_ONE_WAY};
	const uint64_t limit_us = r->config->timeouts.lost * 1000;
	uint64_t next_us = UINT64_MAX;
	relay_recall(r, c, true);
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		const struct dialogue *d = c->dialogues[i];
		for (unsigned k = 0; d->answered && d->dies_ms == 0 && k < 2 * LIMIT_MEDIAS; k++) {
			const struct leg *l = &d->legs[k & 1], *other = &d->legs[1 - (k & 1)];
			uint32_t ms;
			enum silence_event e;
			if (k / 2 >= l->media_count) {
				continue;
			}
			e = look_at(l, other, k / 2, now_us, limit_us, &next_us, &ms);
			if (e == SILENCE_NOTHING) {
				continue;
			}
			const struct leg_media *m = l->media[k / 2];
			struct relay_notice n = {.event = events[e],
						 .tag = str_from(l->tag),
						 .label = str_from(l->label),
						 .other_tag = str_from(other->tag),
						 .kind = str_from(m->kind),
						 .source = m->streams[LEG_RTP].latch.target,
						 .ms = e == SILENCE_IS_BACK ? 0 : ms};
			r->counters[RELAY_LOST_MEDIAS] += e == SILENCE_IS_LOST;
			relay_tell(r, c, &n);
		}
	}
	return next_us == UINT64_MAX ? UINT64_MAX : next_us / 1000 + 1;
}

/* ---- numbers that go on in another dialogue */

/* To the worker that has the heir. */
static void give_to(struct relay *r, const struct carry_letter *given)
{
	if (given->heir.worker == r->worker) {
		relay_letter(r, given);
	} else if (r->ports.post) {
		r->ports.post(r->ports.ctx, given);
	}
}

void relay_carry_end(struct relay *r, struct dialogue *d)
{
	struct carry_letter letter;
	for (unsigned s = 0; s < 2; s++) {
		if (d->legs[s].heir.dialogue != ID_NONE) {
			carry_bequeath(&d->legs[s], &letter);
			give_to(r, &letter);
		}
	}
}

static void letter_for(const struct relay *r, enum carry_kind kind, const struct dialogue *d,
		       unsigned side, struct carry_letter *out)
{
	const struct carry *c = d->legs[side].carry;
	*out = (struct carry_letter){.kind = kind,
				     .heir = {d->id, (uint8_t)r->worker, (uint8_t)side}};
	memcpy(out->call_id, c->call_id, sizeof(out->call_id));
	memcpy(out->tag, c->tag, sizeof(out->tag));
}

/* To whoever has that call: here, or one of the other workers. */
static void write_to(struct relay *r, const struct carry_letter *l)
{
	if (relay_find_call(r, str_from(l->call_id))) {
		relay_letter(r, l);
	} else if (r->ports.post) {
		r->ports.post(r->ports.ctx, l);
	}
}

/* An offer says that a leg is in place of another one: that one is to know it before it ends. */
void relay_carry_announce(struct work *w, const struct dialogue *d)
{
	struct carry_letter letter;
	for (unsigned s = 0; s < 2; s++) {
		if (d->legs[s].carry) {
			letter_for(w->r, CARRY_INTENDED, d, s, &letter);
			write_to(w->r, &letter);
		}
	}
}

/* Who comes from another dialogue goes on with the numbers that it has there. */
void relay_carry(struct work *w, struct call *c, struct dialogue *d)
{
	struct carry_letter letter;
	for (unsigned s = 0; s < 2; s++) {
		struct leg *l = &d->legs[s];
		uint64_t random[LIMIT_MEDIAS];
		rng_bytes(&w->r->rng, random, sizeof(random));
		carry_revive(l, random);
		if (!l->carry) {
			carry_from_fork(l, c, d, w->now->mono_us);
			continue;
		}
		letter_for(w->r, CARRY_WANTED, d, s, &letter);
		carry_forget(&w->r->carries, l);
		write_to(w->r, &letter);
	}
}

void relay_letter(struct relay *r, const struct carry_letter *l)
{
	struct carry_letter out;
	struct call *c = l->kind != CARRY_GIVEN ? relay_find_call(r, str_from(l->call_id)) : NULL;
	struct dialogue *d;
	switch (l->kind) {
	case CARRY_INTENDED:
		if (c) {
			(void)carry_intend(c, l);
		}
		break;
	case CARRY_WANTED:
		relay_recall(r, c, false);
		if (c && carry_answer(c, l, &out)) {
			give_to(r, &out);
		}
		break;
	case CARRY_GIVEN:
		d = pool_find(&r->dialogues, l->heir.dialogue);
		if (d) {
			carry_take(&d->legs[l->heir.side & 1], l);
		}
		break;
	case CARRY_KIND_COUNT: break;
	}
}

/* ---- payload types */

void relay_translate_end(struct relay *r, struct leg_media *m)
{
	struct stream *s = &m->streams[LEG_RTP];
	if (s->types) {
		const id_t64 id = s->types->id;
		s->types = NULL;
		pool_free(&r->types, id);
	}
}

void relay_translate(struct relay *r, struct dialogue *d)
{
	for (unsigned k = 0; k < 2 * LIMIT_MEDIAS; k++) {
		const struct leg *from = &d->legs[k & 1], *to = &d->legs[1 - (k & 1)];
		const unsigned i = k / 2;
		struct stream_types t;
		id_t64 id;
		if (i >= from->media_count || i >= to->media_count) {
			continue;
		}
		relay_translate_end(r, to->media[i]);
		if (!payload_map(&from->media[i]->types, &to->media[i]->types, t.to)) {
			continue;
		}
		struct stream_types *own = pool_new(&r->types, &id);
		if (own) { /* at the limit numbers pass as they are */
			t.id = id;
			*own = t;
			to->media[i]->streams[LEG_RTP].types = own;
		}
	}
}
