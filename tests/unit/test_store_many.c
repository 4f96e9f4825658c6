/* Several servers: TLS with a certificate, a master that Sentinels replace, a cluster that moves its slots. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/redis.h"

/* Rows say what matters. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { MASTERS = 3 };

static struct rig rig;

static void run(const char *command)
{
	char said[256];
	if (redis_shell(command, said, sizeof(said)) != 0)
		fail_msg("%s: %s", command, said);
}

static void put_and_get(const char *key)
{
	struct store_op put = {STORE_PUT, 0,        str_from(key),
			       STR_NONE,  STR("v"), .expires_ms = 60000},
			get = {STORE_GET, 0, str_from(key)};
	const struct rig_heard *h = rig_ask(&rig, &put);
	assert_non_null(h);
	assert_int_equal(h->reply.result, STORE_OK);
	h = rig_ask(&rig, &get);
	assert_non_null(h);
	assert_int_equal(h->reply.result, STORE_OK);
}

static void over_tls_a_server_is_who_its_certificate_says(void **state)
{
	struct redis_daemon d = {.folder = "/tmp/sallyport-redis-XXXXXX"};
	char command[512], node[64], crt[96], key[96];
	const uint16_t port = redis_free_port();
	(void)state;
	assert_non_null(mkdtemp(d.folder));
	snprintf(command, sizeof(command),
		 "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
		 "-nodes -days 2 -subj /CN=redis "
		 "-addext subjectAltName=DNS:redis.test -keyout key -out crt 2>/dev/null",
		 d.folder);
	run(command);
	snprintf(d.socket, sizeof(d.socket), "unix:%s/s", d.folder);
	snprintf(crt, sizeof(crt), "%s/crt", d.folder);
	snprintf(key, sizeof(key), "%s/key", d.folder);
	char port_text[12];
	snprintf(port_text, sizeof(port_text), "%u", port);
	if (!redis_daemon_again(&d, (const char *const[]){"--tls-port", port_text,
							  "--tls-cert-file", crt, "--tls-key-file",
							  key, "--tls-ca-cert-file", crt,
							  "--tls-auth-clients", "no", NULL}))
		skip();
	snprintf(node, sizeof(node), "127.0.0.1:%u", port);
	for (unsigned good = 0; good < 2; good++) {
		rig_init(&rig, "A");
		rig.settings.nodes[0] = str_from(node);
		rig.settings.node_count = 1;
		rig.settings.tls = true;
		rig.settings.tls_ca = str_from(crt);
		rig.settings.tls_name = good ? STR("redis.test") : STR("other.test");
		rig_start(&rig, "A");
		assert_int_equal(rig_wait_up(&rig, true, good ? 3000 : 500), good);
		if (good)
			put_and_get("tls");
		rig_stop(&rig);
	}
	redis_daemon_stop(&d);
	unlink(crt);
	unlink(key);
	redis_daemon_remove(&d);
}

static void a_sentinel_names_the_master_and_the_one_after_it(void **state)
{
	struct redis_daemon master, replica, sentinel = {.folder = "/tmp/sallyport-redis-XXXXXX"};
	char conf[128], port_text[12], node[64], mem[256];
	const uint16_t port = redis_free_port();
	(void)state;
	if (!redis_daemon_start(&master, true, NULL))
		skip();
	snprintf(port_text, sizeof(port_text), "%u", master.port);
	assert_true(redis_daemon_start(
		&replica, true,
		(const char *const[]){"--replicaof", "127.0.0.1", port_text, NULL}));
	assert_non_null(mkdtemp(sentinel.folder));
	snprintf(conf, sizeof(conf), "%s/conf", sentinel.folder);
	snprintf(sentinel.socket, sizeof(sentinel.socket), "unix:%s/s", sentinel.folder);
	FILE *f = fopen(conf, "w");
	assert_non_null(f);
	fprintf(f,
		"port %u\nbind 127.0.0.1\nunixsocket %s\ndir %s\nlogfile log\nsentinel monitor "
		"mymaster 127.0.0.1 %u 1\n"
		"sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster "
		"3000\n",
		port, sentinel.socket + 5, sentinel.folder, master.port);
	fclose(f);
	sentinel.pid = fork();
	assert_true(sentinel.pid >= 0);
	if (sentinel.pid == 0) {
		execlp("redis-server", "redis-server", conf, "--sentinel", (char *)NULL);
		_exit(127);
	}
	rig_init(&rig, "A");
	snprintf(node, sizeof(node), "127.0.0.1:%u", port);
	rig.settings.mode = STORE_MODE_SENTINEL;
	rig.settings.master = STR("mymaster");
	rig.settings.nodes[0] = str_from(node);
	rig.settings.node_count = 1;
	rig_start(&rig, "A");
	assert_true(rig_wait_up(&rig, true, 5000));
	put_and_get("s");
	/* It must have found the replica before it can choose it. */
	for (unsigned i = 0;
	     i < 150 &&
	     !strstr(redis_daemon_do(&sentinel, "sentinel replicas mymaster"), "127.0.0.1");
	     i++)
		rig_pass(&rig, 100);
	rig_pass(&rig, 1000);
	redis_daemon_kill(&master);
	assert_true(rig_wait_up(&rig, false, 2000));
	assert_true(rig_wait_up(&rig, true, 20000));
	put_and_get("after");
	struct store_view v;
	store_redis_view(rig.store, &v);
	snprintf(mem, sizeof(mem), "127.0.0.1:%u", replica.port);
	assert_string_equal(v.server, mem);
	rig_stop(&rig);
	redis_daemon_stop(&sentinel);
	unlink(conf);
	redis_daemon_remove(&sentinel);
	redis_daemon_remove(&replica);
	redis_daemon_remove(&master);
}

static bool is_clustered(const struct redis_daemon *d)
{
	return strstr(redis_daemon_do(d, "cluster info"), "cluster_state:ok") != NULL;
}

static void a_cluster_keeps_each_key_where_its_slot_is(void **state)
{
	struct redis_daemon d[MASTERS];
	char node[64], command[512], name[32], target[128];
	(void)state;
	for (unsigned i = 0; i < MASTERS; i++)
		if (!redis_daemon_start(&d[i], true,
					(const char *const[]){"--cluster-enabled", "yes",
							      "--cluster-config-file", "nodes.conf",
							      NULL})) {
			while (i-- > 0)
				redis_daemon_remove(&d[i]);
			skip();
		}
	snprintf(command, sizeof(command),
		 "timeout 10 redis-cli --cluster create 127.0.0.1:%u 127.0.0.1:%u 127.0.0.1:%u "
		 "--cluster-yes >/dev/null 2>&1",
		 d[0].port, d[1].port, d[2].port);
	/* Servers that do not find one another are none of ours to judge. */
	if (redis_shell(command, name, sizeof(name)) != 0) {
		for (unsigned i = 0; i < MASTERS; i++)
			redis_daemon_remove(&d[i]);
		skip();
	}
	assert_true(redis_daemon_await(&d[1], is_clustered, 5000));
	rig_init(&rig, "A");
	snprintf(node, sizeof(node), "127.0.0.1:%u", d[0].port);
	rig.settings.mode = STORE_MODE_CLUSTER;
	rig.settings.nodes[0] = str_from(node);
	rig.settings.node_count = 1;
	rig_start(&rig, "A");
	assert_true(rig_wait_up(&rig, true, 8000));
	for (unsigned i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "call:{%u}", i);
		put_and_get(name);
	}
	assert_int_equal(store_redis_stats(rig.store)->moved, 0);
	struct store_op lease = {STORE_LEASE,        1,
				 STR("limit:{x}:s"), STR("A"),
				 .expires_ms = 1000, .number = {10, 1}};
	assert_int_equal(rig_ask(&rig, &lease)->reply.number[0], 10);
	/* A slot moves to another server: the first question is sent on, the next one goes there at once. */
	snprintf(command, sizeof(command), "cluster keyslot 'sp:{gone}'");
	const int slot = (int)strtol(redis_daemon_do(&d[0], command), NULL, 10);
	unsigned to = 0;
	for (unsigned i = 0; i < MASTERS; i++) {
		snprintf(command, sizeof(command), "set 'sp:{gone}' x");
		if (strstr(redis_daemon_do(&d[i], command), "MOVED"))
			to = i;
	}
	(void)redis_daemon_do(&d[0], "-c del 'sp:{gone}'");
	for (unsigned i = 0; i < MASTERS; i++)
		(void)redis_daemon_do(&d[i], "del 'sp:{gone}'");
	snprintf(target, sizeof(target), "%s", redis_daemon_do(&d[to], "cluster myid"));
	for (unsigned k = 0; k < MASTERS; k++) {
		const unsigned i = (to + k) % MASTERS;
		snprintf(command, sizeof(command), "cluster setslot %d node %s", slot, target);
		(void)redis_daemon_do(&d[i], command);
	}
	struct store_op put = {STORE_PUT, 0,        STR("{gone}"),
			       STR_NONE,  STR("v"), .expires_ms = 60000};
	assert_int_equal(rig_ask(&rig, &put)->reply.result, STORE_OK);
	assert_int_equal(store_redis_stats(rig.store)->moved, 1);
	assert_int_equal(rig_ask(&rig, &put)->reply.result, STORE_OK);
	assert_int_equal(store_redis_stats(rig.store)->moved, 1);
	rig_stop(&rig);
	for (unsigned i = 0; i < MASTERS; i++)
		redis_daemon_remove(&d[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_tls_a_server_is_who_its_certificate_says),
		cmocka_unit_test(a_sentinel_names_the_master_and_the_one_after_it),
		cmocka_unit_test(a_cluster_keeps_each_key_where_its_slot_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
