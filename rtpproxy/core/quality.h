/*
 * How well does one incoming stream arrive: loss, jitter (RFC 3550 §6.4.1, A.3, A.8), round trip
 * from RTCP passing by, and the E-model's R and MOS (ITU-T G.107 with the defaults of G.113).
 */
#ifndef SALLYPORT_QUALITY_H
#define SALLYPORT_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

struct rtp;
struct rtcp_block;

enum {
	QUALITY_INTERVAL_US = 5000000, /* one MOS value for each */
	QUALITY_CLOCK_DEFAULT = 8000,
	QUALITY_SR_KEPT = 2,
	QUALITY_DROPOUT = 3000, /* A.1: a larger gap is a restart of the sender */
	QUALITY_MISORDER = 100,
	QUALITY_RTT_MAX_US = 10000000 /* more is a lie */
};

/* A codec as the E-model sees it. */
struct quality_codec {
	const char *name;  /* as in a=rtpmap */
	float ie;          /* equipment impairment */
	float bpl;         /* robustness against loss */
	uint8_t packet_ms; /* usual packet time and look-ahead together */
};

/* By encoding name, letters without case; G.711 with concealment for one that has no narrowband
 * value. Static. */
const struct quality_codec *quality_codec_find(struct str name);

/* What the worst and the best interval were made of. */
struct quality_mark {
	uint64_t at_us; /* its end; 0: there is none yet */
	uint32_t rtt_us;
	float loss, jitter_ms;
};

struct quality {
	/* what every packet needs: the SSRC of now */
	uint32_t clock_rate;
	uint32_t ssrc;
	uint32_t cycles, base_seq, bad_seq;
	uint32_t received;
	uint32_t transit;
	uint32_t last_timestamp;
	uint32_t jitter_x16; /* timestamp units × 16 */
	uint16_t max_seq;
	uint8_t payload_type;
	bool started, has_transit;
	uint64_t interval_start_us;
	/* sources before it, and the interval under way */
	uint64_t past_expected, past_received;
	uint64_t interval_expected, interval_received;
	const struct quality_codec *codec;
	uint32_t ssrc_changes;
	/* from RTCP */
	uint32_t rtt_us; /* relay ↔ this party; 0: not known */
	uint32_t peer_jitter;
	uint8_t peer_fraction_lost;
	struct {
		uint32_t ntp_mid;
		uint64_t at_us;
	} sent_sr[QUALITY_SR_KEPT];
	/* MOS × 1000 of the finished intervals */
	uint32_t mos_count, mos_sum, mos_min, mos_max;
	struct quality_mark worst, best;
};

struct quality_report {
	uint64_t expected, received, lost; /* lost is never negative */
	double loss;                       /* 0 … 1 over the whole life */
	double jitter_ms;
	double rtt_ms; /* 0: not known */
	double r, mos; /* of the whole life */
	double mos_avg, mos_min,
		mos_max; /* of the intervals; the same as mos when none has ended */
	struct quality_mark worst, best;
	uint32_t samples;
	uint32_t ssrc;
	uint32_t timestamp; /* of the last packet */
	uint16_t seq;
	uint8_t payload_type;
	double peer_loss; /* what the party says about what we send it, 0 … 1 */
};

void quality_init(struct quality *q);
/* Codec of the stream; clock_rate > 0. */
void quality_set_codec(struct quality *q, const struct quality_codec *codec, uint32_t clock_rate);
/* A packet that was accepted. */
void quality_rtp(struct quality *q, const struct rtp *h, uint64_t at_us);
/* What somebody else has measured of this stream with the same rules, from where `q` was on. */
struct quality_run {
	uint32_t cycles, received; /* received: since the last such call */
	uint32_t transit, last_timestamp, jitter_x16;
	uint16_t max_seq;
};
/* at_us: of its last packet. */
void quality_take_run(struct quality *q, const struct quality_run *r, uint64_t at_us);
/* An SR went out to this party. */
void quality_sr_sent(struct quality *q, uint32_t ntp_mid, uint64_t at_us);
/* A report block came from this party. */
void quality_block(struct quality *q, const struct rtcp_block *b, uint64_t at_us);
/* `other_rtt_ms`: round trip of the other party, which the talk also has to travel; 0 if not known.
 */
void quality_report(const struct quality *q, double other_rtt_ms, struct quality_report *out);

/* G.107 with default values: loss in %, d mouth-to-ear in ms. */
double quality_r(double loss_percent, double delay_ms, const struct quality_codec *codec);
double quality_mos(double r);

#endif
