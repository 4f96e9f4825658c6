/*
 * A stage that cannot know, or has no room left, never lets through by accident: what is missing has a name that rules see, a full
 * table forgets who has done least, an error refuses unless the rule says otherwise. One row for each stage that can fail; those that
 * need a service or a store have theirs in test_opinion, test_stir, test_destinations_watch, test_handover and the world.
 */
#include <stdio.h>

#include "policy/attest.h"
#include "policy/opinion.h"
#include "policy/policy.h"
#include "sbc/config.h"
#include "tests/support/check.h"

static const char head[] =
	"realms:\n"
	"  out: { listen: [ { transport: udp, address: 127.0.0.1, port: 5070 } ], trust: low, "
	"media_policy: any, admission: edge }\n"
	"  in: { trust: high, listen: [ { transport: udp, address: 127.0.0.2, port: 5080 } ] }\n"
	"media_policies: { any: { rtp: allow, srtp: allow } }\n"
	"admission:\n  edge: { requests: { per_source: 2/1h, burst: 2 }, calls: { per_caller: { "
	"rate: 2/1h, burst: 2 } } }\n"
	"trunks:\n"
	"  carrier: { realm: out, peers: [ { target: \"sip:127.0.0.9\" } ], identify: { source: "
	"[127.0.0.0/8] } }\n"
	"  pbx: { realm: in, peers: [ { target: \"sip:127.0.0.8\" } ] }\n"
	"routes:\n  - { to: [pbx] }\n";

static const struct siphash_key key = {{5}};
static struct settings *set;
static struct policy_state state;
static struct facts facts;
static struct decision decision;
static struct policy_ask ask;

static void open_world(const char *more)
{
	static char text[8192];
	struct conf_report report;
	int n = snprintf(text, sizeof(text), "%s%s", head, more);

	EXPECT_ERR(conf_report_init(&report), OK);
	enum err e = config_load_text(STR("test"), (struct str){text, (size_t)n}, &report, &set);
	for (size_t i = 0; e != OK && i < report.count; i++)
		print_message("%.*s\n", STR_ARG(report.messages[i].text));
	assert_int_equal(e, OK);
	conf_report_release(&report);
	EXPECT_ERR(policy_init(&state, 100, &key), OK);
	EXPECT_ERR(fraud_apply(&state.fraud, set->policy.fraud), OK);
	facts = (struct facts){.trunk = 0,
			       .identified = true,
			       .fresh = true,
			       .user_trunk = POLICY_NO_INDEX,
			       .number = STR("+4930555"),
			       .caller = STR("+4930777"),
			       .now_ms = 1000000,
			       .wall_ms = 1767571200000ull};
	EXPECT_ERR(addr_parse_ip(STR("127.1.1.1"), &facts.source), OK);
	ask = (struct policy_ask){
		.config = &set->policy, .state = &state, .facts = &facts, .decision = &decision};
}

static void close_world(void)
{
	policy_release(&state);
	config_free(set);
	set = NULL;
}

static struct verdict run(enum verdict_stage s)
{
	decision_init(&decision);
	return policy_run(&ask, s, s);
}

static void where_nothing_is_known_of_a_place_rules_see_that(void **unused)
{
	static const struct {
		const char *name, *when;
		enum verdict_outcome outcome;
		uint16_t status;
	} rows[] = {
		{"without a database those who may come are nobody", "country_not: [DE, FR]",
		 VERDICT_REJECT, 403},
		{"unless the rule says that the unknown may", "country_not: [DE, unknown]",
		 VERDICT_ALLOW, 0},
		{"who is kept out by country is not known to be there", "country: [CU]",
		 VERDICT_ALLOW, 0},
		{"unless the rule keeps the unknown out", "country: [CU, unknown]", VERDICT_REJECT,
		 403},
		{"a network that may come is nobody's", "asn_not: [64500]", VERDICT_REJECT, 403},
	};
	(void)unused;
	CHECK_TABLE(row, rows)
	{
		char more[512];
		snprintf(more, sizeof(more),
			 "geo:\n  country: tests/data/geo/country.mmdb\n  asn: "
			 "tests/data/geo/asn.mmdb\n  rules: [ { name: g, when: { %s }, action: "
			 "reject } ]\n",
			 row->when);
		open_world(more);
		const struct verdict v = run(VERDICT_STAGE_GEO);
		EXPECT_INT(v.outcome, row->outcome);
		EXPECT_INT(v.status, row->status);
		if (row->status)
			EXPECT_TRUE(str_eq(v.rule, STR("g")) && v.line > 0);
		close_world();
	}
}

/* Whoever has used up what he may have is the last to be forgotten. */
static void a_full_table_of_sources_forgets_no_one_who_is_over_his_rate(void **unused)
{
	(void)unused;
	open_world("");
	for (unsigned i = 0; i < 2; i++)
		EXPECT_INT(run(VERDICT_STAGE_RATE).outcome, VERDICT_ALLOW);
	EXPECT_INT(run(VERDICT_STAGE_RATE).outcome, VERDICT_REJECT);
	const struct addr flooder = facts.source;
	for (uint32_t i = 1; i <= 2 * POLICY_SOURCES_MAX; i++) {
		facts.source.ip[1] = (uint8_t)(2 + (i >> 16));
		facts.source.ip[2] = (uint8_t)(i >> 8);
		facts.source.ip[3] = (uint8_t)i;
		(void)run(VERDICT_STAGE_RATE);
	}
	facts.source = flooder;
	const struct verdict v = run(VERDICT_STAGE_RATE);
	EXPECT_INT(v.outcome, VERDICT_REJECT);
	EXPECT_INT(v.status, 503); /* to a trunk */
	EXPECT_STR(v.rule, STR("edge"));
	close_world();
}

static void a_full_table_of_callers_forgets_no_one_who_is_over_his_rate(void **unused)
{
	(void)unused;
	char number[32];
	open_world("");
	ask.direction = ADMIT_IN;
	for (unsigned i = 0; i < 2; i++)
		EXPECT_INT(run(VERDICT_STAGE_ADMISSION).outcome, VERDICT_ALLOW);
	EXPECT_INT(run(VERDICT_STAGE_ADMISSION).outcome, VERDICT_REJECT);
	for (uint32_t i = 0; i < 400000; i++) {
		snprintf(number, sizeof(number), "+49%u", i);
		facts.caller = str_from(number);
		(void)run(VERDICT_STAGE_ADMISSION);
	}
	facts.caller = STR("+4930777");
	const struct verdict v = run(VERDICT_STAGE_ADMISSION);
	EXPECT_INT(v.outcome, VERDICT_REJECT);
	EXPECT_STR(v.rule, STR("caller-rate"));
	close_world();
}

static void a_full_table_of_a_fraud_rule_forgets_no_one_who_is_over_it(void **unused)
{
	(void)unused;
	char number[32];
	open_world("fraud:\n  keys: 64\n  rules: [ { name: many, count: calls, by: caller, over: "
		   "3/1h, action: reject } ]\n");
	for (unsigned i = 0; i < 3; i++)
		EXPECT_INT(run(VERDICT_STAGE_FRAUD).outcome, VERDICT_ALLOW);
	EXPECT_INT(run(VERDICT_STAGE_FRAUD).outcome, VERDICT_REJECT);
	for (uint32_t i = 0; i < 2000; i++) {
		snprintf(number, sizeof(number), "+49%u", i);
		facts.caller = str_from(number);
		EXPECT_INT(run(VERDICT_STAGE_FRAUD).outcome, VERDICT_ALLOW);
	}
	facts.caller = STR("+4930777");
	const struct verdict v = run(VERDICT_STAGE_FRAUD);
	EXPECT_INT(v.outcome, VERDICT_REJECT);
	EXPECT_STR(v.rule, STR("many"));
	close_world();
}

static void what_cannot_be_found_out_is_as_the_rule_says(void **unused)
{
	static const struct {
		const char *name;
		enum facts_verstat verstat;
		enum facts_fault fault;
		uint16_t status; /* 0: goes on */
		bool failed;
	} rows[] = {
		{"a certificate that cannot be had refuses", FACTS_VERSTAT_FAILED, FACTS_FAULT_INFO,
		 436, false},
		{"unless the policy takes such calls", FACTS_VERSTAT_FAILED, FACTS_FAULT_INFO, 0,
		 false},
		{"no time to look refuses, and is an alarm", FACTS_VERSTAT_UNKNOWN,
		 FACTS_FAULT_OURS, 500, true},
		{"with on_error it is an alarm, and goes on", FACTS_VERSTAT_UNKNOWN,
		 FACTS_FAULT_OURS, 0, true},
	};
	(void)unused;
	CHECK_TABLE(row, rows)
	{
		open_world("");
		struct attest_policy p = {.name = STR("p")};
		p.on_fault[FACTS_FAULT_INFO] = (struct attest_action){true, 436};
		p.on_fault[FACTS_FAULT_OURS] = (struct attest_action){true, 500};
		if (row->status == 0)
			p.on_fault[row->fault].reject = false;
		struct trunk_rule trunks[1] = {set->policy.trunks[0]};
		trunks[0].attest = &p;
		struct policy_config c = set->policy;
		c.trunks = trunks;
		c.trunk_count = 1;
		ask.config = &c;
		facts.verstat = row->verstat;
		facts.fault = row->fault;
		const struct verdict v = run(VERDICT_STAGE_IDENTITY);
		EXPECT_INT(v.outcome, row->status ? VERDICT_REJECT : VERDICT_ALLOW);
		EXPECT_INT(v.status, row->status);
		EXPECT_INT(v.failed, row->failed);
		EXPECT_U64(state.counts.failed[VERDICT_STAGE_IDENTITY], row->failed);
		close_world();
	}
}

static void an_opinion_that_is_not_had_is_as_on_error_says_and_counted(void **unused)
{
	(void)unused;
	for (unsigned accept = 0; accept < 2; accept++) {
		char more[256];
		uint16_t trunk;
		snprintf(more, sizeof(more),
			 "opinion: { url: \"http://127.0.0.1:1/\", on_error: %s }\n",
			 accept ? "accept" : "reject");
		open_world(more);
		const struct verdict v = opinion_judge(&set->policy, NULL, &trunk);
		decision_init(&decision);
		policy_add(&ask, &v);
		EXPECT_INT(v.outcome, accept ? VERDICT_ALLOW : VERDICT_REJECT);
		EXPECT_INT(v.status, accept ? 0 : 503);
		EXPECT_TRUE(v.failed && v.line > 0);
		EXPECT_U64(state.counts.failed[VERDICT_STAGE_OPINION], 1);
		close_world();
	}
}

static void a_table_of_destinations_that_is_missing_is_a_mistake_of_the_file(void **unused)
{
	struct conf_report report;
	struct settings *none = NULL;
	static char text[8192];
	bool said = false;
	(void)unused;

	int n = snprintf(
		text, sizeof(text),
		"%sfraud:\n  destinations: tests/data/fraud/none-of-this-name.csv\n  rules: [ "
		"{ name: premium, when: { class: [premium] }, action: reject } ]\n",
		head);
	EXPECT_ERR(conf_report_init(&report), OK);
	EXPECT_TRUE(config_load_text(STR("test"), (struct str){text, (size_t)n}, &report, &none) !=
		    OK);
	for (size_t i = 0; i < report.count; i++)
		said = said || (str_has_prefix(report.messages[i].text, STR("test:")) &&
				str_find(report.messages[i].text, STR("none-of-this-name")) <
					report.messages[i].text.len);
	EXPECT_TRUE(said);
	EXPECT_TRUE(none == NULL);
	conf_report_release(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_nothing_is_known_of_a_place_rules_see_that),
		cmocka_unit_test(a_full_table_of_sources_forgets_no_one_who_is_over_his_rate),
		cmocka_unit_test(a_full_table_of_callers_forgets_no_one_who_is_over_his_rate),
		cmocka_unit_test(a_full_table_of_a_fraud_rule_forgets_no_one_who_is_over_it),
		cmocka_unit_test(what_cannot_be_found_out_is_as_the_rule_says),
		cmocka_unit_test(an_opinion_that_is_not_had_is_as_on_error_says_and_counted),
		cmocka_unit_test(a_table_of_destinations_that_is_missing_is_a_mistake_of_the_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
