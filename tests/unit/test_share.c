/* Two nodes, one store, limits of a trunk that both keep: what is left of the share of a node that ends, and of one that dies. */
#include "sbc/core/share.h"

#include "sbc/core/ban_share.h"
#include "sbc/core/share_math.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"
#include "tests/support/store_model.h"

enum { A, B, NODES, LIMIT = 10 };

static struct site n[NODES];
static bool running[NODES];
static struct store_model m;
static uint64_t now_ms;

static void tell(void *ctx, struct event *e)
{
	struct site *s = ctx;

	if (running[s - n])
		site_event(s, e);
}

static void boot(unsigned i)
{
	struct site *s = &n[i];

	site_init(s);
	s->set.node = i == A ? STR("sbc1") : STR("sbc2");
	s->set.store.kind = STORE_KIND_REDIS;
	s->set.store.key = STR("a key of thirty-two octets......");
	s->set.policy.bans = (struct ban_rules){
		.first_s = 3600, .factor = 4, .most_s = 30 * 86400, .forget_s = 86400};
	s->seed = (uint8_t)(i + 1);
	s->now_ms = now_ms;
	s->trunks[SITE_CARRIER].admit = (struct admit_rule){
		.sessions = LIMIT, .rate = {LIMIT, 600000, LIMIT}, .is_shared = true};
	site_start(s);
	s->rec.store = &m;
	s->rec.store_now_ms = now_ms;
	s->rec.store_node = store_model_join(&m, i == A ? "sbc1" : "sbc2", tell, s, now_ms);
	running[i] = true;
}

static void pass(uint64_t ms)
{
	for (uint64_t end = now_ms + ms; now_ms < end;) {
		uint64_t next = store_model_next_ms(&m);
		for (unsigned i = 0; i < NODES; i++)
			if (running[i] && sbc_next_ms(n[i].sbc) < next)
				next = sbc_next_ms(n[i].sbc);
		now_ms = next > now_ms + 1 ? next : now_ms + 1;
		now_ms = now_ms < end ? now_ms : end;
		for (unsigned i = 0; i < NODES; i++) {
			n[i].now_ms = n[i].rec.store_now_ms = now_ms;
			if (running[i] && sbc_next_ms(n[i].sbc) <= now_ms)
				site_event(&n[i], &(struct event){.type = EVENT_TICK});
		}
		store_model_pass(&m, now_ms);
	}
}

static void start(void)
{
	now_ms = 1000000;
	store_model_init(&m, 5, now_ms);
	boot(A);
	boot(B);
	pass(3000);
}

static void leave(unsigned i)
{
	store_model_leave(&m, n[i].rec.store_node);
	running[i] = false;
	site_stop(&n[i]);
}

static void stop(void)
{
	for (unsigned i = 0; i < NODES; i++)
		if (running[i])
			leave(i);
	store_model_release(&m);
}

static struct admit_share *share(unsigned i)
{
	return &admissions_find(&n[i].sbc->policy.admissions, n[i].trunks[SITE_CARRIER].name)
			->state.share;
}

static uint32_t held(unsigned i)
{
	return share(i)->held[SHARE_SESSIONS];
}

static void two_nodes_hold_half_each(void **state)
{
	(void)state;
	start();
	EXPECT_INT(held(A), LIMIT / 2);
	EXPECT_INT(held(B), LIMIT / 2);
	stop();
}

static void on_granted(void *ctx, const struct store_reply *r)
{
	*(int64_t *)ctx = r->number[0];
}

static void a_node_that_ends_gives_its_share_back_at_once(void **state)
{
	(void)state;
	start();
	const uint32_t stock = share(A)->tokens;
	EXPECT_TRUE(stock > 0);
	site_event(&n[A], &(struct event){.type = EVENT_STOP});
	EXPECT_INT(share(A)->tokens, 0);
	leave(A);
	pass(SHARE_EVERY_MS + 10);
	EXPECT_INT(held(B), LIMIT);
	/* The tokens too. */
	int64_t granted = 0;
	store_memory_do(&m.memory,
			&(struct store_op){.verb = STORE_RATE,
					   .area = STORE_AREA_LIMITS,
					   .key = STR("limit:{carrier}:r"),
					   .number = {LIMIT, 600000, LIMIT, LIMIT},
					   .owner = 1},
			now_ms, on_granted, &granted);
	EXPECT_INT(granted, LIMIT - share(B)->tokens);
	stop();
}

static void a_node_that_ends_keeps_its_share_until_its_calls_are_over(void **state)
{
	(void)state;
	struct site_call k;
	start();
	site_establish(&n[A], &k, NULL, NULL);
	pass(2000);
	site_event(&n[A], &(struct event){.type = EVENT_STOP});
	pass(SHARE_EVERY_MS + 10);
	EXPECT_INT(held(B), LIMIT / 2); /* the relay has not answered: it is not over */
	site_event(&n[A], &(struct event){.type = EVENT_STOP});
	pass(SHARE_EVERY_MS + 10);
	EXPECT_INT(held(B), LIMIT);
	stop();
}

static void the_share_of_a_dead_node_is_free_when_its_time_is_over(void **state)
{
	(void)state;
	start();
	leave(A);
	pass(SHARE_LIVES_MS - SHARE_EVERY_MS - 10);
	EXPECT_INT(held(B), LIMIT / 2); /* it may live, and use them */
	pass(2 * SHARE_EVERY_MS + 20);
	EXPECT_INT(held(B), LIMIT);
	stop();
}

static void what_is_given_back_is_granted_again_and_no_more(void **state)
{
	(void)state;
	const struct share_rate r = {LIMIT, 600000, LIMIT};
	double tat = 0;
	int64_t wait;

	EXPECT_INT(share_math_rate(&r, 7, 1e9, &tat, &wait), 7);
	EXPECT_INT(share_math_rate(&r, -4, 1e9, &tat, &wait), -4);
	EXPECT_INT(share_math_rate(&r, 20, 1e9, &tat, &wait), 7);
	EXPECT_INT(share_math_rate(&r, -50, 1e9, &tat, &wait), -50);
	EXPECT_TRUE(tat >= 1e9);
	EXPECT_INT(share_math_rate(&r, 20, 1e9, &tat, &wait), LIMIT);
}

/* ---- bans */

static void a_ban_of_another_node_is_told_here_as_its_own(void **state)
{
	(void)state;
	struct ban v;
	start();
	const struct ban_order o = {.subject = {.kind = SUBJECT_USER, .name = STR("u@x")},
				    .by = BAN_BY_OPERATOR,
				    .seconds = 600};
	EXPECT_INT(sbc_ban(n[A].sbc, &o, (struct ban_time){now_ms, n[A].sbc->wall_ms}, &v),
		   BAN_NEW);
	EXPECT_INT(n[B].rec.notices[NOTICE_BAN], 0);
	pass(20);
	EXPECT_INT(n[B].rec.notices[NOTICE_BAN], 1);
	EXPECT_INT(n[B].rec.ban_by, BAN_BY_NODE);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes_hold_half_each),
		cmocka_unit_test(a_node_that_ends_gives_its_share_back_at_once),
		cmocka_unit_test(a_node_that_ends_keeps_its_share_until_its_calls_are_over),
		cmocka_unit_test(the_share_of_a_dead_node_is_free_when_its_time_is_over),
		cmocka_unit_test(what_is_given_back_is_granted_again_and_no_more),
		cmocka_unit_test(a_ban_of_another_node_is_told_here_as_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
