/*
 * Asks the media relays (NG protocol: a cookie, a space, a bencoded dictionary, over UDP or a Unix
 * datagram socket). The same datagram is sent again until there is an answer (the relay keeps its
 * replies by cookie); a relay that does not answer, or says that it is full, is left for the next
 * one, unless the request belongs to a call that lives on it. Health: every relay is asked for its
 * statistics every two seconds.
 *
 * Timers: of a request, RELAY_TRY_MS until it is sent again or given to the next relay; of a relay,
 * RELAY_PROBE_MS until it is asked how it is.
 */
#ifndef SALLYPORT_RELAY_CLIENT_H
#define SALLYPORT_RELAY_CLIENT_H

#include "common/arena.h"
#include "common/list.h"
#include "common/pool.h"
#include "common/rng.h"
#include "sbc/core/ports.h"
#include "sbc/shell/dgram.h"
#include "sbc/shell/turn.h"

enum {
	RELAY_TRIES = 3,
	RELAY_TRY_MS = 300,
	RELAY_PROBE_MS = 2000,
	RELAY_PROBES_LOST = 2, /* so many probes without answer in a row: it is down */
	RELAY_MAX = 32,
	RELAY_NAME_MAX = 64,
	RELAY_PATH_MAX = 107,
	RELAY_REQUESTS_MAX = 65536,
	RELAY_REQUEST_BYTES = 65000
};

struct relay_client;

struct relay {
	struct relay_client *client;
	uint16_t index;
	uint8_t name_len;
	char name[RELAY_NAME_MAX];
	uint16_t weight;
	bool is_unix;
	char path[RELAY_PATH_MAX + 1];
	struct addr addr;
	int fd; /* -1: to be opened with the next request */
	struct watch *watch;
	struct dgram_out out;
	bool is_dirty;
	bool is_up;
	bool has_failed; /* ever, since the last answer: said once */
	unsigned probes_lost;
	uint32_t sessions;
	struct list blocked; /* requests for which the socket had no room */
	struct turn_timer probe;
};

/* Told when a relay comes up or goes down. */
typedef void (*relay_changed_fn)(void *ctx, const struct relay *r);

struct relay_client {
	struct turn *turn;
	struct dgram_in *in;
	struct rng *rng;
	struct pool requests;
	struct arena arena; /* of one reply */
	uint32_t
		instance; /* in every cookie: a relay that remembers our last run must not mix us up */
	relay_changed_fn changed;
	void *changed_ctx;
	struct relay relays[RELAY_MAX];
	size_t count;
};

/* `in`, `turn` and `rng` outlive it. ERR_BAD: an address that is none; ERR_LIMIT: too many;
 * ERR_NOMEM. A relay that is not there yet is no error. */
enum err relay_client_init(struct relay_client *c, struct turn *turn, struct dgram_in *in,
			   struct rng *rng, const struct settings *s) MUST_USE;
void relay_client_release(struct relay_client *c);
/* ports.relay. */
void relay_client_ask(struct relay_client *c, const struct relay_query *q, id_t64 id);
void relay_client_flush(struct relay_client *c);
/* The relay for a new call: by weight among those that are up and not in `tried` (a bit each);
 * those of weight 0 and then those that are down only when there is no other. SETTINGS_NO_INDEX:
 * all were tried. */
uint16_t relay_client_choose(const struct relay_client *c, uint32_t tried, uint32_t random);

#endif
