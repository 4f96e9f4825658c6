#include "dgram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/sockaddr.h"

enum { PAYLOAD_MAX = 65507 };

enum err dgram_in_init(struct dgram_in *in, size_t limit)
{
	CHECK(limit > 0 && limit <= DGRAM_MAX);
	*in = (struct dgram_in){.each = limit};
	/* Pages that no datagram reaches are never touched. */
	in->mem = malloc(limit * DGRAM_BATCH);
	if (!in->mem)
		return ERR_NOMEM;
	for (size_t i = 0; i < DGRAM_BATCH; i++) {
		in->parts[i] = (struct iovec){in->mem + i * limit, limit};
		in->headers[i].msg_hdr = (struct msghdr){.msg_name = &in->from[i],
							 .msg_namelen = sizeof(in->from[i]),
							 .msg_iov = &in->parts[i],
							 .msg_iovlen = 1};
	}
	return OK;
}

void dgram_in_release(struct dgram_in *in)
{
	free(in->mem);
	in->mem = NULL;
}

size_t dgram_receive(struct dgram_in *in, int fd)
{
	/* The kernel shortened these for the last batch. */
	for (size_t i = 0; i < in->count; i++)
		in->headers[i].msg_hdr.msg_namelen = sizeof(in->from[i]);
	int n;
	do {
		n = recvmmsg(fd, in->headers, DGRAM_BATCH, MSG_DONTWAIT, NULL);
	} while (n < 0 && errno == EINTR);
	in->count = n > 0 ? (size_t)n : 0;
	return in->count;
}

bool dgram_get(struct dgram_in *in, size_t i, struct addr *from, struct str *out)
{
	CHECK(i < in->count);
	if (from)
		sockaddr_read((const struct sockaddr *)&in->from[i], from);
	*out = (struct str){in->parts[i].iov_base, in->headers[i].msg_len};
	return !(in->headers[i].msg_hdr.msg_flags & MSG_TRUNC);
}

enum err dgram_out_init(struct dgram_out *out)
{
	out->used = 0;
	out->count = 0;
	out->mem = malloc(DGRAM_OUT_BYTES);
	return out->mem ? OK : ERR_NOMEM;
}

void dgram_out_release(struct dgram_out *out)
{
	free(out->mem);
	out->mem = NULL;
}

enum err dgram_add(struct dgram_out *out, const struct addr *to, struct str bytes, id_t64 tag)
{
	if (bytes.len > PAYLOAD_MAX)
		return ERR_LIMIT;
	if (out->count == DGRAM_BATCH || bytes.len > DGRAM_OUT_BYTES - out->used)
		return ERR_FULL;
	size_t i = out->count++;
	if (bytes.len > 0)
		memcpy(out->mem + out->used, bytes.p, bytes.len);
	out->parts[i] = (struct iovec){out->mem + out->used, bytes.len};
	out->used += bytes.len;
	out->tags[i] = tag;
	struct msghdr *h = &out->headers[i].msg_hdr;
	*h = (struct msghdr){.msg_iov = &out->parts[i], .msg_iovlen = 1};
	if (to) {
		h->msg_name = &out->to[i];
		h->msg_namelen = sockaddr_write(to, &out->to[i]);
	}
	return OK;
}

size_t dgram_flush(struct dgram_out *out, int fd, dgram_failed_fn failed, void *ctx)
{
	size_t sent = 0, again = SIZE_MAX;
	for (size_t at = 0; at < out->count;) {
		int n = sendmmsg(fd, out->headers + at, (unsigned)(out->count - at), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0) {
			at += (size_t)n;
			sent += (size_t)n;
			continue;
		}
		/* This one was refused; the others may have other destinations, unless it is the
		 * socket itself that is full. */
		int error = errno;
		/* What an earlier datagram met is told with the next: that one did not go out, and may. */
		if (error != EAGAIN && error != ENOBUFS && again != at) {
			again = at;
			continue;
		}
		size_t end = error == EAGAIN || error == ENOBUFS ? out->count : at + 1;
		for (; at < end; at++)
			failed(ctx, out->tags[at], error);
	}
	out->count = 0;
	out->used = 0;
	return sent;
}
