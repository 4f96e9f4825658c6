#include "cert_fetch.h"

#include <stdlib.h>
#include <string.h>

#include "common/list.h"
#include "common/pool.h"
#include "common/siphash.h"
#include "sbc/core/credential.h"
#include "sbc/core/passport.h"
#include "sbc/core/worker.h"
#include "sbc/shell/https_get.h"
#include "sbc/shell/resolve.h"
#include "sbc/shell/stir_cert.h"
#include "sbc/shell/turn.h"

_Static_assert((int)OWNER_KIND_COUNT <= (int)CERT_FETCH_KIND,
	       "an id of the core is never taken for one of ours");

enum { TRIES_MAX = 4 /* addresses of one host, one after another */ };

/* Timer: a GET that is done is freed, and the next begins; a fetch has failed; what it brought is forgotten. */
struct entry {
	struct cert_fetch *fetch;
	id_t64 id;
	uint64_t hash;
	char url[PASSPORT_URL_MAX]; /* as asked for */
	size_t url_len;
	char at[PASSPORT_URL_MAX]; /* where a redirect has led to */
	size_t at_len;
	bool flying;
	uint8_t moves;
	uint64_t used_ms;
	uint64_t
		until_ms; /* of a fetch: its end, however often it is moved; afterwards: of what it brought */
	struct addr to[TRIES_MAX];
	uint8_t to_count, to_next;
	struct https_get *get;
	bool get_done; /* to be freed outside of its own call */
	enum credential_result result;
	struct stir_cert cert;
	struct list waiters; /* whose answer is not known */
	uint32_t pinned;     /* answers that are still to be given */
	struct turn_timer timer;
};

struct waiter {
	struct list node;
	id_t64 self, asked;
	struct entry *entry;           /* NULL: none was made */
	enum credential_result result; /* then */
};

struct cert_fetch {
	struct turn *turn;
	struct resolver *resolver;
	const struct identity_verifier *v;
	struct stir_anchors *anchors;
	struct https_tls *tls;
	struct pool entries, waiters;
	struct list ready; /* waiters whose answer is known */
	uint32_t flights;
};

/* ---- answers */

static void forget(struct entry *e)
{
	struct cert_fetch *f = e->fetch;
	id_t64 id = e->id;

	turn_timer_stop(f->turn, &e->timer);
	https_get_free(&e->get);
	stir_cert_release(&e->cert);
	if (e->flying)
		f->flights--;
	pool_free(&f->entries, id);
}

/* Whoever waits hears of it in cert_fetch_flush. */
static void settle(struct entry *e, enum credential_result r)
{
	struct cert_fetch *f = e->fetch;
	uint64_t keep = r == CREDENTIAL_OK ? f->v->cache_ms : CERT_FETCH_AGAIN_MS;

	CHECK(e->flying);
	e->flying = false;
	f->flights--;
	e->result = r;
	if (r == CREDENTIAL_OK)
		f->turn->stats.cert_fetched++;
	else
		f->turn->stats.cert_failed++;
	while (!list_is_empty(&e->waiters)) {
		struct waiter *w = LIST_OBJECT(e->waiters.next, struct waiter, node);
		list_del(&w->node);
		list_add_tail(&f->ready, &w->node);
		e->pinned++;
	}
	e->until_ms = f->turn->now_ms + keep;
	turn_timer_set(f->turn, &e->timer, e->get ? f->turn->now_ms : e->until_ms);
}

/* ---- one fetch */

static struct str where(const struct entry *e)
{
	return e->at_len ? (struct str){e->at, e->at_len} : (struct str){e->url, e->url_len};
}

static bool is_allowed(const struct cert_fetch *f, struct str url)
{
	struct credential_url u;

	return credential_read_url(url, &u) == OK &&
	       credential_is_allowed(&u, f->v->hosts, f->v->host_count);
}

/* False: not there, or too far. */
static bool follow(struct entry *e, struct str location)
{
	if (e->moves >= CERT_FETCH_MOVES_MAX || location.len > sizeof(e->at) ||
	    !is_allowed(e->fetch, location))
		return false;
	e->moves++;
	memcpy(e->at, location.p, location.len);
	e->at_len = location.len;
	e->to_count = e->to_next = 0;
	return true;
}

static void on_answer(void *ctx, const struct https_answer *a)
{
	struct entry *e = ctx;
	struct cert_fetch *f = e->fetch;

	turn_begin(f->turn);
	e->get_done = true;
	/* What is next, and be it that the GET is freed, is done outside of this call of it. */
	turn_timer_set(f->turn, &e->timer, f->turn->now_ms);
	if (a->status == 0 && e->to_next < e->to_count)
		return; /* its host has another address */
	if (a->status >= 300 && a->status < 400 && follow(e, a->location))
		return;
	settle(e, a->status == 200
			  ? stir_cert_init(&e->cert, f->anchors, a->body, f->turn->wall_ms / 1000)
			  : CREDENTIAL_UNREACHABLE);
}

bool cert_fetch_may_go(const struct identity_verifier *v, const struct addr *a)
{
	for (size_t i = 0; i < v->network_count; i++)
		if (prefix_has(&v->networks[i], a))
			return true;
	return addr_class(a) == ADDR_CLASS_PUBLIC;
}

/* To the next of its addresses. */
static void connect_next(struct entry *e)
{
	struct cert_fetch *f = e->fetch;
	struct credential_url u;
	const uint64_t now = f->turn->now_ms;
	const uint32_t left = e->until_ms > now ? (uint32_t)(e->until_ms - now) : 1;

	CHECK(e->to_next < e->to_count);
	if (NEVER(credential_read_url(where(e), &u) != OK)) {
		settle(e, CREDENTIAL_REFUSED);
		return;
	}
	struct https_get_params p = {.base = watch_loop_base(f->turn->loop),
				     .tls = f->tls,
				     .host = u.host,
				     .url_port = u.port,
				     .path = u.path,
				     .bytes_max = STIR_CERT_BYTES_MAX,
				     /* One that does not answer leaves time for the others. */
				     .timeout_ms = left / (e->to_count - e->to_next),
				     .done = on_answer,
				     .ctx = e};
	p.to = e->to[e->to_next++];
	p.to.port = u.port;
	if (https_get_new(&e->get, &p) != OK)
		settle(e, CREDENTIAL_UNREACHABLE);
}

/* Those of them that may be asked: one that may not is not asked because another may. */
static void connect_to(struct entry *e, const struct candidate *list, size_t count)
{
	e->to_count = e->to_next = 0;
	for (size_t i = 0; i < count && e->to_count < TRIES_MAX; i++)
		if (cert_fetch_may_go(e->fetch->v, &list[i].addr))
			e->to[e->to_count++] = list[i].addr;
	if (e->to_count)
		connect_next(e);
	else
		settle(e, count ? CREDENTIAL_REFUSED : CREDENTIAL_UNREACHABLE);
}

static void fly(struct entry *e)
{
	struct cert_fetch *f = e->fetch;
	struct candidate c = {.transport = TRANSPORT_TLS};
	struct credential_url u;

	if (!f->anchors || credential_read_url(where(e), &u) != OK) {
		settle(e, CREDENTIAL_REFUSED);
		return;
	}
	if (addr_parse_ip(u.host, &c.addr) == OK) {
		connect_to(e, &c, 1);
		return;
	}
	struct resolve_query q = {.host = u.host,
				  .port = u.port,
				  .transport_given = true,
				  .transport = TRANSPORT_TCP,
				  .ip4 = true,
				  .ip6 = true};
	resolver_ask(f->resolver, &q, e->id);
}

bool cert_fetch_take(struct cert_fetch *f, const struct event *ev)
{
	if (ev->type != EVENT_RESOLVED || (id_worker(ev->resolved.id) & 0x0f) != CERT_FETCH_KIND)
		return false;
	struct entry *e = pool_find(&f->entries, ev->resolved.id);
	if (e && e->flying && !e->get)
		connect_to(e, ev->resolved.candidates, ev->resolved.count);
	return true;
}

static void on_timer(void *ctx)
{
	struct entry *e = ctx;
	struct cert_fetch *f = e->fetch;
	const bool goes_on = e->flying && e->get_done;

	if (e->get_done || f->turn->now_ms >= e->until_ms)
		https_get_free(&e->get);
	e->get_done = false;
	if (f->turn->now_ms < e->until_ms) {
		turn_timer_set(f->turn, &e->timer, e->until_ms);
		if (goes_on && e->to_next < e->to_count)
			connect_next(e);
		else if (goes_on)
			fly(e);
	} else if (e->flying) {
		settle(e, CREDENTIAL_UNREACHABLE);
	} else if (e->pinned == 0) {
		forget(e);
	} else {
		turn_timer_set(f->turn, &e->timer, f->turn->now_ms + 1);
	}
}

/* ---- questions */

static uint64_t hash_of(const struct cert_fetch *f, struct str url)
{
	return siphash(&f->turn->hash_key, url.p, url.len);
}

static struct entry *find(struct cert_fetch *f, struct str url)
{
	uint64_t hash = hash_of(f, url);
	uint32_t cursor = 0;
	id_t64 id;
	struct entry *e;

	while ((e = pool_next(&f->entries, &cursor, &id)) != NULL)
		if (e->hash == hash && str_eq((struct str){e->url, e->url_len}, url))
			return e;
	return NULL;
}

/* A failure before a certificate, or whoever signs with addresses that lead nowhere has the others' fetched anew all the time. */
static bool goes_before(const struct entry *a, const struct entry *b)
{
	const bool bad = a->result != CREDENTIAL_OK;

	if (!b || bad != (b->result != CREDENTIAL_OK))
		return !b || bad;
	return a->used_ms < b->used_ms;
}

/* Of those, the one that nobody has asked for longest makes room. */
static void make_room(struct cert_fetch *f)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct entry *e, *oldest = NULL;

	if (f->entries.used < f->entries.limit)
		return;
	while ((e = pool_next(&f->entries, &cursor, &id)) != NULL)
		if (!e->flying && e->pinned == 0 && goes_before(e, oldest))
			oldest = e;
	if (oldest)
		forget(oldest);
}

static struct entry *add(struct cert_fetch *f, struct str url, enum credential_result *out_why)
{
	id_t64 id;

	*out_why = CREDENTIAL_REFUSED;
	if (url.len > PASSPORT_URL_MAX || !is_allowed(f, url))
		return NULL;
	*out_why = CREDENTIAL_BUSY;
	if (f->flights >= CERT_FETCH_FLIGHTS_MAX)
		return NULL;
	make_room(f);
	struct entry *e = pool_new(&f->entries, &id);
	if (!e)
		return NULL;
	e->fetch = f;
	e->id = id;
	e->hash = hash_of(f, url);
	memcpy(e->url, url.p, url.len);
	e->url_len = url.len;
	e->flying = true;
	f->flights++;
	list_init(&e->waiters);
	turn_timer_init(&e->timer, on_timer, e);
	e->until_ms = f->turn->now_ms + CERT_FETCH_DEADLINE_MS;
	turn_timer_set(f->turn, &e->timer, e->until_ms);
	return e;
}

/* What has ended since it was verified is fetched anew: nobody renews a chain by keeping it. */
static bool has_ended(const struct entry *e, uint64_t wall_ms)
{
	return !e->flying && e->result == CREDENTIAL_OK && wall_ms / 1000 > e->cert.credential.to_s;
}

void cert_fetch_ask(struct cert_fetch *f, struct str url, id_t64 id)
{
	CHECK(f);
	enum credential_result why = CREDENTIAL_BUSY;
	id_t64 self;
	struct waiter *w = pool_new(&f->waiters, &self);

	if (!w) {
		struct event ev = {.type = EVENT_CREDENTIAL,
				   .credential = {.id = id, .result = CREDENTIAL_BUSY}};
		turn_post(f->turn, &ev);
		return;
	}
	struct entry *e = find(f, url);
	if (e && has_ended(e, f->turn->wall_ms) && e->pinned == 0) {
		forget(e);
		e = NULL;
	}
	bool is_new = !e;
	if (is_new)
		e = add(f, url, &why);
	else
		f->turn->stats.cert_kept++;
	*w = (struct waiter){.self = self, .asked = id, .entry = e, .result = why};
	if (e)
		e->used_ms = f->turn->now_ms;
	if (e && e->flying) {
		list_add_tail(&e->waiters, &w->node);
	} else {
		list_add_tail(&f->ready, &w->node);
		if (e)
			e->pinned++;
	}
	if (is_new && e)
		fly(e);
}

void cert_fetch_flush(struct cert_fetch *f)
{
	while (!list_is_empty(&f->ready)) {
		struct waiter *w = LIST_OBJECT(f->ready.next, struct waiter, node);
		struct waiter told = *w;
		struct event ev = {.type = EVENT_CREDENTIAL};
		list_del(&w->node);
		pool_free(&f->waiters, told.self);
		ev.credential.id = told.asked;
		ev.credential.result = told.entry ? told.entry->result : told.result;
		if (ev.credential.result == CREDENTIAL_OK)
			ev.credential.credential = &told.entry->cert.credential;
		turn_step(f->turn, &ev);
		if (told.entry)
			told.entry->pinned--;
	}
}

/* ---- life */

static enum err read_files(const struct identity_verifier *v, struct stir_anchors **anchors,
			   struct https_tls **tls, struct buf *why)
{
	if (!v->on)
		return OK;
	enum err e = stir_anchors_new(anchors, v->anchors, why);
	if (e == OK)
		e = https_tls_new(tls, v->https_anchors, why);
	if (e != OK)
		stir_anchors_free(anchors);
	return e;
}

enum err cert_fetch_new(struct cert_fetch **out, struct turn *turn, struct resolver *r,
			const struct identity_verifier *v, struct buf *why)
{
	struct cert_fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return ERR_NOMEM;
	f->turn = turn;
	f->resolver = r;
	f->v = v;
	list_init(&f->ready);
	enum err e =
		pool_init(&f->entries, sizeof(struct entry), CERT_FETCH_KEPT_MAX, CERT_FETCH_KIND);
	if (e == OK)
		e = pool_init(&f->waiters, sizeof(struct waiter), CERT_FETCH_WAITERS_MAX, 0);
	if (e == OK)
		e = read_files(v, &f->anchors, &f->tls, why);
	if (e != OK)
		cert_fetch_free(&f);
	else
		*out = f;
	return e;
}

/* The same under other settings: from its start, or not at all. */
static void fly_anew(struct entry *e)
{
	https_get_free(&e->get);
	e->get_done = false;
	e->moves = 0;
	e->at_len = 0;
	if (is_allowed(e->fetch, where(e)))
		fly(e);
	else
		settle(e, CREDENTIAL_REFUSED);
}

static void forget_kept(struct cert_fetch *f)
{
	uint32_t cursor = 0;
	id_t64 id;
	struct entry *e;

	while ((e = pool_next(&f->entries, &cursor, &id)) != NULL) {
		if (e->flying) {
			fly_anew(e);
		} else if (e->pinned == 0) {
			forget(e);
		} else {
			e->until_ms = f->turn->now_ms;
			turn_timer_set(f->turn, &e->timer, f->turn->now_ms);
		}
	}
}

enum err cert_fetch_apply(struct cert_fetch *f, const struct identity_verifier *v, struct buf *why)
{
	struct stir_anchors *anchors = NULL;
	struct https_tls *tls = NULL;
	enum err e = read_files(v, &anchors, &tls, why);

	if (e != OK)
		return e;
	stir_anchors_free(&f->anchors);
	f->anchors = anchors;
	f->v = v;
	/* A GET under way holds a reference to the old context itself, until it is ended below. */
	https_tls_free(&f->tls);
	f->tls = tls;
	forget_kept(f);
	return OK;
}

void cert_fetch_free(struct cert_fetch **fetch)
{
	struct cert_fetch *f = *fetch;
	uint32_t cursor = 0;
	id_t64 id;
	struct entry *e;

	if (!f)
		return;
	while (f->entries.chunks && (e = pool_next(&f->entries, &cursor, &id)) != NULL)
		forget(e);
	pool_release(&f->entries);
	pool_release(&f->waiters);
	stir_anchors_free(&f->anchors);
	https_tls_free(&f->tls);
	free(f);
	*fetch = NULL;
}
