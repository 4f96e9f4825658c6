/*
 * The thread that writes recordings: takes what the workers put into their rings and makes files of it, below one
 * directory, mode 0600. A recording is NAME.pcap.part while it grows; at its end NAME.json and NAME.pcap appear by
 * rename, so that whoever sees a NAME.pcap sees it whole. A disk that is full, or a file at its limit, ends the
 * recording, not the call: what was written until then is kept and marked incomplete.
 */
#ifndef SALLYPORT_RECORDER_H
#define SALLYPORT_RECORDER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/log.h"
#include "rtpproxy/core/limits.h"
#include "rtpproxy/core/record.h"

enum { RECORDER_BUCKETS = 1024 };

struct recorder_file;

struct recorder {
	pthread_t thread;
	bool running;
	_Atomic bool stop;
	int dir_fd, wake_fd; /* an eventfd */
	unsigned ring_count;
	struct record_ring rings[LIMIT_WORKERS];       /* one for each worker */
	uint64_t file_max;                             /* bytes of one file */
	struct recorder_file *files[RECORDER_BUCKETS]; /* open ones */
	unsigned file_count;
	uint64_t flushed_ms;
	struct log log;
	/* for other threads */
	_Atomic uint64_t finished, failed, discarded, bytes, packets, lost;
};

struct recorder_params {
	const char *dir; /* exists, and may be written to */
	unsigned workers;
	uint64_t file_max; /* 0: LIMIT_RECORDING_BYTES */
	enum log_level log_level;
	log_sink_fn log_sink;
};

/* ERR_IO (errno says why), ERR_NOMEM. On failure nothing is left. No thread yet. */
enum err recorder_init(struct recorder *r, const struct recorder_params *p) MUST_USE;
enum err recorder_start(struct recorder *r) MUST_USE;
/* A worker's, where `wake_fd` is the recorder's: a recording has begun, and the thread may be at rest. */
void recorder_wake(int wake_fd);
/* Writes what is in the rings now; true if there was anything. Only the thread, or who has not started one. */
bool recorder_turn(struct recorder *r);
/* Ends the thread, writes what is left, and finishes all files. The workers have ended before. */
void recorder_release(struct recorder *r);

#endif
