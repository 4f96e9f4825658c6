#include "tests/support/check.h"
#include "tests/support/guard.h"

#include "common/rd.h"

static void test_reads_big_endian(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, 32);
	struct str s =
		guard_put(&g, STR("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"));
	struct rd r = rd_init(s.p, s.len);
	EXPECT_U64(rd_u8(&r), 0x01);
	EXPECT_U64(rd_u16(&r), 0x0203);
	EXPECT_U64(rd_u32(&r), 0x04050607);
	EXPECT_U64(rd_u64(&r), 0x08090a0b0c0d0e0f);
	EXPECT_TRUE(!r.bad && r.left == 0);
	EXPECT_U64(rd_u8(&r), 0);
	EXPECT_TRUE(r.bad);
	guard_release(&g);
}

static void test_short_input_is_bad_for_good(void **state)
{
	(void)state;
	struct guard g;
	guard_init(&g, 32);
	for (size_t n = 0; n < 8; n++) {
		struct str s = guard_put(&g, (struct str){"\xff\xff\xff\xff\xff\xff\xff\xff", n});
		struct rd r = rd_init(s.p, s.len);
		rd_u64(&r);
		EXPECT_TRUE(r.bad);
		EXPECT_U64(rd_u8(&r), 0); /* even if a byte is left */
		EXPECT_TRUE(rd_bytes(&r, 0) == NULL);
	}
	struct rd r = rd_init("ab", 2);
	EXPECT_TRUE(rd_bytes(&r, SIZE_MAX) == NULL && r.bad);
	guard_release(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_big_endian),
		cmocka_unit_test(test_short_input_is_bad_for_good),
	};
	return cmocka_run_group_tests_name("rd", tests, NULL, NULL);
}
