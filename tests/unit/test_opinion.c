/* External opinion: what is asked, what an answer may say, and what becomes of the call. */
#include "policy/opinion.h"

#include <stdio.h>

#include "sbc/core/breaker.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

enum { ARENA = 64 * 1024 };
static char arena_mem[ARENA];

/* ---- the answer */

static void answers_are_read_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		enum err e;
		enum opinion_word word;
		uint16_t status;
		const char *reason, *trunk;
	} rows[] = {
		{"accept", "{\"verdict\":\"accept\"}", OK, OPINION_ACCEPT, 0, "", ""},
		{"reject is 403 where no status is given", "{\"verdict\":\"reject\"}", OK,
		 OPINION_REJECT, 403, "", ""},
		{"a refusal with its status and reason",
		 "{\"verdict\":\"reject\",\"status\":603,\"reason\":\"Not Today\"}", OK,
		 OPINION_REJECT, 603, "Not Today", ""},
		{"route names a trunk", "{\"verdict\":\"route\",\"trunk\":\"pbx\"}", OK,
		 OPINION_ROUTE, 0, "", "pbx"},
		{"what is not known is passed over", "{\"score\":[1,{}],\"verdict\":\"accept\"}",
		 OK, OPINION_ACCEPT, 0, "", ""},
		{"a word in capitals is none", "{\"verdict\":\"Accept\"}", ERR_BAD, 0, 0, "", ""},
		{"no word is none", "{}", ERR_BAD, 0, 0, "", ""},
		{"a number is no word", "{\"verdict\":1}", ERR_BAD, 0, 0, "", ""},
		{"a list is no answer", "[\"accept\"]", ERR_BAD, 0, 0, "", ""},
		{"a bare word is no answer", "accept", ERR_BAD, 0, 0, "", ""},
		{"nothing is no answer", "", ERR_BAD, 0, 0, "", ""},
		{"a half is none", "{\"verdict\":\"accept\"", ERR_BAD, 0, 0, "", ""},
		{"two are none", "{\"verdict\":\"accept\"}{}", ERR_BAD, 0, 0, "", ""},
		{"200 is no refusal", "{\"verdict\":\"reject\",\"status\":200}", ERR_BAD, 0, 0, "",
		 ""},
		{"nor is a challenge that nobody could answer",
		 "{\"verdict\":\"reject\",\"status\":407}", ERR_BAD, 0, 0, "", ""},
		{"nor is 700", "{\"verdict\":\"reject\",\"status\":700}", ERR_BAD, 0, 0, "", ""},
		{"nor a status that is no number", "{\"verdict\":\"reject\",\"status\":\"high\"}",
		 ERR_BAD, 0, 0, "", ""},
		{"a reason is one line",
		 "{\"verdict\":\"reject\",\"reason\":\"No\\r\\nX-Evil: 1\"}", ERR_BAD, 0, 0, "",
		 ""},
		{"a reason is not long",
		 "{\"verdict\":\"reject\",\"reason\":\"0123456789012345678901234567890123456789"
		 "0123456789012345678901234\"}",
		 ERR_BAD, 0, 0, "", ""},
		{"route needs a trunk", "{\"verdict\":\"route\"}", ERR_BAD, 0, 0, "", ""},
	};
	CHECK_TABLE(r, rows)
	{
		struct arena a;
		struct opinion_answer x = {.status = 1};
		arena_init(&a, arena_mem, sizeof(arena_mem));
		EXPECT_ERR(opinion_read(str_from(r->text), &a, &x), r->e);
		if (r->e != OK) {
			EXPECT_INT(x.status, 1); /* untouched */
			continue;
		}
		EXPECT_INT(x.word, r->word);
		EXPECT_INT(x.status, r->status);
		EXPECT_Z(x.reason, r->reason);
		EXPECT_Z(x.trunk, r->trunk);
	}
	static char much[OPINION_ANSWER_MAX + 2];
	struct arena a;
	struct opinion_answer x;
	memset(much, ' ', sizeof(much));
	memcpy(much, "{\"verdict\":\"accept\"}", 20);
	arena_init(&a, arena_mem, sizeof(arena_mem));
	assert_int_equal(opinion_read((struct str){much, OPINION_ANSWER_MAX}, &a, &x), OK);
	assert_int_equal(opinion_read((struct str){much, OPINION_ANSWER_MAX + 1}, &a, &x),
			 ERR_LIMIT);
}

/* ---- the breaker: one row a state and what happens in it */

static void the_breaker_opens_rests_and_tries(void **state)
{
	(void)state;
	const struct breaker_rule r = {.failures = 2, .rest_ms = 1000};
	struct breaker b = {.state = BREAKER_CLOSED};
	assert_true(breaker_ask(&b, 10));
	assert_false(breaker_failed(&b, &r, 10));
	assert_false(
		breaker_worked(&b)); /* a success between two failures: they were not in a row */
	assert_false(breaker_failed(&b, &r, 20));
	assert_true(breaker_failed(&b, &r, 30));
	assert_false(breaker_failed(&b, &r, 40)); /* asked before it opened */
	assert_false(breaker_ask(&b, 1029));
	assert_true(breaker_ask(&b, 1030));
	assert_int_equal(b.state, BREAKER_TRIAL);
	assert_false(breaker_ask(&b, 1031)); /* one only */
	assert_false(breaker_failed(&b, &r, 1040));
	assert_false(breaker_ask(&b, 2039));
	assert_true(breaker_ask(&b, 2040));
	breaker_dropped(&b, 2050); /* who tried hung up: the next one tries */
	assert_true(breaker_ask(&b, 2050));
	assert_true(breaker_worked(&b));
	assert_int_equal(b.state, BREAKER_CLOSED);
	const struct breaker_rule never = {.failures = 0};
	for (unsigned i = 0; i < 100; i++)
		assert_false(breaker_failed(&b, &never, 3000));
	assert_true(breaker_ask(&b, 3000));
}

/* ---- through the core */

static struct site site;
static struct opinion_rule rule;
static struct route_rule routes[2];

static void set_up(bool accept_on_error)
{
	site_init(&site);
	rule = (struct opinion_rule){.name = STR("opinion"),
				     .trunk = POLICY_NO_INDEX,
				     .accept_on_error = accept_on_error,
				     .timeout_ms = 100,
				     .place = {STR("site.yaml"), 9}};
	site.set.policy.opinion = &rule;
	site.set.opinion = (struct opinion_settings){
		.path = STR("/"), .in_flight = 2, .breaker = {.failures = 3, .rest_ms = 1000}};
	site.set.opinion.server.family = ADDR_IP4;
	site_start(&site);
}

static void answer(id_t64 id, uint16_t status, const char *body)
{
	struct event e = {.type = EVENT_OPINION};
	e.opinion.id = id;
	e.opinion.status = status;
	e.opinion.body = str_from(body);
	site_event(&site, &e);
}

static struct sbc_counts counts(void)
{
	struct sbc_counts c;
	sbc_count(site.sbc, &c);
	return c;
}

static bool answered(const char *start)
{
	for (size_t i = 0; i < site_sent_count(&site); i++)
		if (site_is(site_sent(&site, i), start))
			return true;
	return false;
}

/* Nothing of it is left but what lingers as after any call. */
static void stop(void)
{
	site_event(&site, &(struct event){.type = EVENT_STOP});
	site_event(&site, &(struct event){.type = EVENT_STOP});
	assert_int_equal(counts().opinions, 0);
	assert_int_equal(counts().pooled_setups, 0);
	site_stop(&site);
}

static void a_call_waits_for_the_answer_and_goes_on_with_it(void **state)
{
	(void)state;
	set_up(false);
	site_invite(&site, SITE_CARRIER, "a", "", SITE_SDP_OUT);
	assert_true(answered("SIP/2.0 100 "));
	assert_int_equal(site.rec.opinions, 1);
	assert_int_equal(site.rec.relay_count, 0); /* nobody else is troubled meanwhile */
	assert_int_equal(counts().opinions, 1);
	assert_non_null(strstr(site.rec.opinion, "\"trunk\":\"carrier\""));
	assert_non_null(strstr(site.rec.opinion, "\"source\":\"198.51.100.7\""));
	assert_non_null(strstr(site.rec.opinion, "\"cause\":\"dialled\""));
	assert_non_null(strstr(site.rec.opinion, "\"number\":"));
	answer(site.rec.opinion_id, 200, "{\"verdict\":\"accept\"}");
	assert_string_equal(site.rec.why, "accept");
	assert_int_equal(site.rec.relay_count, 1);
	assert_int_equal(counts().opinions, 0);
	stop();
}

static void a_call_that_is_rejected_gets_its_status_and_reason_and_a_record(void **state)
{
	(void)state;
	set_up(true);
	site_invite(&site, SITE_CARRIER, "a", "", SITE_SDP_OUT);
	answer(site.rec.opinion_id, 200,
	       "{\"verdict\":\"reject\",\"status\":608,\"reason\":\"Rejected\"}");
	assert_true(answered("SIP/2.0 608 Rejected"));
	assert_string_equal(site.rec.why, "reject");
	assert_string_equal(site.rec.rule, "opinion");
	assert_non_null(strstr(site.rec.cdr, "\"cause\":\"policy:opinion\""));
	stop();
}

static void what_nobody_can_use_is_no_answer(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint16_t status;
		const char *body, *why;
	} rows[] = {
		{"an error of HTTP", 0, "", "failed"},
		{"no JSON", 200, "<html>", "bad"},
		{"a trunk that does not exist", 200, "{\"verdict\":\"route\",\"trunk\":\"x\"}",
		 "bad"},
		{"a trunk that may not be named", 200,
		 "{\"verdict\":\"route\",\"trunk\":\"carrier\"}", "bad"},
	};
	CHECK_TABLE(r, rows)
	for (int accept = 0; accept < 2; accept++) {
		set_up(accept);
		rule.to[0] = SITE_PBX;
		rule.to_count = 1;
		site_invite(&site, SITE_CARRIER, "a", "", SITE_SDP_OUT);
		answer(site.rec.opinion_id, r->status, r->body);
		EXPECT_Z(str_from(site.rec.why), r->why);
		EXPECT_INT(answered("SIP/2.0 503 "), !accept);
		EXPECT_INT(site.rec.relay_count, accept);
		stop();
	}
}

/* Else a caller could see to it that nobody is asked, where `on_error` accepts. */
static void a_question_that_is_too_long_is_no_way_around_it(void **state)
{
	(void)state;
	char text[13000];

	set_up(true);
	snprintf(text, sizeof(text),
		 "INVITE sip:+4930555@%09000d SIP/2.0\r\n"
		 "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-a\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:+49171@198.51.100.7>;tag=a\r\n"
		 "To: <sip:+4930555@203.0.113.1>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n"
		 "Contact: <sip:alice@198.51.100.7>\r\nContent-Length: 0\r\n\r\n",
		 1);
	site_message(&site, &site.outside, text);
	assert_int_equal(site.rec.opinions, 0);
	assert_true(answered("SIP/2.0 414 "));
	assert_string_equal(site.rec.rule, "opinion");
	assert_string_equal(site.rec.why, "too-long");
	assert_int_equal(site.rec.relay_count, 0);
	stop();
}

/* Texts of the callers and ours at their longest, in the worst notation. */
static void all_that_a_number_may_be_fits_into_a_question(void **state)
{
	(void)state;
	static char bad[256], json[OPINION_QUESTION_MAX];
	const struct str worst = {bad, sizeof(bad)};
	const struct policy_config c = {.realm_count = 0};
	const struct facts f = {.trunk = POLICY_NO_INDEX,
				.realm = POLICY_NO_INDEX,
				.user = worst,
				.caller = worst,
				.number = worst,
				.domain = worst};
	struct buf b;

	memset(bad, 0x80, sizeof(bad));
	buf_init(&b, json, sizeof(json));
	opinion_write(&b, &c, &f, worst);
	assert_false(b.overflow);
	assert_true(b.len > 5 * 6 * sizeof(bad));
}

static void who_is_late_has_said_nothing(void **state)
{
	(void)state;
	set_up(true);
	site_invite(&site, SITE_CARRIER, "a", "", SITE_SDP_OUT);
	site_tick(&site, 99);
	assert_int_equal(site.rec.relay_count, 0);
	site_tick(&site, 1);
	assert_string_equal(site.rec.why, "late");
	assert_int_equal(site.rec.relay_count, 1);
	/* It comes after all: it finds nothing. */
	answer(site.rec.opinion_id, 200, "{\"verdict\":\"reject\"}");
	assert_int_equal(site.rec.drops[NOTICE_DROP_STALE], 1);
	assert_false(answered("SIP/2.0 403 "));
	stop();
}

static void a_caller_that_hangs_up_does_not_wait_for_it(void **state)
{
	(void)state;
	set_up(false);
	site_invite(&site, SITE_CARRIER, "a", "", SITE_SDP_OUT);
	site_cancel(&site, SITE_CARRIER, "a");
	assert_true(answered("SIP/2.0 487 "));
	assert_int_equal(counts().opinions, 0);
	answer(site.rec.opinion_id, 200, "{\"verdict\":\"accept\"}");
	assert_int_equal(site.rec.drops[NOTICE_DROP_STALE], 1);
	assert_int_equal(site.rec.relay_count, 0);
	stop();
}

static void so_many_wait_and_no_more(void **state)
{
	(void)state;
	set_up(false);
	site_invite(&site, SITE_CARRIER, "a", "", SITE_SDP_OUT);
	site_invite(&site, SITE_CARRIER, "b", "", SITE_SDP_OUT);
	assert_false(answered("SIP/2.0 503 "));
	site_invite(&site, SITE_CARRIER, "c", "", SITE_SDP_OUT);
	assert_int_equal(site.rec.opinions, 2);
	assert_string_equal(site.rec.why, "full");
	assert_true(answered("SIP/2.0 503 "));
	stop();
}

static void a_service_that_fails_is_left_alone_and_tried_once(void **state)
{
	(void)state;
	char id[2] = "a";
	set_up(true);
	for (unsigned i = 0; i < 3; i++, id[0]++) {
		site_invite(&site, SITE_CARRIER, id, "", SITE_SDP_OUT);
		answer(site.rec.opinion_id, 0, "");
	}
	assert_true(counts().opinion_rests);
	assert_int_equal(site.rec.notices[NOTICE_OPINION_RESTS], 1);
	site_invite(&site, SITE_CARRIER, id, "", SITE_SDP_OUT);
	assert_int_equal(site.rec.opinions, 3);
	assert_string_equal(site.rec.why, "resting");
	site_tick(&site, 1000);
	id[0]++;
	site_invite(&site, SITE_CARRIER, id, "", SITE_SDP_OUT);
	assert_int_equal(site.rec.opinions, 4);
	id[0]++;
	site_invite(&site, SITE_CARRIER, id, "", SITE_SDP_OUT); /* beside the trial */
	assert_int_equal(site.rec.opinions, 4);
	answer(site.rec.opinion_id, 200, "{\"verdict\":\"accept\"}");
	assert_false(counts().opinion_rests);
	assert_int_equal(site.rec.notices[NOTICE_OPINION_RESTS], 2);
	stop();
}

static void an_answer_sends_a_call_to_a_trunk_that_it_may_name(void **state)
{
	(void)state;
	set_up(false);
	rule.to[0] = SITE_CARRIER;
	rule.to_count = 1;
	/* From the PBX: routes lead to the carrier anyway; from the carrier they lead to the PBX. */
	site_invite(&site, SITE_CARRIER, "a", "", SITE_SDP_OUT);
	answer(site.rec.opinion_id, 200, "{\"verdict\":\"route\",\"trunk\":\"carrier\"}");
	assert_string_equal(site.rec.why, "route");
	site_relay(&site, SITE_SDP_RELAY);
	const struct rec_send *out = site_sent(&site, 0);
	assert_true(site_is(out, "INVITE "));
	assert_int_equal(out->dest.flow.listener, SITE_LISTEN_OUT_UDP);
	stop();
}

/* RFC 3261 21.5.4: who asked for a rest has it, whoever sends the call there. */
static void an_answer_sends_no_call_to_a_peer_that_is_shut(void **state)
{
	(void)state;
	set_up(true);
	rule.to[0] = SITE_CARRIER;
	rule.to_count = 1;
	site.trunks[SITE_CARRIER].health = (struct health_rule){
		.on = true, .failures = 100, .rest_ms = 1000, .return_ms = 1000};
	site_invite(&site, SITE_PBX, "a", "", SITE_SDP_IN);
	answer(site.rec.opinion_id, 200, "{\"verdict\":\"accept\"}");
	site_relay(&site, SITE_SDP_RELAY);
	assert_true(site_is(site_sent(&site, 0), "INVITE "));
	site_answer(&site, site_sent(&site, 0), 503, "b", "Retry-After: 60\r\n", NULL);
	site_invite(&site, SITE_CARRIER, "b", "", SITE_SDP_OUT);
	answer(site.rec.opinion_id, 200, "{\"verdict\":\"route\",\"trunk\":\"carrier\"}");
	assert_true(answered("SIP/2.0 503 "));
	assert_string_equal(site.rec.rule, "peers-down");
	stop();
}

static void calls_of_others_and_emergency_calls_are_not_asked_about(void **state)
{
	(void)state;
	set_up(false);
	rule.from_trunks[0] = SITE_PBX;
	rule.from_trunk_count = 1;
	site_invite(&site, SITE_CARRIER, "a", "", SITE_SDP_OUT);
	assert_int_equal(site.rec.opinions, 0);
	site_invite(&site, SITE_PBX, "b", "", SITE_SDP_IN);
	assert_int_equal(site.rec.opinions, 1);
	stop();
	set_up(false);
	memcpy(routes, site.routes, sizeof(routes));
	routes[0].emergency = true;
	site.set.policy.routes = routes;
	site_invite(&site, SITE_CARRIER, "a", "", SITE_SDP_OUT);
	assert_int_equal(site.rec.opinions, 0);
	assert_int_equal(site.rec.relay_count, 1);
	stop();
}

/* ---- a service that is called */

static struct trunk trunks[3];
static struct trunk_rule trunk_rules[3];
static struct peer service;

/* The third trunk is the service, outside; the call comes from the PBX, and goes to the carrier. */
static void set_up_trunk(bool accept_on_error)
{
	site_init(&site);
	memcpy(trunks, site.trunks, sizeof(site.trunks));
	memcpy(trunk_rules, site.trunk_rules, sizeof(site.trunk_rules));
	trunks[2] = site.trunks[SITE_CARRIER];
	trunks[2].name = STR("service");
	service = site.carrier[0];
	service.uri = service.host = STR("198.51.100.99");
	trunks[2].peers = &service;
	trunks[2].peer_count = 1;
	trunks[2].habits.redirects = 5;
	trunk_rules[2] = (struct trunk_rule){.name = STR("service"), .realm = SITE_OUTSIDE};
	site.set.trunks = trunks;
	site.set.trunk_count = 3;
	site.set.policy.trunks = trunk_rules;
	site.set.policy.trunk_count = 3;
	rule = (struct opinion_rule){.name = STR("opinion"),
				     .trunk = 2,
				     .accept_on_error = accept_on_error,
				     .timeout_ms = 300};
	site.set.policy.opinion = &rule;
	site_start(&site);
	site_invite(&site, SITE_PBX, "a", "", SITE_SDP_IN);
	site_relay(&site, SITE_SDP_RELAY);
}

static bool goes_to(const char *ip)
{
	char mem[64];
	struct buf b;
	const struct rec_send *m = site_sent(&site, 0);
	if (!m || !site_is(m, "INVITE "))
		return false;
	buf_init(&b, mem, sizeof(mem));
	addr_write_ip(&b, &m->dest.flow.remote);
	return str_eq(buf_view(&b), str_from(ip));
}

/* The relay is asked for a session of its own for the next target. */
static void next_target(void)
{
	if (site.rec.relay_count > 1)
		site_relay(&site, SITE_SDP_RELAY);
}

static void what_a_service_that_is_called_answers(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int status;
		bool accept_on_error;
		const char *extra, *to, *refusal, *why;
	} rows[] = {
		{"404: on with it", 404, false, "", "198.51.100.7", "", "accept"},
		{"503: on with it", 503, false, "", "198.51.100.7", "", "accept"},
		{"603: no", 603, true, "", "", "SIP/2.0 603 ", "reject"},
		{"403: no", 403, true, "", "", "SIP/2.0 403 ", "reject"},
		{"608: no", 608, true, "", "", "SIP/2.0 608 ", "reject"},
		{"486 says nothing: on_error accept", 486, true, "", "198.51.100.7", "", "bad"},
		{"486 says nothing: on_error reject", 486, false, "", "", "SIP/2.0 503 ", "bad"},
		{"200 is no call for it: on_error accept", 200, true, "", "198.51.100.7", "",
		 "bad"},
		{"200 is no call for it: on_error reject", 200, false, "", "", "SIP/2.0 503 ",
		 "bad"},
		{"302 to a peer that a route leads to: there", 302, false,
		 "Contact: <sip:+4911@198.51.100.7>\r\n", "198.51.100.7", "", "route"},
		{"302 to nobody of ours: on_error reject", 302, false,
		 "Contact: <sip:+4911@192.0.2.200>\r\n", "", "SIP/2.0 503 ", "bad"},
	};
	CHECK_TABLE(r, rows)
	{
		set_up_trunk(r->accept_on_error);
		EXPECT_TRUE(goes_to("198.51.100.99"));
		struct rec_send invite = *site_sent(&site, 0);
		site_answer(&site, &invite, 180, "t1", "", NULL);
		EXPECT_TRUE(!answered("SIP/2.0 180 ")); /* the caller hears nothing of it */
		site_answer(&site, &invite, r->status, "t1", r->extra,
			    r->status == 200 ? SITE_SDP_OUT : NULL);
		EXPECT_Z(str_from(site.rec.why), r->why);
		if (r->status == 200)
			EXPECT_TRUE(answered("BYE ") && answered("ACK "));
		next_target();
		if (r->to[0])
			EXPECT_TRUE(goes_to(r->to));
		else
			EXPECT_TRUE(answered(r->refusal));
		stop();
	}
}

static void a_service_that_is_silent_is_not_waited_for(void **state)
{
	(void)state;
	set_up_trunk(true);
	struct rec_send invite = *site_sent(&site, 0);
	site_answer(&site, &invite, 100, "", "", NULL);
	site_answer(&site, &invite, 183, "t1", "", NULL); /* nor is one that rings */
	site_tick(&site, 300);
	assert_string_equal(site.rec.why, "late");
	assert_true(answered("CANCEL "));
	next_target();
	bool there = false;
	for (size_t i = 0; i < site_sent_count(&site); i++)
		there = there || (site_is(site_sent(&site, i), "INVITE ") &&
				  site_sent(&site, i)->dest.flow.remote.ip[3] == 7);
	assert_true(there);
	stop();
	set_up_trunk(false);
	site_tick(&site, 300);
	assert_true(answered("SIP/2.0 503 "));
	stop();
}

static void a_service_that_cannot_be_reached_has_said_nothing(void **state)
{
	(void)state;
	set_up_trunk(false);
	site_failed(&site, site_sent(&site, 0), SEND_FAILURE_CONNECT);
	next_target();
	assert_string_equal(site.rec.why, "failed");
	assert_true(answered("SIP/2.0 503 "));
	stop();
	set_up_trunk(true);
	site_failed(&site, site_sent(&site, 0), SEND_FAILURE_CONNECT);
	next_target();
	assert_true(goes_to("198.51.100.7"));
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_read_strictly),
		cmocka_unit_test(the_breaker_opens_rests_and_tries),
		cmocka_unit_test(a_call_waits_for_the_answer_and_goes_on_with_it),
		cmocka_unit_test(a_call_that_is_rejected_gets_its_status_and_reason_and_a_record),
		cmocka_unit_test(what_nobody_can_use_is_no_answer),
		cmocka_unit_test(a_question_that_is_too_long_is_no_way_around_it),
		cmocka_unit_test(all_that_a_number_may_be_fits_into_a_question),
		cmocka_unit_test(who_is_late_has_said_nothing),
		cmocka_unit_test(a_caller_that_hangs_up_does_not_wait_for_it),
		cmocka_unit_test(so_many_wait_and_no_more),
		cmocka_unit_test(a_service_that_fails_is_left_alone_and_tried_once),
		cmocka_unit_test(an_answer_sends_a_call_to_a_trunk_that_it_may_name),
		cmocka_unit_test(an_answer_sends_no_call_to_a_peer_that_is_shut),
		cmocka_unit_test(calls_of_others_and_emergency_calls_are_not_asked_about),
		cmocka_unit_test(what_a_service_that_is_called_answers),
		cmocka_unit_test(a_service_that_is_silent_is_not_waited_for),
		cmocka_unit_test(a_service_that_cannot_be_reached_has_said_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
