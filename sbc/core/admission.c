#include "sbc/core/admission.h"

#include <stdlib.h>

#include "sbc/core/call.h"
#include "sbc/core/worker.h"

enum { ADMISSION_MAX = 4096 };

enum err admission_init(struct admissions *a, const struct siphash_key *key)
{
	CHECK(a && key);
	*a = (struct admissions){.count = 0};
	a->list = calloc(ADMISSION_MAX, sizeof(*a->list));
	return a->list ? table_init(&a->by_name, ADMISSION_MAX, key) : ERR_NOMEM;
}

void admission_release(struct admissions *a)
{
	if (a->list)
		table_release(&a->by_name);
	free(a->list);
	a->list = NULL;
}

static struct str key_of(struct str trunk)
{
	trunk.len = trunk.len < ADMISSION_NAME_MAX - 1 ? trunk.len : ADMISSION_NAME_MAX - 1;
	return trunk;
}

static struct admission *find(const struct admissions *a, struct str trunk)
{
	const struct str name = key_of(trunk);
	const uint64_t hash = table_hash(&a->by_name, name.p, name.len);

	for (struct table_node *n = table_first(&a->by_name, hash); n; n = table_next(n)) {
		struct admission *x = TABLE_OBJECT(n, struct admission, node);
		if (str_eq(str_from(x->name), name))
			return x;
	}
	return NULL;
}

static enum err add(struct admissions *a, struct str trunk)
{
	if (find(a, trunk))
		return OK;
	if (a->count == ADMISSION_MAX)
		return ERR_FULL;
	struct admission *x = &a->list[a->count];
	enum err e = str_copy(key_of(trunk), x->name, sizeof(x->name));
	if (e == OK)
		e = table_add(&a->by_name, &x->node,
			      table_hash(&a->by_name, x->name, key_of(trunk).len));
	a->count += e == OK;
	return e;
}

static const struct trunk *limited(const struct settings *settings, uint16_t trunk)
{
	const struct trunk *t = trunk < settings->trunk_count ? &settings->trunks[trunk] : NULL;

	return t && admit_has_limits(&t->admit) ? t : NULL;
}

static struct admission *of_leg(const struct admissions *a, const struct call *c, unsigned side)
{
	const uint16_t trunk = c->leg[side].trunk;

	return trunk < c->settings->trunk_count ? find(a, c->settings->trunks[trunk].name) : NULL;
}

void admission_begin(struct sbc *s, struct call *c, unsigned side)
{
	struct leg *l = &c->leg[side];
	struct admission *x = l->admitted ? NULL : of_leg(&s->admissions, c, side);
	const enum admit_direction d = side == 0 ? ADMIT_IN : ADMIT_OUT;

	if (!x)
		return;
	x->state.live[d]++;
	l->admitted = (uint8_t)(1 + d);
}

void admission_end(struct sbc *s, struct call *c, unsigned side)
{
	struct leg *l = &c->leg[side];
	struct admission *x = l->admitted ? of_leg(&s->admissions, c, side) : NULL;

	if (x && !NEVER(x->state.live[l->admitted - 1] == 0))
		x->state.live[l->admitted - 1]--;
	l->admitted = 0;
}

static void recount(struct sbc *s)
{
	struct admissions *a = &s->admissions;
	uint32_t cursor = 0;
	struct call *c;
	id_t64 id;

	while ((c = pool_next(&s->calls, &cursor, &id)) != NULL)
		for (unsigned side = 0; side < 2; side++) {
			const unsigned admitted = c->leg[side].admitted;
			struct admission *x = admitted ? of_leg(a, c, side) : NULL;
			if (x)
				x->counted[admitted - 1]++;
		}
	for (uint32_t i = 0; i < a->count; i++)
		for (unsigned d = 0; d < ADMIT_DIRECTION_COUNT; d++) {
			struct admission *x = &a->list[i];
			a->repaired += x->state.live[d] != x->counted[d];
			x->state.live[d] = x->counted[d];
			x->counted[d] = 0;
		}
	a->recount_ms = s->now_ms + ADMISSION_RECOUNT_MS;
}

struct verdict admission_ask(struct sbc *s, const struct settings *settings, uint16_t trunk,
			     enum admit_direction d)
{
	const struct trunk *t = limited(settings, trunk);
	struct admission *x = t ? find(&s->admissions, t->name) : NULL;

	if (!x)
		return (struct verdict){.outcome = VERDICT_ALLOW};
	if (s->now_ms >= s->admissions.recount_ms)
		recount(s);
	return admit_call(&t->admit, &x->state, d, s->now_ms);
}

enum err admission_apply(struct sbc *s, const struct settings *settings)
{
	for (size_t i = 0; i < settings->trunk_count; i++) {
		enum err e = limited(settings, (uint16_t)i)
				     ? add(&s->admissions, settings->trunks[i].name)
				     : OK;
		if (e != OK)
			return e;
	}
	return OK;
}

const struct admit_state *admission_of(const struct sbc *s, struct str trunk)
{
	const struct admission *x = find(&s->admissions, trunk);

	return x ? &x->state : NULL;
}
