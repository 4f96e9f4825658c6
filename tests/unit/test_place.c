/* Geography through the core: what becomes of requests by where they are from. */
#include "policy/geo_rule.h"
#include "tests/support/check.h"
#include "tests/support/site.h"

static struct site site;
static struct geo_rule rules[3];
static struct route_rule routes[3];

static struct geo_rule refuse(enum geo_action action, const char *country)
{
	struct geo_rule r = {.name = STR("abroad"),
			     .realms = {SITE_OUTSIDE},
			     .realm_count = 1,
			     .by_country = true,
			     .action = action,
			     .status = 403,
			     .place = {STR("site.yaml"), 42}};
	country_set_add(&r.countries, country_code(str_from(country)));
	return r;
}

static struct flow from(const char *country, const char *address)
{
	struct flow f = site.outside;
	memcpy(f.country, country, strlen(country));
	f.asn = 64500;
	CHECK(addr_parse(str_from(address), &f.remote) == OK);
	return f;
}

static void set_up(struct geo_rule first)
{
	site_init(&site);
	rules[0] = first;
	site.set.policy.geo = rules;
	site.set.policy.geo_count = 1;
}

static const char invite[] =
	"INVITE sip:+4930123@sbc.test SIP/2.0\r\nVia: SIP/2.0/UDP "
	"198.51.100.7;branch=z9hG4bKgeo1\r\n"
	"Max-Forwards: 70\r\nFrom: <sip:+49301@x.test>;tag=g1\r\nTo: <sip:+4930123@sbc.test>\r\n"
	"Call-ID: geo-1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@198.51.100.7>\r\nContent-Length: "
	"0\r\n\r\n";

static bool answered(const char *start)
{
	for (size_t i = 0; i < site_sent_count(&site); i++)
		if (site_is(site_sent(&site, i), start))
			return true;
	return false;
}

static void
a_call_from_a_country_that_a_rule_rejects_gets_its_status_once_and_a_record(void **state)
{
	(void)state;
	set_up(refuse(GEO_REJECT, "CU"));
	site_start(&site);
	struct flow f = from("CU", "198.51.100.7:5060");
	site_message(&site, &f, invite);
	site_message(&site, &f, invite);
	assert_true(answered("SIP/2.0 403 "));
	assert_string_equal(site.rec.rule, "abroad");
	assert_int_equal(site.rec.notices[NOTICE_REFUSED], 1);
	assert_int_equal(site.rec.notices[NOTICE_CALL_ENDED], 1);
	assert_non_null(strstr(site.rec.cdr, "\"ingress_country\":\"CU\",\"ingress_asn\":64500"));
	assert_non_null(strstr(site.rec.cdr, "\"cause\":\"policy:abroad\""));
	site_stop(&site);
}

static void a_call_from_another_country_goes_on_and_its_record_says_where_it_was_from(void **state)
{
	(void)state;
	set_up(refuse(GEO_REJECT, "CU"));
	site_start(&site);
	struct flow f = from("DE", "198.51.100.7:5060");
	site_message(&site, &f, invite);
	assert_true(answered("SIP/2.0 100 "));
	assert_false(answered("SIP/2.0 403 "));
	site_event(&site, &(struct event){.type = EVENT_STOP});
	site_event(&site, &(struct event){.type = EVENT_STOP});
	assert_non_null(strstr(site.rec.cdr, "\"ingress_country\":\"DE\""));
	site_stop(&site);
}

static void a_request_from_a_country_that_a_rule_drops_gets_no_word_and_is_counted(void **state)
{
	(void)state;
	set_up(refuse(GEO_DROP, "CU"));
	site_start(&site);
	struct flow f = from("CU", "198.51.100.7:5060");
	site_message(&site, &f, invite);
	assert_int_equal(site_sent_count(&site), 0);
	assert_int_equal(site.rec.drops[NOTICE_DROP_GEO], 1);
	assert_int_equal(site.rec.notices[NOTICE_REFUSED], 1);
	assert_int_equal(site.rec.notices[NOTICE_REQUEST], 0); /* it was not even read */
	site_message(&site, &f, "\x01\x02 noise that is longer than a keep-alive");
	assert_int_equal(site.rec.drops[NOTICE_DROP_GEO], 2);
	assert_int_equal(site.rec.drops[NOTICE_DROP_NOT_SIP], 0);
	site_stop(&site);
}

static void
a_stranger_from_such_a_country_is_refused_for_geography_and_leaves_no_record(void **state)
{
	(void)state;
	set_up(refuse(GEO_REJECT, "CU"));
	site_start(&site);
	struct flow f = from("CU", "192.0.2.9:5060");
	site_message(&site, &f, invite);
	assert_true(answered("SIP/2.0 403 "));
	assert_string_equal(site.rec.rule, "abroad");
	assert_int_equal(site.rec.notices[NOTICE_CALL_ENDED], 0);
	site_stop(&site);
}

static void a_rule_that_accepts_a_trunk_lets_it_call_from_where_others_are_dropped(void **state)
{
	(void)state;
	struct geo_rule ours = {.name = STR("ours"),
				.trunks = {SITE_CARRIER},
				.trunk_count = 1,
				.action = GEO_ACCEPT};
	set_up(ours);
	rules[1] = refuse(GEO_DROP, "CU");
	site.set.policy.geo_count = 2;
	site_start(&site);
	struct flow f = from("CU", "198.51.100.7:5060"), stranger = from("CU", "192.0.2.9:5060");
	site_message(&site, &f, invite);
	assert_true(answered("SIP/2.0 100 "));
	ports_rec_clear(&site.rec);
	char other[sizeof(invite)];
	memcpy(other, invite, sizeof(invite));
	*strstr(other, "geo1") = 'z'; /* a transaction of its own */
	*strstr(other, "geo-1") = 'z';
	site_message(&site, &stranger, other);
	assert_int_equal(site_sent_count(&site), 0);
	assert_int_equal(site.rec.drops[NOTICE_DROP_GEO], 1);
	site_stop(&site);
	/* Another one of the two does not profit. */
	set_up(ours);
	rules[0].trunks[0] = SITE_PBX;
	rules[1] = refuse(GEO_REJECT, "CU");
	site.set.policy.geo_count = 2;
	site_start(&site);
	site_message(&site, &f, invite);
	assert_true(answered("SIP/2.0 403 "));
	site_stop(&site);
}

static void an_emergency_call_passes_wherever_it_is_from(void **state)
{
	(void)state;
	for (unsigned action = GEO_REJECT; action <= GEO_DROP; action++) {
		set_up(refuse((enum geo_action)action, "CU"));
		memcpy(routes, site.routes, sizeof(site.routes));
		routes[0].emergency = true;
		site.set.policy.routes = routes;
		site_start(&site);
		struct flow f = from("CU", "198.51.100.7:5060");
		site_message(&site, &f, invite);
		assert_true(answered("SIP/2.0 100 "));
		assert_int_equal(site.rec.notices[NOTICE_REFUSED], 0);
		ports_rec_clear(&site.rec);
		/* And may be given up from there. */
		site_message(
			&site, &f,
			"CANCEL sip:+4930123@sbc.test SIP/2.0\r\n"
			"Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKgeo1\r\nMax-Forwards: 70\r\n"
			"From: <sip:+49301@x.test>;tag=g1\r\nTo: <sip:+4930123@sbc.test>\r\n"
			"Call-ID: geo-1\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n");
		assert_true(answered("SIP/2.0 200 "));
		site_stop(&site);
	}
}

static void answers_from_abroad_to_what_we_asked_are_not_asked_about(void **state)
{
	(void)state;
	set_up(refuse(GEO_DROP, "CU"));
	site_start(&site);
	site_invite(&site, SITE_PBX, "out", "", SITE_SDP_IN);
	site_relay(&site, SITE_SDP_RELAY);
	struct rec_send sent = *site_sent(&site, 0);
	assert_true(site_is(&sent, "INVITE "));
	struct flow carrier = from("CU", "198.51.100.7:5060");
	site.outside = carrier;
	site_answer(&site, &sent, 180, "t1", "", NULL);
	assert_true(answered("SIP/2.0 180 "));
	assert_int_equal(site.rec.drops[NOTICE_DROP_GEO], 0);
	site_stop(&site);
}

static void a_tag_that_is_made_up_does_not_lead_past_geography(void **state)
{
	(void)state;
	set_up(refuse(GEO_DROP, "CU"));
	site_start(&site);
	struct flow f = from("CU", "198.51.100.7:5060");
	site_message(&site, &f,
		     "BYE sip:+4930123@sbc.test SIP/2.0\r\nVia: SIP/2.0/UDP "
		     "198.51.100.7;branch=z9hG4bKg2\r\n"
		     "Max-Forwards: 70\r\nFrom: <sip:+49301@x.test>;tag=g1\r\nTo: "
		     "<sip:+4930123@sbc.test>;tag=no\r\n"
		     "Call-ID: geo-2\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(site_sent_count(&site), 0);
	assert_int_equal(site.rec.drops[NOTICE_DROP_GEO], 1);
	site_stop(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_call_from_a_country_that_a_rule_rejects_gets_its_status_once_and_a_record),
		cmocka_unit_test(
			a_call_from_another_country_goes_on_and_its_record_says_where_it_was_from),
		cmocka_unit_test(
			a_request_from_a_country_that_a_rule_drops_gets_no_word_and_is_counted),
		cmocka_unit_test(
			a_stranger_from_such_a_country_is_refused_for_geography_and_leaves_no_record),
		cmocka_unit_test(
			a_rule_that_accepts_a_trunk_lets_it_call_from_where_others_are_dropped),
		cmocka_unit_test(an_emergency_call_passes_wherever_it_is_from),
		cmocka_unit_test(answers_from_abroad_to_what_we_asked_are_not_asked_about),
		cmocka_unit_test(a_tag_that_is_made_up_does_not_lead_past_geography),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
