#include "core_node.h"

#include <stdlib.h>
#include <string.h>

#include "common/bencode.h"
#include "common/check.h"
#include "tests/sim/sip_text.h"

enum { WALL_START_S = 1700000000, RELAY_ARENA = 16 * 1024 };

/* Ids of flows are connections of the net; a high bit keeps them from being small numbers. */
#define FLOW_BIT ((id_t64)1 << 40)

static struct str keep(struct core_node *n, struct str s)
{
	struct str copy = arena_str(n->arena, s);
	CHECK(copy.len == s.len);
	return copy;
}

static uint64_t now_of(const struct core_node *n)
{
	return n->net->clock->now_ms;
}

static void step(struct core_node *n, struct event *e)
{
	e->now_ms = now_of(n);
	e->wall_ms = (uint64_t)WALL_START_S * 1000 + now_of(n);
	n->steps++;
	sbc_step(n->sbc, e);
	if (n->old && !sbc_uses_settings(n->sbc, &n->old->settings)) {
		ladder_say(n->net->ladder, now_of(n), "core     the old settings are free");
		free(n->old);
		n->old = NULL;
	}
}

static struct site *new_site(const struct site_params *p)
{
	struct site *s = malloc(sizeof(*s));
	CHECK(s != NULL);
	site_init(s, p);
	return s;
}

void core_node_reload(struct core_node *n, const struct site_params *p)
{
	struct event e = {.type = EVENT_SETTINGS};
	CHECK(!n->old);
	n->old = n->site;
	n->site = new_site(p);
	e.settings = &n->site->settings;
	ladder_say(n->net->ladder, now_of(n), "core     new settings");
	step(n, &e);
}

void core_node_drain(struct core_node *n)
{
	struct event e = {.type = EVENT_DRAIN};
	ladder_say(n->net->ladder, now_of(n), "core     drains");
	step(n, &e);
}

void core_node_end(struct core_node *n)
{
	struct event e = {.type = EVENT_STOP};
	ladder_say(n->net->ladder, now_of(n), "core     is told to end");
	step(n, &e);
}

int core_node_side(const struct core_node *n, int conn)
{
	const struct net_conn *c = &n->net->conns[conn];
	if (c->node[0] == n->node)
		return 0;
	return c->node[1] == n->node ? 1 : NET_NONE;
}

static bool is_open(const struct net_conn *c)
{
	return c->state != NET_CONN_CLOSED && !c->closed[0] && !c->closed[1];
}

static void unsent(struct core_node *n, id_t64 tag, enum send_failure why)
{
	if (tag == ID_NONE)
		return;
	struct happening h = {.kind = HAPPEN_UNSENT, .id = tag, .to = (int)why, .conn = n->number};
	clock_plan(n->net->clock, &h, now_of(n));
}

/* An open connection to that address from that listener, or a new one. */
static int connection_to(struct core_node *n, const struct flow *f)
{
	for (int i = 0; i < n->net->conn_count; i++) {
		const struct net_conn *c = &n->net->conns[i];
		if (c->node[0] == n->node && is_open(c) && n->conn_listener[i] == f->listener &&
		    addr_eq(&c->addr[1], &f->remote))
			return i;
	}
	const struct listener *l = &n->site->listeners[f->listener];
	int conn = net_connect(n->net, n->node, "core", &l->local, &f->remote, f->transport);
	n->conn_listener[conn] = f->listener;
	return conn;
}

static void send_stream(struct core_node *n, const struct dest *d, struct str bytes, id_t64 tag)
{
	int conn = NET_NONE;
	if (d->flow.id != ID_NONE) {
		conn = (int)(d->flow.id & ~FLOW_BIT) - 1;
		if (conn < 0 || conn >= n->net->conn_count) {
			faults_add(n->faults, INV_FORM, "the core sends on a flow that never was");
			return;
		}
		if (!is_open(&n->net->conns[conn])) {
			if (!d->reconnect) {
				unsent(n, tag, SEND_FAILURE_CLOSED);
				return;
			}
			conn = NET_NONE;
		}
	}
	if (conn == NET_NONE)
		conn = connection_to(n, &d->flow);
	if (n->net->conns[conn].state == NET_CONN_OPENING && tag != ID_NONE) {
		CHECK(n->waiting_count < CORE_WAITING_MAX);
		n->waiting[n->waiting_count++] = (struct core_waiting){conn, tag};
	}
	net_stream(n->net, conn, core_node_side(n, conn), bytes);
}

static uint64_t sender_key(struct str branch)
{
	return lookup_hash(1, branch);
}

uint32_t core_node_sender(const struct lookup *senders, struct str name)
{
	return lookup_get(senders, sender_key(name));
}

static void note_sender(struct core_node *n, struct str bytes)
{
	struct sip_text m;
	if (!sip_text_read(bytes, &m) || !m.request)
		return;
	lookup_put(n->senders, sender_key(m.branch), (uint32_t)n->number & 1);
	lookup_put(n->senders, sender_key(m.call_id), (uint32_t)n->number & 1);
}

static void port_send(void *ctx, const struct dest *d, struct str bytes, id_t64 tag)
{
	struct core_node *n = ctx;
	if (d->flow.listener >= SITE_LISTENERS) {
		faults_add(n->faults, INV_FORM, "the core sends from listener %u",
			   d->flow.listener);
		return;
	}
	const struct listener *l = &n->site->listeners[d->flow.listener];
	if (l->transport != d->flow.transport)
		faults_add(n->faults, INV_FORM,
			   "the core sends by a listener of another transport");
	bool trusted = l->realm == SITE_INSIDE, udp = d->flow.transport == TRANSPORT_UDP;
	struct str extra = STR_NONE;
	if (n->sabotage)
		bytes = sabotage_message(n->sabotage, n->arena, trusted, bytes, &extra);
	if (!bytes.len)
		return;
	watch_out(&n->books->watch, trusted, udp, bytes, now_of(n));
	if (extra.len)
		watch_out(&n->books->watch, trusted, udp, extra, now_of(n));
	if (n->senders)
		note_sender(n, bytes);
	if (n->sabotage)
		bytes = sabotage_late(n->sabotage, n->arena, bytes);
	if (d->flow.transport == TRANSPORT_UDP)
		net_datagram(n->net, n->udp_end[l->realm], &d->flow.remote, bytes);
	else
		send_stream(n, d, bytes, tag);
}

static void port_resolve(void *ctx, const struct resolve_query *q, id_t64 id)
{
	struct core_node *n = ctx;
	struct addr a;
	if (addr_parse_ip(q->host, &a) == OK)
		faults_add(n->faults, INV_FORM, "the core resolves an address: %.*s",
			   STR_ARG(q->host));
	ladder_say(n->net->ladder, now_of(n), "core     → DNS      %.*s", STR_ARG(q->host));
	struct happening h = {.kind = HAPPEN_RESOLVED,
			      .id = id,
			      .conn = n->number,
			      .to = q->transport_given ? (int)q->transport : TRANSPORT_UDP,
			      .bytes = happening_bytes(q->host)};
	clock_plan(n->net->clock, &h, now_of(n) + dice_range(n->net->dice, 1, n->resolver_ms));
}

static void port_relay(void *ctx, const struct relay_query *q, id_t64 id)
{
	struct core_node *n = ctx;
	n->relay->asker = n->number;
	if (!n->sabotage || !sabotage_relay(n->sabotage, q))
		relay_model_ask(n->relay, q, id);
}

static void port_publish(void *ctx, const struct notice *notice)
{
	struct core_node *n = ((struct core_node *)ctx)->books;
	if (n->sabotage && sabotage_notice(n->sabotage, notice))
		return;
	n->notices[notice->type]++;
	if (notice->type == NOTICE_DROPPED || notice->type == NOTICE_REFUSED)
		ladder_say(n->net->ladder, now_of(n), "core     notice %s %u",
			   notice->type == NOTICE_DROPPED ? "dropped" : "refused",
			   notice->type == NOTICE_DROPPED ? notice->drop : notice->status);
	if (notice->type != NOTICE_CALL_ENDED)
		return;
	const struct cdr *c = notice->cdr;
	if (!c) {
		faults_add(n->faults, INV_ONE_CDR, "a call ended without a CDR");
		return;
	}
	ladder_say(n->net->ladder, now_of(n), "core     CDR %u %.*s", c->status, STR_ARG(c->cause));
	n->answered += c->answer != 0;
	if (n->cdr_count == n->cdr_cap) {
		n->cdr_cap = n->cdr_cap ? n->cdr_cap * 2 : 16;
		n->cdrs = realloc(n->cdrs, n->cdr_cap * sizeof(*n->cdrs));
		CHECK(n->cdrs != NULL);
	}
	n->cdrs[n->cdr_count++] = (struct core_cdr){.call_id_in = keep(n, c->call_id_in),
						    .call_id_out = keep(n, c->call_id_out),
						    .start = c->start,
						    .ring = c->ring,
						    .answer = c->answer,
						    .end = c->end,
						    .status = c->status,
						    .ended_by = c->ended_by,
						    .cause = keep(n, c->cause),
						    .attempts = c->attempt_count};
	if (n->sabotage)
		sabotage_cdr(n->sabotage, n);
}

static void port_close(void *ctx, id_t64 flow)
{
	struct core_node *n = ctx;
	int conn = (int)(flow & ~FLOW_BIT) - 1;
	CHECK(conn >= 0 && conn < n->net->conn_count);
	net_close(n->net, conn, core_node_side(n, conn));
}

/* The store wakes the clock when it has something to say. */
static void plan_store(struct core_node *n)
{
	const uint64_t at_ms = store_model_next_ms(n->store);
	struct happening h = {.kind = HAPPEN_STORE};
	if (at_ms != UINT64_MAX)
		clock_plan(n->net->clock, &h, at_ms);
}

static void port_store(void *ctx, const struct store_op *op)
{
	struct core_node *n = ctx;
	if (!n->store)
		return;
	store_model_post(n->store, n->store_node, op, now_of(n));
	plan_store(n);
}

/* As cert_fetch: every question has one answer. */
static void port_credential(void *ctx, struct str url, id_t64 id)
{
	enum { GIVEN_UP_MS = 5000 };
	struct core_node *n = ctx;
	struct happening h = {.kind = HAPPEN_CREDENTIAL,
			      .id = id,
			      .conn = n->number,
			      .to = n->credential ? CREDENTIAL_OK : CREDENTIAL_UNREACHABLE};
	uint64_t after = dice_range(n->net->dice, 1, n->credential_ms ? n->credential_ms : 1);

	if (n->credential_lost && dice_range(n->net->dice, 0, 99) < n->credential_lost) {
		h.to = CREDENTIAL_UNREACHABLE;
		after = GIVEN_UP_MS;
	}
	ladder_say(n->net->ladder, now_of(n), "core     → HTTPS    %.*s", STR_ARG(url));
	clock_plan(n->net->clock, &h, now_of(n) + after);
}

/* As the shell's client: one answer, at the latest a second after its time. */
static void port_opine(void *ctx, const struct opinion_query *q, id_t64 id)
{
	static const char *const said[OPINES_COUNT] = {
		[OPINES_YES] = "{\"verdict\":\"accept\"}",
		[OPINES_NO] = "{\"verdict\":\"reject\",\"status\":603,\"reason\":\"fraud\"}",
		[OPINES_NONSENSE] = "{\"verdict\":\"perhaps\"}",
		[OPINES_LATE] = "{\"verdict\":\"accept\"}",
		[OPINES_DEAD] = ""};
	struct core_node *n = ctx;
	const bool late = n->opines == OPINES_LATE, dead = n->opines == OPINES_DEAD;
	struct happening h = {.kind = HAPPEN_OPINION,
			      .id = id,
			      .to = dead ? 0 : 200,
			      .conn = n->number,
			      .bytes = happening_bytes(str_from(said[n->opines]))};
	n->opinions++;
	ladder_say(n->net->ladder, now_of(n), "core     → opinion %.*s", STR_ARG(q->json));
	clock_plan(n->net->clock, &h,
		   now_of(n) +
			   (late ? dice_range(n->net->dice, q->timeout_ms + 8, q->timeout_ms + 999)
			    : dead ? q->timeout_ms
				   : dice_range(n->net->dice, 1, q->timeout_ms - 1)));
}

static void store_tells(void *ctx, struct event *e)
{
	struct core_node *n = ctx;
	if (n->running)
		step(n, e);
}

static void boot(struct core_node *n, uint64_t seed)
{
	struct sbc_params params = {.settings = &n->site->settings,
				    .ports = {n, port_send, port_resolve, port_relay, port_publish,
					      port_close, port_store, port_credential, port_opine},
				    .worker = 0,
				    .now_ms = now_of(n),
				    .wall_ms = (uint64_t)WALL_START_S * 1000 + now_of(n)};
	memcpy(params.seed, &seed, sizeof(seed));
	CHECK(sbc_new(&n->sbc, &params) == OK);
	n->running = true;
	if (n->store) {
		n->store_node =
			store_model_join(n->store, n->params.node, store_tells, n, now_of(n));
		plan_store(n);
	}
}

void core_node_start(struct core_node *n, const struct core_world *world,
		     const struct site_params *p, uint64_t seed)
{
	struct core_node old = *n;
	struct net *net = world->net;
	memset(n, 0, sizeof(*n));
	n->watch = old.watch;
	n->cdrs = old.cdrs;
	n->cdr_cap = old.cdr_cap;
	n->books = world->first ? world->first : n;
	n->senders = world->senders;
	n->number = world->first ? 1 : 0;
	watch_reset(&n->watch, world->arena, world->faults);
	n->net = net;
	n->relay = world->relay;
	n->faults = world->faults;
	n->arena = world->arena;
	n->sabotage = world->sabotage;
	n->node = world->node;
	n->resolver_ms = 20;
	n->site = new_site(p);
	n->params = *p;
	for (unsigned i = 0; i < SITE_LISTENERS; i++) {
		const struct listener *l = &n->site->listeners[i];
		/* Two nodes have one address: who stands in front of them knows which of them is meant. */
		int end = world->first ? world->first->udp_end[l->realm]
				       : net_listen(net, "core", n->node, (uint16_t)i, &l->local,
						    l->transport);
		if (l->transport == TRANSPORT_UDP)
			n->udp_end[l->realm] = end;
	}
	n->store = world->store;
	boot(n, seed);
}

bool core_node_asked(const struct core_node *n, const struct happening *h)
{
	return n->running && h->conn == n->number;
}

void core_node_stop(struct core_node *n)
{
	if (n->running)
		sbc_free(&n->sbc);
	n->running = false;
	free(n->old);
	free(n->site);
	n->old = n->site = NULL;
}

void core_node_crash(struct core_node *n)
{
	ladder_say(n->net->ladder, now_of(n), "%s     dies", n->params.node);
	store_model_leave(n->store, n->store_node);
	core_node_stop(n);
}

void core_node_boot(struct core_node *n, uint64_t seed)
{
	ladder_say(n->net->ladder, now_of(n), "%s     starts again", n->params.node);
	n->number += 2;
	n->site = new_site(&n->params);
	boot(n, seed);
}

void core_node_ban(struct core_node *n, const char *caller)
{
	struct ban v;
	struct ban_order o = {.subject = {.kind = SUBJECT_CALLER, .name = str_from(caller)},
			      .mode = BAN_OUT,
			      .by = BAN_BY_OPERATOR,
			      .seconds = 3600,
			      .why = STR("enough of it")};
	ladder_say(n->net->ladder, now_of(n), "%s     bans %s", n->params.node, caller);
	(void)sbc_ban(n->sbc, &o,
		      (struct ban_time){now_of(n), (uint64_t)WALL_START_S * 1000 + now_of(n)}, &v);
}

void core_node_release(struct core_node *n)
{
	watch_release(&n->watch);
	free(n->cdrs);
	n->cdrs = NULL;
}

static struct flow flow_of_conn(const struct core_node *n, int conn)
{
	const struct net_conn *c = &n->net->conns[conn];
	int side = core_node_side(n, conn);
	return (struct flow){.id = FLOW_BIT | (id_t64)(conn + 1),
			     .listener =
				     side == 0 ? n->conn_listener[conn] : n->net->ends[c->end].slot,
			     .transport = c->transport,
			     .remote = c->addr[1 - side]};
}

static void arrived(struct core_node *n, const struct flow *f, struct str bytes)
{
	const struct listener *l = &n->site->listeners[f->listener];
	struct tls_facts tls = {.version = STR("TLSv1.3"),
				.cipher = STR("TLS_AES_256_GCM_SHA384"),
				.verified = true,
				.names = {STR("peer.example")},
				.name_count = 1};
	watch_in(&n->books->watch, l->realm == SITE_INSIDE, f->transport == TRANSPORT_UDP, bytes,
		 now_of(n));
	struct event e = {.type = EVENT_MESSAGE};
	e.message.flow = *f;
	e.message.tls = f->transport == TRANSPORT_TLS ? &tls : NULL;
	e.message.bytes = bytes;
	step(n, &e);
}

/* Sends that waited for this connection: they have gone out, or never will. */
static void settle(struct core_node *n, int conn, bool failed)
{
	size_t kept = 0;
	for (size_t i = 0; i < n->waiting_count; i++) {
		if (n->waiting[i].conn != conn)
			n->waiting[kept++] = n->waiting[i];
		else if (failed)
			unsent(n, n->waiting[i].tag, SEND_FAILURE_CONNECT);
	}
	n->waiting_count = kept;
}

static void resolved(struct core_node *n, const struct happening *h)
{
	struct event e = {.type = EVENT_RESOLVED};
	e.resolved.id = h->id;
	if (!n->resolver_fails && str_eq(h->bytes, STR(SITE_SPARE_HOST))) {
		e.resolved.count = 1;
		e.resolved.candidates[0] =
			(struct candidate){(enum transport)h->to, site_addrs()->spare};
	}
	step(n, &e);
}

static void relay_answered(struct core_node *n, const struct happening *h)
{
	char mem[RELAY_ARENA];
	struct arena a;
	arena_init(&a, mem, sizeof(mem));
	struct dict *d = NULL;
	struct event e = {.type = EVENT_RELAY_REPLY};
	e.relay.id = h->id;
	e.relay.result = (enum relay_result)h->to;
	if (h->bytes.len)
		CHECK(bencode_parse(h->bytes, &a, &d) > 0);
	if (e.relay.result == RELAY_RESULT_OK &&
	    str_eq(dict_get_str(d, STR("result")), STR("error")))
		e.relay.result = RELAY_RESULT_ERROR;
	if (e.relay.result == RELAY_RESULT_OK)
		e.relay.reply = d;
	else
		e.relay.error = dict_get_str(d, STR("error-reason"));
	step(n, &e);
}

static void relay_told(struct core_node *n, const struct happening *h)
{
	char mem[RELAY_ARENA];
	struct arena a;
	struct dict *d = NULL;
	struct event e = {.type = EVENT_RELAY_TOLD};
	size_t space = str_index(h->bytes, ' ');
	arena_init(&a, mem, sizeof(mem));
	CHECK(bencode_parse(str_from_offset(h->bytes, space + 1), &a, &d) > 0);
	ladder_say(n->net->ladder, now_of(n), "relay    → core     %.*s",
		   STR_ARG(dict_get_str(d, STR("notify"))));
	e.told.word = (struct str){h->bytes.p, space};
	e.told.body = d;
	step(n, &e);
}

void core_node_happened(struct core_node *n, const struct happening *h)
{
	struct event e = {0};
	struct flow f;
	switch (h->kind) {
	case HAPPEN_DATAGRAM:
		f = (struct flow){.listener = n->net->ends[h->to].slot,
				  .transport = TRANSPORT_UDP,
				  .remote = h->from};
		arrived(n, &f, h->bytes);
		return;
	case HAPPEN_STREAM:
		f = flow_of_conn(n, h->conn);
		arrived(n, &f, h->bytes);
		return;
	case HAPPEN_OPENED: settle(n, h->conn, false); return;
	case HAPPEN_REFUSED: settle(n, h->conn, true); return;
	case HAPPEN_CLOSED:
		e.type = EVENT_FLOW_CLOSED;
		e.closed.flow = FLOW_BIT | (id_t64)(h->conn + 1);
		step(n, &e);
		return;
	case HAPPEN_RELAY: relay_answered(n, h); return;
	case HAPPEN_TOLD: relay_told(n, h); return;
	case HAPPEN_RESOLVED: resolved(n, h); return;
	case HAPPEN_CREDENTIAL:
		e.type = EVENT_CREDENTIAL;
		e.credential.id = h->id;
		e.credential.result = (enum credential_result)h->to;
		e.credential.credential = n->credential;
		step(n, &e);
		return;
	case HAPPEN_OPINION:
		e.type = EVENT_OPINION;
		e.opinion.id = h->id;
		e.opinion.status = (uint16_t)h->to;
		e.opinion.body = h->bytes;
		step(n, &e);
		return;
	case HAPPEN_UNSENT:
		e.type = EVENT_SEND_FAILED;
		e.failed.tag = h->id;
		e.failed.why = (enum send_failure)h->to;
		step(n, &e);
		return;
	case HAPPEN_STORE:
		store_model_pass(n->store, now_of(n));
		plan_store(n);
		return;
	case HAPPEN_SCRIPT:
	case HAPPEN_PHONE:
	case HAPPEN_COUNT: break;
	}
}

void core_node_tick(struct core_node *n)
{
	struct event e = {.type = EVENT_TICK};
	step(n, &e);
}
