/* Rules of fraud and the core: what is refused, what a call costs while it lasts, what ends, what is counted of calls that fail. */
#include "sbc/core/fraud_watch.h"

#include <stdio.h>

#include "sbc/core/call.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t;
static struct site_call k;
static struct destinations table;
static struct fraud_rule rules[2];
static struct fraud_config config;

enum { PULSE = FRAUD_PULSE_MS };

/* The number that the site's calls are to costs ten a minute: one a pulse. */
static void start(const struct fraud_rule *first, const struct fraud_rule *second)
{
	static const char text[] = "49,Germany,fixed,10,DE\n"
				   "49900,Germany 0900,premium,60,DE\n";
	struct destinations_fault fault;

	EXPECT_ERR(destinations_parse(&table, str_from(text), &fault), OK);
	site_init(&t);
	rules[0] = *first;
	rules[1] = second ? *second : (struct fraud_rule){.name = STR("none")};
	config = (struct fraud_config){.destinations = &table,
				       .rules = rules,
				       .count = second ? 2 : 1,
				       .prefixes = {STR("+")},
				       .prefix_count = 1};
	for (size_t i = 0; i < config.count; i++) {
		if (rules[i].moment == FRAUD_AT_NONE)
			rules[i].moment = fraud_moment(rules[i].measure);
		rules[i].keys = 64;
		config.moments |= 1u << rules[i].moment;
	}
	t.set.policy.fraud = &config;
	site_start(&t);
}

static void stop(void)
{
	site_stop(&t);
	destinations_release(&table);
}

static void answer_relay(void)
{
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
}

static void a_call_of_a_kind_that_is_not_wanted_never_leaves(void **state)
{
	(void)state;
	start(&(struct fraud_rule){.name = STR("no-germany"),
				   .place = {STR("test.yaml"), 7},
				   .when = {.given = true, .classes = 1u << DESTINATION_FIXED},
				   .does = {.status = 603}},
	      NULL);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 603"), 1);
	EXPECT_INT(site_count(&t, "INVITE "), 0);
	EXPECT_Z(str_from(t.rec.rule), "no-germany");
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"policy:no-germany\""));
	stop();
}

static const struct fraud_rule cap = {.name = STR("cap"),
				      .measure = FRAUD_COST,
				      .by = SUBJECT_TRUNK,
				      .over = 5 * DESTINATION_MONEY,
				      .span_ms = 24 * 3600 * 1000,
				      .does = {.status = 403, .end_calls = true}};

static void what_an_emergency_costs_is_not_asked(void **state)
{
	(void)state;
	start(&(struct fraud_rule){.name = STR("no-germany"), .does = {.status = 603}}, &cap);
	site_stop(&t);
	t.routes[0].emergency = true;
	site_start(&t);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 603"), 0);
	EXPECT_TRUE(site_the_call(&t) && !site_the_call(&t)->watch);
	stop();
}

static void a_call_ends_when_its_pulses_have_cost_too_much(void **state)
{
	(void)state;
	start(&cap, NULL);
	site_establish(&t, &k, NULL, NULL);
	for (unsigned i = 0; i < 4; i++)
		site_tick(&t, PULSE);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	/* Five are paid; the sixth would be too much, and is not begun. */
	site_tick(&t, PULSE - 1);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	site_tick(&t, 1);
	site_tick(&t, 0);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	EXPECT_INT(t.rec.notices[NOTICE_FRAUD], 1);
	answer_relay();
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"policy:cap\""));
	EXPECT_TRUE(site_cdr_has(&t, "\"ended_by\":\"us\""));
	/* And the trunk has no money left for another. */
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, "2", NULL, SITE_SDP_OUT);
	EXPECT_INT(site_count(&t, "SIP/2.0 403"), 1);
	stop();
}

static void a_reload_changes_nothing_of_what_was_spent(void **state)
{
	(void)state;
	start(&cap, NULL);
	site_establish(&t, &k, NULL, NULL);
	for (unsigned i = 0; i < 3; i++)
		site_tick(&t, PULSE);
	struct settings next = t.set;
	struct fraud_config other = config;
	next.policy.fraud = &other;
	site_event(&t, &(struct event){.type = EVENT_SETTINGS, .settings = &next});
	site_tick(&t, PULSE);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	site_tick(&t, PULSE);
	site_tick(&t, 0);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	answer_relay();
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"policy:cap\""));
	stop();
}

static void who_hangs_up_pays_no_more(void **state)
{
	(void)state;
	start(&cap, NULL);
	for (unsigned i = 0; i < 2; i++) {
		site_establish(&t, &k, NULL, NULL);
		site_tick(&t, PULSE);
		site_hang_up(&t, &k);
		site_tick(&t, 20 * PULSE);
		ports_rec_clear(&t.rec);
	}
	/* Two pulses of each. */
	const struct str trunk = t.set.policy.trunks[SITE_CARRIER].name;
	const uint64_t key = siphash(&t.sbc->policy.fraud.secret, trunk.p, trunk.len) | 1;
	EXPECT_U64(fraud_count_now(&t.sbc->policy.fraud.counts[0], key, t.now_ms),
		   4 * DESTINATION_MONEY);
	site_expect_empty(&t, 2);
	stop();
}

static void early_media_that_no_one_answers_ends(void **state)
{
	(void)state;
	start(&(struct fraud_rule){.name = STR("early"),
				   .measure = FRAUD_EARLY,
				   .by = SUBJECT_DESTINATION,
				   .over = 2 * PULSE,
				   .span_ms = 3600 * 1000,
				   .does = {.end_calls = true}},
	      NULL);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	struct rec_send invite = *site_sent(&t, 0);
	site_answer(&t, &invite, 183, "b1", NULL, SITE_SDP_IN);
	answer_relay();
	site_tick(&t, PULSE);
	EXPECT_INT(site_count(&t, "SIP/2.0 403"), 0);
	site_tick(&t, PULSE);
	site_tick(&t, 0);
	EXPECT_INT(site_count(&t, "SIP/2.0 403"), 1);
	EXPECT_INT(site_count(&t, "CANCEL "), 1);
	answer_relay();
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"policy:early\""));
	stop();
}

static void ringing_and_answers_without_a_rule_for_them_cost_nothing(void **state)
{
	(void)state;
	start(&(struct fraud_rule){.name = STR("calls"),
				   .measure = FRAUD_CALLS,
				   .by = SUBJECT_SOURCE,
				   .over = 100,
				   .span_ms = 1000,
				   .does = {.status = 403}},
	      NULL);
	site_establish(&t, &k, NULL, NULL);
	EXPECT_TRUE(!site_the_call(&t)->watch);
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	stop();
}

static void who_gives_up_and_who_is_refused_are_told_apart(void **state)
{
	(void)state;
	static const struct fraud_rule bait = {.name = STR("bait"),
					       .measure = FRAUD_UNANSWERED,
					       .by = SUBJECT_CALLER,
					       .over = 2,
					       .span_ms = 600 * 1000,
					       .where = {.given = true, .ring_below_ms = 4000},
					       .moment = FRAUD_AT_END,
					       .does = {.alert = true}};
	static const struct fraud_rule failing = {.name = STR("failing"),
						  .measure = FRAUD_FAILED,
						  .by = SUBJECT_CALLER,
						  .over = 1,
						  .span_ms = 600 * 1000,
						  .does = {.alert = true}};

	start(&bait, &failing);
	for (unsigned i = 0; i < 5; i++) {
		char id[8];
		snprintf(id, sizeof(id), "%u", i);
		site_invite(&t, SITE_CARRIER, id, NULL, SITE_SDP_OUT);
		site_relay(&t, SITE_SDP_RELAY);
		struct rec_send invite = *site_find(&t, "INVITE ");
		site_answer(&t, &invite, 180, "b1", NULL, NULL);
		site_tick(&t, i == 0 ? 5000 : 1000); /* the first rings for longer */
		if (i < 4)
			site_cancel(&t, SITE_CARRIER, id);
		else
			site_answer(&t, &invite, 404, "b1", NULL, NULL);
		EXPECT_INT(t.rec.notices[NOTICE_FRAUD], i >= 3);
		answer_relay();
		ports_rec_clear(&t.rec);
	}
	stop();
}

static void strangers_that_are_refused_are_counted(void **state)
{
	(void)state;
	static const struct flow stranger = {.id = 99, .transport = TRANSPORT_TCP};

	start(&(struct fraud_rule){.name = STR("scanner"),
				   .measure = FRAUD_REFUSED,
				   .by = SUBJECT_SOURCE,
				   .over = 3,
				   .span_ms = 60000,
				   .does = {.ban_s = 3600}},
	      NULL);
	struct flow f = t.outside;
	EXPECT_ERR(addr_parse(STR("192.0.2.77:5060"), &f.remote), OK);
	f.id = stranger.id;
	f.listener = SITE_LISTEN_OUT_TLS;
	f.transport = TRANSPORT_TLS;
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_INT(t.rec.notices[NOTICE_BAN], 0);
		site_request(&t, &f, "INVITE", NULL);
		site_tick(&t, 1000);
	}
	EXPECT_INT(t.rec.notices[NOTICE_FRAUD], 1);
	EXPECT_INT(t.rec.notices[NOTICE_BAN], 1);
	/* Whom the operator lets off begins anew. */
	struct ban v;
	const struct subject who = {.kind = SUBJECT_SOURCE, .source = {f.remote, 32}};
	EXPECT_TRUE(sbc_unban(t.sbc, &who, (struct ban_time){t.now_ms, t.sbc->wall_ms}, &v));
	for (unsigned i = 0; i < 4; i++) {
		EXPECT_INT(t.rec.notices[NOTICE_BAN], 2); /* and its lifting */
		site_request(&t, &f, "INVITE", NULL);
		site_tick(&t, 1000);
	}
	EXPECT_INT(t.rec.notices[NOTICE_BAN], 3);
	stop();
}

/* How many of the calls a rule wants ended so far. */
static unsigned marked(void)
{
	uint32_t cursor = 0;
	unsigned n = 0;
	id_t64 id;
	const struct call *c;

	while ((c = pool_next(&t.sbc->calls, &cursor, &id)) != NULL)
		n += c->watch && c->watch->ends;
	return n;
}

static void order_end(const char *caller)
{
	const struct consequence x = {.type = CONSEQUENCE_END_CALLS,
				      .subject = {.kind = SUBJECT_TRUNK, .name = str_from(caller)},
				      .rule = cap.name};

	t.sbc->now_ms = t.now_ms;
	fraud_end_order(t.sbc, &x);
}

/* The alarm alone: what ends of it would fill the record of what is sent. */
static void look(void)
{
	t.now_ms += FRAUD_END_EVERY_MS;
	t.sbc->now_ms = t.now_ms;
	fraud_end_on_alarm(t.sbc);
}

/* Each attempt above a rule orders it: among so many calls none may hold up the others. */
static void many_calls_are_ended_some_at_a_time(void **state)
{
	enum { CALLS = 700 };

	(void)state;
	start(&cap, NULL);
	for (unsigned i = 0; i < CALLS; i++) {
		char id[16];
		snprintf(id, sizeof(id), "m%u", i);
		site_invite(&t, SITE_CARRIER, id, NULL, SITE_SDP_OUT);
		ports_rec_clear(&t.rec);
	}
	const char *trunk = t.set.trunks[SITE_CARRIER].name.p;
	site_tick(&t, FRAUD_END_EVERY_MS);
	order_end(trunk);
	EXPECT_INT(marked(), FRAUD_END_AT_ONCE);
	/* The same again costs nothing now, and finds what has come meanwhile. */
	for (unsigned i = 0; i < 100; i++)
		order_end(trunk);
	EXPECT_INT(marked(), FRAUD_END_AT_ONCE);
	EXPECT_INT(t.sbc->fraud_ends.count, 1);
	look();
	EXPECT_INT(marked(), 2 * FRAUD_END_AT_ONCE);
	/* More subjects than are kept: the rule will say it again. */
	for (unsigned i = 0; i < 2 * FRAUD_END_ORDERS_MAX; i++) {
		char other[16];
		snprintf(other, sizeof(other), "other%u", i);
		order_end(other);
	}
	EXPECT_INT(t.sbc->fraud_ends.count, FRAUD_END_ORDERS_MAX);
	EXPECT_INT(t.sbc->fraud_ends.full, FRAUD_END_ORDERS_MAX + 1);
	for (unsigned i = 0; i < FRAUD_END_ORDERS_MAX * (CALLS / FRAUD_END_AT_ONCE + 1); i++)
		look();
	EXPECT_INT(t.sbc->fraud_ends.count, 0);
	EXPECT_INT(marked(), CALLS);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_of_a_kind_that_is_not_wanted_never_leaves),
		cmocka_unit_test(what_an_emergency_costs_is_not_asked),
		cmocka_unit_test(a_call_ends_when_its_pulses_have_cost_too_much),
		cmocka_unit_test(a_reload_changes_nothing_of_what_was_spent),
		cmocka_unit_test(who_hangs_up_pays_no_more),
		cmocka_unit_test(early_media_that_no_one_answers_ends),
		cmocka_unit_test(ringing_and_answers_without_a_rule_for_them_cost_nothing),
		cmocka_unit_test(who_gives_up_and_who_is_refused_are_told_apart),
		cmocka_unit_test(strangers_that_are_refused_are_counted),
		cmocka_unit_test(many_calls_are_ended_some_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
