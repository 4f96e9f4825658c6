#include "wheel.h"

/*
 * A timer lies on the level of the highest base-64 digit in which its tick differs from now_tick,
 * in the slot of that digit. So all timers of a level fire before those of the next one, every
 * filled slot lies ahead of now, and the first bit of the lowest busy level is the next thing to
 * happen. The top level alone wraps round.
 */
enum {
	SLOT_BITS = 6,
	TOP = WHEEL_LEVELS - 1,
	TOP_SHIFT = TOP * SLOT_BITS,
};

_Static_assert(1 << SLOT_BITS == WHEEL_SLOTS, "a digit is a slot");
_Static_assert(WHEEL_TICK_MS == 4, "hand_over sorts the four milliseconds of a tick");

void wheel_init(struct wheel *w, uint64_t now_ms)
{
	w->now_tick = now_ms / WHEEL_TICK_MS;
	w->count = 0;
	list_init(&w->due);
	for (int level = 0; level < WHEEL_LEVELS; level++) {
		w->busy[level] = 0;
		for (int slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&w->slots[level][slot]);
	}
}

void timer_init(struct timer *t)
{
	list_init(&t->node);
	t->at_ms = 0;
}

bool timer_is_set(const struct timer *t)
{
	return t->at_ms != 0;
}

/* Rounded up: a timer is never early. */
static uint64_t tick_of(uint64_t at_ms)
{
	return at_ms / WHEEL_TICK_MS + (at_ms % WHEEL_TICK_MS != 0);
}

/* Files a timer that fires after now_tick. */
static void file(struct wheel *w, struct timer *t, uint64_t tick)
{
	unsigned level = (63 - (unsigned)__builtin_clzll(tick ^ w->now_tick)) / SLOT_BITS;
	if (level > TOP)
		level = TOP;
	unsigned slot = (unsigned)(tick >> (level * SLOT_BITS)) & (WHEEL_SLOTS - 1);
	list_add_tail(&w->slots[level][slot], &t->node);
	w->busy[level] |= (uint64_t)1 << slot;
}

void wheel_set(struct wheel *w, struct timer *t, uint64_t at_ms)
{
	if (timer_is_set(t))
		wheel_stop(w, t);
	uint64_t tick = tick_of(at_ms);
	uint64_t last = ((w->now_tick >> TOP_SHIFT) + WHEEL_SLOTS) << TOP_SHIFT;
	if (tick >= last) {
		tick = last - 1;
		at_ms = tick * WHEEL_TICK_MS;
	}
	t->at_ms = at_ms > 0 ? at_ms : 1;
	w->count++;
	if (tick > w->now_tick)
		file(w, t, tick);
	else
		list_add_tail(&w->due, &t->node);
}

void wheel_stop(struct wheel *w, struct timer *t)
{
	if (!timer_is_set(t))
		return;
	struct list *head = t->node.next;
	bool was_last = head == t->node.prev;
	list_del(&t->node);
	t->at_ms = 0;
	w->count--;
	/* The only node of a list has the head on both sides; the head's place says which bit it
	 * is. */
	if (was_last && head != &w->due) {
		size_t n = (size_t)(head - &w->slots[0][0]);
		w->busy[n / WHEEL_SLOTS] &= ~((uint64_t)1 << (n % WHEEL_SLOTS));
	}
}

/* The next slot that wants attention: its first tick, and where it is. False: none. */
static bool next_slot(const struct wheel *w, uint64_t *out_tick, unsigned *out_level,
		      unsigned *out_slot)
{
	for (unsigned level = 0; level < TOP; level++) {
		if (w->busy[level] == 0)
			continue;
		unsigned shift = level * SLOT_BITS;
		*out_level = level;
		*out_slot = (unsigned)__builtin_ctzll(w->busy[level]);
		*out_tick = w->now_tick >> (shift + SLOT_BITS) << (shift + SLOT_BITS) |
			    (uint64_t)*out_slot << shift;
		return true;
	}
	uint64_t busy = w->busy[TOP];
	if (busy == 0)
		return false;
	unsigned digit = (unsigned)(w->now_tick >> TOP_SHIFT) & (WHEEL_SLOTS - 1);
	uint64_t ahead = digit == 0 ? busy : busy >> digit | busy << (WHEEL_SLOTS - digit);
	unsigned distance = (unsigned)__builtin_ctzll(ahead);
	*out_level = TOP;
	*out_slot = (digit + distance) & (WHEEL_SLOTS - 1);
	*out_tick = ((w->now_tick >> TOP_SHIFT) + distance) << TOP_SHIFT;
	return true;
}

static void splice_tail(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

/* now_tick has come to this slot: its timers are due, or move to a finer level. */
static void hand_over(struct wheel *w, unsigned level, unsigned slot)
{
	struct list moving, by_ms[WHEEL_TICK_MS];
	list_init(&moving);
	for (int i = 0; i < WHEEL_TICK_MS; i++)
		list_init(&by_ms[i]);
	splice_tail(&moving, &w->slots[level][slot]);
	w->busy[level] &= ~((uint64_t)1 << slot);
	list_each_safe (it, &moving) {
		struct timer *t = LIST_OBJECT(it, struct timer, node);
		uint64_t tick = tick_of(t->at_ms);
		list_del(it);
		if (tick > w->now_tick)
			file(w, t, tick);
		else
			list_add_tail(&by_ms[(t->at_ms + WHEEL_TICK_MS - 1) % WHEEL_TICK_MS], it);
	}
	/* A tick holds the milliseconds 4k-3 … 4k: sorted, and the order of setting kept. */
	for (int i = 0; i < WHEEL_TICK_MS; i++)
		splice_tail(&w->due, &by_ms[i]);
}

struct timer *wheel_expire(struct wheel *w, uint64_t now_ms)
{
	uint64_t target = now_ms / WHEEL_TICK_MS, tick;
	unsigned level, slot;
	while (w->now_tick < target && next_slot(w, &tick, &level, &slot) && tick <= target) {
		w->now_tick = tick;
		hand_over(w, level, slot);
	}
	if (w->now_tick < target)
		w->now_tick = target;
	if (list_is_empty(&w->due))
		return NULL;
	struct timer *t = LIST_OBJECT(w->due.next, struct timer, node);
	list_del(&t->node);
	t->at_ms = 0;
	w->count--;
	return t;
}

uint64_t wheel_next_ms(const struct wheel *w)
{
	uint64_t tick;
	unsigned level, slot;
	if (!list_is_empty(&w->due))
		return w->now_tick * WHEEL_TICK_MS;
	return next_slot(w, &tick, &level, &slot) ? tick * WHEEL_TICK_MS : UINT64_MAX;
}
