#include "rtpproxy/core/leg_keys.h"

#include <string.h>

/* counts 2 | chosen 2 | for each key: tag 4, MKI 4, its length 1, suite 1, key and salt as the suite has them */
enum { HEAD = 4, CRYPTO_HEAD = 10 };

static size_t key_len(unsigned suite)
{
	const struct sdes_suite_info *s = sdes_suite_info((enum sdes_suite)suite);
	return (size_t)s->key_len + s->salt_len;
}

static size_t packed_len(const struct leg_crypto *list, unsigned n)
{
	size_t len = 0;
	for (unsigned i = 0; i < n; i++) {
		len += CRYPTO_HEAD + key_len(list[i].suite);
	}
	return len;
}

static uint8_t *pack(uint8_t *at, const struct leg_crypto *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct leg_crypto *c = &list[i];
		CHECK(c->key.len == key_len(c->suite));
		memcpy(at, &c->tag, sizeof(c->tag));
		memcpy(at + 4, &c->mki, sizeof(c->mki));
		at[8] = c->mki_len;
		at[9] = c->suite;
		memcpy(at + CRYPTO_HEAD, c->key.bytes, c->key.len);
		at += CRYPTO_HEAD + c->key.len;
	}
	return at;
}

static const uint8_t *unpack(const uint8_t *at, struct leg_crypto *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct leg_crypto *c = &list[i];
		memcpy(&c->tag, at, sizeof(c->tag));
		memcpy(&c->mki, at + 4, sizeof(c->mki));
		c->mki_len = at[8];
		c->suite = at[9];
		c->key.len = key_len(c->suite);
		memcpy(c->key.bytes, at + CRYPTO_HEAD, c->key.len);
		at += CRYPTO_HEAD + c->key.len;
	}
	return at;
}

enum err leg_keys_open(struct leg_media *m, struct arena *a)
{
	CHECK(!m->keys && !m->dtls);
	struct leg_keys *k = arena_zalloc(a, sizeof(*k));
	struct leg_dtls *d = arena_zalloc(a, sizeof(*d));
	if (!k || !d) {
		return ERR_NOMEM;
	}
	if (m->kept_dtls) {
		*d = *m->kept_dtls;
	}
	k->chosen = k->chosen_in = -1;
	const uint8_t *at = m->kept_keys;
	if (at) {
		k->theirs_count = at[0];
		k->ours_count = at[1];
		k->chosen = (int8_t)at[2];
		k->chosen_in = (int8_t)at[3];
		at = unpack(at + HEAD, k->theirs, k->theirs_count);
		(void)unpack(at, k->ours, k->ours_count);
	}
	m->keys = k;
	m->dtls = d;
	return OK;
}

static void drop_keys(struct leg_media *m, struct block_pool *p)
{
	if (m->kept_keys) {
		secret_wipe(m->kept_keys, m->kept_len);
		block_free(p, m->kept_keys, m->kept_len);
	}
	m->kept_keys = NULL;
	m->kept_len = 0;
}

static void drop_dtls(struct leg_media *m, struct block_pool *p)
{
	block_free(p, m->kept_dtls, sizeof(*m->kept_dtls));
	m->kept_dtls = NULL;
}

void leg_keys_drop(struct leg_media *m, struct block_pool *p)
{
	drop_keys(m, p);
	drop_dtls(m, p);
}

static enum err keep_dtls(struct leg_media *m, struct block_pool *p)
{
	const struct leg_dtls *d = m->dtls;
	if (!d->offered && !d->wanted && !d->agreed && !d->ours_said) {
		drop_dtls(m, p);
		return OK;
	}
	if (!m->kept_dtls) {
		m->kept_dtls = block_new(p, sizeof(*d));
	}
	if (!m->kept_dtls) {
		return ERR_NOMEM;
	}
	*m->kept_dtls = *d;
	return OK;
}

static enum err keep_keys(struct leg_media *m, struct block_pool *p)
{
	const struct leg_keys *k = m->keys;
	if (k->theirs_count == 0 && k->ours_count == 0) {
		drop_keys(m, p);
		return OK;
	}
	const size_t len =
		HEAD + packed_len(k->theirs, k->theirs_count) + packed_len(k->ours, k->ours_count);
	uint8_t *made = len == m->kept_len ? m->kept_keys : block_new(p, len);
	if (!made) {
		return ERR_NOMEM;
	}
	made[0] = k->theirs_count;
	made[1] = k->ours_count;
	made[2] = (uint8_t)k->chosen;
	made[3] = (uint8_t)k->chosen_in;
	(void)pack(pack(made + HEAD, k->theirs, k->theirs_count), k->ours, k->ours_count);
	if (made != m->kept_keys) {
		drop_keys(m, p);
	}
	m->kept_keys = made;
	m->kept_len = (uint16_t)len;
	return OK;
}

enum err leg_keys_keep(struct leg_media *m, struct block_pool *p)
{
	if (!m->keys) {
		return OK;
	}
	const enum err e = keep_keys(m, p), of_dtls = keep_dtls(m, p);
	secret_wipe(m->keys, sizeof(*m->keys));
	m->keys = NULL;
	m->dtls = NULL;
	return e != OK ? e : of_dtls;
}
