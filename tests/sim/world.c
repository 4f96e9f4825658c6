#include "world.h"

#include "tests/sim/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/sim/invariants.h"
#include "tests/sim/scenario.h"

enum {
	ARENA_BYTES = 16 * 1024 * 1024,
	STEPS_MAX = 200000, /* of one run: more means that it will not come to rest */
};

/* No call lasts longer than the longest one wanted (two hours) plus every timer. */
#define END_MS (UINT64_C(3) * 3600 * 1000)

void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	clock_init(&w->clock, WORLD_START_MS);
	CHECK(arena_init_sized(&w->arena, ARENA_BYTES) == OK);
	w->phones = calloc(UA_COUNT, sizeof(struct ua *));
	CHECK(w->phones != NULL);
	w->phone_count = UA_COUNT;
	for (int i = 0; i < UA_COUNT; i++)
		w->phones[i] = &w->uas[i];
}

void world_release(struct world *w)
{
	clock_release(&w->clock);
	arena_release(&w->arena);
	relay_model_release(&w->relay);
	core_node_release(&w->core);
	pair_release(&w->pair);
	free(w->phones);
	w->phones = NULL;
}

/* ---- who and what there is */

static void set_defaults(struct world *w)
{
	struct world_want *v = &w->want;
	uint32_t loss = w->options->loss;
	memset(v, 0, sizeof(*v));
	v->site = (struct site_params){.pbx_peers = 2, .timer_c_ms = 180000, .generation = 1};
	site_habits(&v->site);
	v->quality = (struct net_quality){.loss = loss,
					  .repeat = loss,
					  .reorder = loss,
					  .delay_least_ms = 2,
					  .delay_most_ms = 40,
					  .late_ms = 300};
	v->resolver_ms = 20;
	uint32_t t = dice_range(&w->dice, 0, 99);
	v->site.outside = t < 70 ? TRANSPORT_UDP : t < 85 ? TRANSPORT_TCP : TRANSPORT_TLS;
	v->site.inside = dice_percent(&w->dice, 80) ? TRANSPORT_UDP : TRANSPORT_TCP;
	bool in = dice_percent(&w->dice, 70);
	v->caller = in ? UA_CARRIER : UA_PBX;
	v->callee = in ? UA_PBX : UA_CARRIER;
}

static struct addr with_port(struct addr a, enum transport t)
{
	if (t == TRANSPORT_TLS)
		a.port = 5061;
	return a;
}

struct ua_params world_phone(const struct world *w, enum world_ua who)
{
	const struct site_addrs *a = site_addrs();
	const struct world_want *v = &w->want;
	static const char *const names[] = {"carrier", "carrier2", "pbx",
					    "pbx2",    "spare",    "stranger"};
	static const char *const users[] = {"900", "901", "200", "201", "202", "666"};
	const struct addr *addrs[] = {&a->carrier, &a->carrier2, &a->pbx[0],
				      &a->pbx[1],  &a->spare,    &a->stranger};
	bool inside = who == UA_PBX || who == UA_PBX2 || who == UA_SPARE;
	struct ua_params p = {.name = names[who],
			      .node = (int)who,
			      .addr = *addrs[who],
			      .transport = inside ? v->site.inside : v->site.outside,
			      .media_relay = inside ? a->relay_inside : a->relay_outside,
			      .mark = inside               ? "canary0"
				      : who == UA_STRANGER ? "strange"
							   : "beacon0",
			      .user = users[who],
			      .instance = (uint32_t)who,
			      .udp_end = w->udp_ends[who]};
	p.next_hop = with_port(inside ? a->sbc_inside : a->sbc_outside, p.transport);
	return p;
}

void world_people(struct world *w, bool crowd)
{
	const struct world_want *v = &w->want;
	for (int i = 0; i < UA_COUNT; i++) {
		struct ua_params p = world_phone(w, (enum world_ua)i);
		w->udp_ends[i] = net_listen(&w->net, p.name, i, 0, &p.addr, TRANSPORT_UDP);
		(void)net_listen(&w->net, p.name, i, 0, &p.addr, TRANSPORT_TCP);
		(void)net_listen(&w->net, p.name, i, 0, &p.addr, TRANSPORT_TLS);
	}
	for (int i = 0; i < UA_COUNT && !crowd; i++) {
		struct ua_params p = world_phone(w, (enum world_ua)i);
		if (v->direct) {
			p.next_hop =
				world_phone(w, i == (int)v->caller ? v->callee : v->caller).addr;
			p.media_relay.family = ADDR_NONE;
		}
		ua_init(&w->uas[i], &p, &w->net, &w->faults, &w->arena);
		w->uas[i].plan = v->plans[i];
		w->uas[i].lenient = v->silent_ok || v->rogue;
		w->uas[i].two_nodes = v->pair.on;
	}
}

/* ---- the script */

enum script {
	SCRIPT_CALL,
	SCRIPT_SECOND,
	SCRIPT_RELOAD,
	SCRIPT_DRAIN,
	SCRIPT_END,
	SCRIPT_DOWN,
	SCRIPT_UP,
	SCRIPT_STALL,
	SCRIPT_COUNT
};

static void plan_script(struct world *w)
{
	const struct world_want *v = &w->want;
	const struct {
		enum script what;
		uint32_t at_ms;
	} rows[] = {{SCRIPT_SECOND, v->second_ms}, {SCRIPT_RELOAD, v->reload_ms},
		    {SCRIPT_DRAIN, v->drain_ms},   {SCRIPT_END, v->end_ms},
		    {SCRIPT_DOWN, v->down_ms},     {SCRIPT_UP, v->up_ms},
		    {SCRIPT_CALL, v->call_ms}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct happening h = {.kind = HAPPEN_SCRIPT, .to = (int)rows[i].what};
		if (rows[i].at_ms || rows[i].what == SCRIPT_CALL)
			clock_plan(&w->clock, &h, WORLD_START_MS + rows[i].at_ms);
	}
	pair_plan(w);
	for (unsigned i = 0; i < v->stall_count; i++) {
		struct happening h = {.kind = HAPPEN_SCRIPT, .to = SCRIPT_STALL, .conn = (int)i};
		clock_plan(&w->clock, &h, WORLD_START_MS + v->stalls[i].at_ms);
	}
}

static void place_call(struct world *w, enum world_ua caller)
{
	const char *user = w->want.callee == UA_CARRIER ? "900" : "200";
	ua_call(&w->uas[caller], w->want.dials ? w->want.dials : user,
		caller == UA_PBX ? "10.77.0.1" : "203.0.113.1");
	world_plan_phone(w, &w->uas[caller]);
}

static void stall(struct world *w, const struct world_stall *s)
{
	uint64_t until = w->clock.now_ms + s->for_ms;
	ladder_say(&w->ladder, w->clock.now_ms, "%s gets no CPU for %u ms",
		   s->node == NODE_CORE    ? "core"
		   : s->node == NODE_RELAY ? "relay"
					   : w->uas[s->node].p.name,
		   s->for_ms);
	if (until > w->stalled_until[s->node])
		w->stalled_until[s->node] = until;
}

static void play(struct world *w, int what, int arg)
{
	if (what == WORLD_SCRIPT_PAIR) {
		pair_act(w);
		return;
	}
	switch ((enum script)what) {
	case SCRIPT_CALL: place_call(w, w->want.caller); break;
	case SCRIPT_SECOND: place_call(w, UA_CARRIER2); break;
	case SCRIPT_RELOAD:
		core_node_reload(&w->core,
				 w->want.reload_differs ? &w->want.reloaded : &w->want.site);
		break;
	case SCRIPT_DRAIN: core_node_drain(&w->core); break;
	case SCRIPT_END: core_node_end(&w->core); break;
	case SCRIPT_DOWN:
		net_hang_up(&w->net, (int)w->want.callee);
		net_set_up(&w->net, (int)w->want.callee, false);
		break;
	case SCRIPT_UP: net_set_up(&w->net, (int)w->want.callee, true); break;
	case SCRIPT_STALL: stall(w, &w->want.stalls[arg]); break;
	case SCRIPT_COUNT: break;
	}
}

/* ---- a run begins */

void world_begin(struct world *w, const char *salt_text, uint64_t seed,
		 const struct world_options *o)
{
	uint64_t salt = 5381;
	for (const char *p = salt_text; *p; p++)
		salt = salt * 33 + (unsigned char)*p;
	w->seed = seed;
	w->options = o;
	w->quiet = false;
	w->never_before = check_never_count();
	clock_reset(&w->clock, WORLD_START_MS);
	arena_reset(&w->arena);
	dice_init(&w->dice, seed, salt);
	/* The network's chance is its own: a run with less in it meets the same network. */
	dice_init(&w->net_dice, seed + o->cut.chance * 1000003u, salt + 1);
	faults_reset(&w->faults);
	memset(w->stalled_until, 0, sizeof(w->stalled_until));
	w->ladder = (struct ladder){o->verbose, o->whole, WORLD_START_MS};
	w->sabotage = (struct sabotage){.of = o->broken};
	memset(&w->net, 0, sizeof(w->net));
	w->net.clock = &w->clock;
	w->net.dice = &w->net_dice;
	w->net.ladder = &w->ladder;
	relay_model_reset(&w->relay);
	w->relay.clock = &w->clock;
	w->relay.dice = &w->net_dice;
	w->relay.faults = &w->faults;
	w->relay.ladder = &w->ladder;
	w->relay.realms[0].name = STR("outside");
	w->relay.realms[0].addr = site_addrs()->relay_outside;
	w->relay.realms[1].name = STR("inside");
	w->relay.realms[1].addr = site_addrs()->relay_inside;
	set_defaults(w);
}

void world_start_core(struct world *w)
{
	const struct world_want *v = &w->want;
	struct core_world c = {&w->net,
			       &w->relay,
			       &w->faults,
			       &w->arena,
			       w->sabotage.of == INV_COUNT ? NULL : &w->sabotage,
			       NODE_CORE,
			       NULL,
			       NULL,
			       NULL};
	if (v->pair.on)
		pair_start(w, &c);
	else
		core_node_start(&w->core, &c, &v->site, dice_u64(&w->net_dice));
	w->core.resolver_ms = v->resolver_ms;
	w->core.resolver_fails = v->resolver_fails;
	w->core.credential = v->credential_ms ? signer_credential() : NULL;
	w->core.credential_ms = v->credential_ms;
	w->core.credential_lost = v->credential_lost;
	w->core.opines = v->opines;
	struct watch *watch = &w->core.watch;
	uint32_t hops = v->plans[v->caller].hops;
	watch->hops = hops ? hops - 1 : 70;
	watch->srtp[0] = v->site.srtp;
	watch->stops = v->end_ms > 0;
	watch->drains = v->drain_ms > 0;
	watch->rogue = v->rogue;
	watch->gives_up = v->gives_up || v->site.failure_after_ms > 0;
	for (unsigned i = 0; i < UA_COUNT; i++)
		for (size_t t = 0; t < v->plans[i].todo_count; t++)
			watch->closes |= v->plans[i].todos[t].act == UA_CLOSE;
	for (unsigned i = 0; i < v->stall_count; i++)
		watch->stalls |= v->stalls[i].node == NODE_CORE;
	watch->stalls |= v->pair.on && !v->pair.prompt;
	watch->shared = v->pair.on;
	watch->prompt = v->pair.prompt;
}

/* A shorter run: what it leaves out. */
static void cut(struct world *w)
{
	const struct world_cut *c = &w->options->cut;
	struct world_want *v = &w->want;
	for (int i = 0; i < UA_COUNT; i++) {
		struct ua_plan *p = &v->plans[i];
		size_t kept = 0;
		for (size_t t = 0; t < p->todo_count; t++) {
			if (c->todos[i] >> t & 1)
				continue;
			p->todos[kept] = p->todos[t];
			p->todos[kept++].after_ms >>= c->shorter;
		}
		p->todo_count = kept;
	}
	if (c->loss)
		v->quality.loss = 0;
	if (c->repeat)
		v->quality.repeat = 0;
	if (c->reorder)
		v->quality.reorder = 0;
	if (c->noise)
		v->quality.noise = 0;
	if (c->stalls)
		v->stall_count = 0;
	if (c->relay)
		w->relay.turn_count = 0;
	if (c->second)
		v->second_ms = 0;
	if (c->operator_acts)
		v->reload_ms = v->drain_ms = v->end_ms = 0;
	if (c->plain)
		v->site.outside = v->site.inside = TRANSPORT_UDP;
}

static void make(struct world *w, const struct scenario *s, uint64_t seed,
		 const struct world_options *o)
{
	w->scenario = s;
	world_begin(w, s->name, seed, o);
	w->script = play;
	s->set(w);
	cut(w);
	w->net.quality = w->want.quality;
	world_people(w, false);
	if (!w->want.direct)
		world_start_core(w);
	if (w->want.callee_down)
		net_set_up(&w->net, (int)w->want.callee, false);
	plan_script(w);
}

/* ---- time */

void world_plan_phone(struct world *w, struct ua *u)
{
	if (u->due_ms >= u->planned_ms)
		return;
	struct happening h = {.kind = HAPPEN_PHONE, .to = (int)u->p.instance};
	u->planned_ms = u->due_ms;
	clock_plan(&w->clock, &h, u->due_ms > w->clock.now_ms ? u->due_ms : w->clock.now_ms);
}

/* Many phones at one address: the number behind the last point of a token that is theirs. */
static struct ua *phone_of(struct world *w, int node, struct str bytes)
{
	struct sip_text m;
	uint32_t n;
	if (w->phone_count == UA_COUNT)
		return &w->uas[node];
	if (!sip_text_read(bytes, &m))
		return NULL;
	struct str token = m.branch;
	if (m.request) {
		size_t colon = str_index(m.uri, ':');
		token = str_from_offset(m.uri, colon < m.uri.len ? colon + 1 : 0);
		token.len = str_index(token, '@');
	}
	for (size_t at; (at = str_index(token, '.')) < token.len;)
		token = str_from_offset(token, at + 1);
	if (str_to_u32(token, w->phone_count - 1, &n) != OK)
		return NULL;
	return w->phones[n];
}

/* Something arrived or changed on the phones' side. */
static void phone_happened(struct world *w, const struct happening *h)
{
	struct ua_path path = {.conn = NET_NONE, .transport = TRANSPORT_UDP};
	int node;
	if (h->kind == HAPPEN_DATAGRAM) {
		path.to = h->from;
		node = w->net.ends[h->to].node;
	} else {
		const struct net_conn *c = &w->net.conns[h->conn];
		int side = h->kind == HAPPEN_STREAM || h->kind == HAPPEN_CLOSED ? h->to : 0;
		node = c->node[side];
		if (h->kind == HAPPEN_STREAM)
			path = (struct ua_path){h->conn, c->addr[1 - side], c->transport};
	}
	if (node < 0 || node >= UA_COUNT)
		return;
	if (h->kind == HAPPEN_CLOSED || h->kind == HAPPEN_REFUSED) {
		for (uint32_t i = 0; i < w->phone_count; i++)
			if (w->phones[i] && w->phones[i]->p.node == node)
				ua_conn_closed(w->phones[i], h->conn);
		return;
	}
	if (h->kind != HAPPEN_DATAGRAM && h->kind != HAPPEN_STREAM)
		return;
	struct ua *u = phone_of(w, node, h->bytes);
	if (!u)
		return;
	ua_receive(u, h->bytes, &path);
	world_plan_phone(w, u);
}

static void phone_ticks(struct world *w, int instance)
{
	struct ua *u = w->phones[instance];
	if (!u)
		return;
	u->planned_ms = UINT64_MAX;
	if (u->due_ms <= w->clock.now_ms)
		ua_tick(u);
	world_plan_phone(w, u);
}

static bool is_core(const struct world *w, const struct happening *h)
{
	if (w->want.direct)
		return false;
	switch (h->kind) {
	case HAPPEN_DATAGRAM: return w->net.ends[h->to].node == NODE_CORE;
	case HAPPEN_STREAM:
	case HAPPEN_CLOSED: return w->net.conns[h->conn].node[h->to] == NODE_CORE;
	case HAPPEN_OPENED:
		/* Both sides learn of it; for the core it matters which listener took it. */
		return w->net.conns[h->conn].node[0] == NODE_CORE ||
		       w->net.conns[h->conn].node[1] == NODE_CORE;
	case HAPPEN_REFUSED: return w->net.conns[h->conn].node[0] == NODE_CORE;
	case HAPPEN_RELAY:
	case HAPPEN_TOLD:
	case HAPPEN_RESOLVED:
	case HAPPEN_CREDENTIAL:
	case HAPPEN_OPINION:
	case HAPPEN_STORE:
	case HAPPEN_UNSENT: return true;
	case HAPPEN_SCRIPT:
	case HAPPEN_PHONE:
	case HAPPEN_COUNT: break;
	}
	return false;
}

/* Who must run for it to happen; a negative number: nobody. */
static int node_of(const struct world *w, const struct happening *h)
{
	if (h->kind == HAPPEN_SCRIPT)
		return NET_NONE;
	if (h->kind == HAPPEN_PHONE)
		return w->phones[h->to] ? w->phones[h->to]->p.node : NET_NONE;
	if (is_core(w, h))
		return (h->kind == HAPPEN_RELAY || h->kind == HAPPEN_TOLD) &&
				       w->stalled_until[NODE_RELAY] > w->clock.now_ms
			       ? NODE_RELAY
			       : NODE_CORE;
	if (h->kind == HAPPEN_DATAGRAM)
		return w->net.ends[h->to].node;
	if (h->kind == HAPPEN_STREAM)
		return w->net.conns[h->conn].node[h->to];
	return NET_NONE;
}

static void core_happened(struct world *w, const struct happening *h)
{
	struct core_node *n = pair_core_of(w, h);
	if (n)
		core_node_happened(n, h);
}

static void happened(struct world *w, struct happening *h)
{
	int node = node_of(w, h);
	if (node >= 0 && w->stalled_until[node] > w->clock.now_ms) {
		clock_plan(&w->clock, h, w->stalled_until[node]); /* it waits in a socket */
		return;
	}
	if (h->kind == HAPPEN_SCRIPT)
		w->script(w, h->to, h->conn);
	else if (h->kind == HAPPEN_PHONE)
		phone_ticks(w, h->to);
	else if (!net_happened(&w->net, h))
		;
	else if (is_core(w, h))
		core_happened(w, h);
	else
		phone_happened(w, h);
	happening_release(h);
}

/* Of the node that has something to do next; *out_node is that one. */
static uint64_t node_next_ms(struct world *w, struct core_node **out_node)
{
	uint64_t next = UINT64_MAX;
	*out_node = &w->core;
	for (int i = 0; i < (w->want.pair.on ? PAIR_NODES : 1); i++) {
		struct core_node *n = pair_node(w, i);
		const uint64_t ms = n->running ? sbc_next_ms(n->sbc) : UINT64_MAX;
		if (ms < next) {
			next = ms;
			*out_node = n;
		}
	}
	return next;
}

static uint64_t core_next_ms(struct world *w, struct core_node **out_node)
{
	if (w->want.direct)
		return UINT64_MAX;
	uint64_t next = node_next_ms(w, out_node);
	if (next == UINT64_MAX)
		return next;
	/* The sabotaged core gets no time any more once there has been a call. */
	if (sabotage_freezes(&w->sabotage) && w->core.cdr_count)
		return UINT64_MAX;
	return next < w->stalled_until[NODE_CORE] ? w->stalled_until[NODE_CORE] : next;
}

void world_pass_time(struct world *w, uint64_t steps_max, uint64_t end_ms)
{
	for (uint64_t steps = 0; steps < steps_max; steps++) {
		struct core_node *node = &w->core;
		uint64_t core = core_next_ms(w, &node), clock = clock_next_ms(&w->clock);
		uint64_t next = core < clock ? core : clock;
		if (next == UINT64_MAX) {
			w->quiet = true;
			return;
		}
		if (next > end_ms)
			return;
		if (next > w->clock.now_ms)
			w->clock.now_ms = next;
		struct happening h;
		if (clock <= next && clock_take(&w->clock, &h))
			happened(w, &h);
		else
			core_node_tick(node);
	}
}

bool world_run(struct world *w, const struct scenario *s, uint64_t seed,
	       const struct world_options *o)
{
	make(w, s, seed, o);
	const struct pair_want *p = &w->want.pair;
	world_pass_time(w, o->broken == INV_REST ? 20 : STEPS_MAX,
			WORLD_START_MS + (p->on ? p->until_ms : END_MS));
	if (w->want.noisy)
		faults_reset(&w->faults);
	invariants_check(w);
	if (s->check && !w->want.noisy)
		s->check(w);
	if (o->broken == INV_SCENARIO)
		faults_add(&w->faults, INV_SCENARIO, "as if it were another");
	if (!w->want.direct)
		core_node_stop(&w->core);
	pair_stop(w);
	return w->faults.count == 0;
}
