#include "silence.h"

static uint64_t last_of(const struct silence *s, const struct silence_facts *f)
{
	return f->heard_us > s->since_us ? f->heard_us : s->since_us;
}

uint32_t silence_ms(const struct silence *s, const struct silence_facts *f)
{
	const uint64_t last = last_of(s, f);
	const uint64_t ms = f->now_us > last ? (f->now_us - last) / 1000 : 0;
	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static enum silence_event tell(struct silence *s, const struct silence_facts *f,
			       enum silence_state state, uint64_t *out_next_us)
{
	s->state = (uint8_t)state;
	s->told_us = f->now_us;
	*out_next_us = f->now_us + SILENCE_LOOK_US;
	return state == SILENCE_LOST ? SILENCE_IS_LOST : SILENCE_IS_ONE_WAY;
}

static enum silence_event step_told(struct silence *s, const struct silence_facts *f,
				    uint64_t *out_next_us)
{
	if (f->heard_us < s->told_us) {
		*out_next_us = f->now_us + SILENCE_LOOK_US;
		return SILENCE_NOTHING;
	}
	s->state = SILENCE_HEARD;
	*out_next_us = f->heard_us + f->limit_us;
	return SILENCE_IS_BACK;
}

static enum silence_event step_waiting(struct silence *s, const struct silence_facts *f,
				       uint64_t *out_next_us)
{
	const uint64_t last = last_of(s, f);
	if (f->heard_us > 0)
		s->state = SILENCE_HEARD;
	*out_next_us = last + f->limit_us;
	if (f->now_us < *out_next_us)
		return SILENCE_NOTHING;
	if (s->state == SILENCE_HEARD)
		return tell(s, f, SILENCE_LOST, out_next_us);
	if (f->other_us > 0 && f->other_us + f->limit_us > f->now_us)
		return tell(s, f, SILENCE_ONE_WAY, out_next_us);
	*out_next_us = f->now_us + f->limit_us;
	return SILENCE_NOTHING;
}

enum silence_event silence_step(struct silence *s, const struct silence_facts *f,
				uint64_t *out_next_us)
{
	*out_next_us = UINT64_MAX;
	if (!f->is_expected) {
		s->since_us = 0;
		/* Whoever was lost before the hold has the whole time again behind it. */
		s->state = f->heard_us > 0 ? SILENCE_HEARD : SILENCE_UNHEARD;
		return SILENCE_NOTHING;
	}
	if (s->since_us == 0)
		s->since_us = f->now_us;
	if (s->state == SILENCE_LOST || s->state == SILENCE_ONE_WAY)
		return step_told(s, f, out_next_us);
	return step_waiting(s, f, out_next_us);
}
