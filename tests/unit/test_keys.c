/* Keys between sides that tell them in different ways: each press goes on exactly once, in order. */
#include <stdio.h>

#include "common/bencode.h"
#include "sbc/core/call.h"
#include "sbc/core/call_watch.h"
#include "sbc/core/dtmf_info.h"
#include "sbc/core/keys.h"
#include "sbc/core/worker.h"
#include "tests/support/check.h"
#include "tests/support/site_call.h"

static struct site t;
static struct site_call k;
static unsigned events;

/* How the carrier's side and the PBX's tell their keys; a call between them. */
static void start(enum media_dtmf outside, enum media_dtmf inside)
{
	site_init(&t);
	t.media[1] = t.media[0];
	t.media[0].dtmf = outside;
	t.media[1].dtmf = inside;
	t.realm_rules[SITE_INSIDE].media_policy = 1;
	site_start(&t);
	events = 0;
	site_establish(&t, &k, NULL, NULL);
}

static void stop(void)
{
	site_hang_up(&t, &k);
	site_expect_empty(&t, 1);
	site_stop(&t);
}

/* The relay has heard it; `number` 0: the next one. */
static void pressed(const char *party, unsigned key, unsigned number)
{
	static char mem[8192], text[1024], out[HIDE_BRANCH_LEN + 1], name[320];
	struct call *c = site_the_call(&t);
	struct arena a;
	struct dict *d = NULL;
	struct buf b;
	struct event e = {.type = EVENT_RELAY_TOLD};
	e.told.word = call_watch_word(t.sbc, c, out);
	buf_init(&b, name, sizeof(name));
	call_write_name(&b, t.sbc, c);
	buf_printf(&b, "-%u%c", c->media.session, 0);
	snprintf(text, sizeof(text),
		 "d4:datad6:callid%zu:%s8:durationi300e5:eventi%ue3:seqi%ue10:source_tag6:%se6:"
		 "notify"
		 "6:onDTMFe",
		 strlen(name), name, key, number ? number : ++events, party);
	arena_init(&a, mem, sizeof(mem));
	CHECK(bencode_parse(str_from(text), &a, &d) > 0);
	e.told.body = d;
	site_event(&t, &e);
	site_tick(&t, 10); /* what is our own goes out in the next turn */
}

static void info(unsigned side, const char *type, const char *body)
{
	char extra[256];
	snprintf(extra, sizeof(extra), "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", type,
		 strlen(body), body);
	site_say(&t, &k, side, "INFO", extra, NULL);
}

/* Of questions to the relay since the record was cleared: those that play a key. */
static size_t played(const char *piece)
{
	size_t n = 0;
	for (size_t i = 0; i < t.rec.relay_count; i++)
		n += strstr(t.rec.relays[i].text, "9:play DTMF") &&
		     strstr(t.rec.relays[i].text, piece);
	return n;
}

static void a_body_is_read_in_every_spelling(void **state)
{
	(void)state;
	static const struct {
		const char *name, *type, *body;
		enum err err;
		unsigned key, ms;
	} rows[] = {
		{"the usual one", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", OK, 5,
		 160},
		{"with spaces, without an end", "application/dtmf-relay",
		 "Signal= #\nDuration= 100", OK, 11, 100},
		{"a star", "application/dtmf-relay", "Signal=*\r\n", OK, 10, 250},
		{"a number above nine", "application/dtmf-relay", "signal=11\r\nduration=0", OK, 11,
		 250},
		{"a letter in either case", "application/dtmf-relay; charset=x", "Signal=d", OK, 15,
		 250},
		{"the hook flash", "application/dtmf-relay", "Signal=hf\r\n", OK, 16, 250},
		{"the flash as a number", "application/dtmf-relay", "Signal=16", OK, 16, 250},
		{"held for ever is held for long", "APPLICATION/DTMF-Relay",
		 "Signal=1\r\nDuration=99999", OK, 1, 5000},
		{"a length that is none", "application/dtmf-relay", "Signal=1\r\nDuration=x", OK, 1,
		 250},
		{"the length first", "application/dtmf-relay", "Duration=90\r\nSignal=2\r\n", OK, 2,
		 90},
		{"the key alone", "application/dtmf", "7", OK, 7, 250},
		{"the key alone, with a line end", "application/dtmf", "#\r\n", OK, 11, 250},
		{"the long form under the short name", "application/dtmf",
		 "Signal=3\r\nDuration=80", OK, 3, 80},
		{"no key", "application/dtmf-relay", "Duration=80\r\n", ERR_BAD, 0, 0},
		{"nothing", "application/dtmf", "", ERR_BAD, 0, 0},
		{"two keys at once", "application/dtmf", "77", ERR_BAD, 0, 0},
		{"no such key", "application/dtmf-relay", "Signal=E", ERR_BAD, 0, 0},
		{"no such number", "application/dtmf-relay", "Signal=17", ERR_BAD, 0, 0},
		{"another type", "application/media_control+xml", "Signal=5", ERR_NOTFOUND, 0, 0},
		{"no type", "", "5", ERR_NOTFOUND, 0, 0},
	};
	CHECK_TABLE(row, rows)
	{
		uint8_t key = 99;
		uint32_t ms = 99;
		EXPECT_ERR(dtmf_info_read(str_from(row->type), str_from(row->body), &key, &ms),
			   row->err);
		EXPECT_INT(key, row->err == OK ? row->key : 99);
		EXPECT_INT(ms, row->err == OK ? row->ms : 99);
	}
}

static void each_key_is_written_as_it_is_read(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < DTMF_INFO_KEYS; i++)
		for (int plain = 0; plain < 2; plain++) {
			char mem[64];
			struct buf b;
			uint8_t key = 99;
			uint32_t ms;
			buf_init(&b, mem, sizeof(mem));
			struct str type = dtmf_info_write(&b, i, 120, plain);
			EXPECT_ERR(dtmf_info_read(type, buf_view(&b), &key, &ms), OK);
			EXPECT_INT(key, i);
			EXPECT_INT(ms, plain ? 250 : 120);
		}
}

static void a_key_in_the_media_becomes_one_info(void **state)
{
	(void)state;
	start(MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO);
	pressed("caller", 5, 0);
	EXPECT_INT(site_count(&t, "INFO "), 1);
	struct rec_send sent = *site_find(&t, "INFO ");
	EXPECT_TRUE(site_has(&sent, "Signal=5\r\nDuration=300\r\n"));
	EXPECT_Z(str_from(site_header(&sent, "Content-Type")), "application/dtmf-relay");
	EXPECT_INT(sent.dest.flow.listener, SITE_LISTEN_IN_UDP);
	/* The relay says it again, as it does over a network that loses datagrams. */
	pressed("caller", 5, events);
	site_answer(&t, &sent, 200, NULL, NULL, NULL);
	pressed("caller", 5, events);
	site_tick(&t, 10);
	EXPECT_INT(site_count(&t, "INFO "), 1);
	stop();
}

static void keys_wait_for_one_another(void **state)
{
	(void)state;
	start(MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO);
	for (unsigned key = 1; key <= 3; key++)
		pressed("caller", key, 0);
	EXPECT_INT(site_count(&t, "INFO "), 1);
	for (unsigned key = 1; key <= 3; key++) {
		char piece[32];
		snprintf(piece, sizeof(piece), "Signal=%u\r\n", key);
		struct rec_send sent = *site_find(&t, "INFO ");
		EXPECT_TRUE(site_has(&sent, piece));
		site_answer(&t, &sent, 200, NULL, NULL, NULL);
		site_tick(&t, 10);
	}
	EXPECT_INT(site_count(&t, "INFO "), 3);
	stop();
}

static void the_same_key_twice_is_two_keys(void **state)
{
	(void)state;
	start(MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO);
	for (unsigned i = 0; i < 2; i++) {
		pressed("caller", 9, 0);
		struct rec_send sent = *site_find(&t, "INFO ");
		site_answer(&t, &sent, 200, NULL, NULL, NULL);
		site_tick(&t, 10);
	}
	EXPECT_INT(site_count(&t, "INFO "), 2);
	stop();
}

static void an_info_that_gets_lost_is_the_same_info_again(void **state)
{
	(void)state;
	start(MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO);
	pressed("caller", 5, 0);
	struct rec_send first = *site_find(&t, "INFO ");
	site_tick(&t, 2000);
	EXPECT_TRUE(site_count(&t, "INFO ") > 1);
	for (size_t i = 0; i < t.rec.send_count; i++)
		if (site_is(&t.rec.sends[i], "INFO "))
			EXPECT_TRUE(strcmp(t.rec.sends[i].bytes, first.bytes) == 0);
	site_answer(&t, &first, 200, NULL, NULL, NULL);
	stop();
}

static void an_info_becomes_one_key_in_the_media(void **state)
{
	(void)state;
	start(MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO);
	info(1, "application/dtmf-relay", "Signal=#\r\nDuration=200\r\n");
	EXPECT_INT(played("4:codei11e"), 1);
	EXPECT_INT(played("8:durationi200e"), 1);
	EXPECT_INT(played("8:from-tag6:callee"), 1);
	EXPECT_INT(site_count(&t, "SIP/2.0 200"), 1);
	EXPECT_INT(site_count(&t, "INFO "), 0);
	/* The phone did not hear the 200. */
	site_message(&t, &t.inside, t.text);
	EXPECT_INT(site_count(&t, "SIP/2.0 200"), 2);
	EXPECT_INT(played(""), 1);
	site_relay(&t, SITE_SDP_RELAY);
	EXPECT_INT(t.rec.notices[NOTICE_MEDIA], 0);
	/* What the relay cannot play is not silently gone. */
	info(1, "application/dtmf", "3");
	EXPECT_INT(played("4:codei3e"), 1);
	site_relay_error(&t, RELAY_RESULT_ERROR);
	EXPECT_INT(t.rec.notices[NOTICE_MEDIA], 1);
	stop();
}

static void between_two_sides_alike_nothing_is_translated(void **state)
{
	(void)state;
	static const enum media_dtmf words[] = {MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO};
	for (size_t i = 0; i < 2; i++) {
		start(words[i], words[i]);
		info(0, "application/dtmf-relay", "Signal=5\r\n");
		EXPECT_INT(site_count(&t, "INFO "), 1);
		EXPECT_TRUE(site_has(site_find(&t, "INFO "), "Signal=5"));
		struct rec_send sent = *site_find(&t, "INFO ");
		site_answer(&t, &sent, 200, NULL, NULL, NULL);
		pressed("caller", 5, 0);
		EXPECT_INT(site_count(&t, "INFO "), 1);
		EXPECT_INT(played(""), 0);
		stop();
	}
}

static void a_phone_that_tells_a_key_in_both_ways_is_heard_once(void **state)
{
	(void)state;
	start(MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO);
	pressed("caller", 5, 0);
	info(0, "application/dtmf-relay", "Signal=5\r\n");
	EXPECT_INT(site_count(&t, "INFO "), 1);
	EXPECT_INT(site_count(&t, "SIP/2.0 200"), 1);
	struct rec_send sent = *site_find(&t, "INFO ");
	site_answer(&t, &sent, 200, NULL, NULL, NULL);
	stop();
	/* The INFO came first: it goes on, and so do those that follow it. */
	start(MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO);
	for (unsigned i = 1; i <= 2; i++) {
		info(0, "application/dtmf-relay", "Signal=5\r\n");
		EXPECT_INT(site_count(&t, "INFO "), i);
		sent = *site_find(&t, "INFO ");
		site_answer(&t, &sent, 200, NULL, NULL, NULL);
		pressed("caller", 5, 0);
	}
	EXPECT_INT(site_count(&t, "INFO "), 2);
	stop();
}

static void who_does_not_know_one_form_gets_the_other(void **state)
{
	(void)state;
	start(MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO);
	pressed("caller", 5, 0);
	struct rec_send sent = *site_find(&t, "INFO ");
	site_answer(&t, &sent, 415, NULL, NULL, NULL);
	site_tick(&t, 10);
	sent = *site_find(&t, "INFO ");
	EXPECT_Z(str_from(site_header(&sent, "Content-Type")), "application/dtmf");
	EXPECT_TRUE(site_has(&sent, "\r\n\r\n5"));
	site_answer(&t, &sent, 200, NULL, NULL, NULL);
	pressed("caller", 6, 0);
	sent = *site_find(&t, "INFO ");
	EXPECT_TRUE(site_has(&sent, "\r\n\r\n6"));
	/* Who knows neither is not asked for ever. */
	site_answer(&t, &sent, 415, NULL, NULL, NULL);
	site_tick(&t, 10);
	EXPECT_INT(site_count(&t, "INFO "), 3);
	stop();
}

static void auto_goes_by_what_the_sdp_names(void **state)
{
	(void)state;
	static const struct media_rule rules[] = {
		{.dtmf = MEDIA_DTMF_RFC4733}, {.dtmf = MEDIA_DTMF_INFO}, {.dtmf = MEDIA_DTMF_AUTO}};
	static const struct {
		const char *name, *sdp;
		bool info[3];
	} rows[] = {
		{"it names events",
		 "m=audio 5 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
		 {false, true, false}},
		{"it names none", "m=audio 5 RTP/AVP 0\r\n", {false, true, true}},
		{"it is not known yet", "", {false, true, false}},
	};
	CHECK_TABLE(row, rows)
	for (size_t i = 0; i < 3; i++)
		EXPECT_INT(keys_in_info(&rules[i], str_from(row->sdp)), row->info[i]);
}

static void keys_that_wait_end_with_the_call(void **state)
{
	(void)state;
	start(MEDIA_DTMF_RFC4733, MEDIA_DTMF_INFO);
	for (unsigned i = 0; i < KEYS_MAX + 5; i++)
		pressed("caller", 1, 0);
	EXPECT_INT(site_count(&t, "INFO "), 1);
	EXPECT_INT(t.rec.notices[NOTICE_MEDIA], KEYS_MAX + 5 + 5); /* … heard; five too many */
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_is_read_in_every_spelling),
		cmocka_unit_test(each_key_is_written_as_it_is_read),
		cmocka_unit_test(a_key_in_the_media_becomes_one_info),
		cmocka_unit_test(keys_wait_for_one_another),
		cmocka_unit_test(the_same_key_twice_is_two_keys),
		cmocka_unit_test(an_info_that_gets_lost_is_the_same_info_again),
		cmocka_unit_test(an_info_becomes_one_key_in_the_media),
		cmocka_unit_test(between_two_sides_alike_nothing_is_translated),
		cmocka_unit_test(a_phone_that_tells_a_key_in_both_ways_is_heard_once),
		cmocka_unit_test(who_does_not_know_one_form_gets_the_other),
		cmocka_unit_test(auto_goes_by_what_the_sdp_names),
		cmocka_unit_test(keys_that_wait_end_with_the_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
