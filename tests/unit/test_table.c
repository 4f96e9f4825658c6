#include "tests/support/check.h"

#include <stdlib.h>

#include "common/table.h"

struct thing {
	unsigned number;
	struct table_node node;
};

static const struct siphash_key key = {{1, 2}};

static struct thing *find(const struct table *t, unsigned number, uint64_t hash)
{
	for (struct table_node *n = table_first(t, hash); n; n = table_next(n)) {
		struct thing *x = TABLE_OBJECT(n, struct thing, node);
		if (x->number == number)
			return x;
	}
	return NULL;
}

static void test_many(void **state)
{
	(void)state;
	enum { N = 5000 };
	struct table t;
	struct thing *things = calloc(N + 1, sizeof(*things));
	EXPECT_TRUE(things != NULL);
	EXPECT_ERR(table_init(&t, N, &key), OK);
	for (unsigned i = 0; i < N; i++) {
		things[i].number = i;
		EXPECT_ERR(table_add(&t, &things[i].node, table_hash(&t, &i, sizeof(i))), OK);
	}
	EXPECT_ERR(table_add(&t, &things[N].node, 1), ERR_FULL);
	EXPECT_U64(t.count, N);
	for (unsigned i = 0; i < N; i += 2)
		table_del(&t, &things[i].node);
	for (unsigned i = 0; i < N; i++) {
		const struct thing *x = find(&t, i, table_hash(&t, &i, sizeof(i)));
		EXPECT_TRUE(x == (i % 2 ? &things[i] : NULL));
	}
	EXPECT_U64(t.count, N / 2);
	table_release(&t);
	free(things);
}

static void test_equal_and_colliding_hashes(void **state)
{
	(void)state;
	struct table t;
	struct thing x[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
	EXPECT_ERR(table_init(&t, 4, &key), OK);
	/* 5 and 5 + 2^40 share a bucket, not a hash. */
	EXPECT_ERR(table_add(&t, &x[0].node, 5), OK);
	EXPECT_ERR(table_add(&t, &x[1].node, 5 + ((uint64_t)1 << 40)), OK);
	EXPECT_ERR(table_add(&t, &x[2].node, 5), OK);
	EXPECT_TRUE(find(&t, 0, 5) == &x[0] && find(&t, 2, 5) == &x[2]);
	EXPECT_TRUE(find(&t, 1, 5) == NULL);
	EXPECT_TRUE(find(&t, 1, 5 + ((uint64_t)1 << 40)) == &x[1]);
	table_del(&t, &x[0].node);
	EXPECT_TRUE(find(&t, 0, 5) == NULL && find(&t, 2, 5) == &x[2]);
	EXPECT_TRUE(table_first(&t, 6) == NULL);
	table_release(&t);
}

static void test_the_key_moves_everything(void **state)
{
	(void)state;
	struct table a, b;
	const struct siphash_key other = {{1, 3}};
	EXPECT_ERR(table_init(&a, 1, &key), OK);
	EXPECT_ERR(table_init(&b, 1, &other), OK);
	EXPECT_TRUE(table_hash(&a, "x", 1) != table_hash(&b, "x", 1));
	table_release(&a);
	table_release(&b);
	EXPECT_ERR(table_init(&a, UINT32_MAX, &key), ERR_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_equal_and_colliding_hashes),
		cmocka_unit_test(test_the_key_moves_everything),
	};
	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
