#include "sbc/core/share.h"

#include <stdlib.h>

#include "sbc/core/stored.h"
#include "sbc/core/worker.h"

enum { OWNER_WHICH = 4, LACK_MAX = STORE_KEY_MAX };

static const char letters[] = {'s', 'i', 'o', 'r'};

static struct share *share_of(struct sbc *s, const struct admission *x)
{
	return &s->shares.list[x - s->policy.admissions.list];
}

/* ---- what the limits are */

static uint32_t limit_of(const struct admit_rule *r, unsigned which)
{
	return which == SHARE_SESSIONS ? r->sessions
	       : which == SHARE_IN     ? r->live[ADMIT_IN]
				       : r->live[ADMIT_OUT];
}

static uint32_t used_of(const struct admission *x, unsigned which)
{
	const uint32_t in = x->state.live[ADMIT_IN], out = x->state.live[ADMIT_OUT];

	return which == SHARE_SESSIONS ? in + out : which == SHARE_IN ? in : out;
}

static struct str key_of(const struct admission *x, unsigned which, char mem[STORE_KEY_MAX])
{
	struct buf b;

	buf_init(&b, mem, STORE_KEY_MAX);
	buf_printf(&b, "limit:{%s}:%c", x->name, letters[which]);
	return buf_view(&b);
}

static id_t64 owner_of(const struct sbc *s, const struct admission *x, unsigned which)
{
	return ((id_t64)(x - s->policy.admissions.list) * OWNER_WHICH + which) + 1;
}

/* ---- what holds now */

/* What the verdicts go by. */
static void settle(struct sbc *s, struct admission *x)
{
	const struct share *h = share_of(s, x);
	struct admit_share *to = &x->state.share;
	const uint32_t nodes = h->nodes ? h->nodes : 1;
	const bool none = stored_rejects(s, STORE_AREA_LIMITS);

	for (unsigned k = 0; k < SHARE_LEASES; k++) {
		const struct share_lease *l = &h->leases[k];
		const uint32_t limit = limit_of(&to->rule, k);
		if (l->until_ms > s->now_ms)
			to->held[k] = l->held;
		else
			to->held[k] = none ? 0 : (limit + nodes - 1) / nodes;
	}
	to->nodes = nodes;
	/* Without word from the store for so long the node's own clock grants. */
	to->local = (!s->store.up || h->rate_broken) && h->rate_until_ms <= s->now_ms && !none;
	if (none && h->rate_until_ms <= s->now_ms)
		to->tokens = 0;
}

/* ---- asking */

static void ask_lease(struct sbc *s, struct admission *x, unsigned which)
{
	struct share_lease *l = &share_of(s, x)->leases[which];
	char key[STORE_KEY_MAX];

	l->asked_ms = l->last_ms = s->now_ms;
	l->next_ms = s->now_ms + SHARE_EVERY_MS - rng_below(&s->rng, SHARE_EVERY_MS / 8);
	l->used_then = used_of(x, which);
	s->shares.asked++;
	stored_post(s, &(struct store_op){
			       .verb = STORE_LEASE,
			       .area = STORE_AREA_LIMITS,
			       .key = key_of(x, which, key),
			       .member = s->settings->node,
			       .expires_ms = SHARE_LIVES_MS,
			       .number = {limit_of(&x->state.share.rule, which), l->used_then},
			       .owner = owner_of(s, x, which)});
}

static uint32_t burst_of(const struct rate_rule *r)
{
	return r->burst ? r->burst : r->count;
}

/* So many new calls come in SHARE_TOKENS_MS; at least one. */
static uint32_t portion(const struct share *h, const struct rate_rule *r)
{
	const uint32_t most = h->demand > h->demand_before ? h->demand : h->demand_before;
	uint32_t n = (most * SHARE_TOKENS_MS + SHARE_WINDOW_MS - 1) / SHARE_WINDOW_MS;

	n = n < burst_of(r) ? n : burst_of(r);
	return n ? n : 1;
}

static void ask_rate(struct sbc *s, struct admission *x)
{
	struct share *h = share_of(s, x);
	const struct rate_rule *r = &x->state.share.rule.rate;
	char key[STORE_KEY_MAX];

	h->rate_asked_ms = s->now_ms;
	s->shares.asked++;
	stored_post(s,
		    &(struct store_op){.verb = STORE_RATE,
				       .area = STORE_AREA_LIMITS,
				       .key = key_of(x, SHARE_RATE, key),
				       .number = {r->count, r->per_ms, portion(h, r), burst_of(r)},
				       .owner = owner_of(s, x, SHARE_RATE)});
}

static bool is_open(uint64_t asked_ms, uint64_t now_ms)
{
	return asked_ms && now_ms < asked_ms + SHARE_LATE_MS;
}

static bool wants_lease(const struct sbc *s, const struct admission *x, const struct share_lease *l,
			unsigned which)
{
	const uint32_t used = used_of(x, which), limit = limit_of(&x->state.share.rule, which);

	if (limit == 0 || is_open(l->asked_ms, s->now_ms) || s->now_ms < l->last_ms + SHARE_SOON_MS)
		return false;
	/* What is due a little later goes with it: one turn, one datagram. */
	if (s->now_ms + (s->shares.looks ? SHARE_EVERY_MS / 8 : 0) >= l->next_ms)
		return true;
	/* Half of the reserve has gone, or come back to those who need it. */
	const uint32_t reserve = l->held > l->used_then ? l->held - l->used_then : 0;
	const uint32_t moved = used > l->used_then ? used - l->used_then : l->used_then - used;
	return moved > 0 && 2 * moved >= reserve;
}

static bool wants_rate(const struct sbc *s, const struct admission *x, const struct share *h)
{
	const struct rate_rule *r = &x->state.share.rule.rate;

	return r->count && !is_open(h->rate_asked_ms, s->now_ms) && s->now_ms >= h->rate_next_ms &&
	       2 * x->state.share.tokens <= portion(h, r) + 1;
}

/* Of limits that no call here uses any more; the share of others lives as long as it would have. An answer that is still to come brings nothing: the store does one after the other. */
static void give_back(struct sbc *s, struct admission *x)
{
	struct share *h = share_of(s, x);
	const struct rate_rule *r = &x->state.share.rule.rate;
	char key[STORE_KEY_MAX];

	for (unsigned k = 0; k < SHARE_LEASES; k++) {
		struct share_lease *l = &h->leases[k];
		if (used_of(x, k) > 0 || (!l->asked_ms && l->until_ms <= s->now_ms))
			continue;
		*l = (struct share_lease){.held = 0};
		stored_post(s, &(struct store_op){.verb = STORE_MEMBER_DELETE,
						  .area = STORE_AREA_LIMITS,
						  .key = key_of(x, k, key),
						  .member = s->settings->node});
	}
	if (r->count && x->state.share.tokens > 0)
		stored_post(s, &(struct store_op){.verb = STORE_RATE,
						  .area = STORE_AREA_LIMITS,
						  .key = key_of(x, SHARE_RATE, key),
						  .number = {r->count, r->per_ms,
							     -(int64_t)x->state.share.tokens,
							     burst_of(r)}});
	x->state.share.tokens = 0;
}

/* Asks whatever is to be asked. When it is to be looked at again. */
static uint64_t look_at(struct sbc *s, struct admission *x)
{
	struct share *h = share_of(s, x);
	uint64_t next_ms = UINT64_MAX;

	if (s->shares.leaves) {
		give_back(s, x);
		settle(s, x);
		return next_ms;
	}
	if (s->now_ms >= h->window_ms + SHARE_WINDOW_MS) {
		h->demand_before = s->now_ms < h->window_ms + 2 * SHARE_WINDOW_MS ? h->demand : 0;
		h->demand = 0;
		h->window_ms = s->now_ms;
	}
	for (unsigned k = 0; k < SHARE_LEASES; k++) {
		struct share_lease *l = &h->leases[k];
		if (limit_of(&x->state.share.rule, k) == 0)
			continue;
		if (wants_lease(s, x, l, k))
			ask_lease(s, x, k);
		next_ms = l->next_ms < next_ms ? l->next_ms : next_ms;
	}
	if (wants_rate(s, x, h))
		ask_rate(s, x);
	if (x->state.share.rule.rate.count && x->state.share.tokens <= 1) {
		const uint64_t again_ms =
			h->rate_next_ms > s->now_ms ? h->rate_next_ms : s->now_ms + SHARE_LOOK_MS;
		next_ms = again_ms < next_ms ? again_ms : next_ms;
	}
	settle(s, x);
	return next_ms;
}

void share_on_alarm(struct sbc *s)
{
	struct shares *all = &s->shares;
	uint64_t next_ms = s->now_ms + SHARE_EVERY_MS;

	all->looks = true;
	for (uint32_t i = 0; all->list && i < s->policy.admissions.count; i++) {
		struct admission *x = &s->policy.admissions.list[i];
		if (!x->state.share.on)
			continue;
		const uint64_t at_ms = look_at(s, x);
		next_ms = at_ms < next_ms ? at_ms : next_ms;
	}
	all->looks = false;
	if (next_ms < s->now_ms + SHARE_LOOK_MS)
		next_ms = s->now_ms + SHARE_LOOK_MS;
	if (all->list)
		worker_alarm(s, &all->alarm, ALARM_SHARE, next_ms);
}

void share_touch(struct sbc *s, struct admission *x, bool is_new)
{
	if (!x->state.share.on)
		return;
	struct share *h = share_of(s, x);

	h->demand += is_new;
	(void)look_at(s, x);
	if (x->state.share.rule.rate.count && x->state.share.tokens <= 1 &&
	    s->shares.alarm.timer.at_ms > s->now_ms + SHARE_LOOK_MS)
		worker_alarm(s, &s->shares.alarm, ALARM_SHARE, s->now_ms + SHARE_LOOK_MS);
}

void share_leave(struct sbc *s)
{
	s->shares.leaves = true;
	share_on_alarm(s);
}

/* ---- being answered */

/* Others hold what they do not use: would they look? */
static void say_lack(struct sbc *s, const struct admission *x)
{
	if (s->shares.lack_ms && s->now_ms < s->shares.lack_ms + SHARE_SOON_MS)
		return;
	s->shares.lack_ms = s->now_ms;
	stored_post(s, &(struct store_op){.verb = STORE_PUBLISH,
					  .area = STORE_AREA_LIMITS,
					  .value = str_from(x->name),
					  .expires_ms = SHARE_EVERY_MS});
}

static void on_lease(struct sbc *s, struct admission *x, unsigned which,
		     const struct store_reply *r)
{
	struct share *h = share_of(s, x);
	struct share_lease *l = &h->leases[which];
	const int64_t limit = limit_of(&x->state.share.rule, which);

	if (r->result != STORE_OK) {
		l->asked_ms = 0;
		return;
	}
	if (!l->asked_ms)
		return;
	const int64_t nodes = r->number[2] > 0 ? r->number[2] : 1,
		      spare = limit > r->number[1] ? limit - r->number[1] : 0,
		      part = (int64_t)l->used_then + (spare + nodes - 1) / nodes;
	h->nodes = (uint32_t)(nodes < 64 ? nodes : 64);
	l->held = (uint32_t)(r->number[0] < limit ? r->number[0] : limit);
	l->until_ms = l->asked_ms + SHARE_LIVES_MS;
	l->asked_ms = 0;
	if (l->held < part && spare > 0 && nodes > 1)
		say_lack(s, x);
}

static void on_rate(struct sbc *s, struct admission *x, const struct store_reply *r)
{
	struct share *h = share_of(s, x);
	const uint32_t burst = burst_of(&x->state.share.rule.rate);
	const uint64_t wait_ms = (uint64_t)r->number[1];

	h->rate_broken = r->result == STORE_ERROR;
	if (r->result != STORE_OK) {
		h->rate_asked_ms = 0;
		h->rate_next_ms = s->now_ms + SHARE_LOOK_MS;
		return;
	}
	if (!h->rate_asked_ms)
		return;
	h->rate_asked_ms = 0;
	h->rate_until_ms = s->now_ms + SHARE_LIVES_MS;
	x->state.share.tokens += (uint32_t)r->number[0];
	if (x->state.share.tokens > burst)
		x->state.share.tokens = burst;
	/* Not all at one moment, so that none is always the first. */
	if (r->number[0] < portion(h, &x->state.share.rule.rate))
		h->rate_next_ms = s->now_ms + (wait_ms < 500 ? wait_ms : 500) +
				  rng_below(&s->rng, SHARE_LOOK_MS);
}

void share_on_reply(struct sbc *s, const struct store_reply *r)
{
	const uint64_t n = r->owner - 1, at = n / OWNER_WHICH;
	const unsigned which = (unsigned)(n % OWNER_WHICH);

	if (!s->shares.list || r->owner == ID_NONE || at >= s->policy.admissions.count)
		return;
	struct admission *x = &s->policy.admissions.list[at];
	if (!x->state.share.on)
		return;
	s->shares.late += r->result == STORE_DOWN;
	if (which == SHARE_RATE && r->verb == STORE_RATE)
		on_rate(s, x, r);
	else if (which < SHARE_LEASES && r->verb == STORE_LEASE)
		on_lease(s, x, which, r);
	(void)look_at(s, x);
}

void share_on_told(struct sbc *s, const struct store_told *t)
{
	struct admission *x =
		s->shares.list ? admissions_find(&s->policy.admissions, t->value) : NULL;

	if (!x || !x->state.share.on)
		return;
	struct share *h = share_of(s, x);
	for (unsigned k = 0; k < SHARE_LEASES; k++)
		if (h->leases[k].held > used_of(x, k))
			h->leases[k].next_ms = s->now_ms;
	(void)look_at(s, x);
}

void share_on_state(struct sbc *s)
{
	for (uint32_t i = 0; s->shares.list && i < s->policy.admissions.count; i++) {
		struct share *h = &s->shares.list[i];
		for (unsigned k = 0; k < SHARE_LEASES; k++)
			h->leases[k].asked_ms = h->leases[k].next_ms = 0;
		h->rate_asked_ms = 0;
	}
	if (s->shares.list)
		share_on_alarm(s);
}

/* ---- life */

void share_release(struct sbc *s)
{
	if (s->shares.list)
		worker_stop_alarm(s, &s->shares.alarm);
	free(s->shares.list);
	s->shares.list = NULL;
}

enum err share_apply(struct sbc *s, const struct settings *settings)
{
	bool any = false;

	for (size_t i = 0; i < settings->trunk_count; i++) {
		const struct trunk *t = &settings->trunks[i];
		struct admission *x = admissions_find(&s->policy.admissions, t->name);
		if (!x)
			continue;
		x->state.share.on = settings->store.kind != STORE_KIND_MEMORY &&
				    t->admit.is_shared && admit_has_limits(&t->admit);
		x->state.share.rule = t->admit;
		any = any || x->state.share.on;
	}
	if (any && !s->shares.list) {
		s->shares.list = calloc(ADMISSION_MAX, sizeof(*s->shares.list));
		if (!s->shares.list)
			return ERR_NOMEM;
	}
	if (any) /* not now: the store may not be there yet */
		worker_alarm(s, &s->shares.alarm, ALARM_SHARE, s->now_ms + 1);
	return OK;
}
