#include "srtp.h"

#include <string.h>

#include "common/crypto.h"
#include "srtp_engine.h"
#include "srtp_known.h"
#include "srtp_mki.h"

static const struct srtp_engine *const engines[] = {
	&srtp_engine_openssl,       &srtp_engine_libsrtp2,
#ifdef SALLYPORT_IPSEC_MB
	&srtp_engine_ipsec_mb,      &srtp_engine_ipsec_mb_plain,  &srtp_engine_ipsec_mb_sse,
	&srtp_engine_ipsec_mb_avx2, &srtp_engine_ipsec_mb_avx512,
#endif
};

#define BATCHED "ipsec-mb"

bool srtp_engine_is_name(const char *engine)
{
	static const char *const names[] = {"auto",          "openssl",        "libsrtp2",
					    BATCHED,         BATCHED "-plain", BATCHED "-sse",
					    BATCHED "-avx2", BATCHED "-avx512"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], engine) == 0)
			return true;
	return false;
}

enum err srtp_worker_init(struct srtp_worker *w, const char *engine)
{
	for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
		if (strcmp(engines[i]->name, engine) != 0)
			continue;
		struct srtp_worker made = {.engine = engines[i]};
		enum err e = made.engine->worker_new(&made.state);
		if (e != OK)
			return e;
		e = srtp_known_check(&made);
		if (e != OK)
			srtp_worker_release(&made);
		else
			*w = made;
		return e;
	}
	return ERR_NOTFOUND;
}

enum err srtp_worker_init_wish(struct srtp_worker *w, const char *wish)
{
	const bool is_auto = strcmp(wish, "auto") == 0;
	const enum err e = srtp_worker_init(w, is_auto ? BATCHED : wish);
	const bool may_fall = is_auto || strncmp(wish, BATCHED, sizeof(BATCHED) - 1) == 0;
	return may_fall && (e == ERR_NOTFOUND || e == ERR_UNSUPPORTED)
		       ? srtp_worker_init(w, "openssl")
		       : e;
}

const char *srtp_worker_engine(const struct srtp_worker *w)
{
	return w->engine->name;
}

void srtp_worker_release(struct srtp_worker *w)
{
	if (w->engine)
		w->engine->worker_free(&w->state);
	*w = (struct srtp_worker){0};
}

void srtp_key_init(struct srtp_key *s, struct srtp_worker *w, enum srtp_direction d)
{
	CHECK((unsigned)d < SRTP_DIRECTION_COUNT && w->engine);
	*s = (struct srtp_key){.worker = w, .direction = (uint8_t)d};
}

/* Tells keys apart without keeping them. Never 0. */
static uint64_t print_of(const struct secret *key)
{
	uint8_t hash[CRYPTO_SHA256_LEN];
	uint64_t print;
	crypto_sha256(key->bytes, key->len, hash);
	memcpy(&print, hash, sizeof(print));
	return print | 1;
}

static bool was_used(const struct srtp_key *s, uint64_t print)
{
	for (size_t i = 0; i < SRTP_USED_KEYS; i++)
		if (s->used[i] == print)
			return true;
	return false;
}

enum err srtp_key_set(struct srtp_key *s, enum sdes_suite suite, const struct secret *key)
{
	const struct sdes_suite_info *info = sdes_suite_info(suite);
	if (key->len != (size_t)info->key_len + info->salt_len)
		return ERR_BAD;
	const uint64_t print = print_of(key);
	if (s->state && s->key_print == print && s->suite == suite)
		return OK;
	/* The bytes under another suite count too: 80 and 32 bit tags share a key stream. */
	if (s->direction == SRTP_TX && (was_used(s, print) || (s->state && s->key_print == print)))
		return ERR_EXISTS;
	void *state;
	const enum err e = s->worker->engine->key_new(
		s->worker->state, (enum srtp_direction)s->direction, suite, key->bytes, &state);
	if (e != OK)
		return e;
	srtp_key_drop(s);
	s->state = state;
	s->suite = (uint8_t)suite;
	s->key_print = print;
	return OK;
}

void srtp_key_set_mki(struct srtp_key *s, uint32_t mki, size_t len)
{
	CHECK(len <= SRTP_MKI_MAX);
	s->mki = mki;
	s->mki_len = (uint8_t)len;
}

void srtp_key_drop(struct srtp_key *s)
{
	if (!s->state)
		return;
	s->worker->engine->key_free(&s->state);
	s->used[s->used_next] = s->key_print;
	s->used_next = (uint8_t)((s->used_next + 1) % SRTP_USED_KEYS);
	s->key_print = 0;
	s->mki_len = 0;
}

bool srtp_key_is_set(const struct srtp_key *s)
{
	return s->state != NULL;
}

bool srtp_key_is_same(const struct srtp_key *s, const struct secret *key)
{
	return s->state && s->key_print == print_of(key);
}

void srtp_key_take(struct srtp_key *s, struct srtp_key *from)
{
	CHECK(s->worker == from->worker && s->direction == from->direction && !s->state);
	const struct srtp_key empty = *s;
	*s = *from;
	*from = empty;
}

void srtp_key_release(struct srtp_key *s)
{
	srtp_key_drop(s);
	*s = (struct srtp_key){0};
}

/* The next run of operations with keys that have, or do not have, an MKI; returns its end. */
static size_t run_end(const struct srtp_op ops[], size_t n, size_t from)
{
	size_t at = from;
	while (at < n && (ops[at].key->mki_len > 0) == (ops[from].key->mki_len > 0))
		at++;
	return at;
}

void srtp_batch_unprotect(struct srtp_worker *w, struct srtp_op ops[], size_t n)
{
	CHECK(n <= SRTP_BATCH);
	for (size_t at = 0, end; at < n; at = end) {
		end = run_end(ops, n, at);
		if (ops[at].key->mki_len == 0) {
			w->engine->unprotect(w->state, ops + at, end - at);
			continue;
		}
		for (size_t i = at; i < end; i++) {
			ops[i].fate = (uint8_t)srtp_mki_strip(ops[i].key, ops[i].pkt);
			if (ops[i].fate == FATE_SENT)
				w->engine->unprotect(w->state, &ops[i], 1);
		}
	}
}

void srtp_batch_protect(struct srtp_worker *w, struct srtp_op ops[], size_t n)
{
	CHECK(n <= SRTP_BATCH);
	for (size_t at = 0, end; at < n; at = end) {
		end = run_end(ops, n, at);
		if (ops[at].key->mki_len == 0) {
			w->engine->protect(w->state, ops + at, end - at);
			continue;
		}
		for (size_t i = at; i < end; i++) {
			ops[i].fate = FATE_NO_ROOM;
			if (srtp_mki_has_room(ops[i].key, ops[i].pkt))
				w->engine->protect(w->state, &ops[i], 1);
			if (ops[i].fate == FATE_SENT)
				srtp_mki_insert(ops[i].key, ops[i].pkt);
		}
	}
}

size_t srtp_key_memory(const struct srtp_key *s)
{
	return s->state ? s->worker->engine->key_memory(s->state) : 0;
}
