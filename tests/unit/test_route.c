#include "policy/route.h"
#include "policy/pattern.h"
#include "tests/support/check.h"

static char memory[64 * 1024];
static struct arena arena;

static const struct route_pattern *pattern(const char *z)
{
	const struct route_pattern *p;
	char text[64];
	struct buf why;
	buf_init(&why, text, sizeof(text));
	assert_int_equal(pattern_compile(&arena, str_from(z), &p, &why), OK);
	return p;
}

/* Realms: 0 outside, 1 inside. Trunks: 0 carrier, 1 pbx, 2 spare. */
static size_t make_routes(struct route_rule *r)
{
	memset(r, 0, 6 * sizeof(*r));
	r[0] = (struct route_rule){.name = STR("emergency"),
				   .from_realms = {1},
				   .from_realm_count = 1,
				   .numbers = {pattern("^(110|112)$"), pattern("^911$")},
				   .number_count = 2,
				   .to = {0},
				   .to_count = 1,
				   .place = {STR("a.yaml"), 10}};
	r[1] = (struct route_rule){.name = STR("pstn-in"),
				   .from_trunks = {0},
				   .from_trunk_count = 1,
				   .numbers = {pattern("^\\+49")},
				   .number_count = 1,
				   .to = {1},
				   .to_count = 1};
	r[2] = (struct route_rule){.name = STR("blocked"),
				   .any_from = true,
				   .numbers = {pattern("^\\+882")},
				   .number_count = 1,
				   .reject_status = 403,
				   .reject_reason = STR("Not here")};
	r[3] = (struct route_rule){.name = STR("to-domain"),
				   .any_from = true,
				   .domains = {STR("example.net"), STR("example.org")},
				   .domain_count = 2,
				   .to = {1},
				   .to_count = 1};
	r[4] = (struct route_rule){.name = STR("both"),
				   .from_realms = {1},
				   .from_realm_count = 1,
				   .from_trunks = {2},
				   .from_trunk_count = 1,
				   .numbers = {pattern("^\\+")},
				   .number_count = 1,
				   .domains = {STR("gw.example")},
				   .domain_count = 1,
				   .to = {0},
				   .to_count = 1};
	return 5;
}

/* A number that is too hard for a pattern: one that lets in does not, one that keeps out does. */
static void what_a_pattern_cannot_say_is_no_way_around_it(void **state)
{
	(void)state;
	static const char hard[] = "1111111111111111111111111111111111111111111111111111111111112";
	struct route_rule r[2] = {
		{.name = STR("hard"),
		 .any_from = true,
		 .numbers = {pattern("^(1|11|111)+[34]$")},
		 .number_count = 1,
		 .reject_status = 403},
		{.name = STR("rest"), .any_from = true, .to = {1}, .to_count = 1}};
	const struct policy_config c = {.routes = r, .route_count = 2};
	struct facts f = {.number = str_from(hard)};
	uint16_t at = 77;

	assert_false(pattern_matches(r[0].numbers[0], f.number));
	assert_true(pattern_may_match(r[0].numbers[0], f.number));
	struct verdict v = route_find(&c, &f, &at);
	EXPECT_Z(v.rule, "hard");
	EXPECT_INT(v.status, 403);
	f.number = STR("112"); /* an easy one */
	v = route_find(&c, &f, &at);
	EXPECT_Z(v.rule, "rest");
	r[0].reject_status = 0;
	f.number = str_from(hard);
	v = route_find(&c, &f, &at);
	EXPECT_Z(v.rule, "rest");
	EXPECT_INT(at, 1);
}

static void test_find(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t realm, trunk;
		const char *number, *domain;
		const char *rule;
		uint16_t status; /* 0: allowed */
	} rows[] = {
		{"a number from a realm takes the first route that fits", 1, 1, "112", "x",
		 "emergency", 0},
		{"any of several numbers fits", 1, 1, "911", "x", "emergency", 0},
		{"the same number from another realm does not", 0, 0, "112", "x", "no-route", 404},
		{"a trunk is meant by its name", 0, 0, "+4930555", "x", "pstn-in", 0},
		{"another trunk of that realm is not", 0, 2, "+4930555", "x", "no-route", 404},
		{"a route that rejects says its status", 1, 1, "+8821", "gw.example", "blocked",
		 403},
		{"a domain without case", 0, 0, "bob", "Example.ORG", "to-domain", 0},
		{"a subdomain is another domain", 0, 0, "bob", "a.example.org", "no-route", 404},
		{"realm or trunk: by the realm", 1, 1, "+1", "gw.example", "both", 0},
		{"realm or trunk: by the trunk", 0, 2, "+1", "gw.example", "both", 0},
		{"number and domain must both hold", 1, 1, "+1", "other.example", "no-route", 404},
		{"an unidentified source is no trunk", 0, POLICY_NO_INDEX, "+4930555", "x",
		 "no-route", 404},
		{"an empty number fits no number", 1, 1, "", "x", "no-route", 404},
	};
	struct route_rule routes[6];
	arena_init(&arena, memory, sizeof(memory));
	const struct policy_config c = {.routes = routes, .route_count = make_routes(routes)};
	CHECK_TABLE(row, rows)
	{
		struct facts f = {.realm = row->realm,
				  .trunk = row->trunk,
				  .number = str_from(row->number),
				  .domain = str_from(row->domain)};
		uint16_t at = 77;
		struct verdict v = route_find(&c, &f, &at);
		EXPECT_Z(v.rule, row->rule);
		EXPECT_INT(v.outcome, row->status ? VERDICT_REJECT : VERDICT_ALLOW);
		EXPECT_INT(v.status, row->status);
		EXPECT_INT(v.stage, VERDICT_STAGE_ROUTE);
		EXPECT_TRUE((at == 77) == (row->status != 0));
		if (row->status == 0)
			EXPECT_Z(routes[at].name, row->rule);
		if (str_eq(v.rule, STR("emergency")))
			EXPECT_INT(v.line, 10);
		if (row->status == 403)
			EXPECT_Z(v.reason, "Not here");
		if (row->status == 404)
			EXPECT_Z(v.reason, "No route");
	}
}

static void test_retry(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned cause;
		bool want;
	} rows[] = {
		{"a status that is listed goes on", 503, true},
		{"a status that is not listed ends the hunt", 486, false},
		{"a timeout that is listed goes on", ROUTE_CAUSE_TIMEOUT, true},
		{"a TLS failure that is not listed ends the hunt", ROUTE_CAUSE_TLS, false},
		{"nothing is not a cause", 0, false},
		{"a number beyond 16 bits is not cut down to one that is listed", 65536 + 503,
		 false},
	};
	const struct route_rule r = {.failure_codes = {408, 503, ROUTE_CAUSE_TIMEOUT},
				     .failure_code_count = 3};
	CHECK_TABLE(row, rows)
	EXPECT_TRUE(route_is_retried(&r, row->cause) == row->want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(what_a_pattern_cannot_say_is_no_way_around_it),
		cmocka_unit_test(test_retry),
	};
	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
