#include "sbc/core/tally.h"

#include <string.h>

#include "common/check.h"

enum { KEY_LEN = 17 };

struct entry {
	struct table_node node;
	id_t64 id;
	uint8_t key[KEY_LEN];
	uint32_t count;
};

static void make_key(const struct addr *a, uint8_t key[KEY_LEN])
{
	memset(key, 0, KEY_LEN);
	key[0] = a->family;
	memcpy(key + 1, a->ip, a->family == ADDR_IP6 ? 8 : 4);
}

enum err tally_init(struct tally *t, uint32_t sources, const struct siphash_key *key)
{
	CHECK(t && sources && key);
	enum err e = pool_init(&t->pool, sizeof(struct entry), sources, 0);

	if (e == OK && (e = table_init(&t->table, sources, key)) != OK)
		pool_release(&t->pool);
	return e;
}

void tally_release(struct tally *t)
{
	if (t->pool.chunks || t->table.buckets) {
		table_release(&t->table);
		pool_release(&t->pool);
	}
}

static struct entry *find(const struct tally *t, const uint8_t key[KEY_LEN], uint64_t *out_hash)
{
	*out_hash = table_hash(&t->table, key, KEY_LEN);
	for (struct table_node *n = table_first(&t->table, *out_hash); n; n = table_next(n)) {
		struct entry *e = TABLE_OBJECT(n, struct entry, node);
		if (memcmp(e->key, key, KEY_LEN) == 0)
			return e;
	}
	return NULL;
}

enum err tally_add(struct tally *t, const struct addr *source, uint32_t most)
{
	uint8_t key[KEY_LEN];
	uint64_t hash;
	id_t64 id;

	make_key(source, key);
	struct entry *e = find(t, key, &hash);
	if (e) {
		if (e->count >= most)
			return ERR_FULL;
		e->count++;
		return OK;
	}
	if (most == 0 || (e = pool_new(&t->pool, &id)) == NULL)
		return ERR_FULL;
	e->id = id;
	e->count = 1;
	memcpy(e->key, key, KEY_LEN);
	if (table_add(&t->table, &e->node, hash) != OK) {
		pool_free(&t->pool, id);
		return ERR_FULL;
	}
	return OK;
}

void tally_del(struct tally *t, const struct addr *source)
{
	uint8_t key[KEY_LEN];
	uint64_t hash;

	make_key(source, key);
	struct entry *e = find(t, key, &hash);
	if (NEVER(!e))
		return;
	if (--e->count == 0) {
		table_del(&t->table, &e->node);
		pool_free(&t->pool, e->id);
	}
}

uint32_t tally_get(const struct tally *t, const struct addr *source)
{
	uint8_t key[KEY_LEN];
	uint64_t hash;

	make_key(source, key);
	const struct entry *e = find(t, key, &hash);
	return e ? e->count : 0;
}
