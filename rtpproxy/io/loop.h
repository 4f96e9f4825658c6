/*
 * One worker: a thread that owns a relay core and a packet back end, and turns: packets, then
 * commands, then timers. Other threads reach it by its queue alone.
 */
#ifndef SALLYPORT_LOOP_H
#define SALLYPORT_LOOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/log.h"
#include "rtpproxy/core/relay.h"
#include "rtpproxy/io/ask.h"
#include "rtpproxy/io/coalesce.h"
#include "rtpproxy/io/io.h"
#include "rtpproxy/io/io_choice.h"
#include "rtpproxy/io/letters.h"
#include "rtpproxy/io/queue.h"

/* `list` is asked of all workers at once; each fills its part and the last one wakes the asker. */
struct loop_list {
	_Atomic unsigned left;
	int done_fd; /* eventfd */
	struct buf parts[LIMIT_WORKERS];
};

struct loop {
	pthread_t thread;
	bool running;
	unsigned index;
	struct relay relay;
	struct io *io;
	struct coalesce coalesce;
	struct queue queue;     /* commands for it */
	struct queue back;      /* its replies to connections, for the control thread */
	struct letters letters; /* of other workers to it */
	struct loop *all;       /* loop_params.all */
	unsigned count;
	struct loop_list *list;
	struct log log;
	_Atomic uint64_t reply_errors;
	_Atomic uint64_t notified, notify_errors; /* events told to clients, or not */
	_Atomic uint64_t keys_told, key_errors;   /* JSON datagrams about telephone keys */
	struct addr dtmf_dest; /* for the keys of all calls; ADDR_NONE: nowhere */
	int dtmf_fd[2];        /* IPv4, IPv6; -1: not needed yet */
	int record_fd;         /* of recorder_wake */
	_Atomic uint64_t wakeups, send_errors;
	_Atomic uint64_t early[IO_EARLY], kernel_flows, kernel_packets,
		kernel_bytes; /* of io_stats */
	char reply[LIMIT_DATAGRAM];
};

struct loop_params {
	const struct relay_config *config;
	struct relay_published *published;
	struct loop *all; /* [index] is the one that is made; they outlive one another */
	unsigned count;
	struct loop_list *list;
	struct addr dtmf_dest;
	const _Atomic unsigned *overload; /* of load.h */
	struct record_ring *records;      /* one for each worker; NULL: nothing is recorded */
	int record_fd;                    /* of recorder_wake, where records is given */
	enum log_level log_level;
	log_sink_fn log_sink;
	uint32_t coalesce_us;           /* longest sleep between two looks for packets; 0: none */
	const struct io_choice *choice; /* NULL: sockets. Outlives the loops */
};

/* Everything but the thread. Errors of relay_init, ERR_IO. On failure nothing is left. */
enum err loop_init(struct loop *l, unsigned index, const struct loop_params *p) MUST_USE;
enum err loop_start(struct loop *l) MUST_USE;
/* Asks the thread to end, waits for it, and ends all its calls. */
void loop_release(struct loop *l);

#endif
