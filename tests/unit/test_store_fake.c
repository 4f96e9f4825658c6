/* A Redis that lies: every reply cut at every octet, replies that nobody asked for, giants, wrong types, words of all kinds. And what the
 * seals hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sbc/shell/redis_script.h"
#include "sbc/shell/resp.h"
#include "sbc/shell/store_seal.h"
#include "tests/support/check.h"
#include "tests/support/redis.h"

/* Rows say what matters. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { CONNECTIONS = 64 };

/* Listens on a socket; says `answer` to whatever comes once it has said PONG. */
struct fake {
	char path[96], node[104];
	int listener, conns[CONNECTIONS];
	bool greeted[CONNECTIONS];
	size_t count;
	struct str answer;
	bool closes; /* after its answer */
};

static void fake_open(struct fake *f)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	*f = (struct fake){.count = 0};
	snprintf(f->path, sizeof(f->path), "/tmp/sallyport-fake-%d", (int)getpid());
	snprintf(f->node, sizeof(f->node), "unix:%s", f->path);
	unlink(f->path);
	memcpy(sa.sun_path, f->path, sizeof(f->path));
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(f->listener >= 0 &&
		    bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
		    listen(f->listener, 16) == 0);
}

static void fake_close(struct fake *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->conns[i] >= 0)
			close(f->conns[i]);
	close(f->listener);
	unlink(f->path);
}

static void say(int fd, struct str s)
{
	(void)!send(fd, s.p, s.len, MSG_NOSIGNAL);
}

static void fake_turn(struct fake *f)
{
	char mem[65536];
	int fd = accept(f->listener, NULL, NULL);
	if (fd >= 0 && f->count < CONNECTIONS) {
		f->conns[f->count] = fd;
		f->greeted[f->count++] = false;
	} else if (fd >= 0) {
		close(fd);
	}
	for (size_t i = 0; i < f->count; i++) {
		if (f->conns[i] < 0)
			continue;
		ssize_t n = recv(f->conns[i], mem, sizeof(mem), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			close(f->conns[i]);
			f->conns[i] = -1;
		} else if (n > 0 && !f->greeted[i]) {
			f->greeted[i] = true;
			say(f->conns[i], STR("+PONG\r\n"));
		} else if (n > 0) {
			say(f->conns[i], f->answer);
			if (f->closes) {
				close(f->conns[i]);
				f->conns[i] = -1;
			}
		}
	}
}

static struct fake fake;
static struct rig rig;

struct want {
	uint64_t from;
};

static bool answered(void *ctx)
{
	const struct want *w = ctx;
	fake_turn(&fake);
	for (uint64_t i = w->from; i < rig.count; i++)
		if (rig.heard[i % RIG_HEARD].type == EVENT_STORE_REPLY &&
		    !rig.heard[i % RIG_HEARD].reply.more)
			return true;
	return false;
}

static bool fake_is_up(void *ctx)
{
	struct store_view v;
	(void)ctx;
	fake_turn(&fake);
	store_redis_view(rig.store, &v);
	return v.up;
}

static void begin(void)
{
	fake_open(&fake);
	fake.answer = STR("+OK\r\n");
	rig_init(&rig, "A");
	rig.settings.nodes[0] = str_from(fake.node);
	rig.settings.node_count = 1;
	rig_start(&rig, "A");
	assert_true(rig_run(&rig, fake_is_up, NULL, 3000));
}

static void finish(void)
{
	rig_stop(&rig);
	fake_close(&fake);
}

/* What the owner is told when this is the answer. */
static enum store_result told(const struct store_op *op, struct str answer, bool closes)
{
	struct want w;
	struct store_op asked = *op;
	asked.owner = 9;
	assert_true(rig_run(&rig, fake_is_up, NULL, 6000));
	fake.answer = answer;
	fake.closes = closes;
	w.from = rig.count;
	turn_begin(&rig.turn);
	store_redis_post(rig.store, &asked);
	assert_true(rig_run(&rig, answered, &w, 3000));
	fake.answer = STR("+OK\r\n");
	fake.closes = false;
	for (uint64_t i = rig.count; i > w.from; i--)
		if (rig.heard[(i - 1) % RIG_HEARD].type == EVENT_STORE_REPLY)
			return rig.heard[(i - 1) % RIG_HEARD].reply.result;
	return STORE_RESULT_COUNT;
}

static void whatever_is_answered_the_owner_hears_one_word(void **state)
{
	static const struct {
		const char *name;
		struct store_op op;
		const char *answer;
		enum store_result result;
	} rows[] = {
		{"an array for a value", {STORE_GET, 0, STR("k")}, "*1\r\n:1\r\n", STORE_ERROR},
		{"a number for a value", {STORE_GET, 0, STR("k")}, ":5\r\n", STORE_ERROR},
		{"a value that nobody sealed",
		 {STORE_GET, 0, STR("k")},
		 "$5\r\nhello\r\n",
		 STORE_ERROR},
		{"nothing", {STORE_GET, 0, STR("k")}, "$-1\r\n", STORE_NOTHING},
		{"an error of no known kind",
		 {STORE_GET, 0, STR("k")},
		 "-ERR what\r\n",
		 STORE_ERROR},
		{"no rights", {STORE_GET, 0, STR("k")}, "-NOPERM no\r\n", STORE_ERROR},
		{"moved, though it is no cluster's",
		 {STORE_GET, 0, STR("k")},
		 "-MOVED 1 127.0.0.1:1\r\n",
		 STORE_DOWN},
		{"moved to nowhere", {STORE_GET, 0, STR("k")}, "-MOVED x y\r\n", STORE_DOWN},
		{"asked, without more", {STORE_GET, 0, STR("k")}, "-ASK \r\n", STORE_DOWN},
		{"loading", {STORE_GET, 0, STR("k")}, "-LOADING wait\r\n", STORE_DOWN},
		{"only reading", {STORE_GET, 0, STR("k")}, "-READONLY no\r\n", STORE_DOWN},
		{"who are you", {STORE_GET, 0, STR("k")}, "-NOAUTH no\r\n", STORE_DOWN},
		{"no RESP",
		 {STORE_GET, 0, STR("k")},
		 "HTTP/1.1 400 Bad Request\r\n\r\n",
		 STORE_DOWN},
		{"an array of a thousand millions",
		 {STORE_GET, 0, STR("k")},
		 "*1000000000\r\n",
		 STORE_DOWN},
		{"a length below zero", {STORE_GET, 0, STR("k")}, "$-5\r\n", STORE_DOWN},
		{"two answers to one question",
		 {STORE_GET, 0, STR("k")},
		 "$-1\r\n$-1\r\n",
		 STORE_NOTHING},
		{"a lease in words",
		 {STORE_LEASE, 1, STR("l"), STR("A"), .expires_ms = 1000, .number = {10, 1}},
		 "$2\r\n10\r\n",
		 STORE_ERROR},
		{"a lease of too little",
		 {STORE_LEASE, 1, STR("l"), STR("A"), .expires_ms = 1000, .number = {10, 1}},
		 "*1\r\n:10\r\n",
		 STORE_ERROR},
		{"a lease below zero",
		 {STORE_LEASE, 1, STR("l"), STR("A"), .expires_ms = 1000, .number = {10, 1}},
		 "*3\r\n:-1\r\n:0\r\n:1\r\n",
		 STORE_ERROR},
		{"a set that is none",
		 {STORE_MEMBERS, 2, STR("s")},
		 "*2\r\n$1\r\nx\r\n*0\r\n",
		 STORE_ERROR},
		{"a set with half a pair",
		 {STORE_MEMBERS, 2, STR("s")},
		 "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n",
		 STORE_NOTHING},
		{"a sum that is no number",
		 {STORE_ADD, 0, STR("n"), .expires_ms = 1000},
		 "$3\r\nabc\r\n",
		 STORE_ERROR},
		{"a sum beyond belief",
		 {STORE_ADD, 0, STR("n"), .expires_ms = 1000},
		 "$19\r\n9223372036854775807\r\n",
		 STORE_ERROR},
	};
	(void)state;
	begin();
	CHECK_TABLE(row, rows)
	{
		EXPECT_INT(told(&row->op, str_from(row->answer), false), row->result);
	}
	finish();
}

static void more_than_was_asked_for_is_not_believed(void **state)
{
	struct store_op lease = {STORE_LEASE,      1, STR("l"), STR("A"), .expires_ms = 1000,
				 .number = {10, 1}};
	(void)state;
	begin();
	assert_int_equal(told(&lease, STR("*3\r\n:1000000\r\n:0\r\n:1\r\n"), false), STORE_OK);
	assert_int_equal(rig_latest(&rig, EVENT_STORE_REPLY)->reply.number[0], 10);
	finish();
}

static void a_reply_that_stops_at_any_octet_costs_one_connection(void **state)
{
	static const char whole[] = "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$5\r\nvalue\r\n";
	struct store_op all = {STORE_MEMBERS, 2, STR("s")};
	(void)state;
	begin();
	for (size_t n = 1; n < sizeof(whole) - 1; n += 3) {
		char name[32];
		snprintf(name, sizeof(name), "%zu octets", n);
		check_row(name);
		EXPECT_INT(told(&all, (struct str){whole, n}, true), STORE_DOWN);
	}
	assert_int_equal(told(&all, (struct str){whole, sizeof(whole) - 1}, false), STORE_NOTHING);
	finish();
}

static void a_giant_is_not_waited_for(void **state)
{
	struct store_op get = {STORE_GET, 0, STR("k")};
	const size_t size = RESP_REPLY_MAX + 100000;
	char *giant = malloc(size);
	struct resp_reader *r;
	const struct resp_value *v;
	(void)state;
	assert_non_null(giant);
	memset(giant, 'x', size);
	memcpy(giant, "$1073741824\r\n", 13);
	assert_int_equal(resp_reader_new(&r), OK);
	enum err e = OK;
	size_t at = 0;
	while (e == OK && at < size) {
		const size_t n = size - at < 10000 ? size - at : 10000;
		e = resp_reader_feed(r, (struct str){giant + at, n});
		if (e == OK)
			assert_int_equal(resp_reader_next(r, &v), ERR_MORE);
		at += n;
	}
	assert_int_equal(e, ERR_LIMIT);
	resp_reader_free(&r);
	free(giant);
	begin();
	assert_int_equal(told(&get, STR("$1073741824\r\nabc"), false), STORE_DOWN);
	finish();
}

static void every_prefix_is_incomplete_and_the_whole_is_read(void **state)
{
	static const char text[] = "*4\r\n$3\r\nabc\r\n:-7\r\n*2\r\n+OK\r\n$-1\r\n-ERR x\r\n";
	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		struct resp_reader *r;
		const struct resp_value *v = NULL;
		assert_int_equal(resp_reader_new(&r), OK);
		assert_int_equal(resp_reader_feed(r, (struct str){text, n}), OK);
		assert_int_equal(resp_reader_next(r, &v), n == sizeof(text) - 1 ? OK : ERR_MORE);
		if (n == sizeof(text) - 1) {
			assert_int_equal(v->count, 4);
			EXPECT_Z(v->items[0].text, "abc");
			EXPECT_INT(v->items[1].number, -7);
			EXPECT_INT(v->items[2].count, 2);
			EXPECT_INT(v->items[2].items[1].type, RESP_NIL);
			EXPECT_INT(v->items[3].type, RESP_ERROR);
		}
		resp_reader_free(&r);
		if (n == sizeof(text) - 1)
			break;
	}
}

/* ---- seals */

static const uint8_t salt_a[SEAL_SALT] = {1}, salt_b[SEAL_SALT] = {2};

static void a_seal_opens_under_its_name_until_its_end_and_nowhere_else(void **state)
{
	static const struct {
		const char *name;
		const char *key, *member;
		uint64_t at_ms;
		size_t spoil; /* octet that is changed; 999: none */
		size_t cut;   /* octets that are missing */
		enum err want;
	} rows[] = {
		{"as it was written", "k", "m", 500, 999, 0, OK},
		{"one millisecond before its end", "k", "m", 999, 999, 0, OK},
		{"at its end", "k", "m", 1000, 999, 0, ERR_NOTFOUND},
		{"under another name", "j", "m", 500, 999, 0, ERR_BAD},
		{"as another member", "k", "n", 500, 999, 0, ERR_BAD},
		{"with a letter of one moved to the other", "km", "", 500, 999, 0, ERR_BAD},
		{"of another version", "k", "m", 500, 0, 0, ERR_BAD},
		{"with another salt", "k", "m", 500, 3, 0, ERR_BAD},
		{"with another number", "k", "m", 500, 20, 0, ERR_BAD},
		{"with another end", "k", "m", 500, 27, 0, ERR_BAD},
		{"with another value", "k", "m", 500, 35, 0, ERR_BAD},
		{"with another tag", "k", "m", 500, 50, 0, ERR_BAD},
		{"cut by one", "k", "m", 500, 999, 1, ERR_BAD},
		{"of almost nothing", "k", "m", 500, 999, 40, ERR_BAD},
	};
	struct store_seal writer, reader, stranger;
	struct str names[] = {STR("k"), STR("m")};
	char mem[128], plain[128], again[128];
	struct buf b;
	(void)state;
	assert_int_equal(store_seal_init(&writer, STR("a key of thirty-two characters.."), salt_a),
			 OK);
	assert_int_equal(store_seal_init(&reader, STR("a key of thirty-two characters.."), salt_b),
			 OK);
	assert_int_equal(
		store_seal_init(&stranger, STR("another of thirty-two characters"), salt_b), OK);
	CHECK_TABLE(row, rows)
	{
		struct str out = STR_NONE, as[] = {str_from(row->key), str_from(row->member)};
		buf_init(&b, mem, sizeof(mem));
		EXPECT_TRUE(store_seal_close(&writer, names, 2, STR("value"), 1000, &b));
		EXPECT_INT(b.len, 5 + SEAL_EXTRA);
		if (row->spoil < b.len)
			mem[row->spoil] = (char)(mem[row->spoil] ^ 4);
		EXPECT_ERR(store_seal_open(&reader, as, 2, (struct str){mem, b.len - row->cut},
					   row->at_ms, plain, &out, NULL),
			   row->want);
		if (row->want == OK)
			EXPECT_Z(out, "value");
		EXPECT_ERR(store_seal_open(&stranger, as, 2, (struct str){mem, b.len - row->cut},
					   row->at_ms, plain, &out, NULL),
			   ERR_BAD);
	}
	/* Twice the same is never the same. */
	buf_init(&b, mem, sizeof(mem));
	assert_true(store_seal_close(&writer, names, 2, STR("value"), 1000, &b));
	struct buf c;
	buf_init(&c, again, sizeof(again));
	assert_true(store_seal_close(&writer, names, 2, STR("value"), 1000, &c));
	assert_memory_not_equal(mem + 25, again + 25, 13);
	store_seal_release(&writer);
	store_seal_release(&reader);
	store_seal_release(&stranger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_is_answered_the_owner_hears_one_word),
		cmocka_unit_test(more_than_was_asked_for_is_not_believed),
		cmocka_unit_test(a_reply_that_stops_at_any_octet_costs_one_connection),
		cmocka_unit_test(a_giant_is_not_waited_for),
		cmocka_unit_test(every_prefix_is_incomplete_and_the_whole_is_read),
		cmocka_unit_test(a_seal_opens_under_its_name_until_its_end_and_nowhere_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
