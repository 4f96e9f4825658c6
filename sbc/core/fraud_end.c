#include "sbc/core/fraud_end.h"

#include "sbc/core/call.h"
#include "sbc/core/fraud_watch.h"
#include "sbc/core/worker.h"

static bool is_same(const struct consequence *a, const struct consequence *b)
{
	if (a->subject.kind != b->subject.kind || !str_eq(a->rule, b->rule))
		return false;
	if (a->subject.kind != SUBJECT_SOURCE)
		return str_eq(a->subject.name, b->subject.name);
	return a->subject.source.bits == b->subject.source.bits &&
	       addr_eq_ip(&a->subject.source.addr, &b->subject.source.addr);
}

static void drop_first(struct sbc *s)
{
	struct fraud_ends *e = &s->fraud_ends;

	block_str_free(&s->blocks, &e->orders[0].name);
	block_str_free(&s->blocks, &e->orders[0].rule);
	e->count--;
	memmove(&e->orders[0], &e->orders[1], e->count * sizeof(e->orders[0]));
}

/* The next call of the first order; NULL: the end of the pool, after which it goes on at its front. */
static struct call *next_call(struct sbc *s, struct fraud_order *o)
{
	const uint32_t before = o->cursor;
	id_t64 id;
	struct call *c = pool_next(&s->calls, &o->cursor, &id);
	const uint32_t end = c ? o->cursor : s->calls.made;
	const uint32_t passed = end > before ? end - before : 0;

	o->left -= passed < o->left ? passed : o->left;
	if (!c)
		o->cursor = 0;
	return c;
}

static void look(struct sbc *s)
{
	struct fraud_ends *e = &s->fraud_ends;

	e->looked_ms = s->now_ms;
	for (unsigned i = 0; i < FRAUD_END_AT_ONCE && e->count; i++) {
		struct fraud_order *o = &e->orders[0];
		struct call *c = o->left ? next_call(s, o) : NULL;
		if (c)
			fraud_watch_end(s, c, &o->what);
		if (o->left == 0)
			drop_first(s);
	}
	if (e->count)
		worker_alarm(s, &e->alarm, ALARM_FRAUD_END, s->now_ms + FRAUD_END_EVERY_MS);
}

void fraud_end_on_alarm(struct sbc *s)
{
	look(s);
}

void fraud_end_order(struct sbc *s, const struct consequence *x)
{
	struct fraud_ends *e = &s->fraud_ends;
	struct fraud_order *o = e->orders;

	while (o < e->orders + e->count && !is_same(&o->what, x))
		o++;
	if (o == e->orders + FRAUD_END_ORDERS_MAX) {
		e->full++;
		return;
	}
	if (o == e->orders + e->count) {
		*o = (struct fraud_order){.what = *x,
					  .name = block_str(&s->blocks, x->subject.name),
					  .rule = block_str(&s->blocks, x->rule)};
		o->what.subject.name = o->name;
		o->what.rule = o->rule;
		e->count++;
	}
	o->left = s->calls.made;
	/* At once, but one order after another would be all of them in one turn. */
	if (!timer_is_set(&e->alarm.timer) && s->now_ms >= e->looked_ms + FRAUD_END_EVERY_MS)
		look(s);
	else if (!timer_is_set(&e->alarm.timer))
		worker_alarm(s, &e->alarm, ALARM_FRAUD_END, s->now_ms + FRAUD_END_EVERY_MS);
}
