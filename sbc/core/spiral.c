#include "sbc/core/spiral.h"

#include <stdlib.h>

#include "policy/facts.h"
#include "sbc/core/build.h"
#include "sbc/core/call.h"
#include "sbc/core/setup.h"
#include "sbc/core/worker.h"

enum err spirals_init(struct spirals *t, uint32_t calls, const struct siphash_key *key)
{
	size_t n = 64;

	while (n < calls && n < 1u << 20)
		n *= 2;
	*t = (struct spirals){
		.buckets = calloc(n, sizeof(*t->buckets)), .mask = n - 1, .key = *key};
	if (!t->buckets)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		list_init(&t->buckets[i]);
	return OK;
}

void spirals_release(struct spirals *t)
{
	free(t->buckets);
	t->buckets = NULL;
}

static uint64_t key_of(const struct spirals *t, struct str caller, struct str number)
{
	uint64_t both[2] = {siphash(&t->key, caller.p, caller.len),
			    siphash(&t->key, number.p, number.len)};

	return siphash(&t->key, both, sizeof(both));
}

static struct list *bucket_of(const struct spirals *t, uint64_t key)
{
	return &t->buckets[key & t->mask];
}

/* The call that this very request is of, on its way to a callee. */
static struct call *by_call_id(const struct sbc *s, const struct msg *m)
{
	id_t64 id;
	struct call *c =
		hide_read(&s->hide, HIDE_CALL_ID, m->call_id, &id) ? call_find(s, id) : NULL;

	if (!c || !c->setup || !c->leg[1].dialog.text ||
	    !str_eq(dialog_get(&c->leg[1].dialog, DIALOG_CALL_ID), m->call_id))
		return NULL;
	return c;
}

static bool same_session(const struct call *c, const struct msg *m)
{
	struct session_id_value v;
	const struct session_id_side *mine = &c->session.side[0];
	struct str value = msg_value(m, HDR_SESSION_ID);

	return mine->known && value.len && session_id_parse(value, &v) == OK &&
	       str_eq((struct str){v.local, SESSION_ID_LEN},
		      (struct str){mine->uuid, SESSION_ID_LEN});
}

/* Callers that are no one are many. */
static bool is_someone(struct str caller)
{
	return caller.len && !str_ieq(caller, STR("anonymous")) &&
	       !str_ieq(caller, STR("unavailable")) && !str_ieq(caller, STR("restricted"));
}

/* How a call that waits may be the parent of this one, which has its key. */
static enum spiral_link link_by_numbers(const struct sbc *s, const struct call *p,
					const struct msg *m, uint16_t trunk)
{
	const struct call_record *r = &p->record;

	if (p->leg[1].trunk != trunk || p->setup->txn == ID_NONE || r->attempt_count == 0)
		return SPIRAL_NO_LINK;
	if (same_session(p, m))
		return SPIRAL_BY_SESSION;
	if (s->now_ms - r->attempts[r->attempt_count - 1].start_ms > SPIRAL_ROUND_MS_MAX ||
	    !is_someone(call_text(p, CALL_FROM_NUMBER)))
		return SPIRAL_NO_LINK;
	return m->max_forwards >= 0 && m->max_forwards < p->setup->spiral.hops ? SPIRAL_BY_HOPS
									       : SPIRAL_BY_NUMBERS;
}

/* The parent with the best proof, the latest of several; NULL: none. */
static struct call *find_parent(const struct sbc *s, const struct call *c, const struct msg *m,
				const struct spiral_mark *k, enum spiral_link *out)
{
	struct call *parent = by_call_id(s, m);

	*out = parent ? SPIRAL_BY_CALL_ID : SPIRAL_NO_LINK;
	if (parent)
		return parent;
	const struct list *head = bucket_of(&s->spirals, k->key), *n = head->prev;
	for (unsigned i = 0; n != head && i < SPIRAL_LOOK_MAX; i++, n = n->prev) {
		const struct setup *u = LIST_OBJECT(n, struct setup, spiral.node);
		if (u->spiral.key != k->key || u->call == c)
			continue;
		enum spiral_link link = link_by_numbers(s, u->call, m, k->trunk);
		if (link <= *out)
			continue;
		parent = u->call;
		*out = link;
	}
	return parent;
}

/* How often an ancestor has asked the same, where it is known so well at least. */
static unsigned repeats(const struct sbc *s, const struct spiral_mark *k, enum spiral_link least)
{
	unsigned n = 0;
	enum spiral_link link = k->link;
	id_t64 at = k->parent;

	for (unsigned i = 0; i < 4 * SPIRAL_DEPTH_MAX && link >= least && link; i++) {
		const struct call *p = call_find(s, at);
		if (!p || !p->setup)
			break;
		const struct spiral_mark *mark = &p->setup->spiral;
		n += mark->key == k->key && mark->trunk == k->trunk;
		link = mark->link;
		at = mark->parent;
	}
	return n;
}

static struct verdict refuse(const char *rule)
{
	return (struct verdict){.outcome = VERDICT_REJECT,
				.stage = VERDICT_STAGE_ROUTE,
				.status = 482,
				.reason = STR("Loop Detected"),
				.rule = str_from(rule)};
}

struct verdict spiral_enter(struct sbc *s, struct call *c, const struct msg *m,
			    const struct facts *f)
{
	CHECK(s && c && c->setup && m && f);
	struct spiral_mark *k = &c->setup->spiral;
	struct list *bucket;
	enum spiral_link link;

	spiral_leave(c->setup);
	*k = (struct spiral_mark){
		.key = key_of(&s->spirals, call_text(c, CALL_FROM_NUMBER), f->number),
		.trunk = f->trunk,
		.hops = build_hops_left(m)};
	list_init(&k->node);
	const struct call *parent = find_parent(s, c, m, k, &link);
	if (parent) {
		const struct spiral_mark *p = &parent->setup->spiral;
		k->parent = parent->id;
		k->link = (uint8_t)link;
		k->depth = (uint8_t)(link >= SPIRAL_BY_SESSION ? p->depth + 1 : 0);
		if (k->depth > SPIRAL_DEPTH_MAX)
			return refuse("spiral");
		if (repeats(s, k, SPIRAL_BY_SESSION) > 0 ||
		    repeats(s, k, SPIRAL_BY_HOPS) >= SPIRAL_BY_HOPS_MAX ||
		    repeats(s, k, SPIRAL_BY_NUMBERS) >= SPIRAL_BY_NUMBERS_MAX)
			return refuse("loop");
	}
	bucket = bucket_of(&s->spirals, k->key);
	list_add_tail(bucket, &k->node);
	return (struct verdict){.outcome = VERDICT_ALLOW};
}

void spiral_leave(struct setup *u)
{
	if (u->spiral.node.next)
		list_del(&u->spiral.node);
	u->spiral.node.next = NULL;
}
