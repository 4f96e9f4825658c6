#include "rtpproxy/io/offload.h"

#include "common/check.h"
#include "rtpproxy/core/latch.h"
#include "rtpproxy/core/stream.h"
#include "rtpproxy/core/tap.h"

/* No packet can move it any more: only signalling. For sides that are not encrypted. */
static bool is_settled(const struct latch *l, uint64_t now_us)
{
	if (l->state == LATCH_EMPTY)
		return false;
	if (l->mode == LATCH_OFF || l->mode == LATCH_STRICT)
		return true;
	return l->state == LATCH_HELD && now_us >= l->window_end_us;
}

static enum offload_source source_of(const struct stream *s, uint64_t now_us)
{
	/* Any path that was proven may be used: only the relay knows them. */
	if (s->ice || s->main->ice)
		return OFFLOAD_ANY;
	switch ((enum stream_security)s->main->security) {
	case STREAM_PLAIN:
	case STREAM_RAW: return is_settled(&s->latch, now_us) ? OFFLOAD_FIXED : OFFLOAD_ANY;
	case STREAM_SRTP:
		if (s->latch.mode == LATCH_OFF && s->latch.state != LATCH_EMPTY)
			return OFFLOAD_FIXED;
		return s->latch.state == LATCH_HELD ? OFFLOAD_HELD : OFFLOAD_ANY;
	case STREAM_CLOSED:
	case STREAM_SECURITY_COUNT: break;
	}
	return OFFLOAD_ANY;
}

static enum offload_reason reason_of(const struct stream *s, uint64_t now_us)
{
	const struct stream *peer = s->peer[PKT_RTP];
	if (s->kind != PKT_RTP || s->security == STREAM_RAW)
		return OFFLOAD_KIND;
	if (s->security != STREAM_PLAIN)
		return OFFLOAD_SECURITY;
	/* The peer consents to what it gets, or no longer. */
	if (s->ice || (peer && peer->ice))
		return OFFLOAD_CHECKED;
	if (s->flow != 0)
		return OFFLOAD_BLOCKED;
	if (s->tap && tap_is_wanted(s->tap))
		return OFFLOAD_WATCHED;
	if (s->latch.state != LATCH_HELD || !is_settled(&s->latch, now_us))
		return OFFLOAD_LEARNING;
	if (!peer || !latch_has_target(&peer->latch))
		return OFFLOAD_NO_PEER;
	if (peer->main->security != STREAM_PLAIN)
		return OFFLOAD_SECURITY;
	if (!is_settled(&peer->latch, now_us))
		return OFFLOAD_NO_PEER;
	if (peer->latch.unproven_max > 0 && peer->latch.state != LATCH_HELD)
		return OFFLOAD_UNPROVEN;
	if (s->latch.target.family != peer->latch.target.family)
		return OFFLOAD_FAMILY;
	if (!s->quality.started)
		return OFFLOAD_SILENT;
	return continuity_is_steady(&peer->continuity, s->quality.ssrc) ? OFFLOAD_YES
									: OFFLOAD_SOURCE;
}

void offload_decide(const struct stream *s, uint64_t now_us, struct offload *out)
{
	*out = (struct offload){.why = reason_of(s, now_us), .source = source_of(s, now_us)};
	out->checks = s->main->dtls || s->main->ice || s->ice;
	if (out->source != OFFLOAD_ANY || out->checks)
		out->from = s->latch.target;
	if (out->why == OFFLOAD_YES) {
		out->peer = s->peer[PKT_RTP];
		out->to = out->peer->latch.target;
	}
}

const char *offload_text(enum offload_reason why)
{
	static const char *const texts[OFFLOAD_REASON_COUNT] = {
#define X(name, text) [OFFLOAD_##name] = (text),
		OFFLOAD_TABLE(X)
#undef X
	};
	CHECK((unsigned)why < OFFLOAD_REASON_COUNT);
	return texts[why];
}
