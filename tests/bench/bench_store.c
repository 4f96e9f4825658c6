/*
 * What Redis costs a call that lasts: its record is written once and deleted, sealed, sent, and the answers read; a hundred calls a turn,
 * as 5,000 calls a second bring in 20 ms. CPU of this process. What the core has to do for it: bench_keep.
 */
#include <stdio.h>

#include "sbc/shell/clock.h"
#include "sbc/shell/store_seal.h"
#include "tests/bench/run.h"
#include "tests/support/redis.h"

enum { CALLS_A_TURN = 100, VALUE = 1216 };

static struct redis_daemon server;
static struct rig rig;
static char value[VALUE];

static void calls(void *ctx, size_t n)
{
	uint64_t *number = ctx;
	for (size_t i = 0; i < n; i++) {
		char key[32];
		const int len =
			snprintf(key, sizeof(key), "call:{%llu}", (unsigned long long)++*number);
		struct store_op op = {.verb = STORE_PUT,
				      .key = {key, (size_t)len},
				      .value = {value, VALUE},
				      .expires_ms = 60000};
		turn_begin(&rig.turn);
		store_redis_post(rig.store, &op);
		op.verb = STORE_DELETE;
		store_redis_post(rig.store, &op);
		if (i % CALLS_A_TURN == CALLS_A_TURN - 1)
			rig_pass(&rig, 1);
	}
}

static void seals(void *ctx, size_t n)
{
	struct store_seal *s = ctx;
	const struct str names[] = {STR("sp:call:{0123456789}"), STR_NONE, STR_NONE};
	char out[VALUE + SEAL_EXTRA];
	for (size_t i = 0; i < n; i++) {
		struct buf b;
		buf_init(&b, out, sizeof(out));
		(void)store_seal_close(s, names, 3, (struct str){value, VALUE}, 1, &b);
		bench_keep((uint64_t)(unsigned char)out[i % sizeof(out)]);
	}
}

int main(void)
{
	static const uint8_t salt[SEAL_SALT] = {1};
	struct store_seal s;
	uint64_t number = 0;
	if (store_seal_init(&s, STR("a key of thirty-two characters.."), salt) != OK)
		return 1;
	bench("seal a value of 1216 octets", seals, &s);
	store_seal_release(&s);
	if (!redis_daemon_start(&server, false, NULL)) {
		printf("there is no redis-server\n");
		return 0;
	}
	rig_init(&rig, "bench");
	rig.settings.nodes[0] = str_from(server.socket);
	rig.settings.node_count = 1;
	rig.settings.queue = 65536;
	rig_start(&rig, "bench");
	if (rig_wait_up(&rig, true, 5000))
		bench("a call with Redis on: its record put and deleted", calls, &number);
	bench_value("writes that had to wait", (double)store_redis_stats(rig.store)->queued, "");
	rig_stop(&rig);
	redis_daemon_remove(&server);
	return 0;
}
