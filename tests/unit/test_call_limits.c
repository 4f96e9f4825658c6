/* Limits of calls through the core: of a caller, a number, the node; and how long a call may last. */
#include <stdio.h>

#include "sbc/core/admission.h"
#include "sbc/core/call.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t;
static struct site_call k;

static void give(enum quota_kind kind, struct quota_rule rule)
{
	struct admission_rule *a = &t.realm_rules[SITE_OUTSIDE].admission;

	a->name = STR("edge");
	a->has_calls = true;
	a->calls[kind] = rule;
}

static void stop(size_t cdrs)
{
	site_event(&t, &(struct event){.type = EVENT_STOP});
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], NULL);
	site_expect_empty(&t, cdrs);
	EXPECT_INT(t.sbc->policy.quotas.used, 0);
	EXPECT_INT(t.sbc->policy.quotas.repaired, 0);
	site_stop(&t);
}

static void one_caller_has_its_share_and_gets_it_back_when_its_call_ends(void **state)
{
	(void)state;
	site_init(&t);
	give(QUOTA_CALLER, (struct quota_rule){.sessions = 1});
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	EXPECT_INT(t.sbc->policy.quotas.used, 1);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 1);
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 503"), "Retry-After: 10\r\n"));
	EXPECT_TRUE(site_cdr_has(&t, "policy:caller-sessions"));
	site_hang_up(&t, &k);
	EXPECT_INT(t.sbc->policy.quotas.used, 0);
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, "3", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 0);
	stop(3);
}

static void one_number_is_called_so_often_and_not_more(void **state)
{
	(void)state;
	site_init(&t);
	give(QUOTA_DESTINATION, (struct quota_rule){.rate = {1, 20 * 1000, 2}});
	site_start(&t);
	for (unsigned i = 0; i < 4; i++) {
		char id[8];
		snprintf(id, sizeof(id), "%u", i);
		site_invite(&t, SITE_CARRIER, id, NULL, SITE_SDP_OUT);
	}
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 2);
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 503"), "Retry-After: 21\r\n"));
	EXPECT_TRUE(site_cdr_has(&t, "policy:destination-rate"));
	stop(4);
}

static void the_node_takes_on_calls_at_its_rate_and_emergency_calls_beside(void **state)
{
	(void)state;
	site_init(&t);
	t.set.policy.node_calls = (struct rate_rule){1, 10 * 1000, 1};
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 1);
	EXPECT_TRUE(site_cdr_has(&t, "policy:node-rate"));
	t.routes[0].emergency = true;
	site_invite(&t, SITE_CARRIER, "3", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 1);
	stop(3);
}

static void a_count_of_a_caller_that_has_drifted_is_repaired(void **state)
{
	struct facts lost = {.realm = SITE_OUTSIDE, .caller = STR("+49lost"), .number = STR("1")};
	struct quota_held nobody;
	(void)state;

	site_init(&t);
	give(QUOTA_CALLER, (struct quota_rule){.sessions = 5});
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	quota_begin(&t.set.policy, &t.sbc->policy.quotas, &lost, &nobody);
	EXPECT_INT(t.sbc->policy.quotas.used, 2);
	t.now_ms += ADMISSION_RECOUNT_MS;
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(t.sbc->policy.quotas.used, 1);
	EXPECT_INT(t.sbc->policy.quotas.repaired, 1);
	t.sbc->policy.quotas.repaired = 0;
	site_hang_up(&t, &k);
	stop(2);
}

static void a_call_that_has_lasted_long_enough_ends_on_both_sides_with_a_reason(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].limit_duration_ms = 60 * 1000;
	t.trunks[SITE_PBX].limit_duration_ms = 90 * 1000; /* the shorter one counts */
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	ports_rec_clear(&t.rec);
	site_tick(&t, 59 * 1000);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	site_tick(&t, 1000);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	EXPECT_TRUE(site_has(site_find(&t, "BYE "),
			     "Reason: Q.850;cause=102;text=\"limit_duration\"\r\n"));
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], NULL);
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"limit_duration\""));
	EXPECT_TRUE(site_cdr_has(&t, "\"q850\":102"));
	site_tick(&t, 60 * 1000);
	stop(1);
}

static void an_emergency_call_lasts_as_long_as_it_lasts(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].limit_duration_ms = 60 * 1000;
	t.routes[0].emergency = true;
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	ports_rec_clear(&t.rec);
	site_tick(&t, 100 * 1000);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	site_hang_up(&t, &k);
	stop(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_caller_has_its_share_and_gets_it_back_when_its_call_ends),
		cmocka_unit_test(one_number_is_called_so_often_and_not_more),
		cmocka_unit_test(the_node_takes_on_calls_at_its_rate_and_emergency_calls_beside),
		cmocka_unit_test(a_count_of_a_caller_that_has_drifted_is_repaired),
		cmocka_unit_test(
			a_call_that_has_lasted_long_enough_ends_on_both_sides_with_a_reason),
		cmocka_unit_test(an_emergency_call_lasts_as_long_as_it_lasts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
