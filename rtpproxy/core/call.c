#include "rtpproxy/core/call.h"

static bool is_alive(const struct dialogue *d)
{
	return d->dies_ms == 0;
}

static bool has_no_tag(const struct leg *l)
{
	return l->tag[0] == '\0';
}

static bool is_tag(const struct leg *l, struct str tag)
{
	return leg_has_tag(l, tag);
}

#define each_dialogue(d, c)                                                                        \
	for (unsigned d##_i = 0; d##_i < (c)->dialogue_count; d##_i++)                             \
		for (struct dialogue *d = (c)->dialogues[d##_i]; d && is_alive(d); d = NULL)

static bool find_pair(const struct call *c, struct str from, struct str to, struct call_place *out)
{
	each_dialogue (d, c) {
		for (unsigned s = 0; s < 2; s++) {
			if (is_tag(&d->legs[s], from) && is_tag(&d->legs[1 - s], to)) {
				*out = (struct call_place){d, s};
				return true;
			}
		}
	}
	return false;
}

/* One of the tags is known and its other side has none yet. */
static bool find_half(const struct call *c, struct str known, struct str branch, unsigned shift,
		      struct call_place *out)
{
	struct call_place any = {0};
	each_dialogue (d, c) {
		for (unsigned s = 0; s < 2; s++) {
			if (!is_tag(&d->legs[s], known) || !has_no_tag(&d->legs[1 - s])) {
				continue;
			}
			struct call_place here = {d, s ^ shift};
			if (branch.len > 0 && str_eq(str_from(d->branch), branch)) {
				*out = here;
				return true;
			}
			any = any.d ? any : here;
		}
	}
	*out = any;
	return any.d != NULL;
}

static enum refusal find_first_offer(const struct call *c, const struct call_names *n,
				     struct call_place *out)
{
	struct call_place any = {0};
	each_dialogue (d, c) {
		for (unsigned s = 0; s < 2; s++) {
			if (!is_tag(&d->legs[s], n->from_tag)) {
				continue;
			}
			struct str branch = str_from(d->branch);
			if (str_eq(branch, n->branch)) {
				*out = (struct call_place){d, s};
				return REFUSAL_NONE;
			}
			/* Without a branch on one of the two there is no fork to tell apart. */
			if (!any.d && (branch.len == 0 || n->branch.len == 0)) {
				any = (struct call_place){d, s};
			}
		}
	}
	*out = any;
	return REFUSAL_NONE;
}

enum refusal call_find_offer(const struct call *c, const struct call_names *n,
			     struct call_place *out)
{
	*out = (struct call_place){0};
	if (n->to_tag.len == 0) {
		return find_first_offer(c, n, out);
	}
	if (str_eq(n->from_tag, n->to_tag)) {
		return REFUSAL_DIALOGUE;
	}
	if (!find_pair(c, n->from_tag, n->to_tag, out) &&
	    !find_half(c, n->from_tag, n->branch, 0, out)) {
		(void)find_half(c, n->to_tag, n->branch, 1, out);
	}
	return REFUSAL_NONE;
}

/* The offerer's dialogue by branch, or its only one. */
static bool find_alias(const struct call *c, const struct call_names *n, struct call_place *out)
{
	struct call_place only = {0};
	unsigned count = 0;
	each_dialogue (d, c) {
		for (unsigned s = 0; s < 2; s++) {
			if (!is_tag(&d->legs[s], n->from_tag)) {
				continue;
			}
			if (n->branch.len > 0 && str_eq(str_from(d->branch), n->branch)) {
				*out = (struct call_place){d, s};
				return true;
			}
			only = (struct call_place){d, s};
			count++;
		}
	}
	*out = only;
	return count == 1;
}

enum refusal call_find_answer(const struct call *c, const struct call_names *n,
			      struct call_place *out)
{
	*out = (struct call_place){0};
	if (str_eq(n->from_tag, n->to_tag)) {
		return REFUSAL_DIALOGUE;
	}
	if (find_pair(c, n->from_tag, n->to_tag, out) ||
	    find_half(c, n->from_tag, n->branch, 0, out) || find_alias(c, n, out)) {
		/* The place names who sends: here the answerer. */
		out->side = 1 - out->side;
		return REFUSAL_NONE;
	}
	return REFUSAL_DIALOGUE;
}

void call_set_to_tag(const struct call_place *p, struct str to_tag)
{
	struct leg *l = &p->d->legs[p->side];
	if (str_eq(str_from(l->tag), to_tag)) {
		return;
	}
	memcpy(l->alias, l->tag, sizeof(l->alias));
	enum err e = str_copy(to_tag, l->tag, sizeof(l->tag));
	CHECK(e == OK); /* the command's lengths were checked */
}

static unsigned mask_of_tag(const struct call *c, struct str tag)
{
	unsigned mask = 0;
	each_dialogue (d, c) {
		if (is_tag(&d->legs[0], tag) || is_tag(&d->legs[1], tag)) {
			mask |= 1u << d_i;
		}
	}
	return mask;
}

static unsigned mask_of_branch(const struct call *c, const struct call_names *n)
{
	unsigned mask = 0;
	each_dialogue (d, c) {
		if (str_eq(str_from(d->branch), n->branch) &&
		    (is_tag(&d->legs[0], n->from_tag) || is_tag(&d->legs[1], n->from_tag))) {
			mask |= 1u << d_i;
		}
	}
	return mask;
}

static unsigned mask_of_unanswered(const struct call *c, struct str from)
{
	unsigned mask = 0;
	each_dialogue (d, c) {
		for (unsigned s = 0; s < 2; s++) {
			if (is_tag(&d->legs[s], from) && has_no_tag(&d->legs[1 - s])) {
				mask |= 1u << d_i;
			}
		}
	}
	return mask;
}

enum refusal call_find_delete(const struct call *c, const struct call_names *n, bool with_to_tag,
			      unsigned *out_mask)
{
	unsigned mask = 0, all = 0;
	each_dialogue (d, c) {
		all |= 1u << d_i;
	}
	if (n->from_tag.len == 0) {
		*out_mask = all;
		return all ? REFUSAL_NONE : REFUSAL_DELETE_TAGS;
	}
	if (with_to_tag && n->to_tag.len > 0) {
		struct call_place p;
		if (find_pair(c, n->from_tag, n->to_tag, &p)) {
			mask = mask_of_tag(c, n->to_tag);
		} else if (mask_of_unanswered(c, n->from_tag)) {
			mask = all;
		}
	} else if (n->branch.len > 0) {
		mask = mask_of_branch(c, n);
	}
	if (mask == 0 && !(with_to_tag && n->to_tag.len > 0)) {
		mask = mask_of_tag(c, n->from_tag);
	}
	*out_mask = mask;
	return mask ? REFUSAL_NONE : REFUSAL_DELETE_TAGS;
}

const struct leg *call_find_leg(const struct call *c, struct str tag)
{
	each_dialogue (d, c) {
		for (unsigned s = 0; s < 2; s++) {
			if (is_tag(&d->legs[s], tag)) {
				return &d->legs[s];
			}
		}
	}
	return NULL;
}

void call_drop_dialogue(struct call *c, unsigned i)
{
	CHECK(i < c->dialogue_count);
	for (unsigned k = i; k + 1 < c->dialogue_count; k++) {
		c->dialogues[k] = c->dialogues[k + 1];
	}
	c->dialogues[--c->dialogue_count] = NULL;
}

/* One party may not send: silence is to be expected then, even if the other one could. */
static bool is_held(const struct dialogue *d)
{
	for (unsigned s = 0; s < 2; s++) {
		for (unsigned i = 0; i < d->legs[s].media_count; i++) {
			const struct leg_media *m = d->legs[s].media[i];
			if (m->connected && m->streams[LEG_RTP].flow & STREAM_HOLD) {
				return true;
			}
		}
	}
	return false;
}

static uint64_t last_media_us(const struct dialogue *d)
{
	uint64_t last = 0;
	for (unsigned s = 0; s < 2; s++) {
		for (unsigned i = 0; i < d->legs[s].media_count; i++) {
			for (unsigned k = 0; k < LEG_STREAMS; k++) {
				uint64_t at = d->legs[s].media[i]->streams[k].last_us;
				last = at > last ? at : last;
			}
		}
	}
	return last;
}

static uint64_t later(uint64_t from_ms, uint64_t timeout_ms)
{
	return timeout_ms > 0 ? from_ms + timeout_ms : UINT64_MAX;
}

struct call_deadline call_find_deadline(struct call *c, const struct call_timeouts *t)
{
	bool answered = false, held = false;
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		const struct dialogue *d = c->dialogues[i];
		uint64_t last = last_media_us(d);
		c->media_us = last > c->media_us ? last : c->media_us;
		answered |= d->answered;
		held |= d->answered && is_held(d);
	}
	struct call_deadline at = {later(c->signal_ms, t->offer), CALL_END_OFFER};
	if (answered && held) {
		at = (struct call_deadline){later(c->media_us / 1000, t->held), CALL_END_HELD};
	} else if (answered) {
		uint64_t limit = c->has_media_ms ? c->media_ms : t->media;
		at = (struct call_deadline){later(c->media_us / 1000, limit), CALL_END_MEDIA};
	}
	if (later(c->created_ms, t->total) < at.at_ms) {
		at = (struct call_deadline){later(c->created_ms, t->total), CALL_END_TOTAL};
	}
	return at;
}
