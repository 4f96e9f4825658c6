#include "rtpproxy/core/tap.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "rtpproxy/core/record.h"
#include "rtpproxy/core/rtcp.h"
#include "rtpproxy/core/rtp.h"
#include "rtpproxy/core/stream.h"

enum { SR_LEN = 28, SDES_LEN = 28, CNAME_LEN = 16 };

/* ---- the set */

enum err tap_set_init(struct tap_set *set, uint32_t limit, uint8_t worker)
{
	*set = (struct tap_set){0};
	list_init(&set->ready);
	list_init(&set->busy);
	return pool_init(&set->pool, sizeof(struct tap), limit, worker);
}

void tap_set_release(struct tap_set *set)
{
	free(set->spares);
	free(set->spare_bytes);
	pool_release(&set->pool);
	*set = (struct tap_set){0};
}

enum err tap_set_make_spares(struct tap_set *set)
{
	if (set->spares)
		return OK;
	struct pkt *spares = calloc(TAP_SPARES, sizeof(*spares));
	uint8_t *bytes = malloc((size_t)TAP_SPARES * PKT_BUFFER);
	if (!spares || !bytes) {
		free(spares);
		free(bytes);
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < TAP_SPARES; i++)
		spares[i] = (struct pkt){.data = bytes + i * PKT_BUFFER, .cap = PKT_BUFFER};
	set->spares = spares;
	set->spare_bytes = bytes;
	return OK;
}

struct tap *tap_of(struct tap_set *set, struct stream *s)
{
	id_t64 id;
	CHECK(s->kind == PKT_RTP);
	if (s->tap)
		return s->tap;
	struct tap *t = pool_new(&set->pool, &id);
	if (!t)
		return NULL;
	t->id = id;
	t->stream = s;
	list_init(&t->ready);
	list_init(&t->busy);
	list_init(&t->copies);
	dtmf_listen_init(&t->listen);
	renumber_init(&t->numbers);
	if (s->quality.started)
		renumber_begin(&t->numbers, s->quality.ssrc, s->quality.max_seq);
	s->tap = t;
	return t;
}

void tap_drop(struct tap_set *set, struct stream *s)
{
	struct tap *t = s->tap;
	if (!t)
		return;
	CHECK(list_is_empty(&t->copies));
	list_del(&t->ready);
	list_del(&t->busy);
	s->tap = NULL;
	pool_free(&set->pool, t->id);
}

bool tap_is_wanted(const struct tap *t)
{
	return t->wants != 0 || t->stream->flow & STREAM_BLOCKED_DTMF ||
	       t->play.state != DTMF_PLAY_IDLE || !list_is_empty(&t->copies) ||
	       t->numbers.shift != 0;
}

/* ---- telephone events */

static void set_busy(struct tap_set *set, struct tap *t)
{
	const bool busy = t->listen.down || t->play.state != DTMF_PLAY_IDLE;
	if (busy && list_is_empty(&t->busy))
		list_add_tail(&set->busy, &t->busy);
	else if (!busy)
		list_del(&t->busy);
}

static void say(struct tap_set *set, struct tap *t, const struct dtmf_keys *keys)
{
	for (unsigned i = 0; i < keys->count; i++) {
		if (keys->at[i].event > DTMF_FLASH) {
			set->stats.events_unknown++;
		} else if (t->said_count == TAP_SAID) {
			set->stats.keys_lost++;
		} else {
			set->stats.keys++;
			t->said[t->said_count++] = keys->at[i];
		}
	}
	if (t->said_count > 0 && list_is_empty(&t->ready))
		list_add_tail(&set->ready, &t->ready);
}

static void listen(struct tap_set *set, struct tap *t, const struct pkt *p, const struct rtp *h,
		   uint32_t rate, uint64_t now_us)
{
	struct dtmf_keys keys;
	size_t len;
	const struct dtmf_heard heard = {h->ssrc, h->timestamp, rate, h->marker};
	if (rtp_payload_len(h, p->data, p->len, &len) != OK)
		return;
	t->source = p->from;
	dtmf_listen_step(&t->listen, &heard, p->data + h->header_len, len, now_us, &keys);
	say(set, t, &keys);
	set_busy(set, t);
}

void tap_tick(struct tap_set *set, struct tap *t, uint64_t now_us)
{
	struct dtmf_keys keys;
	dtmf_listen_tick(&t->listen, now_us, &keys);
	say(set, t, &keys);
	set_busy(set, t);
}

enum err tap_play(struct tap_set *set, struct tap *t, const struct dtmf_press *k, uint64_t now_us)
{
	if (!t->numbers.started)
		return ERR_NOTFOUND;
	enum err e = dtmf_play_add(&t->play, k, now_us);
	if (e == OK) {
		set->stats.played++;
		set_busy(set, t);
	}
	return e;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

bool tap_play_step(struct tap *t, uint64_t now_us, uint8_t out[TAP_PLAY_LEN])
{
	struct dtmf_play_out step;
	if (!dtmf_play_step(&t->play, t->play_rate, now_us, &step)) {
		if (t->play.state == DTMF_PLAY_IDLE && !t->listen.down)
			list_del(&t->busy);
		return false;
	}
	if (step.begins) {
		/* Where the party's own clock is now (RFC 4733 §2.5.1.1). */
		const struct stream *s = t->stream;
		const uint64_t ago_us = now_us > s->last_us ? now_us - s->last_us : 0;
		t->play_timestamp =
			s->quality.last_timestamp + (uint32_t)(ago_us * t->play_rate / 1000000);
	}
	out[0] = 0x80;
	out[1] = (uint8_t)((step.marker ? 0x80 : 0) | t->play_type);
	put16(out + 2, renumber_insert(&t->numbers));
	put32(out + 4, t->play_timestamp + step.offset);
	put32(out + 8, t->numbers.ssrc);
	dtmf_encode(&step.report, out + RTP_HEADER_LEN);
	return true;
}

/* ---- records and copies */

static void record(struct tap_set *set, struct tap *t, const struct pkt *p)
{
	const struct record_packet r = {.recording = t->recording,
					.at_us = p->at_us,
					.from = p->from,
					.to = t->local[p->stream->kind == PKT_RTCP]};
	if (!set->ring)
		return;
	if (record_put_packet(set->ring, &r, p->data, p->len))
		set->stats.recorded++;
	else
		set->stats.recorded_lost++;
}

/* A subscriber by DTLS has no keys before its handshake is done, one by ICE no consent before its checks. */
static bool is_open(const struct stream *out, uint64_t at_us)
{
	const uint8_t security = out->main->security;
	return latch_has_target(&out->latch) && (!out->ice || stream_has_consent(out, at_us)) &&
	       (security == STREAM_PLAIN ||
		(security == STREAM_SRTP && srtp_key_is_set(&out->keys->srtp[SRTP_TX])));
}

static struct pkt *take_spare(struct tap_set *set, struct stream *out, enum pkt_kind kind,
			      uint64_t at_us)
{
	if (!out || !set->spares || set->spare_count == TAP_SPARES || !is_open(out, at_us) ||
	    !latch_take_send(&out->latch)) {
		set->stats.copies_lost++;
		return NULL;
	}
	struct pkt *p = &set->spares[set->spare_count++];
	p->kind = (uint8_t)kind;
	p->stream = NULL;
	p->out = out;
	p->fate = FATE_SENT;
	set->stats.copies++;
	return p;
}

static void copy_rtp(struct tap_set *set, struct tap_copy *c, const struct pkt *p,
		     const struct rtp *h)
{
	struct rtp mine = *h;
	if (c->paused)
		return;
	struct continuity *numbers = &c->rtp->continuity;
	if (numbers->state != CONTINUITY_OFF &&
	    continuity_step(numbers, &c->rtp->past, &mine, p->len - h->header_len, p->at_us,
			    true) != CONTINUITY_PASS)
		return;
	struct pkt *q = take_spare(set, c->rtp, PKT_RTP, p->at_us);
	if (!q)
		return;
	memcpy(q->data, p->data, p->len);
	q->len = p->len;
	rtp_write(&mine, q->data);
}

/* The name in our description: random as our SSRC is, so made of it. */
static void write_cname(uint32_t ssrc, uint8_t out[CNAME_LEN])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t x = ssrc * UINT64_C(0x9e3779b97f4a7c15);
	for (int i = 0; i < CNAME_LEN; i++, x >>= 4)
		out[i] = (uint8_t)digits[x & 15];
}

/* The party's clock in a report of our own: what was sent is ours to count (RFC 3550 §6.4.1). */
static void copy_sr(struct tap_set *set, struct tap_copy *c, const struct rtcp_part *sr,
		    uint64_t at_us)
{
	const struct continuity *numbers = &c->rtp->continuity;
	if (c->paused || numbers->state == CONTINUITY_OFF || numbers->packets == 0 ||
	    sr->ssrc != numbers->in_ssrc)
		return;
	struct pkt *q = take_spare(set, c->rtcp, PKT_RTCP, at_us);
	if (!q)
		return;
	uint8_t *p = q->data;
	memset(p, 0, SR_LEN + SDES_LEN);
	p[0] = 0x80;
	p[1] = RTCP_SR;
	put16(p + 2, SR_LEN / 4 - 1);
	put32(p + 4, numbers->out_ssrc);
	memcpy(p + 8, sr->p + 8, 8); /* NTP time */
	put32(p + 16, sr->timestamp + numbers->ts_shift);
	put32(p + 20, numbers->packets);
	put32(p + 24, numbers->octets);
	p += SR_LEN;
	p[0] = 0x81;
	p[1] = RTCP_SDES;
	put16(p + 2, SDES_LEN / 4 - 1);
	put32(p + 4, numbers->out_ssrc);
	p[8] = 1; /* CNAME */
	p[9] = CNAME_LEN;
	write_cname(numbers->out_ssrc, p + 10);
	q->len = SR_LEN + SDES_LEN;
}

void tap_show(struct tap_set *set, struct tap *t, const struct pkt *p, const struct rtp *h,
	      bool is_event)
{
	if (t->wants & TAP_RECORD && (!is_event || set->record_events))
		record(set, t, p);
	list_each (n, &t->copies)
		copy_rtp(set, LIST_OBJECT(n, struct tap_copy, node), p, h);
}

enum pkt_fate tap_step(struct tap_set *set, struct tap *t, struct pkt *p, const struct rtp *h,
		       uint64_t now_us)
{
	uint16_t seq;
	const uint32_t rate = dtmf_formats_find(&t->formats, h->payload_type);
	if (rate > 0 && t->wants & TAP_DETECT)
		listen(set, t, p, h, rate, now_us);
	if (dtmf_play_is_down(&t->play) ||
	    (rate > 0 && (t->wants & TAP_BRIDGE || p->stream->flow & STREAM_BLOCKED_DTMF))) {
		renumber_skip(&t->numbers, h->ssrc, h->seq);
		return FATE_EVENT;
	}
	if (!renumber_pass(&t->numbers, h->ssrc, h->seq, &seq))
		return FATE_EVENT;
	put16(p->data + 2, seq);
	struct rtp sent = *h;
	sent.seq = seq;
	tap_show(set, t, p, &sent, rate > 0);
	return FATE_SENT;
}

void tap_rtcp(struct tap_set *set, struct tap *t, const struct pkt *p)
{
	struct rtcp_walk walk;
	struct rtcp_part part;
	if (t->wants & TAP_RECORD)
		record(set, t, p);
	if (list_is_empty(&t->copies))
		return;
	rtcp_walk_init(&walk, p->data, p->len);
	while (rtcp_walk_next(&walk, &part)) {
		if (part.type != RTCP_SR)
			continue;
		list_each (n, &t->copies)
			copy_sr(set, LIST_OBJECT(n, struct tap_copy, node), &part, p->at_us);
	}
}
