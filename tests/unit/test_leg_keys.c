/* Keys of a line between commands: what is kept, what comes back, what it costs. */
#include "rtpproxy/core/leg_keys.h"

#include "tests/support/check.h"

static struct leg_crypto crypto(uint32_t tag, enum sdes_suite suite, uint8_t fill)
{
	const struct sdes_suite_info *s = sdes_suite_info(suite);
	struct leg_crypto c = {.tag = tag, .suite = (uint8_t)suite};
	c.key.len = (size_t)s->key_len + s->salt_len;
	memset(c.key.bytes, fill, c.key.len);
	return c;
}

static bool same(const struct leg_crypto *a, const struct leg_crypto *b)
{
	return a->tag == b->tag && a->suite == b->suite && a->mki == b->mki &&
	       a->mki_len == b->mki_len && secret_eq(&a->key, &b->key);
}

struct fixture {
	struct arena arena;
	struct block_pool pool;
	struct leg_media m;
};

static void init(struct fixture *x)
{
	*x = (struct fixture){.m = {.id = 1}};
	EXPECT_ERR(arena_init_sized(&x->arena, 65536), OK);
	block_init(&x->pool, 1 << 20);
}

static void release(struct fixture *x)
{
	leg_keys_drop(&x->m, &x->pool);
	EXPECT_U64(x->pool.used, 0);
	block_release(&x->pool);
	arena_release(&x->arena);
}

static void a_line_without_keys_keeps_nothing(void **state)
{
	(void)state;
	struct fixture x;
	init(&x);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	EXPECT_INT(x.m.keys->chosen, -1);
	EXPECT_INT(x.m.keys->chosen_in, -1);
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	assert_null(x.m.keys);
	assert_null(x.m.kept_keys);
	EXPECT_U64(x.pool.used, 0);
	/* Where no command had opened them nothing changes. */
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	release(&x);
}

static void fill(struct leg_keys *k, unsigned theirs, unsigned ours)
{
	k->theirs_count = (uint8_t)theirs;
	k->ours_count = (uint8_t)ours;
	for (unsigned i = 0; i < theirs; i++) {
		k->theirs[i] =
			crypto(i + 1, (enum sdes_suite)(i % SDES_SUITE_COUNT), (uint8_t)(i + 1));
		k->theirs[i].mki = 0x01020304 + i;
		k->theirs[i].mki_len = (uint8_t)(i + 1);
	}
	for (unsigned i = 0; i < ours; i++) {
		k->ours[i] = crypto(999999999 - i, (enum sdes_suite)i, (uint8_t)(0x80 + i));
	}
}

static void what_was_kept_comes_back(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned theirs, ours;
		int8_t chosen, chosen_in;
	} rows[] = {
		{"as many of both as there can be", LIMIT_CRYPTOS, SDES_SUITE_COUNT, 5, 7},
		{"an offer of the party", 3, 0, -1, -1},
		{"an offer of ours", 0, 6, -1, -1},
		{"one of each, agreed", 1, 1, 0, 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct fixture x;
		struct leg_keys was;
		init(&x);
		EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
		fill(x.m.keys, row->theirs, row->ours);
		x.m.keys->chosen = row->chosen;
		x.m.keys->chosen_in = row->chosen_in;
		was = *x.m.keys;
		const struct leg_keys *scratch = x.m.keys;
		EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
		/* The command's memory has no key any more. */
		EXPECT_INT(scratch->theirs[0].key.bytes[0], 0);
		EXPECT_INT(scratch->ours[0].key.bytes[0], 0);
		arena_reset(&x.arena);
		EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
		EXPECT_INT(x.m.keys->theirs_count, row->theirs);
		EXPECT_INT(x.m.keys->ours_count, row->ours);
		EXPECT_INT(x.m.keys->chosen, row->chosen);
		EXPECT_INT(x.m.keys->chosen_in, row->chosen_in);
		for (unsigned i = 0; i < row->theirs; i++) {
			assert_true(same(&x.m.keys->theirs[i], &was.theirs[i]));
		}
		for (unsigned i = 0; i < row->ours; i++) {
			assert_true(same(&x.m.keys->ours[i], &was.ours[i]));
		}
		EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
		release(&x);
	}
}

static void a_block_is_no_larger_than_its_keys_and_goes_with_them(void **state)
{
	(void)state;
	struct fixture x;
	init(&x);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	fill(x.m.keys, LIMIT_CRYPTOS, SDES_SUITE_COUNT);
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	const size_t all = x.pool.used;
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	x.m.keys->theirs_count = x.m.keys->ours_count = 1;
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	assert_true(x.pool.used < all / 4);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	x.m.keys->theirs_count = x.m.keys->ours_count = 0;
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	EXPECT_U64(x.pool.used, 0);
	release(&x);
}

static void what_was_said_of_dtls_is_kept_as_long_as_it_is_meant(void **state)
{
	(void)state;
	struct fixture x;
	init(&x);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	assert_false(x.m.dtls->offered);
	x.m.dtls->offered = true;
	x.m.dtls->their_id = 77;
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	assert_null(x.m.dtls);
	arena_reset(&x.arena);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	assert_true(x.m.dtls->offered);
	EXPECT_U64(x.m.dtls->their_id, 77);
	*x.m.dtls = (struct leg_dtls){.ours_said = true, .generation = 5};
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	EXPECT_INT(x.m.dtls->generation, 5);
	*x.m.dtls = (struct leg_dtls){.offered = false};
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	EXPECT_U64(x.pool.used, 0);
	release(&x);
}

static void without_memory_what_was_kept_before_stays(void **state)
{
	(void)state;
	struct fixture x;
	init(&x);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	fill(x.m.keys, 1, 1);
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	struct block_pool none;
	block_init(&none, 0);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	fill(x.m.keys, 2, 2);
	EXPECT_ERR(leg_keys_keep(&x.m, &none), ERR_NOMEM);
	assert_null(x.m.keys);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), OK);
	EXPECT_INT(x.m.keys->theirs_count, 1);
	EXPECT_ERR(leg_keys_keep(&x.m, &x.pool), OK);
	block_release(&none);
	arena_release(&x.arena);
	arena_init(&x.arena, NULL, 0);
	EXPECT_ERR(leg_keys_open(&x.m, &x.arena), ERR_NOMEM);
	assert_null(x.m.keys);
	release(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_without_keys_keeps_nothing),
		cmocka_unit_test(what_was_kept_comes_back),
		cmocka_unit_test(a_block_is_no_larger_than_its_keys_and_goes_with_them),
		cmocka_unit_test(what_was_said_of_dtls_is_kept_as_long_as_it_is_meant),
		cmocka_unit_test(without_memory_what_was_kept_before_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
