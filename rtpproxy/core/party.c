#include "rtpproxy/core/party.h"

static bool has_label(const struct leg *l, struct str label)
{
	return str_eq(str_from(l->label), label);
}

static bool has_address(const struct leg *l, const struct addr *a)
{
	for (unsigned i = 0; i < l->media_count; i++) {
		if (addr_eq_ip(&l->media[i]->remote[LEG_RTP], a)) {
			return true;
		}
	}
	return false;
}

/* The two parties of a dialogue: is the one on `side` meant? */
static bool is_from(const struct leg *l, const struct party_who *w, const struct addr *address)
{
	if (w->label.len > 0) {
		return has_label(l, w->label);
	}
	if (w->address.len > 0) {
		return has_address(l, address);
	}
	return w->from_tag.len == 0 || leg_has_tag(l, w->from_tag);
}

/* A to-tag counts with a from-party alone: agents insert both of a dialogue in every command. */
static bool is_to(const struct leg *l, const struct party_who *w)
{
	if (w->to_label.len > 0) {
		return has_label(l, w->to_label);
	}
	return w->to_tag.len == 0 || w->from_tag.len == 0 || leg_has_tag(l, w->to_tag);
}

static enum refusal why_none(const struct party_who *w, unsigned from_count)
{
	if (from_count > 0) {
		return w->to_label.len > 0 ? REFUSAL_TO_LABEL : REFUSAL_TO_TAG_UNKNOWN;
	}
	return w->label.len > 0     ? REFUSAL_LABEL
	       : w->address.len > 0 ? REFUSAL_ADDRESS_TAG
				    : REFUSAL_NO_SUCH_TAG;
}

/* "The first party whose address matches": several may speak from behind one address. */
static void keep_first(struct party_set *s)
{
	unsigned kept = 0;
	const struct leg *first = s->count > 0 ? &s->at[0].d->legs[s->at[0].side] : NULL;
	for (unsigned i = 0; i < s->count; i++) {
		const struct leg *l = &s->at[i].d->legs[s->at[i].side];
		if (l == first || leg_has_tag(l, str_from(first->tag))) {
			s->at[kept++] = s->at[i];
		}
	}
	s->count = kept;
}

enum refusal party_find(const struct call *c, const struct party_who *w, struct party_set *out)
{
	struct addr address;
	unsigned from_count = 0;
	out->count = 0;
	if (w->label.len == 0 && w->address.len > 0 && addr_parse_ip(w->address, &address) != OK) {
		return REFUSAL_ADDRESS;
	}
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		struct dialogue *d = c->dialogues[i];
		for (unsigned s = 0; d->dies_ms == 0 && s < 2; s++) {
			if (!is_from(&d->legs[s], w, &address)) {
				continue;
			}
			from_count++;
			if (is_to(&d->legs[1 - s], w)) {
				out->at[out->count++] = (struct party){d, s};
			}
		}
	}
	if (w->label.len == 0 && w->address.len > 0) {
		keep_first(out);
	}
	return out->count > 0 ? REFUSAL_NONE : why_none(w, from_count);
}
