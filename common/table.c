#include "table.h"

#include <stdlib.h>

enum err table_init(struct table *t, uint32_t limit, const struct siphash_key *key)
{
	CHECK(limit > 0);
	size_t buckets = 16;
	while (buckets < limit)
		buckets *= 2;
	struct table_node **mem = calloc(buckets, sizeof(*mem));
	if (!mem)
		return ERR_NOMEM;
	*t = (struct table){mem, buckets - 1, 0, limit, *key};
	return OK;
}

void table_release(struct table *t)
{
	free(t->buckets);
	*t = (struct table){0};
}

uint64_t table_hash(const struct table *t, const void *p, size_t n)
{
	return siphash(&t->key, p, n);
}

static struct table_node *same_hash(struct table_node *n, uint64_t hash)
{
	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct table_node *table_first(const struct table *t, uint64_t hash)
{
	return same_hash(t->buckets[hash & t->mask], hash);
}

struct table_node *table_next(const struct table_node *n)
{
	return same_hash(n->next, n->hash);
}

enum err table_add(struct table *t, struct table_node *n, uint64_t hash)
{
	if (t->count >= t->limit)
		return ERR_FULL;
	struct table_node **bucket = &t->buckets[hash & t->mask];
	n->hash = hash;
	n->next = *bucket;
	*bucket = n;
	t->count++;
	return OK;
}

void table_del(struct table *t, struct table_node *n)
{
	struct table_node **at = &t->buckets[n->hash & t->mask];
	while (*at && *at != n)
		at = &(*at)->next;
	CHECK(*at == n);
	*at = n->next;
	n->next = NULL;
	t->count--;
}
