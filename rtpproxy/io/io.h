/*
 * Packet I/O behind one struct of functions, so that other back ends can stand beside sockets. One
 * io belongs to one worker and is used by its thread alone.
 */
#ifndef SALLYPORT_IO_H
#define SALLYPORT_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/err.h"
#include "common/check.h"

struct pkt;
struct stream;

enum { IO_BATCH = 64, IO_EARLY = 4 };

struct io_turn {
	size_t count;    /* packets received */
	bool woken;      /* the wake descriptor is readable */
	uint64_t now_us; /* monotonic, read once, after the wait */
};

struct io;

struct io_ops {
	/*
	 * Binds `local` for stream `s` and remembers the stream; s->user is the io's from now on.
	 * ERR_EXISTS: the port is taken; ERR_IO: anything else; ERR_FULL: no descriptor left.
	 * Not a posted port, although style §1 asks for that: binding never waits, and the reply to
	 * an offer needs its outcome.
	 */
	enum err (*open)(struct io *io, const struct addr *local, uint8_t tos, struct stream *s);
	void (*close)(struct io *io, struct stream *s);
	/* Changes the DSCP of packets that leave from this endpoint. */
	void (*set_tos)(struct io *io, struct stream *s, uint8_t tos);
	/*
	 * Waits at most timeout_ms for packets or a wake-up. Packets lie in pkts[0 … count): valid
	 * until the next receive. The pkts array is the io's own.
	 */
	void (*receive)(struct io *io, int timeout_ms, struct pkt *const **out_pkts,
			struct io_turn *out_turn);
	/* Sends those of the last batch whose verdict says so; counts what the kernel refused. */
	void (*send)(struct io *io);
	/* Sends one datagram that is in no batch from an endpoint that is open; counts it when the kernel
	 * refuses. */
	void (*transmit)(struct io *io, struct stream *s, const struct addr *to,
			 const uint8_t *data, size_t len);
	/* May be NULL, as the two below. About every 100 ms, from the worker's thread. */
	void (*tick)(struct io *io, uint64_t now_us);
	/* As relay_ports.recall. */
	void (*recall)(struct io *io, struct stream *s, bool only_figures);
	/* The process ends, calls shall not: what goes on without it is not stopped by close. */
	void (*leave)(struct io *io);
	void (*free)(struct io **io);
};

struct io_stats {
	uint64_t wakeups, send_errors, receive_errors;
	uint64_t early[IO_EARLY]; /* dropped before they reached us: enum relay_bpf_drop */
	uint64_t kernel_flows;    /* that the kernel forwards now */
	uint64_t kernel_packets, kernel_bytes; /* that it has forwarded */
};

struct io {
	const struct io_ops *ops;
	struct io_stats stats;
};

/* The socket back end: one UDP socket a port, epoll. `wake_fd` ends a receive. ERR_NOMEM, ERR_IO. */
enum err io_sock_new(int wake_fd, struct io **out) MUST_USE;

#endif
