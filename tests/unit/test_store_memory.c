/* The store in memory, the arithmetic of shares, and the model of a store that fails. */
#include "sbc/shell/store_memory.h"

#include "sbc/core/share_math.h"
#include "tests/support/check.h"
#include "tests/support/store_model.h"

static const struct siphash_key key = {{1, 2}};

struct heard {
	size_t count;
	struct store_reply last;
	char texts[512];
};

static void on_reply(void *ctx, const struct store_reply *r)
{
	struct heard *h = ctx;
	struct buf b;
	h->count++;
	h->last = *r;
	buf_init(&b, h->texts, sizeof(h->texts));
	buf_str(&b, r->value);
	h->last.value = buf_view(&b);
}

static void what_is_put_is_got_until_it_expires(void **state)
{
	static const struct {
		const char *name;
		uint64_t at_ms;
		struct store_op op;
		enum store_result result;
		const char *value;
		int64_t number;
	} rows[] = {
		{"nothing is there", 0, {STORE_GET, 0, STR("a"), .owner = 1}, STORE_NOTHING, "", 0},
		{"a value is put",
		 0,
		 {STORE_PUT, 0, STR("a"), STR_NONE, STR("one"), 1000, .owner = 1},
		 STORE_OK,
		 "",
		 0},
		{"and got", 10, {STORE_GET, 0, STR("a"), .owner = 1}, STORE_OK, "one", 0},
		{"a newer one displaces it",
		 20,
		 {STORE_PUT, 0, STR("a"), STR_NONE, STR("second"), 1000, .owner = 1},
		 STORE_OK,
		 "",
		 0},
		{"which is got", 900, {STORE_GET, 0, STR("a"), .owner = 1}, STORE_OK, "second", 0},
		{"until its own time is over",
		 1030,
		 {STORE_GET, 0, STR("a"), .owner = 1},
		 STORE_NOTHING,
		 "",
		 0},
		{"a sum begins with what is added",
		 2000,
		 {STORE_ADD, 0, STR("n"), .expires_ms = 500, .number = {3}, .owner = 1},
		 STORE_OK,
		 "",
		 3},
		{"and goes on",
		 2400,
		 {STORE_ADD, 0, STR("n"), .expires_ms = 500, .number = {-1}, .owner = 1},
		 STORE_OK,
		 "",
		 2},
		{"until the end that the first one named",
		 2510,
		 {STORE_ADD, 0, STR("n"), .expires_ms = 500, .number = {5}, .owner = 1},
		 STORE_OK,
		 "",
		 5},
		{"a member of a set",
		 3000,
		 {STORE_MEMBER_PUT, 0, STR("s"), STR("x"), STR("1"), 500, .owner = 1},
		 STORE_OK,
		 "",
		 0},
		{"has a name of its own",
		 3000,
		 {STORE_GET, 0, STR("s"), .owner = 1},
		 STORE_NOTHING,
		 "",
		 0},
		{"and can be taken out",
		 3001,
		 {STORE_MEMBER_DELETE, 0, STR("s"), STR("x"), .owner = 1},
		 STORE_OK,
		 "",
		 0},
		{"once",
		 3001,
		 {STORE_MEMBER_DELETE, 0, STR("s"), STR("x"), .owner = 1},
		 STORE_NOTHING,
		 "",
		 0},
		{"a value with an epoch",
		 3001,
		 {STORE_PUT, 0, STR("e"), STR_NONE, STR("of two"), 500, {2}, .owner = 1},
		 STORE_OK,
		 "",
		 0},
		{"is not displaced by an older one",
		 3001,
		 {STORE_PUT, 0, STR("e"), STR_NONE, STR("of one"), 500, {1}, .owner = 1},
		 STORE_NOTHING,
		 "",
		 0},
		{"nor deleted",
		 3001,
		 {STORE_DELETE, 0, STR("e"), .number = {1}, .owner = 1},
		 STORE_NOTHING,
		 "",
		 0},
		{"it says which it is",
		 3001,
		 {STORE_GET, 0, STR("e"), .owner = 1},
		 STORE_OK,
		 "of two",
		 2},
		{"and goes for the same one",
		 3001,
		 {STORE_DELETE, 0, STR("e"), .number = {2}, .owner = 1},
		 STORE_OK,
		 "",
		 0},
		{"what is too large for the whole is an error",
		 3002,
		 {STORE_PUT, 0, STR("a"), STR_NONE,
		  STR("0123456789012345678901234567890123456789012345678901234567890123456789"
		      "01234567890123456789012345678901234567890123456789012345678901234567890"
		      "0123456789012345678901234567890123456789012345678901234567890123456789"),
		  1000, .owner = 1},
		 STORE_ERROR,
		 "",
		 0},
	};
	struct store_memory m;
	(void)state;
	assert_int_equal(store_memory_init(&m, 8, 300, &key, 0), OK);
	CHECK_TABLE(row, rows)
	{
		struct heard h = {0};
		store_memory_do(&m, &row->op, row->at_ms, on_reply, &h);
		EXPECT_INT(h.count, 1);
		EXPECT_INT(h.last.result, row->result);
		EXPECT_Z(h.last.value, row->value);
		EXPECT_INT(h.last.number[0], row->number);
	}
	store_memory_release(&m);
}

static void a_set_tells_each_member_and_then_that_it_is_done(void **state)
{
	struct store_memory m;
	struct heard h = {0};
	(void)state;
	assert_int_equal(store_memory_init(&m, 8, 4096, &key, 0), OK);
	for (char c = 'a'; c < 'e'; c++) {
		struct store_op op = {STORE_MEMBER_PUT, 0,        STR("s"),
				      {&c, 1},          STR("v"), .expires_ms = 1000};
		store_memory_do(&m, &op, c == 'a' ? 0 : 600, on_reply, &h);
	}
	assert_int_equal(h.count, 0); /* nobody asked */
	struct store_op all = {STORE_MEMBERS, 0, STR("s"), .owner = 9};
	store_memory_do(&m, &all, 700, on_reply, &h);
	assert_int_equal(h.count, 5);
	assert_false(h.last.more);
	assert_int_equal(h.last.result, STORE_NOTHING);
	h.count = 0;
	store_memory_do(&m, &all, 1100, on_reply, &h);
	assert_int_equal(h.count, 4); /* the first one has expired */
	store_memory_release(&m);
}

static void shares_of_a_limit_never_exceed_it(void **state)
{
	static const struct {
		const char *name;
		int64_t limit, used;
		struct share_part others[2];
		size_t count;
		int64_t held, all;
	} rows[] = {
		{"alone a node has all of it", 200, 0, {{0, 0}}, 0, 200, 0},
		{"two that use nothing have half each", 200, 0, {{100, 0}}, 1, 100, 0},
		{"who uses more has more, of what the other does not hold",
		 200,
		 90,
		 {{100, 0}},
		 1,
		 100,
		 90},
		{"and the rest once that one has asked again", 200, 90, {{55, 0}}, 1, 145, 90},
		{"at the limit there is nothing to spare", 200, 150, {{50, 50}}, 1, 150, 200},
		{"the last one is for whoever asks", 200, 149, {{50, 50}}, 1, 150, 199},
		{"above it what others use is theirs", 200, 180, {{50, 60}}, 1, 140, 240},
		{"a limit of nothing", 0, 0, {{0, 0}}, 1, 0, 0},
		{"three of them", 90, 30, {{20, 0}, {20, 0}}, 2, 50, 30},
	};
	(void)state;
	CHECK_TABLE(row, rows)
	{
		int64_t all = -1;
		EXPECT_INT(share_math_lease(row->limit, row->used, row->others, row->count, &all),
			   row->held);
		EXPECT_INT(all, row->all);
	}
}

static void a_rate_is_granted_by_the_clock(void **state)
{
	static const struct {
		const char *name;
		double now_us;
		int64_t want, granted, wait_ms;
	} rows[] = {
		{"a full bucket gives its burst", 1e15, 50, 40, 50},
		{"and then nothing", 1e15, 1, 0, 50},
		{"one each fiftieth of a second", 1e15 + 50e3, 5, 1, 50},
		{"less is as it is asked", 1e15 + 550e3, 3, 3, 0},
		{"asking for none changes nothing", 1e15 + 550e3, 0, 0, 0},
		{"the others are still there", 1e15 + 550e3, 50, 7, 50},
		{"a clock that goes back an hour does not close it for an hour", 1e15 - 3600e6, 1,
		 0, 50},
		{"but for the time of one", 1e15 - 3600e6 + 50e3, 1, 1, 50},
	};
	static const struct share_rate rate = {20, 1000, 40};
	double tat = 0;
	(void)state;
	CHECK_TABLE(row, rows)
	{
		int64_t wait = -1;
		EXPECT_INT(share_math_rate(&rate, row->want, row->now_us, &tat, &wait),
			   row->granted);
		EXPECT_INT(wait, row->wait_ms);
	}
}

/* ---- the model ---- */

struct node {
	unsigned replies, downs, tolds, ups, gone, fresh;
	char text[64];
};

static void tell(void *ctx, struct event *e)
{
	struct node *n = ctx;
	struct str text = STR_NONE;
	if (e->type == EVENT_STORE_REPLY) {
		n->replies += e->stored.result != STORE_DOWN;
		n->downs += e->stored.result == STORE_DOWN;
		text = e->stored.value;
	} else if (e->type == EVENT_STORE_TOLD) {
		n->tolds++;
		text = e->store_told.value;
	} else {
		n->ups += e->store_state.up;
		n->gone += !e->store_state.up;
		n->fresh += e->store_state.is_fresh;
	}
	struct buf b;
	buf_init(&b, n->text, sizeof(n->text) - 1);
	buf_str(&b, text);
	n->text[b.len] = 0;
}

static void pass(struct store_model *m, uint64_t until_ms)
{
	for (uint64_t at; (at = store_model_next_ms(m)) <= until_ms;)
		store_model_pass(m, at);
}

static void two_nodes_share_a_store_that_freezes_and_comes_back(void **state)
{
	struct store_model m;
	struct node a = {0}, b = {0};
	(void)state;
	store_model_init(&m, 7, 0);
	unsigned na = store_model_join(&m, "A", tell, &a, 0),
		 nb = store_model_join(&m, "B", tell, &b, 0);
	struct store_op put = {STORE_PUT,           0, STR("k"), STR_NONE, STR("first"),
			       .expires_ms = 100000},
			get = {STORE_GET, 0, STR("k"), .owner = 1},
			say = {STORE_PUBLISH, STORE_AREA_BANS, .value = STR("hear"),
			       .expires_ms = 100};
	store_model_post(&m, na, &put, 10);
	store_model_post(&m, nb, &get, 11);
	pass(&m, 20);
	assert_int_equal(b.replies, 1);
	assert_string_equal(b.text, "first");
	store_model_post(&m, na, &say, 30);
	pass(&m, 40);
	assert_int_equal(b.tolds, 1);
	assert_int_equal(a.tolds, 0); /* not to oneself */
	assert_string_equal(b.text, "hear");

	store_model_keep(&m);
	store_model_freeze(&m, 1000, 2000);
	put.value = STR("second");
	store_model_post(&m, na, &put, 1001);
	store_model_post(&m, nb, &get, 1002);
	pass(&m, 1400);
	assert_int_equal(b.downs, 1);
	assert_int_equal(a.gone, 1);
	store_model_post(&m, nb, &get, 1500); /* known to be away: at once */
	pass(&m, 1501);
	assert_int_equal(b.downs, 2);
	pass(&m, 2100);
	assert_int_equal(b.replies, 1); /* a late one is not told */
	assert_int_equal(a.ups, 2);
	store_model_post(&m, nb, &get, 2200);
	pass(&m, 2300);
	assert_string_equal(b.text, "second");

	store_model_restore(&m, 3000);
	pass(&m, 3100);
	assert_int_equal(a.fresh, 1);
	store_model_post(&m, nb, &get, 3200);
	pass(&m, 3300);
	assert_string_equal(b.text, "first");

	store_model_cut(&m, na, 4000, 5000);
	put.value = STR("third");
	store_model_post(&m, na, &put, 4100);
	store_model_post(&m, nb, &get, 4200);
	pass(&m, 4300);
	assert_string_equal(b.text, "first"); /* it waits at A */
	pass(&m, 5100);
	store_model_post(&m, nb, &get, 5200);
	pass(&m, 5300);
	assert_string_equal(b.text, "third");
	assert_int_equal(b.gone, 2);
	store_model_leave(&m, na);
	store_model_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_got_until_it_expires),
		cmocka_unit_test(a_set_tells_each_member_and_then_that_it_is_done),
		cmocka_unit_test(shares_of_a_limit_never_exceed_it),
		cmocka_unit_test(a_rate_is_granted_by_the_clock),
		cmocka_unit_test(two_nodes_share_a_store_that_freezes_and_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
