#include "flow_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "sbc/shell/geo.h"
#include "sbc/shell/tls_names.h"

enum {
	BACKLOG = 1024,
	SCRATCH = 65536,
	OUTBOUND_SHARE = 10, /* one tenth of the connections is kept for those that we open */
	KEY_MAX = 16 + 2 + 1 + 2 + 1 + 8 + TLS_NAME_LEN_MAX
};

const char *flow_end_label(enum flow_end e)
{
	static const char *const labels[FLOW_END_COUNT] = {
#define X(name, label) label,
		FLOW_END_TABLE(X)
#undef X
	};
	CHECK(e < FLOW_END_COUNT);
	return labels[e];
}

/* ---- sources ---- */

/* An IPv6 site has a whole /64 to call from: it counts as one source. */
static void source_key(const struct addr *a, uint8_t out[16])
{
	memset(out, 0, 16);
	memcpy(out, a->ip, a->family == ADDR_IP4 ? 4 : 8);
}

static struct flow_source *find_source(const struct flow_table *t, const uint8_t ip[16],
				       uint64_t hash)
{
	for (struct table_node *n = table_first(&t->by_source, hash); n; n = table_next(n)) {
		struct flow_source *s = TABLE_OBJECT(n, struct flow_source, node);
		if (memcmp(s->ip, ip, 16) == 0)
			return s;
	}
	return NULL;
}

/* One more connection from there, or ID_NONE: it has as many as it may. */
static id_t64 source_enter(struct flow_table *t, const struct addr *a)
{
	uint8_t ip[16];
	source_key(a, ip);
	uint64_t hash = table_hash(&t->by_source, ip, sizeof(ip));
	struct flow_source *s = find_source(t, ip, hash);
	if (!s) {
		id_t64 id;
		s = pool_new(&t->sources, &id);
		if (!s)
			return ID_NONE;
		s->id = id;
		memcpy(s->ip, ip, sizeof(ip));
		if (table_add(&t->by_source, &s->node, hash) != OK) {
			pool_free(&t->sources, id);
			return ID_NONE;
		}
	}
	if (s->count >= t->limits.connections_per_source)
		return ID_NONE;
	s->count++;
	return s->id;
}

static void source_leave(struct flow_table *t, id_t64 id)
{
	struct flow_source *s = pool_find(&t->sources, id);
	if (!s || --s->count > 0)
		return;
	table_del(&t->by_source, &s->node);
	pool_free(&t->sources, id);
}

/* ---- the pool ---- */

struct key {
	const struct flow *flow;
	struct str name;
	uint64_t trust;
};

static uint64_t key_hash(const struct flow_table *t, const struct key *k)
{
	uint8_t bytes[KEY_MAX];
	size_t n = 0;
	memcpy(bytes, k->flow->remote.ip, 16);
	n += 16;
	memcpy(bytes + n, &k->flow->remote.port, 2);
	n += 2;
	memcpy(bytes + n, &k->flow->listener, 2);
	n += 2;
	bytes[n++] = k->flow->remote.family;
	bytes[n++] = (uint8_t)k->flow->transport;
	memcpy(bytes + n, &k->trust, 8);
	n += 8;
	memcpy(bytes + n, k->name.p ? k->name.p : "", k->name.len);
	n += k->name.len;
	return table_hash(&t->keys, bytes, n);
}

static bool is_usable(const struct flow_conn *c)
{
	return c->state == FLOW_CONNECTING || c->state == FLOW_HANDSHAKE || c->state == FLOW_OPEN;
}

static struct flow_conn *find_pooled(const struct flow_table *t, const struct key *k, uint64_t hash)
{
	for (struct table_node *n = table_first(&t->keys, hash); n; n = table_next(n)) {
		struct flow_conn *c = TABLE_OBJECT(n, struct flow_conn, key_node);
		if (is_usable(c) && c->trust == k->trust && c->flow.listener == k->flow->listener &&
		    c->flow.transport == k->flow->transport &&
		    addr_eq(&c->flow.remote, &k->flow->remote) && str_ieq(c->name, k->name))
			return c;
	}
	return NULL;
}

void flow_unlist(struct flow_conn *c)
{
	struct flow_table *t = c->table;
	if (c->is_keyed)
		table_del(&t->keys, &c->key_node);
	c->is_keyed = false;
	list_del(&c->dirty_node);
	list_del(&c->handshake_node);
	if (c->source != ID_NONE)
		source_leave(t, c->source);
	c->source = ID_NONE;
	t->listeners[c->flow.listener].connections--;
}

static void open_failed(struct flow_table *t, id_t64 tag, enum send_failure why)
{
	t->turn->stats.connections_failed++;
	turn_post_failed(t->turn, tag, why);
}

/* A connection to a peer, under way; NULL after telling why not. */
static struct flow_conn *open_to(struct flow_table *t, const struct dest *d, const struct key *k,
				 uint64_t hash, id_t64 tag)
{
	struct conn conn;
	SSL *ssl = NULL;
	struct str *name = NULL;
	/* The name must stay where it is as long as the SSL: it lives behind its own view. */
	if (transport_is_secure(k->flow->transport)) {
		name = malloc(sizeof(*name) + k->name.len);
		if (name) {
			if (k->name.len > 0)
				memcpy(name + 1, k->name.p, k->name.len);
			*name = (struct str){(const char *)(name + 1), k->name.len};
			ssl = tls_new_client(t->tls, d->trunk, name);
		}
		if (!ssl) {
			free(name);
			open_failed(t, tag, SEND_FAILURE_FULL);
			return NULL;
		}
	}
	const struct addr *local = &t->listeners[k->flow->listener].listener.local;
	if (local->family != k->flow->remote.family) {
		SSL_free(ssl);
		free(name);
		open_failed(t, tag, SEND_FAILURE_CONNECT);
		return NULL;
	}
	if (conn_open(&conn, local, &k->flow->remote, ssl) != OK) {
		enum send_failure why = errno == EMFILE || errno == ENFILE ? SEND_FAILURE_FULL
									   : SEND_FAILURE_CONNECT;
		free(name);
		open_failed(t, tag, why);
		return NULL;
	}
	sockaddr_set_dscp(conn.fd, local->family, t->listeners[k->flow->listener].listener.dscp);
	struct flow_conn *c = flow_conn_new(t, &conn, FLOW_CONNECTING, k->flow);
	if (!c) {
		free(name);
		open_failed(t, tag, SEND_FAILURE_FULL);
		return NULL;
	}
	c->outbound = true;
	c->trust = k->trust;
	c->name = name ? *name : STR_NONE;
	c->is_keyed = table_add(&t->keys, &c->key_node, hash) == OK;
	flow_conn_start(c);
	return c;
}

/* The connection that a message to `d` goes over; NULL after telling why there is none. */
static struct flow_conn *choose(struct flow_table *t, const struct dest *d, id_t64 tag)
{
	if (d->flow.id != ID_NONE) {
		struct flow_conn *c = pool_find(&t->conns, d->flow.id);
		if (c && is_usable(c))
			return c;
		if (!d->reconnect) {
			turn_post_failed(t->turn, tag, SEND_FAILURE_CLOSED);
			return NULL;
		}
	}
	if (transport_is_web(d->flow.transport)) {
		/* RFC 7118 §5: no one listens at the other end. */
		turn_post_failed(t->turn, tag, SEND_FAILURE_CLOSED);
		return NULL;
	}
	bool tls = d->flow.transport == TRANSPORT_TLS;
	struct key k = {&d->flow, tls ? d->tls_name : STR_NONE,
			tls ? tls_trust(t->tls, d->trunk) : 0};
	if (d->flow.listener >= t->listener_count || k.name.len > TLS_NAME_LEN_MAX ||
	    !addr_is_host(&d->flow.remote) || d->flow.remote.port == 0) {
		open_failed(t, tag, SEND_FAILURE_CONNECT);
		return NULL;
	}
	uint64_t hash = key_hash(t, &k);
	struct flow_conn *c = find_pooled(t, &k, hash);
	return c ? c : open_to(t, d, &k, hash, tag);
}

void flow_send(struct flow_table *t, const struct dest *d, struct str bytes, id_t64 tag)
{
	CHECK(d->flow.transport != TRANSPORT_UDP);
	struct flow_conn *c = choose(t, d, tag);
	if (c)
		flow_conn_queue(c, bytes, tag);
}

void flow_close(struct flow_table *t, id_t64 id)
{
	struct flow_conn *c = pool_find(&t->conns, id);
	if (c)
		flow_conn_drain(c, FLOW_END_US);
}

bool flow_find(const struct flow_table *t, id_t64 id, struct flow *out)
{
	const struct flow_conn *c = pool_find(&t->conns, id);
	if (c)
		*out = c->flow;
	return c != NULL;
}

/* ---- accepting ---- */

/* No descriptor is left: take one connection all the same and close it, so that the peer does not
 * hang and the loop does not spin. */
static void shed(struct flow_table *t, int listening)
{
	t->turn->stats.connections_refused_limit++;
	if (t->spare_fd >= 0)
		close(t->spare_fd);
	int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	t->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void take_connection(struct flow_listener *l, int fd, const struct addr *remote)
{
	struct flow_table *t = l->table;
	struct shell_stats *stats = &t->turn->stats;
	struct conn conn;
	/* The kernel gives the lowest number that is free. */
	if (fd >= t->fd_bound) {
		stats->connections_refused_descriptors++;
		close(fd);
		return;
	}
	if (t->conns.used >= t->limits.connections - t->limits.connections / OUTBOUND_SHARE) {
		stats->connections_refused_limit++;
		close(fd);
		return;
	}
	id_t64 source = source_enter(t, remote);
	if (source == ID_NONE) {
		stats->connections_refused_source++;
		close(fd);
		return;
	}
	SSL *ssl = NULL;
	bool tls = transport_is_secure(l->listener.transport);
	if (tls)
		ssl = tls_new_server(t->tls, l->index);
	struct flow flow = {
		.listener = l->index, .transport = l->listener.transport, .remote = *remote};
	conn_init(&conn, fd, ssl);
	struct flow_conn *c = NULL;
	if (tls && !ssl)
		conn_close(&conn);
	else
		c = flow_conn_new(t, &conn, FLOW_HANDSHAKE, &flow);
	if (!c) {
		stats->connections_refused_limit++;
		source_leave(t, source);
		return;
	}
	stats->connections_accepted++;
	c->source = source;
	if (t->geo)
		geo_mark(t->geo, &c->flow);
	flow_conn_start(c);
}

static void on_accept(void *ctx, unsigned ready)
{
	struct flow_listener *l = ctx;
	(void)ready;
	turn_begin(l->table->turn);
	for (unsigned i = 0; i < FLOW_ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		struct addr remote;
		int fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			shed(l->table, l->fd);
			continue;
		}
		if (fd < 0)
			return; /* EAGAIN, or a peer that was gone again: the next turn sees */
		sockaddr_read((struct sockaddr *)&sa, &remote);
		if (remote.family == ADDR_NONE)
			close(fd);
		else
			take_connection(l, fd, &remote);
	}
}

enum err flow_listen(struct flow_table *t, uint16_t index)
{
	struct flow_listener *l = &t->listeners[index];
	struct sockaddr_storage sa;
	const struct addr *local = &l->listener.local;
	socklen_t len = sockaddr_write(local, &sa);
	int on = 1;
	enum err e = ERR_IO;
	l->fd = socket(local->family == ADDR_IP4 ? AF_INET : AF_INET6,
		       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return ERR_IO;
	/* Connections of the last run in TIME_WAIT do not hinder; a live listener still does. */
	(void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (local->family == ADDR_IP6)
		(void)setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	/* Those that are accepted inherit it. */
	sockaddr_set_dscp(l->fd, local->family, l->listener.dscp);
	if (bind(l->fd, (struct sockaddr *)&sa, len) == 0 && listen(l->fd, BACKLOG) == 0)
		e = watch_new(&l->watch, t->turn->loop, l->fd, on_accept, l);
	if (!e)
		e = watch_set(l->watch, WATCH_READ);
	if (e) {
		int saved = errno;
		watch_free(&l->watch);
		close(l->fd);
		l->fd = -1;
		errno = saved;
	}
	return e;
}

/* ---- the table ---- */

static enum err init_tables(struct flow_table *t, uint8_t worker, uint32_t tags)
{
	uint32_t limit = t->limits.connections;
	enum err e = pool_init(&t->conns, sizeof(struct flow_conn), limit, worker);
	if (!e)
		e = pool_init(&t->tags, sizeof(struct flow_tag), tags, worker);
	if (!e)
		e = pool_init(&t->sources, sizeof(struct flow_source), limit, worker);
	if (!e)
		e = table_init(&t->keys, limit, &t->turn->hash_key);
	if (!e)
		e = table_init(&t->by_source, limit, &t->turn->hash_key);
	if (!e)
		e = budget_init(&t->handshake_budget, &t->turn->hash_key);
	return e;
}

/* The first descriptor that those who come in do not get. */
static int descriptor_bound(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur > INT_MAX)
		return INT_MAX;
	rlim_t keep = l.rlim_cur / FLOW_DESCRIPTOR_SHARE;
	if (keep < FLOW_DESCRIPTORS_MIN)
		keep = FLOW_DESCRIPTORS_MIN;
	return l.rlim_cur > keep ? (int)(l.rlim_cur - keep) : 0;
}

enum err flow_table_init(struct flow_table *t, const struct flow_params *p)
{
	const struct settings *s = p->settings;
	*t = (struct flow_table){.turn = p->turn,
				 .tls = p->tls,
				 .limits = s->limits,
				 .report = p->report,
				 .report_ctx = p->report_ctx,
				 .listener_count = s->listener_count,
				 .fd_bound = descriptor_bound(),
				 .spare_fd = -1};
	list_init(&t->dirty);
	list_init(&t->handshakes);
	list_init(&t->dead);
	t->handshakes_left = FLOW_HANDSHAKES_A_TURN;
	enum err e = init_tables(t, p->worker, s->limits.transactions);
	t->listeners = calloc(s->listener_count + 1, sizeof(*t->listeners));
	t->scratch = malloc(SCRATCH);
	if (e || !t->listeners || !t->scratch) {
		flow_table_release(t);
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < s->listener_count; i++)
		t->listeners[i] = (struct flow_listener){
			.table = t, .listener = s->listeners[i], .index = (uint16_t)i, .fd = -1};
	t->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return OK;
}

static void stop_listening(struct flow_table *t)
{
	for (size_t i = 0; t->listeners && i < t->listener_count; i++) {
		struct flow_listener *l = &t->listeners[i];
		watch_free(&l->watch);
		if (l->fd >= 0)
			close(l->fd);
		l->fd = -1;
	}
}

void flow_table_release(struct flow_table *t)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct flow_conn *c;
	t->report = NULL;
	stop_listening(t);
	while (t->conns.chunks && (c = pool_next(&t->conns, &cursor, &id)) != NULL)
		flow_conn_kill(c, FLOW_END_US);
	flow_reap(t);
	pool_release(&t->conns);
	pool_release(&t->tags);
	pool_release(&t->sources);
	table_release(&t->keys);
	table_release(&t->by_source);
	budget_release(&t->handshake_budget);
	free(t->listeners);
	free(t->scratch);
	t->listeners = NULL;
	t->scratch = NULL;
	if (t->spare_fd >= 0)
		close(t->spare_fd);
	t->spare_fd = -1;
}

void flow_apply(struct flow_table *t, const struct tls_set *tls, const struct settings *settings)
{
	uint32_t connections = t->limits.connections; /* the pool is as large as it was made */
	t->tls = tls;
	t->limits = settings->limits;
	if (t->limits.connections > connections)
		t->limits.connections = connections;
	/* Sockets stay as they are: a reload may not move them. */
	for (size_t i = 0; i < t->listener_count && i < settings->listener_count; i++)
		t->listeners[i].listener = settings->listeners[i];
}

void flow_handshakes(struct flow_table *t)
{
	t->handshakes_left = FLOW_HANDSHAKES_A_TURN;
	while (t->handshakes_left > 0 && !list_is_empty(&t->handshakes)) {
		struct flow_conn *c =
			LIST_OBJECT(t->handshakes.next, struct flow_conn, handshake_node);
		list_del(&c->handshake_node);
		flow_conn_handshake(c);
	}
	if (!list_is_empty(&t->handshakes))
		t->turn->again = true;
}

void flow_flush(struct flow_table *t)
{
	while (!list_is_empty(&t->dirty)) {
		struct flow_conn *c = LIST_OBJECT(t->dirty.next, struct flow_conn, dirty_node);
		list_del(&c->dirty_node);
		flow_conn_flush(c);
	}
	if (!list_is_empty(&t->handshakes))
		t->turn->again = true;
}

void flow_reap(struct flow_table *t)
{
	list_each_safe (it, &t->dead) {
		struct flow_conn *c = LIST_OBJECT(it, struct flow_conn, dead_node);
		list_del(it);
		bytes_release(&c->in, &t->turn->store);
		bytes_release(&c->out, &t->turn->store);
		ws_release(&c->ws, &t->turn->store);
		free(c->facts);
		/* The name's memory begins with its view: see open_to. */
		if (c->name.p)
			free((struct str *)(uintptr_t)c->name.p - 1);
		pool_free(&t->conns, c->flow.id);
	}
}

void flow_drain(struct flow_table *t)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct flow_conn *c;
	stop_listening(t);
	while ((c = pool_next(&t->conns, &cursor, &id)) != NULL)
		flow_conn_drain(c, FLOW_END_US);
}

uint32_t flow_count(const struct flow_table *t)
{
	return t->conns.used;
}
