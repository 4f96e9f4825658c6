#include "rtpproxy/core/sdp_relay.h"

#include <stdio.h>
#include <string.h>

#include "common/siphash.h"
#include "rtpproxy/core/codecs.h"
#include "rtpproxy/core/sdp_events.h"
#include "rtpproxy/core/sdp_ice.h"
#include "rtpproxy/core/sdp_keys.h"
#include "rtpproxy/core/sdp_mid.h"

/* ---- what a description says */

static const struct leg_media *media_at(const struct leg *l, size_t i)
{
	return i < l->media_count ? l->media[i] : NULL;
}

static bool has_word(const struct flags *f, unsigned word)
{
	return (f->words & word) != 0;
}

static bool is_removed(const struct flags *f, const struct sdp_media *m)
{
	for (size_t i = 0; i < f->media_remove.count; i++) {
		if (str_ieq(f->media_remove.at[i], m->kind)) {
			return true;
		}
	}
	return false;
}

/* The party wants this line, and we can carry it. */
static bool is_wanted(const struct sdp_media *m, const struct flags *f)
{
	return m->port != 0 && leg_is_relayed(m->proto) && !is_removed(f, m) &&
	       !sdp_find_attr(&m->attrs, STR("bundle-only"));
}

static bool can_receive(const struct addr *a)
{
	enum addr_class c = addr_class(a);
	return c != ADDR_CLASS_MULTICAST && c != ADDR_CLASS_BROADCAST;
}

static enum refusal check_address(const struct sdp_relay *x, const struct sdp_media *m)
{
	const struct sdp_conn *c = sdp_conn_of(x->sdp, m);
	if (!c) {
		return REFUSAL_SDP_INCOMPLETE;
	}
	if (has_word(x->flags, FLAGS_SIP_SOURCE) && x->flags->received_from.family != ADDR_NONE) {
		return REFUSAL_NONE;
	}
	/* A name may stand there (mDNS) where the address comes from ICE. */
	if (c->ip.family == ADDR_NONE && sdp_ice_is_said(x->sdp, m)) {
		return REFUSAL_NONE;
	}
	return c->ip.family == ADDR_NONE || !can_receive(&c->ip) ? REFUSAL_SDP_ADDRESS
								 : REFUSAL_NONE;
}

/* a=rtcp:53020 or a=rtcp:53020 IN IP4 192.0.2.1 (RFC 3605); what cannot be understood counts not. */
static struct addr rtcp_address(const struct sdp_media *m, const struct addr *rtp)
{
	struct addr out = *rtp, ip;
	struct str port, net, type, host;
	const struct sdp_attr *a = sdp_find_attr(&m->attrs, STR("rtcp"));
	out.port = rtp->port == UINT16_MAX ? 0 : (uint16_t)(rtp->port + 1);
	if (!a) {
		return out;
	}
	struct str v = a->value;
	uint16_t number;
	if (!str_cut_word(&v, &port) || str_to_u16(port, UINT16_MAX, &number) != OK ||
	    number == 0) {
		return out;
	}
	out.port = number;
	if (str_cut_word(&v, &net) && str_cut_word(&v, &type) && str_cut_word(&v, &host) &&
	    addr_parse_ip(host, &ip) == OK && can_receive(&ip)) {
		ip.port = number;
		return ip;
	}
	return out;
}

static void take_addresses(const struct sdp_relay *x, const struct sdp_media *m,
			   struct leg_media *out)
{
	static const struct addr nowhere = {.family = ADDR_NONE};
	struct addr rtp = sdp_conn_of(x->sdp, m)->ip;
	if (has_word(x->flags, FLAGS_SIP_SOURCE) && x->flags->received_from.family != ADDR_NONE) {
		rtp = x->flags->received_from;
	}
	rtp.port = m->port;
	if (!addr_is_host(&rtp) && sdp_ice_is_said(x->sdp, m)) {
		/* Not known when it was written, or a name; no hold (RFC 8840 §4.1.1). */
		out->zero = false;
		for (unsigned k = 0; k < LEG_STREAMS; k++) {
			out->remote[k] = nowhere;
			(void)sdp_ice_find_candidate(m, k, x->from->local.family, &out->remote[k]);
		}
		return;
	}
	/* c=0.0.0.0 is the old way to hold (RFC 3264 §8.4): nothing goes there. */
	out->zero = addr_class(&rtp) == ADDR_CLASS_UNSPECIFIED;
	out->remote[LEG_RTP] = out->zero ? nowhere : rtp;
	out->remote[LEG_RTCP] = out->zero ? nowhere : rtcp_address(m, &rtp);
}

static void take_codec(const struct sdp_media *m, struct leg_media *out)
{
	struct sdp_codec c;
	out->codec[0] = '\0';
	out->clock_rate = 0;
	payload_list_set(&out->types, m);
	if (leg_is_rtp(m->proto) && sdp_find_codec(m, m->formats[0], &c) == OK &&
	    str_copy(c.name, out->codec, sizeof(out->codec)) == OK) {
		out->clock_rate = c.rate;
	}
}

static void take_events(const struct sdp_media *m, struct leg_media *out)
{
	struct sdp_codec c;
	out->events.count = 0;
	for (size_t i = 0; leg_is_rtp(m->proto) && i < m->format_count; i++) {
		if (sdp_find_codec(m, m->formats[i], &c) == OK &&
		    str_ieq(c.name, STR("telephone-event"))) {
			dtmf_formats_add(&out->events, c.type, c.rate);
		}
	}
}

static void copy_text(struct str s, char *out, size_t cap)
{
	if (str_copy(s, out, cap) != OK) {
		out[0] = '\0';
	}
}

/* ---- offer */

/* The protocol towards the receiver of an offer: as asked, else as it was, else as received. */
static enum sdp_proto offered_proto(const struct sdp_relay *x, size_t i)
{
	enum sdp_proto said = x->sdp->media[i].proto;
	const struct leg_media *from = media_at(x->from, i), *to = media_at(x->to, i);
	if (!leg_is_rtp(said)) {
		return said;
	}
	if (x->flags->has_transport) {
		return x->flags->transport;
	}
	if (from && to && from->said == said && leg_is_rtp(to->proto)) {
		return to->proto;
	}
	return said;
}

static enum refusal check_offer_line(const struct sdp_relay *x, size_t i)
{
	enum refusal r = check_address(x, &x->sdp->media[i]);
	return r == REFUSAL_NONE ? sdp_keys_check_offer(x, i, offered_proto(x, i)) : r;
}

static enum refusal check_offer(const struct sdp_relay *x)
{
	bool any = false, asked = false;
	if (x->sdp->media_count > LIMIT_MEDIAS) {
		return REFUSAL_SDP_MEDIAS;
	}
	for (size_t i = 0; i < x->sdp->media_count; i++) {
		const struct sdp_media *m = &x->sdp->media[i];
		asked |= m->port != 0;
		if (!is_wanted(m, x->flags)) {
			continue;
		}
		any = true;
		enum refusal r = check_offer_line(x, i);
		if (r != REFUSAL_NONE) {
			return r;
		}
	}
	return asked && !any ? REFUSAL_NO_MEDIA : REFUSAL_NONE;
}

static void take_offer_mux(const struct sdp_relay *x, const struct sdp_media *m,
			   struct leg_mux *from, struct leg_mux *to)
{
	unsigned f = x->flags->mux;
	from->offered = leg_is_rtp(m->proto) && sdp_find_attr(&m->attrs, STR("rtcp-mux"));
	/* Who offers one port alone (RFC 8858) has none for RTCP. */
	from->accept = (f & (FLAGS_MUX_ACCEPT | FLAGS_MUX_DEMUX)) != 0 ||
		       sdp_find_attr(&m->attrs, STR("rtcp-mux-only"));
	from->reject = (f & FLAGS_MUX_REJECT) != 0;
	to->wanted = (from->offered && !(f & (FLAGS_MUX_DEMUX | FLAGS_MUX_REJECT))) ||
		     (f & (FLAGS_MUX_OFFER | FLAGS_MUX_REQUIRE)) || to->agreed;
	to->only = (f & FLAGS_MUX_REQUIRE) != 0 || (to->only && to->agreed);
}

static void take_offer_line(const struct sdp_relay *x, size_t i)
{
	const struct sdp_media *m = &x->sdp->media[i];
	struct leg_media *from = x->from->media[i], *to = x->to->media[i];
	struct codecs formats;
	to->proto = offered_proto(x, i);
	from->proto = from->said = m->proto;
	codecs_choose(x->flags, m, &formats);
	from->active = to->active = is_wanted(m, x->flags) && formats.count > 0;
	copy_text(m->kind, from->kind, sizeof(from->kind));
	copy_text(m->kind, to->kind, sizeof(to->kind));
	if (!from->active) {
		return;
	}
	take_addresses(x, m, from);
	take_codec(m, from);
	take_events(m, from);
	from->accept_events = x->flags->codecs.accept_events;
	from->direction = (uint8_t)sdp_direction_of(x->sdp, m);
	take_offer_mux(x, m, &from->mux, &to->mux);
	sdp_ice_take_offer(x, i);
	sdp_keys_take_offer(x, i);
}

/* ---- answer */

static enum refusal check_answer_proto(enum sdp_proto said, enum sdp_proto offered)
{
	const struct sdp_proto_info *s = sdp_proto_info(said), *o = sdp_proto_info(offered);
	if (o->srtp && !s->srtp) {
		return REFUSAL_ANSWER_PLAIN;
	}
	/* AVP for AVPF and the reverse is common and harmless, and so is SAVP for the one that names DTLS. */
	return s->srtp != o->srtp || leg_is_rtp(said) != leg_is_rtp(offered)
		       ? REFUSAL_ANSWER_PROTOCOL
		       : REFUSAL_NONE;
}

static enum refusal check_answer_line(const struct sdp_relay *x, size_t i)
{
	const struct sdp_media *m = &x->sdp->media[i];
	enum refusal r = check_answer_proto(m->proto, media_at(x->from, i)->proto);
	if (r == REFUSAL_NONE) {
		r = check_address(x, m);
	}
	return r == REFUSAL_NONE ? sdp_keys_check_answer(x, i) : r;
}

static bool is_answered(const struct sdp_relay *x, size_t i)
{
	return i < x->sdp->media_count && x->to->media[i]->active && x->sdp->media[i].port != 0;
}

static enum refusal check_answer(const struct sdp_relay *x)
{
	if (x->sdp->media_count > x->to->line_count) {
		return REFUSAL_SDP_ANSWER_MEDIAS;
	}
	for (size_t i = 0; i < x->sdp->media_count; i++) {
		if (!is_answered(x, i)) {
			continue;
		}
		enum refusal r = check_answer_line(x, i);
		if (r != REFUSAL_NONE) {
			return r;
		}
	}
	return REFUSAL_NONE;
}

static void take_answer_line(const struct sdp_relay *x, size_t i)
{
	struct leg_media *from = x->from->media[i], *to = x->to->media[i];
	from->active = is_answered(x, i);
	if (!from->active) {
		return;
	}
	const struct sdp_media *m = &x->sdp->media[i];
	from->said = m->proto;
	take_addresses(x, m, from);
	take_codec(m, from);
	take_events(m, from);
	from->direction = (uint8_t)sdp_direction_of(x->sdp, m);
	from->mux.agreed =
		from->mux.only || (from->mux.wanted && sdp_find_attr(&m->attrs, STR("rtcp-mux")));
	to->mux.agreed = to->mux.offered && !to->mux.reject && (to->mux.accept || from->mux.agreed);
	sdp_ice_take_answer(x, i);
	sdp_keys_take_answer(x, i);
}

enum refusal sdp_relay_check(const struct sdp_relay *x)
{
	return x->answer ? check_answer(x) : check_offer(x);
}

void sdp_relay_take(const struct sdp_relay *x)
{
	size_t lines = x->answer ? x->to->line_count : x->sdp->media_count;
	x->from->line_count = x->to->line_count = (uint8_t)lines;
	for (size_t i = 0; i < lines; i++) {
		if (x->answer) {
			take_answer_line(x, i);
		} else {
			take_offer_line(x, i);
		}
	}
	if (x->answer) {
		sdp_mid_take_answer(x);
	} else {
		sdp_mid_take_offer(x);
	}
	/* An offer with fewer lines than before breaks RFC 3264 §8: the rest is as rejected. */
	for (size_t i = lines; i < x->from->media_count; i++) {
		x->from->media[i]->active = false;
	}
}

unsigned sdp_relay_endpoints(const struct leg_media *m)
{
	if (!m->active) {
		return 0;
	}
	bool alone = !leg_is_rtp(m->proto) || m->mux.only || (m->mux.offered && m->mux.accept);
	return alone ? 1u << LEG_RTP : 1u << LEG_RTP | 1u << LEG_RTCP;
}

/* ---- writing */

enum attr_class {
	ATTR_PASS,
	ATTR_DROP,   /* ends here, or is written by us */
	ATTR_SOURCE, /* of a browser's media; only for another browser */
	ATTR_LABEL,
	ATTR_CODEC,
	ATTR_EXTMAP,
	ATTR_PTIME
};

static enum attr_class attr_class(struct str name)
{
	static const struct {
		const char *name;
		enum attr_class class;
	} attrs[] = {
		{"mid", ATTR_DROP},
		{"ssrc", ATTR_SOURCE},
		{"ssrc-group", ATTR_SOURCE},
		{"msid", ATTR_SOURCE},
		{"msid-semantic", ATTR_SOURCE},
		{"rid", ATTR_SOURCE},
		{"simulcast", ATTR_SOURCE},
		{"label", ATTR_LABEL},
		{"rtpmap", ATTR_CODEC},
		{"fmtp", ATTR_CODEC},
		{"rtcp-fb", ATTR_CODEC},
		{"extmap", ATTR_EXTMAP},
		{"ptime", ATTR_PTIME},
		{"maxptime", ATTR_PTIME},
		/* ours to say */
		{"sendrecv", ATTR_DROP},
		{"sendonly", ATTR_DROP},
		{"recvonly", ATTR_DROP},
		{"inactive", ATTR_DROP},
		{"rtcp", ATTR_DROP},
		{"rtcp-mux", ATTR_DROP},
		{"rtcp-mux-only", ATTR_DROP},
		{"bundle-only", ATTR_DROP},
		/* keys */
		{"crypto", ATTR_DROP},
		{"setup", ATTR_DROP},
		{"fingerprint", ATTR_DROP},
		{"tls-id", ATTR_DROP},
		{"identity", ATTR_DROP},
		{"key-mgmt", ATTR_DROP},
		{"zrtp-hash", ATTR_DROP},
		{"3ge2ae", ATTR_DROP},
		/* addresses */
		{"candidate", ATTR_DROP},
		{"end-of-candidates", ATTR_DROP},
		{"remote-candidates", ATTR_DROP},
		{"ice-ufrag", ATTR_DROP},
		{"ice-pwd", ATTR_DROP},
		{"ice-options", ATTR_DROP},
		{"ice-lite", ATTR_DROP},
		{"ice-mismatch", ATTR_DROP},
		{"ice-pacing", ATTR_DROP},
		{"alt", ATTR_DROP},
		{"altc", ATTR_DROP},
		{"source-filter", ATTR_DROP},
		/* other ways to agree on the same things (RFC 5939, 6871) */
		{"acap", ATTR_DROP},
		{"tcap", ATTR_DROP},
		{"pcfg", ATTR_DROP},
		{"acfg", ATTR_DROP},
		{"csup", ATTR_DROP},
		{"creq", ATTR_DROP},
		{"rmcap", ATTR_DROP},
		{"omcap", ATTR_DROP},
		{"mfcap", ATTR_DROP},
		{"mscap", ATTR_DROP},
		{"lcfg", ATTR_DROP},
		{"sescap", ATTR_DROP},
		{"bcap", ATTR_DROP},
		{"ccap", ATTR_DROP},
		{"icap", ATTR_DROP},
	};
	for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
		if (str_eq(name, str_from(attrs[i].name))) {
			return attrs[i].class;
		}
	}
	return ATTR_PASS;
}

static void write_conn(struct buf *b, const struct addr *a, bool zero)
{
	bool six = a->family == ADDR_IP6;
	buf_z(b, six ? "c=IN IP6 " : "c=IN IP4 ");
	if (zero) {
		buf_z(b, six ? "::" : "0.0.0.0");
	} else {
		addr_write_ip(b, a);
	}
	buf_lit(b, "\r\n");
}

static void write_bandwidth(struct buf *b, const struct sdp_attrs *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		buf_lit(b, "b=");
		buf_str(b, lines->at[i].name);
		buf_char(b, ':');
		buf_str(b, lines->at[i].value);
		buf_lit(b, "\r\n");
	}
}

static bool passes(const struct sdp_relay *x, const struct sdp_attr *a)
{
	if (attr_class(a->name) != ATTR_PASS) {
		return false;
	}
	/* Vendor's marks say what stands inside. */
	bool marks = str_eq(a->name, STR("tool")) || str_has_iprefix(a->name, STR("x-"));
	return !(marks && x->flags->replace & FLAGS_REPLACE_HIDE);
}

static bool is_browser(const struct sdp_relay *x)
{
	for (unsigned i = 0; i < x->to->line_count; i++) {
		if (x->to->media[i]->active && sdp_proto_info(x->to->media[i]->proto)->dtls) {
			return true;
		}
	}
	return false;
}

/*
 * Which SSRC is whose, and in which stream of the page. A phone has no use for it, audio gets an SSRC of ours, and a CNAME
 * names its sender.
 */
static bool source_passes(const struct sdp_relay *x, const struct sdp_attr *a,
			  const struct leg_media *to)
{
	if (attr_class(a->name) != ATTR_SOURCE || x->flags->replace & FLAGS_REPLACE_HIDE ||
	    !sdp_proto_info(to->proto)->dtls) {
		return false;
	}
	return !str_has_prefix(a->name, STR("ssrc")) || x->to->as_is ||
	       !str_eq(str_from(to->kind), STR("audio"));
}

static bool extmap_passes(const struct sdp_relay *x, const struct sdp_attr *a)
{
	const struct flags_names *strip = &x->flags->extmap_strip;
	struct str v = a->value, id, uri = STR_NONE;
	if (attr_class(a->name) != ATTR_EXTMAP || has_word(x->flags, FLAGS_STRIP_EXTMAP)) {
		return false;
	}
	(void)(str_cut_word(&v, &id) && str_cut_word(&v, &uri));
	for (size_t i = 0; i < strip->count; i++) {
		if (str_eq(strip->at[i], uri) || str_ieq(strip->at[i], STR("all"))) {
			return false;
		}
	}
	return true;
}

static void write_session_attrs(const struct sdp_relay *x, struct buf *b)
{
	sdp_ice_write_session(x, b);
	sdp_mid_write_session(x, b);
	const struct sdp_attrs *all = &x->sdp->attrs;
	for (size_t i = 0; i < all->count; i++) {
		const struct sdp_attr *a = &all->at[i];
		/* Groups to bundle are ours to say (sdp_mid). */
		bool bundle =
			str_eq(a->name, STR("group")) && str_has_iprefix(a->value, STR("BUNDLE"));
		bool source = str_eq(a->name, STR("msid-semantic")) && is_browser(x) &&
			      !(x->flags->replace & FLAGS_REPLACE_HIDE);
		if ((passes(x, a) && !bundle) || source || extmap_passes(x, a)) {
			sdp_write_attr(b, a->name, a->value);
		}
	}
}

static void write_class(struct buf *b, const struct sdp_attrs *all, enum attr_class class)
{
	for (size_t i = 0; i < all->count; i++) {
		if (attr_class(all->at[i].name) == class) {
			sdp_write_attr(b, all->at[i].name, all->at[i].value);
		}
	}
}

/* The attributes `name:FORMAT …` of one format. */
static void write_of_format(struct buf *b, const struct sdp_attrs *all, struct str name,
			    struct str format)
{
	for (const struct sdp_attr *a = sdp_find_attr(all, name); a;
	     a = sdp_next_attr(all, name, a)) {
		struct str v = a->value, word;
		if (str_cut_word(&v, &word) && str_eq(word, format)) {
			sdp_write_attr(b, name, a->value);
		}
	}
}

static void write_format(const struct sdp_relay *x, struct buf *b, const struct sdp_media *m,
			 struct str format, bool feedback)
{
	struct sdp_codec c;
	size_t before = b->len;
	write_of_format(b, &m->attrs, STR("rtpmap"), format);
	if (b->len == before && sdp_find_codec(m, format, &c) == OK) {
		buf_printf(b, "a=rtpmap:%u %.*s/%u", c.type, STR_ARG(c.name), c.rate);
		if (c.channels > 1) {
			buf_printf(b, "/%u", c.channels);
		}
		buf_lit(b, "\r\n");
	}
	write_of_format(b, &m->attrs, STR("fmtp"), format);
	if (feedback) {
		write_of_format(b, &m->attrs, STR("rtcp-fb"), format);
	}
	(void)x;
}

static const struct addr *shown_address(const struct sdp_relay *x)
{
	return x->flags->media_address.family != ADDR_NONE ? &x->flags->media_address
							   : &x->to->shown;
}

static void write_rtcp(const struct sdp_relay *x, struct buf *b, const struct leg_media *to)
{
	bool muxed = x->answer ? to->mux.agreed : to->mux.only;
	if (!has_word(x->flags, FLAGS_NO_RTCP_ATTRIBUTE) && !(to->mux.only && !x->answer)) {
		buf_printf(b, "a=rtcp:%u", muxed ? to->port : to->port + 1u);
		if (has_word(x->flags, FLAGS_FULL_RTCP_ATTRIBUTE)) {
			buf_z(b, shown_address(x)->family == ADDR_IP6 ? " IN IP6 " : " IN IP4 ");
			addr_write_ip(b, shown_address(x));
		}
		buf_lit(b, "\r\n");
	}
	if (x->answer ? to->mux.agreed : to->mux.wanted) {
		buf_lit(b, "a=rtcp-mux\r\n");
	}
}

static void write_m(struct buf *b, struct str kind, unsigned port, struct str proto,
		    const struct codecs *f)
{
	buf_lit(b, "m=");
	buf_str(b, kind);
	buf_char(b, ' ');
	buf_u64(b, port);
	buf_char(b, ' ');
	buf_str(b, proto);
	for (size_t i = 0; i < f->count; i++) {
		buf_char(b, ' ');
		buf_str(b, f->at[i]);
	}
	buf_lit(b, "\r\n");
}

static struct str proto_text(const struct leg_media *to, const struct sdp_media *m)
{
	return to->proto == SDP_PROTO_OTHER || (m && m->proto == to->proto)
		       ? m->proto_text
		       : str_from(sdp_proto_info(to->proto)->name);
}

/* c=0.0.0.0 is the old way to say that one does not want to hear (RFC 3264 §8.4). */
static enum sdp_direction shown_direction(const struct leg_media *from)
{
	enum sdp_direction d = (enum sdp_direction)from->direction;
	if (!from->zero) {
		return d;
	}
	return d == SDP_SENDRECV || d == SDP_SENDONLY ? SDP_SENDONLY : SDP_INACTIVE;
}

static void write_rtp(const struct sdp_relay *x, struct buf *b, const struct sdp_media *m,
		      const struct codecs *formats, const struct sdp_events *events, size_t i)
{
	const struct leg_media *from = x->from->media[i], *to = x->to->media[i];
	bool feedback = sdp_proto_info(to->proto)->feedback;
	for (size_t k = 0; k < formats->count; k++) {
		if (!sdp_events_write(b, events, formats->at[k])) {
			write_format(x, b, m, formats->at[k], feedback);
		}
	}
	if (feedback) {
		write_of_format(b, &m->attrs, STR("rtcp-fb"), STR("*"));
	}
	for (size_t k = 0; k < m->attrs.count; k++) {
		if (extmap_passes(x, &m->attrs.at[k])) {
			sdp_write_attr(b, m->attrs.at[k].name, m->attrs.at[k].value);
		}
	}
	for (size_t k = 0; k < m->attrs.count; k++) {
		if (passes(x, &m->attrs.at[k]) || source_passes(x, &m->attrs.at[k], to)) {
			sdp_write_attr(b, m->attrs.at[k].name, m->attrs.at[k].value);
		}
	}
	buf_printf(b, "a=%s\r\n", sdp_direction_name(shown_direction(from)));
	write_rtcp(x, b, to);
	sdp_keys_write(x, b, to);
	write_class(b, &m->attrs, ATTR_PTIME);
	sdp_ice_write(x, b, i, shown_address(x));
}

static void write_other(const struct sdp_relay *x, struct buf *b, const struct sdp_media *m)
{
	for (size_t k = 0; k < m->attrs.count; k++) {
		const struct sdp_attr *a = &m->attrs.at[k];
		enum sdp_direction d;
		if (passes(x, a) || sdp_direction_find(a->name, &d)) {
			sdp_write_attr(b, a->name, a->value);
		}
	}
}

static void write_media(const struct sdp_relay *x, struct buf *b, size_t i)
{
	static struct codecs none = {.at = {{"0", 1}}, .count = 1};
	const struct leg_media *from = x->from->media[i], *to = x->to->media[i];
	const struct sdp_media *m = i < x->sdp->media_count ? &x->sdp->media[i] : NULL;
	if (!m) {
		write_m(b, str_from(to->kind), 0, str_from(sdp_proto_info(to->proto)->name), &none);
		write_conn(b, shown_address(x), true);
		sdp_mid_write(x, b, i);
		return;
	}
	struct sdp_events events;
	struct codecs formats;
	codecs_choose(x->flags, m, &formats);
	if (!from->active || !to->active || formats.count == 0) {
		write_m(b, m->kind, 0, proto_text(to, m), formats.count > 0 ? &formats : &none);
		write_conn(b, shown_address(x), true);
		sdp_mid_write(x, b, i);
		return;
	}
	sdp_events_choose(x, i, &formats, &events);
	write_m(b, m->kind, to->port, proto_text(to, m), &formats);
	if (m->title.len > 0 && !(x->flags->replace & FLAGS_REPLACE_HIDE)) {
		buf_printf(b, "i=%.*s\r\n", STR_ARG(m->title));
	}
	if (from->zero && !(x->flags->replace & FLAGS_REPLACE_ZERO_ADDRESS)) {
		write_conn(b, shown_address(x), true);
	}
	write_bandwidth(b, &m->bandwidth);
	sdp_mid_write(x, b, i);
	write_class(b, &m->attrs, ATTR_LABEL);
	if (leg_is_rtp(to->proto)) {
		write_rtp(x, b, m, &formats, &events, i);
	} else {
		write_other(x, b, m);
	}
}

/* ---- o= and s= */

enum {
	SAME_USER = FLAGS_REPLACE_USERNAME | FLAGS_REPLACE_ORIGIN_FULL | FLAGS_REPLACE_HIDE,
	SAME_ID = FLAGS_REPLACE_ORIGIN_FULL | FLAGS_REPLACE_HIDE,
	OUR_HOST = FLAGS_REPLACE_ORIGIN | FLAGS_REPLACE_ORIGIN_FULL | FLAGS_REPLACE_HIDE,
	OUR_VERSION = FLAGS_REPLACE_SDP_VERSION | FLAGS_REPLACE_ORIGIN_FULL | FLAGS_REPLACE_HIDE |
		      FLAGS_REPLACE_FORCE_VERSION,
	SAME_NAME = FLAGS_REPLACE_SESSION_NAME | FLAGS_REPLACE_HIDE
};

static void first_origin(const struct sdp_relay *x, struct leg_origin *o)
{
	const struct sdp_origin *in = &x->sdp->origin;
	if (x->flags->replace & FLAGS_REPLACE_HIDE) {
		copy_text(STR("-"), o->user, sizeof(o->user));
		copy_text(STR("-"), o->name, sizeof(o->name));
		/* Below 2^31: some read it into an int. */
		o->version = 1;
		snprintf(o->id, sizeof(o->id), "%u", 1 + rng_u32(x->rng) / 2);
		return;
	}
	copy_text(in->user.len < sizeof(o->user) ? in->user : STR("-"), o->user, sizeof(o->user));
	copy_text(in->id.len < sizeof(o->id) ? in->id : STR("1"), o->id, sizeof(o->id));
	copy_text(x->sdp->name.len < sizeof(o->name) ? x->sdp->name : STR("-"), o->name,
		  sizeof(o->name));
	if (str_to_u64(in->version, UINT64_MAX / 2, &o->version) != OK) {
		o->version = 1;
	}
}

static void next_version(const struct sdp_relay *x, struct leg_origin *o, uint64_t body_hash)
{
	if (!o->said) {
		first_origin(x, o);
		o->said = true;
	} else if (o->body_hash != body_hash || x->flags->replace & FLAGS_REPLACE_FORCE_VERSION) {
		o->version++;
	}
	o->body_hash = body_hash;
}

static void write_head(const struct sdp_relay *x, struct buf *b)
{
	const struct leg_origin *o = &x->to->origin;
	const struct sdp_origin *in = &x->sdp->origin;
	unsigned r = x->flags->replace;
	buf_lit(b, "v=0\r\no=");
	buf_str(b, r & SAME_USER ? str_from(o->user) : in->user);
	buf_char(b, ' ');
	buf_str(b, r & SAME_ID ? str_from(o->id) : in->id);
	buf_char(b, ' ');
	if (r & OUR_VERSION) {
		buf_u64(b, o->version);
	} else {
		buf_str(b, in->version);
	}
	if (r & OUR_HOST) {
		buf_z(b, shown_address(x)->family == ADDR_IP6 ? " IN IP6 " : " IN IP4 ");
		addr_write_ip(b, shown_address(x));
	} else {
		buf_printf(b, " IN %.*s %.*s", STR_ARG(in->type), STR_ARG(in->host));
	}
	buf_lit(b, "\r\ns=");
	struct str name = r & SAME_NAME ? str_from(o->name) : x->sdp->name;
	buf_str(b, name.len > 0 ? name : STR("-"));
	buf_lit(b, "\r\n");
}

enum refusal sdp_relay_write(const struct sdp_relay *x, struct buf *b)
{
	/* Only to see a change: a peer gains nothing by a collision, so the key is no secret. */
	static const struct siphash_key key = {{0, 0}};
	enum { HEAD_MAX = 1024 };
	char head[HEAD_MAX];
	struct buf h;
	size_t start = b->len;
	write_conn(b, shown_address(x), false);
	write_bandwidth(b, &x->sdp->bandwidth);
	buf_lit(b, "t=");
	buf_str(b, x->sdp->timing.len > 0 ? x->sdp->timing : STR("0 0"));
	buf_lit(b, "\r\n");
	write_session_attrs(x, b);
	for (size_t i = 0; i < x->to->line_count; i++) {
		write_media(x, b, i);
	}
	if (b->overflow) {
		return REFUSAL_REWRITE;
	}
	next_version(x, &x->to->origin, siphash(&key, b->p + start, b->len - start));
	/* The version depends on the rest, so the head is written last and moved to the front. */
	buf_init(&h, head, sizeof(head));
	write_head(x, &h);
	size_t body = b->len - start;
	buf_bytes(b, head, h.len);
	if (b->overflow || h.overflow) {
		return REFUSAL_REWRITE;
	}
	memmove(b->p + start + h.len, b->p + start, body);
	memcpy(b->p + start, head, h.len);
	return REFUSAL_NONE;
}

void sdp_relay_write_formats(const struct flags *f, const struct sdp_media *m, struct buf *b)
{
	struct codecs formats;
	codecs_choose(f, m, &formats);
	for (size_t k = 0; k < formats.count; k++) {
		if (k > 0) {
			buf_char(b, ' ');
		}
		buf_str(b, formats.at[k]);
	}
	buf_lit(b, "\r\n");
	for (size_t k = 0; k < formats.count; k++) {
		write_format(NULL, b, m, formats.at[k], false);
	}
}
