#include "tests/support/check.h"

#include "common/pool.h"

struct thing {
	uint64_t numbers[5];
};

static void test_ids(void **state)
{
	(void)state;
	struct pool p;
	id_t64 a, b, again;
	EXPECT_ERR(pool_init(&p, sizeof(struct thing), 100, 7), OK);
	struct thing *x = pool_new(&p, &a), *y = pool_new(&p, &b);
	EXPECT_TRUE(x != NULL && y != NULL && x != y && a != b);
	EXPECT_INT(id_worker(a), 7);
	EXPECT_TRUE(a != ID_NONE && id_generation(a) != 0);
	EXPECT_TRUE(pool_find(&p, a) == x && pool_find(&p, b) == y);
	x->numbers[0] = 1;
	pool_free(&p, a);
	EXPECT_TRUE(pool_find(&p, a) == NULL);
	struct thing *z = pool_new(&p, &again);
	EXPECT_TRUE(z == x);          /* the slot is used again, */
	EXPECT_TRUE(again != a);      /* the id is not, */
	EXPECT_U64(z->numbers[0], 0); /* and the object is clean */
	EXPECT_TRUE(pool_find(&p, a) == NULL && pool_find(&p, again) == z);
	pool_release(&p);
}

static void test_invented_ids_find_nothing(void **state)
{
	(void)state;
	struct pool p;
	id_t64 id;
	EXPECT_ERR(pool_init(&p, sizeof(struct thing), 100, 7), OK);
	EXPECT_TRUE(pool_new(&p, &id) != NULL);
	const struct {
		const char *name;
		id_t64 id;
	} rows[] = {
		{"no id", ID_NONE},
		{"another worker's", id_make(8, id_generation(id), id_slot(id))},
		{"another generation", id_make(7, id_generation(id) + 1, id_slot(id))},
		{"generation 0", id_make(7, 0, id_slot(id))},
		{"a slot that has memory but was never used", id_make(7, 1, 1)},
		{"a slot above the limit", id_make(7, 1, 100)},
		{"the largest slot", id_make(7, 1, UINT32_MAX)},
		{"all ones", UINT64_MAX},
	};
	CHECK_TABLE(row, rows)
	EXPECT_TRUE(pool_find(&p, row->id) == NULL);
	pool_release(&p);
}

static void test_limit(void **state)
{
	(void)state;
	/* Below, at and above what one chunk holds. */
	static const uint32_t limits[] = {1, 2, 3, 64, 4095, 4096, 5000, 20000};
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct pool p;
		id_t64 id, last = ID_NONE;
		EXPECT_ERR(pool_init(&p, 48, limits[i], 0), OK);
		for (uint32_t n = 0; n < limits[i]; n++, last = id) {
			unsigned char *o = pool_new(&p, &id);
			EXPECT_TRUE(o != NULL && (uintptr_t)o % 16 == 0);
			memset(o, 0xaa, 48);
		}
		EXPECT_TRUE(pool_new(&p, &id) == NULL);
		EXPECT_U64(p.used, limits[i]);
		pool_free(&p, last);
		size_t chunks = p.chunk_count;
		EXPECT_TRUE(pool_new(&p, &id) != NULL);
		EXPECT_U64(p.chunk_count, chunks); /* after the peak no memory is asked for */
		pool_release(&p);
	}
}

static void test_walk(void **state)
{
	(void)state;
	struct pool p;
	id_t64 ids[10], id;
	EXPECT_ERR(pool_init(&p, 8, 10, 0), OK);
	for (int i = 0; i < 10; i++)
		*(int *)pool_new(&p, &ids[i]) = i;
	for (int i = 0; i < 10; i += 2)
		pool_free(&p, ids[i]);
	uint32_t cursor = 0;
	int want = 1;
	for (const int *o; (o = pool_next(&p, &cursor, &id)) != NULL; want += 2) {
		EXPECT_INT(*o, want);
		EXPECT_U64(id, ids[want]);
		pool_free(&p, id); /* freeing what one stands on is allowed */
	}
	EXPECT_INT(want, 11);
	EXPECT_TRUE(pool_next(&p, &cursor, &id) == NULL);
	EXPECT_U64(p.used, 0);
	pool_release(&p);
}

static void test_generation_wraps_past_zero(void **state)
{
	(void)state;
	struct pool p;
	id_t64 id, first;
	EXPECT_ERR(pool_init(&p, 16, 1, 0), OK);
	EXPECT_TRUE(pool_new(&p, &first) != NULL);
	pool_free(&p, first);
	for (uint32_t i = 1; i < 0xffffff; i++) {
		if (pool_new(&p, &id) == NULL || id_generation(id) == 0)
			EXPECT_TRUE(!"generation 0 or no object");
		pool_free(&p, id);
	}
	EXPECT_TRUE(pool_new(&p, &id) != NULL);
	EXPECT_INT(id_generation(id), 1);
	pool_release(&p);
}

static void test_no_memory(void **state)
{
	(void)state;
	struct pool p;
	id_t64 id;
	EXPECT_ERR(pool_init(&p, (size_t)1 << 40, 3, 0), OK);
	EXPECT_TRUE(pool_new(&p, &id) == NULL);
	EXPECT_U64(p.used, 0);
	pool_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_invented_ids_find_nothing),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_generation_wraps_past_zero),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
