#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/block.h"

static void a_block_holds_what_was_asked_for(void **state)
{
	(void)state;
	struct block_pool p;
	block_init(&p, 4 * BLOCK_SLAB);
	for (size_t n = 1; n <= 4096; n += 7) {
		char *mem = block_new(&p, n);
		assert_non_null(mem);
		assert_int_equal((uintptr_t)mem % 16, 0);
		memset(mem, 0xa5, n);
		block_free(&p, mem, n);
	}
	assert_int_equal(p.used, 0);
	char *whole = block_new(&p, BLOCK_MAX);
	assert_non_null(whole);
	memset(whole, 1, BLOCK_MAX);
	block_free(&p, whole, BLOCK_MAX);
	assert_null(block_new(&p, BLOCK_MAX + 1));
	block_release(&p);
}

static void a_freed_block_is_used_again(void **state)
{
	(void)state;
	struct block_pool p;
	block_init(&p, BLOCK_SLAB);
	for (int i = 0; i < 100000; i++) {
		struct str s = block_str(&p, STR("a text of some length, about as long as a tag"));
		assert_true(str_has_prefix(s, STR("a text")));
		block_str_free(&p, &s);
		assert_null(s.p);
	}
	assert_int_equal(p.reserved, BLOCK_SLAB);
	block_release(&p);
}

static void at_the_limit_there_is_no_block_and_after_a_free_there_is(void **state)
{
	(void)state;
	struct block_pool p;
	void *all[4096];
	size_t n = 0;
	block_init(&p, BLOCK_SLAB);
	while ((all[n] = block_new(&p, 100)) != NULL)
		n++;
	assert_true(n >= BLOCK_SLAB / 128 && n < 4096);
	assert_true(block_str(&p, STR("x")).p == NULL || p.reserved == BLOCK_SLAB);
	block_free(&p, all[0], 100);
	assert_non_null(block_new(&p, 97));
	block_release(&p);
}

static void the_rest_of_a_slab_is_not_lost(void **state)
{
	(void)state;
	struct block_pool p;
	block_init(&p, 2 * BLOCK_SLAB);
	assert_non_null(block_new(&p, 90000));
	assert_non_null(block_new(&p, 90000)); /* needs the second slab */
	assert_int_equal(p.reserved, 2 * BLOCK_SLAB);
	assert_non_null(block_new(&p, 30000)); /* the rest of the first */
	size_t got = 0;
	while (block_new(&p, 1024))
		got++;
	assert_int_equal(got, 32); /* the rest of the second */
	block_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_holds_what_was_asked_for),
		cmocka_unit_test(a_freed_block_is_used_again),
		cmocka_unit_test(at_the_limit_there_is_no_block_and_after_a_free_there_is),
		cmocka_unit_test(the_rest_of_a_slab_is_not_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
