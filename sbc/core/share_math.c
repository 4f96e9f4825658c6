#include "sbc/core/share_math.h"

#include <math.h>

#include "common/check.h"

int64_t share_math_lease(int64_t limit, int64_t used, const struct share_part *others, size_t count,
			 int64_t *out_used)
{
	int64_t all = used, held = 0;
	const int64_t nodes = (int64_t)count + 1;

	for (size_t i = 0; i < count; i++) {
		all += others[i].used;
		held += others[i].held > others[i].used ? others[i].held : others[i].used;
	}
	const int64_t spare = limit > all ? limit - all : 0, room = limit > held ? limit - held : 0;
	/* Rounded up: of the last one each may hope for it, and who asks first has it. */
	const int64_t want = used + (spare + nodes - 1) / nodes;

	*out_used = all;
	return want < room ? want : room;
}

int64_t share_math_rate(const struct share_rate *r, int64_t want, double now_us, double *tat_us,
			int64_t *out_wait_ms)
{
	CHECK(r->count > 0 && r->per_ms > 0 && r->burst > 0);
	const double each = (double)r->per_ms * 1000.0 / (double)r->count;
	const double all = each * (double)r->burst;
	double tat = *tat_us > now_us ? *tat_us : now_us;

	/* A clock that was set back, a store that was restored. */
	if (tat > now_us + all)
		tat = now_us + all;
	/* The half of a microsecond: what was granted to the last one must not be lost in rounding. */
	int64_t granted = (int64_t)floor((all - (tat - now_us) + 0.5) / each);
	granted = granted < want ? granted : want;
	tat += each * (double)granted;
	if (tat < now_us) /* more was given back than is missing */
		tat = now_us;
	const double wait = tat - now_us - (all - each);
	*out_wait_ms = wait > 0 ? (int64_t)ceil(wait / 1000.0) : 0;
	*tat_us = tat;
	return granted;
}
