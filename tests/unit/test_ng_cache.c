/* Retransmitted commands: who gets which reply again, for how long, and what happens when memory
 * ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rtpproxy/core/ng_cache.h"

static const struct siphash_key key = {{1, 2}};

static void the_same_peer_and_cookie_get_the_same_reply(void **state)
{
	(void)state;
	struct ng_cache c;
	assert_int_equal(ng_cache_init(&c, 4096, 16, &key, 0), OK);
	ng_cache_add(&c, STR("hostA:1"), STR("cookie"), STR("reply A"), 10);
	ng_cache_add(&c, STR("hostB:1"), STR("cookie"), STR("reply B"), 10);
	static const struct {
		const char *name, *peer, *cookie, *reply;
	} rows[] = {
		{"the first host gets its own reply", "hostA:1", "cookie", "reply A"},
		{"another host with the same cookie gets its own", "hostB:1", "cookie", "reply B"},
		{"another cookie finds nothing", "hostA:1", "cookie2", NULL},
		{"another host finds nothing", "hostC:1", "cookie", NULL},
		{"bytes moved from peer to cookie are another key", "hostA:", "1cookie", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str r = ng_cache_find(&c, str_from(rows[i].peer), str_from(rows[i].cookie));
		if (!str_eq(r, str_from(rows[i].reply)) || !r.p != !rows[i].reply) {
			fail_msg("%s: '%.*s'", rows[i].name, STR_ARG(r));
		}
	}
	ng_cache_release(&c);
}

static void replies_live_between_one_and_two_generations(void **state)
{
	(void)state;
	struct ng_cache c;
	assert_int_equal(ng_cache_init(&c, 4096, 16, &key, 0), OK);
	ng_cache_add(&c, STR("p"), STR("c"), STR("r"), 100);
	ng_cache_tick(&c, NG_CACHE_MS - 1);
	assert_non_null(ng_cache_find(&c, STR("p"), STR("c")).p);
	ng_cache_tick(&c, NG_CACHE_MS);
	assert_non_null(ng_cache_find(&c, STR("p"), STR("c")).p);
	ng_cache_tick(&c, 2 * NG_CACHE_MS - 1);
	assert_non_null(ng_cache_find(&c, STR("p"), STR("c")).p);
	ng_cache_tick(&c, 2 * NG_CACHE_MS);
	assert_null(ng_cache_find(&c, STR("p"), STR("c")).p);
	ng_cache_release(&c);
}

static void a_full_generation_ends_early_and_keeps_the_newest(void **state)
{
	(void)state;
	struct ng_cache c;
	char cookie[16], big[5000] = {0};
	assert_int_equal(ng_cache_init(&c, 4096, 16, &key, 0), OK);
	ng_cache_add(&c, STR("p"), STR("big"), (struct str){big, sizeof(big)}, 1);
	assert_null(ng_cache_find(&c, STR("p"), STR("big")).p);
	for (int i = 0; i < 1000; i++) {
		snprintf(cookie, sizeof(cookie), "c%d", i);
		ng_cache_add(&c, STR("p"), str_from(cookie), (struct str){big, (size_t)(i % 300)},
			     1);
		struct str r = ng_cache_find(&c, STR("p"), str_from(cookie));
		assert_non_null(r.p);
		assert_int_equal(r.len, i % 300);
	}
	assert_null(ng_cache_find(&c, STR("p"), STR("c1")).p);
	assert_non_null(ng_cache_find(&c, STR("p"), STR("c995")).p);
	ng_cache_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_peer_and_cookie_get_the_same_reply),
		cmocka_unit_test(replies_live_between_one_and_two_generations),
		cmocka_unit_test(a_full_generation_ends_early_and_keeps_the_newest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
