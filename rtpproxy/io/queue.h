/*
 * Messages from one thread to one other: a ring of bytes, no lock, no allocation, and an eventfd
 * that wakes the reader. A full queue refuses: the sender of an NG datagram repeats it.
 */
#ifndef SALLYPORT_QUEUE_H
#define SALLYPORT_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/check.h"

struct queue {
	char *ring;
	uint32_t size; /* a power of two */
	int wake_fd;
	_Atomic uint32_t head; /* bytes ever written, modulo 2^32 */
	_Atomic uint32_t tail; /* bytes ever read */
};

/* ERR_NOMEM, ERR_IO. */
enum err queue_init(struct queue *q, uint32_t size) MUST_USE;
void queue_release(struct queue *q);
/* One message of two parts, which are copied. ERR_FULL. Only the one writing thread. */
enum err queue_push(struct queue *q, const void *head, size_t head_len, const void *body,
		    size_t body_len) MUST_USE;
/* The oldest message, valid until queue_pop; NULL: none. 8-byte aligned. Only the reading thread.
 */
const void *queue_peek(struct queue *q, size_t *out_len);
void queue_pop(struct queue *q);
/* Is there room for a message of n bytes? Only the writing thread. */
bool queue_has_room(const struct queue *q, size_t n);
/* Empties the eventfd, before the messages are read. */
void queue_woken(struct queue *q);

#endif
