/*
 * Where log lines go: gathered through the turn, written at its end, to a descriptor that may be a
 * pipe or the journal's socket. Never waits: what is not taken is kept, up to LOG_OUT_BYTES, then
 * counted as lost.
 */
#ifndef SALLYPORT_LOG_OUT_H
#define SALLYPORT_LOG_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"
#include "common/log.h"

enum { LOG_OUT_BYTES = 1024 * 1024 };

struct log_out {
	int fd;
	char *p;
	size_t len;
	uint64_t *lost; /* lines; the caller's counter */
};

/* ERR_NOMEM. `lost` outlives it. */
enum err log_out_init(struct log_out *o, int fd, uint64_t *lost) MUST_USE;
void log_out_release(struct log_out *o); /* writes what is left, for at most a second */
/* A log_sink_fn. */
void log_out_line(void *log_out, enum log_level level, struct str line);
void log_out_flush(struct log_out *o);

#endif
