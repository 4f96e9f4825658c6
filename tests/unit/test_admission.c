#include "sbc/core/admission.h"

#include <stdio.h>
#include <string.h>

#include "sbc/core/call.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t;
static struct site_call k;

static const struct admit_state *live(unsigned trunk)
{
	return admission_of(t.sbc, t.trunks[trunk].name);
}

static void stop(size_t cdrs)
{
	site_event(&t, &(struct event){.type = EVENT_STOP});
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], NULL);
	site_expect_empty(&t, cdrs);
	for (unsigned i = 0; i < SITE_TRUNKS; i++)
		for (unsigned d = 0; live(i) && d < ADMIT_DIRECTION_COUNT; d++)
			EXPECT_INT(live(i)->live[d], 0);
	site_stop(&t);
}

static void a_call_above_the_trunks_limit_is_refused_and_the_others_go_on(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].admit = (struct admit_rule){.live = {[ADMIT_IN] = 1}};
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	EXPECT_INT(live(SITE_CARRIER)->live[ADMIT_IN], 1);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 1);
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 503"), "Retry-After: 10\r\n"));
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	EXPECT_TRUE(site_cdr_has(&t, "policy:inbound"));
	EXPECT_INT(live(SITE_CARRIER)->live[ADMIT_IN], 1);
	/* The one that is there talks on, and with its end there is room. */
	site_hang_up(&t, &k);
	EXPECT_INT(live(SITE_CARRIER)->live[ADMIT_IN], 0);
	site_invite(&t, SITE_CARRIER, "3", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 100"), 1);
	stop(3);
}

static void a_trunk_that_may_have_no_more_is_passed_over(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].admit = (struct admit_rule){.live = {[ADMIT_OUT] = 1}};
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	EXPECT_INT(live(SITE_PBX)->live[ADMIT_OUT], 1);
	EXPECT_TRUE(live(SITE_CARRIER) == NULL);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 1);
	EXPECT_TRUE(site_cdr_has(&t, "policy:outbound"));
	EXPECT_INT(live(SITE_PBX)->live[ADMIT_OUT], 1);
	site_hang_up(&t, &k);
	stop(2);
}

static void an_attempt_that_fails_gives_its_place_back(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_PBX].admit = (struct admit_rule){.live = {[ADMIT_OUT] = 1}};
	site_start(&t);
	for (int i = 0; i < 3; i++) {
		char id[16];
		snprintf(id, sizeof(id), "%d", i);
		ports_rec_clear(&t.rec);
		site_invite(&t, SITE_CARRIER, id, NULL, SITE_SDP_OUT);
		site_relay(&t, SITE_SDP_RELAY);
		struct rec_send invite = *site_find(&t, "INVITE ");
		EXPECT_INT(live(SITE_PBX)->live[ADMIT_OUT], 1);
		site_answer(&t, &invite, 486, "b1", NULL, NULL);
		while (t.rec.open_count[0])
			site_relay_to(&t, t.rec.open[0][0], NULL);
		EXPECT_INT(live(SITE_PBX)->live[ADMIT_OUT], 0);
	}
	stop(3);
}

static void emergency_calls_are_never_refused_and_count(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].admit =
		(struct admit_rule){.sessions = 1, .rate = {1, 3600 * 1000, 1}};
	t.trunks[SITE_PBX].admit = (struct admit_rule){.sessions = 1};
	for (int i = 0; i < 2; i++)
		t.routes[i].emergency = true;
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_INT(site_count(&t, "INVITE "), 1);
	EXPECT_INT(live(SITE_CARRIER)->live[ADMIT_IN], 2);
	EXPECT_INT(live(SITE_PBX)->live[ADMIT_OUT], 2);
	site_hang_up(&t, &k);
	stop(2);
}

static void new_calls_above_the_rate_are_refused_and_told_when(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].admit = (struct admit_rule){.rate = {1, 30 * 1000, 2}};
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 0);
	site_invite(&t, SITE_CARRIER, "3", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 1);
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 503"), "Retry-After: 31\r\n"));
	EXPECT_TRUE(site_cdr_has(&t, "policy:rate"));
	stop(3);
}

/* A count that is wrong, whatever the reason, refuses no one a minute later. */
static void a_recount_repairs_what_has_drifted(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].admit = (struct admit_rule){.sessions = 2};
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	EXPECT_INT(t.sbc->policy.admissions.repaired, 0);
	t.sbc->policy.admissions.list[0].state.live[ADMIT_IN] = 2;
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 1);
	site_tick(&t, ADMISSION_RECOUNT_MS + 1000);
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, "3", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 0);
	EXPECT_INT(live(SITE_CARRIER)->live[ADMIT_IN], 2);
	EXPECT_INT(t.sbc->policy.admissions.repaired, 1);
	site_hang_up(&t, &k);
	stop(3);
}

static void a_reload_keeps_the_count_by_the_trunks_name(void **state)
{
	(void)state;
	site_init(&t);
	t.trunks[SITE_CARRIER].admit = (struct admit_rule){.live = {[ADMIT_IN] = 5}};
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	struct trunk trunks[SITE_TRUNKS];
	memcpy(trunks, t.trunks, sizeof(trunks));
	struct settings next = t.set;
	next.trunks = trunks;
	trunks[SITE_CARRIER].admit.live[ADMIT_IN] = 1;
	site_event(&t, &(struct event){.type = EVENT_SETTINGS, .settings = &next});
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 1);
	site_hang_up(&t, &k);
	EXPECT_INT(live(SITE_CARRIER)->live[ADMIT_IN], 0);
	stop(2);
}

static void set_rate(uint32_t count, uint32_t per_ms, uint32_t burst)
{
	t.realm_rules[SITE_OUTSIDE].admission =
		(struct admission_rule){.name = STR("edge"), .requests = {count, per_ms, burst}};
}

static void a_trunk_that_asks_too_fast_gets_503_and_its_calls_talk_on(void **state)
{
	(void)state;
	site_init(&t);
	set_rate(1, 60 * 1000, 1);
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 1);
	EXPECT_TRUE(site_has(site_find(&t, "SIP/2.0 503"), "Retry-After: "));
	EXPECT_INT(site_count(&t, "SIP/2.0 100"), 0);
	/* What belongs to the call is not asked about, nor are answers. */
	site_hang_up(&t, &k);
	stop(1);
}

static void a_stranger_that_asks_too_fast_is_not_looked_at(void **state)
{
	(void)state;
	site_init(&t);
	set_rate(2, 60 * 1000, 2);
	site_start(&t);
	struct flow f = t.outside;
	EXPECT_ERR(addr_parse_ip(STR("203.0.113.77"), &f.remote), OK);
	f.remote.port = 5060;
	for (int i = 0; i < 10; i++)
		site_request(&t, &f, "OPTIONS", "");
	EXPECT_INT(t.rec.drops[NOTICE_DROP_RATE], 8);
	/* Another one is heard. */
	EXPECT_ERR(addr_parse_ip(STR("203.0.113.78"), &f.remote), OK);
	site_request(&t, &f, "OPTIONS", "");
	EXPECT_INT(t.rec.drops[NOTICE_DROP_RATE], 8);
	stop(0);
}

static void an_emergency_call_of_a_trunk_passes_its_rate(void **state)
{
	(void)state;
	site_init(&t);
	set_rate(1, 60 * 1000, 1);
	for (int i = 0; i < 2; i++)
		t.routes[i].emergency = true;
	site_start(&t);
	site_establish(&t, &k, NULL, NULL);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 100"), 1);
	site_hang_up(&t, &k);
	stop(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_above_the_trunks_limit_is_refused_and_the_others_go_on),
		cmocka_unit_test(a_trunk_that_may_have_no_more_is_passed_over),
		cmocka_unit_test(an_attempt_that_fails_gives_its_place_back),
		cmocka_unit_test(emergency_calls_are_never_refused_and_count),
		cmocka_unit_test(new_calls_above_the_rate_are_refused_and_told_when),
		cmocka_unit_test(a_recount_repairs_what_has_drifted),
		cmocka_unit_test(a_reload_keeps_the_count_by_the_trunks_name),
		cmocka_unit_test(a_trunk_that_asks_too_fast_gets_503_and_its_calls_talk_on),
		cmocka_unit_test(a_stranger_that_asks_too_fast_is_not_looked_at),
		cmocka_unit_test(an_emergency_call_of_a_trunk_passes_its_rate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
