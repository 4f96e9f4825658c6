#include "sbc/core/session_timer.h"

#include <stdio.h>

#include "sbc/core/hdr.h"
#include "tests/support/check.h"

static const struct session_timer_settings half_hour = {.on = true, .expires_s = 1800, .min_s = 90};
enum { NOW = 1000000 };

static struct session_timer fresh(void)
{
	struct session_timer t;

	session_timer_init(&t, &half_hour);
	return t;
}

static const char *lines(const struct buf *b)
{
	static char out[512];

	snprintf(out, sizeof(out), "%.*s", (int)b->len, b->p);
	return out;
}

/* RFC 4028 §9, table 2, and what our settings make of the interval. */
static void what_we_answer_to_the_peers_request(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct session_timer_seen in;
		const char *out;
		bool we_refresh;
		uint32_t expires_s;
	} rows[] = {
		{"a peer that knows nothing of it is refreshed by us",
		 {.supported = false},
		 "Supported: timer\r\nSession-Expires: 1800;refresher=uas\r\n",
		 true,
		 1800},
		{"one that knows it and says nothing refreshes",
		 {.supported = true},
		 "Require: timer\r\nSupported: timer\r\nSession-Expires: 1800;refresher=uac\r\n",
		 false,
		 1800},
		{"a smaller interval is taken",
		 {.supported = true, .expires_s = 600},
		 "Require: timer\r\nSupported: timer\r\nSession-Expires: 600;refresher=uac\r\n",
		 false,
		 600},
		{"a larger one is brought down to ours",
		 {.supported = true, .expires_s = 7200},
		 "Require: timer\r\nSupported: timer\r\nSession-Expires: 1800;refresher=uac\r\n",
		 false,
		 1800},
		{"but not below the Min-SE of the path",
		 {.supported = true, .expires_s = 7200, .min_s = 3600},
		 "Require: timer\r\nSupported: timer\r\nSession-Expires: 3600;refresher=uac\r\n",
		 false,
		 3600},
		{"who is to refresh is the peer's choice: it",
		 {.supported = true, .expires_s = 600, .refresher = REFRESHER_UAC},
		 "Require: timer\r\nSupported: timer\r\nSession-Expires: 600;refresher=uac\r\n",
		 false,
		 600},
		{"who is to refresh is the peer's choice: we",
		 {.supported = true, .expires_s = 600, .refresher = REFRESHER_UAS},
		 "Require: timer\r\nSupported: timer\r\nSession-Expires: 600;refresher=uas\r\n",
		 true,
		 600},
		{"an interval that a proxy has put in for a peer without is taken",
		 {.supported = false, .expires_s = 300},
		 "Supported: timer\r\nSession-Expires: 300;refresher=uas\r\n",
		 true,
		 300},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[512];
		struct buf b;
		struct session_timer t = fresh();
		buf_init(&b, mem, sizeof(mem));
		EXPECT_TRUE(session_timer_take_request(&t, &row->in));
		session_timer_write_answer(&t, &b, NOW);
		EXPECT_Z(str_from(lines(&b)), row->out);
		EXPECT_INT(t.we_refresh, row->we_refresh);
		EXPECT_INT(t.expires_s, row->expires_s);
		EXPECT_TRUE(t.running);
	}
}

static void an_interval_below_our_least_is_refused_with_it(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct session_timer_seen in;
		uint32_t min_s;
		bool taken;
	} rows[] = {
		{"89 s is below 90 s", {.supported = true, .expires_s = 89}, 90, false},
		{"90 s is enough", {.supported = true, .expires_s = 90}, 90, true},
		{"299 s where the trunk says 300 s",
		 {.supported = true, .expires_s = 299},
		 300,
		 false},
		{"a peer that cannot read a 422 is not given one",
		 {.supported = false, .expires_s = 60},
		 90,
		 true},
		{"none is no small one", {.supported = true}, 300, true},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[64], want[64];
		struct buf b;
		struct session_timer t;
		session_timer_init(&t, &(struct session_timer_settings){true, 1800, row->min_s});
		EXPECT_INT(session_timer_take_request(&t, &row->in), row->taken);
		buf_init(&b, mem, sizeof(mem));
		session_timer_write_min(&t, &b);
		snprintf(want, sizeof(want), "Min-SE: %u\r\n", row->min_s);
		EXPECT_Z(str_from(lines(&b)), want);
		EXPECT_TRUE(!t.running);
	}
}

static void what_the_peers_answer_makes_of_our_request(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct session_timer_seen in;
		bool we_refresh, knows;
		uint32_t expires_s;
	} rows[] = {
		{"without the header: it knows no timer, we refresh",
		 {.expires_s = 0},
		 true,
		 false,
		 1800},
		{"refresher=uac: we",
		 {.expires_s = 600, .refresher = REFRESHER_UAC},
		 true,
		 true,
		 600},
		{"refresher=uas: it",
		 {.expires_s = 600, .refresher = REFRESHER_UAS},
		 false,
		 true,
		 600},
		{"no refresher said: we", {.expires_s = 600}, true, true, 600},
		{"an interval too small to be true is not followed",
		 {.expires_s = 1, .refresher = REFRESHER_UAC},
		 true,
		 true,
		 90},
		{"nor one beyond what we asked",
		 {.expires_s = UINT32_MAX, .refresher = REFRESHER_UAS},
		 false,
		 true,
		 1800},
	};
	CHECK_TABLE(row, rows)
	{
		struct session_timer t = fresh();
		session_timer_on_answer(&t, &row->in, NOW);
		EXPECT_INT(t.we_refresh, row->we_refresh);
		EXPECT_INT(t.peer_knows, row->knows);
		EXPECT_INT(t.expires_s, row->expires_s);
	}
}

static void our_requests_say_who_refreshes_once_that_is_known(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool on, running, we_refresh;
		uint32_t floor_s;
		const char *out;
	} rows[] = {
		{"off says nothing", false, false, false, 90, ""},
		{"the first leaves it to the peer", true, false, false, 90,
		 "Supported: timer\r\nSession-Expires: 1800\r\n"},
		{"our refresh", true, true, true, 90,
		 "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n"},
		{"a re-INVITE of ours while the peer refreshes", true, true, false, 90,
		 "Supported: timer\r\nSession-Expires: 1800;refresher=uas\r\n"},
		{"a Min-SE that was learned is said, and raises the interval", true, false, false,
		 3600, "Supported: timer\r\nSession-Expires: 3600\r\nMin-SE: 3600\r\n"},
	};
	CHECK_TABLE(row, rows)
	{
		char mem[256];
		struct buf b;
		struct session_timer t = fresh();
		t.on = row->on;
		t.running = row->running;
		t.we_refresh = row->we_refresh;
		t.floor_s = row->floor_s;
		buf_init(&b, mem, sizeof(mem));
		session_timer_write_request(&t, &b);
		EXPECT_Z(str_from(lines(&b)), row->out);
	}
}

/* State (who refreshes, does the peer know it) × event: when something is due next, in ms after the event; 0: never. */
static void what_is_due_when(void **state)
{
	(void)state;
	enum event { STARTED, TICK_HALF, TICK_END, REFUSED_488, REFUSED_405, REFUSED_422, EVENTS };
	static const struct {
		const char *name;
		bool we_refresh, knows;
		struct {
			uint64_t next_ms; /* counted from the start; 1800 s */
			int due;
			bool wanted;
		} on[EVENTS];
	} rows[] = {
		{"we refresh a peer that knows it",
		 true,
		 true,
		 {{900000, -1, false},
		  {1768000, SESSION_DUE_REFRESH, true},
		  {1768000, SESSION_DUE_END, true},
		  {900000 + 112500, -1, false},
		  {900000 + 112500, -1, false},
		  {1768000, -1, true}}},
		{"we refresh a peer that does not",
		 true,
		 false,
		 {{900000, -1, false},
		  {1768000, SESSION_DUE_REFRESH, true},
		  {1768000, SESSION_DUE_END, true},
		  {900000 + 900000, -1, false},
		  {900000 + 900000, -1, false},
		  {1768000, -1, true}}},
		{"the peer refreshes",
		 false,
		 true,
		 {{1768000, -1, false},
		  {1768000, SESSION_DUE_NOTHING, false},
		  {1768000, SESSION_DUE_END, false},
		  {1768000, -1, false},
		  {1768000, -1, false},
		  {1768000, -1, false}}},
	};
	CHECK_TABLE(row, rows)
	{
		for (int e = 0; e < EVENTS; e++) {
			struct session_timer t = fresh();
			struct session_timer_seen seen = {.min_s = 3600};
			session_timer_on_answer(
				&t,
				&(struct session_timer_seen){.expires_s = row->knows ? 1800 : 0,
							     .refresher = row->we_refresh
										  ? REFRESHER_UAC
										  : REFRESHER_UAS},
				NOW);
			if (e == TICK_END) {
				EXPECT_INT(session_timer_tick(&t, NOW + 1767999),
					   row->we_refresh ? SESSION_DUE_REFRESH
							   : SESSION_DUE_NOTHING);
				EXPECT_INT(session_timer_tick(&t, NOW + 1768000), SESSION_DUE_END);
			} else if (e != STARTED) {
				EXPECT_INT(session_timer_tick(&t, NOW + 899999),
					   SESSION_DUE_NOTHING);
				EXPECT_INT(session_timer_tick(&t, NOW + 900000),
					   row->on[TICK_HALF].due);
				EXPECT_INT(session_timer_tick(&t, NOW + 900000),
					   SESSION_DUE_NOTHING);
			}
			if (e >= REFUSED_488)
				EXPECT_INT(session_timer_on_refusal(&t,
								    e == REFUSED_488   ? 488
								    : e == REFUSED_405 ? 405
										       : 422,
								    &seen, NOW + 900000),
					   e == REFUSED_422);
			EXPECT_U64(session_timer_next_ms(&t), NOW + row->on[e].next_ms);
			EXPECT_INT(session_timer_is_wanted(&t), row->on[e].wanted);
		}
	}
}

static void the_end_comes_a_third_or_32_seconds_early(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint32_t expires_s;
		uint64_t end_ms;
	} rows[] = {
		{"90 s: a third", 90, 60000},
		{"96 s: both are the same", 96, 64000},
		{"1800 s: 32 s", 1800, 1768000},
	};
	CHECK_TABLE(row, rows)
	{
		struct session_timer t = fresh();
		session_timer_on_answer(&t,
					&(struct session_timer_seen){.expires_s = row->expires_s,
								     .refresher = REFRESHER_UAS},
					NOW);
		EXPECT_U64(session_timer_next_ms(&t), NOW + row->end_ms);
	}
}

static void a_422_is_followed_three_times_at_most(void **state)
{
	(void)state;
	struct session_timer t = fresh();
	for (uint32_t i = 1; i <= SESSION_TIMER_422_MAX + 1; i++)
		EXPECT_INT(session_timer_on_refusal(
				   &t, 422, &(struct session_timer_seen){.min_s = 2000 + i}, NOW),
			   i <= SESSION_TIMER_422_MAX);
	EXPECT_INT(t.floor_s, 2000 + SESSION_TIMER_422_MAX);
	t = fresh();
	EXPECT_TRUE(!session_timer_on_refusal(&t, 422, &(struct session_timer_seen){.min_s = 1800},
					      NOW)); /* that is what it had */
}

static void off_is_off(void **state)
{
	(void)state;
	char mem[64];
	struct buf b;
	struct session_timer t;
	struct session_timer_seen seen = {.supported = true, .expires_s = 10};
	session_timer_init(&t, &(struct session_timer_settings){.on = false});
	buf_init(&b, mem, sizeof(mem));
	EXPECT_TRUE(session_timer_take_request(&t, &seen));
	session_timer_write_answer(&t, &b, NOW);
	session_timer_write_request(&t, &b);
	session_timer_on_answer(&t, &seen, NOW);
	EXPECT_TRUE(!session_timer_on_refusal(&t, 422, &seen, NOW));
	EXPECT_INT(b.len, 0);
	EXPECT_U64(session_timer_next_ms(&t), UINT64_MAX);
	EXPECT_INT(session_timer_tick(&t, UINT64_MAX), SESSION_DUE_NOTHING);
}

static void headers_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *name, *headers;
		struct session_timer_seen out;
	} rows[] = {
		{"nothing", "", {0}},
		{"all of it",
		 "Supported: 100rel, timer\r\nSession-Expires: 1800;refresher=uas\r\nMin-SE: "
		 "120\r\n"
		 "Allow: INVITE, UPDATE\r\n",
		 {1800, 120, REFRESHER_UAS, true, true, true}},
		{"compact, Require, letters in either case",
		 "x: 90 ;Refresher=UAC\r\nRequire: timer\r\nAllow: INVITE\r\n",
		 {90, 0, REFRESHER_UAC, true, false, true}},
		{"a refresher that there is not",
		 "Session-Expires: 600;refresher=proxy\r\n",
		 {600, 0, REFRESHER_NOT_SAID, false, false, false}},
		{"what cannot be read was not said",
		 "Session-Expires: soon\r\nMin-SE: -1\r\n",
		 {0, 0, REFRESHER_NOT_SAID, false, false, false}},
	};
	CHECK_TABLE(row, rows)
	{
		static struct msg m;
		char text[1024];
		struct session_timer_seen seen;
		snprintf(
			text, sizeof(text),
			"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\n"
			"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
			"Max-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
			row->headers);
		EXPECT_INT(msg_index(&m, str_from(text), 0), OK);
		session_timer_read(&m, &seen);
		EXPECT_INT(seen.expires_s, row->out.expires_s);
		EXPECT_INT(seen.min_s, row->out.min_s);
		EXPECT_INT(seen.refresher, row->out.refresher);
		EXPECT_INT(seen.supported, row->out.supported);
		EXPECT_INT(seen.allows_update, row->out.allows_update);
		EXPECT_INT(seen.says_allow, row->out.says_allow);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_we_answer_to_the_peers_request),
		cmocka_unit_test(an_interval_below_our_least_is_refused_with_it),
		cmocka_unit_test(what_the_peers_answer_makes_of_our_request),
		cmocka_unit_test(our_requests_say_who_refreshes_once_that_is_known),
		cmocka_unit_test(what_is_due_when),
		cmocka_unit_test(the_end_comes_a_third_or_32_seconds_early),
		cmocka_unit_test(a_422_is_followed_three_times_at_most),
		cmocka_unit_test(off_is_off),
		cmocka_unit_test(headers_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
