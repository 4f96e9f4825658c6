/* The engine that is everywhere: srtp_own over libcrypto, packet by packet. */
#include <stdlib.h>

#include "srtp_engine.h"
#include "srtp_own.h"

enum { AHEAD = 8, LINE = 64 };

static enum err worker_new(void **out_state)
{
	struct own_worker *w = calloc(1, sizeof(*w));
	if (!w)
		return ERR_NOMEM;
	const enum err e = own_worker_init(w);
	if (e != OK)
		free(w);
	else
		*out_state = w;
	return e;
}

static void worker_free(void **state)
{
	if (*state)
		own_worker_release(*state);
	free(*state);
	*state = NULL;
}

static void key_free(void **state)
{
	if (*state)
		own_release(*state);
	free(*state);
	*state = NULL;
}

static enum err key_new(void *worker, enum srtp_direction d, enum sdes_suite s,
			const uint8_t *master, void **out_state)
{
	void *k = malloc(own_size(d));
	if (!k)
		return ERR_NOMEM;
	const enum err e = own_init(k, worker, d, s, master);
	if (e != OK)
		key_free(&k);
	else
		*out_state = k;
	return e;
}

static size_t key_memory(const void *state)
{
	return own_memory(state);
}

/* With thousands of streams each packet meets a cold key: ask for them some packets ahead. */
static void prefetch_key(const struct srtp_op ops[], size_t n, size_t i)
{
	if (i >= n)
		return;
	const char *k = ops[i].key->state;
	for (size_t at = 0; at < offsetof(struct srtp_own, rtcp); at += LINE)
		__builtin_prefetch(k + at);
}

static void run(void *worker, struct srtp_op ops[], size_t n, enum srtp_direction d,
		enum pkt_fate (*one)(struct srtp_own *, struct pkt *))
{
	for (size_t i = 0; i < AHEAD; i++)
		prefetch_key(ops, n, i);
	for (size_t i = 0; i < n; i++) {
		struct srtp_own *k = ops[i].key->state;
		CHECK(k && k->worker == worker && k->direction == d);
		prefetch_key(ops, n, i + AHEAD);
		ops[i].fate = (uint8_t)one(k, ops[i].pkt);
	}
}

static void unprotect(void *worker, struct srtp_op ops[], size_t n)
{
	run(worker, ops, n, SRTP_RX, own_unprotect);
}

static void protect(void *worker, struct srtp_op ops[], size_t n)
{
	run(worker, ops, n, SRTP_TX, own_protect);
}

const struct srtp_engine srtp_engine_openssl = {
	.name = "openssl",
	.worker_new = worker_new,
	.worker_free = worker_free,
	.key_new = key_new,
	.key_free = key_free,
	.unprotect = unprotect,
	.protect = protect,
	.key_memory = key_memory,
};
