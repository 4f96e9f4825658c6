#include "quality.h"

#include "common/check.h"
#include "rtcp.h"
#include "rtp.h"

enum { SEQ_MOD = 1 << 16, BUFFER_MIN_MS = 20 };

/* ITU-T G.113 appendix I, narrow band. The first one stands for wide-band codecs too, which have no value on this scale. */
static const struct quality_codec codecs[] =
	{
		{"PCMU", 0, 25.1f, 20}, {"PCMA", 0, 25.1f, 20},
		{"L8", 0, 4.3f, 20}, /* 64 kbit/s without concealment */
		{"G729", 11, 19, 25},   {"G729A", 11, 19, 25},
		{"GSM-EFR", 5, 10, 20}, {"AMR", 5, 10, 25},
};

const struct quality_codec *quality_codec_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
		if (str_ieq(name, str_from(codecs[i].name)))
			return &codecs[i];
	return &codecs[0];
}

double quality_r(double loss_percent, double delay_ms, const struct quality_codec *codec)
{
	const double late = delay_ms > 177.3 ? 0.11 * (delay_ms - 177.3) : 0;
	const double id = 0.024 * delay_ms + late;
	const double ie = codec->ie;
	const double ie_eff = ie + (95 - ie) * loss_percent / (loss_percent + (double)codec->bpl);
	return 93.2 - id - ie_eff;
}

double quality_mos(double r)
{
	if (r < 0)
		return 1;
	if (r > 100)
		return 4.5;
	/* The curve dips below 1 between R = 0 and 6.5. */
	const double mos = 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6;
	return mos < 1 ? 1 : mos;
}

void quality_init(struct quality *q)
{
	*q = (struct quality){.codec = &codecs[0], .clock_rate = QUALITY_CLOCK_DEFAULT};
}

void quality_set_codec(struct quality *q, const struct quality_codec *codec, uint32_t clock_rate)
{
	CHECK(clock_rate > 0);
	if (clock_rate != q->clock_rate) {
		q->jitter_x16 = 0;
		q->has_transit = false;
	}
	q->codec = codec;
	q->clock_rate = clock_rate;
}

static uint64_t expected_of(const struct quality *q)
{
	return q->started ? (uint64_t)q->cycles + q->max_seq - q->base_seq + 1 : 0;
}

static uint64_t expected_all(const struct quality *q)
{
	return q->past_expected + expected_of(q);
}

static uint64_t received_all(const struct quality *q)
{
	return q->past_received + q->received;
}

/* A new source, or the old one that started over. */
static void start_source(struct quality *q, const struct rtp *h)
{
	q->past_expected = expected_all(q);
	q->past_received = received_all(q);
	q->ssrc = h->ssrc;
	q->base_seq = q->max_seq = h->seq;
	q->cycles = 0;
	q->received = 0;
	q->bad_seq = SEQ_MOD + 1;
	q->has_transit = false;
	q->started = true;
}

/* RFC 3550 A.1 without probation: who gets here has been let in by address or by key. */
static bool count_seq(struct quality *q, const struct rtp *h)
{
	const uint16_t step = (uint16_t)(h->seq - q->max_seq);
	if (step < QUALITY_DROPOUT) {
		if (h->seq < q->max_seq)
			q->cycles += SEQ_MOD;
		q->max_seq = h->seq;
	} else if (step <= SEQ_MOD - QUALITY_MISORDER) {
		if (h->seq != q->bad_seq) {
			q->bad_seq = (uint16_t)(h->seq + 1);
			return false;
		}
		/* Two in order after the jump: it started over. The first of them is lost to the count. */
		start_source(q, h);
	}
	q->received++;
	return true;
}

/*
 * RFC 3550 A.8. Not across a change of payload type, nor for a repeated timestamp: telephone-event packets
 * all carry the time of the key press and would look like jitter.
 */
static void measure_jitter(struct quality *q, const struct rtp *h, uint64_t at_us)
{
	/* In two steps: a wall clock's microseconds times 48,000 do not fit. */
	const uint32_t arrival = (uint32_t)(at_us / 1000000 * q->clock_rate +
					    at_us % 1000000 * q->clock_rate / 1000000);
	const uint32_t transit = arrival - h->timestamp;
	const bool same = q->has_transit && h->payload_type == q->payload_type;
	if (same && h->timestamp == q->last_timestamp)
		return;
	if (same) {
		const int32_t d = (int32_t)(transit - q->transit);
		const uint32_t size = d < 0 ? 0 - (uint32_t)d : (uint32_t)d;
		/* A jump of the sender's clock is no jitter. */
		if (size < q->clock_rate * 2)
			q->jitter_x16 += size - ((q->jitter_x16 + 8) >> 4);
	}
	q->transit = transit;
	q->last_timestamp = h->timestamp;
	q->payload_type = h->payload_type;
	q->has_transit = true;
}

static double loss_between(uint64_t expected, uint64_t received)
{
	return expected > received ? (double)(expected - received) / (double)expected : 0;
}

static double jitter_ms(const struct quality *q)
{
	return (double)q->jitter_x16 / 16 * 1000 / q->clock_rate;
}

/* Mouth to ear: half of each round trip, packet time and look-ahead, and a buffer of twice the jitter. */
static double delay_ms(const struct quality *q, double other_rtt_ms)
{
	const double buffer = 2 * jitter_ms(q);
	return (q->rtt_us / 1000.0 + other_rtt_ms) / 2 + q->codec->packet_ms +
	       (buffer > BUFFER_MIN_MS ? buffer : BUFFER_MIN_MS);
}

static double mos_of(const struct quality *q, double loss, double other_rtt_ms)
{
	return quality_mos(quality_r(100 * loss, delay_ms(q, other_rtt_ms), q->codec));
}

static void end_interval(struct quality *q, uint64_t at_us)
{
	const uint64_t expected = expected_all(q), received = received_all(q);
	const double loss =
		loss_between(expected - q->interval_expected, received - q->interval_received);
	const uint32_t mos = (uint32_t)(1000 * mos_of(q, loss, 0) + 0.5);
	const struct quality_mark mark = {at_us, q->rtt_us, (float)loss, (float)jitter_ms(q)};
	if (q->mos_count == 0 || mos < q->mos_min) {
		q->mos_min = mos;
		q->worst = mark;
	}
	if (q->mos_count == 0 || mos > q->mos_max) {
		q->mos_max = mos;
		q->best = mark;
	}
	q->mos_sum += mos;
	q->mos_count++;
	q->interval_start_us = at_us;
	q->interval_expected = expected;
	q->interval_received = received;
}

void quality_rtp(struct quality *q, const struct rtp *h, uint64_t at_us)
{
	if (!q->started) {
		q->interval_start_us = at_us;
		start_source(q, h);
	} else if (h->ssrc != q->ssrc) {
		q->ssrc_changes++;
		start_source(q, h);
	}
	if (!count_seq(q, h))
		return;
	measure_jitter(q, h, at_us);
	if (at_us >= q->interval_start_us + QUALITY_INTERVAL_US)
		end_interval(q, at_us);
}

void quality_take_run(struct quality *q, const struct quality_run *r, uint64_t at_us)
{
	q->cycles = r->cycles;
	q->max_seq = r->max_seq;
	q->received += r->received;
	q->transit = r->transit;
	q->last_timestamp = r->last_timestamp;
	q->jitter_x16 = r->jitter_x16;
	if (at_us >= q->interval_start_us + QUALITY_INTERVAL_US)
		end_interval(q, at_us);
}

void quality_sr_sent(struct quality *q, uint32_t ntp_mid, uint64_t at_us)
{
	for (int i = QUALITY_SR_KEPT - 1; i > 0; i--)
		q->sent_sr[i] = q->sent_sr[i - 1];
	q->sent_sr[0].ntp_mid = ntp_mid;
	q->sent_sr[0].at_us = at_us;
}

/* RFC 3550 §6.4.1, with the relay in place of the sender: its time of passing the SR on. */
static void measure_rtt(struct quality *q, const struct rtcp_block *b, uint64_t at_us)
{
	const uint64_t held_us = (uint64_t)b->dlsr * 1000000 >> 16;
	for (int i = 0; i < QUALITY_SR_KEPT; i++) {
		if (q->sent_sr[i].at_us == 0 || q->sent_sr[i].ntp_mid != b->lsr)
			continue;
		const uint64_t away_us = at_us - q->sent_sr[i].at_us;
		if (at_us > q->sent_sr[i].at_us && away_us >= held_us &&
		    away_us - held_us < QUALITY_RTT_MAX_US)
			q->rtt_us = (uint32_t)(away_us - held_us);
		return;
	}
}

void quality_block(struct quality *q, const struct rtcp_block *b, uint64_t at_us)
{
	q->peer_fraction_lost = b->fraction_lost;
	q->peer_jitter = b->jitter;
	if (b->lsr != 0)
		measure_rtt(q, b, at_us);
}

void quality_report(const struct quality *q, double other_rtt_ms, struct quality_report *out)
{
	const uint64_t expected = expected_all(q), received = received_all(q);
	const double loss = loss_between(expected, received);
	*out = (struct quality_report){
		.expected = expected,
		.received = received,
		.lost = expected > received ? expected - received : 0,
		.loss = loss,
		.jitter_ms = jitter_ms(q),
		.rtt_ms = q->rtt_us / 1000.0,
		.r = quality_r(100 * loss, delay_ms(q, other_rtt_ms), q->codec),
		.mos = mos_of(q, loss, other_rtt_ms),
		.samples = q->mos_count,
		.ssrc = q->ssrc,
		.timestamp = q->last_timestamp,
		.seq = q->max_seq,
		.payload_type = q->payload_type,
		.peer_loss = q->peer_fraction_lost / 256.0,
	};
	out->mos_avg = out->mos_min = out->mos_max = out->mos;
	if (q->mos_count > 0) {
		out->mos_avg = q->mos_sum / 1000.0 / q->mos_count;
		out->worst = q->worst;
		out->best = q->best;
		out->mos_min = q->mos_min / 1000.0;
		out->mos_max = q->mos_max / 1000.0;
	}
}
