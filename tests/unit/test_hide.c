#include "common/rng.h"
#include "sbc/core/hide.h"
#include "sbc/core/hdr.h"
#include "tests/support/check.h"

static const struct hide h = {{{0x0123456789abcdefu, 0xfedcba9876543210u}}, 0};
static const uint8_t zero[HIDE_RANDOM_LEN];

static void test_round_trip(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum hide_kind kind;
		id_t64 id;
		size_t len;
	} rows[] = {
		{"a branch", HIDE_BRANCH, 0x0100000100000001u, HIDE_BRANCH_LEN},
		{"a tag", HIDE_TAG, 0xff00ffff00ff00ffu, HIDE_TOKEN_LEN},
		{"a Call-ID", HIDE_CALL_ID, 1, HIDE_TOKEN_LEN},
		{"a Contact user", HIDE_CONTACT, UINT64_MAX, HIDE_TOKEN_LEN},
	};
	uint8_t seed[RNG_SEED_LEN] = {1};
	struct rng r;
	rng_init(&r, seed);
	CHECK_TABLE(row, rows)
	{
		for (int i = 0; i < 100; i++) {
			char out[HIDE_BRANCH_LEN];
			uint8_t random[HIDE_RANDOM_LEN];
			id_t64 id = 0;
			rng_bytes(&r, random, sizeof(random));
			size_t n = hide_make(&h, row->kind, random, row->id, out);
			EXPECT_INT(n, row->len);
			EXPECT_TRUE(hdr_is_token((struct str){out, n}));
			EXPECT_TRUE(hide_read(&h, row->kind, (struct str){out, n}, &id));
			EXPECT_U64(id, row->id);
			for (size_t k = 0; k < n; k++)
				out[k] = (char)(out[k] >= 'a' && out[k] <= 'z' ? out[k] & ~0x20
									       : out[k]);
			EXPECT_TRUE(hide_read(&h, row->kind, (struct str){out, n}, &id));
			EXPECT_U64(id, row->id);
			for (unsigned other = 0; other < HIDE_KIND_COUNT; other++)
				if (other != row->kind && other != HIDE_BRANCH &&
				    row->kind != HIDE_BRANCH)
					EXPECT_TRUE(hide_read(&h, (enum hide_kind)other,
							      (struct str){out, n}, &id) &&
						    id != row->id);
		}
	}
}

static void test_shape(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum hide_kind kind;
		struct str token;
		bool ours;
	} rows[] = {
		{"32 letters are a tag", HIDE_TAG, STR("abcdefghijklmnopqrstuvwxyz234567"), true},
		{"31 are none", HIDE_TAG, STR("abcdefghijklmnopqrstuvwxyz23456"), false},
		{"33 are none", HIDE_TAG, STR("abcdefghijklmnopqrstuvwxyz2345672"), false},
		{"an octet outside of the alphabet", HIDE_TAG,
		 STR("abcdefghijklmnopqrstuvwxyz234568"), false},
		{"a dash", HIDE_TAG, STR("abcdefghijklmno-qrstuvwxyz234567"), false},
		{"a branch needs its cookie", HIDE_BRANCH, STR("abcdefghijklmnopqrstuvwxyz234567"),
		 false},
		{"a branch", HIDE_BRANCH, STR("z9hG4bKabcdefghijklmnopqrstuvwxyz234567"), true},
		{"a branch of another", HIDE_BRANCH, STR("z9hG4bK776asdhds"), false},
		{"nothing", HIDE_TAG, STR(""), false},
		{"the cookie alone", HIDE_BRANCH, STR("z9hG4bK"), false},
	};
	CHECK_TABLE(row, rows)
	{
		id_t64 id;
		EXPECT_INT(hide_read(&h, row->kind, row->token, &id), row->ours);
	}
}

/* Neither worker, nor slot, nor the same call twice shows in the text. */
static void test_nothing_shows(void **state)
{
	(void)state;
	char a[HIDE_BRANCH_LEN], b[HIDE_BRANCH_LEN];
	uint8_t one[HIDE_RANDOM_LEN] = {1};
	size_t n = hide_make(&h, HIDE_TAG, zero, 1, a), same = 0;
	(void)hide_make(&h, HIDE_TAG, one, 1, b);
	for (size_t i = 20; i < n; i++)
		same += a[i] == b[i];
	EXPECT_TRUE(same < 5);
	const struct hide other = {{{1, 2}}, 0};
	(void)hide_make(&other, HIDE_TAG, zero, 1, b);
	same = 0;
	for (size_t i = 20; i < n; i++)
		same += a[i] == b[i];
	EXPECT_TRUE(same < 5);
	id_t64 id;
	EXPECT_TRUE(hide_read(&other, HIDE_TAG, (struct str){a, n}, &id) && id != 1);
	/* Random bytes alone decide the first part: a test can state it. */
	EXPECT_BYTES(a, "aaaaaaaaaaaaaaaaaaa", 19);
}

/* Nodes of a cluster: each reads the others' tokens, and knows whose they are; a stranger reads none. */
static void a_shared_token_names_its_node(void **state)
{
	(void)state;
	struct hide a = {{{1, 2}}, 0}, b = {{{3, 4}}, 0}, stranger = {{{5, 6}}, 0};
	uint8_t seed[RNG_SEED_LEN] = {2};
	struct rng r;
	unsigned noise = 0;
	rng_init(&r, seed);
	hide_share(&a, STR("one secret"), 0x11111111);
	hide_share(&b, STR("one secret"), 0x22222222);
	hide_share(&stranger, STR("another"), 0x11111111);
	for (unsigned i = 0; i < 2000; i++) {
		enum hide_kind kind = (enum hide_kind)(i % HIDE_KIND_COUNT);
		char out[HIDE_BRANCH_LEN];
		uint8_t random[HIDE_RANDOM_LEN];
		struct hide_name name = {0, 0};
		id_t64 id = 7;
		rng_bytes(&r, random, sizeof(random));
		struct str token = {out, hide_make(&a, kind, random, 0x0100000100000000u + i, out)};
		EXPECT_TRUE(hide_read(&a, kind, token, &id));
		EXPECT_U64(id, 0x0100000100000000u + i);
		id = 7;
		EXPECT_TRUE(!hide_read(&b, kind, token, &id));
		EXPECT_U64(id, 7);
		EXPECT_TRUE(hide_read_any(&b, kind, token, &name));
		EXPECT_INT(name.boot, 0x11111111);
		EXPECT_U64(name.id, 0x0100000100000000u + i);
		noise += hide_read_any(&stranger, kind, token, &name);
		size_t at = token.len - 1 - i % HIDE_TOKEN_LEN;
		out[at] = out[at] == 'a' ? 'b' : 'a';
		noise += hide_read_any(&b, kind, token, &name);
	}
	EXPECT_TRUE(noise <= 2); /* 16 bits */
}

static void test_branch(void **state)
{
	(void)state;
	EXPECT_TRUE(hide_is_rfc3261_branch(STR("z9hG4bK1")));
	EXPECT_TRUE(hide_is_rfc3261_branch(STR("Z9HG4BK1")));
	EXPECT_TRUE(!hide_is_rfc3261_branch(STR("z9hG4bK")));
	EXPECT_TRUE(!hide_is_rfc3261_branch(STR("390skdjuw")));
	EXPECT_TRUE(!hide_is_rfc3261_branch(STR_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_nothing_shows),
		cmocka_unit_test(a_shared_token_names_its_node),
		cmocka_unit_test(test_branch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
