#include "rtpproxy/core/leg.h"

void leg_init(struct leg *l)
{
	*l = (struct leg){0};
}

bool leg_has_tag(const struct leg *l, struct str tag)
{
	return tag.len > 0 && (str_eq(str_from(l->tag), tag) || str_eq(str_from(l->alias), tag));
}

void leg_set_flow(struct leg *l, unsigned set, unsigned clear)
{
	l->flow = (uint8_t)((l->flow & ~clear) | set);
	for (unsigned i = 0; i < l->media_count; i++) {
		struct stream *rtp = &l->media[i]->streams[LEG_RTP];
		stream_set_flow(rtp, (rtp->flow & STREAM_HOLD) | l->flow);
	}
}

void leg_media_init(struct leg_media *m, id_t64 id, struct srtp_worker *w)
{
	*m = (struct leg_media){.id = id};
	stream_init(&m->streams[LEG_RTP], PKT_RTP, w, NULL);
	stream_init(&m->streams[LEG_RTCP], PKT_RTCP, w, &m->streams[LEG_RTP]);
	for (int i = 0; i < LEG_STREAMS; i++) {
		m->streams[i].id = id;
	}
}

void leg_media_release(struct leg_media *m)
{
	CHECK(m->opened == 0 && !m->kept_keys && !m->kept_dtls);
	/* RTCP borrows the keys of RTP and so goes first. */
	stream_release(&m->streams[LEG_RTCP]);
	stream_release(&m->streams[LEG_RTP]);
}

bool leg_is_rtp(enum sdp_proto p)
{
	return p != SDP_PROTO_OTHER && p != SDP_PROTO_UDPTL;
}

bool leg_is_relayed(enum sdp_proto p)
{
	return p != SDP_PROTO_OTHER;
}

bool leg_has_ice(const struct leg_media *m)
{
	return m->ice.agreed && !m->ice.lite && leg_is_rtp(m->proto);
}

void leg_expect_checks(struct leg *l)
{
	for (unsigned i = 0; i < l->media_count; i++) {
		struct leg_media *m = l->media[i];
		for (int k = 0; m->active && m->ice.wanted && k < LEG_STREAMS; k++) {
			stream_set_ice(&m->streams[k], m->ice.agent);
		}
	}
}

bool leg_may_send(const struct leg_media *m, const struct leg_media *other)
{
	return (m->direction == SDP_SENDRECV || m->direction == SDP_SENDONLY) &&
	       (other->direction == SDP_SENDRECV || other->direction == SDP_RECVONLY);
}

static enum refusal set_key(struct stream *s, enum srtp_direction d, const struct leg_crypto *c)
{
	switch ((int)stream_set_key(s, d, (enum sdes_suite)c->suite, &c->key)) {
	case OK: stream_set_mki(s, d, c->mki, c->mki_len); return REFUSAL_NONE;
	case ERR_EXISTS: return REFUSAL_KEY_REUSE;
	default: return REFUSAL_MEMORY;
	}
}

static enum refusal connect_keys(struct leg_media *m)
{
	struct stream *rtp = &m->streams[LEG_RTP];
	const struct leg_keys *k = m->keys;
	if (m->proto == SDP_PROTO_UDPTL) {
		stream_set_security(rtp, STREAM_RAW);
		return REFUSAL_NONE;
	}
	stream_set_own_keys(&m->streams[LEG_RTCP], m->keying == LEG_DTLS && !m->mux.agreed);
	CHECK(m->keying != LEG_PLAIN || !sdp_proto_info(m->proto)->srtp);
	if (m->keying != LEG_SDES) {
		/* Keys of DTLS come with the handshake; until then such a line carries nothing. */
		stream_set_security(rtp, m->keying == LEG_DTLS ? STREAM_SRTP : STREAM_PLAIN);
		return REFUSAL_NONE;
	}
	CHECK(k && k->chosen >= 0 && k->chosen_in >= 0);
	enum refusal r = set_key(rtp, SRTP_RX, &k->theirs[k->chosen_in]);
	if (r == REFUSAL_NONE) {
		r = set_key(rtp, SRTP_TX, &k->ours[k->chosen]);
	}
	if (r == REFUSAL_NONE) {
		stream_set_security(rtp, STREAM_SRTP);
	}
	return r;
}

/* Towards an agent of ICE there is no address but the one that it selects. What was used before goes on until then. */
static void connect_ice(struct stream *s, const struct ice *agent, unsigned component)
{
	const struct addr *selected = ice_selected(agent, component);
	stream_set_latch(s, LATCH_ICE, NULL);
	if (selected) {
		latch_set_target(&s->latch, selected);
	}
}

static void connect_address(const struct leg *l, struct stream *s, const struct addr *remote,
			    uint64_t now_us)
{
	stream_set_latch(s, (enum latch_mode)l->latch,
			 l->net.addr.family != ADDR_NONE ? &l->net : NULL);
	stream_set_remote(s, remote, now_us);
}

static void connect_side(const struct leg *l, struct leg_media *m, const struct leg_media *other,
			 const struct leg_rates *rates, uint64_t now_us)
{
	bool audio = str_eq(str_from(m->kind), STR("audio"));
	uint32_t rate = audio ? rates->audio : rates->other;
	static const struct addr nowhere = {.family = ADDR_NONE};
	const bool ice = leg_has_ice(m);
	if (m->ice.agreed) {
		(void)ice_commit(m->ice.agent, now_us);
	}
	for (int i = 0; i < LEG_STREAMS; i++) {
		struct stream *s = &m->streams[i];
		bool used = i == LEG_RTP || (leg_is_rtp(m->proto) && !m->mux.agreed);
		stream_set_ice(s, ice && used ? m->ice.agent : NULL);
		if (ice && used) {
			connect_ice(s, m->ice.agent, (unsigned)i);
		} else {
			connect_address(l, s, used ? &m->remote[i] : &nowhere, now_us);
		}
		stream_set_rate(s, rate, rate);
		stream_set_unproven(s, l->unproven);
	}
	struct stream *rtp = &m->streams[LEG_RTP];
	stream_set_party(rtp, l->number);
	stream_set_mux(rtp, m->mux.agreed);
	stream_set_flow(rtp, l->flow | (leg_may_send(m, other) ? 0u : STREAM_HOLD));
	if (m->clock_rate > 0) {
		quality_set_codec(&rtp->quality, quality_codec_find(str_from(m->codec)),
				  m->clock_rate);
	}
}

/* The endpoint that packets of this kind leave from towards the party. */
static struct stream *sink(struct leg_media *m, enum pkt_kind kind)
{
	unsigned k = kind == PKT_RTP || m->mux.agreed ? LEG_RTP : LEG_RTCP;
	return m->opened & 1u << k ? &m->streams[k] : NULL;
}

static void join(struct leg_media *from, struct leg_media *to)
{
	stream_set_peer(&from->streams[LEG_RTP], PKT_RTP, sink(to, PKT_RTP));
	stream_set_peer(&from->streams[LEG_RTP], PKT_RTCP, sink(to, PKT_RTCP));
	stream_set_peer(&from->streams[LEG_RTCP], PKT_RTCP, sink(to, PKT_RTCP));
}

static void part(struct leg_media *m)
{
	for (int i = 0; i < LEG_STREAMS; i++) {
		stream_set_peer(&m->streams[i], PKT_RTP, NULL);
		stream_set_peer(&m->streams[i], PKT_RTCP, NULL);
	}
}

/* One source at a time is what audio has (continuity.h). Its clock is that of the codec that the answer put first. */
static void connect_numbers(struct leg *const legs[2], struct leg_media *const m[2])
{
	enum { CLOCK_DEFAULT = 8000 };
	const uint32_t said = m[0]->clock_rate ? m[0]->clock_rate : m[1]->clock_rate;
	const bool audio = leg_is_rtp(m[0]->proto) && str_eq(str_from(m[0]->kind), STR("audio"));
	for (int s = 0; s < 2; s++) {
		stream_set_continuity(&m[s]->streams[LEG_RTP], audio && !legs[s]->as_is,
				      said ? said : CLOCK_DEFAULT);
	}
}

enum refusal leg_connect(struct leg *const legs[2], unsigned i, const struct leg_rates *rates,
			 uint64_t now_us)
{
	struct leg_media *m[2] = {legs[0]->media[i], legs[1]->media[i]};
	if (!m[0]->active || !m[1]->active || !leg_is_relayed(m[0]->proto)) {
		part(m[0]);
		part(m[1]);
		return REFUSAL_NONE;
	}
	for (int s = 0; s < 2; s++) {
		enum refusal r = connect_keys(m[s]);
		if (r != REFUSAL_NONE) {
			part(m[0]);
			part(m[1]);
			return r;
		}
	}
	for (int s = 0; s < 2; s++) {
		connect_side(legs[s], m[s], m[1 - s], rates, now_us);
		m[s]->connected = true;
	}
	connect_numbers(legs, m);
	join(m[0], m[1]);
	join(m[1], m[0]);
	return REFUSAL_NONE;
}

void leg_connect_late(const struct leg *l, uint64_t now_us)
{
	for (unsigned i = 0; i < l->media_count; i++) {
		struct leg_media *m = l->media[i];
		for (int k = 0; m->connected && !leg_has_ice(m) && k < LEG_STREAMS; k++) {
			struct stream *s = &m->streams[k];
			bool used = k == LEG_RTP || !m->mux.agreed;
			if (used && !latch_has_target(&s->latch)) {
				stream_set_remote(s, &m->remote[k], now_us);
			}
		}
	}
}
