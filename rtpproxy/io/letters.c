#include "rtpproxy/io/letters.h"

#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

enum err letters_init(struct letters *b, int wake_fd)
{
	b->first = 0;
	b->wake_fd = wake_fd;
	atomic_init(&b->count, 0);
	return pthread_mutex_init(&b->lock, NULL) == 0 ? OK : ERR_NOMEM;
}

void letters_close(struct letters *b)
{
	pthread_mutex_lock(&b->lock);
	b->wake_fd = -1;
	pthread_mutex_unlock(&b->lock);
}

bool letters_put(struct letters *b, const struct carry_letter *l)
{
	pthread_mutex_lock(&b->lock);
	const unsigned n = atomic_load(&b->count);
	const bool open = b->wake_fd >= 0 && n < LETTERS_MAX;
	if (open) {
		const uint64_t one = 1;
		b->at[(b->first + n) % LETTERS_MAX] = *l;
		atomic_store(&b->count, n + 1);
		/* Under the lock, so that the descriptor is still the owner's. */
		ssize_t w = write(b->wake_fd, &one, sizeof(one));
		(void)w;
	}
	pthread_mutex_unlock(&b->lock);
	return open;
}

bool letters_take(struct letters *b, struct carry_letter *out)
{
	if (atomic_load(&b->count) == 0) {
		return false;
	}
	pthread_mutex_lock(&b->lock);
	*out = b->at[b->first];
	b->first = (b->first + 1) % LETTERS_MAX;
	atomic_fetch_sub(&b->count, 1);
	pthread_mutex_unlock(&b->lock);
	return true;
}
