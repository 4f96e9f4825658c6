#include "sbc/core/admission.h"

#include "sbc/core/call.h"
#include "sbc/core/share.h"
#include "sbc/core/worker.h"

static const struct trunk *limited(const struct settings *settings, uint16_t trunk)
{
	const struct trunk *t = trunk < settings->trunk_count ? &settings->trunks[trunk] : NULL;

	return t && admit_has_limits(&t->admit) ? t : NULL;
}

static struct admission *of_leg(const struct admissions *a, const struct call *c, unsigned side)
{
	const uint16_t trunk = c->leg[side].trunk;

	return trunk < c->settings->trunk_count
		       ? admissions_find(a, c->settings->trunks[trunk].name)
		       : NULL;
}

void admission_begin(struct sbc *s, struct call *c, unsigned side)
{
	struct leg *l = &c->leg[side];
	struct admission *x = l->admitted ? NULL : of_leg(&s->policy.admissions, c, side);
	const enum admit_direction d = side == 0 ? ADMIT_IN : ADMIT_OUT;

	if (!x)
		return;
	x->state.live[d]++;
	l->admitted = (uint8_t)(1 + d);
	share_touch(s, x, false);
}

void admission_end(struct sbc *s, struct call *c, unsigned side)
{
	struct leg *l = &c->leg[side];
	struct admission *x = l->admitted ? of_leg(&s->policy.admissions, c, side) : NULL;

	if (x && !NEVER(x->state.live[l->admitted - 1] == 0))
		x->state.live[l->admitted - 1]--;
	if (x)
		share_touch(s, x, false);
	l->admitted = 0;
}

void admission_hold(struct sbc *s, struct call *c, const struct facts *facts)
{
	admission_drop(s, c);
	quota_begin(&c->settings->policy, &s->policy.quotas, facts, &c->quota);
}

void admission_hold_again(struct sbc *s, struct call *c)
{
	const id_t64 id = c->leg[0].user;
	const struct aor *user = id != ID_NONE ? bind_get_aor(&s->binds, id) : NULL;
	const struct facts f = {.realm = call_realm(c, 0),
				.trunk = c->leg[0].trunk,
				.user = user ? user->name : STR_NONE,
				.caller = call_text(c, CALL_FROM_NUMBER),
				.number = call_text(c, CALL_TO_NUMBER)};

	if (f.realm < c->settings->policy.realm_count)
		admission_hold(s, c, &f);
}

void admission_drop(struct sbc *s, struct call *c)
{
	quota_end(&s->policy.quotas, &c->quota);
}

static void recount(struct sbc *s)
{
	struct admissions *a = &s->policy.admissions;
	uint32_t cursor = 0;
	struct call *c;
	id_t64 id;

	while ((c = pool_next(&s->calls, &cursor, &id)) != NULL) {
		quotas_recount_add(&s->policy.quotas, &c->quota);
		for (unsigned side = 0; side < 2; side++) {
			const unsigned admitted = c->leg[side].admitted;
			struct admission *x = admitted ? of_leg(a, c, side) : NULL;
			if (x)
				x->counted[admitted - 1]++;
		}
	}
	quotas_recount_end(&s->policy.quotas);
	for (uint32_t i = 0; i < a->count; i++)
		for (unsigned d = 0; d < ADMIT_DIRECTION_COUNT; d++) {
			struct admission *x = &a->list[i];
			a->repaired += x->state.live[d] != x->counted[d];
			x->state.live[d] = x->counted[d];
			x->counted[d] = 0;
		}
	a->recount_ms = s->now_ms + ADMISSION_RECOUNT_MS;
}

void admission_settle(struct sbc *s)
{
	if ((s->policy.admissions.count || s->policy.quotas.used) &&
	    s->now_ms >= s->policy.admissions.recount_ms)
		recount(s);
}

void admission_ask(struct sbc *s, const struct settings *settings, uint16_t trunk)
{
	struct admission *x =
		s->shares.list && limited(settings, trunk)
			? admissions_find(&s->policy.admissions, settings->trunks[trunk].name)
			: NULL;

	if (x)
		share_touch(s, x, true);
}

enum err admission_apply(struct sbc *s, const struct settings *settings)
{
	for (size_t i = 0; i < settings->trunk_count; i++) {
		enum err e =
			limited(settings, (uint16_t)i)
				? admissions_add(&s->policy.admissions, settings->trunks[i].name)
				: OK;
		if (e != OK)
			return e;
	}
	return share_apply(s, settings);
}

const struct admit_state *admission_of(const struct sbc *s, struct str trunk)
{
	const struct admission *x = admissions_find(&s->policy.admissions, trunk);

	return x ? &x->state : NULL;
}
