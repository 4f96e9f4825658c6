/* The store in a real redis-server, and what it becomes when that is killed, frozen, emptied, restored, or wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sbc/core/share_math.h"
#include "sbc/shell/clock.h"
#include "sbc/shell/redis_script.h"
#include "tests/support/check.h"
#include "tests/support/redis.h"

/* Rows say what matters. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static struct redis_daemon daemon_;
static struct rig a, b;
static bool there;

static int start_daemon(void **state)
{
	(void)state;
	there = redis_daemon_start(&daemon_, false, NULL);
	if (!there)
		print_message("# there is no redis-server: nothing is tested here\n");
	return 0;
}

static int stop_daemon(void **state)
{
	(void)state;
	if (there)
		redis_daemon_remove(&daemon_);
	return 0;
}

static void begin(struct rig *r, const char *name)
{
	rig_init(r, name);
	r->settings.nodes[0] = str_from(daemon_.socket);
	r->settings.node_count = 1;
	rig_start(r, name);
	assert_true(rig_wait_up(r, true, 3000));
}

#define NEEDS_REDIS()                                                                              \
	if (!there)                                                                                \
	skip()

static void post(struct rig *r, const struct store_op *op)
{
	turn_begin(&r->turn);
	store_redis_post(r->store, op);
}

static void each_verb_does_with_redis_what_it_does_in_memory(void **state)
{
	static const struct {
		const char *name;
		struct store_op op;
		enum store_result result;
		const char *value;
		int64_t number[3];
	} rows[] = {
		{"nothing is there", {STORE_GET, 0, STR("x:{1}")}, STORE_NOTHING, "", {0}},
		{"a value is put",
		 {STORE_PUT, 0, STR("x:{1}"), STR_NONE, STR("one\r\n\0two"), 60000},
		 STORE_OK,
		 "",
		 {0}},
		{"and got", {STORE_GET, 0, STR("x:{1}")}, STORE_OK, "one\r\n", {0}},
		{"a value of nothing",
		 {STORE_PUT, 0, STR("x:{2}"), STR_NONE, STR_NONE, 60000},
		 STORE_OK,
		 "",
		 {0}},
		{"is a value", {STORE_GET, 0, STR("x:{2}")}, STORE_OK, "", {0}},
		{"and deleted", {STORE_DELETE, 0, STR("x:{1}")}, STORE_OK, "", {0}},
		{"once", {STORE_DELETE, 0, STR("x:{1}")}, STORE_NOTHING, "", {0}},
		{"names of any octets",
		 {STORE_PUT, 0, STR("%s%n\r\n* $?\xff"), STR_NONE, STR("v"), 60000},
		 STORE_OK,
		 "",
		 {0}},
		{"are names", {STORE_GET, 0, STR("%s%n\r\n* $?\xff")}, STORE_OK, "v", {0}},
		{"a sum begins",
		 {STORE_ADD, 0, STR("n"), .expires_ms = 60000, .number = {5}},
		 STORE_OK,
		 "",
		 {5}},
		{"and goes on",
		 {STORE_ADD, 0, STR("n"), .expires_ms = 60000, .number = {-2}},
		 STORE_OK,
		 "",
		 {3}},
		{"adding nothing only asks",
		 {STORE_ADD, 0, STR("n"), .expires_ms = 60000},
		 STORE_OK,
		 "",
		 {3}},
		{"and makes nothing",
		 {STORE_ADD, 0, STR("no"), .expires_ms = 60000},
		 STORE_NOTHING,
		 "",
		 {0}},
		{"a value with an epoch",
		 {STORE_PUT, 0, STR("e"), STR_NONE, STR("of two"), 60000, {2}},
		 STORE_OK,
		 "",
		 {0}},
		{"is not displaced by an older one",
		 {STORE_PUT, 0, STR("e"), STR_NONE, STR("of one"), 60000, {1}},
		 STORE_NOTHING,
		 "",
		 {0}},
		{"nor deleted", {STORE_DELETE, 0, STR("e"), .number = {1}}, STORE_NOTHING, "", {0}},
		{"it says which it is", {STORE_GET, 0, STR("e")}, STORE_OK, "of two", {2}},
		{"goes for the same one",
		 {STORE_PUT, 0, STR("e"), STR_NONE, STR("again"), 60000, {2}},
		 STORE_OK,
		 "",
		 {0}},
		{"and for a newer one",
		 {STORE_DELETE, 0, STR("e"), .number = {3}},
		 STORE_OK,
		 "",
		 {0}},
		{"a member",
		 {STORE_MEMBER_PUT, 0, STR("s"), STR("m"), STR("v"), 60000},
		 STORE_OK,
		 "",
		 {0}},
		{"is taken out", {STORE_MEMBER_DELETE, 0, STR("s"), STR("m")}, STORE_OK, "", {0}},
		{"once", {STORE_MEMBER_DELETE, 0, STR("s"), STR("m")}, STORE_NOTHING, "", {0}},
		{"a rate gives its burst",
		 {STORE_RATE, 1, STR("r"), .number = {20, 1000, 50, 40}},
		 STORE_OK,
		 "",
		 {40}},
		{"the first of two has all of a limit",
		 {STORE_LEASE, 1, STR("l"), STR("A"), .expires_ms = 60000, .number = {200, 0}},
		 STORE_OK,
		 "",
		 {200, 0, 1}},
		{"the second what is left",
		 {STORE_LEASE, 1, STR("l"), STR("B"), .expires_ms = 60000, .number = {200, 0}},
		 STORE_OK,
		 "",
		 {0, 0, 2}},
		{"until the first one asks again",
		 {STORE_LEASE, 1, STR("l"), STR("A"), .expires_ms = 60000, .number = {200, 20}},
		 STORE_OK,
		 "",
		 {110, 20, 2}},
		{"and gives back",
		 {STORE_LEASE, 1, STR("l"), STR("B"), .expires_ms = 60000, .number = {200, 0}},
		 STORE_OK,
		 "",
		 {90, 20, 2}},
	};
	NEEDS_REDIS();
	(void)state;
	begin(&a, "A");
	CHECK_TABLE(row, rows)
	{
		const struct rig_heard *h = rig_ask(&a, &row->op);
		EXPECT_TRUE(h != NULL);
		EXPECT_INT(h->reply.result, row->result);
		EXPECT_INT(h->reply.verb, row->op.verb);
		if (row->result == STORE_OK && row->op.verb == STORE_GET)
			EXPECT_BYTES(h->reply.value.p, row->value, strlen(row->value));
		for (size_t i = 0; i < 3 && row->op.verb != STORE_RATE; i++)
			EXPECT_INT(h->reply.number[i], row->number[i]);
		if (row->op.verb == STORE_RATE)
			EXPECT_INT(h->reply.number[0], row->number[0]);
	}
	rig_stop(&a);
}

static void what_lies_in_redis_is_not_readable_and_not_movable(void **state)
{
	NEEDS_REDIS();
	(void)state;
	begin(&a, "A");
	struct store_op put = {STORE_PUT,
			       0,
			       STR("k:{1}"),
			       STR_NONE,
			       STR("canary-of-the-media-keys"),
			       .expires_ms = 60000},
			get = {STORE_GET, 0, STR("k:{2}"), .owner = 1};
	assert_int_equal(rig_ask(&a, &put)->reply.result, STORE_OK);
	assert_null(strstr(redis_daemon_do(&daemon_, "--no-raw get sp:k:{1}"), "canary"));
	/* Under another name it is not what it was. */
	redis_daemon_do(&daemon_, "copy sp:k:{1} sp:k:{2}");
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_ERROR);
	/* Nor when an octet of it changes, nor when it is anyone else's. */
	redis_daemon_do(&daemon_, "setrange sp:k:{1} 40 X");
	get.key = STR("k:{1}");
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_ERROR);
	redis_daemon_do(&daemon_, "set sp:k:{1} hello");
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_ERROR);
	/* What has another type is an error, and no more. */
	redis_daemon_do(&daemon_, "del sp:k:{1}");
	redis_daemon_do(&daemon_, "lpush sp:k:{1} 1");
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_ERROR);
	redis_daemon_do(&daemon_, "set sp:l:{1} text");
	struct store_op lease = {STORE_LEASE,      1, STR("l:{1}"), STR("A"), .expires_ms = 1000,
				 .number = {10, 1}};
	assert_int_equal(rig_ask(&a, &lease)->reply.result, STORE_ERROR);
	assert_int_equal(store_redis_stats(a.store)->forged, 3);
	assert_int_equal(a.downs, 0);
	rig_stop(&a);
}

static void a_value_that_was_restored_after_its_end_is_none(void **state)
{
	NEEDS_REDIS();
	(void)state;
	begin(&a, "A");
	struct store_op put = {STORE_PUT, 0, STR("old"), STR_NONE, STR("v"), .expires_ms = 150},
			get = {STORE_GET, 0, STR("old")};
	assert_int_equal(rig_ask(&a, &put)->reply.result, STORE_OK);
	redis_daemon_do(&daemon_, "persist sp:old"); /* as a copy of yesterday would have it */
	rig_pass(&a, 200);
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_NOTHING);
	rig_stop(&a);
}

static unsigned members_of(struct rig *r, const char *key)
{
	struct store_op all = {STORE_MEMBERS, 2, str_from(key), .owner = 5};
	const unsigned before = r->replies;
	const struct rig_heard *h = rig_ask(r, &all);
	assert_non_null(h);
	assert_int_equal(h->reply.result, STORE_NOTHING);
	return r->replies - before - 1;
}

static void a_set_of_many_is_read_in_pieces_and_the_expired_leave(void **state)
{
	NEEDS_REDIS();
	(void)state;
	begin(&a, "A");
	for (unsigned i = 0; i < 150; i++) {
		char name[16];
		struct store_op op = {STORE_MEMBER_PUT, 2, STR("many"), .value = STR("x"),
				      .expires_ms = 60000};
		snprintf(name, sizeof(name), "m%u", i);
		op.member = str_from(name);
		if (i % 10 == 0)
			op.expires_ms = 1;
		post(&a, &op);
	}
	rig_pass(&a, 50);
	assert_int_equal(members_of(&a, "many"), 135);
	rig_pass(&a, 50);
	assert_string_equal(redis_daemon_do(&daemon_, "hlen sp:many"), "135");
	rig_stop(&a);
}

static bool b_heard(void *ctx)
{
	return b.tolds >= *(unsigned *)ctx;
}

static void what_one_node_publishes_all_others_hear(void **state)
{
	struct store_op say = {STORE_PUBLISH, STORE_AREA_BANS, .value = STR("ban this"),
			       .expires_ms = 10000};
	unsigned want = 1;
	NEEDS_REDIS();
	(void)state;
	begin(&a, "A");
	begin(&b, "B");
	post(&a, &say);
	rig_pass(&a, 20);
	assert_true(rig_run(&b, b_heard, &want, 2000));
	const struct rig_heard *h = rig_latest(&b, EVENT_STORE_TOLD);
	EXPECT_Z(h->told.value, "ban this");
	EXPECT_Z(h->told.node, "A");
	assert_int_equal(h->told.area, STORE_AREA_BANS);
	rig_pass(&a, 50);
	assert_int_equal(a.tolds, 0); /* not to oneself */
	/* Whoever has no key says nothing that is heard. */
	redis_daemon_do(&daemon_, "publish sp:told:bans anything");
	rig_pass(&b, 100);
	assert_int_equal(b.tolds, 1);
	assert_int_equal(store_redis_stats(b.store)->forged, 1);
	rig_stop(&a);
	rig_stop(&b);
}

static void while_redis_is_frozen_nobody_waits_and_nothing_is_lost(void **state)
{
	struct store_op put = {STORE_PUT,          0, STR("f"), STR_NONE, STR("before"),
			       .expires_ms = 60000},
			get = {STORE_GET, 0, STR("f"), .owner = 3};
	NEEDS_REDIS();
	(void)state;
	begin(&a, "A");
	assert_int_equal(rig_ask(&a, &put)->reply.result, STORE_OK);
	redis_daemon_freeze(&daemon_, true);
	uint64_t from = clock_mono_ms();
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_DOWN);
	assert_true(clock_mono_ms() - from < 120); /* 50, and what a loaded machine adds */
	assert_true(rig_wait_up(&a, false, 1000));
	from = clock_mono_ms();
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_DOWN); /* at once now */
	assert_true(clock_mono_ms() - from < 20);
	for (unsigned i = 0; i < 20; i++) {
		char text[16];
		snprintf(text, sizeof(text), "during %u", i);
		put.value = str_from(text);
		post(&a, &put);
		rig_pass(&a, 50);
	}
	struct store_view v;
	store_redis_view(a.store, &v);
	assert_int_equal(v.queue, 1); /* the newest of its key */
	redis_daemon_freeze(&daemon_, false);
	assert_true(rig_wait_up(&a, true, 5000));
	rig_pass(&a, 700);
	const struct rig_heard *h = rig_ask(&a, &get);
	assert_int_equal(h->reply.result, STORE_OK);
	EXPECT_Z(h->reply.value, "during 19");
	assert_int_equal(a.fresh, 0);
	rig_stop(&a);
}

static bool is_given_up(void *ctx)
{
	struct store_view v;
	const struct rig *r = ctx;
	store_redis_view(r->store, &v);
	return !v.up && v.queue > 0;
}

/* Written twice, and neither had an answer when the connection was given up. */
static void of_what_was_under_way_the_newest_is_written_again(void **state)
{
	struct store_op put = {STORE_PUT, 0, STR("u"), .expires_ms = 60000},
			gone = {STORE_PUT, 0, STR("d"), .value = STR("is"), .expires_ms = 60000},
			get = {STORE_GET, 0, STR("u"), .owner = 3};
	NEEDS_REDIS();
	(void)state;
	begin(&a, "A");
	redis_daemon_freeze(&daemon_, true);
	put.value = STR("first");
	post(&a, &put);
	post(&a, &gone);
	put.value = STR("second");
	post(&a, &put);
	gone.verb = STORE_DELETE;
	post(&a, &gone);
	assert_true(rig_run(&a, is_given_up, &a, 5000));
	struct store_view v;
	store_redis_view(a.store, &v);
	assert_int_equal(v.queue, 2);
	redis_daemon_freeze(&daemon_, false);
	assert_true(rig_wait_up(&a, true, 5000));
	rig_pass(&a, 700);
	const struct rig_heard *h = rig_ask(&a, &get);
	assert_int_equal(h->reply.result, STORE_OK);
	EXPECT_Z(h->reply.value, "second");
	get.key = STR("d");
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_NOTHING);
	rig_stop(&a);
}

static void a_redis_that_was_killed_comes_back_empty_and_that_is_said(void **state)
{
	struct store_op put = {STORE_PUT, 0, STR("k"), STR_NONE, STR("v"), .expires_ms = 60000};
	NEEDS_REDIS();
	(void)state;
	begin(&a, "A");
	rig_pass(&a, 100); /* it has said that it is there */
	redis_daemon_kill(&daemon_);
	assert_true(rig_wait_up(&a, false, 1000));
	post(&a, &put);
	rig_pass(&a, 300);
	assert_true(redis_daemon_again(&daemon_, NULL));
	assert_true(rig_wait_up(&a, true, 8000));
	assert_int_equal(a.fresh, 1);
	rig_pass(&a, 700);
	struct store_op get = {STORE_GET, 0, STR("k")};
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_OK);
	rig_stop(&a);
}

static void the_queue_has_a_bound_and_the_oldest_goes(void **state)
{
	NEEDS_REDIS();
	(void)state;
	rig_init(&a, "A");
	a.settings.nodes[0] = STR("unix:/nonexistent/socket");
	a.settings.node_count = 1;
	a.settings.queue = 16;
	rig_start(&a, "A");
	for (unsigned i = 0; i < 50; i++) {
		char name[16];
		struct store_op op = {STORE_PUT, 0, .value = STR("x"), .expires_ms = 60000};
		snprintf(name, sizeof(name), "q%u", i);
		op.key = str_from(name);
		post(&a, &op);
	}
	struct store_view v;
	store_redis_view(a.store, &v);
	assert_int_equal(v.queue, 16);
	assert_int_equal(store_redis_stats(a.store)->dropped, 34);
	rig_stop(&a);
}

static void who_is_not_let_in_says_so_and_tries_again_later(void **state)
{
	NEEDS_REDIS();
	(void)state;
	redis_daemon_do(&daemon_, "acl setuser tester on '>right' '~sp:*' '&sp:*' +@all");
	rig_init(&a, "A");
	a.settings.nodes[0] = str_from(daemon_.socket);
	a.settings.node_count = 1;
	a.settings.username = STR("tester");
	a.settings.password = STR("wrong");
	rig_start(&a, "A");
	assert_false(rig_wait_up(&a, true, 400));
	struct store_view v;
	store_redis_view(a.store, &v);
	assert_non_null(strstr(v.why, "WRONGPASS"));
	assert_true(store_redis_stats(a.store)->connects < 3);
	rig_stop(&a);
	rig_init(&a, "A");
	a.settings.nodes[0] = str_from(daemon_.socket);
	a.settings.node_count = 1;
	a.settings.username = STR("tester");
	a.settings.password = STR("right");
	rig_start(&a, "A");
	assert_true(rig_wait_up(&a, true, 2000));
	rig_stop(&a);
	redis_daemon_do(&daemon_, "acl deluser tester");
}

static void a_server_that_only_reads_is_left_for_the_next(void **state)
{
	struct redis_daemon replica;
	char port[16];
	NEEDS_REDIS();
	(void)state;
	snprintf(port, sizeof(port), "%u", redis_free_port());
	assert_true(redis_daemon_start(
		&replica, false, (const char *const[]){"--replicaof", "127.0.0.1", port, NULL}));
	rig_init(&a, "A");
	a.settings.nodes[0] = str_from(replica.socket);
	a.settings.nodes[1] = str_from(daemon_.socket);
	a.settings.node_count = 2;
	rig_start(&a, "A");
	assert_true(rig_wait_up(&a, true, 3000));
	struct store_op put = {STORE_PUT, 0, STR("ro"), STR_NONE, STR("v"), .expires_ms = 60000};
	post(&a, &put);
	struct store_op get = {STORE_GET, 0, STR("ro")};
	for (unsigned i = 0; i < 40 && strcmp(redis_daemon_do(&daemon_, "exists sp:ro"), "1") != 0;
	     i++)
		rig_pass(&a, 100);
	assert_true(rig_wait_up(&a, true, 3000));
	assert_int_equal(rig_ask(&a, &get)->reply.result, STORE_OK);
	rig_stop(&a);
	redis_daemon_remove(&replica);
}

/* ---- the scripts are the arithmetic ---- */

static void shares_in_lua_are_those_in_c(void **state)
{
	struct share_part parts[3] = {{0, 0}};
	bool known[3] = {false};
	uint32_t seed = 7;
	NEEDS_REDIS();
	(void)state;
	/* Arithmetic, not haste: a machine that is busy is slow at times. */
	rig_init(&a, "A");
	a.settings.nodes[0] = str_from(daemon_.socket);
	a.settings.node_count = 1;
	a.settings.slow_ms = a.settings.timeout_ms = 3000;
	rig_start(&a, "A");
	assert_true(rig_wait_up(&a, true, 3000));
	for (unsigned i = 0; i < 300; i++) {
		struct share_part others[2];
		char node[2] = {'A', 0};
		size_t count = 0;
		seed = seed * 1664525 + 1013904223;
		const unsigned who = (seed >> 16) % 3;
		const int64_t limit = 1 + (seed >> 20) % 50, used = (seed >> 8) % 60;
		node[0] = (char)('A' + who);
		for (unsigned k = 0; k < 3; k++)
			if (k != who && known[k])
				others[count++] = parts[k];
		int64_t all;
		parts[who].used = used;
		parts[who].held = share_math_lease(limit, used, others, count, &all);
		known[who] = true;
		struct store_op op = {STORE_LEASE,          1,
				      STR("lua"),           str_from(node),
				      .expires_ms = 600000, .number = {limit, used}};
		const struct rig_heard *h = rig_ask(&a, &op);
		assert_int_equal(h->reply.result, STORE_OK);
		assert_int_equal(h->reply.number[0], parts[who].held);
		assert_int_equal(h->reply.number[1], all);
		assert_int_equal(h->reply.number[2], count + 1);
	}
	rig_stop(&a);
}

static void as_functions_they_need_no_right_to_run_scripts(void **state)
{
	char text[8192], path[128];
	struct buf lib;
	static const char *const never[] = {"eval 'return 1' 0",
					    "config get dir",
					    "keys '*'",
					    "flushall",
					    "get other",
					    "acl list",
					    "script load 'return 1'",
					    "function dump"};
	NEEDS_REDIS();
	(void)state;
	buf_init(&lib, text, sizeof(text));
	redis_script_library(&lib);
	/* What is shipped for the administrator is this. */
	FILE *f = fopen("etc/redis/sallyport.lua", "r");
	assert_non_null(f);
	char shipped[8192];
	size_t n = fread(shipped, 1, sizeof(shipped), f);
	fclose(f);
	EXPECT_STR(((struct str){shipped, n}), buf_view(&lib));
	snprintf(path, sizeof(path), "-x function load replace < etc/redis/sallyport.lua");
	assert_string_equal(redis_daemon_do(&daemon_, path), "sallyport");
	redis_daemon_do(&daemon_, "acl setuser narrow reset on '>pw' '~sp:*' '&sp:*' +get +set "
				  "+del +incrby +pexpire +hset +hdel +hscan "
				  "+hgetall +getrange +time +publish +subscribe +ping +fcall");
	rig_init(&a, "A");
	a.settings.nodes[0] = str_from(daemon_.socket);
	a.settings.node_count = 1;
	a.settings.username = STR("narrow");
	a.settings.password = STR("pw");
	a.settings.scripts = STORE_SCRIPTS_FUNCTION;
	rig_start(&a, "A");
	assert_true(rig_wait_up(&a, true, 2000));
	struct store_op lease = {STORE_LEASE,      1, STR("fl"), STR("A"), .expires_ms = 1000,
				 .number = {10, 1}},
			rate = {STORE_RATE, 1, STR("fr"), .number = {10, 1000, 1, 5}},
			put = {STORE_PUT, 0, STR("fe"), STR_NONE, STR("v"), 1000, {4}};
	assert_int_equal(rig_ask(&a, &lease)->reply.number[0], 10);
	assert_int_equal(rig_ask(&a, &rate)->reply.number[0], 1);
	assert_int_equal(rig_ask(&a, &put)->reply.result, STORE_OK);
	assert_int_equal(store_redis_stats(a.store)->errors, 0);
	rig_stop(&a);
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		char command[256];
		snprintf(command, sizeof(command), "--user narrow --pass pw --no-auth-warning %s",
			 never[i]);
		check_row(never[i]);
		EXPECT_TRUE(strstr(redis_daemon_do(&daemon_, command), "NOPERM") != NULL);
	}
	redis_daemon_do(&daemon_, "acl deluser narrow");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_verb_does_with_redis_what_it_does_in_memory),
		cmocka_unit_test(what_lies_in_redis_is_not_readable_and_not_movable),
		cmocka_unit_test(a_value_that_was_restored_after_its_end_is_none),
		cmocka_unit_test(a_set_of_many_is_read_in_pieces_and_the_expired_leave),
		cmocka_unit_test(what_one_node_publishes_all_others_hear),
		cmocka_unit_test(while_redis_is_frozen_nobody_waits_and_nothing_is_lost),
		cmocka_unit_test(of_what_was_under_way_the_newest_is_written_again),
		cmocka_unit_test(a_redis_that_was_killed_comes_back_empty_and_that_is_said),
		cmocka_unit_test(the_queue_has_a_bound_and_the_oldest_goes),
		cmocka_unit_test(who_is_not_let_in_says_so_and_tries_again_later),
		cmocka_unit_test(a_server_that_only_reads_is_left_for_the_next),
		cmocka_unit_test(shares_in_lua_are_those_in_c),
		cmocka_unit_test(as_functions_they_need_no_right_to_run_scripts),
	};
	return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
