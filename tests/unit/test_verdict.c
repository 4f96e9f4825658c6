#include "policy/verdict.h"
#include "tests/support/check.h"

static void test_names_are_all_there_and_apart(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VERDICT_STAGE_COUNT; i++) {
		const char *name = verdict_stage_name((enum verdict_stage)i);
		EXPECT_TRUE(name && strcmp(name, "unknown") != 0);
		for (unsigned j = 0; j < i; j++)
			EXPECT_TRUE(strcmp(name, verdict_stage_name((enum verdict_stage)j)) != 0);
	}
	for (unsigned i = 0; i < VERDICT_OUTCOME_COUNT; i++)
		EXPECT_TRUE(strcmp(verdict_outcome_name((enum verdict_outcome)i), "unknown") != 0);
	EXPECT_Z(str_from(verdict_stage_name(VERDICT_STAGE_MEDIA)), "media");
	EXPECT_Z(str_from(verdict_stage_name(VERDICT_STAGE_COUNT)), "unknown");
	EXPECT_Z(str_from(verdict_outcome_name(VERDICT_OUTCOME_COUNT)), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names_are_all_there_and_apart)};
	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
