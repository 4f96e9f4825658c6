#include "tests/support/check.h"

#include "common/arena.h"

static void test_alignment_and_end(void **state)
{
	(void)state;
	static char mem[256] __attribute__((aligned(16)));
	struct arena a;
	arena_init(&a, mem + 3, 128); /* badly aligned on purpose */
	for (int i = 0; i < 3; i++) {
		void *p = arena_alloc(&a, 5);
		EXPECT_TRUE(p != NULL && (uintptr_t)p % 16 == 0);
		EXPECT_TRUE(arena_has(&a, p));
	}
	EXPECT_TRUE(!a.failed);
	EXPECT_TRUE(arena_alloc(&a, 128) == NULL);
	EXPECT_TRUE(a.failed);
	EXPECT_TRUE(arena_alloc(&a, SIZE_MAX) == NULL);
	EXPECT_TRUE(arena_alloc(&a, 16) != NULL); /* what fits is still given */
	arena_reset(&a);
	EXPECT_TRUE(!a.failed && a.used == 0);
	EXPECT_TRUE(!arena_has(&a, mem + 3));
	EXPECT_TRUE(arena_alloc(&a, 128 - 13) != NULL); /* exactly the rest */
	EXPECT_TRUE(arena_alloc(&a, 1) == NULL);
}

static void test_zero_and_text(void **state)
{
	(void)state;
	char mem[64];
	memset(mem, 'x', sizeof(mem));
	struct arena a;
	arena_init(&a, mem, sizeof(mem));
	const char *p = arena_zalloc(&a, 8);
	EXPECT_BYTES(p, "\0\0\0\0\0\0\0\0", 8);
	char from[] = "abc";
	struct str s = arena_str(&a, str_from(from));
	from[0] = 'z';
	EXPECT_Z(s, "abc");
	EXPECT_TRUE(arena_str(&a, STR_NONE).p == NULL && !a.failed);
	static const char big[100];
	EXPECT_TRUE(arena_str(&a, (struct str){big, sizeof(big)}).p == NULL && a.failed);
	arena_release(&a);
}

static void test_own_memory(void **state)
{
	(void)state;
	struct arena a;
	EXPECT_ERR(arena_init_sized(&a, 1000), OK);
	EXPECT_TRUE(arena_alloc(&a, 500) != NULL);
	arena_release(&a);
	EXPECT_TRUE(a.base == NULL && a.size == 0);
	EXPECT_ERR(arena_init_sized(&a, (size_t)1 << 40), ERR_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alignment_and_end),
		cmocka_unit_test(test_zero_and_text),
		cmocka_unit_test(test_own_memory),
	};
	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
