/*
 * The control sockets: NG over UDP and over a Unix datagram socket. Runs in the control thread on
 * libevent. A datagram about a call goes, unparsed, to the worker that owns the hash of its Call-ID;
 * ping, list and statistics are answered here.
 */
#ifndef SALLYPORT_CTL_H
#define SALLYPORT_CTL_H

#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"
#include "common/arena.h"
#include "common/siphash.h"
#include "rtpproxy/core/ng.h"
#include "rtpproxy/core/relay.h"
#include "rtpproxy/io/ask.h"
#include "rtpproxy/io/loop.h"

struct event;
struct event_base;

enum { CTL_SOCKETS_MAX = 8, CTL_PROXIES_MAX = 32 };

/* Where to listen: a path, or else an address. */
struct ctl_listen {
	char path[108];
	struct addr addr; /* family ADDR_NONE: a path */
};

/* Who sends commands, for controlstatistics. */
struct ctl_proxy {
	struct addr addr; /* port 0; family ADDR_NONE: a Unix socket */
	uint64_t requests[NG_COMMAND_COUNT];
	uint64_t errors; /* that no worker has seen: broken, unknown or without a call */
};

struct ctl;
struct ctl_socket {
	struct ctl *ctl;
	struct event *event;
	int fd;
	char path[108]; /* to be removed at the end */
};

struct ctl {
	struct event_base *base;
	struct loop *loops;
	unsigned loop_count;
	const struct relay_config *config;
	struct relay_published *published;
	struct loop_list *list;
	struct event *list_done;
	struct ask_peer list_peer; /* whose list is being gathered */
	struct ng list_ng;
	char list_cookie[128];
	uint32_t list_limit;
	bool list_busy;
	struct siphash_key key;
	struct arena arena;
	struct ctl_socket sockets[CTL_SOCKETS_MAX];
	size_t socket_count;
	struct ctl_proxy proxies[CTL_PROXIES_MAX];
	size_t proxy_count;
	uint64_t refused[REFUSAL_COUNT]; /* here; the workers count what they refuse */
	uint64_t dropped;                /* no cookie, or the worker's queue was full */
	uint64_t started_s;
	char datagram[LIMIT_DATAGRAM + 1], reply[LIMIT_DATAGRAM];
};

struct ctl_params {
	struct event_base *base;
	struct loop *loops;
	unsigned loop_count;
	const struct relay_config *config;
	struct relay_published *published;
	struct loop_list *list;
	uint64_t started_s; /* wall clock */
};

/* ERR_NOMEM, ERR_IO. No sockets yet. On failure nothing is left. */
enum err ctl_init(struct ctl *c, const struct ctl_params *p) MUST_USE;
/* Binds one more. ERR_IO (errno says why), ERR_LIMIT. */
enum err ctl_listen(struct ctl *c, const struct ctl_listen *where) MUST_USE;
void ctl_release(struct ctl *c);
/* The sum of one counter over all workers. */
uint64_t ctl_sum(const struct relay_published *p, unsigned workers, unsigned counter);

#endif
