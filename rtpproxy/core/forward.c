#include "forward.h"

#include <string.h>

#include "common/check.h"
#include "classify.h"
#include "ice.h"
#include "rtcp.h"
#include "rtcp_hide.h"
#include "rtcp_make.h"
#include "rtcp_map.h"
#include "rtp.h"
#include "stream.h"
#include "tap.h"

enum { BATCH = SRTP_BATCH, AHEAD = 12, LINE = 64 };

/* Packets still on their way; those that fell out have their fate. */
struct work {
	struct pkt *pkt[BATCH];
	size_t n;
};

void forward_init(struct forward *f, struct srtp_worker *srtp, const struct siphash_key *hide)
{
	*f = (struct forward){.srtp = srtp, .hide = *hide};
}

void forward_settle(struct forward *f, struct pkt *p, enum pkt_fate fate)
{
	p->fate = (uint8_t)fate;
	f->stats.fate[fate]++;
	if (fate != FATE_SENT && fate != FATE_OURS && p->stream)
		stream_count_drop(p->stream, fate, 1);
}

/* The fate of what is not for us by its kind; FATE_SENT: go on. */
static enum pkt_fate check_kind(const struct stream *s, enum pkt_kind kind)
{
	switch (kind) {
	case PKT_RTP: return s->kind == PKT_RTP ? FATE_SENT : FATE_KIND;
	case PKT_RTCP: return s->kind == PKT_RTCP || s->mux ? FATE_SENT : FATE_KIND;
	case PKT_STUN:
	case PKT_TURN: return FATE_STUN;
	case PKT_DTLS: return s->dtls ? FATE_OURS : FATE_DTLS;
	case PKT_ZRTP: return FATE_ZRTP;
	case PKT_RAW: return FATE_SENT;
	case PKT_NOISE:
	case PKT_KIND_COUNT: break;
	}
	return FATE_NOISE;
}

static bool is_raw(const struct stream *s)
{
	return s->main->security == STREAM_RAW;
}

static bool is_open(const struct stream *s, enum srtp_direction d)
{
	const struct stream *m = s->main;
	return m->security == STREAM_PLAIN || m->security == STREAM_RAW ||
	       (m->security == STREAM_SRTP && srtp_key_is_set(&s->keys->srtp[d]));
}

static bool is_secure(const struct stream *s)
{
	return s->main->security == STREAM_SRTP;
}

/* All that can be said before the packet is decrypted: cheap before dear. */
static enum pkt_fate admit(struct pkt *p, uint64_t now_us)
{
	const struct stream *s = p->stream;
	p->out = NULL;
	p->came_len = p->len;
	p->kind = (uint8_t)(s && is_raw(s) ? PKT_RAW : classify(p->data, p->len));
	if (!s)
		return FATE_UNKNOWN;
	if (p->truncated || p->len > PKT_LEN_MAX)
		return FATE_OVERSIZE;
	const enum pkt_fate fate = check_kind(s, (enum pkt_kind)p->kind);
	if (fate != FATE_SENT)
		return fate;
	if (!is_open(s, SRTP_RX))
		return FATE_NO_KEY;
	return stream_check_source(s, &p->from, now_us) == LATCH_REFUSE ? FATE_SOURCE : FATE_SENT;
}

/* A check of ICE becomes its answer. It counts neither as media nor as forwarded. */
static void answer_check(struct forward *f, struct pkt *p, uint64_t now_us)
{
	static const enum pkt_fate fates[ICE_VERDICT_COUNT] = {
		[ICE_ANSWER] = FATE_SENT,      [ICE_TAKEN] = FATE_OURS,
		[ICE_SHAPE] = FATE_STUN_SHAPE, [ICE_AUTH] = FATE_ICE_AUTH,
		[ICE_RATE] = FATE_ICE_RATE,    [ICE_SIZE] = FATE_ICE_SIZE,
	};
	struct stream *s = p->stream;
	const struct ice_out o =
		ice_step(s->ice, s->kind == PKT_RTCP, p->data, p->len, &p->from, now_us);
	if (o.verdict != ICE_ANSWER) {
		forward_settle(f, p, fates[o.verdict]);
		return;
	}
	if (o.selected && s->latch.mode == LATCH_ICE) {
		latch_set_target(&s->latch, &p->from);
		f->stats.ice_selections++;
	}
	f->stats.ice_answers++;
	f->stats.ice_errors += o.error != 0;
	f->stats.bytes_out += o.len;
	p->len = (uint32_t)o.len;
	p->out = s;
	p->to = p->from;
	p->fate = FATE_SENT;
}

static void prefetch(const void *p, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += LINE)
		__builtin_prefetch((const char *)p + at, 1);
}

static void prefetch_in(const struct stream *s)
{
	if (!s)
		return;
	prefetch(s, offsetof(struct stream, stats.drop_fate));
	prefetch(&s->quality, LINE);
}

static void prefetch_out(const struct stream *s)
{
	if (s)
		prefetch(s, offsetof(struct stream, stats.drop_fate));
}

static void admit_all(struct forward *f, struct pkt *const pkts[], size_t n, uint64_t now_us,
		      struct work *out)
{
	out->n = 0;
	for (size_t i = 0; i < n && i < AHEAD; i++)
		prefetch_in(pkts[i]->stream);
	for (size_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			prefetch_in(pkts[i + AHEAD]->stream);
		f->stats.bytes_in += pkts[i]->len;
		const enum pkt_fate fate = admit(pkts[i], now_us);
		if (fate == FATE_SENT) {
			prefetch_out(pkts[i]->stream->peer[pkts[i]->kind == PKT_RTCP]);
			out->pkt[out->n++] = pkts[i];
		} else if (fate == FATE_OURS) {
			pkts[i]->fate = FATE_OURS;
			f->ours++;
		} else if (fate == FATE_STUN && pkts[i]->kind == PKT_STUN && pkts[i]->stream->ice) {
			answer_check(f, pkts[i], now_us);
		} else {
			forward_settle(f, pkts[i], fate);
		}
	}
}

/* Runs the packets of secure sides through the engine and drops those that it refuses. */
static void crypt_all(struct forward *f, struct work *w, enum srtp_direction d)
{
	struct srtp_op ops[BATCH];
	size_t count = 0, kept = 0;
	for (size_t i = 0; i < w->n; i++) {
		struct pkt *p = w->pkt[i];
		struct stream *side = d == SRTP_RX ? p->stream : p->out;
		p->fate = FATE_SENT;
		if (is_secure(side))
			ops[count++] = (struct srtp_op){.key = &side->keys->srtp[d], .pkt = p};
	}
	if (count == 0)
		return;
	if (d == SRTP_RX)
		srtp_batch_unprotect(f->srtp, ops, count);
	else
		srtp_batch_protect(f->srtp, ops, count);
	for (size_t i = 0; i < count; i++)
		ops[i].pkt->fate = ops[i].fate;
	for (size_t i = 0; i < w->n; i++) {
		struct pkt *p = w->pkt[i];
		if (p->fate == FATE_SENT)
			w->pkt[kept++] = p;
		else
			forward_settle(f, p, (enum pkt_fate)p->fate);
	}
	w->n = kept;
}

static enum pkt_fate check_rtcp(const struct forward *f, struct pkt *p)
{
	const struct rtcp_hide h = {f->hide, p->stream->main->party};
	/* Protecting it will need its tail; a packet without one is refused there. */
	const size_t cap = p->cap > p->len + SRTP_TAIL_MAX ? p->cap - SRTP_TAIL_MAX : p->len;
	size_t len = p->len;
	if (rtcp_check(p->data, len) != OK)
		return FATE_MALFORMED;
	switch ((int)rtcp_hide(p->data, &len, cap, &h)) {
	case OK: p->len = (uint32_t)len; return FATE_SENT;
	case ERR_LIMIT: return FATE_NO_ROOM;
	default: return FATE_MALFORMED;
	}
}

/* Plain bytes now. Padding is looked at here too: in SRTP it was encrypted until now. From here on RTCP
 * carries no names of the side that it came from. */
static enum pkt_fate check_shape(const struct forward *f, struct pkt *p, struct rtp *out)
{
	size_t payload_len;
	if (p->kind == PKT_RAW)
		return FATE_SENT;
	if (p->kind == PKT_RTCP)
		return check_rtcp(f, p);
	return rtp_decode(p->data, p->len, out) == OK &&
			       rtp_payload_len(out, p->data, p->len, &payload_len) == OK
		       ? FATE_SENT
		       : FATE_MALFORMED;
}

/* What passing RTCP tells: how the party hears us, and when it will have our side's clock. */
static void measure_rtcp(const struct pkt *p)
{
	struct quality *from = &p->stream->main->quality;
	struct rtcp_walk walk;
	struct rtcp_part part;
	struct rtcp_block block;
	rtcp_walk_init(&walk, p->data, p->len);
	while (rtcp_walk_next(&walk, &part)) {
		for (unsigned i = 0; rtcp_part_block(&part, i, &block); i++)
			quality_block(from, &block, p->at_us);
		if (part.type == RTCP_SR && p->stream->main->reports)
			rtcp_make_heard(p->stream->main->reports, &part, p->at_us);
		if (part.type == RTCP_SR && p->out && !p->out->main->reports)
			quality_sr_sent(&p->out->main->quality, part.ntp_mid, p->at_us);
	}
}

/*
 * RTCP that comes in the clear on an RTP port does not teach an address: some agents send it from another
 * port, and RTP decides (ng-protocol §6.6).
 */
static bool may_teach(const struct pkt *p)
{
	return is_secure(p->stream) || p->kind != PKT_RTCP || p->stream->kind == PKT_RTCP;
}

/* Where a packet of the party leaves, and whether it may. */
static enum pkt_fate route(const struct pkt *p, uint64_t now_us)
{
	if (!p->out || p->out->main->security == STREAM_CLOSED || !latch_has_target(&p->out->latch))
		return FATE_NO_PEER;
	if (!is_open(p->out, SRTP_TX))
		return FATE_NO_KEY;
	if (is_raw(p->out) != is_raw(p->stream))
		return FATE_KIND;
	if (p->out->ice && !stream_has_consent(p->out, now_us))
		return FATE_CONSENT;
	return latch_take_send(&p->out->latch) ? FATE_SENT : FATE_UNPROVEN;
}

/* What else is done with the party's packets; FATE_SENT: they go on. */
static enum pkt_fate show_tap(const struct forward *f, struct pkt *p, const struct rtp *h,
			      uint64_t now_us)
{
	struct tap *t = p->stream->main->tap;
	if (p->kind == PKT_RTP)
		return tap_step(f->taps, t, p, h, now_us);
	if (p->kind == PKT_RTCP)
		tap_rtcp(f->taps, t, p);
	return FATE_SENT;
}

/* The last thing before a packet is protected: only what goes out has a number. */
static enum pkt_fate go_on(struct pkt *p, struct rtp *h)
{
	static const enum pkt_fate fates[CONTINUITY_VERDICT_COUNT] = {
		[CONTINUITY_PASS] = FATE_SENT,
		[CONTINUITY_LATE] = FATE_LATE,
		[CONTINUITY_STRAY] = FATE_STRAY,
		[CONTINUITY_GONE] = FATE_MOVED,
	};
	struct stream *out = p->out;
	enum continuity_verdict v = CONTINUITY_PASS;
	if (out->continuity.state == CONTINUITY_OFF && !out->types)
		return FATE_SENT;
	if (out->continuity.state != CONTINUITY_OFF)
		v = continuity_step(&out->continuity, &out->past, h, p->len - h->header_len,
				    p->at_us, is_secure(p->stream));
	if (v != CONTINUITY_PASS)
		return fates[v];
	if (out->types)
		h->payload_type = out->types->to[h->payload_type];
	rtp_write(h, p->data);
	return FATE_SENT;
}

void forward_name(const struct forward *f, const struct stream *s, char out[RTCP_HIDE_CNAME_LEN])
{
	/* Of whom it hears it says nothing: it is the same whoever speaks. */
	const struct rtcp_hide h = {f->hide, s->main->party};
	rtcp_hide_name(&h, STR("relay"), out);
}

/* Where reports are ours only feedback goes on. */
static void keep_feedback(const struct forward *f, struct pkt *p, size_t *len)
{
	char name[RTCP_HIDE_CNAME_LEN];
	forward_name(f, p->out, name);
	rtcp_make_keep(p->data, len, name);
}

/* RTCP speaks of the numbers that its receiver knows. */
static enum pkt_fate translate(const struct forward *f, struct pkt *p)
{
	struct stream *in = p->stream->main, *out = p->out->main;
	const struct rtcp_map m = {&out->continuity, &in->continuity, &out->past, &in->past};
	size_t len = p->len;
	if (!rtcp_map_is_needed(&m))
		return FATE_SENT;
	if (out->continuity.state == CONTINUITY_GIVEN)
		return FATE_MOVED;
	rtcp_map(p->data, &len, &m);
	if (out->reports)
		keep_feedback(f, p, &len);
	p->len = (uint32_t)len;
	return len > 0 ? FATE_SENT : FATE_HIDDEN;
}

/* Where a packet leaves, and how it looks there. */
static enum pkt_fate leave(const struct forward *f, struct pkt *p, struct rtp *h, uint64_t now_us)
{
	const enum pkt_fate fate = route(p, now_us);
	if (fate != FATE_SENT || p->kind == PKT_RAW)
		return fate;
	if (p->kind == PKT_RTCP)
		return translate(f, p);
	/* A tap may have given it another number. */
	h->seq = (uint16_t)(p->data[2] << 8 | p->data[3]);
	return go_on(p, h);
}

/* The packet is not to be seen on the other side, nor that it was not. */
static enum pkt_fate leave_out(const struct pkt *p, enum pkt_fate why)
{
	if (p->out)
		continuity_pause(&p->out->continuity);
	return why;
}

/* The packet is the party's: learn, count, measure, and find where it goes. */
static enum pkt_fate accept_one(const struct forward *f, struct pkt *p, uint64_t now_us)
{
	struct stream *s = p->stream;
	struct rtp h;
	const enum pkt_fate shape = check_shape(f, p, &h);
	if (shape != FATE_SENT)
		return shape;
	/* Asked again: a packet of this batch may have settled who the party is. */
	const enum latch_answer answer = stream_check_source(s, &p->from, now_us);
	if (answer == LATCH_REFUSE)
		return FATE_SOURCE;
	if (answer == LATCH_PASS || (answer == LATCH_TAKE && may_teach(p)))
		latch_step(&s->latch, &p->from, now_us);
	s->last_us = now_us;
	s->stats.rx_packets++;
	s->stats.rx_bytes += p->came_len;
	s->stats.rx_rtcp_packets += p->kind == PKT_RTCP;
	p->out = s->peer[p->kind == PKT_RTCP ? PKT_RTCP : PKT_RTP];
	if (p->kind != PKT_RTCP)
		s->rtp_us = now_us;
	if (p->kind == PKT_RTP)
		quality_rtp(&s->quality, &h, p->at_us);
	else if (p->kind == PKT_RTCP)
		measure_rtcp(p);
	if (p->kind != PKT_RTCP && (s->flow & STREAM_BLOCKED))
		return leave_out(p, FATE_BLOCKED);
	if (p->kind != PKT_RTCP && (s->flow & STREAM_HOLD))
		return leave_out(p, FATE_DIRECTION);
	if (!stream_take_rate(s, now_us))
		return FATE_RATE;
	if (p->kind == PKT_RTCP && p->len == 0)
		return FATE_HIDDEN;
	if (s->main->tap) {
		const enum pkt_fate fate = show_tap(f, p, &h, now_us);
		if (fate != FATE_SENT)
			return fate;
	}
	return leave(f, p, &h, now_us);
}

static void accept_all(struct forward *f, struct work *w, uint64_t now_us)
{
	size_t kept = 0;
	for (size_t i = 0; i < w->n; i++) {
		struct pkt *p = w->pkt[i];
		const enum pkt_fate fate = accept_one(f, p, now_us);
		if (fate == FATE_SENT)
			w->pkt[kept++] = p;
		else
			forward_settle(f, p, fate);
	}
	w->n = kept;
}

static void send_one(struct forward *f, struct pkt *p)
{
	struct stream_stats *stats = &p->out->stats;
	p->to = p->out->latch.target;
	stats->tx_packets++;
	stats->tx_bytes += p->len;
	stats->tx_rtcp_packets += p->kind == PKT_RTCP;
	f->stats.bytes_out += p->len;
}

static void send_all(struct forward *f, struct work *w)
{
	for (size_t i = 0; i < w->n; i++) {
		send_one(f, w->pkt[i]);
		forward_settle(f, w->pkt[i], FATE_SENT);
	}
}

/* Copies that this part of the batch has made: encrypted, and left in the set with their fates. */
static void send_copies(struct forward *f, unsigned first)
{
	struct tap_set *set = f->taps;
	while (first < set->spare_count) {
		struct work w = {.n = 0};
		for (; first < set->spare_count && w.n < BATCH; first++)
			w.pkt[w.n++] = &set->spares[first];
		crypt_all(f, &w, SRTP_TX);
		for (size_t i = 0; i < w.n; i++)
			send_one(f, w.pkt[i]);
	}
}

static void forward_some(struct forward *f, struct pkt *const pkts[], size_t n, uint64_t now_us)
{
	struct work w;
	const unsigned copies = f->taps ? f->taps->spare_count : 0;
	admit_all(f, pkts, n, now_us, &w);
	crypt_all(f, &w, SRTP_RX);
	accept_all(f, &w, now_us);
	crypt_all(f, &w, SRTP_TX);
	send_all(f, &w);
	if (f->taps && f->taps->spare_count > copies)
		send_copies(f, copies);
}

void forward_batch(struct forward *f, struct pkt *const pkts[], size_t n, uint64_t now_us)
{
	for (size_t at = 0; at < n; at += BATCH)
		forward_some(f, pkts + at, n - at < BATCH ? n - at : BATCH, now_us);
}

enum pkt_fate forward_own(struct forward *f, struct pkt *p)
{
	struct stream *s = p->stream;
	struct tap *t = s->main->tap;
	struct work w = {.pkt = {p}, .n = 1};
	const unsigned copies = f->taps ? f->taps->spare_count : 0;
	struct rtp h;
	CHECK(p->kind == PKT_RTP && s->kind == PKT_RTP);
	if (rtp_decode(p->data, p->len, &h) != OK)
		return FATE_MALFORMED;
	if (t)
		tap_show(f->taps, t, p, &h, true);
	p->out = s->peer[PKT_RTP];
	p->fate = (uint8_t)leave(f, p, &h, p->at_us);
	if (p->fate == FATE_SENT)
		crypt_all(f, &w, SRTP_TX);
	if (p->fate == FATE_SENT)
		send_one(f, p);
	if (t && f->taps->spare_count > copies)
		send_copies(f, copies);
	return (enum pkt_fate)p->fate;
}

enum pkt_fate forward_own_rtcp(struct forward *f, struct pkt *p)
{
	struct work w = {.pkt = {p}, .n = 1};
	struct rtcp_walk walk;
	struct rtcp_part part;
	CHECK(p->kind == PKT_RTCP && rtcp_check(p->data, p->len) == OK);
	p->out = p->stream;
	p->fate = (uint8_t)route(p, p->at_us);
	if (p->fate != FATE_SENT)
		return (enum pkt_fate)p->fate;
	rtcp_walk_init(&walk, p->data, p->len);
	if (rtcp_walk_next(&walk, &part) && part.type == RTCP_SR)
		quality_sr_sent(&p->out->main->quality, part.ntp_mid, p->at_us);
	crypt_all(f, &w, SRTP_TX);
	if (p->fate == FATE_SENT)
		send_one(f, p);
	return (enum pkt_fate)p->fate;
}

static void credit_refused(struct forward *f, struct stream *s, enum pkt_fate fate, uint32_t n)
{
	f->stats.fate[fate] += n;
	if (n > 0)
		stream_count_drop(s, fate, n);
}

void forward_credit(struct forward *f, struct stream *s, const struct forward_credit *c)
{
	struct stream *out = s->peer[PKT_RTP];
	credit_refused(f, s, FATE_SOURCE, c->refused_source);
	credit_refused(f, s, FATE_RATE, c->refused_rate);
	if (c->packets == 0)
		return;
	s->stats.rx_packets += c->packets;
	s->stats.rx_bytes += c->bytes;
	if (c->last_us > s->last_us)
		s->last_us = s->rtp_us = s->latch.last_us = c->last_us;
	quality_take_run(&s->quality, &c->run, c->last_us);
	f->stats.fate[FATE_SENT] += c->packets;
	f->stats.bytes_in += c->bytes;
	f->stats.bytes_out += c->bytes;
	if (!out)
		return;
	out->stats.tx_packets += c->packets;
	out->stats.tx_bytes += c->bytes;
	const struct continuity_run run = {
		.packets = (uint32_t)c->packets,
		.octets = (uint32_t)(c->bytes - c->packets * RTP_HEADER_LEN),
		.timestamp = c->run.last_timestamp,
		.seq = c->run.max_seq};
	continuity_credit(&out->continuity, &run, c->last_us);
}
