#include "sbc/core/stored.h"

#include "common/check.h"
#include "sbc/core/handover.h"
#include "sbc/core/worker.h"

bool stored_is_shared(const struct sbc *s)
{
	return s->settings->store.kind != STORE_KIND_MEMORY;
}

bool stored_is_up(const struct sbc *s)
{
	return s->store.up;
}

bool stored_rejects(const struct sbc *s, enum store_area area)
{
	return stored_is_shared(s) && !s->store.up &&
	       s->settings->store.on_loss[area] == STORE_LOSS_REJECT;
}

void stored_post(struct sbc *s, const struct store_op *op)
{
	CHECK(op->verb < STORE_VERB_COUNT && op->area < STORE_AREA_COUNT);
	CHECK(op->key.len <= STORE_KEY_MAX && op->member.len <= STORE_KEY_MAX);
	CHECK(op->value.len <= STORE_VALUE_MAX);
	if (s->ports.store)
		s->ports.store(s->ports.ctx, op);
}

void stored_on_reply(struct sbc *s, const struct store_reply *r)
{
	switch (r->area) {
	case STORE_AREA_CALLS: handover_on_reply(s, r); break;
	case STORE_AREA_LIMITS: share_on_reply(s, r); break;
	case STORE_AREA_BANS: ban_share_on_reply(s, r); break;
	case STORE_AREA_REGISTRATIONS: break;
	case STORE_AREA_COUNT: break;
	}
}

void stored_on_told(struct sbc *s, const struct store_told *t)
{
	switch (t->area) {
	case STORE_AREA_CALLS: handover_on_told(s, t); break;
	case STORE_AREA_LIMITS: share_on_told(s, t); break;
	case STORE_AREA_BANS: ban_share_on_told(s, t); break;
	case STORE_AREA_REGISTRATIONS: break;
	case STORE_AREA_COUNT: break;
	}
}

void stored_on_state(struct sbc *s, const struct store_state *t)
{
	s->store = *t;
	handover_on_state(s, t);
	share_on_state(s);
	ban_share_on_state(s, t);
}
