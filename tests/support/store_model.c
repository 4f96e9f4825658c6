#include "tests/support/store_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"

enum { ENTRIES_MAX = 65536, BYTES_MAX = 256 * 1024 * 1024, SPREAD_MS = 1000 };

enum what { DO, TELL };

/* What will happen. */
struct item {
	struct list node;
	uint64_t at_ms, order;
	enum what what;
	unsigned who;
	bool is_lost; /* the reply: what is told is DOWN, later */
	struct store_op op;
	struct event event;
	char bytes[];
};

static uint32_t chance(struct store_model *m, uint32_t n)
{
	m->chance = m->chance * 6364136223846793005u + 1442695040888963407u;
	return n ? (uint32_t)(m->chance >> 33) % n : 0;
}

void store_model_init(struct store_model *m, uint64_t seed, uint64_t now_ms)
{
	const struct siphash_key key = {{seed, ~seed}};
	*m = (struct store_model){.delay_min_ms = 1, .delay_max_ms = 1, .chance = seed};
	list_init(&m->pending);
	CHECK(store_memory_init(&m->memory, ENTRIES_MAX, BYTES_MAX, &key, now_ms) == OK);
	CHECK(store_memory_init(&m->kept, ENTRIES_MAX, BYTES_MAX, &key, now_ms) == OK);
}

static void drop(struct item *i)
{
	list_del(&i->node);
	free(i);
}

void store_model_release(struct store_model *m)
{
	list_each_safe (n, &m->pending)
		drop(LIST_OBJECT(n, struct item, node));
	store_memory_release(&m->memory);
	store_memory_release(&m->kept);
}

/* Copies of a and b behind it, that the caller's views are set to. */
static struct item *plan(struct store_model *m, uint64_t at_ms, unsigned who, struct str *texts[],
			 size_t count)
{
	size_t size = 0, at = 0;
	for (size_t k = 0; k < count; k++)
		size += texts[k]->len;
	struct item *i = calloc(1, sizeof(*i) + size + 1);
	CHECK(i);
	i->at_ms = at_ms;
	i->order = m->order++;
	i->who = who;
	for (size_t k = 0; k < count; k++) {
		if (texts[k]->len)
			memcpy(i->bytes + at, texts[k]->p, texts[k]->len);
		*texts[k] = (struct str){i->bytes + at, texts[k]->len};
		at += texts[k]->len;
	}
	struct list *behind = m->pending.prev;
	while (behind != &m->pending && LIST_OBJECT(behind, struct item, node)->at_ms > at_ms)
		behind = behind->prev;
	/* list_add_tail(x, n) puts n in front of x. */
	list_add_tail(behind->next, &i->node);
	return i;
}

static void tell_state(struct store_model *m, unsigned who, bool up, bool fresh, uint64_t at_ms)
{
	struct item *i = plan(m, at_ms, who, NULL, 0);
	i->what = TELL;
	i->event.type = EVENT_STORE_STATE;
	i->event.store_state = (struct store_state){
		.up = up, .is_fresh = fresh, .spread_ms = fresh ? chance(m, SPREAD_MS) : 0};
}

unsigned store_model_join(struct store_model *m, const char *name, store_model_fn tell, void *ctx,
			  uint64_t now_ms)
{
	CHECK(m->node_count < STORE_MODEL_NODES);
	struct store_model_node *n = &m->nodes[m->node_count];
	*n = (struct store_model_node){.tell = tell, .ctx = ctx};
	snprintf(n->name, sizeof(n->name), "%s", name);
	tell_state(m, m->node_count, true, false, now_ms);
	return m->node_count++;
}

void store_model_leave(struct store_model *m, unsigned node)
{
	m->nodes[node].tell = NULL;
}

static void plan_reply(struct store_model *m, unsigned who, const struct store_reply *r,
		       uint64_t at_ms)
{
	struct event e = {.type = EVENT_STORE_REPLY, .stored = *r};
	struct item *i =
		plan(m, at_ms, who, (struct str *[]){&e.stored.member, &e.stored.value}, 2);
	i->what = TELL;
	i->event = e;
}

static uint64_t delay(struct store_model *m)
{
	return m->delay_min_ms + chance(m, m->delay_max_ms - m->delay_min_ms + 1);
}

static void plan_op(struct store_model *m, unsigned who, const struct store_op *op, uint64_t at_ms,
		    bool is_lost)
{
	struct store_op copy = *op;
	struct item *i =
		plan(m, at_ms, who, (struct str *[]){&copy.key, &copy.member, &copy.value}, 3);
	i->what = DO;
	i->op = copy;
	i->is_lost = is_lost;
}

static bool is_write(const struct store_op *op)
{
	return op->verb == STORE_PUT || op->verb == STORE_DELETE || op->verb == STORE_MEMBER_PUT ||
	       op->verb == STORE_MEMBER_DELETE;
}

void store_model_post(struct store_model *m, unsigned node, const struct store_op *op,
		      uint64_t now_ms)
{
	struct store_model_node *n = &m->nodes[node];
	struct store_reply down = {
		.owner = op->owner, .verb = op->verb, .area = op->area, .result = STORE_DOWN};
	const bool away = n->until_ms > now_ms;
	const bool waits = away && is_write(op) && op->owner == ID_NONE;

	m->ops++;
	m->puts += op->verb == STORE_PUT || op->verb == STORE_MEMBER_PUT;
	if (!away) {
		plan_op(m, node, op, now_ms + delay(m), chance(m, 1000) < m->lost);
		return;
	}
	/* A frozen server has it in its socket as long as nobody has noticed. Who has been told DOWN hears no more of it. */
	if (waits || (!n->is_cut && n->up)) {
		struct store_op late = *op;
		late.owner = ID_NONE;
		plan_op(m, node, &late, n->until_ms + 1, false);
	}
	if (op->owner != ID_NONE)
		plan_reply(m, node, &down, now_ms + (n->up ? STORE_MODEL_TIMEOUT_MS : 0));
}

uint64_t store_model_next_ms(const struct store_model *m)
{
	return list_is_empty(&m->pending) ? UINT64_MAX
					  : LIST_OBJECT(m->pending.next, struct item, node)->at_ms;
}

struct answering {
	struct store_model *m;
	unsigned who;
	uint64_t at_ms;
	bool is_lost;
};

static void on_reply(void *ctx, const struct store_reply *r)
{
	struct answering *a = ctx;
	struct store_reply down = {
		.owner = r->owner, .verb = r->verb, .area = r->area, .result = STORE_DOWN};
	if (!a->is_lost)
		plan_reply(a->m, a->who, r, a->at_ms);
	else if (!r->more)
		plan_reply(a->m, a->who, &down, a->at_ms + STORE_MODEL_TIMEOUT_MS);
}

static void publish(struct store_model *m, const struct item *i, uint64_t now_ms)
{
	for (unsigned k = 0; k < m->node_count; k++) {
		if (k == i->who || !m->nodes[k].tell || m->nodes[k].until_ms > now_ms)
			continue;
		for (unsigned copies = chance(m, 1000) < m->repeated ? 2 : 1; copies > 0;
		     copies--) {
			struct event e = {.type = EVENT_STORE_TOLD};
			if (chance(m, 1000) < m->lost)
				continue;
			e.store_told = (struct store_told){
				i->op.area, str_from(m->nodes[i->who].name), i->op.value};
			struct item *t =
				plan(m, now_ms + delay(m), k,
				     (struct str *[]){&e.store_told.node, &e.store_told.value}, 2);
			t->what = TELL;
			t->event = e;
		}
	}
}

static void carry_out(struct store_model *m, struct item *i, uint64_t now_ms)
{
	struct answering a = {m, i->who, now_ms + delay(m), i->is_lost};
	store_memory_do(&m->memory, &i->op, now_ms, on_reply, &a);
	if (i->op.verb == STORE_PUBLISH)
		publish(m, i, now_ms);
}

void store_model_pass(struct store_model *m, uint64_t now_ms)
{
	while (store_model_next_ms(m) <= now_ms) {
		struct item *i = LIST_OBJECT(m->pending.next, struct item, node);
		struct store_model_node *n = &m->nodes[i->who];
		list_del(&i->node);
		if (i->what == DO) {
			carry_out(m, i, now_ms);
		} else if (n->tell) {
			if (i->event.type == EVENT_STORE_STATE) {
				n->up = i->event.store_state.up;
				if (n->up)
					n->until_ms = 0;
			}
			m->told++;
			n->tell(n->ctx, &i->event);
		}
		free(i);
	}
}

static void away(struct store_model *m, unsigned k, bool cut, uint64_t now_ms, uint64_t until_ms)
{
	m->nodes[k].until_ms = until_ms;
	m->nodes[k].is_cut = cut;
	tell_state(m, k, false, false, now_ms + STORE_MODEL_SLOW_MS);
	tell_state(m, k, true, false, until_ms);
}

void store_model_freeze(struct store_model *m, uint64_t now_ms, uint64_t until_ms)
{
	for (unsigned k = 0; k < m->node_count; k++)
		away(m, k, false, now_ms, until_ms);
}

void store_model_cut(struct store_model *m, unsigned node, uint64_t now_ms, uint64_t until_ms)
{
	away(m, node, true, now_ms, until_ms);
}

void store_model_keep(struct store_model *m)
{
	CHECK(store_memory_copy(&m->memory, &m->kept) == OK);
}

static void other_server(struct store_model *m, uint64_t now_ms)
{
	for (unsigned k = 0; k < m->node_count; k++) {
		tell_state(m, k, false, false, now_ms);
		tell_state(m, k, true, true, now_ms + 1);
	}
}

void store_model_restore(struct store_model *m, uint64_t now_ms)
{
	CHECK(store_memory_copy(&m->kept, &m->memory) == OK);
	other_server(m, now_ms);
}

void store_model_empty(struct store_model *m, uint64_t now_ms)
{
	store_memory_clear(&m->memory);
	other_server(m, now_ms);
}
