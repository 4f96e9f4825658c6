#include "stream.h"

#include "common/check.h"
#include "ice.h"

void stream_init(struct stream *s, enum pkt_kind kind, struct srtp_worker *w, struct stream *rtp)
{
	CHECK(kind == PKT_RTP || kind == PKT_RTCP);
	CHECK((kind == PKT_RTCP) == (rtp != NULL));
	*s = (struct stream){.kind = (uint8_t)kind, .main = rtp ? rtp : s};
	s->keys = s->main;
	srtp_key_init(&s->srtp[SRTP_RX], w, SRTP_RX);
	srtp_key_init(&s->srtp[SRTP_TX], w, SRTP_TX);
	latch_init(&s->latch);
	quality_init(&s->quality);
}

static void unlink_from(struct stream *peer, const struct stream *s)
{
	if (!peer)
		return;
	for (int i = 0; i < 2; i++)
		if (peer->peer[i] == s)
			peer->peer[i] = NULL;
}

void stream_release(struct stream *s)
{
	for (int i = 0; i < 2; i++)
		unlink_from(s->peer[i], s);
	for (int i = 0; i < SRTP_DIRECTION_COUNT; i++)
		srtp_key_release(&s->srtp[i]);
	*s = (struct stream){0};
}

void stream_set_latch(struct stream *s, enum latch_mode mode, const struct prefix *net)
{
	latch_set_mode(&s->latch, mode, net);
}

void stream_set_remote(struct stream *s, const struct addr *remote, uint64_t now_us)
{
	latch_set_remote(&s->latch, remote, now_us);
}

void stream_set_ice(struct stream *s, struct ice *ice)
{
	s->ice = ice;
}

static unsigned component(const struct stream *s)
{
	return s->kind == PKT_RTCP;
}

enum latch_answer stream_check_source(const struct stream *s, const struct addr *from,
				      uint64_t now_us)
{
	const enum latch_answer a =
		latch_check(&s->latch, from, s->main->security == STREAM_SRTP, now_us);
	return a == LATCH_REFUSE && s->latch.mode == LATCH_ICE && s->ice &&
			       ice_has_path(s->ice, component(s), from)
		       ? LATCH_ASIDE
		       : a;
}

bool stream_has_consent(const struct stream *s, uint64_t now_us)
{
	return !s->ice || s->latch.mode != LATCH_ICE ||
	       ice_has_consent(s->ice, component(s), s->last_us, now_us);
}

void stream_set_unproven(struct stream *s, uint32_t max)
{
	latch_set_unproven(&s->latch, max);
}

void stream_set_mux(struct stream *s, bool mux)
{
	CHECK(s->kind == PKT_RTP);
	s->mux = mux;
}

void stream_set_security(struct stream *s, enum stream_security security)
{
	CHECK(s->kind == PKT_RTP && (unsigned)security < STREAM_SECURITY_COUNT);
	s->security = (uint8_t)security;
}

void stream_set_own_keys(struct stream *s, bool own)
{
	CHECK(s->kind == PKT_RTCP);
	s->keys = own ? s : s->main;
}

enum err stream_set_key(struct stream *s, enum srtp_direction d, enum sdes_suite suite,
			const struct secret *key)
{
	CHECK(s->keys == s && (unsigned)d < SRTP_DIRECTION_COUNT);
	if (srtp_key_is_same(&s->srtp[1 - d], key))
		return ERR_EXISTS;
	return srtp_key_set(&s->srtp[d], suite, key);
}

void stream_set_mki(struct stream *s, enum srtp_direction d, uint32_t mki, size_t len)
{
	CHECK(s->keys == s && (unsigned)d < SRTP_DIRECTION_COUNT);
	srtp_key_set_mki(&s->srtp[d], mki, len);
}

void stream_take_keys(struct stream *s, struct stream *from)
{
	CHECK(s->kind == PKT_RTP && from->kind == PKT_RTP && s != from);
	for (int i = 0; i < SRTP_DIRECTION_COUNT; i++)
		srtp_key_take(&s->srtp[i], &from->srtp[i]);
	s->security = from->security;
	s->quality = from->quality;
	s->continuity = from->continuity;
	s->past = from->past;
	from->security = STREAM_CLOSED;
}

void stream_set_continuity(struct stream *s, bool on, uint32_t clock_rate)
{
	CHECK(s->kind == PKT_RTP);
	continuity_set(&s->continuity, on, clock_rate);
}

void stream_set_source(struct stream *s, uint64_t random)
{
	CHECK(s->kind == PKT_RTP);
	continuity_init(&s->continuity, &s->past, random);
}

void stream_set_party(struct stream *s, uint64_t party)
{
	CHECK(s->kind == PKT_RTP);
	s->party = party;
}

void stream_set_flow(struct stream *s, unsigned flags)
{
	CHECK((flags & ~(unsigned)(STREAM_BLOCKED | STREAM_HOLD | STREAM_BLOCKED_DTMF)) == 0);
	s->flow = (uint8_t)flags;
}

void stream_set_peer(struct stream *s, enum pkt_kind kind, struct stream *out)
{
	CHECK(kind == PKT_RTP || kind == PKT_RTCP);
	/* RTCP may leave by an RTP endpoint (rtcp-mux), never RTP by an RTCP one. */
	CHECK(!out || kind == PKT_RTCP || out->kind == PKT_RTP);
	s->peer[kind] = out;
}

void stream_set_rate(struct stream *s, uint32_t per_second, uint32_t burst)
{
	s->rate_step_us = per_second ? 1000000 / per_second : 0;
	s->rate_burst_us = burst * s->rate_step_us;
}

void stream_count_drop(struct stream *s, enum pkt_fate why, uint32_t n)
{
	CHECK(why != FATE_SENT);
	for (int i = 0; i < STREAM_DROP_FATES; i++) {
		if (s->stats.drop_fate[i] == FATE_SENT)
			s->stats.drop_fate[i] = (uint8_t)why;
		if (s->stats.drop_fate[i] == why) {
			s->stats.drop_count[i] += n;
			return;
		}
	}
}

uint32_t stream_dropped(const struct stream *s, enum pkt_fate why)
{
	for (int i = 0; i < STREAM_DROP_FATES; i++)
		if (why != FATE_SENT && s->stats.drop_fate[i] == why)
			return s->stats.drop_count[i];
	return 0;
}

/* A leaky bucket as one number (GCRA): the time at which the next packet would be due. */
bool stream_take_rate(struct stream *s, uint64_t now_us)
{
	if (s->rate_step_us == 0)
		return true;
	const uint64_t due = s->rate_due_us > now_us ? s->rate_due_us : now_us;
	if (due - now_us > s->rate_burst_us)
		return false;
	s->rate_due_us = due + s->rate_step_us;
	return true;
}
