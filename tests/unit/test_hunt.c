#include "sbc/core/hunt.h"

#include "tests/support/check.h"

/* Two trunks: "a" with three peers, "b" with two. */
static struct peer a_peers[3], b_peers[2];
static struct trunk trunks[2];
static struct settings set;
static struct route_rule route;
static uint16_t down_trunk, down_peer;

static bool up(const struct peers *ctx, const struct settings *s, uint16_t trunk, uint16_t peer)
{
	(void)ctx;
	(void)s;
	return trunk != down_trunk || (peer != down_peer && down_peer != 99);
}

static void start(enum route_strategy strategy)
{
	for (int i = 0; i < 3; i++)
		a_peers[i] = (struct peer){.weight = 1, .priority = 10};
	for (int i = 0; i < 2; i++)
		b_peers[i] = (struct peer){.weight = 1, .priority = 10};
	trunks[0] = (struct trunk){.peers = a_peers, .peer_count = 3};
	trunks[1] = (struct trunk){.peers = b_peers, .peer_count = 2};
	set = (struct settings){.trunks = trunks, .trunk_count = 2};
	route = (struct route_rule){.to = {0, 1}, .to_count = 2, .strategy = strategy};
	down_trunk = SETTINGS_NO_INDEX;
}

static enum hunt_result hunt(struct hunt *h, uint32_t turn, bool secure_only, uint8_t seed)
{
	struct rng rng;
	uint8_t bytes[RNG_SEED_LEN] = {seed};
	struct hunt_params p = {.settings = &set,
				.route = &route,
				.turn = turn,
				.secure_only = secure_only,
				.is_up = up};

	rng_init(&rng, bytes);
	return hunt_init(h, &p, &rng);
}

/* "a2 a0 b1 …" */
static struct str order(struct hunt *h)
{
	static char text[128];
	struct buf b;
	struct hunt_target t;

	buf_init(&b, text, sizeof(text));
	while (hunt_next(h, &t)) {
		if (b.len)
			buf_char(&b, ' ');
		buf_char(&b, t.trunk ? 'b' : 'a');
		buf_u64(&b, t.peer);
	}
	return buf_view(&b);
}

static void priorities_come_first_and_trunks_in_order(void **state)
{
	(void)state;
	struct hunt h;
	start(ROUTE_FAILOVER);
	a_peers[0].priority = 30;
	a_peers[1].priority = 20;
	a_peers[2].priority = 10;
	b_peers[0].priority = 5;
	b_peers[1].priority = 1;
	EXPECT_INT(hunt(&h, 0, false, 1), HUNT_OK);
	EXPECT_Z(order(&h), "a2 a1 a0 b1 b0");
}

static void weights_share_the_first_place(void **state)
{
	(void)state;
	struct hunt h;
	int first[3] = {0};
	start(ROUTE_FAILOVER);
	a_peers[0].weight = 8;
	a_peers[1].weight = 2;
	a_peers[2].weight = 0;
	for (int i = 0; i < 250; i++) {
		struct hunt_target t;
		EXPECT_INT(hunt(&h, 0, false, (uint8_t)i), HUNT_OK);
		EXPECT_TRUE(hunt_next(&h, &t) && t.trunk == 0);
		first[t.peer]++;
	}
	EXPECT_TRUE(first[0] > 170 && first[0] < 230);
	EXPECT_TRUE(first[1] > 20 && first[1] < 80);
	EXPECT_INT(first[2], 0);
}

static void weighted_takes_all_trunks_together(void **state)
{
	(void)state;
	struct hunt h;
	int b_first = 0;
	start(ROUTE_WEIGHTED);
	for (int i = 0; i < 200; i++) {
		struct hunt_target t;
		hunt(&h, 0, false, (uint8_t)i);
		b_first += hunt_next(&h, &t) && t.trunk == 1;
		EXPECT_INT(h.count, 5);
	}
	EXPECT_TRUE(b_first > 40 && b_first < 120);
}

static void round_robin_goes_round(void **state)
{
	(void)state;
	struct hunt h;
	start(ROUTE_ROUND_ROBIN);
	hunt(&h, 0, false, 1);
	EXPECT_Z(order(&h), "a0 a1 a2 b0 b1");
	hunt(&h, 3, false, 1);
	EXPECT_Z(order(&h), "b0 b1 a0 a1 a2");
	hunt(&h, 5, false, 1);
	EXPECT_Z(order(&h), "a0 a1 a2 b0 b1");
}

static void who_is_down_is_passed_over(void **state)
{
	(void)state;
	struct hunt h;
	start(ROUTE_ROUND_ROBIN);
	down_trunk = 0;
	down_peer = 1;
	hunt(&h, 0, false, 1);
	EXPECT_Z(order(&h), "a0 a2 b0 b1");
	down_peer = 99; /* the whole trunk */
	route.to_count = 1;
	EXPECT_INT(hunt(&h, 0, false, 1), HUNT_DOWN);
}

static void sips_has_only_secure_peers(void **state)
{
	(void)state;
	struct hunt h;
	start(ROUTE_ROUND_ROBIN);
	EXPECT_INT(hunt(&h, 0, true, 1), HUNT_INSECURE);
	b_peers[1].secure = true;
	EXPECT_INT(hunt(&h, 0, true, 1), HUNT_OK);
	EXPECT_Z(order(&h), "b1");
	down_trunk = 1;
	down_peer = 1;
	EXPECT_INT(hunt(&h, 0, true, 1), HUNT_DOWN);
}

static uint32_t calls_of(const struct peers *ctx, const struct settings *s, uint16_t trunk,
			 uint16_t peer)
{
	static const uint32_t calls[2][3] = {{4, 1, 2}, {1, 0, 0}};
	(void)ctx;
	(void)s;
	return calls[trunk][peer];
}

static bool last(const struct peers *ctx, const struct settings *s, uint16_t trunk, uint16_t peer,
		 uint64_t now_ms, uint32_t dice)
{
	(void)now_ms;
	(void)dice;
	(void)ctx;
	(void)s;
	return trunk == 0 && peer != 2;
}

static void the_peer_with_the_fewest_calls_is_first(void **state)
{
	(void)state;
	struct hunt h;
	struct rng rng;
	uint8_t bytes[RNG_SEED_LEN] = {1};
	start(ROUTE_LEAST_CALLS);
	struct hunt_params p = {.settings = &set, .route = &route, .is_up = up, .calls = calls_of};
	rng_init(&rng, bytes);
	EXPECT_INT(hunt_init(&h, &p, &rng), HUNT_OK);
	EXPECT_Z(order(&h), "b1 a1 b0 a2 a0");
	a_peers[0].weight = 8; /* four calls of eight are less than one of one */
	b_peers[1].weight = 0; /* without weight: behind all others */
	EXPECT_INT(hunt_init(&h, &p, &rng), HUNT_OK);
	EXPECT_Z(order(&h), "a0 a1 b0 a2 b1");
}

static void peers_that_rest_come_behind_all_others(void **state)
{
	(void)state;
	struct hunt h;
	struct rng rng;
	uint8_t bytes[RNG_SEED_LEN] = {1};
	start(ROUTE_FAILOVER);
	for (uint16_t i = 0; i < 3; i++)
		a_peers[i].priority = i;
	b_peers[1].priority = 20;
	struct hunt_params p = {.settings = &set, .route = &route, .is_up = up, .is_last = last};
	rng_init(&rng, bytes);
	EXPECT_INT(hunt_init(&h, &p, &rng), HUNT_OK);
	EXPECT_Z(order(&h), "a2 b0 b1 a0 a1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(priorities_come_first_and_trunks_in_order),
		cmocka_unit_test(weights_share_the_first_place),
		cmocka_unit_test(weighted_takes_all_trunks_together),
		cmocka_unit_test(round_robin_goes_round),
		cmocka_unit_test(who_is_down_is_passed_over),
		cmocka_unit_test(sips_has_only_secure_peers),
		cmocka_unit_test(the_peer_with_the_fewest_calls_is_first),
		cmocka_unit_test(peers_that_rest_come_behind_all_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
