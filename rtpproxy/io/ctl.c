#include "rtpproxy/io/ctl.h"

#include <event2/event.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "rtpproxy/io/ctl_conn.h"
#include "rtpproxy/io/ctl_dgram.h"
#include "rtpproxy/io/statistics.h"

enum { ARENA_SIZE = 1024 * 1024 };

uint64_t ctl_sum(const struct relay_published *p, unsigned workers, unsigned counter)
{
	uint64_t n = 0;
	for (unsigned w = 0; w < workers; w++) {
		n += atomic_load_explicit(&p[w].v[counter], memory_order_relaxed);
	}
	return n;
}

static void reply_bytes(struct ctl *c, const struct ask_peer *peer, struct str reply)
{
	if (peer->conn != 0) {
		ctl_conn_reply(c, peer->conn, reply);
	} else {
		/* Refused by the kernel: the asker repeats. */
		(void)ask_reply(peer, NULL, reply);
	}
}

static void reply_dict(struct ctl *c, const struct ask_peer *peer, const struct ng *ng,
		       const struct dict *d)
{
	struct buf b;
	buf_init(&b, c->reply, sizeof(c->reply));
	ng_write(&b, ng, d);
	if (b.overflow || !d || c->arena.failed) {
		arena_reset(&c->arena);
		buf_reset(&b);
		ng_write(&b, ng, ng_error(&c->arena, REFUSAL_MEMORY));
	}
	reply_bytes(c, peer, buf_view(&b));
}

static struct ctl_proxy *find_proxy(struct ctl *c, const struct ask_peer *peer)
{
	struct addr a = {.family = ADDR_NONE};
	if (peer->sa.sa_family != AF_UNIX) {
		sockaddr_read(&peer->sa, &a);
		a.port = 0;
	}
	for (size_t i = 0; i < c->proxy_count; i++) {
		if (addr_eq(&c->proxies[i].addr, &a)) {
			return &c->proxies[i];
		}
	}
	if (c->proxy_count == CTL_PROXIES_MAX) {
		return &c->proxies[CTL_PROXIES_MAX - 1]; /* the last one stands for all others */
	}
	c->proxies[c->proxy_count] = (struct ctl_proxy){.addr = a};
	return &c->proxies[c->proxy_count++];
}

/* ---- list */

/* False: one is being gathered already. */
static bool begin_list(struct ctl *c, const struct ask_peer *peer, const struct ng *ng)
{
	if (c->list_busy || ng->cookie.len >= sizeof(c->list_cookie)) {
		return false;
	}
	c->list_limit = ng->limit > 0 && ng->limit < LIMIT_LIST ? (uint32_t)ng->limit : LIMIT_LIST;
	c->list_peer = *peer;
	c->list_ng = (struct ng){.json = ng->json, .cookie = {c->list_cookie, ng->cookie.len}};
	if (ng->cookie.len > 0) {
		memcpy(c->list_cookie, ng->cookie.p, ng->cookie.len);
	}
	atomic_store_explicit(&c->list->left, c->loop_count, memory_order_relaxed);
	const struct ask a = {.kind = ASK_LIST, .limit = c->list_limit};
	c->list_busy = true;
	for (unsigned w = 0; w < c->loop_count; w++) {
		buf_reset(&c->list->parts[w]);
		/* A worker that cannot take the question gives nothing to the list. */
		if (queue_push(&c->loops[w].queue, &a, sizeof(a), NULL, 0) != OK &&
		    atomic_fetch_sub(&c->list->left, 1) == 1) {
			c->list_busy = false;
		}
	}
	return c->list_busy;
}

/* The parts are bencode strings, one behind the other. */
static void add_part(struct ctl *c, struct dict *calls, struct str part, uint32_t *left)
{
	while (part.len > 0 && *left > 0) {
		uint32_t n;
		size_t colon = str_index(part, ':');
		if (str_to_u32((struct str){part.p, colon}, LIMIT_CALL_ID, &n) != OK) {
			return;
		}
		dict_add_str(&c->arena, calls, STR_NONE, (struct str){part.p + colon + 1, n});
		part = str_from_offset(part, colon + 1 + n);
		(*left)--;
	}
}

static void on_list_done(evutil_socket_t fd, short what, void *arg)
{
	struct ctl *c = arg;
	uint64_t count;
	(void)what;
	ssize_t n = read(fd, &count, sizeof(count));
	if (n < 0 || !c->list_busy) {
		return;
	}
	uint32_t most = ctl_reply_max(&c->list_peer, NG_LIST), names = c->list_limit;
	struct buf b;
	/* Fewer names until they can be said in one reply. */
	do {
		arena_reset(&c->arena);
		struct dict *d = ng_reply(&c->arena, STR("ok"));
		struct dict *calls = dict_add_list(&c->arena, d, STR("calls"));
		uint32_t left = names;
		for (unsigned w = 0; w < c->loop_count; w++) {
			add_part(c, calls, buf_view(&c->list->parts[w]), &left);
		}
		buf_init(&b, c->reply, most);
		ng_write(&b, &c->list_ng, d);
		names -= names / 8 + 1;
	} while ((b.overflow || c->arena.failed) && names > 0);
	c->list_busy = false;
	reply_bytes(c, &c->list_peer, buf_view(&b));
}

/* ---- what is answered here */

static uint64_t wall_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec;
}

static void answer_here(struct ctl *c, const struct ask_peer *peer, const struct ng *ng,
			enum refusal r)
{
	struct ctl_proxy *proxy = find_proxy(c, peer);
	struct dict *d = NULL;
	if (r == REFUSAL_NONE) {
		proxy->requests[ng->command]++;
		if (ng->command == NG_LIST && begin_list(c, peer, ng)) {
			return;
		}
		if (ng->command == NG_LIST) {
			r = REFUSAL_LOAD;
		} else if (ng->command == NG_STATISTICS) {
			d = ng_reply(&c->arena, STR("ok"));
			statistics_add(&c->arena, d, c, wall_s());
		} else if (ng->command == NG_PING) {
			d = ng_reply(&c->arena, STR("pong"));
		} else {
			r = REFUSAL_NO_CALL_ID; /* all others are about a call */
		}
	}
	if (r != REFUSAL_NONE) {
		proxy->errors++;
		c->refused[r]++;
		d = ng_error(&c->arena, r);
	}
	reply_dict(c, peer, ng, d);
}

/* npm's rtpengine-client gives up above 16 KiB on TCP; SDP must be whole wherever it goes. */
uint32_t ctl_reply_max(const struct ask_peer *peer, enum ng_command command)
{
	bool may_be_cut = command == NG_LIST || command == NG_QUERY || command == NG_DELETE;
	return peer->conn != 0 && may_be_cut ? CTL_STREAM_REPLY_MAX : LIMIT_DATAGRAM;
}

static void pass_on(struct ctl *c, struct ask *a, enum ng_command command, struct str call_id,
		    struct str request)
{
	uint64_t hash = siphash(&c->key, call_id.p, call_id.len);
	find_proxy(c, &a->peer)->requests[command]++;
	a->kind = ASK_NG;
	a->reply_max = ctl_reply_max(&a->peer, command);
	if (queue_push(&c->loops[hash % c->loop_count].queue, a, sizeof(*a), request.p,
		       request.len) == OK) {
		return;
	}
	c->dropped++; /* whoever sends datagrams repeats them */
	if (a->peer.conn != 0) {
		struct str cookie = STR_NONE, body = request;
		(void)(a->plain || ng_split(request, &cookie, &body));
		const struct ng ng = {.cookie = cookie, .json = body.len > 0 && body.p[0] == '{'};
		arena_reset(&c->arena);
		reply_dict(c, &a->peer, &ng, ng_error(&c->arena, REFUSAL_LOAD));
	}
}

bool ctl_take(struct ctl *c, const struct ask_peer *peer, struct str request, bool plain)
{
	struct ask a = {.peer = *peer, .plain = plain};
	struct str cookie = STR_NONE, body = request, word, call_id;
	enum ng_command command;
	struct ng ng;
	if (!plain && !ng_split(request, &cookie, &body)) {
		c->dropped++;
		return false;
	}
	/* The cheap way: most requests are bencode, and the worker parses them anyway. */
	if (ng_peek(body, &word, &call_id) && call_id.len > 0 && ng_command_find(word, &command) &&
	    ng_is_about_call(command)) {
		pass_on(c, &a, command, call_id, request);
		return true;
	}
	arena_reset(&c->arena);
	enum refusal r = ng_parse(cookie, body, &c->arena, &ng);
	if (r == REFUSAL_NONE && ng.call_id.len > 0 && ng_is_about_call(ng.command)) {
		pass_on(c, &a, ng.command, ng.call_id, request);
	} else {
		answer_here(c, peer, &ng, r);
	}
	return true;
}

/* ---- replies of workers to connections */

static void on_back(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_back *back = arg;
	const char *message;
	size_t len;
	(void)fd;
	(void)what;
	queue_woken(&back->loop->back);
	while ((message = queue_peek(&back->loop->back, &len))) {
		struct ask_back head;
		memcpy(&head, message, sizeof(head));
		const struct str bytes = {message + sizeof(head), len - sizeof(head)};
		if (head.unasked) {
			ctl_conn_tell(back->ctl, head.conn, bytes);
		} else {
			ctl_conn_reply(back->ctl, head.conn, bytes);
		}
		queue_pop(&back->loop->back);
	}
}

bool ctl_may_ask(const struct ctl *c, uid_t uid, gid_t gid)
{
	/* The group: the signalling process is another user of it. */
	bool may = uid == 0 || uid == geteuid() || gid == getegid();
	for (unsigned i = 0; i < c->users.count; i++) {
		may = may || c->users.at[i] == uid;
	}
	return may;
}

enum err ctl_listen(struct ctl *c, const struct ctl_listen *where)
{
	return where->kind == CTL_DATAGRAM ? ctl_dgram_listen(c, where) : ctl_conn_listen(c, where);
}

static struct event *watch(struct ctl *c, int fd, event_callback_fn on_event, void *arg)
{
	struct event *e = event_new(c->base, fd, EV_READ | EV_PERSIST, on_event, arg);
	if (e && event_add(e, NULL) < 0) {
		event_free(e);
		e = NULL;
	}
	return e;
}

enum err ctl_init(struct ctl *c, const struct ctl_params *p)
{
	*c = (struct ctl){.base = p->base,
			  .loops = p->loops,
			  .loop_count = p->loop_count,
			  .config = p->config,
			  .published = p->published,
			  .list = p->list,
			  .users = p->users ? *p->users : (struct ctl_users){.count = 0},
			  .started_s = p->started_s};
	if (getrandom(&c->key, sizeof(c->key), 0) != sizeof(c->key)) {
		return ERR_IO;
	}
	enum err e = arena_init_sized(&c->arena, ARENA_SIZE);
	if (e != OK) {
		return e;
	}
	e = ctl_conn_init(c);
	if (e != OK) {
		arena_release(&c->arena);
		return e;
	}
	bool all = (c->list_done = watch(c, c->list->done_fd, on_list_done, c)) != NULL;
	for (unsigned w = 0; all && w < c->loop_count; w++) {
		struct ctl_back *b = &c->backs[w];
		*b = (struct ctl_back){.ctl = c, .loop = &c->loops[w]};
		all = (b->event = watch(c, b->loop->back.wake_fd, on_back, b)) != NULL;
	}
	if (!all) {
		ctl_release(c);
	}
	return all ? OK : ERR_NOMEM;
}

void ctl_release(struct ctl *c)
{
	ctl_conn_release(c);
	ctl_dgram_release(c);
	for (unsigned w = 0; w < c->loop_count; w++) {
		if (c->backs[w].event) {
			event_free(c->backs[w].event);
		}
	}
	if (c->list_done) {
		event_free(c->list_done);
	}
	arena_release(&c->arena);
}
