#include "rtpproxy/core/codecs.h"

static bool is_kept(const struct flags_codecs *f, const struct sdp_media *m, struct str format)
{
	struct sdp_codec c;
	size_t i;
	/* A format without a name is stripped by "all" only. */
	if (sdp_find_codec(m, format, &c) != OK) {
		c = (struct sdp_codec){.name = STR_NONE};
	}
	if (flags_names_have(&f->ignore, &c, &i)) {
		return false;
	}
	return !flags_names_have(&f->strip, &c, &i) || flags_names_have(&f->except, &c, &i) ||
	       flags_names_have(&f->offer, &c, &i);
}

static void add(struct codecs *out, struct str format)
{
	for (size_t i = 0; i < out->count; i++) {
		if (str_eq(out->at[i], format)) {
			return;
		}
	}
	out->at[out->count++] = format;
}

static void add_named(struct codecs *out, const struct sdp_media *m, struct str name)
{
	const struct flags_names one = {.at = {name}, .count = 1};
	for (size_t i = 0; i < m->format_count; i++) {
		struct sdp_codec c;
		size_t at;
		if (sdp_find_codec(m, m->formats[i], &c) == OK && flags_names_have(&one, &c, &at)) {
			add(out, m->formats[i]);
		}
	}
}

static void choose(const struct flags_codecs *f, const struct sdp_media *m, struct codecs *out)
{
	/* The list of codecs to offer is also their order. */
	for (size_t i = 0; i < f->offer.count; i++) {
		add_named(out, m, f->offer.at[i]);
	}
	for (size_t i = 0; i < m->format_count; i++) {
		if (is_kept(f, m, m->formats[i])) {
			add(out, m->formats[i]);
		}
	}
}

/* Events and comfort noise are no codec by themselves. */
static bool is_beside(const struct sdp_media *m, struct str format)
{
	struct sdp_codec c;
	return sdp_find_codec(m, format, &c) == OK &&
	       (str_ieq(c.name, STR("telephone-event")) || str_ieq(c.name, STR("CN")));
}

/* The first codec alone, with what goes beside it. */
static void keep_one(const struct sdp_media *m, struct codecs *out)
{
	size_t kept = 0;
	bool has = false;
	for (size_t i = 0; i < out->count; i++) {
		bool beside = is_beside(m, out->at[i]);
		if (beside || !has) {
			out->at[kept++] = out->at[i];
		}
		has = has || !beside;
	}
	out->count = kept;
}

void codecs_choose(const struct flags *f, const struct sdp_media *m, struct codecs *out)
{
	bool rtp = m->proto != SDP_PROTO_OTHER && m->proto != SDP_PROTO_UDPTL;
	out->count = 0;
	if (rtp) {
		choose(&f->codecs, m, out);
	}
	if (rtp && f->words & FLAGS_SINGLE_CODEC) {
		keep_one(m, out);
	}
	if (out->count > 0 || (rtp && f->words & FLAGS_ALLOW_NO_CODEC)) {
		return;
	}
	for (size_t i = 0; i < m->format_count; i++) {
		add(out, m->formats[i]);
	}
}
