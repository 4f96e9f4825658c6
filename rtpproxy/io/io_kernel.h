/*
 * What the programs in the kernel are told about the ports of one worker, and what they have done:
 * who may send to a port (early drop, tiers steered and kernel) and where RTP leaves again (tier
 * kernel). A flow is given to the kernel when offload.h says so, looked at again as its packets come, and
 * taken back when the core is about to change it, when the routes change, or when the kernel passes up
 * RTP that is not the next packet of what was given away.
 */
#ifndef SALLYPORT_IO_KERNEL_H
#define SALLYPORT_IO_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/err.h"

struct io_steered_params;
struct io_stats;
struct kernel;
struct pkt;
struct stream;

/* ERR_NOMEM, ERR_IO. */
enum err kernel_new(const struct io_steered_params *p, struct kernel **out) MUST_USE;
void kernel_free(struct kernel **k);
/* Readable when routes change; -1: none. */
int kernel_route_fd(const struct kernel *k);
void kernel_routes_changed(struct kernel *k);

/* A port comes, goes. */
void kernel_open(struct kernel *k, uint32_t slot, struct stream *s, uint8_t tos);
void kernel_close(struct kernel *k, uint32_t slot);
void kernel_set_tos(struct kernel *k, uint32_t slot, uint8_t tos);
/* The core is about to look at the stream's figures, or to change it: then its packets come here again. */
void kernel_recall(struct kernel *k, uint32_t slot, bool only_figures);
/* All closes from now on leave in the kernel what it forwards: calls outlive this process. */
void kernel_leave(struct kernel *k);

/* A batch, before and after the core has had it. */
void kernel_before(struct kernel *k, struct pkt *const pkts[], size_t n, uint64_t now_us);
void kernel_after(struct kernel *k, struct pkt *const pkts[], size_t n);
/* Figures come back, of each flow about once a second; flows of earlier lives that fell silent go. */
void kernel_tick(struct kernel *k, uint64_t now_us, struct io_stats *stats);

/* Datagrams that the programs have passed up to this worker so far. */
uint64_t kernel_queued(const struct kernel *k);
/* n of them were read; `empty`: no more were there when `queued` had been passed up. */
void kernel_took(struct kernel *k, size_t n, bool empty, uint64_t queued);

#endif
