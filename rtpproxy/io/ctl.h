/*
 * Control: NG over datagrams (ctl_dgram) and connections (ctl_conn, ctl_http). Runs in the control thread on
 * libevent. A request about a call goes, unparsed, to the worker that owns the hash of its Call-ID; ping,
 * list and statistics are answered here.
 */
#ifndef SALLYPORT_CTL_H
#define SALLYPORT_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/addr.h"
#include "common/arena.h"
#include "common/pool.h"
#include "common/siphash.h"
#include "rtpproxy/core/ng.h"
#include "rtpproxy/core/relay.h"
#include "rtpproxy/io/ask.h"
#include "rtpproxy/io/loop.h"

struct event;
struct event_base;

enum {
	CTL_SOCKETS_MAX = 16,
	CTL_PROXIES_MAX = 32,
	CTL_CONNS_MAX = 256,          /* connections at once; further ones are closed */
	CTL_MESSAGE_MAX = 256 * 1024, /* one request on a connection */
	CTL_STREAM_REPLY_MAX = 16383, /* ctl_reply_max */
	CTL_MESSAGE_MS = 10000, /* from the first octet of a request to its last; to take a reply */
	CTL_IDLE_MS = 15 * 60 * 1000, /* without any request */
	CTL_WS_PING_MS = 30000,       /* a WebSocket may be quiet for ever, if it answers */
	CTL_USERS_MAX = 8
};

/* What is spoken on a socket. */
enum ctl_kind { CTL_DATAGRAM, CTL_STREAM, CTL_HTTP, CTL_KIND_COUNT };

/* Where to listen: a path, or else an address. */
struct ctl_listen {
	enum ctl_kind kind;
	char path[108];
	struct addr addr; /* family ADDR_NONE: a path */
	mode_t mode;      /* of the path */
	bool look_only;   /* HTTP: /metrics and /ping, no commands */
	bool by_name;     /* HTTP: a page may call us by a name */
};

/* Who may ask over a Unix socket, beside root, our own user and those of our group. */
struct ctl_users {
	uid_t at[CTL_USERS_MAX];
	unsigned count;
};

/* Who sends commands, for controlstatistics. */
struct ctl_proxy {
	struct addr addr; /* port 0; family ADDR_NONE: a Unix socket */
	uint64_t requests[NG_COMMAND_COUNT];
	uint64_t errors; /* that no worker has seen: broken, unknown or without a call */
};

/* Media a second, of the last second or so. */
struct ctl_rates {
	uint64_t at_ms;
	uint64_t packets, bytes, errors; /* until then */
	uint64_t packets_s, bytes_s, errors_s;
};

struct ctl;
struct ctl_socket {
	struct ctl *ctl;
	struct event *event;
	int fd;
	enum ctl_kind kind;
	bool look_only, by_name;
	char path[108]; /* to be removed at the end */
};

/* Replies of a worker to connections. */
struct ctl_back {
	struct ctl *ctl;
	struct loop *loop;
	struct event *event;
};

struct ctl {
	struct event_base *base;
	struct loop *loops;
	unsigned loop_count;
	const struct relay_config *config;
	struct relay_published *published;
	struct loop_list *list;
	const struct recorder *recorder; /* NULL: nothing is recorded */
	struct event *list_done;
	struct ask_peer list_peer; /* whose list is being gathered */
	struct ng list_ng;
	char list_cookie[128];
	uint32_t list_limit;
	bool list_busy;
	struct siphash_key key;
	struct arena arena;
	struct ctl_users users;
	struct ctl_socket sockets[CTL_SOCKETS_MAX];
	size_t socket_count;
	struct ctl_back backs[LIMIT_WORKERS];
	struct pool conns;        /* struct ctl_conn */
	struct event *conn_timer; /* once a second */
	struct ctl_rates rates;
	uint64_t conns_refused; /* all places taken, or not allowed to ask */
	uint64_t conns_timed_out;
	uint64_t conns_broken; /* closed for what they sent */
	struct ctl_proxy proxies[CTL_PROXIES_MAX];
	size_t proxy_count;
	uint64_t refused[REFUSAL_COUNT]; /* here; the workers count what they refuse */
	uint64_t dropped; /* no cookie, not allowed, or the worker's queue was full */
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
	const struct ctl_users *users; /* NULL: none */
	uint64_t started_s;            /* wall clock */
};

/* ERR_NOMEM, ERR_IO. No sockets yet. On failure nothing is left. */
enum err ctl_init(struct ctl *c, const struct ctl_params *p) MUST_USE;
/* Binds one more. ERR_IO (errno says why), ERR_LIMIT. */
enum err ctl_listen(struct ctl *c, const struct ctl_listen *where) MUST_USE;
/*
 * One request, whole. It is answered by ctl_conn_reply or ask_reply, now or later; false: never (it has no
 * cookie and is not plain).
 */
bool ctl_take(struct ctl *c, const struct ask_peer *peer, struct str request, bool plain);
/* The longest reply that this asker can read. */
uint32_t ctl_reply_max(const struct ask_peer *peer, enum ng_command command);
/* May a process of this user and group ask? */
bool ctl_may_ask(const struct ctl *c, uid_t uid, gid_t gid);
void ctl_release(struct ctl *c);
/* The sum of one counter over all workers. */
uint64_t ctl_sum(const struct relay_published *p, unsigned workers, unsigned counter);

#endif
