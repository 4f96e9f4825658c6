#include "policy/admit.h"

#include "tests/support/check.h"

static void each_limit_by_itself(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct admit_rule rule;
		uint32_t in, out;
		enum admit_direction d;
		const char *refused; /* by this rule; NULL: allowed */
	} rows[] = {
		{"no limits", {.sessions = 0}, 100000, 100000, ADMIT_IN, NULL},
		{"one below the sessions", {.sessions = 10}, 5, 4, ADMIT_IN, NULL},
		{"sessions of both directions count", {.sessions = 10}, 5, 5, ADMIT_IN, "sessions"},
		{"and for calls that we make", {.sessions = 10}, 0, 10, ADMIT_OUT, "sessions"},
		{"one below inbound", {.live = {[ADMIT_IN] = 3}}, 2, 50, ADMIT_IN, NULL},
		{"inbound", {.live = {[ADMIT_IN] = 3}}, 3, 0, ADMIT_IN, "inbound"},
		{"inbound does not count what we make",
		 {.live = {[ADMIT_IN] = 3}},
		 3,
		 0,
		 ADMIT_OUT,
		 NULL},
		{"outbound", {.live = {[ADMIT_OUT] = 3}}, 0, 3, ADMIT_OUT, "outbound"},
		{"outbound does not count what comes",
		 {.live = {[ADMIT_OUT] = 3}},
		 0,
		 3,
		 ADMIT_IN,
		 NULL},
		{"above the limit, after it was lowered",
		 {.sessions = 2},
		 5,
		 5,
		 ADMIT_OUT,
		 "sessions"},
		{"all of them: the narrowest speaks",
		 {.sessions = 10, .live = {[ADMIT_IN] = 3, [ADMIT_OUT] = 9}},
		 3,
		 2,
		 ADMIT_IN,
		 "inbound"},
	};
	CHECK_TABLE(row, rows)
	{
		struct admit_state s = {.live = {[ADMIT_IN] = row->in, [ADMIT_OUT] = row->out}};
		struct verdict v = admit_call(&row->rule, &s, row->d, 1000);
		EXPECT_INT(v.outcome, row->refused ? VERDICT_REJECT : VERDICT_ALLOW);
		EXPECT_INT(v.status, row->refused ? 503 : 0);
		EXPECT_TRUE(!row->refused ||
			    (str_eq(v.rule, str_from(row->refused)) && v.retry_after_s > 0 &&
			     v.stage == VERDICT_STAGE_ADMISSION));
		EXPECT_INT(s.live[ADMIT_IN], row->in);
	}
}

static void the_rate_is_of_both_directions_and_says_when(void **state)
{
	(void)state;
	const struct admit_rule r = {.rate = {2, 10000, 2}, .place = {STR("a.yaml"), 7}};
	struct admit_state s = {.live = {0}};

	EXPECT_INT(admit_call(&r, &s, ADMIT_IN, 1000).outcome, VERDICT_ALLOW);
	EXPECT_INT(admit_call(&r, &s, ADMIT_OUT, 1000).outcome, VERDICT_ALLOW);
	struct verdict v = admit_call(&r, &s, ADMIT_IN, 1000);
	EXPECT_TRUE(v.outcome == VERDICT_REJECT && str_eq(v.rule, STR("rate")));
	EXPECT_TRUE(str_eq(v.file, STR("a.yaml")) && v.line == 7);
	EXPECT_INT(v.retry_after_s, 6);
	EXPECT_INT(admit_call(&r, &s, ADMIT_IN, 5999).outcome, VERDICT_REJECT);
	EXPECT_INT(admit_call(&r, &s, ADMIT_IN, 6000).outcome, VERDICT_ALLOW);
}

/* What is refused for the number of calls has not been counted as one by the rate. */
static void who_is_refused_has_spent_nothing(void **state)
{
	(void)state;
	const struct admit_rule r = {.sessions = 1, .rate = {1, 10000, 1}};
	struct admit_state s = {.live = {[ADMIT_IN] = 1}};

	for (int i = 0; i < 5; i++)
		EXPECT_TRUE(str_eq(admit_call(&r, &s, ADMIT_IN, 1000).rule, STR("sessions")));
	s.live[ADMIT_IN] = 0;
	EXPECT_INT(admit_call(&r, &s, ADMIT_IN, 1000).outcome, VERDICT_ALLOW);
}

static void who_asks_too_fast_hears_what_suits_him(void **state)
{
	(void)state;
	static const struct {
		const char *name, *source;
		bool acl_given;
		enum acl_default acl;
		enum verdict_outcome outcome;
		uint16_t status;
	} rows[] = {
		{"a trunk of the realm", "192.0.2.5", false, ACL_DENY, VERDICT_REJECT, 503},
		{"a trunk, whatever the list says", "192.0.2.5", true, ACL_REJECT, VERDICT_REJECT,
		 503},
		{"a stranger", "203.0.113.9", false, ACL_DENY, VERDICT_DROP, 0},
		{"a stranger where the list is silent", "203.0.113.9", true, ACL_DENY, VERDICT_DROP,
		 0},
		{"a stranger where the list lets in", "203.0.113.9", true, ACL_ALLOW, VERDICT_DROP,
		 0},
		{"a stranger where the list says reject", "203.0.113.9", true, ACL_REJECT,
		 VERDICT_REJECT, 403},
		{"a trunk of another realm", "198.51.100.1", false, ACL_DENY, VERDICT_DROP, 0},
	};
	struct prefix sources[2];
	CHECK_TABLE(row, rows)
	{
		EXPECT_ERR(prefix_parse(STR("192.0.2.0/24"), &sources[0]), OK);
		EXPECT_ERR(prefix_parse(STR("198.51.100.0/24"), &sources[1]), OK);
		const struct trunk_rule trunks[] = {
			{.realm = 0, .sources = &sources[0], .source_count = 1},
			{.realm = 1, .sources = &sources[1], .source_count = 1},
		};
		const struct realm_rule realms[] = {
			{.acl_given = row->acl_given,
			 .acl_default = row->acl,
			 .admission = {.name = STR("edge"),
				       .requests = {1, 10000, 1},
				       .place = {STR("a.yaml"), 3}}},
			{.acl_given = false},
		};
		const struct policy_config c = {
			.realms = realms, .realm_count = 2, .trunks = trunks, .trunk_count = 2};
		struct rate s = {.due_ns = 0};
		struct addr from;
		EXPECT_ERR(addr_parse_ip(STR("1.1.1.1"), &from), OK);
		EXPECT_ERR(addr_parse_ip(str_from(row->source), &from), OK);
		EXPECT_INT(admit_request(&c, 0, &from, &s, 500).outcome, VERDICT_ALLOW);
		struct verdict v = admit_request(&c, 0, &from, &s, 500);
		EXPECT_INT(v.outcome, row->outcome);
		EXPECT_INT(v.status, row->status);
		EXPECT_INT(v.retry_after_s, row->status == 503 ? 11 : 0);
		EXPECT_TRUE(str_eq(v.rule, STR("edge")) && v.line == 3);
		EXPECT_INT(v.stage, VERDICT_STAGE_RATE);
		/* A realm without a limit asks no one. */
		EXPECT_INT(admit_request(&c, 1, &from, &s, 500).outcome, VERDICT_ALLOW);
		EXPECT_INT(admit_request(&c, 0, &from, &s, 10500).outcome, VERDICT_ALLOW);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_by_itself),
		cmocka_unit_test(the_rate_is_of_both_directions_and_says_when),
		cmocka_unit_test(who_is_refused_has_spent_nothing),
		cmocka_unit_test(who_asks_too_fast_hears_what_suits_him),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
