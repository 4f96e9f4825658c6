/*
 * The simulated world (design §4): the real signalling core, phones, a relay and a network of
 * chance on a virtual clock. Prints TAP, one line a scenario; a seed that fails prints how to repeat
 * it and its ladder.
 *
 *   world --seeds 2000                 all scenarios, 2,000 seeds each
 *   world --scenario "lost ACKs" --seed 17 --verbose
 */
#include "world.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/sim/invariants.h"
#include "tests/sim/scenario.h"

enum {
	START_MS = 1000000,
	ARENA_BYTES = 4 * 1024 * 1024,
	STEPS_MAX = 200000, /* of one run: more means that it will not come to rest */
	FAILED_SHOWN = 3,   /* seeds of one scenario */
	NODE_CORE = UA_COUNT,
};

/* No call lasts longer than the longest one wanted (two hours) plus every timer. */
#define END_MS (UINT64_C(3) * 3600 * 1000)

void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	clock_init(&w->clock, START_MS);
	CHECK(arena_init_sized(&w->arena, ARENA_BYTES) == OK);
}

void world_release(struct world *w)
{
	clock_release(&w->clock);
	arena_release(&w->arena);
}

static void set_defaults(struct world *w, const struct world_options *o)
{
	struct world_want *v = &w->want;
	memset(v, 0, sizeof(*v));
	v->site = (struct site_params){.pbx_peers = 2, .timer_c_ms = 180000, .generation = 1};
	v->quality = (struct net_quality){.loss = o->loss,
					  .repeat = o->loss,
					  .reorder = o->loss,
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

static void make_phones(struct world *w)
{
	const struct site_addrs *a = site_addrs();
	const struct world_want *v = &w->want;
	struct addr out = with_port(a->sbc_outside, v->site.outside);
	struct addr in = with_port(a->sbc_inside, v->site.inside);
	const struct ua_params params[UA_COUNT] = {
		[UA_CARRIER] = {"carrier", UA_CARRIER, a->carrier, v->site.outside, out,
				a->relay_outside, "beacon", "900"},
		[UA_CARRIER2] = {"carrier2", UA_CARRIER2, a->carrier2, v->site.outside, out,
				 a->relay_outside, "beacon", "901"},
		[UA_PBX] = {"pbx", UA_PBX, a->pbx[0], v->site.inside, in, a->relay_inside, "canary",
			    "200"},
		[UA_PBX2] = {"pbx2", UA_PBX2, a->pbx[1], v->site.inside, in, a->relay_inside,
			     "canary", "201"},
		[UA_SPARE] = {"spare", UA_SPARE, a->spare, v->site.inside, in, a->relay_inside,
			      "canary", "202"},
		[UA_STRANGER] = {"stranger", UA_STRANGER, a->stranger, v->site.outside, out,
				 a->relay_outside, "strange", "666"},
	};
	for (int i = 0; i < UA_COUNT; i++) {
		struct ua_params p = params[i];
		if (v->direct) {
			p.next_hop = params[i == (int)v->caller ? v->callee : v->caller].addr;
			p.media_relay.family = ADDR_NONE;
		}
		ua_init(&w->uas[i], &p, &w->net, &w->faults);
		w->uas[i].plan = v->plans[i];
		w->uas[i].lenient = v->silent_ok;
	}
}

enum script { SCRIPT_CALL, SCRIPT_SECOND, SCRIPT_RELOAD, SCRIPT_DRAIN, SCRIPT_DOWN, SCRIPT_UP };

static void plan_script(struct world *w)
{
	const struct world_want *v = &w->want;
	const struct {
		enum script what;
		uint32_t at_ms;
	} rows[] = {{SCRIPT_SECOND, v->second_ms}, {SCRIPT_RELOAD, v->reload_ms},
		    {SCRIPT_DRAIN, v->drain_ms},   {SCRIPT_DOWN, v->down_ms},
		    {SCRIPT_UP, v->up_ms},         {SCRIPT_CALL, v->call_ms}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct happening h = {.kind = HAPPEN_SCRIPT, .to = (int)rows[i].what};
		if (rows[i].at_ms || rows[i].what == SCRIPT_CALL)
			clock_plan(&w->clock, &h, START_MS + rows[i].at_ms);
	}
}

static void place_call(struct world *w, enum world_ua caller)
{
	ua_call(&w->uas[caller], w->want.callee == UA_CARRIER ? "900" : "200",
		caller == UA_PBX ? "10.77.0.1" : "203.0.113.1");
}

static void play(struct world *w, enum script what)
{
	switch (what) {
	case SCRIPT_CALL: place_call(w, w->want.caller); break;
	case SCRIPT_SECOND: place_call(w, UA_CARRIER2); break;
	case SCRIPT_RELOAD:
		core_node_reload(&w->core,
				 w->want.reload_differs ? &w->want.reloaded : &w->want.site);
		break;
	case SCRIPT_DRAIN: core_node_drain(&w->core); break;
	case SCRIPT_DOWN:
		net_hang_up(&w->net, (int)w->want.callee);
		net_set_up(&w->net, (int)w->want.callee, false);
		break;
	case SCRIPT_UP: net_set_up(&w->net, (int)w->want.callee, true); break;
	}
}

static void make(struct world *w, const struct scenario *s, uint64_t seed,
		 const struct world_options *o)
{
	uint64_t salt = 5381;
	for (const char *p = s->name; *p; p++)
		salt = salt * 33 + (unsigned char)*p;
	w->scenario = s;
	w->seed = seed;
	w->quiet = false;
	w->never_before = check_never_count();
	clock_reset(&w->clock, START_MS);
	arena_reset(&w->arena);
	dice_init(&w->dice, seed, salt);
	w->faults.count = 0;
	w->ladder = (struct ladder){o->verbose, o->whole, START_MS};
	memset(&w->net, 0, sizeof(w->net));
	w->net.clock = &w->clock;
	w->net.dice = &w->dice;
	w->net.ladder = &w->ladder;
	w->net.arena = &w->arena;
	memset(&w->relay, 0, sizeof(w->relay));
	w->relay.clock = &w->clock;
	w->relay.dice = &w->dice;
	w->relay.arena = &w->arena;
	w->relay.faults = &w->faults;
	w->relay.ladder = &w->ladder;
	w->relay.realms[0].name = STR("outside");
	w->relay.realms[0].addr = site_addrs()->relay_outside;
	w->relay.realms[1].name = STR("inside");
	w->relay.realms[1].addr = site_addrs()->relay_inside;
	set_defaults(w, o);
	s->set(w);
	w->net.quality = w->want.quality;
	make_phones(w);
	if (!w->want.direct) {
		core_node_init(&w->core, &w->net, &w->relay, &w->faults, NODE_CORE, &w->want.site,
			       dice_u64(&w->dice));
		w->core.resolver_ms = w->want.resolver_ms;
		w->core.resolver_fails = w->want.resolver_fails;
	}
	if (w->want.callee_down)
		net_set_up(&w->net, (int)w->want.callee, false);
	plan_script(w);
}

/* Something arrived or changed on the phones' side. */
static void phone_happened(struct world *w, const struct happening *h)
{
	struct ua_path path = {.conn = NET_NONE, .transport = TRANSPORT_UDP};
	if (h->kind == HAPPEN_DATAGRAM) {
		path.to = h->from;
		ua_receive(&w->uas[w->net.ends[h->to].node], h->bytes, &path);
		return;
	}
	const struct net_conn *c = &w->net.conns[h->conn];
	int side = h->kind == HAPPEN_STREAM || h->kind == HAPPEN_CLOSED ? h->to : 0;
	int node = c->node[side];
	if (node < 0 || node >= UA_COUNT)
		return;
	if (h->kind == HAPPEN_STREAM) {
		path = (struct ua_path){h->conn, c->addr[1 - side], c->transport};
		ua_receive(&w->uas[node], h->bytes, &path);
	} else if (h->kind == HAPPEN_CLOSED || h->kind == HAPPEN_REFUSED) {
		ua_conn_closed(&w->uas[node], h->conn);
	}
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
	case HAPPEN_RESOLVED:
	case HAPPEN_UNSENT: return true;
	case HAPPEN_SCRIPT:
	case HAPPEN_COUNT: break;
	}
	return false;
}

static void happened(struct world *w, const struct happening *h)
{
	if (!net_happened(&w->net, h))
		return;
	if (h->kind == HAPPEN_SCRIPT) {
		play(w, (enum script)h->to);
		return;
	}
	if (is_core(w, h))
		core_node_happened(&w->core, h);
	else
		phone_happened(w, h);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Lets time pass until nothing will happen any more. */
static void pass_time(struct world *w)
{
	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		uint64_t phones = UINT64_MAX;
		uint64_t core = w->want.direct ? UINT64_MAX : sbc_next_ms(w->core.sbc);
		for (int i = 0; i < UA_COUNT; i++)
			phones = least(phones, ua_next_ms(&w->uas[i]));
		uint64_t next = least(least(phones, core), clock_next_ms(&w->clock));
		if (next == UINT64_MAX) {
			w->quiet = true;
			return;
		}
		if (next > START_MS + END_MS)
			return;
		if (next > w->clock.now_ms)
			w->clock.now_ms = next;
		struct happening h;
		if (clock_next_ms(&w->clock) <= next && clock_take(&w->clock, &h))
			happened(w, &h);
		else if (core <= next)
			core_node_tick(&w->core);
		else
			for (int i = 0; i < UA_COUNT; i++)
				if (ua_next_ms(&w->uas[i]) <= next)
					ua_tick(&w->uas[i]);
	}
}

bool world_run(struct world *w, const struct scenario *s, uint64_t seed,
	       const struct world_options *o)
{
	make(w, s, seed, o);
	pass_time(w);
	if (w->want.noisy)
		w->faults.count = 0;
	invariants_check(w);
	if (s->check && !w->want.noisy)
		s->check(w);
	if (!w->want.direct)
		core_node_release(&w->core);
	return w->faults.count == 0;
}

/* ---- the program */

struct arguments {
	uint64_t seeds, seed;
	bool one_seed;
	const char *scenario;
	struct world_options options;
};

static void explain(struct world *w, const struct scenario *s, uint64_t seed,
		    const struct world_options *o)
{
	struct world_options loud = *o;
	loud.verbose = true;
	printf("# seed %llu fails; again: tests/sim/world --scenario \"%s\" --seed %llu --loss %u "
	       "--verbose\n",
	       (unsigned long long)seed, s->name, (unsigned long long)seed, o->loss);
	if (!o->verbose)
		(void)world_run(w, s, seed, &loud);
	for (size_t i = 0; i < w->faults.count && i < FAULTS_KEPT; i++)
		printf("# WRONG: %s\n", w->faults.text[i]);
	if (w->faults.count > FAULTS_KEPT)
		printf("# WRONG: and %zu more\n", w->faults.count - FAULTS_KEPT);
}

static bool run_scenario(struct world *w, const struct scenario *s, unsigned number,
			 const struct arguments *a)
{
	uint64_t first = a->one_seed ? a->seed : 1;
	uint64_t count = a->one_seed ? 1 : a->seeds;
	uint64_t failed = 0;
	for (uint64_t seed = first; seed < first + count; seed++) {
		if (world_run(w, s, seed, &a->options))
			continue;
		if (failed++ < FAILED_SHOWN)
			explain(w, s, seed, &a->options);
	}
	printf("%s %u - %s: %llu seeds, %u %% loss", failed ? "not ok" : "ok", number, s->name,
	       (unsigned long long)count, a->options.loss);
	if (failed)
		printf(", %llu failed", (unsigned long long)failed);
	putchar('\n');
	fflush(stdout);
	return failed == 0;
}

static void usage(FILE *to)
{
	fputs("world [--seeds N] [--seed S] [--scenario NAME] [--loss PERCENT] [--verbose] "
	      "[--whole] [--list]\n",
	      to);
}

static uint64_t number(const char *text)
{
	uint64_t v;
	if (str_to_u64(str_from(text), UINT64_MAX - 1, &v) != OK) {
		usage(stderr);
		exit(2);
	}
	return v;
}

static void read_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
						{"seed", required_argument, NULL, 's'},
						{"scenario", required_argument, NULL, 'c'},
						{"loss", required_argument, NULL, 'l'},
						{"verbose", no_argument, NULL, 'v'},
						{"whole", no_argument, NULL, 'w'},
						{"list", no_argument, NULL, 'L'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n': a->seeds = number(optarg); break;
		case 's':
			a->seed = number(optarg);
			a->one_seed = true;
			break;
		case 'c': a->scenario = optarg; break;
		case 'l': a->options.loss = (uint32_t)number(optarg); break;
		case 'w': a->options.whole = true; /* fall through */
		case 'v': a->options.verbose = true; break;
		case 'L':
			for (const struct scenario *s = scenario_list(); s->name; s++)
				puts(s->name);
			exit(0);
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct arguments a = {.seeds = 100, .options = {.loss = 10}};
	read_arguments(argc, argv, &a);
	struct world *w = malloc(sizeof(*w));
	CHECK(w != NULL);
	world_init(w);
	unsigned n = 0;
	bool good = true;
	for (const struct scenario *s = scenario_list(); s->name; s++) {
		if (a.scenario && strncmp(a.scenario, s->name, strlen(a.scenario)) != 0)
			continue;
		good &= run_scenario(w, s, ++n, &a);
	}
	printf("1..%u\n", n);
	world_release(w);
	free(w);
	return good && n ? 0 : 1;
}
