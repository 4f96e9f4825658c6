#include "rtpproxy/core/sdp_mid.h"

#include <stdio.h>

static struct str mid_of(const struct sdp_media *m)
{
	const struct sdp_attr *a = sdp_find_attr(&m->attrs, STR("mid"));
	return a ? str_trim(a->value) : STR_NONE;
}

/* Names of the first BUNDLE group; false: there is none. */
static bool find_group(const struct sdp *sdp, struct str *out_mids)
{
	for (const struct sdp_attr *a = sdp_find_attr(&sdp->attrs, STR("group")); a;
	     a = sdp_next_attr(&sdp->attrs, STR("group"), a)) {
		struct str word;
		*out_mids = a->value;
		if (str_cut_word(out_mids, &word) && str_ieq(word, STR("BUNDLE"))) {
			return true;
		}
	}
	return false;
}

static struct leg_media *find(const struct leg *l, struct str mid)
{
	for (unsigned i = 0; mid.len > 0 && i < l->media_count; i++) {
		if (str_eq(str_from(l->media[i]->name.mid), mid)) {
			return l->media[i];
		}
	}
	return NULL;
}

/* The party's own name for the line; one that is too long for us is as none. */
static void take_mid(const struct sdp_media *m, struct leg_media *out)
{
	if (str_copy(mid_of(m), out->name.mid, sizeof(out->name.mid)) != OK) {
		out->name.mid[0] = '\0';
	}
}

/* The name towards the receiver: what it was, else the sender's, else the line's number if wished. */
static void choose_mid(const struct sdp_relay *x, size_t i)
{
	struct leg_media *to = x->to->media[i];
	struct str theirs = str_from(x->from->media[i]->name.mid);
	if (to->name.mid[0] != '\0') {
		return;
	}
	if (theirs.len > 0 && !find(x->to, theirs)) {
		take_mid(&x->sdp->media[i], to);
		return;
	}
	bool wished = theirs.len > 0 || (x->flags->words & FLAGS_GENERATE_MID) != 0;
	for (size_t n = i; wished && to->name.mid[0] == '\0'; n += LIMIT_MEDIAS) {
		char text[LIMIT_MID + 1];
		snprintf(text, sizeof(text), "%zu", n);
		if (!find(x->to, str_from(text))) {
			snprintf(to->name.mid, sizeof(to->name.mid), "%s", text);
		}
	}
}

/* Which lines the party offers to bundle. */
static void take_group(const struct sdp_relay *x)
{
	struct str mids, mid;
	for (size_t i = 0; i < x->from->media_count; i++) {
		x->from->media[i]->name.offered = false;
	}
	if (x->flags->bundle.reject || !find_group(x->sdp, &mids)) {
		return;
	}
	while (str_cut_word(&mids, &mid)) {
		struct leg_media *m = find(x->from, mid);
		if (m) {
			m->name.offered = m->active;
		}
	}
}

void sdp_mid_take_offer(const struct sdp_relay *x)
{
	size_t alive = 0, last = 0;
	bool bundled = false;
	for (size_t i = 0; i < x->sdp->media_count; i++) {
		take_mid(&x->sdp->media[i], x->from->media[i]);
	}
	for (size_t i = 0; i < x->sdp->media_count; i++) {
		choose_mid(x, i);
		bundled |= x->to->media[i]->name.bundled;
		x->to->media[i]->name.wanted = false;
		if (x->to->media[i]->active) {
			alive++;
			last = i;
		}
	}
	take_group(x);
	if (alive == 1 && x->to->media[last]->name.mid[0] != '\0') {
		x->to->media[last]->name.wanted =
			(x->flags->bundle.offer || bundled) && !x->flags->bundle.reject;
	}
}

void sdp_mid_take_answer(const struct sdp_relay *x)
{
	struct str mids, mid;
	bool group = find_group(x->sdp, &mids), one = false;
	for (size_t i = 0; i < x->to->line_count; i++) {
		struct leg_media *from = x->from->media[i], *to = x->to->media[i];
		struct str rest = group ? mids : STR_NONE;
		to->name.bundled = !one && to->name.offered && from->active && to->active;
		one |= to->name.bundled;
		from->name.bundled = false;
		while (from->name.wanted && str_cut_word(&rest, &mid)) {
			from->name.bundled |= str_eq(mid, str_from(from->name.mid));
		}
	}
}

void sdp_mid_write_session(const struct sdp_relay *x, struct buf *b)
{
	for (size_t i = 0; i < x->to->line_count; i++) {
		const struct leg_media *to = x->to->media[i];
		if (x->answer ? to->name.bundled : to->name.wanted) {
			buf_printf(b, "a=group:BUNDLE %s\r\n", to->name.mid);
			return;
		}
	}
}

void sdp_mid_write(const struct sdp_relay *x, struct buf *b, size_t i)
{
	if (x->to->media[i]->name.mid[0] != '\0') {
		buf_printf(b, "a=mid:%s\r\n", x->to->media[i]->name.mid);
	}
}
