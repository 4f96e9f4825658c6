/*
 * Telephone events: what a listener says of what it hears, and what a player sends. A row is packets in the order in
 * which they come, and the keys that are said, each with its milliseconds.
 */
#include "rtpproxy/core/dtmf.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

enum { STEPS = 16 };

/* A packet; ms is when it comes. A tick: `tick`. */
struct step {
	uint32_t ts;
	uint8_t event;
	uint16_t duration;
	bool end, marker;
	uint32_t ms;
	uint32_t ssrc;
	bool tick;
};

struct talk {
	const char *name;
	uint32_t rate; /* 0: 8000 */
	const char *said;
	struct step steps[STEPS];
};

static void add_keys(char *out, size_t cap, const struct dtmf_keys *keys)
{
	for (unsigned i = 0; i < keys->count; i++) {
		const size_t n = strlen(out);
		const char name = dtmf_key_name(keys->at[i].event);
		snprintf(out + n, cap - n, "%s%c/%u", n ? " " : "", name ? name : '?',
			 keys->at[i].duration_ms);
	}
}

static void run(const struct talk *row)
{
	struct dtmf_listen d;
	struct dtmf_keys keys;
	char said[256] = "";
	dtmf_listen_init(&d);
	for (const struct step *s = row->steps;
	     s < row->steps + STEPS && (s->ts || s->tick || s->duration); s++) {
		const uint64_t now_us = 1000000 + s->ms * UINT64_C(1000);
		if (s->tick) {
			dtmf_listen_tick(&d, now_us, &keys);
		} else {
			const struct dtmf_heard h = {s->ssrc, s->ts, row->rate ? row->rate : 8000,
						     s->marker};
			const struct dtmf_report r = {.event = s->event,
						      .duration = s->duration,
						      .end = s->end,
						      .volume = 10};
			uint8_t p[DTMF_PAYLOAD_LEN];
			dtmf_encode(&r, p);
			dtmf_listen_step(&d, &h, p, sizeof(p), now_us, &keys);
		}
		add_keys(said, sizeof(said), &keys);
	}
	EXPECT_Z(str_from(said), row->said);
}

#define END true, false
#define ON  false, false
#define NEW false, true

static void a_key_is_said_once_whatever_the_network_does(void **state)
{
	(void)state;
	static const struct talk rows[] = {
		{"a press with its three ends",
		 0,
		 "5/100",
		 {{1000, 5, 160, NEW, 0, 0, 0},
		  {1000, 5, 320, ON, 20, 0, 0},
		  {1000, 5, 800, END, 40, 0, 0},
		  {1000, 5, 800, END, 60, 0, 0},
		  {1000, 5, 800, END, 80, 0, 0}}},
		{"every packet comes twice",
		 0,
		 "5/40",
		 {{1000, 5, 160, NEW, 0, 0, 0},
		  {1000, 5, 160, NEW, 0, 0, 0},
		  {1000, 5, 320, END, 20, 0, 0},
		  {1000, 5, 320, END, 20, 0, 0}}},
		{"an update comes after the end",
		 0,
		 "5/60",
		 {{1000, 5, 160, NEW, 0, 0, 0},
		  {1000, 5, 480, END, 40, 0, 0},
		  {1000, 5, 320, ON, 60, 0, 0}}},
		{"the first packets are lost",
		 0,
		 "9/100",
		 {{1000, 9, 800, END, 0, 0, 0}, {1000, 9, 800, END, 20, 0, 0}}},
		{"all ends are lost: silence ends it",
		 0,
		 "1/60",
		 {{1000, 1, 160, NEW, 0, 0, 0},
		  {1000, 1, 480, ON, 40, 0, 0},
		  {.tick = true, .ms = 200},
		  {.tick = true, .ms = 240},
		  {.tick = true, .ms = 500}}},
		{"an end that comes after the silence changes nothing",
		 0,
		 "1/20",
		 {{1000, 1, 160, NEW, 0, 0, 0},
		  {.tick = true, .ms = 300},
		  {1000, 1, 1600, END, 320, 0, 0}}},
		{"all ends are lost: the next key ends it",
		 0,
		 "1/40 2/20",
		 {{1000, 1, 160, NEW, 0, 0, 0},
		  {1000, 1, 320, ON, 20, 0, 0},
		  {5000, 2, 160, END, 60, 0, 0}}},
		{"the same key twice, ends lost",
		 0,
		 "1/40 1/20",
		 {{1000, 1, 320, NEW, 0, 0, 0},
		  {5000, 1, 80, NEW, 60, 0, 0},
		  {5000, 1, 160, END, 80, 0, 0}}},
		{"the same key twice, the second's marker lost",
		 0,
		 "1/40 1/20",
		 {{1000, 1, 320, END, 0, 0, 0},
		  {5000, 1, 80, ON, 60, 0, 0},
		  {5000, 1, 160, END, 80, 0, 0}}},
		{"the same key twice without a gap",
		 0,
		 "1/40 1/20",
		 {{1000, 1, 320, END, 0, 0, 0},
		  {1320, 1, 80, NEW, 40, 0, 0},
		  {1320, 1, 160, END, 60, 0, 0}}},
		{"a late packet of the key before",
		 0,
		 "1/40 2/20",
		 {{1000, 1, 320, END, 0, 0, 0},
		  {2000, 2, 80, NEW, 60, 0, 0},
		  {1000, 1, 320, END, 60, 0, 0},
		  {2000, 2, 160, END, 80, 0, 0},
		  {1000, 1, 160, ON, 90, 0, 0}}},
		{"updates out of order keep the longest",
		 0,
		 "3/60",
		 {{1000, 3, 480, NEW, 0, 0, 0},
		  {1000, 3, 160, ON, 1, 0, 0},
		  {1000, 3, 320, ON, 2, 0, 0},
		  {.tick = true, .ms = 300}}},
		{"the timestamp wraps between two keys",
		 0,
		 "1/40 2/40",
		 {{0xffffff00, 1, 320, END, 0, 0, 0},
		  {0x00000100, 2, 320, END, 80, 0, 0},
		  {0xffffff00, 1, 320, END, 90, 0, 0}}},
		{"a press whose timestamp is 0", 0, "4/20", {{0, 4, 160, END, 0, 0, 0}}},
		{"longer than a report can say",
		 0,
		 "5/8291",
		 {{1000, 5, 65000, NEW, 0, 0, 0},
		  {1000, 5, 65535, ON, 20, 0, 0},
		  {66535, 5, 400, ON, 40, 0, 0},
		  {66535, 5, 800, END, 60, 0, 0},
		  {66535, 5, 800, END, 80, 0, 0}}},
		{"the last report of a part is lost",
		 0,
		 "5/8291",
		 {{1000, 5, 65000, NEW, 0, 0, 0}, {66535, 5, 800, END, 60, 0, 0}}},
		{"a sender that moves the timestamp on",
		 0,
		 "7/100",
		 {{1000, 7, 160, NEW, 0, 0, 0},
		  {1160, 7, 320, ON, 20, 0, 0},
		  {1320, 7, 480, ON, 40, 0, 0},
		  {1480, 7, 640, ON, 60, 0, 0},
		  {1640, 7, 800, END, 80, 0, 0},
		  {1800, 7, 800, END, 100, 0, 0},
		  {1960, 7, 800, END, 120, 0, 0}}},
		{"48 kHz",
		 48000,
		 "#/100",
		 {{1000, 11, 960, NEW, 0, 0, 0}, {1000, 11, 4800, END, 80, 0, 0}}},
		{"16 kHz",
		 16000,
		 "*/100",
		 {{1000, 10, 320, NEW, 0, 0, 0}, {1000, 10, 1600, END, 80, 0, 0}}},
		{"another source begins anew",
		 0,
		 "1/40 1/40",
		 {{1000, 1, 320, END, 0, 1, 0},
		  {1000, 1, 320, END, 60, 2, 0},
		  {1000, 1, 320, END, 80, 2, 0}}},
		{"the sender's clock is set back",
		 0,
		 "1/40 2/40",
		 {{900000, 1, 320, END, 0, 0, 0}, {1000, 2, 320, END, 60, 0, 0}}},
		{"a flash", 0, "!/40", {{1000, 16, 320, END, 0, 0, 0}}},
		{"an event that is no key", 0, "?/40", {{1000, 144, 320, END, 0, 0, 0}}},
		{"a key held while the other is asked for again",
		 0,
		 "",
		 {{1000, 1, 320, NEW, 0, 0, 0},
		  {1000, 1, 480, ON, 20, 0, 0},
		  {.tick = true, .ms = 100}}},
	};
	CHECK_TABLE(row, rows)
	{
		run(row);
	}
}

static void short_keys_may_share_a_packet(void **state)
{
	(void)state;
	struct dtmf_listen d;
	struct dtmf_keys keys;
	char said[64] = "";
	/* 1 for 20 ms, 2 for 40 ms, 3 under way */
	const uint8_t p[] = {1, 0x8a, 0, 160, 2, 0x8a, 1, 64, 3, 10, 0, 80};
	const struct dtmf_heard h = {7, 1000, 8000, true};
	dtmf_listen_init(&d);
	for (int i = 0; i < 3; i++) {
		dtmf_listen_step(&d, &h, p, sizeof(p), 1000, &keys);
		add_keys(said, sizeof(said), &keys);
	}
	EXPECT_Z(str_from(said), "1/20 2/40");
	dtmf_listen_tick(&d, 1000000, &keys);
	EXPECT_INT(keys.count, 1);
	/* Too short to say anything. */
	dtmf_listen_step(&d, &h, p, 3, 1000, &keys);
	EXPECT_INT(keys.count, 0);
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	uint8_t p[DTMF_PAYLOAD_LEN];
	struct dtmf_report r;
	for (unsigned event = 0; event < 256; event++) {
		const struct dtmf_report in = {.event = (uint8_t)event,
					       .volume = (uint8_t)(event & 63),
					       .end = event & 1,
					       .duration = (uint16_t)(event * 257)};
		dtmf_encode(&in, p);
		EXPECT_ERR(dtmf_decode(p, sizeof(p), &r), OK);
		EXPECT_TRUE(r.event == in.event && r.volume == in.volume && r.end == in.end &&
			    r.duration == in.duration);
	}
	for (size_t n = 0; n < sizeof(p); n++)
		EXPECT_ERR(dtmf_decode(p, n, &r), ERR_BAD);
	uint8_t event;
	for (const char *c = "0123456789*#ABCD!"; *c; c++) {
		EXPECT_TRUE(dtmf_find_key(*c, &event));
		EXPECT_INT(dtmf_key_name(event), *c);
	}
	EXPECT_TRUE(dtmf_find_key('d', &event) && event == 15);
	EXPECT_TRUE(!dtmf_find_key('E', &event) && !dtmf_find_key('\0', &event));
}

static void formats_are_known_by_number(void **state)
{
	(void)state;
	struct dtmf_formats f = {.count = 0};
	EXPECT_U64(dtmf_formats_find(&f, 101), 0);
	dtmf_formats_add(&f, 101, 8000);
	dtmf_formats_add(&f, 102, 48000);
	dtmf_formats_add(&f, 101, 16000);
	dtmf_formats_add(&f, 103, 0);
	EXPECT_INT(f.count, 2);
	EXPECT_U64(dtmf_formats_find(&f, 101), 16000);
	EXPECT_U64(dtmf_formats_find(&f, 102), 48000);
	for (uint8_t i = 0; i < 10; i++)
		dtmf_formats_add(&f, (uint8_t)(110 + i), 8000);
	EXPECT_INT(f.count, DTMF_FORMATS);
}

/* ---- playing */

static void a_played_key_is_a_press_by_the_book(void **state)
{
	(void)state;
	struct dtmf_play p = {0};
	struct dtmf_play_out out;
	const struct dtmf_press key = {100, 100, 5, 8};
	uint64_t now = 1000000;
	unsigned sent = 0, ends = 0;
	EXPECT_ERR(dtmf_play_add(&p, &key, now), OK);
	for (; now < 1400000; now += 10000) {
		while (dtmf_play_step(&p, 8000, now, &out)) {
			EXPECT_INT(out.marker, sent == 0);
			EXPECT_INT(out.begins, sent == 0);
			EXPECT_INT(out.report.event, 5);
			EXPECT_INT(out.report.volume, 8);
			EXPECT_INT(out.offset, 0);
			sent++;
			ends += out.report.end;
			EXPECT_INT(out.report.duration, sent < 5 ? sent * 160 : 800);
			EXPECT_INT(out.report.end, sent >= 5);
		}
	}
	EXPECT_INT(sent, 7);
	EXPECT_INT(ends, DTMF_ENDS);
	EXPECT_INT(p.state, DTMF_PLAY_IDLE);
}

static void keys_wait_for_one_another(void **state)
{
	(void)state;
	struct dtmf_play p = {0};
	struct dtmf_play_out out;
	char order[64] = "";
	uint64_t first_us = 0, second_us = 0;
	for (uint8_t i = 0; i < DTMF_QUEUE; i++)
		EXPECT_ERR(dtmf_play_add(&p, &(struct dtmf_press){100, 100, i, 8}, 1000000), OK);
	EXPECT_ERR(dtmf_play_add(&p, &(struct dtmf_press){100, 100, 1, 8}, 1000000), ERR_FULL);
	for (uint64_t now = 1000000; now < 9000000; now += 10000) {
		while (dtmf_play_step(&p, 8000, now, &out)) {
			if (!out.begins)
				continue;
			size_t n = strlen(order);
			snprintf(order + n, sizeof(order) - n, "%c",
				 dtmf_key_name(out.report.event));
			first_us = out.report.event == 0 ? now : first_us;
			second_us = out.report.event == 1 ? now : second_us;
		}
	}
	EXPECT_Z(str_from(order), "0123456789*#ABCD");
	/* 100 ms of tone, two more ends, the pause. */
	EXPECT_U64((second_us - first_us) / 1000, 100 + 2 * 20 + 100);
}

/* The player's packets to the listener: the key, with its length, at any clock. */
static void a_long_key_is_told_in_parts(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint32_t rate;
		uint16_t ms;
	} rows[] = {
		{"8 kHz, 5 s", 8000, 5000},
		{"48 kHz, 1.3 s: one part", 48000, 1300},
		{"48 kHz, 1.4 s: a part and a bit", 48000, 1400},
		{"48 kHz, 5 s: four parts", 48000, 5000},
		{"16 kHz, an odd length", 16000, 333},
	};
	CHECK_TABLE(row, rows)
	{
		struct dtmf_play p = {0};
		struct dtmf_play_out out;
		struct dtmf_listen d;
		struct dtmf_keys keys;
		unsigned said = 0, ms = 0, burst = 0;
		dtmf_listen_init(&d);
		EXPECT_ERR(dtmf_play_add(&p, &(struct dtmf_press){row->ms, 100, 3, 8}, 1000000),
			   OK);
		for (uint64_t now = 1000000; now < 8000000; now += 10000) {
			for (burst = 0; dtmf_play_step(&p, row->rate, now, &out); burst++) {
				const struct dtmf_heard h = {1, 77 + out.offset, row->rate,
							     out.marker};
				uint8_t bytes[DTMF_PAYLOAD_LEN];
				dtmf_encode(&out.report, bytes);
				dtmf_listen_step(&d, &h, bytes, sizeof(bytes), now, &keys);
				said += keys.count;
				ms = keys.count ? keys.at[0].duration_ms : ms;
			}
			EXPECT_TRUE(burst <= 1);
		}
		EXPECT_INT(said, 1);
		EXPECT_INT(ms, row->ms);
	}
}

static void a_late_clock_makes_no_burst(void **state)
{
	(void)state;
	struct dtmf_play p = {0};
	struct dtmf_play_out out;
	unsigned burst = 0;
	EXPECT_ERR(dtmf_play_add(&p, &(struct dtmf_press){5000, 100, 3, 8}, 1000000), OK);
	EXPECT_TRUE(dtmf_play_step(&p, 8000, 1000000, &out));
	while (dtmf_play_step(&p, 8000, 3000000, &out))
		burst++;
	EXPECT_INT(burst, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_said_once_whatever_the_network_does),
		cmocka_unit_test(short_keys_may_share_a_packet),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(formats_are_known_by_number),
		cmocka_unit_test(a_played_key_is_a_press_by_the_book),
		cmocka_unit_test(keys_wait_for_one_another),
		cmocka_unit_test(a_long_key_is_told_in_parts),
		cmocka_unit_test(a_late_clock_makes_no_burst),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
