#include "latch.h"

#include "common/check.h"

static uint8_t rank_of(const struct latch *l, const struct addr *from)
{
	if (addr_eq(from, &l->signalled))
		return 0;
	if (addr_eq_ip(from, &l->signalled))
		return 1;
	return from->port == l->signalled.port ? 2 : 3;
}

static bool held_is_silent(const struct latch *l, uint64_t now_us)
{
	return now_us >= l->last_us + LATCH_SILENT_US;
}

void latch_init(struct latch *l)
{
	*l = (struct latch){.mode = LATCH_STRICT, .state = LATCH_EMPTY};
}

void latch_set_mode(struct latch *l, enum latch_mode mode, const struct prefix *net)
{
	CHECK((unsigned)mode < LATCH_MODE_COUNT);
	l->mode = (uint8_t)mode;
	l->net = net ? *net : (struct prefix){0};
}

void latch_set_unproven(struct latch *l, uint32_t max)
{
	l->unproven_max = max;
}

void latch_set_remote(struct latch *l, const struct addr *signalled, uint64_t now_us)
{
	l->window_end_us = now_us + LATCH_WINDOW_US;
	if (signalled->family == ADDR_NONE) {
		l->signalled = l->target = (struct addr){0};
		l->state = LATCH_EMPTY;
		return;
	}
	if (l->state != LATCH_EMPTY && addr_eq(signalled, &l->signalled))
		return;
	l->signalled = *signalled;
	l->rank = 0;
	/* Signalling that catches up with what was learned changes nothing for the packets. */
	if (l->state == LATCH_HELD && addr_eq(signalled, &l->target))
		return;
	l->target = *signalled;
	l->state = LATCH_OPEN;
	l->unproven = 0;
}

void latch_set_target(struct latch *l, const struct addr *target)
{
	CHECK(target->family != ADDR_NONE);
	l->signalled = *target;
	l->rank = 0;
	if (l->state == LATCH_HELD && addr_eq(target, &l->target))
		return;
	l->target = *target;
	l->state = LATCH_OPEN;
	l->unproven = 0;
}

/* Whoever proves the key is the party; but while the held source is alive there cannot be another. */
static enum latch_answer check_secure(const struct latch *l, uint64_t now_us)
{
	return l->state == LATCH_OPEN || held_is_silent(l, now_us) ? LATCH_TAKE : LATCH_REFUSE;
}

static bool may_learn(const struct latch *l, const struct addr *from)
{
	if (l->mode == LATCH_LEARN)
		return true;
	return l->mode == LATCH_RESTRICTED &&
	       (addr_eq_ip(from, &l->signalled) ||
		(l->net.addr.family != ADDR_NONE && prefix_has(&l->net, from)));
}

/*
 * A source that was taken gives way only within the window: to a better one, or to one as good when it
 * went silent. Before anything came, the first that may be learned is taken, also later.
 */
static enum latch_answer check_plain(const struct latch *l, const struct addr *from,
				     uint64_t now_us)
{
	if (!may_learn(l, from))
		return LATCH_REFUSE;
	if (l->state == LATCH_OPEN)
		return LATCH_TAKE;
	if (now_us >= l->window_end_us)
		return LATCH_REFUSE;
	const uint8_t rank = rank_of(l, from);
	if (rank < l->rank)
		return LATCH_TAKE;
	return rank == l->rank && held_is_silent(l, now_us) ? LATCH_TAKE : LATCH_REFUSE;
}

enum latch_answer latch_check(const struct latch *l, const struct addr *from, bool secure,
			      uint64_t now_us)
{
	if (l->state == LATCH_EMPTY)
		return LATCH_REFUSE;
	if (addr_eq(from, &l->target))
		return LATCH_PASS;
	if (l->mode == LATCH_OFF || l->mode == LATCH_ICE)
		return LATCH_REFUSE;
	return secure ? check_secure(l, now_us) : check_plain(l, from, now_us);
}

enum latch_change latch_step(struct latch *l, const struct addr *from, uint64_t now_us)
{
	const enum latch_state was = (enum latch_state)l->state;
	CHECK(was != LATCH_EMPTY);
	const bool same = addr_eq(from, &l->target);
	l->state = LATCH_HELD;
	l->last_us = now_us;
	l->unproven = 0;
	if (!same) {
		l->target = *from;
		l->rank = rank_of(l, from);
	}
	if (was == LATCH_OPEN)
		return LATCH_LEARNED;
	return same ? LATCH_SAME : LATCH_MOVED;
}

bool latch_has_target(const struct latch *l)
{
	return l->target.family != ADDR_NONE;
}

bool latch_take_send(struct latch *l)
{
	if (l->state == LATCH_HELD || l->unproven_max == 0)
		return true;
	if (l->unproven >= l->unproven_max || l->unproven_max == LATCH_UNPROVEN_NONE)
		return false;
	l->unproven++;
	return true;
}
