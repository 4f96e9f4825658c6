#include "pair.h"

#include "common/check.h"
#include "sbc/core/worker.h"
#include "tests/sim/sip_text.h"
#include "tests/sim/world.h"

enum { LOOK_MS = 100, GIVE_UP_MS = 12000, SOON_MS = 300 };

/* ---- what scenarios say */

void pair_on(struct world *w)
{
	w->want.pair.on = true;
	w->want.pair.until_ms = 150000;
	w->want.site.outside = w->want.site.inside = TRANSPORT_UDP;
	w->want.silent_ok = true;
}

void pair_for(struct world *w, uint32_t after_ms, enum pair_what what, uint32_t for_ms,
	      uint32_t value)
{
	struct pair_want *v = &w->want.pair;
	CHECK(v->act_count < PAIR_ACTS);
	v->acts[v->act_count++] = (struct pair_act){
		.what = what, .after_ms = after_ms, .for_ms = for_ms, .value = value};
}

void pair_then(struct world *w, uint32_t after_ms, enum pair_what what, int node)
{
	struct pair_want *v = &w->want.pair;
	pair_for(w, after_ms, what, 0, 0);
	v->acts[v->act_count - 1].node = node;
}

/* ---- life */

struct core_node *pair_node(struct world *w, int number)
{
	return number ? &w->pair.twin : &w->core;
}

struct core_node *pair_role(struct world *w, int role)
{
	return pair_node(w, w->pair.home ^ role);
}

void pair_release(struct pair *p)
{
	if (p->has_store)
		store_model_release(&p->store);
	p->has_store = false;
	core_node_release(&p->twin);
	lookup_release(&p->keys);
}

void pair_start(struct world *w, const struct core_world *c)
{
	struct pair *p = &w->pair;
	struct site_params site = w->want.site;
	struct core_world both = *c;
	if (p->has_store)
		store_model_release(&p->store);
	p->has_store = true;
	store_model_init(&p->store, dice_u64(&w->net_dice), w->clock.now_ms);
	lookup_reset(&p->keys);
	p->home = (int)dice_range(&w->net_dice, 0, 1);
	p->way = FRONT_STAYS;
	p->next_act = 0;
	p->begun_ms = 0;
	p->unheard = 0;
	p->given_up = false;
	both.store = &p->store;
	both.senders = &p->keys;
	site.node = "sbc1";
	core_node_start(&w->core, &both, &site, dice_u64(&w->net_dice));
	both.first = &w->core;
	site.node = "sbc2";
	core_node_start(&p->twin, &both, &site, dice_u64(&w->net_dice));
}

void pair_stop(struct world *w)
{
	if (w->want.pair.on)
		core_node_stop(&w->pair.twin);
}

/* ---- who stands in front */

/* What has this Call-ID, CSeq and From is one transaction with its CANCEL and its ACK. */
static uint64_t transaction_key(const struct sip_text *m)
{
	char mem[16];
	struct buf b;
	buf_init(&b, mem, sizeof(mem));
	buf_u64(&b, m->cseq);
	return lookup_hash(lookup_hash(lookup_hash(2, m->call_id), m->from_tag), buf_view(&b));
}

static int way_of(struct world *w)
{
	struct pair *p = &w->pair;
	switch (p->way) {
	case FRONT_STAYS: return p->home;
	case FRONT_OTHER: return 1 - p->home;
	case FRONT_EITHER:
	case FRONT_WILD: break;
	}
	return (int)dice_range(&w->net_dice, 0, 1);
}

/* Calls that the core makes are where it made them. */
static int spread(const struct pair *p, const struct sip_text *m)
{
	const uint32_t n = core_node_sender(&p->keys, m->call_id);
	return n == LOOKUP_NONE ? (int)(lookup_hash(3, m->call_id) & 1) : (int)n;
}

static int meant(struct world *w, const struct sip_text *m)
{
	struct pair *p = &w->pair;
	if (m->request && w->want.pair.spread)
		return spread(p, m);
	if (!m->request) {
		uint32_t n = core_node_sender(&p->keys, m->branch);
		return n == LOOKUP_NONE ? p->home : (int)n;
	}
	const uint64_t key = transaction_key(m);
	uint32_t n = lookup_get(&p->keys, key);
	if (n != LOOKUP_NONE && (p->way != FRONT_WILD || n > 1))
		return (int)n & 1;
	n = (uint32_t)(m->to_tag.len ? way_of(w) : p->home);
	/* INVITEs with all that belongs to them stay where they are even then: 2. */
	const bool invite = !m->to_tag.len || str_eq(m->cseq_method, STR("INVITE"));
	lookup_put(&p->keys, key, n | (invite ? 2 : 0));
	return (int)n;
}

static struct core_node *node_of(struct world *w, struct str bytes)
{
	struct sip_text m;
	struct core_node *n = pair_node(w, sip_text_read(bytes, &m) ? meant(w, &m) : w->pair.home);
	if (n->running)
		return n;
	n = pair_node(w, 1 - (n->number & 1));
	if (n->running)
		return n;
	w->pair.unheard++;
	return NULL;
}

struct core_node *pair_core_of(struct world *w, const struct happening *h)
{
	if (!w->want.pair.on)
		return &w->core;
	if (h->kind == HAPPEN_DATAGRAM)
		return node_of(w, h->bytes);
	if (h->kind == HAPPEN_STORE)
		return w->core.running ? &w->core : &w->pair.twin;
	struct core_node *n = pair_node(w, h->conn & 1);
	return core_node_asked(n, h) ? n : NULL;
}

/* ---- what happens to them */

static void do_act(struct world *w, const struct pair_act *a)
{
	struct pair *p = &w->pair;
	const uint64_t now = w->clock.now_ms;
	struct core_node *n = pair_role(w, a->node);
	static const char *const names[] = {"move", "crash",   "boot",  "freeze", "slow", "cut",
					    "keep", "restore", "empty", "ban",    "fast", "lose"};
	ladder_say(&w->ladder, now, "store    %s %d", names[a->what], a->node);
	switch (a->what) {
	case PAIR_MOVE: p->way = (enum front_way)a->value; break;
	case PAIR_CRASH: core_node_crash(n); break;
	case PAIR_BOOT: core_node_boot(n, dice_u64(&w->net_dice)); break;
	case PAIR_FREEZE: store_model_freeze(&p->store, now, now + a->for_ms); break;
	case PAIR_CUT: store_model_cut(&p->store, n->store_node, now, now + a->for_ms); break;
	case PAIR_SLOW:
		p->store.delay_min_ms = a->value / 4;
		p->store.delay_max_ms = a->value;
		break;
	case PAIR_FAST: p->store.delay_min_ms = p->store.delay_max_ms = 1; break;
	case PAIR_LOSE: p->store.lost = p->store.repeated = a->value; break;
	case PAIR_KEEP: store_model_keep(&p->store); break;
	case PAIR_RESTORE: store_model_restore(&p->store, now); break;
	case PAIR_EMPTY: store_model_empty(&p->store, now); break;
	case PAIR_BAN: core_node_ban(n, "901"); break;
	}
	if (p->store.memory.table.mask) {
		struct happening h = {.kind = HAPPEN_STORE};
		uint64_t at = store_model_next_ms(&p->store);
		if (at != UINT64_MAX)
			clock_plan(&w->clock, &h, at > now ? at : now);
	}
}

static void plan_act(struct world *w, uint64_t in_ms)
{
	struct happening h = {.kind = HAPPEN_SCRIPT, .to = WORLD_SCRIPT_PAIR};
	clock_plan(&w->clock, &h, w->clock.now_ms + in_ms);
}

void pair_plan(struct world *w)
{
	if (w->want.pair.on && w->want.pair.act_count)
		plan_act(w, LOOK_MS);
}

static bool call_stands(struct world *w)
{
	/* It is in the store from its ACK on. */
	return pair_role(w, 0)->sbc->keeps.pool.used > 0;
}

void pair_act(struct world *w)
{
	struct pair *p = &w->pair;
	const struct pair_want *v = &w->want.pair;
	if (p->given_up || p->next_act == v->act_count)
		return;
	if (!p->begun_ms && !v->without_call && !call_stands(w)) {
		p->given_up = w->clock.now_ms > WORLD_START_MS + GIVE_UP_MS;
		plan_act(w, LOOK_MS);
		return;
	}
	if (!p->begun_ms) { /* what was said last may still be on its way */
		p->begun_ms = w->clock.now_ms;
		plan_act(w, SOON_MS + v->acts[0].after_ms);
		return;
	}
	do_act(w, &v->acts[p->next_act++]);
	if (p->next_act < v->act_count)
		plan_act(w, v->acts[p->next_act].after_ms);
}
