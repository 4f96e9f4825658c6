/* Datagrams in batches: what recvmmsg gave, what sendmmsg will take. No core, no loop. */
#ifndef SALLYPORT_DGRAM_H
#define SALLYPORT_DGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/addr.h"
#include "common/check.h"
#include "common/err.h"
#include "common/id.h"
#include "common/str.h"

enum { DGRAM_BATCH = 64, DGRAM_MAX = 65535, DGRAM_OUT_BYTES = 256 * 1024 };

/* Room for one batch; one for a worker is enough. */
struct dgram_in {
	char *mem;
	size_t each; /* bytes of room for one datagram */
	size_t count;
	struct mmsghdr headers[DGRAM_BATCH];
	struct iovec parts[DGRAM_BATCH];
	struct sockaddr_storage from[DGRAM_BATCH];
};

/* What waits to go out of one socket at the end of the turn. */
struct dgram_out {
	char *mem;
	size_t used;
	size_t count;
	struct mmsghdr headers[DGRAM_BATCH];
	struct iovec parts[DGRAM_BATCH];
	struct sockaddr_storage to[DGRAM_BATCH];
	id_t64 tags[DGRAM_BATCH];
};

/* Tells of a datagram that the kernel did not take; `error` is its errno. */
typedef void (*dgram_failed_fn)(void *ctx, id_t64 tag, int error);

/* Datagrams of up to `limit` bytes; longer ones are marked as cut. ERR_NOMEM. */
enum err dgram_in_init(struct dgram_in *in, size_t limit) MUST_USE;
void dgram_in_release(struct dgram_in *in);
/* Takes one batch off the socket. How many; 0: none is there. */
size_t dgram_receive(struct dgram_in *in, int fd);
/* The i-th of the last batch; false: it was cut. `from` may be NULL. */
bool dgram_get(struct dgram_in *in, size_t i, struct addr *from, struct str *out);

enum err dgram_out_init(struct dgram_out *out) MUST_USE;
void dgram_out_release(struct dgram_out *out);
/* Copies. `to` NULL: the socket is connected. ERR_FULL: flush first; ERR_LIMIT: no datagram can be
 * so long. */
enum err dgram_add(struct dgram_out *out, const struct addr *to, struct str bytes,
		   id_t64 tag) MUST_USE;
/* Sends all; empty afterwards. How many the kernel took. */
size_t dgram_flush(struct dgram_out *out, int fd, dgram_failed_fn failed, void *ctx);

#endif
