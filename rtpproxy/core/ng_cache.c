#include "rtpproxy/core/ng_cache.h"

#include <stdlib.h>
#include <string.h>

#include "common/secret.h"

struct record {
	uint64_t hash;
	uint32_t key_len; /* peer and cookie, one behind the other */
	uint32_t reply_len;
};

static enum err generation_init(struct ng_cache_generation *g, uint32_t bytes, uint32_t slots)
{
	/* Not touched before use: a quiet relay pays for no replies. */
	g->mem = malloc(bytes);
	g->slots = calloc(slots, sizeof(*g->slots));
	g->used = g->count = 0;
	return g->mem && g->slots ? OK : ERR_NOMEM;
}

enum err ng_cache_init(struct ng_cache *c, uint32_t bytes, uint32_t replies,
		       const struct siphash_key *key, uint64_t now_ms)
{
	CHECK(replies > 0 && (replies & (replies - 1)) == 0);
	*c = (struct ng_cache){.mem_size = bytes,
			       .slot_count = replies * 2,
			       .turn_ms = now_ms + NG_CACHE_MS,
			       .key = *key};
	for (int i = 0; i < 2; i++) {
		enum err e = generation_init(&c->generations[i], bytes, c->slot_count);
		if (e != OK) {
			ng_cache_release(c);
			return e;
		}
	}
	return OK;
}

void ng_cache_release(struct ng_cache *c)
{
	for (int i = 0; i < 2; i++) {
		struct ng_cache_generation *g = &c->generations[i];
		if (g->mem) {
			secret_wipe(g->mem, g->used);
		}
		free(g->mem);
		free(g->slots);
	}
	*c = (struct ng_cache){0};
}

static uint64_t key_hash(const struct ng_cache *c, struct str peer, struct str cookie)
{
	return siphash(&c->key, peer.p, peer.len) * 3 + siphash(&c->key, cookie.p, cookie.len);
}

static struct str generation_find(const struct ng_cache *c, const struct ng_cache_generation *g,
				  uint64_t hash, struct str peer, struct str cookie)
{
	for (uint32_t i = (uint32_t)hash & (c->slot_count - 1); g->slots[i] != 0;
	     i = (i + 1) & (c->slot_count - 1)) {
		struct record r;
		const char *at = g->mem + g->slots[i] - 1;
		memcpy(&r, at, sizeof(r));
		at += sizeof(r);
		if (r.hash == hash && r.key_len == peer.len + cookie.len &&
		    memcmp(at, peer.p, peer.len) == 0 &&
		    memcmp(at + peer.len, cookie.p, cookie.len) == 0) {
			return (struct str){at + r.key_len, r.reply_len};
		}
	}
	return STR_NONE;
}

struct str ng_cache_find(const struct ng_cache *c, struct str peer, struct str cookie)
{
	uint64_t hash = key_hash(c, peer, cookie);
	for (int i = 0; i < 2; i++) {
		struct str found = generation_find(c, &c->generations[i], hash, peer, cookie);
		if (found.p) {
			return found;
		}
	}
	return STR_NONE;
}

static void turn(struct ng_cache *c, uint64_t now_ms)
{
	struct ng_cache_generation old = c->generations[1];
	c->generations[1] = c->generations[0];
	if (old.used > 0) {
		secret_wipe(old.mem, old.used);
		memset(old.slots, 0, c->slot_count * sizeof(*old.slots));
	}
	old.used = old.count = 0;
	c->generations[0] = old;
	c->turn_ms = now_ms + NG_CACHE_MS;
}

void ng_cache_add(struct ng_cache *c, struct str peer, struct str cookie, struct str reply,
		  uint64_t now_ms)
{
	struct record r = {key_hash(c, peer, cookie), (uint32_t)(peer.len + cookie.len),
			   (uint32_t)reply.len};
	size_t size = sizeof(r) + peer.len + cookie.len + reply.len;
	if (size > c->mem_size) {
		return;
	}
	struct ng_cache_generation *g = &c->generations[0];
	if (size > c->mem_size - g->used || g->count >= c->slot_count / 2) {
		turn(c, now_ms);
	}
	char *at = g->mem + g->used;
	memcpy(at, &r, sizeof(r));
	memcpy(at + sizeof(r), peer.p, peer.len);
	memcpy(at + sizeof(r) + peer.len, cookie.p, cookie.len);
	memcpy(at + sizeof(r) + r.key_len, reply.p, reply.len);
	uint32_t i = (uint32_t)r.hash & (c->slot_count - 1);
	while (g->slots[i] != 0) {
		i = (i + 1) & (c->slot_count - 1);
	}
	g->slots[i] = g->used + 1;
	g->used += (uint32_t)size;
	g->count++;
}

void ng_cache_tick(struct ng_cache *c, uint64_t now_ms)
{
	if (now_ms >= c->turn_ms) {
		turn(c, now_ms);
	}
}
