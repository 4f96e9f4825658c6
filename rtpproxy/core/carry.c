#include "rtpproxy/core/carry.h"

#include "rtpproxy/core/flags.h"

/* Longer than any packet time and jitter: who was not heard for so long does not speak now. */
enum { SILENT_US = 200000 };

void carry_note(struct pool *pool, struct leg *l, const struct flags_party *from)
{
	id_t64 id;
	if (from->call_id.len == 0 || from->tag.len == 0 || from->call_id.len > LIMIT_CALL_ID ||
	    from->tag.len > LIMIT_TAG) {
		return;
	}
	if (!l->carry) {
		l->carry = pool_new(pool, &id);
		if (!l->carry) {
			return;
		}
		l->carry->id = id;
	}
	enum err e = str_copy(from->call_id, l->carry->call_id, sizeof(l->carry->call_id));
	CHECK(e == OK);
	e = str_copy(from->tag, l->carry->tag, sizeof(l->carry->tag));
	CHECK(e == OK);
}

void carry_forget(struct pool *pool, struct leg *l)
{
	if (l->carry) {
		id_t64 id = l->carry->id;
		l->carry = NULL;
		pool_free(pool, id);
	}
}

static struct stream *voice(const struct leg *l, unsigned i)
{
	return i < l->media_count ? &l->media[i]->streams[LEG_RTP] : NULL;
}

void carry_revive(struct leg *l, const uint64_t random[LIMIT_MEDIAS])
{
	for (unsigned i = 0; i < l->media_count; i++) {
		struct stream *s = voice(l, i);
		if (s->continuity.state == CONTINUITY_GIVEN) {
			const uint32_t rate = s->continuity.clock_rate;
			stream_set_source(s, random[i]);
			stream_set_continuity(s, true, rate);
		}
	}
}

static void take(struct stream *to, struct continuity *from, const struct continuity_past *past)
{
	continuity_take(&to->continuity, &to->past, from, past);
}

/* The leg of that party that was spoken to last. */
static struct leg *find_leg(struct call *c, struct str tag)
{
	struct leg *found = NULL;
	uint64_t last = 0;
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		for (unsigned s = 0; s < 2; s++) {
			struct leg *l = &c->dialogues[i]->legs[s];
			const struct stream *v = voice(l, 0);
			if (!leg_has_tag(l, tag) || !v || (found && v->continuity.top_us <= last)) {
				continue;
			}
			found = l;
			last = v->continuity.top_us;
		}
	}
	return found;
}

void carry_from_fork(struct leg *l, struct call *c, const struct dialogue *d, uint64_t now_us)
{
	for (unsigned i = 0; i < l->media_count; i++) {
		struct stream *to = voice(l, i);
		for (unsigned k = 0; k < c->dialogue_count; k++) {
			const struct dialogue *other = c->dialogues[k];
			for (unsigned s = 0; other != d && s < 2; s++) {
				struct stream *from = voice(&other->legs[s], i);
				if (to->continuity.state == CONTINUITY_FRESH && from &&
				    leg_has_tag(&other->legs[s], str_from(l->tag)) &&
				    from->continuity.packets > 0 &&
				    from->continuity.top_us + SILENT_US <= now_us) {
					take(to, &from->continuity, &from->past);
				}
			}
		}
	}
}

bool carry_intend(struct call *c, const struct carry_letter *intended)
{
	bool any = false;
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		for (unsigned s = 0; s < 2; s++) {
			struct leg *l = &c->dialogues[i]->legs[s];
			if (leg_has_tag(l, str_from(intended->tag)) &&
			    c->dialogues[i]->id != intended->heir.dialogue) {
				l->heir = intended->heir;
				any = true;
			}
		}
	}
	return any;
}

static void give(struct leg *from, const struct carry_heir *heir, struct carry_letter *out)
{
	*out = (struct carry_letter){.kind = CARRY_GIVEN, .heir = *heir};
	for (unsigned i = 0; i < from->media_count; i++) {
		struct stream *v = voice(from, i);
		if (v->continuity.state == CONTINUITY_OFF ||
		    v->continuity.state == CONTINUITY_GIVEN) {
			continue;
		}
		out->numbers[i] = (struct carry_numbers){true, v->continuity, v->past};
		v->continuity.state = CONTINUITY_GIVEN;
	}
}

bool carry_answer(struct call *c, const struct carry_letter *wanted, struct carry_letter *out)
{
	struct leg *from = find_leg(c, str_from(wanted->tag));
	if (from) {
		give(from, &wanted->heir, out);
	}
	return from != NULL;
}

void carry_bequeath(struct leg *l, struct carry_letter *out)
{
	const struct carry_heir heir = l->heir;
	l->heir = (struct carry_heir){0};
	give(l, &heir, out);
}

void carry_take(struct leg *l, const struct carry_letter *given)
{
	for (unsigned i = 0; i < l->media_count; i++) {
		struct carry_numbers n = given->numbers[i];
		if (n.there) {
			take(voice(l, i), &n.continuity, &n.past);
		}
	}
}
