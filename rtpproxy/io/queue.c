#include "rtpproxy/io/queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Each message: its length, then its bytes, padded to 8. A length of SKIP fills the ring's end. */
enum { ALIGN = 8 };
static const uint64_t SKIP = UINT64_MAX;

static uint32_t record_size(size_t n)
{
	return (uint32_t)(ALIGN + ((n + ALIGN - 1) & ~(size_t)(ALIGN - 1)));
}

enum err queue_init(struct queue *q, uint32_t size)
{
	CHECK(size >= 64 && (size & (size - 1)) == 0);
	*q = (struct queue){.size = size, .ring = aligned_alloc(64, size), .wake_fd = -1};
	if (!q->ring) {
		return ERR_NOMEM;
	}
	q->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->wake_fd < 0) {
		free(q->ring);
		q->ring = NULL;
		return ERR_IO;
	}
	return OK;
}

void queue_release(struct queue *q)
{
	if (q->ring) {
		close(q->wake_fd);
		free(q->ring);
	}
	*q = (struct queue){.wake_fd = -1};
}

bool queue_has_room(const struct queue *q, size_t n)
{
	uint32_t at = atomic_load_explicit(&q->head, memory_order_relaxed);
	uint32_t used = at - atomic_load_explicit(&q->tail, memory_order_acquire);
	/* It may have to begin anew at the front. */
	return q->size - used >= 2 * record_size(n);
}

static void put_u64(char *at, uint64_t v)
{
	memcpy(at, &v, sizeof(v));
}

enum err queue_push(struct queue *q, const void *head, size_t head_len, const void *body,
		    size_t body_len)
{
	uint32_t at = atomic_load_explicit(&q->head, memory_order_relaxed);
	uint32_t space = q->size - (at - atomic_load_explicit(&q->tail, memory_order_acquire));
	uint32_t need = record_size(head_len + body_len);
	uint32_t to_end = q->size - (at & (q->size - 1));
	uint32_t skip = need > to_end ? to_end : 0;
	if (head_len + body_len > q->size / 2 || need + skip > space) {
		return ERR_FULL;
	}
	if (skip > 0) {
		put_u64(q->ring + (at & (q->size - 1)), SKIP);
		at += skip;
	}
	char *p = q->ring + (at & (q->size - 1));
	put_u64(p, head_len + body_len);
	memcpy(p + ALIGN, head, head_len);
	if (body_len > 0) {
		memcpy(p + ALIGN + head_len, body, body_len);
	}
	atomic_store_explicit(&q->head, at + need, memory_order_release);
	uint64_t one = 1;
	/* Fails only when the counter is at its end, and then the reader is awake already. */
	ssize_t n = write(q->wake_fd, &one, sizeof(one));
	(void)n;
	return OK;
}

const void *queue_peek(struct queue *q, size_t *out_len)
{
	uint32_t at = atomic_load_explicit(&q->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
	while (at != head) {
		uint64_t len;
		const char *p = q->ring + (at & (q->size - 1));
		memcpy(&len, p, sizeof(len));
		if (len != SKIP) {
			*out_len = (size_t)len;
			return p + ALIGN;
		}
		at += q->size - (at & (q->size - 1));
		atomic_store_explicit(&q->tail, at, memory_order_release);
	}
	return NULL;
}

void queue_pop(struct queue *q)
{
	size_t len;
	const void *p = queue_peek(q, &len);
	CHECK(p != NULL);
	uint32_t at = atomic_load_explicit(&q->tail, memory_order_relaxed);
	atomic_store_explicit(&q->tail, at + record_size(len), memory_order_release);
}

void queue_woken(struct queue *q)
{
	uint64_t n;
	ssize_t r = read(q->wake_fd, &n, sizeof(n));
	(void)r;
}
