#include "rtpproxy/io/coalesce.h"

#include "common/check.h"

static const uint32_t second_us = 1000000;

void coalesce_init(struct coalesce *c, uint32_t max_us, uint64_t now_us)
{
	CHECK(max_us <= COALESCE_MAX_US);
	*c = (struct coalesce){.max_us = max_us, .since_us = now_us};
}

static void measure(struct coalesce *c, size_t count, uint64_t now_us)
{
	const uint64_t span_us = now_us - c->since_us;
	c->count += (uint32_t)count;
	if (span_us < COALESCE_SPAN_US)
		return;
	const uint64_t now_rate = (uint64_t)c->count * second_us / span_us;
	/* A pause of its own length ends what was measured before it; else half of it stays. */
	c->rate = span_us >= 4 * (uint64_t)COALESCE_SPAN_US ? (uint32_t)now_rate
							    : (uint32_t)((c->rate + now_rate) / 2);
	c->since_us = now_us;
	c->count = 0;
}

uint32_t coalesce_step(struct coalesce *c, size_t count, size_t room, uint64_t now_us)
{
	if (c->max_us == 0)
		return 0;
	measure(c, count, now_us);
	if (count >= room) /* more is there already */
		return 0;
	if ((uint64_t)c->rate * c->max_us < (uint64_t)COALESCE_GAIN * second_us)
		return 0;
	const uint32_t wish_us = (uint32_t)((uint64_t)COALESCE_WISH * second_us / c->rate);
	return wish_us < c->max_us ? wish_us : c->max_us;
}
