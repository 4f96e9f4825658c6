/*
 * The steered back end: datagrams for the whole port range arrive on one socket per worker and family
 * (the sk_lookup program of rtpproxy/bpf), and leave by raw sockets with headers of our own; the
 * kernel still routes, resolves and filters. A port costs a table entry, no descriptor.
 */
#ifndef SALLYPORT_IO_STEERED_H
#define SALLYPORT_IO_STEERED_H

#include "rtpproxy/io/io.h"

struct forward;
struct pins;

struct io_steered_params {
	const struct pins *pins; /* outlives the io */
	unsigned worker;
	int wake_fd;             /* ends a receive */
	struct forward *forward; /* the worker's: what the kernel did is counted there */
	bool with_kernel;        /* plain flows go without us: tier kernel */
	uint64_t orphan_us;      /* flows of an earlier relay go after such a silence */
};

/* Needs CAP_NET_RAW, and CAP_NET_ADMIN for a large receive buffer; nothing of that later. ERR_NOMEM, ERR_IO. */
enum err io_steered_new(const struct io_steered_params *p, struct io **out) MUST_USE;

#endif
