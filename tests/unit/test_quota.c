#include "policy/quota.h"

#include <stdio.h>

#include "policy/policy.h"
#include "tests/support/check.h"

static const struct siphash_key key = {{7}};
static struct realm_rule realm;
static struct trunk_rule trunks[2];
static struct policy_config config;
static struct quotas quotas;

static void start(void)
{
	realm = (struct realm_rule){.name = STR("outside")};
	realm.admission = (struct admission_rule){.name = STR("edge"), .place = {STR("a.yaml"), 5}};
	realm.admission.has_calls = true;
	trunks[0] = (struct trunk_rule){.name = STR("carrier")};
	trunks[1] = (struct trunk_rule){.name = STR("phones"), .place = {STR("a.yaml"), 9}};
	config = (struct policy_config){
		.realms = &realm, .realm_count = 1, .trunks = trunks, .trunk_count = 2};
	EXPECT_ERR(quotas_init(&quotas, 1000, &key), OK);
}

static void stop(void)
{
	EXPECT_INT(quotas.used, 0);
	EXPECT_INT(quotas.repaired, 0);
	quotas_release(&quotas);
}

static struct facts call_of(const char *user, const char *caller, const char *number)
{
	return (struct facts){.trunk = user[0] ? 1 : 0,
			      .user = str_from(user),
			      .user_trunk = 1,
			      .caller = str_from(caller),
			      .number = str_from(number),
			      .now_ms = 1000000};
}

static struct verdict try_call(const struct facts *f, struct quota_held *held)
{
	struct quotas_asked asked;
	struct verdict v = quota_judge(&config, &quotas, f, &asked);

	if (v.outcome == VERDICT_ALLOW) {
		quota_take(&config, &quotas, &asked, f->now_ms);
		quota_begin(&config, &quotas, f, held);
	}
	return v;
}

static void only_who_has_used_up_what_he_may_have_is_refused(void **unused)
{
	const struct {
		const char *name;
		enum quota_kind kind;
		struct quota_rule rule;
		struct facts first, other; /* of the same, and of another */
		const char *rule_name;
		unsigned status, retry_after;
	} rows[] = {
		{"a caller's calls at one time",
		 QUOTA_CALLER,
		 {.sessions = 1},
		 call_of("", "+491", "+1"),
		 call_of("", "+492", "+1"),
		 "caller-sessions",
		 503,
		 10},
		{"a caller's new calls",
		 QUOTA_CALLER,
		 {.rate = {1, 10000, 1}},
		 call_of("", "+491", "+1"),
		 call_of("", "+492", "+1"),
		 "caller-rate",
		 503,
		 11},
		{"calls to one number at one time",
		 QUOTA_DESTINATION,
		 {.sessions = 1},
		 call_of("", "+491", "+1"),
		 call_of("", "+491", "+2"),
		 "destination-sessions",
		 503,
		 10},
		{"new calls to one number",
		 QUOTA_DESTINATION,
		 {.rate = {1, 10000, 1}},
		 call_of("", "+491", "+1"),
		 call_of("", "+491", "+2"),
		 "destination-rate",
		 503,
		 11},
		{"a user's calls at one time: it is told 403",
		 QUOTA_USER,
		 {.sessions = 1},
		 call_of("anna@example.net", "1", "+1"),
		 call_of("bob@example.net", "1", "+1"),
		 "user-sessions",
		 403,
		 0},
		{"a user's new calls by the rule of its group",
		 QUOTA_GROUP,
		 {.rate = {1, 10000, 1}},
		 call_of("anna@example.net", "1", "+1"),
		 call_of("bob@example.net", "1", "+1"),
		 "user-rate",
		 403,
		 0},
	};
	(void)unused;

	CHECK_TABLE(row, rows)
	{
		struct quota_held held = {.keys = {0}}, more = {.keys = {0}};
		struct quotas_asked asked;
		start();
		if (row->kind == QUOTA_GROUP)
			trunks[1].per_user = row->rule;
		else
			realm.admission.calls[row->kind] = row->rule;
		EXPECT_INT(try_call(&row->first, &held).outcome, VERDICT_ALLOW);
		for (unsigned i = 0; i < 3; i++) {
			struct verdict v = try_call(&row->first, &more);
			EXPECT_INT(v.outcome, VERDICT_REJECT);
			EXPECT_INT(v.stage, VERDICT_STAGE_ADMISSION);
			EXPECT_INT(v.status, row->status);
			EXPECT_INT(v.retry_after_s, row->retry_after);
			EXPECT_Z(v.rule, row->rule_name);
			EXPECT_INT(v.line, row->kind == QUOTA_GROUP ? 9 : 5);
		}
		EXPECT_INT(try_call(&row->other, &more).outcome, VERDICT_ALLOW);
		quota_end(&quotas, &more);
		quota_end(&quotas, &held);
		if (row->rule.sessions)
			EXPECT_INT(quota_judge(&config, &quotas, &row->first, &asked).outcome,
				   VERDICT_ALLOW);
		stop();
	}
}

static void a_caller_that_nobody_knows_is_no_caller(void **unused)
{
	struct facts f = call_of("", "", "+1");
	struct quota_held held;
	(void)unused;

	start();
	realm.admission.calls[QUOTA_CALLER] = (struct quota_rule){.sessions = 1};
	for (unsigned i = 0; i < 3; i++)
		EXPECT_INT(try_call(&f, &held).outcome, VERDICT_ALLOW);
	stop();
}

static void where_a_transfer_leads_counts_and_who_is_transferred_does_not(void **unused)
{
	struct facts f = call_of("", "+491", "+1");
	struct quota_held held, more = {.keys = {0}};
	(void)unused;

	start();
	realm.admission.calls[QUOTA_CALLER] = (struct quota_rule){.sessions = 1};
	realm.admission.calls[QUOTA_DESTINATION] = (struct quota_rule){.sessions = 1};
	EXPECT_INT(try_call(&f, &held).outcome, VERDICT_ALLOW);
	f.cause = FACTS_TRANSFERRED;
	EXPECT_Z(try_call(&f, &more).rule, "destination-sessions");
	f.number = STR("+2");
	EXPECT_INT(try_call(&f, &more).outcome, VERDICT_ALLOW);
	quota_end(&quotas, &more);
	quota_end(&quotas, &held);
	stop();
}

static void the_node_takes_on_so_many_new_calls(void **unused)
{
	struct facts f = call_of("", "", "+1");
	struct quota_held held;
	(void)unused;

	start();
	config.node_calls = (struct rate_rule){2, 1000, 2};
	config.node_place = (struct rule_place){STR("a.yaml"), 2};
	EXPECT_INT(try_call(&f, &held).outcome, VERDICT_ALLOW);
	EXPECT_INT(try_call(&f, &held).outcome, VERDICT_ALLOW);
	struct verdict v = try_call(&f, &held);
	EXPECT_Z(v.rule, "node-rate");
	EXPECT_INT(v.line, 2);
	f.now_ms += 500;
	EXPECT_INT(try_call(&f, &held).outcome, VERDICT_ALLOW);
	stop();
}

/* Thousands of names that come and go, against a plain list of them. */
static void counts_are_right_through_any_coming_and_going_and_a_mistake_is_repaired(void **unused)
{
	enum { CALLS = 600, STEPS = 20000, NAMES = 50 };
	static struct quota_held held[CALLS];
	static unsigned name_of[CALLS], live[NAMES];
	static char names[NAMES][16];
	uint32_t r = 1;
	(void)unused;

	start();
	realm.admission.calls[QUOTA_CALLER] = (struct quota_rule){.sessions = 100000};
	for (unsigned i = 0; i < NAMES; i++)
		snprintf(names[i], sizeof(names[i]), "+49%u", i);
	for (unsigned step = 0; step < STEPS; step++) {
		r = r * 1664525 + 1013904223;
		const unsigned c = (r >> 8) % CALLS;
		if (held[c].keys[QUOTA_CALLER]) {
			quota_end(&quotas, &held[c]);
			live[name_of[c]]--;
		} else {
			name_of[c] = (r >> 20) % NAMES;
			struct facts f = call_of("", names[name_of[c]], "+1");
			EXPECT_INT(try_call(&f, &held[c]).outcome, VERDICT_ALLOW);
			live[name_of[c]]++;
		}
	}
	for (unsigned i = 0; i < NAMES; i++) {
		struct facts f = call_of("", names[i], "+1");
		EXPECT_INT(quota_live(&config, &quotas, &f, QUOTA_CALLER), live[i]);
	}
	/* Two mistakes: one that was never given back, one that is held and not counted. */
	struct facts lost = call_of("", "+49lost", "+1");
	struct quota_held nobody;
	quota_begin(&config, &quotas, &lost, &nobody);
	for (unsigned c = 0; c < CALLS; c++)
		if (held[c].keys[QUOTA_CALLER]) {
			struct quota_held copy = held[c];
			quota_end(&quotas, &copy);
			break;
		}
	for (unsigned c = 0; c < CALLS; c++)
		quotas_recount_add(&quotas, &held[c]);
	quotas_recount_end(&quotas);
	EXPECT_INT(quotas.repaired, 2);
	EXPECT_INT(quota_live(&config, &quotas, &lost, QUOTA_CALLER), 0);
	for (unsigned i = 0; i < NAMES; i++) {
		struct facts f = call_of("", names[i], "+1");
		EXPECT_INT(quota_live(&config, &quotas, &f, QUOTA_CALLER), live[i]);
	}
	quotas.repaired = 0;
	for (unsigned c = 0; c < CALLS; c++)
		quota_end(&quotas, &held[c]);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_has_used_up_what_he_may_have_is_refused),
		cmocka_unit_test(a_caller_that_nobody_knows_is_no_caller),
		cmocka_unit_test(where_a_transfer_leads_counts_and_who_is_transferred_does_not),
		cmocka_unit_test(the_node_takes_on_so_many_new_calls),
		cmocka_unit_test(
			counts_are_right_through_any_coming_and_going_and_a_mistake_is_repaired),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
