/* The hash table with as many nodes as a busy node has transactions, keys of a branch's length. */
#include <stdio.h>
#include <stdlib.h>

#include "common/siphash.h"
#include "common/table.h"
#include "run.h"

enum { NODES = 100000, KEY_LEN = 32 };

struct thing {
	char key[KEY_LEN];
	struct table_node node;
};

struct bench {
	struct table table;
	struct thing *things;
	size_t at;
};

static void find(void *ctx, size_t n)
{
	struct bench *b = ctx;
	size_t found = 0;
	for (size_t i = 0; i < n; i++) {
		/* A stride apart, so that the cache does not help more than it will. */
		b->at = (b->at + 7919) % NODES;
		const char *key = b->things[b->at].key;
		struct table_node *node =
			table_first(&b->table, table_hash(&b->table, key, KEY_LEN));
		while (node &&
		       memcmp(TABLE_OBJECT(node, struct thing, node)->key, key, KEY_LEN) != 0)
			node = table_next(node);
		found += node != NULL;
	}
	CHECK(found == n);
}

static void miss(void *ctx, size_t n)
{
	struct bench *b = ctx;
	for (uint64_t i = 0; i < n; i++)
		bench_keep(table_first(&b->table, table_hash(&b->table, &i, sizeof(i))) != NULL);
}

static void del_and_add(void *ctx, size_t n)
{
	struct bench *b = ctx;
	for (size_t i = 0; i < n; i++) {
		b->at = (b->at + 7919) % NODES;
		struct table_node *node = &b->things[b->at].node;
		table_del(&b->table, node);
		CHECK(table_add(&b->table, node, node->hash) == OK);
	}
}

static void hash(void *ctx, size_t n)
{
	const struct bench *b = ctx;
	for (size_t i = 0; i < n; i++)
		bench_keep(siphash(&b->table.key, b->things[i % 64].key, KEY_LEN));
}

int main(void)
{
	static struct bench b;
	const struct siphash_key key = {{0x0123456789abcdef, 0xfedcba9876543210}};
	b.things = calloc(NODES, sizeof(*b.things));
	CHECK(b.things != NULL && table_init(&b.table, NODES, &key) == OK);
	for (size_t i = 0; i < NODES; i++) {
		struct thing *t = &b.things[i];
		snprintf(t->key, KEY_LEN, "z9hG4bK-%zu", i);
		CHECK(table_add(&b.table, &t->node, table_hash(&b.table, t->key, KEY_LEN)) == OK);
	}
	bench("siphash of 32 bytes", hash, &b);
	bench("find one of 100,000", find, &b);
	bench("find none of 100,000", miss, &b);
	bench("del and add one of 100,000", del_and_add, &b);
	table_release(&b.table);
	free(b.things);
	return 0;
}
