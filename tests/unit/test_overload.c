/* The core under load: what is refused and what is not, without state; RFC 7339 with both kinds of neighbours. */
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "policy/pattern.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t;
static struct route_rule routes[3];
static const struct route_pattern *sos;
static struct arena arena;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(arena_init_sized(&arena, 65536), OK);
	site_init(&t);
	t.set.limits.overload = (struct overload_limits){.delay_ms = 50, .retry_after_ms = 10000};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	site_stop(&t);
	arena_release(&arena);
	return 0;
}

/* Messages have waited so long, for so many windows of the gate. */
static void load(uint32_t late_ms, unsigned windows)
{
	for (unsigned i = 0; i < windows * 10; i++) {
		struct event e = {.type = EVENT_MESSAGE};
		e.message.flow = t.outside;
		e.message.bytes = STR("\r\n\r\n");
		e.message.late_ms = late_ms;
		site_event(&t, &e);
		site_tick(&t, 10);
	}
	ports_rec_clear(&t.rec);
}

static void invite(const char *id)
{
	ports_rec_clear(&t.rec);
	site_invite(&t, SITE_CARRIER, id, NULL, SITE_SDP_OUT);
}

static struct sbc_counts counts(void)
{
	struct sbc_counts c;
	sbc_count(t.sbc, &c);
	return c;
}

static void new_calls_are_refused_without_state(void **state)
{
	(void)state;
	unsigned refused = 0;
	char id[16];
	site_start(&t);
	load(300, 100);
	struct sbc_counts before = counts();
	for (unsigned i = 0; i < 50; i++) {
		(void)snprintf(id, sizeof(id), "c%u", i);
		invite(id);
		refused += site_sent_count(&t) == 1 && site_is(site_sent(&t, 0), "SIP/2.0 503");
	}
	EXPECT_TRUE(refused >= 48);
	EXPECT_TRUE(counts().server_transactions <= before.server_transactions + 2);
	EXPECT_TRUE(counts().calls <= 2);
	EXPECT_Z(str_from(t.rec.rule), "overload");
	const char *after = site_header(site_sent(&t, 0), "Retry-After");
	EXPECT_TRUE(strcmp(after, "5") == 0 || strlen(after) <= 2);
	EXPECT_TRUE(t.rec.notices[NOTICE_REFUSED] >= 48);
}

static void without_load_nothing_is_refused(void **state)
{
	(void)state;
	site_start(&t);
	load(40, 100);
	invite("c");
	EXPECT_TRUE(site_is(site_sent(&t, site_sent_count(&t) - 1), "SIP/2.0 100"));
	EXPECT_INT(t.rec.notices[NOTICE_REFUSED], 0);
}

static void load_that_has_gone_is_forgotten(void **state)
{
	(void)state;
	site_start(&t);
	load(300, 100);
	load(0, 150);
	EXPECT_INT(counts().shed, 0);
	invite("c");
	EXPECT_TRUE(site_is(site_sent(&t, site_sent_count(&t) - 1), "SIP/2.0 100"));
}

static void calls_that_are_up_are_not_touched(void **state)
{
	(void)state;
	struct site_call c;
	site_start(&t);
	site_establish(&t, &c, NULL, NULL);
	load(300, 100);
	EXPECT_TRUE(counts().shed > 900);
	for (unsigned i = 0; i < 3; i++) {
		ports_rec_clear(&t.rec);
		site_say(&t, &c, 0, "INFO", NULL, NULL);
		EXPECT_TRUE(!site_is(site_sent(&t, 0), "SIP/2.0 503"));
	}
	ports_rec_clear(&t.rec);
	site_say(&t, &c, 0, "BYE", NULL, NULL);
	EXPECT_INT(site_count(&t, "SIP/2.0 200"), 1);
	EXPECT_INT(site_count(&t, "SIP/2.0 503"), 0);
}

static void a_repeated_invite_of_a_call_being_set_up_is_not_refused(void **state)
{
	(void)state;
	site_start(&t);
	invite("c");
	load(300, 100);
	for (unsigned i = 0; i < 20; i++) {
		invite("c");
		EXPECT_TRUE(site_sent_count(&t) == 0 || site_is(site_sent(&t, 0), "SIP/2.0 100"));
	}
}

static void emergency_calls_are_never_refused(void **state)
{
	(void)state;
	char why[128];
	struct buf b;
	buf_init(&b, why, sizeof(why));
	assert_int_equal(pattern_compile(&arena, STR("^\\+4930555$"), &sos, &b), OK);
	memcpy(routes, t.routes, sizeof(t.routes));
	memmove(routes + 1, t.routes, sizeof(t.routes));
	routes[0] = t.routes[0];
	routes[0].emergency = true;
	routes[0].numbers[0] = sos;
	routes[0].number_count = 1;
	t.set.policy.routes = routes;
	t.set.policy.route_count = 3;
	site_start(&t);
	load(300, 100);
	for (unsigned i = 0; i < 20; i++) {
		char id[16];
		(void)snprintf(id, sizeof(id), "e%u", i);
		invite(id);
		EXPECT_TRUE(site_is(site_sent(&t, site_sent_count(&t) - 1), "SIP/2.0 100"));
	}
}

static void options_tell_that_we_live(void **state)
{
	(void)state;
	site_start(&t);
	load(300, 100);
	site_request(&t, &t.outside, "OPTIONS", "");
	EXPECT_TRUE(site_is(site_sent(&t, 0), "SIP/2.0 200"));
}

/* An OPTIONS whose Via says `params`; the Via of its answer. */
static const char *via_of_answer(const char *params)
{
	static char text[1024];
	(void)snprintf(text, sizeof(text),
		       "OPTIONS sip:203.0.113.1 SIP/2.0\r\n"
		       "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKx%s\r\n"
		       "From: <sip:a@h>;tag=1\r\nTo: <sip:203.0.113.1>\r\nCall-ID: 1\r\n"
		       "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		       params);
	ports_rec_clear(&t.rec);
	site_message(&t, &t.outside, text);
	return site_header(site_sent(&t, 0), "Via");
}

static void who_asks_is_told_the_load(void **state)
{
	(void)state;
	site_start(&t);
	EXPECT_TRUE(strstr(via_of_answer(";oc;oc-algo=\"loss\""),
			   ";oc=0;oc-algo=\"loss\";oc-validity=0;oc-seq=") != NULL);
	load(300, 100);
	const char *via = via_of_answer(";oc;oc-algo=\"loss\"");
	EXPECT_TRUE(strstr(via, ";oc=100;oc-algo=\"loss\";oc-validity=500;oc-seq=") != NULL);
	EXPECT_TRUE(strstr(via, ";oc;") == NULL);
	EXPECT_TRUE(strstr(via_of_answer(""), "oc") == NULL);
	EXPECT_TRUE(strstr(via_of_answer(";oc;oc-algo=\"rate\""), ";oc=") == NULL);
}

/* The PBX rings, or answers otherwise, and its Via says `oc` besides. */
static void answer_with_oc(const char *oc)
{
	static char text[4096];
	const struct rec_send *invite_out = NULL;
	for (size_t i = 0; i < site_sent_count(&t); i++)
		if (site_is(site_sent(&t, i), "INVITE "))
			invite_out = site_sent(&t, i);
	assert_non_null(invite_out);
	char via[512], from[512], to[512], call_id[256], cseq[64];
	(void)snprintf(via, sizeof(via), "%s", site_header(invite_out, "Via"));
	EXPECT_TRUE(strstr(via, ";oc;oc-algo=\"loss\"") != NULL);
	*strstr(via, ";oc;") = '\0';
	(void)snprintf(from, sizeof(from), "%s", site_header(invite_out, "From"));
	(void)snprintf(to, sizeof(to), "%s", site_header(invite_out, "To"));
	(void)snprintf(call_id, sizeof(call_id), "%s", site_header(invite_out, "Call-ID"));
	(void)snprintf(cseq, sizeof(cseq), "%s", site_header(invite_out, "CSeq"));
	(void)snprintf(
		text, sizeof(text),
		"SIP/2.0 180 Ringing\r\nVia: %s%s\r\nFrom: %s\r\nTo: %s;tag=p\r\nCall-ID: %s\r\n"
		"CSeq: %s\r\nContact: <sip:pbx@10.0.0.21>\r\nContent-Length: 0\r\n\r\n",
		via, oc, from, to, call_id, cseq);
	site_message(&t, &t.inside, text);
}

static bool goes_to_second(const char *id)
{
	invite(id);
	site_relay(&t, SITE_SDP_RELAY);
	for (size_t i = 0; i < site_sent_count(&t); i++)
		if (site_is(site_sent(&t, i), "INVITE "))
			return site_sent(&t, i)->dest.flow.remote.ip[3] == 22;
	fail_msg("no INVITE went out");
	return false;
}

static void a_loaded_peer_is_spared(void **state)
{
	(void)state;
	t.trunks[SITE_PBX].habits.overload_control = true;
	site_start(&t);
	EXPECT_TRUE(!goes_to_second("c0"));
	answer_with_oc(";oc=100;oc-algo=\"loss\";oc-validity=1000;oc-seq=5.1");
	/* All that would go to the first peer goes to the next one, as long as its word holds. */
	EXPECT_TRUE(goes_to_second("c1"));
	site_tick(&t, 900);
	EXPECT_TRUE(goes_to_second("c2"));
	site_tick(&t, 200);
	EXPECT_TRUE(!goes_to_second("c3"));
}

static void what_nobody_asked_for_is_not_believed(void **state)
{
	(void)state;
	site_start(&t);
	invite("c0");
	site_relay(&t, SITE_SDP_RELAY);
	for (size_t i = 0; i < site_sent_count(&t); i++)
		if (site_is(site_sent(&t, i), "INVITE "))
			EXPECT_TRUE(strstr(site_header(site_sent(&t, i), "Via"), ";oc") == NULL);
}

#define T(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(new_calls_are_refused_without_state),
		T(without_load_nothing_is_refused),
		T(load_that_has_gone_is_forgotten),
		T(calls_that_are_up_are_not_touched),
		T(a_repeated_invite_of_a_call_being_set_up_is_not_refused),
		T(emergency_calls_are_never_refused),
		T(options_tell_that_we_live),
		T(who_asks_is_told_the_load),
		T(a_loaded_peer_is_spared),
		T(what_nobody_asked_for_is_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
