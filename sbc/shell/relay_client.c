#include "relay_client.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/bencode.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/relay_conf.h"
#include "common/sockaddr.h"
#include "sbc/shell/clock.h"

enum {
	COOKIE_LEN = 24, /* instance and request id in hex */
	ARENA_BYTES = 512 * 1024,
	SOCKET_BYTES = 4 * 1024 * 1024,
	RELAY_EVENT_BYTES = 4096
};

struct request {
	struct list node; /* in relay.blocked */
	struct relay_client *client;
	id_t64 id;
	id_t64 asked;   /* the core's id; of a probe ID_NONE */
	uint16_t relay; /* where it is now */
	bool is_probe;
	bool is_pinned;
	uint32_t tried; /* relays, a bit each */
	unsigned tries; /* at this relay */
	struct bytes bytes;
	struct turn_timer timer;
};

uint16_t relay_client_choose(const struct relay_client *c, uint32_t tried, uint32_t random)
{
	/* Up with a weight; up as a spare; then those that are down, as a last hope. */
	for (unsigned pass = 0; pass < 3; pass++) {
		uint64_t sum = 0, pick;
		uint16_t last = SETTINGS_NO_INDEX;
		for (size_t round = 0; round < 2; round++) {
			pick = (uint64_t)random * sum >> 32;
			uint64_t running = 0;
			for (size_t i = 0; i < c->count; i++) {
				const struct relay *r = &c->relays[i];
				uint32_t weight = pass == 0 ? r->weight : 1;
				if (tried & 1u << i || weight == 0 || r->is_up != (pass < 2) ||
				    (pass == 1 && r->weight != 0))
					continue;
				running += weight;
				last = r->index;
				if (round == 1 && running > pick)
					return last;
			}
			sum = running;
		}
		if (last != SETTINGS_NO_INDEX)
			return last;
	}
	return SETTINGS_NO_INDEX;
}

static void set_up(struct relay *r, bool up)
{
	bool changed = r->is_up != up || (!up && !r->has_failed);
	r->is_up = up;
	r->has_failed = !up;
	if (changed && r->client->changed)
		r->client->changed(r->client->changed_ctx, r);
}

static void request_free(struct request *q)
{
	struct relay_client *c = q->client;
	turn_timer_stop(c->turn, &q->timer);
	list_del(&q->node);
	bytes_release(&q->bytes, &c->turn->store);
	pool_free(&c->requests, q->id);
}

/* Ends it and tells the core; not from inside the core. */
static void finish(struct request *q, enum relay_result result, const struct dict *reply,
		   struct str error)
{
	struct relay_client *c = q->client;
	struct event e = {.type = EVENT_RELAY_REPLY,
			  .relay = {.id = q->asked,
				    .result = result,
				    .relay = q->relay,
				    .reply = reply,
				    .error = error}};
	request_free(q);
	turn_step(c->turn, &e);
}

/* ---- sockets ---- */

static void on_ready(void *ctx, unsigned ready);

static void relay_close(struct relay *r)
{
	watch_free(&r->watch);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static int connect_unix(const struct relay *r)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	memcpy(sa.sun_path, r->path, strlen(r->path) + 1);
	/* A name of the kernel's choice, so that the relay can answer: no file is left behind. */
	struct sockaddr_un own = {.sun_family = AF_UNIX};
	if (bind(fd, (struct sockaddr *)&own, sizeof(own.sun_family)) == 0 &&
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int connect_udp(const struct relay *r)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_write(&r->addr, &sa);
	int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static enum err relay_open(struct relay *r)
{
	int size = SOCKET_BYTES;
	r->fd = r->is_unix ? connect_unix(r) : connect_udp(r);
	if (r->fd < 0)
		return ERR_IO;
	(void)setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(r->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	enum err e = watch_new(&r->watch, r->client->turn->loop, r->fd, on_ready, r);
	if (!e)
		e = watch_set(r->watch, WATCH_READ);
	if (e)
		relay_close(r);
	return e;
}

/* ---- sending ---- */

static bool move_on(struct request *q);

static void post_result(struct relay_client *c, id_t64 id, enum relay_result result,
			struct str error)
{
	struct event e = {
		.type = EVENT_RELAY_REPLY,
		.relay = {.id = id, .result = result, .relay = SETTINGS_NO_INDEX, .error = error}};
	turn_post(c->turn, &e);
}

/*
 * The socket says that nobody is there. With another relay at hand there is no need to wait. Without one, whoever
 * finds it out waits a little, for a relay that is being started again; who comes after that need not, and asks each once.
 * What belongs to a session of that relay is for nobody else and waits as ever.
 */
static void on_refused(struct relay *r, struct request *q)
{
	bool at_once = !r->is_up && q->tries == 1 && !q->is_pinned;
	set_up(r, false);
	relay_close(r); /* a relay that was started anew has a new socket behind the same name */
	if (q->is_probe)
		return;
	if (at_once)
		q->tries = RELAY_TRIES;
	if (move_on(q) || !at_once)
		return;
	post_result(r->client, q->asked, RELAY_RESULT_TIMEOUT, STR("no relay is there"));
	request_free(q);
}

static void on_unsent(void *ctx, id_t64 tag, int error)
{
	struct relay *r = ctx;
	struct request *q = pool_find(&r->client->requests, tag);
	if (!q)
		return;
	if (error == EAGAIN || error == ENOBUFS) {
		/* Its queue is short (net.unix.max_dgram_qlen): as soon as there is room. */
		if (list_is_empty(&q->node))
			list_add_tail(&r->blocked, &q->node);
		if (r->watch && watch_set(r->watch, WATCH_READ | WATCH_WRITE) != OK)
			relay_close(r);
	} else if (r->fd >= 0) {
		on_refused(r, q);
	}
}

static void relay_flush(struct relay *r)
{
	r->is_dirty = false;
	if (r->fd >= 0)
		(void)dgram_flush(&r->out, r->fd, on_unsent, r);
	else
		r->out.count = r->out.used = 0; /* the timers of the requests send again */
}

static void transmit(struct request *q)
{
	struct relay *r = &q->client->relays[q->relay];
	struct str bytes = {q->bytes.p + q->bytes.start, bytes_len(&q->bytes)};
	q->tries++;
	turn_timer_set(q->client->turn, &q->timer, q->client->turn->now_ms + RELAY_TRY_MS);
	if (!list_is_empty(&q->node))
		return; /* it still waits for room */
	if (r->fd < 0 && relay_open(r) != OK) {
		on_refused(r, q);
		return;
	}
	enum err e = dgram_add(&r->out, NULL, bytes, q->id);
	if (e == ERR_FULL) {
		relay_flush(r);
		e = dgram_add(&r->out, NULL, bytes, q->id);
	}
	r->is_dirty = true;
	(void)NEVER(e != OK);
}

/* To a relay that was not asked yet; false: there is none. */
static bool move_on(struct request *q)
{
	struct relay_client *c = q->client;
	if (q->is_pinned)
		return false;
	uint16_t next = relay_client_choose(c, q->tried, rng_u32(c->rng));
	/* A relay that is down is only worth a try when the one that we have gave up. */
	if (next == SETTINGS_NO_INDEX || (!c->relays[next].is_up && q->tries < RELAY_TRIES))
		return false;
	list_del(&q->node);
	q->relay = next;
	q->tried |= 1u << next;
	q->tries = 0;
	transmit(q);
	return true;
}

static void on_timer(void *ctx)
{
	struct request *q = ctx;
	struct relay_client *c = q->client;
	struct relay *r = &c->relays[q->relay];
	if (q->is_probe) {
		if (++r->probes_lost >= RELAY_PROBES_LOST)
			set_up(r, false);
		request_free(q);
		return;
	}
	if (q->tries < RELAY_TRIES) {
		c->turn->stats.relay_retransmits++;
		transmit(q);
		return;
	}
	set_up(r, false);
	if (move_on(q))
		return;
	c->turn->stats.relay_timeouts++;
	finish(q, RELAY_RESULT_TIMEOUT, NULL, STR("no relay answered"));
}

/* A request with its cookie and bytes; NULL: full, or too long. */
static struct request *request_new(struct relay_client *c, struct str bencode)
{
	char cookie[COOKIE_LEN + 2];
	struct buf b;
	id_t64 id;
	struct request *q = pool_new(&c->requests, &id);
	if (!q)
		return NULL;
	*q = (struct request){.client = c, .id = id};
	list_init(&q->node);
	turn_timer_init(&q->timer, on_timer, q);
	buf_init(&b, cookie, sizeof(cookie));
	buf_printf(&b, "%08x%016llx ", c->instance, (unsigned long long)id);
	struct bytes_store *store = &c->turn->store;
	if (bytes_add(&q->bytes, store, cookie, b.len, RELAY_REQUEST_BYTES) == OK &&
	    bytes_add(&q->bytes, store, bencode.p, bencode.len, RELAY_REQUEST_BYTES) == OK)
		return q;
	request_free(q);
	return NULL;
}

void relay_client_ask(struct relay_client *c, const struct relay_query *query, id_t64 id)
{
	c->turn->stats.relay_requests++;
	uint16_t relay = query->relay;
	bool pinned = relay != SETTINGS_NO_INDEX;
	if (!pinned)
		relay = relay_client_choose(c, 0, rng_u32(c->rng));
	if (relay >= c->count) {
		post_result(c, id, RELAY_RESULT_TIMEOUT, STR("there is no relay"));
		return;
	}
	struct request *q = request_new(c, query->bencode);
	if (!q) {
		post_result(c, id, RELAY_RESULT_ERROR, STR("too many requests to relays"));
		return;
	}
	q->asked = id;
	q->is_pinned = pinned;
	q->relay = relay;
	q->tried = 1u << relay;
	transmit(q);
}

void relay_client_flush(struct relay_client *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->relays[i].is_dirty)
			relay_flush(&c->relays[i]);
}

/* ---- replies ---- */

/* The request that a reply's cookie names, and the rest of the reply. */
static struct request *find_request(struct relay_client *c, struct str bytes, struct str *out_rest)
{
	uint8_t raw[COOKIE_LEN / 2];
	uint32_t instance = 0;
	id_t64 id = 0;
	if (bytes.len <= COOKIE_LEN || bytes.p[COOKIE_LEN] != ' ' ||
	    str_to_hex((struct str){bytes.p, COOKIE_LEN}, raw, sizeof(raw)) != OK)
		return NULL;
	for (size_t i = 0; i < 4; i++)
		instance = instance << 8 | raw[i];
	for (size_t i = 4; i < sizeof(raw); i++)
		id = id << 8 | raw[i];
	*out_rest = str_from_offset(bytes, COOKIE_LEN + 1);
	return instance == c->instance ? pool_find(&c->requests, id) : NULL;
}

/* These say that another relay might do it (ng-protocol §2). */
static bool is_full(struct str result, struct str reason)
{
	static const char *const reasons[] = {"Parallel session limit reached", "Ran out of ports",
					      "Load limit exceeded", "CPU usage limit exceeded",
					      "Bandwidth limit exceeded"};
	if (str_ieq(result, STR("load limit")))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (str_ieq(reason, str_from(reasons[i])))
			return true;
	return false;
}

static void take_probe(struct relay *r, struct request *q, const struct dict *reply)
{
	const struct dict *now =
		dict_get(dict_get(reply, STR("statistics")), STR("currentstatistics"));
	int64_t sessions = dict_get_int(now, STR("sessionstotal"), 0);
	r->sessions = sessions > 0 && sessions < UINT32_MAX ? (uint32_t)sessions : 0;
	request_free(q);
}

/*
 * `WORD d4:datad…e6:notify…e`: the word is not ours to read. The socket is connected, so that a datagram of someone else's does
 * not come here; the core sees whether the word is one that it gave away. False: it is no such thing.
 */
static bool take_event(struct relay *r, struct str bytes)
{
	struct relay_client *c = r->client;
	struct dict *body = NULL;
	size_t space = str_index(bytes, ' ');
	if (space == 0 || space >= bytes.len || bytes.len > RELAY_EVENT_BYTES)
		return false;
	arena_reset(&c->arena);
	if (bencode_parse(str_from_offset(bytes, space + 1), &c->arena, &body) < 0 ||
	    dict_get_str(body, STR("notify")).len == 0)
		return false;
	struct event e = {.type = EVENT_RELAY_TOLD,
			  .told = {.relay = r->index, .word = {bytes.p, space}, .body = body}};
	c->turn->stats.relay_events++;
	turn_step(c->turn, &e);
	return true;
}

static void take_reply(struct relay *r, struct str bytes)
{
	struct relay_client *c = r->client;
	struct str rest;
	struct dict *reply = NULL;
	struct request *q = find_request(c, bytes, &rest);
	if (!q && take_event(r, bytes))
		return;
	arena_reset(&c->arena);
	if (!q || q->relay != r->index || bencode_parse(rest, &c->arena, &reply) < 0 ||
	    reply->type != DICT_DICT) {
		c->turn->stats.relay_stray++;
		return;
	}
	r->probes_lost = 0;
	set_up(r, true);
	if (q->is_probe) {
		take_probe(r, q, reply);
		return;
	}
	struct str result = dict_get_str(reply, STR("result"));
	struct str reason = dict_get_str(reply, STR("error-reason"));
	if (str_eq(result, STR("ok")) || str_eq(result, STR("pong")))
		finish(q, RELAY_RESULT_OK, reply, STR_NONE);
	else if (!is_full(result, reason) || !move_on(q))
		finish(q, RELAY_RESULT_ERROR, NULL, reason.len > 0 ? reason : result);
}

static void send_blocked(struct relay *r)
{
	if (watch_set(r->watch, WATCH_READ) != OK) {
		relay_close(r);
		return;
	}
	for (unsigned i = 0; i < DGRAM_BATCH && !list_is_empty(&r->blocked); i++) {
		struct request *q = LIST_OBJECT(r->blocked.next, struct request, node);
		struct str bytes = {q->bytes.p + q->bytes.start, bytes_len(&q->bytes)};
		list_del(&q->node);
		if (dgram_add(&r->out, NULL, bytes, q->id) != OK) {
			list_add_tail(&r->blocked, &q->node);
			break;
		}
	}
	r->is_dirty = true;
	relay_flush(r);
	if (!list_is_empty(&r->blocked) && r->watch &&
	    watch_set(r->watch, WATCH_READ | WATCH_WRITE) != OK)
		relay_close(r);
}

static void on_ready(void *ctx, unsigned ready)
{
	struct relay *r = ctx;
	struct relay_client *c = r->client;
	turn_begin(c->turn);
	if (ready & WATCH_READ) {
		size_t count = dgram_receive(c->in, r->fd);
		for (size_t i = 0; i < count; i++) {
			struct str bytes;
			if (dgram_get(c->in, i, NULL, &bytes))
				take_reply(r, bytes);
			else
				c->turn->stats.relay_stray++;
		}
	}
	if (ready & WATCH_WRITE && r->watch)
		send_blocked(r);
}

/* ---- health ---- */

static void on_probe(void *ctx)
{
	struct relay *r = ctx;
	struct relay_client *c = r->client;
	turn_timer_set(c->turn, &r->probe, c->turn->now_ms + RELAY_PROBE_MS);
	struct request *q = request_new(c, STR("d7:command10:statisticse"));
	if (!q)
		return;
	q->is_probe = true;
	q->is_pinned = true;
	q->relay = r->index;
	transmit(q);
	if (r->fd < 0) { /* nobody is there: its timer has nothing to wait for */
		request_free(q);
		return;
	}
	turn_timer_set(c->turn, &q->timer, c->turn->now_ms + RELAY_PROBE_MS / 2);
}

/* ---- the client ---- */

static enum err relay_init(struct relay *r, struct relay_client *c, const struct media_relay *m,
			   uint16_t index)
{
	*r = (struct relay){.client = c, .index = index, .weight = m->weight, .fd = -1};
	r->name_len = (uint8_t)(m->name.len < sizeof(r->name) ? m->name.len : sizeof(r->name));
	memcpy(r->name, m->name.p, r->name_len);
	/* Believed until it fails: the first call after the start does not wait for a probe. */
	r->is_up = true;
	list_init(&r->blocked);
	turn_timer_init(&r->probe, on_probe, r);
	struct relay_url url;
	enum err e = relay_conf_read_url(m->url, &url);
	if (!e) {
		r->is_unix = url.kind == RELAY_URL_UNIX;
		r->addr = url.addr;
		e = str_copy(url.path, r->path, sizeof(r->path));
	}
	if (!e)
		e = dgram_out_init(&r->out);
	if (!e)
		turn_timer_set(c->turn, &r->probe, c->turn->now_ms);
	return e;
}

enum err relay_client_init(struct relay_client *c, struct turn *turn, struct dgram_in *in,
			   struct rng *rng, const struct settings *s)
{
	*c = (struct relay_client){.turn = turn, .in = in, .rng = rng};
	if (s->relay_count > RELAY_MAX)
		return ERR_LIMIT;
	clock_random(&c->instance, sizeof(c->instance));
	enum err e = pool_init(&c->requests, sizeof(struct request), RELAY_REQUESTS_MAX, 0);
	if (!e)
		e = arena_init_sized(&c->arena, ARENA_BYTES);
	for (size_t i = 0; !e && i < s->relay_count; i++) {
		c->count++;
		e = relay_init(&c->relays[i], c, &s->relays[i], (uint16_t)i);
	}
	if (e)
		relay_client_release(c);
	return e;
}

void relay_client_release(struct relay_client *c)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct request *q;
	while (c->requests.chunks && (q = pool_next(&c->requests, &cursor, &id)) != NULL)
		request_free(q);
	for (size_t i = 0; i < c->count; i++) {
		turn_timer_stop(c->turn, &c->relays[i].probe);
		relay_close(&c->relays[i]);
		dgram_out_release(&c->relays[i].out);
	}
	c->count = 0;
	pool_release(&c->requests);
	arena_release(&c->arena);
}
