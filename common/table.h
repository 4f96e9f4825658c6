/*
 * Keyed hash table of intrusive nodes with a hard limit. SipHash with a secret key, so that a peer
 * cannot choose collisions. The table knows only hashes: the caller compares the keys.
 */
#ifndef SALLYPORT_TABLE_H
#define SALLYPORT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "check.h"
#include "siphash.h"
#include "str.h"

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **buckets;
	size_t mask;
	uint32_t count;
	uint32_t limit;
	struct siphash_key key;
};

/* Room for `limit` nodes; `key` is secret and random. ERR_NOMEM. */
enum err table_init(struct table *t, uint32_t limit, const struct siphash_key *key) MUST_USE;
/* The nodes are not touched: they belong to the caller. */
void table_release(struct table *t);
uint64_t table_hash(const struct table *t, const void *p, size_t n);
/* The first node with this hash, or NULL; then the next one with the same hash. */
struct table_node *table_first(const struct table *t, uint64_t hash);
struct table_node *table_next(const struct table_node *n);
/* ERR_FULL at the limit. Does not look for an equal key: the caller has. */
enum err table_add(struct table *t, struct table_node *n, uint64_t hash) MUST_USE;
/* CHECKs that n is in the table. */
void table_del(struct table *t, struct table_node *n);
#define TABLE_OBJECT(n, type, m) CONTAINER_OF(n, type, m)

#endif
