/* The story of a run for people: every message with its virtual time, as TAP comments. */
#ifndef SALLYPORT_SIM_LADDER_H
#define SALLYPORT_SIM_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"
#include "common/str.h"

struct ladder {
	bool on;
	bool whole; /* print messages whole, not their first line only */
	uint64_t start_ms;
};

/* `fate`: "", "lost", "twice", … */
void ladder_message(const struct ladder *l, uint64_t now_ms, const char *from, const char *to,
		    struct str bytes, const char *fate);
void ladder_say(const struct ladder *l, uint64_t now_ms, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
