#include "sbc/core/hunt.h"

#include "common/check.h"

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

enum hunt_result hunt_init(struct hunt *h, const struct hunt_params *p, struct rng *rng)
{
	CHECK(h && p && p->settings && p->route && p->is_up);
	bool secure = false;

	*h = (struct hunt){.count = 0};
	for (size_t t = 0; t < p->route->to_count; t++) {
		uint16_t trunk = p->route->to[t];
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
		if (p->route->strategy == ROUTE_FAILOVER)
			order(h, p, from, h->count, rng);
	}
	if (h->count == 0)
		return secure || !p->secure_only ? HUNT_DOWN : HUNT_INSECURE;
	if (p->route->strategy == ROUTE_WEIGHTED)
		order(h, p, 0, h->count, rng);
	if (p->route->strategy == ROUTE_ROUND_ROBIN)
		rotate(h, p->turn % h->count);
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
