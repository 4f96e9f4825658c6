/*
 * Descriptors, signals and the wait for them, over libevent: one file, because libevent and the
 * core both have a `struct event`. A watch calls its function when its descriptor is ready; it may
 * free itself there.
 */
#ifndef SALLYPORT_WATCH_H
#define SALLYPORT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"

struct watch;
struct watch_loop;
struct event_base;

enum { WATCH_READ = 1, WATCH_WRITE = 2 };

typedef void (*watch_fn)(void *ctx, unsigned ready);

/* ERR_NOMEM. */
enum err watch_loop_new(struct watch_loop **out) MUST_USE;
void watch_loop_free(struct watch_loop **l);
/* For evhttp and bufferevents. */
struct event_base *watch_loop_base(struct watch_loop *l);
/* Waits at most timeout_ms (0: not at all; UINT64_MAX: as long as it takes) and serves what is
 * ready, once. */
void watch_loop_wait(struct watch_loop *l, uint64_t timeout_ms);

/* Watches for nothing yet. The descriptor stays the caller's. ERR_NOMEM. */
enum err watch_new(struct watch **out, struct watch_loop *l, int fd, watch_fn fn,
		   void *ctx) MUST_USE;
/* ERR_NOMEM: the kernel or libevent could not; it watches for nothing then. */
enum err watch_set(struct watch *w, unsigned what) MUST_USE;
/* Its function is called once more, in this turn or the next, as if it were ready to read. */
void watch_again(struct watch *w);
/* Before the descriptor is closed. */
void watch_free(struct watch **w);

/* Calls fn(ctx, signal) from the loop, not from the signal handler. */
enum err watch_signal_new(struct watch **out, struct watch_loop *l, int signal, watch_fn fn,
			  void *ctx) MUST_USE;

#endif
