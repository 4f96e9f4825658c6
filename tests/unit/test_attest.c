#include "policy/attest.h"

#include "tests/support/check.h"

enum { WITH, WITHOUT, TRUNKS };

static struct attest_policy strict(void)
{
	struct attest_policy p = {.name = STR("strict"),
				  .place = {.file = STR("sallyport.yaml"), .line = 7}};

	for (unsigned i = FACTS_FAULT_INVALID; i < FACTS_FAULT_COUNT; i++)
		p.on_fault[i] = (struct attest_action){true, attest_status((enum facts_fault)i)};
	p.below[FACTS_ATTEST_B] = (struct attest_action){true, 433};
	p.below_given[FACTS_ATTEST_B] = true;
	p.below_given[FACTS_ATTEST_A] = true; /* and accepts */
	return p;
}

static void the_policy_of_the_trunk_says_what_a_signature_is_worth(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t trunk;
		enum facts_verstat verstat;
		enum facts_fault fault;
		enum facts_attest attest;
		uint16_t status; /* 0: goes on */
		const char *reason;
	} rows[] = {
		{"fully attested", WITH, FACTS_VERSTAT_PASSED, 0, FACTS_ATTEST_A, 0, ""},
		{"below A, which is accepted", WITH, FACTS_VERSTAT_PASSED, 0, FACTS_ATTEST_B, 0,
		 ""},
		{"below B, which is not", WITH, FACTS_VERSTAT_PASSED, 0, FACTS_ATTEST_C, 433, ""},
		{"a plain one attests nothing", WITH, FACTS_VERSTAT_PASSED, 0, FACTS_ATTEST_UNKNOWN,
		 433, ""},
		{"none, which is accepted", WITH, FACTS_VERSTAT_NONE, FACTS_FAULT_MISSING, 0, 0,
		 ""},
		{"broken", WITH, FACTS_VERSTAT_FAILED, FACTS_FAULT_INVALID, 0, 438,
		 "Invalid Identity Header"},
		{"old", WITH, FACTS_VERSTAT_FAILED, FACTS_FAULT_STALE, 0, 403, "Stale Date"},
		{"its certificate cannot be had", WITH, FACTS_VERSTAT_FAILED, FACTS_FAULT_INFO, 0,
		 436, "Bad Identity Info"},
		{"its certificate is none of ours", WITH, FACTS_VERSTAT_FAILED,
		 FACTS_FAULT_CREDENTIAL, 0, 437, "Unsupported Credential"},
		{"we could not look", WITH, FACTS_VERSTAT_UNKNOWN, FACTS_FAULT_OURS, 0, 500, ""},
		{"nobody has looked, whatever the reason", WITH, FACTS_VERSTAT_UNKNOWN, 0, 0, 500,
		 ""},
		{"no policy", WITHOUT, FACTS_VERSTAT_FAILED, FACTS_FAULT_INVALID, 0, 0, ""},
		{"no trunk", POLICY_NO_INDEX, FACTS_VERSTAT_FAILED, FACTS_FAULT_INVALID, 0, 0, ""},
	};
	struct attest_policy p = strict();
	struct trunk_rule trunks[TRUNKS] = {[WITH] = {.attest = &p}};
	struct policy_config c = {.trunks = trunks, .trunk_count = TRUNKS};

	CHECK_TABLE(row, rows)
	{
		struct facts f = {.trunk = row->trunk,
				  .verstat = row->verstat,
				  .fault = row->fault,
				  .attest = row->attest};
		struct verdict v = attest_judge(&c, &f);
		EXPECT_INT(v.stage,
			   row->trunk == WITH ? VERDICT_STAGE_IDENTITY : VERDICT_STAGE_NONE);
		EXPECT_TRUE(v.failed ==
			    (row->trunk == WITH && row->verstat == FACTS_VERSTAT_UNKNOWN));
		EXPECT_INT(v.outcome, row->status ? VERDICT_REJECT : VERDICT_ALLOW);
		EXPECT_INT(v.status, row->status);
		EXPECT_Z(v.reason, row->reason);
		if (row->trunk == WITH) {
			EXPECT_Z(v.rule, "strict");
			EXPECT_INT(v.line, 7);
		}
	}
}

static void we_answer_for_numbers_that_the_trunk_owns(void **state)
{
	(void)state;
	struct attest_number list[] = {{STR("4930555"), true},
				       {STR("12155551212"), false},
				       {STR("4940"), false},
				       {STR("12155551212"), true},
				       {STR("1"), false}};
	static const struct {
		const char *name, *tn;
		enum facts_attest want;
	} rows[] = {
		{"of a block", "493055512", FACTS_ATTEST_A},
		{"the block itself", "4930555", FACTS_ATTEST_A},
		{"one digit short of the block", "493055", FACTS_ATTEST_B},
		{"one number", "4940", FACTS_ATTEST_A},
		{"longer than the one number", "49401", FACTS_ATTEST_B},
		{"both a number and a block", "121555512120", FACTS_ATTEST_A},
		{"another's", "33123", FACTS_ATTEST_B},
		{"none", "", FACTS_ATTEST_B},
	};
	attest_sort(list, ARRAY_LEN(list));
	struct attest_origin o = {.owned = list,
				  .owned_count = ARRAY_LEN(list),
				  .own = FACTS_ATTEST_A,
				  .other = FACTS_ATTEST_B};

	CHECK_TABLE(row, rows)
	EXPECT_INT(attest_level(&o, str_from(row->tn)), row->want);

	struct attest_number every = {STR(""), true};
	o.owned = &every;
	o.owned_count = 1;
	EXPECT_INT(attest_level(&o, STR("33123")), FACTS_ATTEST_A);
	o.owned_count = 0;
	EXPECT_INT(attest_level(&o, STR("33123")), FACTS_ATTEST_B);
}

static void every_value_has_its_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FACTS_VERSTAT_COUNT; i++)
		EXPECT_TRUE(str_from(attest_verstat_name((enum facts_verstat)i)).len > 0);
	for (unsigned i = 0; i < FACTS_FAULT_COUNT; i++)
		EXPECT_TRUE(str_from(attest_fault_name((enum facts_fault)i)).len > 0);
	for (unsigned i = 0; i < FACTS_ATTEST_COUNT; i++)
		EXPECT_TRUE(str_from(attest_name((enum facts_attest)i)).len > 0);
	EXPECT_INT(attest_of('A'), FACTS_ATTEST_A);
	EXPECT_INT(attest_of('C'), FACTS_ATTEST_C);
	EXPECT_INT(attest_of('D'), FACTS_ATTEST_UNKNOWN);
	EXPECT_INT(attest_of(0), FACTS_ATTEST_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policy_of_the_trunk_says_what_a_signature_is_worth),
		cmocka_unit_test(we_answer_for_numbers_that_the_trunk_owns),
		cmocka_unit_test(every_value_has_its_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
