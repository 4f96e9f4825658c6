/*
 * Names to addresses for ports.resolve: RFC 3263 (locate.h) over c-ares, with a cache. One answer a
 * request, after RESOLVE_DEADLINE_MS at the latest, with what is known by then. The cache believes
 * a TTL between RESOLVE_TTL_MIN_S and RESOLVE_TTL_MAX_S; a question without an answer counts as
 * "none" for the shortest time, so that a dead server is not asked for every call.
 */
#ifndef SALLYPORT_RESOLVE_H
#define SALLYPORT_RESOLVE_H

#include "common/pool.h"
#include "common/rng.h"
#include "common/table.h"
#include "sbc/core/ports.h"
#include "sbc/shell/locate.h"
#include "sbc/shell/turn.h"

enum {
	RESOLVE_DEADLINE_MS = 2000,
	RESOLVE_TTL_MIN_S = 5,
	RESOLVE_TTL_MAX_S = 3600,
	RESOLVE_CACHE_MAX = 512,
	RESOLVE_REQUESTS_MAX = 8192,
	RESOLVE_SOCKETS_MAX = 64,
	RESOLVE_TRY_MS = 400,
	RESOLVE_TRIES = 4,
	RESOLVE_HOSTS_MAX = 256 * 1024
};

struct ares_channeldata;

struct resolver_socket {
	struct resolver *resolver;
	int fd; /* -1: free place */
	struct watch *watch;
};

struct resolver {
	struct turn *turn;
	struct rng *rng;
	struct ares_channeldata *channel;
	struct resolver_socket sockets[RESOLVE_SOCKETS_MAX];
	struct pool requests, lookups;
	struct table names;
	struct list oldest;      /* lookups, the oldest first */
	struct turn_timer timer; /* when c-ares wants to be called */
	bool is_dirty;           /* something was learnt: look at all requests again */
	char *hosts;             /* the text of /etc/hosts */
	size_t hosts_len;
};

/* `servers`: "address:port", with commas between; empty: those of /etc/resolv.conf. ERR_BAD: they
 * are none; ERR_NOMEM. */
enum err resolver_init(struct resolver *r, struct turn *turn, struct rng *rng,
		       struct str servers) MUST_USE;
void resolver_release(struct resolver *r);
/* Reads /etc/hosts anew and forgets what is cached. */
void resolver_reload(struct resolver *r);
/* ports.resolve: the answer is posted, or comes later. */
void resolver_ask(struct resolver *r, const struct resolve_query *q, id_t64 id);
/* Once a turn: answers the requests that know enough by now. */
void resolver_flush(struct resolver *r);

#endif
