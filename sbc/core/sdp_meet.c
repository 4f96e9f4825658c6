#include "sbc/core/sdp_meet.h"

#include "common/check.h"
#include "common/sdes.h"

static bool is_rtp(const struct sdp_media *m)
{
	return m->proto != SDP_PROTO_OTHER && m->proto != SDP_PROTO_UDPTL;
}

static bool has_codec(const struct sdp_media *m, const struct sdp_codec *c)
{
	for (size_t i = 0; i < m->format_count; i++) {
		struct sdp_codec other;
		if (sdp_find_codec(m, m->formats[i], &other) == OK &&
		    str_ieq(other.name, c->name) && other.rate == c->rate &&
		    other.channels == c->channels)
			return true;
	}
	return false;
}

static bool has_format(const struct sdp_media *m, struct str format)
{
	for (size_t i = 0; i < m->format_count; i++)
		if (str_ieq(m->formats[i], format))
			return true;
	return false;
}

/* Does m know what `own` calls `format`? *out_real: it is a codec by itself. */
static bool knows(const struct sdp_media *m, const struct sdp_media *own, struct str format,
		  bool *out_real)
{
	struct sdp_codec c;

	*out_real = true;
	if (!is_rtp(own))
		return has_format(m, format);
	if (sdp_find_codec(own, format, &c) != OK)
		return false;
	*out_real = !sdp_is_companion(c.name);
	return has_codec(m, &c);
}

static bool pair_up(const struct sdp_media *a, const struct sdp_media *b)
{
	return a->port && b->port && str_ieq(a->kind, b->kind) && a->proto == b->proto &&
	       str_ieq(a->proto_text, b->proto_text);
}

/* The line of `own` that stands for line i of `offer`: the n-th of its like for the n-th. */
static const struct sdp_media *partner(const struct sdp *offer, size_t at, const struct sdp *own)
{
	const struct sdp_media *m = &offer->media[at];
	size_t n = 0;

	for (size_t i = 0; i < at; i++)
		n += pair_up(&offer->media[i], m);
	for (size_t i = 0; i < own->media_count; i++)
		if (pair_up(&own->media[i], m) && n-- == 0)
			return &own->media[i];
	return NULL;
}

/* ---- keys */

static const struct sdp_attr *crypto_of(const struct sdp_media *m, enum sdes_suite suite)
{
	const struct str name = STR("crypto");

	for (const struct sdp_attr *a = sdp_find_attr(&m->attrs, name); a;
	     a = sdp_next_attr(&m->attrs, name, a)) {
		struct sdes line;
		if (sdes_parse(a->value, &line) != OK)
			continue;
		enum sdes_suite found = line.suite;
		sdes_release(&line);
		if (found == suite)
			return a;
	}
	return NULL;
}

/* The offer's tag, the rest of our own line. Empty: no suite in common, or no memory. */
static struct str meet_crypto(struct arena *a, const struct sdp_media *offer,
			      const struct sdp_media *own)
{
	for (int i = 0; i < SDES_SUITE_COUNT; i++) {
		const struct sdp_attr *theirs = crypto_of(offer, (enum sdes_suite)i);
		const struct sdp_attr *ours = crypto_of(own, (enum sdes_suite)i);
		struct str tag, rest = theirs ? theirs->value : STR_NONE,
				line = ours ? ours->value : STR_NONE, old;
		if (!theirs || !ours || !str_cut_word(&rest, &tag) || !str_cut_word(&line, &old))
			continue;
		struct buf b;
		size_t cap = tag.len + 1 + line.len;
		char *mem = arena_alloc(a, cap);
		if (!mem)
			return STR_NONE;
		buf_init(&b, mem, cap);
		buf_str(&b, tag);
		buf_char(&b, ' ');
		buf_str(&b, str_trim(line));
		return buf_view(&b);
	}
	return STR_NONE;
}

/* ---- direction */

static bool sends(enum sdp_direction d)
{
	return d == SDP_SENDRECV || d == SDP_SENDONLY;
}

static bool receives(enum sdp_direction d)
{
	return d == SDP_SENDRECV || d == SDP_RECVONLY;
}

static enum sdp_direction meet_direction(enum sdp_direction offer, enum sdp_direction own)
{
	bool s = sends(own) && receives(offer), r = receives(own) && sends(offer);

	return s ? (r ? SDP_SENDRECV : SDP_SENDONLY) : r ? SDP_RECVONLY : SDP_INACTIVE;
}

/* ---- one line */

static bool is_direction(struct str name)
{
	enum sdp_direction d;

	return sdp_direction_find(name, &d);
}

/* An attribute of a format that is not there any more. */
static bool is_of_lost_format(const struct sdp_media *m, const struct sdp_attr *a)
{
	static const struct str named[] = {STR("rtpmap"), STR("fmtp"), STR("rtcp-fb")};
	struct str rest = a->value, format;

	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (str_eq(a->name, named[i]))
			return str_cut_word(&rest, &format) && !str_eq(format, STR("*")) &&
			       !has_format(m, format);
	return false;
}

static bool crosses(const struct sdp_media *m, const struct sdp_media *offer,
		    const struct sdp_attr *a)
{
	if (is_direction(a->name) || str_eq(a->name, STR("crypto")))
		return false; /* written anew */
	if (str_eq(a->name, STR("rtcp-mux")) && !sdp_find_attr(&offer->attrs, a->name))
		return false;
	return !is_of_lost_format(m, a);
}

static enum err meet_formats(struct arena *a, const struct sdp_media *offer,
			     const struct sdp_media *own, struct sdp_media *out)
{
	bool any = false;

	out->format_count = 0;
	out->formats = arena_alloc(a, own->format_count * sizeof(*out->formats));
	if (!out->formats)
		return ERR_NOMEM;
	for (size_t i = 0; i < own->format_count; i++) {
		bool real;
		if (!knows(offer, own, own->formats[i], &real))
			continue;
		out->formats[out->format_count++] = own->formats[i];
		any = any || real;
	}
	return any ? OK : ERR_NOTFOUND;
}

static enum err meet_attrs(struct arena *a, const struct sdp_media *offer,
			   const struct sdp_media *own, enum sdp_direction d, struct sdp_media *out)
{
	struct sdp_attr *at = arena_alloc(a, (own->attrs.count + 2) * sizeof(*at));
	size_t n = 0;

	if (!at)
		return ERR_NOMEM;
	for (size_t i = 0; i < own->attrs.count; i++)
		if (crosses(out, offer, &own->attrs.at[i]))
			at[n++] = own->attrs.at[i];
	if (is_rtp(own) && sdp_proto_info(own->proto)->srtp) {
		struct str line = meet_crypto(a, offer, own);
		if (line.len == 0)
			return a->failed ? ERR_NOMEM : ERR_NOTFOUND;
		at[n++] = (struct sdp_attr){STR("crypto"), line};
	}
	if (d != SDP_SENDRECV)
		at[n++] = (struct sdp_attr){str_from(sdp_direction_name(d)), STR_NONE};
	out->attrs = (struct sdp_attrs){at, n};
	return OK;
}

static enum err meet_media(struct arena *a, const struct sdp *offer, size_t at,
			   const struct sdp *own, struct sdp_media *out)
{
	const struct sdp_media *m = &offer->media[at], *mine = partner(offer, at, own);

	if (!mine)
		return ERR_NOTFOUND;
	*out = *mine;
	enum err e = meet_formats(a, m, mine, out);
	if (e != OK)
		return e;
	enum sdp_direction d =
		meet_direction(sdp_direction_of(offer, m), sdp_direction_of(own, mine));
	return meet_attrs(a, m, mine, d, out);
}

/* A line that is declined: as it was offered, with port 0. */
static struct sdp_media declined(const struct sdp_media *offer)
{
	return (struct sdp_media){.kind = offer->kind,
				  .port_count = 1,
				  .proto = offer->proto,
				  .proto_text = offer->proto_text,
				  .formats = offer->formats,
				  .format_count = 1};
}

enum err sdp_meet(struct buf *b, struct arena *a, const struct sdp *offer, const struct sdp *own)
{
	CHECK(b && a && offer && own);
	struct sdp out = *own;
	struct sdp_attr *session = arena_alloc(a, (own->attrs.count + 1) * sizeof(*session));
	bool any = false;

	out.media = arena_alloc(a, (offer->media_count + 1) * sizeof(*out.media));
	if (!out.media || !session)
		return ERR_NOMEM;
	out.media_count = offer->media_count;
	for (size_t i = 0; i < offer->media_count; i++) {
		enum err e = meet_media(a, offer, i, own, &out.media[i]);
		if (e == ERR_NOMEM)
			return e;
		if (e != OK)
			out.media[i] = declined(&offer->media[i]);
		any = any || e == OK;
	}
	if (!any)
		return ERR_NOTFOUND;
	out.attrs = (struct sdp_attrs){session, 0};
	for (size_t i = 0; i < own->attrs.count; i++)
		if (!is_direction(own->attrs.at[i].name))
			session[out.attrs.count++] = own->attrs.at[i];
	sdp_write(b, &out);
	return b->overflow ? ERR_LIMIT : OK;
}

/* ---- after the fact */

static bool line_differs(const struct sdp *was, const struct sdp_media *a, const struct sdp *now,
			 const struct sdp_media *b)
{
	if (a->port == 0)
		return false;
	/* Whether it is encrypted is each side's own matter; what it is is not. */
	if (b->port == 0 || !str_eq(a->kind, b->kind) ||
	    (a->proto == SDP_PROTO_UDPTL) != (b->proto == SDP_PROTO_UDPTL))
		return true;
	for (size_t i = 0; i < a->format_count; i++) {
		bool real;
		if (!knows(b, a, a->formats[i], &real) && real)
			return true;
	}
	return sdp_direction_of(was, a) != sdp_direction_reverse(sdp_direction_of(now, b));
}

bool sdp_meet_differs(const struct sdp *was, const struct sdp *now)
{
	CHECK(was && now);
	if (was->media_count != now->media_count)
		return true;
	for (size_t i = 0; i < was->media_count; i++)
		if (line_differs(was, &was->media[i], now, &now->media[i]))
			return true;
	return false;
}
