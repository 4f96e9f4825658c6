#include "sbc/core/breaker.h"

bool breaker_ask(struct breaker *b, uint64_t now_ms)
{
	switch (b->state) {
	case BREAKER_CLOSED: return true;
	case BREAKER_RESTING:
		if (now_ms < b->until_ms)
			return false;
		b->state = BREAKER_TRIAL;
		return true;
	case BREAKER_TRIAL:
	case BREAKER_STATE_COUNT: break;
	}
	return false;
}

bool breaker_would_ask(const struct breaker *b, uint64_t now_ms)
{
	struct breaker copy = *b;

	return breaker_ask(&copy, now_ms);
}

bool breaker_failed(struct breaker *b, const struct breaker_rule *r, uint64_t now_ms)
{
	/* One that was asked before it opened says nothing new. */
	if (r->failures == 0 || b->state == BREAKER_RESTING)
		return false;
	bool trial = b->state == BREAKER_TRIAL;
	if (!trial && ++b->failures < r->failures)
		return false;
	b->state = BREAKER_RESTING;
	b->until_ms = now_ms + r->rest_ms;
	b->failures = 0;
	return !trial;
}

bool breaker_worked(struct breaker *b)
{
	bool was_open = b->state != BREAKER_CLOSED;

	*b = (struct breaker){.state = BREAKER_CLOSED};
	return was_open;
}

void breaker_dropped(struct breaker *b, uint64_t now_ms)
{
	if (b->state != BREAKER_TRIAL)
		return;
	b->state = BREAKER_RESTING;
	b->until_ms = now_ms; /* the next one is the trial */
}
