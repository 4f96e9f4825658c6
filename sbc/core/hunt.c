#include "sbc/core/hunt.h"

#include "common/check.h"
#include "policy/route.h"

static const struct peer *peer_of(const struct hunt_params *p, struct hunt_target t)
{
	return &p->settings->trunks[t.trunk].peers[t.peer];
}

static void swap(struct hunt *h, size_t a, size_t b)
{
	struct hunt_target t = h->list[a];

	h->list[a] = h->list[b];
	h->list[b] = t;
}

/* RFC 2782: of the targets [from, to) one after another, each with a chance as its weight. */
static void order_by_weight(struct hunt *h, const struct hunt_params *p, size_t from, size_t to,
			    struct rng *rng)
{
	for (; from + 1 < to; from++) {
		uint32_t sum = 0;
		for (size_t i = from; i < to; i++)
			sum += peer_of(p, h->list[i])->weight;
		if (sum == 0)
			return;
		uint32_t at = rng_below(rng, sum);
		size_t pick = from;
		while (at >= peer_of(p, h->list[pick])->weight) {
			at -= peer_of(p, h->list[pick])->weight;
			pick++;
		}
		swap(h, from, pick);
	}
}

/* Lower priority numbers first; insertion keeps the order of equals. */
static void order_by_priority(struct hunt *h, const struct hunt_params *p, size_t from, size_t to)
{
	for (size_t i = from + 1; i < to; i++)
		for (size_t k = i; k > from && peer_of(p, h->list[k - 1])->priority >
						       peer_of(p, h->list[k])->priority;
		     k--)
			swap(h, k - 1, k);
}

static void order(struct hunt *h, const struct hunt_params *p, size_t from, size_t to,
		  struct rng *rng)
{
	order_by_priority(h, p, from, to);
	for (size_t i = from, end; i < to; i = end) {
		end = i + 1;
		while (end < to &&
		       peer_of(p, h->list[end])->priority == peer_of(p, h->list[i])->priority)
			end++;
		order_by_weight(h, p, i, end, rng);
	}
}

static void rotate(struct hunt *h, uint32_t by)
{
	struct hunt was = *h;

	for (size_t i = 0; i < h->count; i++)
		h->list[i] = was.list[(i + by) % was.count];
}

/* Has a fewer calls than b, for its weight? One without weight has its turn behind all that have one. */
static bool is_idler(const struct hunt_params *p, struct hunt_target a, struct hunt_target b)
{
	uint64_t wa = peer_of(p, a)->weight, wb = peer_of(p, b)->weight;

	if (!wa || !wb)
		return wa > wb;
	return p->calls(p->ctx, p->settings, a.trunk, a.peer) * wb <
	       p->calls(p->ctx, p->settings, b.trunk, b.peer) * wa;
}

static void order_by_calls(struct hunt *h, const struct hunt_params *p)
{
	for (size_t i = 1; i < h->count; i++)
		for (size_t k = i; k > 0 && is_idler(p, h->list[k], h->list[k - 1]); k--)
			swap(h, k - 1, k);
}

/* Those that are to be tried last keep their order behind the others. */
static void put_last(struct hunt *h, const struct hunt_params *p, uint32_t dice)
{
	struct hunt_target last[HUNT_MAX];
	size_t first = 0, n = 0;

	for (size_t i = 0; i < h->count; i++) {
		struct hunt_target t = h->list[i];
		if (p->is_last(p->ctx, p->settings, t.trunk, t.peer, p->now_ms, dice))
			last[n++] = t;
		else
			h->list[first++] = t;
	}
	for (size_t i = 0; i < n; i++)
		h->list[first++] = last[i];
}

enum hunt_result hunt_init(struct hunt *h, const struct hunt_params *p, struct rng *rng)
{
	CHECK(h && p && p->settings && p->route && p->is_up);
	bool secure = false;
	uint16_t trunks[ROUTE_TO_MAX];
	const enum route_strategy strategy = p->route->strategy;
	size_t trunk_count = route_order(&p->settings->policy, p->route, p->number, trunks);

	*h = (struct hunt){.count = 0};
	for (size_t t = 0; t < trunk_count; t++) {
		uint16_t trunk = trunks[t];
		if (NEVER(trunk >= p->settings->trunk_count))
			continue;
		size_t from = h->count;
		for (size_t i = 0; i < p->settings->trunks[trunk].peer_count; i++) {
			const struct peer *peer = &p->settings->trunks[trunk].peers[i];
			if (p->secure_only && !peer->secure)
				continue;
			secure = true;
			if (h->count < HUNT_MAX &&
			    p->is_up(p->ctx, p->settings, trunk, (uint16_t)i))
				h->list[h->count++] =
					(struct hunt_target){.trunk = trunk, .peer = (uint16_t)i};
		}
		if (strategy == ROUTE_FAILOVER || strategy == ROUTE_LEAST_COST)
			order(h, p, from, h->count, rng);
	}
	if (h->count == 0)
		return secure || !p->secure_only ? HUNT_DOWN : HUNT_INSECURE;
	if (strategy == ROUTE_WEIGHTED)
		order(h, p, 0, h->count, rng);
	if (strategy == ROUTE_ROUND_ROBIN)
		rotate(h, p->turn % h->count);
	if (strategy == ROUTE_LEAST_CALLS && p->calls)
		order_by_calls(h, p);
	if (p->is_last)
		put_last(h, p, rng_u32(rng));
	return HUNT_OK;
}

void hunt_add(struct hunt *h, const struct hunt_target *t)
{
	CHECK(h && t);
	if (h->count < HUNT_MAX)
		h->list[h->count++] = *t;
}

bool hunt_insert(struct hunt *h, size_t at, const struct hunt_target *t)
{
	CHECK(h && t);
	size_t to = h->next + at;

	if (h->count == HUNT_MAX || to > h->count)
		return false;
	for (size_t i = h->count++; i > to; i--)
		h->list[i] = h->list[i - 1];
	h->list[to] = *t;
	return true;
}

bool hunt_next(struct hunt *h, struct hunt_target *out)
{
	CHECK(h && out);
	if (h->next >= h->count)
		return false;
	*out = h->list[h->next++];
	return true;
}
