#include "renumber.h"

#include "common/check.h"
#include "rtp.h"

/* Numbers wrap: what lies this far back is brought nearer, long before it would seem to lie ahead. */
enum {
	FAR = 0x4000,
	NEAR = 0x2000,
	RESTART =
		3000 /* further back than this is no late packet (RFC 3550 A.1): the source begins anew */
};

void renumber_init(struct renumber *r)
{
	*r = (struct renumber){0};
}

/* A source that was not seen before begins with its own number. */
static void meet(struct renumber *r, uint32_t ssrc, uint16_t seq)
{
	if (r->started && r->ssrc == ssrc)
		return;
	*r = (struct renumber){.ssrc = ssrc, .started = true};
	r->top = r->out_top = (uint16_t)(seq - 1);
	r->from = r->from_before = (uint16_t)(seq - NEAR);
	r->edge = r->from;
}

/* Far back under the same name: the shift stays, so that it goes on from what was said of it. */
static void restart(struct renumber *r, uint16_t seq)
{
	if (rtp_seq_distance(r->top, seq) >= -RESTART)
		return;
	r->top = (uint16_t)(seq - 1);
	r->out_top = (uint16_t)(r->top + r->shift);
	r->from = r->from_before = r->edge = (uint16_t)(seq - NEAR);
	r->skipped = 0;
	r->inserted = false;
}

static void turn(struct renumber *r, uint16_t seq)
{
	r->shift_before = r->shift;
	if (r->inserted) {
		/* Nothing older has a place any more: ours may have it. */
		r->from = r->from_before = seq;
		r->edge = (uint16_t)(seq - 1);
		r->shift = (uint16_t)(r->out_top + 1 - seq);
	} else {
		r->from_before = r->from;
		r->from = (uint16_t)(r->top + 1);
		r->edge = (uint16_t)(r->top - r->skipped);
		r->shift = (uint16_t)(r->shift - r->skipped);
	}
	r->skipped = 0;
	r->inserted = false;
}

static void advance(struct renumber *r, uint16_t seq)
{
	r->top = seq;
	if (rtp_seq_distance(r->from, seq) <= FAR)
		return;
	r->from = (uint16_t)(seq - NEAR);
	r->from_before = r->edge = r->from;
}

void renumber_begin(struct renumber *r, uint32_t ssrc, uint16_t top)
{
	meet(r, ssrc, (uint16_t)(top + 1));
}

bool renumber_pass(struct renumber *r, uint32_t ssrc, uint16_t seq, uint16_t *out_seq)
{
	meet(r, ssrc, seq);
	restart(r, seq);
	if (rtp_seq_distance(r->top, seq) > 0) {
		if (r->skipped > 0 || r->inserted)
			turn(r, seq);
		advance(r, seq);
		*out_seq = (uint16_t)(seq + r->shift);
		if (rtp_seq_distance(r->out_top, *out_seq) > 0)
			r->out_top = *out_seq;
		return true;
	}
	/* Late. While ours are under way its place may be taken. */
	if (r->inserted)
		return false;
	if (rtp_seq_distance(r->from, seq) >= 0) {
		*out_seq = (uint16_t)(seq + r->shift);
		return true;
	}
	*out_seq = (uint16_t)(seq + r->shift_before);
	return rtp_seq_distance(seq, r->edge) >= 0 && rtp_seq_distance(r->from_before, seq) >= 0;
}

void renumber_skip(struct renumber *r, uint32_t ssrc, uint16_t seq)
{
	meet(r, ssrc, seq);
	restart(r, seq);
	if (rtp_seq_distance(r->top, seq) <= 0)
		return;
	r->skipped++;
	advance(r, seq);
}

uint16_t renumber_insert(struct renumber *r)
{
	CHECK(r->started);
	r->inserted = true;
	return ++r->out_top;
}
