/* What the relay says of its own accord, to the core with a call in it: who is believed, what ends the call, what is shown. */
#include <stdio.h>

#include "sbc/core/call.h"
#include "sbc/core/call_watch.h"
#include "sbc/core/worker.h"
#include "common/bencode.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t;
static struct site_call k;
static const char *kind = "audio"; /* of the m= line */

static void start(uint32_t timeout_ms)
{
	site_init(&t);
	t.media[0].timeout_ms = timeout_ms;
	site_start(&t);
}

/* An event about the session of call n with that word in front. `party` NULL: none. */
static void told_by(const char *word, const char *session, const char *event, const char *party,
		    unsigned number)
{
	static char mem[8192], text[1024];
	struct arena a;
	struct dict *d = NULL;
	struct event e = {.type = EVENT_RELAY_TOLD};
	int n = snprintf(text, sizeof(text),
			 "d4:datad6:callid%zu:%s8:durationi2000e4:kind5:%s3:seqi%ue",
			 strlen(session), session, kind, number);
	if (party)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "10:source_tag%zu:%s",
			      strlen(party), party);
	snprintf(text + n, sizeof(text) - (size_t)n, "e6:notify%zu:%se", strlen(event), event);
	arena_init(&a, mem, sizeof(mem));
	CHECK(bencode_parse(str_from(text), &a, &d) > 0);
	e.told.word = str_from(word);
	e.told.body = d;
	site_event(&t, &e);
}

/* The word and the session of the only call. */
static const char *word(void)
{
	static char out[HIDE_BRANCH_LEN + 1];
	struct str w = call_watch_word(t.sbc, site_the_call(&t), out);
	out[w.len] = 0;
	return out;
}

static const char *session(void)
{
	static char out[320];
	struct buf b;
	struct call *c = site_the_call(&t);
	buf_init(&b, out, sizeof(out));
	call_write_name(&b, t.sbc, c);
	buf_printf(&b, "-%u%c", c->media.session, 0);
	return out;
}

static void told(const char *event, const char *party, unsigned number)
{
	told_by(word(), session(), event, party, number);
}

static void an_offer_asks_for_events_with_a_word_of_our_own(void **state)
{
	(void)state;
	char want[80];
	start(0);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	snprintf(want, sizeof(want), "6:notify32:%s", word());
	EXPECT_TRUE(strstr(t.rec.relays[0].text, want) != NULL);
	site_stop(&t);
}

static void who_is_not_heard_for_too_long_ends_the_call(void **state)
{
	(void)state;
	start(10000);
	site_establish(&t, &k, NULL, NULL);
	told("onMediaLost", "callee", 1); /* for two seconds already */
	EXPECT_U64(call_watch_silent_ms(site_the_call(&t), 1), t.now_ms - 2000);
	EXPECT_U64(call_watch_silent_ms(site_the_call(&t), 0), 0);
	site_tick(&t, 7900);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	site_tick(&t, 200);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	for (size_t i = 0; i < t.rec.send_count; i++)
		EXPECT_Z(str_from(site_header(&t.rec.sends[i], "Reason")),
			 "SIP;cause=408, Q.850;cause=102");
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"media_timeout\""));
	EXPECT_TRUE(site_cdr_has(&t, "\"ended_by\":\"us\""));
	EXPECT_TRUE(site_cdr_has(&t, "\"q850\":102"));
	EXPECT_INT(t.rec.notices[NOTICE_MEDIA], 1);
	site_stop(&t);
}

static void who_is_heard_again_in_time_does_not(void **state)
{
	(void)state;
	start(10000);
	site_establish(&t, &k, NULL, NULL);
	told("onMediaLost", "callee", 1);
	site_tick(&t, 5000);
	told("onMediaBack", "callee", 2);
	EXPECT_U64(call_watch_silent_ms(site_the_call(&t), 1), 0);
	site_tick(&t, 20000);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	/* Lost again: counted from then. */
	told("onMediaLost", "callee", 3);
	site_tick(&t, 7900);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	site_tick(&t, 200);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	site_stop(&t);
}

static void where_policy_has_no_limit_silence_is_only_shown(void **state)
{
	(void)state;
	start(0);
	site_establish(&t, &k, NULL, NULL);
	told("onOneWay", "caller", 1);
	site_tick(&t, 1000000);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	EXPECT_TRUE(call_watch_silent_ms(site_the_call(&t), 0) != 0);
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	site_stop(&t);
}

static void the_limit_is_that_of_the_silent_side(void **state)
{
	(void)state;
	start(10000);
	t.media[1] = t.media[0];
	t.media[1].timeout_ms = 0;
	t.realm_rules[SITE_OUTSIDE].media_policy = 1;
	site_establish(&t, &k, NULL, NULL);
	told("onMediaLost", "caller", 1);
	site_tick(&t, 60000);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	told("onMediaLost", "callee", 2);
	site_tick(&t, 8200);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	site_stop(&t);
}

static void a_session_that_the_relay_has_ended_ends_the_call(void **state)
{
	(void)state;
	start(0);
	site_establish(&t, &k, NULL, NULL);
	told("onCallEnded", NULL, 1);
	EXPECT_INT(site_count(&t, "BYE "), 2);
	while (t.rec.open_count[0])
		site_relay_to(&t, t.rec.open[0][0], SITE_SDP_RELAY);
	EXPECT_TRUE(site_cdr_has(&t, "\"cause\":\"media_timeout\""));
	site_stop(&t);
}

static void what_is_not_of_this_call_changes_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int word, session; /* 0: right; 1: another; 2: none */
		const char *event, *party;
	} rows[] = {
		{"a word that we did not give", 1, 0, "onCallEnded", NULL},
		{"no word", 2, 0, "onCallEnded", NULL},
		{"the session of another target", 0, 1, "onCallEnded", NULL},
		{"an event that nobody knows", 0, 0, "onFire", NULL},
		{"a party that nobody knows", 0, 0, "onMediaLost", "evil"},
	};
	CHECK_TABLE(row, rows)
	{
		char other[64], wrong[320];
		start(1000);
		site_establish(&t, &k, NULL, NULL);
		/* A token of the right shape that names the same call: made by the same key, of another kind of use. */
		snprintf(other, sizeof(other), "%s", word());
		other[3] = other[3] == 'a' ? 'b' : 'a';
		snprintf(wrong, sizeof(wrong), "%s7", session());
		told_by(row->word == 0   ? word()
			: row->word == 1 ? other
					 : "",
			row->session ? wrong : session(), row->event, row->party, 1);
		site_tick(&t, 5000);
		EXPECT_INT(site_count(&t, "BYE "), 0);
		EXPECT_INT(t.rec.drops[NOTICE_DROP_STALE], 1);
		EXPECT_INT(t.rec.notices[NOTICE_MEDIA], 0);
		site_hang_up(&t, &k);
		site_expect_empty(&t, 1);
		site_stop(&t);
	}
}

static void a_picture_that_is_gone_ends_no_call(void **state)
{
	(void)state;
	start(1000);
	site_establish(&t, &k, NULL, NULL);
	kind = "video";
	told("onMediaLost", "caller", 1);
	kind = "audio";
	site_tick(&t, 60000);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	EXPECT_U64(call_watch_silent_ms(site_the_call(&t), 0), 0);
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	site_stop(&t);
}

static void an_event_that_comes_twice_counts_once(void **state)
{
	(void)state;
	start(10000);
	site_establish(&t, &k, NULL, NULL);
	told("onMediaLost", "callee", 5);
	told("onMediaBack", "callee", 6);
	told("onMediaLost", "callee", 5); /* late, and a repetition */
	EXPECT_U64(call_watch_silent_ms(site_the_call(&t), 1), 0);
	EXPECT_INT(t.rec.notices[NOTICE_MEDIA], 2);
	EXPECT_INT(t.rec.drops[NOTICE_DROP_STALE], 1);
	site_tick(&t, 60000);
	EXPECT_INT(site_count(&t, "BYE "), 0);
	site_stop(&t);
}

static void events_after_the_end_or_before_the_answer_do_no_harm(void **state)
{
	(void)state;
	char kept_word[64], kept_session[320];
	start(1000);
	site_invite(&t, SITE_CARRIER, "1", NULL, SITE_SDP_OUT);
	site_relay(&t, SITE_SDP_RELAY);
	told("onMediaLost", "caller", 1);
	told("onCallEnded", NULL, 2);
	site_tick(&t, 3000);
	EXPECT_INT(site_count(&t, "BYE ") + site_count(&t, "CANCEL "), 0);
	site_stop(&t);
	start(1000);
	site_establish(&t, &k, NULL, NULL);
	snprintf(kept_word, sizeof(kept_word), "%s", word());
	snprintf(kept_session, sizeof(kept_session), "%s", session());
	site_hang_up(&t, &k);
	told_by(kept_word, kept_session, "onMediaLost", "caller", 1); /* it lingers */
	site_tick(&t, 300000);
	told_by(kept_word, kept_session, "onMediaLost", "caller", 2); /* it has gone */
	EXPECT_INT(t.rec.drops[NOTICE_DROP_STALE], 2);
	site_expect_empty(&t, 1);
	site_stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_asks_for_events_with_a_word_of_our_own),
		cmocka_unit_test(who_is_not_heard_for_too_long_ends_the_call),
		cmocka_unit_test(who_is_heard_again_in_time_does_not),
		cmocka_unit_test(where_policy_has_no_limit_silence_is_only_shown),
		cmocka_unit_test(the_limit_is_that_of_the_silent_side),
		cmocka_unit_test(a_session_that_the_relay_has_ended_ends_the_call),
		cmocka_unit_test(what_is_not_of_this_call_changes_nothing),
		cmocka_unit_test(a_picture_that_is_gone_ends_no_call),
		cmocka_unit_test(an_event_that_comes_twice_counts_once),
		cmocka_unit_test(events_after_the_end_or_before_the_answer_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
