/*
 * What a call came to, as the dictionary that `query` and `delete` answer with (ng-protocol §5), and
 * as a few sums for the counters of ended calls.
 */
#ifndef SALLYPORT_REPORT_H
#define SALLYPORT_REPORT_H

#include <stdint.h>

#include "common/dict.h"
#include "rtpproxy/core/call.h"

/* What is added to the counters when a dialogue ends. */
struct report_sums {
	uint64_t packets, bytes, errors;
	uint64_t lost, expected;
	uint64_t quality_samples; /* directions that had media */
	uint64_t mos_x1000, jitter_us;
	bool one_way;     /* one party sent, the other did not */
	unsigned silents; /* media lines on which a party sent nothing */
};

/* `names` restricts the tags; `now_us` turns monotonic into wall time with `wall_us`. */
struct report_time {
	uint64_t now_us, wall_us;
};

/* Adds created, totals, SSRC and tags to `reply`. Only dialogues in `mask`. */
void report_call(struct arena *a, struct dict *reply, const struct call *c, unsigned mask,
		 const struct call_names *names, const struct report_time *t);
void report_totals(struct arena *a, struct dict *reply, const struct call *c, unsigned mask);
void report_sum(const struct dialogue *d, struct report_sums *out);
/* Refused packets of one endpoint. */
uint64_t report_errors(const struct stream *s);

#endif
