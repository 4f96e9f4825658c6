/*
 * Is this machine too busy for new calls? Looked at twice a second in the control thread; the workers read the
 * answer (relay_params.overload) when an offer wants a new call. What runs goes on.
 */
#ifndef SALLYPORT_LOAD_H
#define SALLYPORT_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "rtpproxy/core/relay.h"

struct event;
struct event_base;

/* 0: no limit. */
struct load_limits {
	double cpu;         /* per cent of all processors */
	double load;        /* average of the last minute */
	uint64_t bandwidth; /* bytes of media a second */
	uint64_t packets;   /* media packets a second */
};

/* Figures that only grow, but for `load`. */
struct load_sample {
	uint64_t at_us;
	uint64_t cpu_busy, cpu_all; /* same unit */
	uint64_t bytes, packets;
	double load;
};

struct load {
	struct load_limits limits;
	struct load_sample last;
	_Atomic unsigned over; /* enum relay_overload */
	struct event *timer;
	const struct relay_published *published;
	unsigned workers;
};

/* Not running yet: nothing is ever too busy. */
void load_init(struct load *l, const struct load_limits *limits);
/* What this sample says, beside the one before it. Changes l->last alone. */
enum relay_overload load_step(struct load *l, const struct load_sample *s);
/* Begins to look, if there is any limit. ERR_NOMEM. */
enum err load_start(struct load *l, struct event_base *base,
		    const struct relay_published *published, unsigned workers) MUST_USE;
void load_release(struct load *l);

#endif
