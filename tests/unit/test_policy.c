#include "policy/policy.h"

#include "tests/support/check.h"

static const struct siphash_key key = {{7}};
static struct realm_rule realms[1];
static struct trunk_rule trunks[2];
static struct route_rule routes[2];
static struct prefix deny, source;
static struct policy_config config;
static struct policy_state state;
static struct facts facts;
static struct decision decision;
static struct policy_ask ask;

static struct addr ip(const char *text)
{
	struct addr a;

	CHECK(addr_parse_ip(str_from(text), &a) == OK);
	return a;
}

/* A realm that denies 192.0.2.0/24 and hears ten requests a second, a trunk of 198.51.100.0/24, a route for all. */
static void start(void)
{
	CHECK(prefix_parse(STR("192.0.2.0/24"), &deny) == OK);
	CHECK(prefix_parse(STR("198.51.100.0/24"), &source) == OK);
	realms[0] = (struct realm_rule){.name = STR("outside"),
					.acl_given = true,
					.acl_default = ACL_ALLOW,
					.acl_deny = &deny,
					.acl_deny_count = 1,
					.place = {STR("a.yaml"), 3}};
	realms[0].admission = (struct admission_rule){
		.name = STR("edge"), .requests = {10, 1000, 2}, .place = {STR("a.yaml"), 5}};
	trunks[0] = (struct trunk_rule){.name = STR("carrier"),
					.sources = &source,
					.source_count = 1,
					.place = {STR("a.yaml"), 9}};
	trunks[1] = (struct trunk_rule){.name = STR("phones"), .place = {STR("a.yaml"), 12}};
	routes[0] = (struct route_rule){.name = STR("emergency"),
					.domains = {STR("emergency.example")},
					.domain_count = 1,
					.from_trunks = {0},
					.from_trunk_count = 1,
					.emergency = true};
	routes[1] = (struct route_rule){
		.name = STR("all"), .any_from = true, .place = {STR("a.yaml"), 20}};
	config = (struct policy_config){.realms = realms,
					.realm_count = 1,
					.trunks = trunks,
					.trunk_count = 2,
					.routes = routes,
					.route_count = 2};
	EXPECT_INT(policy_init(&state, 100, &key), OK);
	facts = (struct facts){.trunk = POLICY_NO_INDEX,
			       .source = ip("198.51.100.7"),
			       .fresh = true,
			       .number = STR("+4930555123"),
			       .now_ms = 1000000};
	decision_init(&decision);
	ask = (struct policy_ask){
		.config = &config, .state = &state, .facts = &facts, .decision = &decision};
}

static void stop(void)
{
	policy_release(&state);
}

static void the_stages_are_asked_in_their_order_and_each_leaves_its_verdict(void **unused)
{
	static const enum verdict_stage expected[] = {VERDICT_STAGE_ACL, VERDICT_STAGE_RATE,
						      VERDICT_STAGE_IDENTIFY, VERDICT_STAGE_ROUTE};
	(void)unused;

	start();
	EXPECT_INT(policy_source(&ask).outcome, VERDICT_ALLOW);
	EXPECT_INT(policy_who(&ask).outcome, VERDICT_ALLOW);
	EXPECT_INT(policy_admit(&ask).outcome, VERDICT_ALLOW);
	EXPECT_INT(policy_call(&ask).outcome, VERDICT_ALLOW);
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		EXPECT_TRUE(decision_has(&decision, expected[i]));
	EXPECT_TRUE(!decision_has(&decision, VERDICT_STAGE_ADMISSION)); /* it has no limits */
	EXPECT_TRUE(decision_allows(&decision));
	EXPECT_INT(facts.trunk, 0);
	EXPECT_INT(decision.route, 1);
	const struct verdict *v = decision_verdict(&decision);
	EXPECT_INT(v->stage, VERDICT_STAGE_ROUTE);
	EXPECT_TRUE(str_eq(v->rule, STR("all")) && v->line == 20);
	EXPECT_TRUE(str_eq(decision.of[VERDICT_STAGE_IDENTIFY].rule, STR("carrier")));
	EXPECT_INT(decision.of[VERDICT_STAGE_IDENTIFY].line, 9);
	stop();
}

static void the_first_that_refuses_decides_and_the_rest_is_not_asked(void **unused)
{
	(void)unused;
	start();
	facts.source = ip("192.0.2.1");
	EXPECT_INT(policy_source(&ask).outcome, VERDICT_DROP);
	EXPECT_TRUE(!decision_has(&decision, VERDICT_STAGE_RATE));
	EXPECT_INT(decision_verdict(&decision)->stage, VERDICT_STAGE_ACL);
	EXPECT_TRUE(!decision_allows(&decision));
	EXPECT_INT(state.counts.of[VERDICT_STAGE_ACL][VERDICT_DROP], 1);
	EXPECT_INT(state.counts.of[VERDICT_STAGE_RATE][VERDICT_ALLOW], 0);
	stop();
}

static void a_peek_says_what_would_be_and_changes_nothing(void **unused)
{
	(void)unused;
	start();
	ask.peek = true;
	for (unsigned i = 0; i < 100; i++)
		EXPECT_INT(policy_source(&ask).outcome, VERDICT_ALLOW);
	EXPECT_INT(state.counts.of[VERDICT_STAGE_ACL][VERDICT_ALLOW], 0);
	ask.peek = false;
	for (unsigned i = 0; i < 2; i++)
		EXPECT_INT(policy_source(&ask).outcome, VERDICT_ALLOW);
	ask.peek = true;
	for (unsigned i = 0; i < 100; i++)
		EXPECT_INT(policy_source(&ask).status, 503);
	ask.peek = false;
	facts.now_ms += 100; /* one more, as if nobody had looked */
	EXPECT_INT(policy_source(&ask).outcome, VERDICT_ALLOW);
	EXPECT_INT(policy_source(&ask).outcome, VERDICT_REJECT);
	stop();
}

static void
an_emergency_call_is_not_asked_about_limits_and_what_they_said_before_is_void(void **unused)
{
	(void)unused;
	start();
	while (policy_source(&ask).outcome == VERDICT_ALLOW)
		;
	EXPECT_TRUE(!decision_allows(&decision));
	facts.emergency = true;
	EXPECT_INT(policy_source(&ask).outcome, VERDICT_ALLOW);
	EXPECT_TRUE(decision_allows(&decision));
	facts.source =
		ip("192.0.2.1"); /* who may not speak here at all may not call for help either */
	EXPECT_INT(policy_source(&ask).outcome, VERDICT_DROP);
	EXPECT_TRUE(!policy_spares_emergency(VERDICT_STAGE_ACL));
	EXPECT_TRUE(policy_spares_emergency(VERDICT_STAGE_FRAUD));
	EXPECT_TRUE(!policy_spares_emergency(VERDICT_STAGE_ROUTE));
	stop();
}

static void a_registered_user_is_its_group_where_its_source_is_no_trunk(void **unused)
{
	(void)unused;
	start();
	facts.source = ip("203.0.113.5");
	EXPECT_INT(policy_who(&ask).outcome, VERDICT_REJECT);
	facts.user = STR("anna@example.net");
	facts.user_trunk = 1;
	EXPECT_INT(policy_who(&ask).outcome, VERDICT_ALLOW);
	EXPECT_INT(facts.trunk, 1);
	trunks[1].realm = 1; /* of another side */
	EXPECT_INT(policy_who(&ask).outcome, VERDICT_REJECT);
	stop();
}

static void a_stage_that_cannot_tell_refuses_unless_it_is_told_to_accept(void **unused)
{
	static const struct rule_place place = {STR("a.yaml"), 30};
	(void)unused;

	start();
	struct verdict v = policy_failed(VERDICT_STAGE_GEO, STR("country"), place, false);
	policy_add(&ask, &v);
	EXPECT_INT(decision_verdict(&decision)->status, 503);
	EXPECT_INT(decision_verdict(&decision)->line, 30);
	v = policy_failed(VERDICT_STAGE_GEO, STR("country"), place, true);
	policy_add(&ask, &v);
	EXPECT_TRUE(decision_allows(&decision));
	EXPECT_INT(state.counts.failed[VERDICT_STAGE_GEO], 2);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stages_are_asked_in_their_order_and_each_leaves_its_verdict),
		cmocka_unit_test(the_first_that_refuses_decides_and_the_rest_is_not_asked),
		cmocka_unit_test(a_peek_says_what_would_be_and_changes_nothing),
		cmocka_unit_test(
			an_emergency_call_is_not_asked_about_limits_and_what_they_said_before_is_void),
		cmocka_unit_test(a_registered_user_is_its_group_where_its_source_is_no_trunk),
		cmocka_unit_test(a_stage_that_cannot_tell_refuses_unless_it_is_told_to_accept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
