#include "continuity.h"

#include "common/check.h"
#include "rtp.h"

enum {
	CLOCK_DEFAULT = 8000,
	STEPS_A_SECOND = 50, /* a new source starts at least a packet of 20 ms after the last one */
	SEQ_START_END = 1 << 15,
	US = 1000000
};

static int32_t after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static uint32_t out_top(const struct continuity *c)
{
	return c->in_top + c->seq_shift;
}

void continuity_init(struct continuity *c, struct continuity_past *past, uint64_t random)
{
	const uint32_t ssrc = (uint32_t)random;
	const uint32_t start = (uint32_t)(random >> 32);
	*c = (struct continuity){.out_ssrc = ssrc ? ssrc : 1, .clock_rate = CLOCK_DEFAULT};
	c->in_top = CONTINUITY_START_MIN - 1 + start % (SEQ_START_END - CONTINUITY_START_MIN);
	*past = (struct continuity_past){0};
}

void continuity_set(struct continuity *c, bool on, uint32_t clock_rate)
{
	CHECK(clock_rate > 0);
	c->clock_rate = clock_rate;
	if (!on)
		c->state = CONTINUITY_OFF;
	else if (c->state == CONTINUITY_OFF)
		c->state = c->packets > 0 ? CONTINUITY_WAITING : CONTINUITY_FRESH;
}

static uint32_t gap_of(const struct continuity *c, uint64_t at_us)
{
	const uint64_t gap_us = at_us > c->top_us ? at_us - c->top_us : 0;
	return (uint32_t)(gap_us / US * c->clock_rate + gap_us % US * c->clock_rate / US);
}

/* The timestamp of a packet that has nothing to do with the one before. */
static uint32_t next_timestamp(const struct continuity *c, uint64_t at_us)
{
	const uint32_t gap = gap_of(c, at_us), step = c->clock_rate / STEPS_A_SECOND;
	return c->top_ts + (gap > step ? gap : step);
}

uint32_t continuity_timestamp(const struct continuity *c, uint64_t now_us)
{
	return c->top_ts + gap_of(c, now_us);
}

/* This packet is the first of the source from now on. */
static void begin(struct continuity *c, struct continuity_past *past, const struct rtp *h,
		  uint64_t at_us)
{
	const bool fresh = c->packets == 0 && c->state == CONTINUITY_FRESH;
	const uint32_t next = out_top(c) + 1;
	past->ssrc = c->in_ssrc;
	past->top = c->in_top;
	past->switched_us = at_us;
	past->switches += !fresh;
	past->probing = false;
	past->returns = 0;
	past->hole_count = 0;
	past->lost_base = past->lost_last;
	past->sr_mid[0] = past->sr_mid[1] = 0;
	c->in_ssrc = h->ssrc;
	c->in_top = h->seq;
	c->seq_shift = next - h->seq;
	c->ts_shift = fresh ? 0 : next_timestamp(c, at_us) - h->timestamp;
	/* At the very beginning those that were overtaken still have their place; later it is taken. */
	past->first = fresh ? c->in_top - CONTINUITY_MISORDER : c->in_top;
	c->state = CONTINUITY_FLOWS;
}

/* Renumbers a packet that goes out. */
static enum continuity_verdict pass(struct continuity *c, struct rtp *h, uint32_t seq,
				    uint32_t payload)
{
	h->ssrc = c->out_ssrc;
	h->seq = (uint16_t)seq;
	h->timestamp += c->ts_shift;
	c->packets++;
	c->octets += payload;
	return CONTINUITY_PASS;
}

/* A receiver takes its bearings anew at a marker (RFC 3551 §4.1). */
static enum continuity_verdict pass_first(struct continuity *c, struct continuity_past *past,
					  struct rtp *h, uint32_t payload, uint64_t at_us)
{
	const bool marked = h->marker || c->packets > 0;
	begin(c, past, h, at_us);
	pass(c, h, out_top(c), payload);
	h->marker = marked;
	c->top_ts = h->timestamp;
	c->top_us = at_us;
	return CONTINUITY_PASS;
}

/* The sender's clock jumped under the same SSRC: ours does not. */
static void mend_clock(struct continuity *c, const struct rtp *h, uint64_t at_us)
{
	const int64_t off = after(h->timestamp + c->ts_shift, c->top_ts);
	const int64_t far = (int64_t)CONTINUITY_CLOCK_S * c->clock_rate;
	/* Back as far as a long key press reaches (RFC 4733), forward as far as a silence was long. */
	if (off < -far || off > far + gap_of(c, at_us))
		c->ts_shift = next_timestamp(c, at_us) - h->timestamp;
}

static enum continuity_verdict pass_next(struct continuity *c, struct rtp *h, int step,
					 uint32_t payload, uint64_t at_us)
{
	const uint32_t far = (uint32_t)CONTINUITY_CLOCK_S * c->clock_rate;
	if (h->timestamp + c->ts_shift - c->top_ts + far > 2 * far)
		mend_clock(c, h, at_us);
	c->in_top += (uint32_t)step;
	pass(c, h, out_top(c), payload);
	if (after(h->timestamp, c->top_ts) > 0) {
		c->top_ts = h->timestamp;
		c->top_us = at_us;
	}
	return CONTINUITY_PASS;
}

/* From before the last one: its place is where it was when it was due. */
static enum continuity_verdict pass_late(struct continuity *c, const struct continuity_past *past,
					 struct rtp *h, int back, uint32_t payload)
{
	const uint32_t ext = c->in_top + (uint32_t)back;
	uint32_t shift = c->seq_shift;
	if (after(ext, past->first) < 0)
		return CONTINUITY_LATE;
	for (unsigned i = 0; i < past->hole_count; i++) {
		const struct continuity_hole *hole = &past->holes[i];
		if (after(ext, hole->first) >= 0 && after(ext, hole->last) <= 0)
			return CONTINUITY_LATE;
		if (after(ext, hole->first) < 0) {
			shift = hole->shift;
			break;
		}
	}
	return pass(c, h, ext + shift, payload);
}

static enum continuity_verdict jump(struct continuity *c, struct continuity_past *past,
				    struct rtp *h, uint32_t payload, uint64_t at_us, bool proven)
{
	if (proven || (past->probing && h->seq == past->probe && c->in_top == past->probe_top))
		return pass_first(c, past, h, payload, at_us);
	past->probing = true;
	past->probe = (uint16_t)(h->seq + 1);
	past->probe_top = c->in_top;
	return CONTINUITY_STRAY;
}

static enum continuity_verdict same_source(struct continuity *c, struct continuity_past *past,
					   struct rtp *h, uint32_t payload, uint64_t at_us,
					   bool proven)
{
	const int step = rtp_seq_distance((uint16_t)c->in_top, h->seq);
	if (step > 0 && step < CONTINUITY_DROPOUT) {
		if (c->state == CONTINUITY_PAUSED) {
			c->seq_shift -= (uint32_t)step - 1;
			past->first = c->in_top + (uint32_t)step;
			past->hole_count = 0;
			c->state = CONTINUITY_FLOWS;
		}
		return pass_next(c, h, step, payload, at_us);
	}
	if (step <= 0 && step > -CONTINUITY_MISORDER)
		return pass_late(c, past, h, step, payload);
	return jump(c, past, h, payload, at_us, proven);
}

static enum continuity_verdict other_source(struct continuity *c, struct continuity_past *past,
					    struct rtp *h, uint32_t payload, uint64_t at_us)
{
	const bool alive = at_us < c->top_us + CONTINUITY_LATE_US;
	if (past->beside != 0 && past->beside == h->ssrc && alive)
		return CONTINUITY_PASS;
	if (h->ssrc == past->ssrc && past->switches > 0 &&
	    at_us < past->switched_us + CONTINUITY_LATE_US) {
		if (rtp_seq_distance((uint16_t)past->top, h->seq) <= 0 ||
		    past->returns++ < CONTINUITY_UNDER_WAY)
			return CONTINUITY_LATE;
		/* It goes on: two at a time. */
		past->beside = c->in_ssrc;
	} else if (past->beside == h->ssrc) {
		past->beside = 0;
	}
	return pass_first(c, past, h, payload, at_us);
}

enum continuity_verdict continuity_step(struct continuity *c, struct continuity_past *past,
					struct rtp *h, uint32_t payload, uint64_t at_us,
					bool proven)
{
	if (c->state == CONTINUITY_FLOWS && c->in_ssrc == h->ssrc) {
		const int step = rtp_seq_distance((uint16_t)c->in_top, h->seq);
		if (step > 0 && step < CONTINUITY_DROPOUT)
			return pass_next(c, h, step, payload, at_us);
	}
	switch ((enum continuity_state)c->state) {
	case CONTINUITY_OFF: return CONTINUITY_PASS;
	case CONTINUITY_GIVEN: return CONTINUITY_GONE;
	case CONTINUITY_FRESH:
	case CONTINUITY_WAITING: return pass_first(c, past, h, payload, at_us);
	case CONTINUITY_FLOWS:
	case CONTINUITY_PAUSED:
		return c->in_ssrc == h->ssrc ? same_source(c, past, h, payload, at_us, proven)
					     : other_source(c, past, h, payload, at_us);
	case CONTINUITY_STATE_COUNT: break;
	}
	return CONTINUITY_GONE;
}

/* A hole behind the last number, or the last hole longer. */
static void add_hole(struct continuity *c, struct continuity_past *past, uint32_t first,
		     uint32_t last)
{
	struct continuity_hole *newest =
		past->hole_count > 0 ? &past->holes[past->hole_count - 1] : NULL;
	if (newest && newest->last + 1 == first && last + 1 != first &&
	    newest->last + 1 != newest->first) {
		newest->last = last;
		return;
	}
	if (past->hole_count == CONTINUITY_HOLES) {
		/* Whoever is older than the oldest that we know is too late. */
		past->first = past->holes[0].last + 1;
		for (unsigned i = 0; i + 1 < CONTINUITY_HOLES; i++)
			past->holes[i] = past->holes[i + 1];
		past->hole_count--;
	}
	past->holes[past->hole_count++] = (struct continuity_hole){first, last, c->seq_shift};
}

void continuity_skip(struct continuity *c, struct continuity_past *past, const struct rtp *h)
{
	if (c->state != CONTINUITY_FLOWS || c->in_ssrc != h->ssrc)
		return;
	const int step = rtp_seq_distance((uint16_t)c->in_top, h->seq);
	if (step <= 0 || step >= CONTINUITY_DROPOUT)
		return;
	const uint32_t ext = c->in_top + (uint32_t)step;
	add_hole(c, past, ext, ext);
	c->in_top = ext;
	c->seq_shift--;
}

void continuity_pause(struct continuity *c)
{
	if (c->state == CONTINUITY_FLOWS)
		c->state = CONTINUITY_PAUSED;
}

bool continuity_next(struct continuity *c, struct continuity_past *past, uint64_t at_us,
		     struct rtp *out)
{
	if (c->state == CONTINUITY_OFF || c->state == CONTINUITY_GIVEN)
		return false;
	*out = (struct rtp){.ssrc = c->out_ssrc, .header_len = RTP_HEADER_LEN};
	out->timestamp = next_timestamp(c, at_us);
	if (c->state == CONTINUITY_FLOWS)
		add_hole(c, past, c->in_top + 1, c->in_top);
	c->seq_shift++;
	c->packets++;
	/* Without a source yet there is no later packet that would make these numbers old. */
	if (c->state == CONTINUITY_FRESH) {
		c->state = CONTINUITY_WAITING;
		c->top_ts = out->timestamp;
		c->top_us = at_us;
	}
	out->seq = (uint16_t)out_top(c);
	return true;
}

bool continuity_is_steady(const struct continuity *c, uint32_t ssrc)
{
	return c->state == CONTINUITY_OFF || (c->state == CONTINUITY_FLOWS && c->in_ssrc == ssrc);
}

void continuity_credit(struct continuity *c, const struct continuity_run *run, uint64_t at_us)
{
	if (c->state != CONTINUITY_FLOWS && c->state != CONTINUITY_PAUSED)
		return;
	const int step = rtp_seq_distance((uint16_t)c->in_top, run->seq);
	const uint32_t ts = run->timestamp + c->ts_shift;
	c->packets += run->packets;
	c->octets += run->octets;
	if (step > 0)
		c->in_top += (uint32_t)step;
	if (after(ts, c->top_ts) > 0) {
		c->top_ts = ts;
		c->top_us = at_us;
	}
}

void continuity_take(struct continuity *c, struct continuity_past *past, struct continuity *from,
		     const struct continuity_past *from_past)
{
	const uint32_t rate = c->clock_rate;
	const bool off = c->state == CONTINUITY_OFF;
	if (from->state == CONTINUITY_OFF || from->state == CONTINUITY_GIVEN)
		return;
	*c = *from;
	c->in_top = out_top(from);
	c->seq_shift = c->ts_shift = 0;
	c->in_ssrc = 0;
	c->clock_rate = rate;
	c->state = off ? CONTINUITY_OFF : from->packets > 0 ? CONTINUITY_WAITING : CONTINUITY_FRESH;
	*past = (struct continuity_past){.lost_base = from_past->lost_last,
					 .lost_last = from_past->lost_last};
	from->state = CONTINUITY_GIVEN;
}

uint16_t continuity_seq_in(const struct continuity *c, uint16_t seq_out)
{
	return (uint16_t)(seq_out - c->seq_shift);
}

bool continuity_ext_in(const struct continuity *c, const struct continuity_past *past,
		       uint32_t ext_out, uint32_t *out)
{
	/* Only the low half is sure: who joins late has counted fewer rounds than we have. */
	const int off = rtp_seq_distance((uint16_t)out_top(c), (uint16_t)ext_out);
	const uint32_t ext = c->in_top + (uint32_t)off;
	if (after(ext, past->first) < 0)
		return false;
	*out = ext;
	return true;
}

bool continuity_has_source(const struct continuity *c)
{
	return c->state == CONTINUITY_FLOWS || c->state == CONTINUITY_PAUSED;
}
