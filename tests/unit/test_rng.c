#include "tests/support/check.h"

#include "common/crypto.h"
#include "common/rng.h"

static const uint8_t seed[RNG_SEED_LEN] = {1, 2, 3};

static void test_is_the_key_stream_in_any_pieces(void **state)
{
	(void)state;
	static uint8_t want[4 * RNG_BLOCK], got[4 * RNG_BLOCK];
	static const size_t pieces[] = {1, 3, 7, 64, 1000, RNG_BLOCK, RNG_BLOCK + 1, sizeof(want)};
	crypto_chacha20(seed, 0, want, sizeof(want));
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct rng r;
		rng_init(&r, seed);
		for (size_t done = 0; done < sizeof(got);) {
			size_t left = sizeof(got) - done, n = pieces[i] < left ? pieces[i] : left;
			rng_bytes(&r, got + done, n);
			done += n;
		}
		EXPECT_BYTES(got, want, sizeof(want));
	}
}

static void test_used_bytes_are_wiped(void **state)
{
	(void)state;
	static const uint8_t zeros[100];
	uint8_t out[100];
	struct rng r;
	rng_init(&r, seed);
	rng_bytes(&r, out, sizeof(out));
	EXPECT_BYTES(r.block, zeros, sizeof(zeros));
	EXPECT_TRUE(memcmp(r.block + 100, zeros, 50) != 0);
}

static void test_below_is_even(void **state)
{
	(void)state;
	enum { N = 6, ROUNDS = 60000 };
	unsigned hits[N] = {0};
	struct rng r;
	rng_init(&r, seed);
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t v = rng_below(&r, N);
		EXPECT_TRUE(v < N);
		hits[v]++;
	}
	/* 10,000 each; six standard deviations are 550. */
	for (int i = 0; i < N; i++)
		EXPECT_TRUE(hits[i] > 9450 && hits[i] < 10550);
	for (int i = 0; i < 100; i++)
		EXPECT_INT(rng_below(&r, 1), 0);
	bool has_high = false;
	for (int i = 0; i < 100; i++)
		has_high |= rng_below(&r, UINT32_MAX) > UINT32_MAX / 2;
	EXPECT_TRUE(has_high);
}

static void test_text(void **state)
{
	(void)state;
	char text[36000];
	unsigned hits[256] = {0};
	struct rng r;
	rng_init(&r, seed);
	rng_text(&r, text, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++)
		hits[(unsigned char)text[i]]++;
	unsigned kinds = 0;
	for (int c = 0; c < 256; c++) {
		if (hits[c] == 0)
			continue;
		EXPECT_TRUE((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
		EXPECT_TRUE(hits[c] > 800 && hits[c] < 1200);
		kinds++;
	}
	EXPECT_INT(kinds, 36);
	rng_text(&r, text, 0);
}

static void test_seeds_differ_and_repeat(void **state)
{
	(void)state;
	struct rng a, b, c;
	uint8_t other[RNG_SEED_LEN] = {1, 2, 4};
	rng_init(&a, seed);
	rng_init(&b, seed);
	rng_init(&c, other);
	uint32_t x = rng_u32(&a);
	EXPECT_U64(rng_u32(&b), x);
	EXPECT_TRUE(rng_u32(&c) != x);
	EXPECT_TRUE(rng_u32(&a) != x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_the_key_stream_in_any_pieces),
		cmocka_unit_test(test_used_bytes_are_wiped),
		cmocka_unit_test(test_below_is_even),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_seeds_differ_and_repeat),
	};
	return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
