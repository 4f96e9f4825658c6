/* Which packet back end: what was asked for, against what this host grants. */
#ifndef SALLYPORT_IO_CHOICE_H
#define SALLYPORT_IO_CHOICE_H

#include <stdbool.h>

#include "common/check.h"
#include "common/err.h"
#include "common/str.h"
#include "rtpproxy/io/pins.h"

enum io_tier {
	IO_TIER_AUTO, /* the best that is granted */
	IO_TIER_SOCKETS,
	IO_TIER_STEERED,
	IO_TIER_KERNEL,
	IO_TIER_COUNT
};

struct io_choice {
	enum io_tier tier; /* never AUTO */
	const char
		*why; /* why not more; NULL: there is no more, or no more was wanted. Static text */
	struct pins pins; /* STEERED, KERNEL */
};

/* "auto", "sockets", "steered", "kernel". */
const char *io_tier_name(enum io_tier t);
bool io_tier_find(struct str name, enum io_tier *out);

/* ERR_IO: not granted what was asked for by name; `why` says why. */
enum err io_choice_make(struct io_choice *c, enum io_tier wanted, const char *dir,
			const struct relay_config *config) MUST_USE;
void io_choice_release(struct io_choice *c);

#endif
