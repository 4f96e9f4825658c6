#include "clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "common/check.h"

static uint64_t read_us(clockid_t id)
{
	struct timespec ts;
	CHECK(clock_gettime(id, &ts) == 0);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
	/* One second on top, so that 0 can mean "never" also right after the machine's start. */
	return read_us(CLOCK_MONOTONIC) / 1000 + 1000;
}

uint64_t clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

void clock_random(void *out, size_t n)
{
	uint8_t *p = out;
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		CHECK(got > 0);
		p += got;
		n -= (size_t)got;
	}
}
