#include "rtpproxy/core/portset.h"

#include <stdlib.h>

enum { WORD_BITS = 64 };

enum err portset_init(struct portset *s, uint16_t min, uint16_t max, unsigned part, unsigned parts)
{
	CHECK(parts > 0 && part < parts);
	uint32_t first = min + (min & 1u);
	uint32_t end = (uint32_t)max + 1; /* one behind the last port */
	uint32_t all = end > first ? (end - first) / 2 : 0;
	uint32_t from = (uint32_t)((uint64_t)all * part / parts);
	uint32_t to = (uint32_t)((uint64_t)all * (part + 1) / parts);
	if (first == 0 || from == to) {
		return ERR_BAD;
	}
	uint32_t pairs = to - from;
	uint64_t *taken = calloc(pairs / WORD_BITS + 1, sizeof(*taken));
	struct portset_rest *rests = calloc(pairs, sizeof(*rests));
	if (!taken || !rests) {
		free(taken);
		free(rests);
		return ERR_NOMEM;
	}
	*s = (struct portset){
		.first = (uint16_t)(first + 2 * from),
		.pairs = pairs,
		.taken = taken,
		.rests = rests,
	};
	return OK;
}

void portset_release(struct portset *s)
{
	free(s->taken);
	free(s->rests);
	*s = (struct portset){0};
}

static void rest_over(struct portset *s, uint64_t now_ms)
{
	while (s->resting > 0 && s->rests[s->rest_first].until_ms <= now_ms) {
		uint32_t pair = s->rests[s->rest_first].pair;
		s->taken[pair / WORD_BITS] &= ~(UINT64_C(1) << pair % WORD_BITS);
		s->rest_first = (s->rest_first + 1) % s->pairs;
		s->resting--;
	}
}

/* The first free pair in from … to-1, or `to`. */
static uint32_t find_free(const struct portset *s, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to;) {
		uint64_t open = ~s->taken[i / WORD_BITS] >> i % WORD_BITS;
		if (open != 0) {
			i += (uint32_t)__builtin_ctzll(open);
			return i < to ? i : to;
		}
		i += WORD_BITS - i % WORD_BITS;
	}
	return to;
}

enum err portset_take(struct portset *s, uint64_t now_ms, uint32_t random, uint16_t *out_port)
{
	rest_over(s, now_ms);
	uint32_t start = random % s->pairs;
	uint32_t pair = find_free(s, start, s->pairs);
	if (pair == s->pairs) {
		pair = find_free(s, 0, start);
		if (pair == start) {
			return ERR_FULL;
		}
	}
	s->taken[pair / WORD_BITS] |= UINT64_C(1) << pair % WORD_BITS;
	s->used++;
	*out_port = (uint16_t)(s->first + 2 * pair);
	return OK;
}

void portset_put(struct portset *s, uint16_t port, uint64_t now_ms)
{
	uint32_t pair = (uint32_t)(port - s->first) / 2;
	CHECK(port >= s->first && pair < s->pairs && s->used > 0);
	CHECK(s->taken[pair / WORD_BITS] >> pair % WORD_BITS & 1);
	s->rests[(s->rest_first + s->resting) % s->pairs] =
		(struct portset_rest){now_ms + PORTSET_REST_MS, pair};
	s->resting++;
	s->used--;
}
