/* When new calls are refused: what the machine says, and how the client is told. */
#include <stdio.h>
#include <string.h>

#include "rtpproxy/io/load.h"
#include "tests/support/check.h"
#include "tests/support/relay_world.h"

static void two_samples_say_whether_it_is_too_much(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct load_limits limits;
		struct load_sample s; /* half a second after the first */
		enum relay_overload want;
	} rows[] = {
		{"no limits", {.cpu = 0}, {.cpu_busy = 200, .cpu_all = 200, .load = 99}, 0},
		{"processors below", {.cpu = 80}, {.cpu_busy = 79, .cpu_all = 100}, 0},
		{"processors at the limit",
		 {.cpu = 80},
		 {.cpu_busy = 80, .cpu_all = 100},
		 RELAY_OVERLOAD_CPU},
		{"a clock that stands still is no load", {.cpu = 80}, {.cpu_busy = 0}, 0},
		{"load below", {.load = 4}, {.load = 3.9}, 0},
		{"load at the limit", {.load = 4}, {.load = 4}, RELAY_OVERLOAD_LOAD},
		{"packets below", {.packets = 1000}, {.packets = 499}, 0},
		{"packets at the limit", {.packets = 1000}, {.packets = 500}, RELAY_OVERLOAD_LOAD},
		{"bandwidth below", {.bandwidth = 2000}, {.bytes = 999}, 0},
		{"bandwidth at the limit",
		 {.bandwidth = 2000},
		 {.bytes = 1000},
		 RELAY_OVERLOAD_BANDWIDTH},
		{"a counter that went back", {.bandwidth = 1, .packets = 1}, {.bytes = 0}, 0},
	};
	CHECK_TABLE(row, rows)
	{
		struct load l;
		struct load_sample first = {.at_us = 1000000, .bytes = 7, .packets = 7};
		struct load_sample second = row->s;
		load_init(&l, &row->limits);
		EXPECT_INT(load_step(&l, &first), RELAY_OVERLOAD_NONE);
		second.at_us = 1500000;
		second.bytes += strstr(row->name, "back") ? 0 : first.bytes;
		second.packets += strstr(row->name, "back") ? 0 : first.packets;
		EXPECT_INT(load_step(&l, &second), row->want);
	}
}

static _Atomic unsigned over;

static void what_the_client_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned over;
		const char *text;
	} rows[] = {
		{"processors", RELAY_OVERLOAD_CPU, "CPU usage limit exceeded"},
		{"load", RELAY_OVERLOAD_LOAD, "Load limit exceeded"},
		{"bandwidth", RELAY_OVERLOAD_BANDWIDTH, "Bandwidth limit exceeded"},
		{"sessions", RELAY_OVERLOAD_NONE, "Parallel session limit reached"},
	};
	CHECK_TABLE(row, rows)
	{
		struct relay_world *w = rw_new();
		w->relay.overload = &over;
		rw_ask(w, "offer", "call-id", "c0", "from-tag", "A", "sdp", RW_SDP_A, NULL);
		rw_expect_ok(w);
		atomic_store(&over, row->over);
		w->config.max_sessions = row->over ? 0 : 1;
		rw_ask(w, "offer", "call-id", "c1", "from-tag", "A", "sdp", RW_SDP_A, "supports",
		       "load limit", NULL);
		EXPECT_STR(rw_got(w, "result"), STR("load limit"));
		EXPECT_Z(rw_got(w, "message"), row->text);
		EXPECT_STR(rw_got(w, "error-reason"), STR(""));
		/* A client that does not know the word. */
		rw_ask(w, "offer", "call-id", "c1", "from-tag", "A", "sdp", RW_SDP_A, NULL);
		EXPECT_STR(rw_got(w, "result"), STR("error"));
		EXPECT_STR(rw_got(w, "error-reason"), STR("Parallel session limit reached"));
		/* What runs goes on, and may change. */
		rw_ask(w, "offer", "call-id", "c0", "from-tag", "A", "sdp", RW_SDP_A, NULL);
		rw_expect_ok(w);
		rw_ask(w, "answer", "call-id", "c0", "from-tag", "A", "to-tag", "B", "sdp",
		       RW_SDP_B, NULL);
		rw_expect_ok(w);
		EXPECT_INT(w->relay.calls.used, 1);
		EXPECT_U64(w->relay.counters[RELAY_REJECTED], 2);
		atomic_store(&over, 0);
		rw_free(w);
	}
}

/* A query whose reply has no room for all says what fits and that it is not all. */
static void a_reply_is_as_long_as_the_asker_can_read(void **state)
{
	(void)state;
	struct relay_world *w = rw_new();
	struct media_pkt m;
	static char text[LIMIT_DATAGRAM];
	size_t whole = 0;
	rw_ask(w, "offer", "call-id", "c0", "from-tag", "A", "sdp", RW_SDP_A, NULL);
	uint16_t to_b = rw_port(w, 0);
	rw_ask(w, "answer", "call-id", "c0", "from-tag", "A", "to-tag", "B", "sdp", RW_SDP_B, NULL);
	(void)rw_rtp(w, rw_port(w, 0), 1, 5000, 0, &m);
	(void)rw_rtp(w, to_b, 2, 6000, 0, &m);
	static const struct {
		const char *name;
		int less;
		bool tags, ssrc, warning;
	} rows[] = {
		{"all fits", 0, true, true, false},
		{"one byte too long: without SSRC", 1, true, false, true},
		{"half: without tags", -2, false, false, true},
		{"no room at all: not even the totals", -100, false, false, true},
	};
	CHECK_TABLE(row, rows)
	{
		struct buf b;
		const struct relay_now t = rw_now(w);
		size_t room =
			row->less < 0 ? whole / (size_t)-row->less : whole - (size_t)row->less;
		buf_init(&b, text, whole == 0 ? sizeof(text) : room);
		relay_command(&w->relay, &t, STR("p"), STR("c d7:command5:query7:call-id2:c0e"),
			      &b);
		whole = whole == 0 ? b.len : whole;
		struct str r = {text, b.len};
		EXPECT_INT(str_find(r, STR("4:tagsd")) < r.len, row->tags);
		EXPECT_INT(str_find(r, STR("4:SSRCd")) < r.len, row->ssrc);
		if (row->less != -100) {
			EXPECT_INT(str_find(r, STR("7:warning")) < r.len, row->warning);
			EXPECT_TRUE(str_find(r, STR("6:totalsd")) < r.len);
		}
	}
	rw_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_samples_say_whether_it_is_too_much),
		cmocka_unit_test(what_the_client_is_told),
		cmocka_unit_test(a_reply_is_as_long_as_the_asker_can_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
