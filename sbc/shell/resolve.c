#include "resolve.h"

#include <ares.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "sbc/shell/hosts.h"

enum { SERVERS_TEXT_MAX = 1024 };

/* One question and, once it came, its answer. */
struct lookup {
	struct table_node node;
	struct list age_node;
	struct resolver *resolver;
	id_t64 id;
	struct dns_name name;
	enum dns_type type;
	bool is_pending;
	uint64_t until_ms;
	struct dns_answer answer;
};

struct resolving {
	struct resolver *resolver;
	id_t64 id;
	id_t64 asked; /* the core's */
	struct resolve_query query;
	char host[DNS_NAME_MAX];
	uint64_t random;
	struct turn_timer deadline;
};

/* ---- the cache ---- */

static uint64_t name_hash(const struct resolver *r, const struct dns_name *name, enum dns_type type)
{
	char key[DNS_NAME_MAX + 1];
	key[0] = (char)type;
	memcpy(key + 1, name->text, name->len);
	return table_hash(&r->names, key, (size_t)name->len + 1);
}

static struct lookup *find_lookup(struct resolver *r, const struct dns_name *name,
				  enum dns_type type, uint64_t hash)
{
	for (struct table_node *n = table_first(&r->names, hash); n; n = table_next(n)) {
		struct lookup *l = TABLE_OBJECT(n, struct lookup, node);
		if (l->type == type && dns_name_eq(&l->name, name))
			return l;
	}
	return NULL;
}

static const struct dns_answer *find_answer(void *ctx, const struct dns_name *name,
					    enum dns_type type)
{
	struct resolver *r = ctx;
	const struct lookup *l = find_lookup(r, name, type, name_hash(r, name, type));
	return l && !l->is_pending && l->until_ms > r->turn->now_ms ? &l->answer : NULL;
}

static void drop_lookup(struct lookup *l)
{
	struct resolver *r = l->resolver;
	table_del(&r->names, &l->node);
	list_del(&l->age_node);
	pool_free(&r->lookups, l->id);
}

/* Room for one more: the oldest that nobody waits for goes. */
static struct lookup *new_lookup(struct resolver *r)
{
	id_t64 id;
	struct lookup *l = pool_new(&r->lookups, &id);
	for (struct list *it = r->oldest.next; !l && it != &r->oldest; it = it->next) {
		struct lookup *old = LIST_OBJECT(it, struct lookup, age_node);
		if (old->is_pending)
			continue;
		drop_lookup(old);
		l = pool_new(&r->lookups, &id);
		break;
	}
	if (l)
		l->id = id;
	return l;
}

static void set_answer(struct lookup *l)
{
	struct resolver *r = l->resolver;
	uint32_t ttl = l->answer.ttl_s;
	if (ttl < RESOLVE_TTL_MIN_S)
		ttl = RESOLVE_TTL_MIN_S;
	if (ttl > RESOLVE_TTL_MAX_S)
		ttl = RESOLVE_TTL_MAX_S;
	l->is_pending = false;
	l->until_ms = r->turn->now_ms + (uint64_t)ttl * 1000;
	list_del(&l->age_node);
	list_add_tail(&r->oldest, &l->age_node);
	r->is_dirty = true;
}

/* ---- questions ---- */

static void on_answer(void *ctx, int status, int timeouts, unsigned char *bytes, int len)
{
	struct lookup *l = ctx;
	(void)timeouts;
	if (status == ARES_EDESTRUCTION)
		return;
	struct resolver *r = l->resolver;
	turn_begin(r->turn);
	enum err e = ERR_IO;
	if (bytes && len > 0)
		e = dns_answer_decode(bytes, (size_t)len, &l->name, l->type, &l->answer);
	if (e) {
		r->turn->stats.resolver_failures++;
		l->answer.count = 0;
		l->answer.ttl_s = 0;
	}
	set_answer(l);
}

static bool answer_from_hosts(struct lookup *l)
{
	struct resolver *r = l->resolver;
	struct addr addrs[8];
	if (l->type != DNS_A && l->type != DNS_AAAA)
		return false;
	size_t n = hosts_find((struct str){r->hosts, r->hosts_len}, dns_name_view(&l->name),
			      l->type == DNS_A ? ADDR_IP4 : ADDR_IP6, addrs, ARRAY_LEN(addrs));
	for (size_t i = 0; i < n; i++)
		l->answer.records[i] = (struct dns_record){.addr = addrs[i]};
	l->answer.count = (uint16_t)n;
	l->answer.ttl_s = RESOLVE_TTL_MIN_S;
	return n > 0;
}

static void arm(struct resolver *r)
{
	struct timeval tv, *next = ares_timeout(r->channel, NULL, &tv);
	if (!next)
		turn_timer_stop(r->turn, &r->timer);
	else
		turn_timer_set(r->turn, &r->timer,
			       r->turn->now_ms + (uint64_t)next->tv_sec * 1000 +
				       (uint64_t)next->tv_usec / 1000 + 1);
}

/* Asks, unless that is under way already. */
static void ask(struct resolver *r, const struct locate_need *need)
{
	uint64_t hash = name_hash(r, &need->name, need->type);
	struct lookup *l = find_lookup(r, &need->name, need->type, hash);
	char text[DNS_NAME_MAX + 1];
	if (l && l->is_pending)
		return;
	if (!l) {
		l = new_lookup(r);
		if (!l)
			return; /* as many as there may be are under way: the deadline decides */
		l->resolver = r;
		l->name = need->name;
		l->type = need->type;
		list_init(&l->age_node);
		if (NEVER(table_add(&r->names, &l->node, hash) != OK)) {
			pool_free(&r->lookups, l->id);
			return;
		}
	}
	list_del(&l->age_node);
	list_add_tail(&r->oldest, &l->age_node);
	if (answer_from_hosts(l)) {
		set_answer(l);
		return;
	}
	if (str_copy(dns_name_view(&need->name), text, sizeof(text)) != OK)
		return;
	l->is_pending = true;
	r->turn->stats.resolver_queries++;
	ares_query(r->channel, text, 1 /* IN */, (int)need->type, on_answer, l);
	arm(r);
}

/* ---- sockets ---- */

static void on_socket(void *ctx, unsigned ready)
{
	struct resolver_socket *s = ctx;
	struct resolver *r = s->resolver;
	int fd = s->fd;
	turn_begin(r->turn);
	ares_process_fd(r->channel, ready & WATCH_READ ? fd : ARES_SOCKET_BAD,
			ready & WATCH_WRITE ? fd : ARES_SOCKET_BAD);
	arm(r);
}

static struct resolver_socket *place_of(struct resolver *r, int fd)
{
	struct resolver_socket *empty = NULL;
	for (size_t i = 0; i < RESOLVE_SOCKETS_MAX; i++) {
		if (r->sockets[i].fd == fd)
			return &r->sockets[i];
		if (r->sockets[i].fd < 0 && !empty)
			empty = &r->sockets[i];
	}
	return empty;
}

/* Called by c-ares: it wants to know of this socket, or (neither) is about to close it. */
static void on_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = ctx;
	struct resolver_socket *s = place_of(r, fd);
	unsigned what = (readable ? WATCH_READ : 0u) | (writable ? WATCH_WRITE : 0u);
	if (!s)
		return; /* more sockets than servers: that question times out */
	if (what == 0) {
		watch_free(&s->watch);
		s->fd = -1;
		return;
	}
	if (s->fd < 0) {
		if (watch_new(&s->watch, r->turn->loop, fd, on_socket, s) != OK)
			return;
		s->fd = fd;
	}
	if (watch_set(s->watch, what) != OK) {
		watch_free(&s->watch);
		s->fd = -1;
	}
}

static void on_timer(void *ctx)
{
	struct resolver *r = ctx;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(r);
}

/* ---- requests ---- */

static void finish(struct resolving *q, const struct locate_result *result)
{
	struct resolver *r = q->resolver;
	struct event e = {.type = EVENT_RESOLVED};
	e.resolved.id = q->asked;
	e.resolved.count = result->count;
	memcpy(e.resolved.candidates, result->candidates,
	       result->count * sizeof(result->candidates[0]));
	turn_timer_stop(r->turn, &q->deadline);
	pool_free(&r->requests, q->id);
	turn_post(r->turn, &e);
}

static void look(struct resolving *q, struct locate_result *result)
{
	struct resolver *r = q->resolver;
	struct locate_params p = {
		.query = &q->query, .find = find_answer, .ctx = r, .random = q->random};
	locate(&p, result);
}

/* Goes as far as what is known allows; asks for the rest. */
static void advance(struct resolving *q)
{
	struct locate_result result;
	for (;;) {
		bool was_dirty = q->resolver->is_dirty;
		q->resolver->is_dirty = false;
		look(q, &result);
		if (result.need_count == 0) {
			q->resolver->is_dirty |= was_dirty;
			finish(q, &result);
			return;
		}
		for (size_t i = 0; i < result.need_count; i++)
			ask(q->resolver, &result.needs[i]);
		bool learnt = q->resolver->is_dirty; /* by /etc/hosts, or a failure at once */
		q->resolver->is_dirty |= was_dirty;
		if (!learnt)
			return;
	}
}

static void on_deadline(void *ctx)
{
	struct resolving *q = ctx;
	struct locate_result result;
	q->resolver->turn->stats.resolver_timeouts++;
	look(q, &result);
	finish(q, &result);
}

void resolver_ask(struct resolver *r, const struct resolve_query *query, id_t64 id)
{
	id_t64 own;
	struct resolving *q = pool_new(&r->requests, &own);
	if (!q || query->host.len > sizeof(q->host)) {
		struct event e = {.type = EVENT_RESOLVED};
		e.resolved.id = id;
		e.resolved.count = 0;
		if (q)
			pool_free(&r->requests, own);
		turn_post(r->turn, &e);
		return;
	}
	q->resolver = r;
	q->id = own;
	q->asked = id;
	q->query = *query;
	if (query->host.len > 0)
		memcpy(q->host, query->host.p, query->host.len);
	q->query.host = (struct str){q->host, query->host.len};
	q->random = (uint64_t)rng_u32(r->rng) << 32 | rng_u32(r->rng);
	turn_timer_init(&q->deadline, on_deadline, q);
	turn_timer_set(r->turn, &q->deadline, r->turn->now_ms + RESOLVE_DEADLINE_MS);
	advance(q);
}

void resolver_flush(struct resolver *r)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct resolving *q;
	if (!r->is_dirty)
		return;
	r->is_dirty = false;
	while ((q = pool_next(&r->requests, &cursor, &id)) != NULL)
		advance(q);
}

/* ---- the resolver ---- */

static void read_hosts(struct resolver *r)
{
	r->hosts_len = 0;
	int fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* a system without one */
	while (r->hosts_len < RESOLVE_HOSTS_MAX) {
		ssize_t n = read(fd, r->hosts + r->hosts_len, RESOLVE_HOSTS_MAX - r->hosts_len);
		if (n <= 0)
			break;
		r->hosts_len += (size_t)n;
	}
	close(fd);
}

static enum err open_channel(struct resolver *r, struct str servers)
{
	char text[SERVERS_TEXT_MAX];
	struct ares_options o = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_EDNS,
				 .timeout = RESOLVE_TRY_MS,
				 .tries = RESOLVE_TRIES,
				 .ednspsz = 1232,
				 .sock_state_cb = on_state,
				 .sock_state_cb_data = r};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
		   ARES_OPT_SOCK_STATE_CB;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
	    ares_init_options(&r->channel, &o, mask) != ARES_SUCCESS)
		return ERR_NOMEM;
	if (servers.len == 0)
		return OK;
	if (str_copy(servers, text, sizeof(text)) != OK ||
	    ares_set_servers_ports_csv(r->channel, text) != ARES_SUCCESS)
		return ERR_BAD;
	return OK;
}

enum err resolver_init(struct resolver *r, struct turn *turn, struct rng *rng, struct str servers)
{
	*r = (struct resolver){.turn = turn, .rng = rng};
	list_init(&r->oldest);
	turn_timer_init(&r->timer, on_timer, r);
	for (size_t i = 0; i < RESOLVE_SOCKETS_MAX; i++)
		r->sockets[i] = (struct resolver_socket){r, -1, NULL};
	enum err e = pool_init(&r->requests, sizeof(struct resolving), RESOLVE_REQUESTS_MAX, 0);
	if (!e)
		e = pool_init(&r->lookups, sizeof(struct lookup), RESOLVE_CACHE_MAX, 0);
	if (!e)
		e = table_init(&r->names, RESOLVE_CACHE_MAX, &turn->hash_key);
	r->hosts = malloc(RESOLVE_HOSTS_MAX);
	if (!e && !r->hosts)
		e = ERR_NOMEM;
	if (!e)
		e = open_channel(r, servers);
	if (e) {
		resolver_release(r);
		return e;
	}
	read_hosts(r);
	return OK;
}

void resolver_release(struct resolver *r)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct resolving *q;
	/* First the channel: it calls on_answer and on_state once more for all that it has. */
	if (r->channel) {
		ares_destroy(r->channel);
		ares_library_cleanup();
	}
	r->channel = NULL;
	while (r->requests.chunks && (q = pool_next(&r->requests, &cursor, &id)) != NULL)
		turn_timer_stop(r->turn, &q->deadline);
	turn_timer_stop(r->turn, &r->timer);
	pool_release(&r->requests);
	pool_release(&r->lookups);
	table_release(&r->names);
	free(r->hosts);
	r->hosts = NULL;
}

void resolver_reload(struct resolver *r)
{
	list_each_safe (it, &r->oldest) {
		struct lookup *l = LIST_OBJECT(it, struct lookup, age_node);
		if (!l->is_pending)
			drop_lookup(l);
	}
	read_hosts(r);
}
