/*
 * Letters between workers (core/carry.h): a few a transfer, so a lock and a short list do. A full box forgets the letter:
 * the numbers of a party then begin anew, nothing else.
 */
#ifndef SALLYPORT_LETTERS_H
#define SALLYPORT_LETTERS_H

#include <pthread.h>
#include <stdbool.h>

#include "common/err.h"
#include "rtpproxy/core/carry.h"

enum { LETTERS_MAX = 32 };

struct letters {
	pthread_mutex_t lock;
	_Atomic unsigned count;
	unsigned first;
	int wake_fd; /* -1: closed */
	struct carry_letter at[LETTERS_MAX];
};

/* `wake_fd`, an eventfd, is written to for each letter until letters_close. ERR_NOMEM. */
enum err letters_init(struct letters *b, int wake_fd) MUST_USE;
/* Others may go on to put: nothing comes of it. The owner's memory outlives them. */
void letters_close(struct letters *b);
/* By any thread. False: full, or closed. */
bool letters_put(struct letters *b, const struct carry_letter *l);
/* By the owner. False: empty. */
bool letters_take(struct letters *b, struct carry_letter *out);

#endif
