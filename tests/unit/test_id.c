#include "tests/support/check.h"

#include "common/id.h"

static void test_parts(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint8_t worker;
		uint32_t generation, slot;
		uint64_t want;
	} rows[] = {
		{"each part has its place", 0x12, 0x345678, 0x9abcdef0, 0x123456789abcdef0},
		{"the largest of each", 0xff, 0xffffff, 0xffffffff, UINT64_MAX},
		{"the first object of worker 0", 0, 1, 0, (uint64_t)1 << 32},
	};
	CHECK_TABLE(row, rows)
	{
		id_t64 id = id_make(row->worker, row->generation, row->slot);
		EXPECT_U64(id, row->want);
		EXPECT_U64(id_worker(id), row->worker);
		EXPECT_U64(id_generation(id), row->generation);
		EXPECT_U64(id_slot(id), row->slot);
	}
	EXPECT_U64(id_generation(id_make(0, 0x1000001, 0)), 1); /* higher bits do not spill */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
	};
	return cmocka_run_group_tests_name("id", tests, NULL, NULL);
}
