/*
 * A worker of the SBC: one thread, one loop, one core, and the real `struct ports`. It owns every
 * socket and all that the core wants of the world.
 */
#ifndef SALLYPORT_LOOP_H
#define SALLYPORT_LOOP_H

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "sbc/core/sbc.h"
#include "sbc/core/settings.h"

enum {
	LOOP_GENERATIONS_MAX =
		SBC_GENERATIONS_MAX - 1, /* older configurations that calls may still be using */
	LOOP_DRAIN_MS = 3000, /* at most so long calls may take to end after a signal to stop */
	LOOP_CDR_BYTES = 64 * 1024
};

struct loop;

/* Where settings come from: the loop does not read files by itself. */
struct loop_source {
	/* OK: *out is a new configuration; it goes back through `unload`. What is to be said goes to
	 * `errors` and `warnings`, a line each. */
	enum err (*load)(void *ctx, struct settings **out, struct buf *errors,
			 struct buf *warnings);
	void (*unload)(void *ctx, struct settings *s);
	void *ctx;
};

struct loop_params {
	struct settings *settings; /* taken over on success */
	struct loop_source source;
	int log_fd;
	bool log_priority; /* <N> before each line, for the journal */
};

/* Opens everything. On failure the reason, a sentence, is in `why`, and nothing is left open. */
enum err loop_new(struct loop **out, const struct loop_params *p, struct buf *why) MUST_USE;
/* Until a signal says to stop. */
void loop_run(struct loop *l);
void loop_free(struct loop **l);

#endif
