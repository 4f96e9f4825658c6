#include "log_out.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAST_WAIT_MS = 1000 };

enum err log_out_init(struct log_out *o, int fd, uint64_t *lost)
{
	*o = (struct log_out){.fd = fd, .lost = lost};
	o->p = malloc(LOG_OUT_BYTES);
	return o->p ? OK : ERR_NOMEM;
}

/* Writes as long as the descriptor takes it within wait_ms each time. */
static void write_out(struct log_out *o, int wait_ms)
{
	size_t at = 0;
	while (at < o->len) {
		/* A pipe that polls as writable takes PIPE_BUF bytes without waiting. */
		struct pollfd p = {.fd = o->fd, .events = POLLOUT};
		size_t n = o->len - at < PIPE_BUF ? o->len - at : PIPE_BUF;
		if (poll(&p, 1, wait_ms) != 1 || !(p.revents & POLLOUT))
			break;
		ssize_t done = write(o->fd, o->p + at, n);
		if (done < 0 && errno != EINTR && errno != EAGAIN) {
			at = o->len; /* nobody reads any more */
			break;
		}
		if (done > 0)
			at += (size_t)done;
	}
	o->len -= at;
	memmove(o->p, o->p + at, o->len);
}

void log_out_release(struct log_out *o)
{
	if (!o->p)
		return;
	write_out(o, LAST_WAIT_MS);
	free(o->p);
	o->p = NULL;
}

void log_out_line(void *log_out, enum log_level level, struct str line)
{
	struct log_out *o = log_out;
	(void)level;
	if (line.len > LOG_OUT_BYTES - o->len) {
		++*o->lost;
		return;
	}
	memcpy(o->p + o->len, line.p, line.len);
	o->len += line.len;
}

void log_out_flush(struct log_out *o)
{
	if (o->len > 0)
		write_out(o, 0);
}
