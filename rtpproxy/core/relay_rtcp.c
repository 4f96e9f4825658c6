/* `generate RTCP`: when each party gets our own reports, and what they go by. */
#include "rtpproxy/core/relay_work.h"

#include "rtpproxy/core/rtcp_make.h"

/* For one party's m= line. */
struct reporter {
	id_t64 id;
	struct timer timer;
	struct leg_media *media;
	struct rtcp_make make;
};

enum err relay_rtcp_init(struct relay *r, uint64_t now_ms)
{
	wheel_init(&r->report_wheel, now_ms);
	return pool_init(&r->reporters, sizeof(struct reporter), 8 * LIMIT_CALLS,
			 (uint8_t)r->worker);
}

static struct reporter *reporter_of(const struct stream *s)
{
	return s->reports ? CONTAINER_OF(s->reports, struct reporter, make) : NULL;
}

static void set_timer(struct relay *r, struct reporter *k, bool first, uint64_t now_ms)
{
	wheel_set(&r->report_wheel, &k->timer, now_ms + rtcp_make_wait_ms(first, rng_u32(&r->rng)));
}

static void begin(struct relay *r, struct leg_media *m, uint64_t now_ms)
{
	id_t64 id;
	struct reporter *k = pool_new(&r->reporters, &id);
	if (!k) { /* at the limit the other party's reports pass */
		return;
	}
	k->id = id;
	k->media = m;
	timer_init(&k->timer);
	m->streams[LEG_RTP].reports = &k->make;
	set_timer(r, k, true, now_ms);
}

void relay_rtcp_end(struct relay *r, struct leg_media *m)
{
	struct reporter *k = reporter_of(&m->streams[LEG_RTP]);
	if (k) {
		m->streams[LEG_RTP].reports = NULL;
		wheel_stop(&r->report_wheel, &k->timer);
		pool_free(&r->reporters, k->id);
	}
}

/* Only who speaks with numbers of ours can be reported on: several sources at a time (video) report for themselves. */
static bool is_ours(const struct leg_media *m)
{
	return m->active && m->connected && leg_is_rtp(m->proto) &&
	       m->streams[LEG_RTP].continuity.state != CONTINUITY_OFF;
}

void relay_rtcp_dialogue(struct relay *r, struct dialogue *d, uint64_t now_ms)
{
	for (unsigned k = 0; k < 2 * LIMIT_MEDIAS; k++) {
		const struct leg *l = &d->legs[k & 1], *other = &d->legs[1 - (k & 1)];
		const unsigned i = k / 2;
		if (i >= l->media_count || i >= other->media_count) {
			continue;
		}
		struct leg_media *m = l->media[i];
		const bool want = l->own_rtcp && is_ours(m) && is_ours(other->media[i]);
		if (!want) {
			relay_rtcp_end(r, m);
		} else if (!m->streams[LEG_RTP].reports) {
			begin(r, m, now_ms);
		}
	}
}

/* Who forwards in our place knows what came and went. */
static void update_figures(struct relay *r, struct stream *s)
{
	if (r->ports.recall && s) {
		r->ports.recall(r->ports.ctx, s, true);
	}
}

static void report(struct relay *r, struct reporter *k, const struct relay_now *now)
{
	struct leg_media *m = k->media;
	struct stream *s = &m->streams[LEG_RTP];
	const unsigned at = s->mux ? LEG_RTP : LEG_RTCP;
	uint8_t bytes[RTCP_MAKE_MAX + PKT_TAIL];
	if (!(m->opened & 1u << at) || !(m->opened & 1u << LEG_RTP) ||
	    s->continuity.state == CONTINUITY_GIVEN) {
		return;
	}
	update_figures(r, s);
	update_figures(r, s->peer[PKT_RTP]);
	struct rtcp_make_facts f = {.sends = &s->continuity,
				    .hears = &s->quality,
				    .mono_us = now->mono_us,
				    .wall_us = now->wall_us};
	forward_name(&r->forward, s, f.name);
	struct pkt p = {.data = bytes,
			.len = (uint32_t)rtcp_make(&k->make, &f, bytes),
			.cap = sizeof(bytes),
			.stream = &m->streams[at],
			.kind = PKT_RTCP,
			.at_us = now->mono_us};
	if (forward_own_rtcp(&r->forward, &p) == FATE_SENT) {
		r->ports.send(r->ports.ctx, p.out, &p.to, p.data, p.len);
	}
}

void relay_rtcp_tick(struct relay *r, const struct relay_now *now)
{
	const uint64_t now_ms = now->mono_us / 1000;
	struct timer *t;
	while ((t = wheel_expire(&r->report_wheel, now_ms))) {
		struct reporter *k = CONTAINER_OF(t, struct reporter, timer);
		report(r, k, now);
		set_timer(r, k, false, now_ms);
	}
}
