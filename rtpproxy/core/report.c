#include "rtpproxy/core/report.h"

#include <math.h>

uint64_t report_errors(const struct stream *s)
{
	uint64_t n = 0;
	for (int i = 0; i < STREAM_DROP_FATES; i++) {
		n += s->stats.drop_count[i];
	}
	return n;
}

static int64_t whole(uint64_t v)
{
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

static void add_int(struct arena *a, struct dict *d, const char *key, uint64_t v)
{
	dict_add_int(a, d, str_from(key), whole(v));
}

static void add_text(struct arena *a, struct dict *d, const char *key, const char *v)
{
	dict_add_str(a, d, str_from(key), str_from(v));
}

/* A number or address as text that lives in the arena. */
static struct str number_text(struct arena *a, uint64_t v)
{
	char text[24];
	struct buf b;
	buf_init(&b, text, sizeof(text));
	buf_u64(&b, v);
	return arena_str(a, buf_view(&b));
}

static struct str ip_text(struct arena *a, const struct addr *ip)
{
	char text[64];
	struct buf b;
	buf_init(&b, text, sizeof(text));
	addr_write_ip(&b, ip);
	return arena_str(a, buf_view(&b));
}

static uint64_t wall_s(const struct report_time *t, uint64_t mono_us)
{
	uint64_t ago = t->now_us > mono_us ? t->now_us - mono_us : 0;
	return (t->wall_us - ago) / 1000000;
}

static void add_counts(struct arena *a, struct dict *d, const char *key, uint64_t packets,
		       uint64_t bytes, uint64_t errors)
{
	struct dict *sub = dict_add_dict(a, d, str_from(key));
	add_int(a, sub, "packets", packets);
	add_int(a, sub, "bytes", bytes);
	add_int(a, sub, "errors", errors);
}

/* One MOS value with what it was made of; rtpengine counts MOS in tenths. */
static struct dict *add_mos(struct arena *a, struct dict *d, const char *key, double mos,
			    const struct quality_report *q, const struct report_time *t)
{
	struct dict *m = dict_add_dict(a, d, str_from(key));
	add_int(a, m, "MOS", (uint64_t)lround(mos * 10));
	add_int(a, m, "jitter", (uint64_t)lround(q->jitter_ms));
	add_int(a, m, "packet loss", (uint64_t)lround(q->loss * 100));
	add_int(a, m, "round-trip time", (uint64_t)lround(q->rtt_ms * 1000));
	add_int(a, m, "round-trip time leg", (uint64_t)lround(q->rtt_ms * 1000));
	add_int(a, m, "reported at", t->wall_us / 1000000);
	return m;
}

/* Of one interval; before the first has ended, of all. */
static void add_interval(struct arena *a, struct dict *d, const char *key, double mos,
			 const struct quality_mark *mark, const struct quality_report *q,
			 const struct report_time *t)
{
	struct quality_report one = *q;
	struct report_time then = *t;
	if (mark->at_us > 0) {
		one.jitter_ms = (double)mark->jitter_ms;
		one.loss = (double)mark->loss;
		one.rtt_ms = mark->rtt_us / 1000.0;
		then.wall_us = wall_s(t, mark->at_us) * 1000000;
	}
	add_mos(a, d, key, mos, &one, &then);
}

static void add_ssrc_stats(struct arena *a, struct dict *d, const struct stream *s,
			   double other_rtt_ms, const struct report_time *t)
{
	struct quality_report q;
	quality_report(&s->quality, other_rtt_ms, &q);
	add_int(a, d, "bytes", s->stats.rx_bytes);
	add_int(a, d, "packets", s->stats.rx_packets - s->stats.rx_rtcp_packets);
	add_int(a, d, "last RTP timestamp", q.timestamp);
	add_int(a, d, "last RTP seq", q.seq);
	add_int(a, d, "cumulative loss", q.lost);
	/* Ours: what rounding to whole milliseconds and per cent loses. */
	add_int(a, d, "expected", q.expected);
	add_int(a, d, "jitter us", (uint64_t)lround(q.jitter_ms * 1000));
	add_int(a, d, "MOS x1000", (uint64_t)lround(q.mos * 1000));
	add_int(a, add_mos(a, d, "average MOS", q.mos_avg, &q, t), "samples", q.samples);
	add_interval(a, d, "lowest MOS", q.mos_min, &q.worst, &q, t);
	add_interval(a, d, "highest MOS", q.mos_max, &q.best, &q, t);
}

/* A member that we made ourselves, to add to. */
static struct dict *own_member(struct dict *d, struct str key)
{
	return (struct dict *)(uintptr_t)dict_get(d, key);
}

static bool has_media(const struct stream *s)
{
	return s->quality.started;
}

static double rtt_ms(const struct leg_media *m)
{
	return m ? m->streams[LEG_RTP].quality.rtt_us / 1000.0 : 0;
}

static const struct leg_media *media_of(const struct leg *l, unsigned i)
{
	return i < l->media_count ? l->media[i] : NULL;
}

static void add_endpoint(struct arena *a, struct dict *d, const char *key, const struct addr *e)
{
	struct dict *sub = dict_add_dict(a, d, str_from(key));
	if (e->family == ADDR_NONE) {
		return;
	}
	add_text(a, sub, "family", e->family == ADDR_IP6 ? "IPv6" : "IPv4");
	dict_add_str(a, sub, STR("address"), ip_text(a, e));
	add_int(a, sub, "port", e->port);
}

/* What is in force: a handshake of DTLS has no suite before it has ended. */
static void add_crypto(struct arena *a, struct dict *d, const struct leg_media *m,
		       const struct stream *s)
{
	const struct srtp_key *key = &s->keys->srtp[SRTP_TX];
	if (s->main->security != STREAM_SRTP) {
		return;
	}
	add_text(a, d, "keying", m->keying == LEG_DTLS ? "dtls" : "sdes");
	if (srtp_key_is_set(key)) {
		add_text(a, d, "crypto suite", sdes_suite_info((enum sdes_suite)key->suite)->name);
	}
}

static void add_stream(struct arena *a, struct dict *list, const struct leg *l,
		       const struct leg_media *m, unsigned kind, const struct report_time *t)
{
	const struct stream *s = &m->streams[kind];
	struct dict *d = dict_add_dict(a, list, STR_NONE);
	add_int(a, d, "local port", m->port + kind);
	dict_add_str(a, d, STR("local address"), ip_text(a, &l->local));
	add_text(a, d, "family", l->local.family == ADDR_IP6 ? "IPv6" : "IPv4");
	add_endpoint(a, d, "endpoint", &s->latch.target);
	add_endpoint(a, d, "advertised endpoint", &m->remote[kind]);
	add_crypto(a, d, m, s);
	add_int(a, d, "last packet", s->last_us ? wall_s(t, s->last_us) : 0);
	if (kind == LEG_RTP && has_media(s)) {
		add_int(a, d, "SSRC", s->quality.ssrc);
	}
	struct dict *flags = dict_add_list(a, d, STR("flags"));
	dict_add_str(a, flags, STR_NONE, kind == LEG_RTP ? STR("RTP") : STR("RTCP"));
	if (m->mux.agreed) {
		dict_add_str(a, flags, STR_NONE,
			     kind == LEG_RTP ? STR("RTCP") : STR("fallback RTCP"));
	}
	if (m->remote[kind].family != ADDR_NONE) {
		dict_add_str(a, flags, STR_NONE, STR("filled"));
	}
	if (s->latch.state == LATCH_HELD) {
		dict_add_str(a, flags, STR_NONE, STR("confirmed"));
	}
	add_counts(a, d, "stats", s->stats.rx_packets, s->stats.rx_bytes, report_errors(s));
	add_counts(a, d, "stats_out", s->stats.tx_packets, s->stats.tx_bytes, 0);
	struct dict *drops = NULL;
	for (int f = 0; f < FATE_COUNT; f++) {
		const uint32_t n = stream_dropped(s, (enum pkt_fate)f);
		if (n > 0) {
			drops = drops ? drops : dict_add_dict(a, d, STR("dropped"));
			add_int(a, drops, pkt_fate_name((enum pkt_fate)f), n);
		}
	}
}

/* In the words and the order of the reference; "send" is what we do towards the party. */
static void add_media_flags(struct arena *a, struct dict *flags, const struct leg_media *m)
{
	bool srtp = sdp_proto_info(m->proto)->srtp;
	const struct {
		bool is;
		struct str word;
	} words[] = {
		{m->active || m->connected, STR("initialized")},
		{m->active && (m->direction == SDP_SENDRECV || m->direction == SDP_RECVONLY),
		 STR("send")},
		{m->active && (m->direction == SDP_SENDRECV || m->direction == SDP_SENDONLY),
		 STR("recv")},
		{m->mux.agreed, STR("rtcp-mux")},
		{srtp && m->keying != LEG_SDES, STR("DTLS-SRTP")},
		{srtp && m->keying == LEG_SDES, STR("SDES")},
		{m->ice.agreed, STR("ICE")},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (words[i].is) {
			dict_add_str(a, flags, STR_NONE, words[i].word);
		}
	}
}

static void add_media(struct arena *a, struct dict *list, const struct leg *l, const struct leg *o,
		      unsigned i, const struct report_time *t)
{
	const struct leg_media *m = l->media[i], *other = media_of(o, i);
	struct dict *d = dict_add_dict(a, list, STR_NONE);
	add_int(a, d, "index", i + 1);
	add_text(a, d, "type", m->kind);
	add_text(a, d, "protocol", sdp_proto_info(m->proto)->name);
	if (m->codec[0] != '\0') {
		add_text(a, d, "codec", m->codec);
	}
	add_media_flags(a, dict_add_list(a, d, STR("flags")), m);
	struct dict *in = dict_add_list(a, d, STR("ingress SSRCs"));
	const struct stream *rtp = &m->streams[LEG_RTP];
	if (has_media(rtp)) {
		struct dict *s = dict_add_dict(a, in, STR_NONE);
		add_int(a, s, "SSRC", rtp->quality.ssrc);
		add_ssrc_stats(a, s, rtp, rtt_ms(other), t);
	}
	struct dict *out = dict_add_list(a, d, STR("egress SSRCs"));
	if (other && has_media(&other->streams[LEG_RTP])) {
		struct dict *s = dict_add_dict(a, out, STR_NONE);
		/* What the party hears is one source of ours, unless it passes as it is. */
		const struct continuity *ours = &rtp->continuity;
		add_int(a, s, "SSRC",
			ours->state != CONTINUITY_OFF ? ours->out_ssrc
						      : other->streams[LEG_RTP].quality.ssrc);
	}
	struct dict *streams = dict_add_list(a, d, STR("streams"));
	add_stream(a, streams, l, m, LEG_RTP, t);
	add_stream(a, streams, l, m, LEG_RTCP, t);
}

struct tagged {
	const struct leg *leg, *other;
	const struct dialogue *d;
};

/* "tag", or "<untagged 3>" for a party that has not answered. */
static struct str tag_key(struct arena *a, const struct leg *l, unsigned n)
{
	char text[32];
	struct buf b;
	if (l->tag[0] != '\0') {
		return str_from(l->tag);
	}
	buf_init(&b, text, sizeof(text));
	buf_printf(&b, "<untagged %u>", n);
	return arena_str(a, buf_view(&b));
}

static void add_peer(struct arena *a, struct dict *tag, const char *key, const struct leg *peer)
{
	struct dict *list = own_member(tag, str_from(key));
	if (!list) {
		list = dict_add_list(a, tag, str_from(key));
	}
	struct dict *d = dict_add_dict(a, list, STR_NONE);
	add_text(a, d, "tag", peer->tag);
	add_text(a, d, "type", "offer/answer");
}

static void add_leg(struct arena *a, struct dict *tags, const struct tagged *g, unsigned n,
		    const struct report_time *t)
{
	struct str key = tag_key(a, g->leg, n);
	/* A party of several dialogues (a fork) is one tag with the media of all. */
	struct dict *d = own_member(tags, key);
	struct dict *medias;
	if (!d) {
		d = dict_add_dict(a, tags, key);
		add_text(a, d, "tag", g->leg->tag);
		if (g->leg->label[0] != '\0') {
			add_text(a, d, "label", g->leg->label);
		}
		if (g->d->branch[0] != '\0' && g->leg == &g->d->legs[1]) {
			add_text(a, d, "via-branch", g->d->branch);
		}
		add_int(a, d, "created", wall_s(t, g->d->created_ms * 1000));
		medias = dict_add_list(a, d, STR("medias"));
	} else {
		medias = own_member(d, STR("medias"));
	}
	add_peer(a, d, "subscriptions", g->other);
	add_peer(a, d, "subscribers", g->other);
	for (unsigned i = 0; i < g->leg->media_count; i++) {
		add_media(a, medias, g->leg, g->other, i, t);
	}
}

static bool is_asked(const struct leg *l, const struct leg *other, const struct call_names *n)
{
	if (n->from_tag.len == 0 && n->to_tag.len == 0) {
		return true;
	}
	/* A party, and those that it listens to. */
	return leg_has_tag(l, n->from_tag) || leg_has_tag(l, n->to_tag) ||
	       leg_has_tag(other, n->from_tag) || leg_has_tag(other, n->to_tag);
}

void report_totals(struct arena *a, struct dict *reply, const struct call *c, unsigned mask)
{
	uint64_t packets[LEG_STREAMS] = {0}, bytes[LEG_STREAMS] = {0}, errors[LEG_STREAMS] = {0};
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		for (unsigned s = 0; mask & 1u << i && s < 2; s++) {
			const struct leg *l = &c->dialogues[i]->legs[s];
			for (unsigned m = 0; m < l->media_count; m++) {
				for (int k = 0; k < LEG_STREAMS; k++) {
					const struct stream *st = &l->media[m]->streams[k];
					packets[k] += st->stats.rx_packets;
					bytes[k] += st->stats.rx_bytes;
					errors[k] += report_errors(st);
				}
			}
		}
	}
	struct dict *totals = dict_add_dict(a, reply, STR("totals"));
	add_counts(a, totals, "RTP", packets[LEG_RTP], bytes[LEG_RTP], errors[LEG_RTP]);
	add_counts(a, totals, "RTCP", packets[LEG_RTCP], bytes[LEG_RTCP], errors[LEG_RTCP]);
}

static void add_ssrcs(struct arena *a, struct dict *ssrcs, const struct tagged *g,
		      const struct report_time *t)
{
	for (unsigned i = 0; i < g->leg->media_count; i++) {
		const struct stream *s = &g->leg->media[i]->streams[LEG_RTP];
		if (!has_media(s)) {
			continue;
		}
		struct dict *d = dict_add_dict(a, ssrcs, number_text(a, s->quality.ssrc));
		if (d) {
			add_ssrc_stats(a, d, s, rtt_ms(media_of(g->other, i)), t);
		}
	}
}

void report_call(struct arena *a, struct dict *reply, const struct call *c, unsigned mask,
		 const struct call_names *names, const struct report_time *t)
{
	add_int(a, reply, "created", c->created_wall_us / 1000000);
	add_int(a, reply, "created_us", c->created_wall_us % 1000000);
	add_int(a, reply, "last signal", c->signal_wall_us / 1000000);
	report_totals(a, reply, c, mask);
	struct dict *ssrcs = dict_add_dict(a, reply, STR("SSRC"));
	struct dict *tags = dict_add_dict(a, reply, STR("tags"));
	for (unsigned i = 0; i < c->dialogue_count; i++) {
		const struct dialogue *d = c->dialogues[i];
		for (unsigned s = 0; mask & 1u << i && s < 2; s++) {
			struct tagged g = {&d->legs[s], &d->legs[1 - s], d};
			if (is_asked(g.leg, g.other, names)) {
				add_leg(a, tags, &g, 2 * i + s, t);
				add_ssrcs(a, ssrcs, &g, t);
			}
		}
	}
}

void report_sum(const struct dialogue *d, struct report_sums *out)
{
	uint64_t sent[2] = {0, 0};
	*out = (struct report_sums){0};
	for (unsigned s = 0; s < 2; s++) {
		const struct leg *l = &d->legs[s];
		for (unsigned m = 0; m < l->media_count; m++) {
			const struct stream *rtp = &l->media[m]->streams[LEG_RTP];
			struct quality_report q;
			sent[s] += rtp->stats.rx_packets;
			out->silents += l->media[m]->connected && rtp->stats.rx_packets == 0;
			for (int k = 0; k < LEG_STREAMS; k++) {
				out->packets += l->media[m]->streams[k].stats.rx_packets;
				out->bytes += l->media[m]->streams[k].stats.rx_bytes;
				out->errors += report_errors(&l->media[m]->streams[k]);
			}
			if (!has_media(rtp)) {
				continue;
			}
			quality_report(&rtp->quality, rtt_ms(media_of(&d->legs[1 - s], m)), &q);
			out->quality_samples++;
			out->lost += q.lost;
			out->expected += q.expected;
			out->mos_x1000 += (uint64_t)lround(q.mos * 1000);
			out->jitter_us += (uint64_t)lround(q.jitter_ms * 1000);
		}
	}
	out->one_way = d->answered && (sent[0] == 0) != (sent[1] == 0);
}
